package pg_test

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// The reply to COMMIT is lost: the transaction is stored, and nobody on this
// side can know. It is not run again. (pgx itself calls it safe to retry.)
func TestLostReplyToCommit(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	line := throughProxy(t, n.pool)
	db := pg.In(line.pool, "")
	require.NoError(t, pg.InTx(t.Context(), db, func(tx pg.DB) error { return write(t.Context(), tx, "prepares") }))

	tries := 0
	err := pg.InTx(t.Context(), db, func(tx pg.DB) error {
		tries++
		if err := write(t.Context(), tx, "stored"); err != nil {
			return err
		}
		line.cutReplies(t) // COMMIT is the next that is sent
		return nil
	})
	require.ErrorIs(t, err, pg.ErrOutcomeUnknown)
	require.ErrorIs(t, err, fault.Unavailable)
	require.False(t, pg.Retryable(err))
	require.ErrorIs(t, pg.Fail("op", err, nil), pg.ErrOutcomeUnknown)
	require.Equal(t, 1, tries)
	n.want("prepares", "stored")

	line.heal(t)
	require.NoError(t, pg.InTx(t.Context(), db, func(tx pg.DB) error { return write(t.Context(), tx, "later") }))
	n.want("prepares", "stored", "later")
}

// The line is cut earlier, before COMMIT was sent: nothing is stored, which is
// known, and it is tried again.
func TestLostReplyBeforeCommit(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	line := throughProxy(t, n.pool)
	tries := 0
	err := pg.InTx(t.Context(), pg.In(line.pool, ""), func(tx pg.DB) error {
		if tries++; tries == 1 {
			line.cutReplies(t)
			defer line.heal(t)
		}
		return write(t.Context(), tx, "try "+strconv.Itoa(tries))
	})
	require.NoError(t, err)
	require.Equal(t, 2, tries)
	n.want("try 2")
}

// line is a pool of one connection to a database, through a proxy that can
// swallow what the server says.
type line struct {
	proxy *toxiproxy.Proxy
	pool  *pgxpool.Pool
}

func throughProxy(t *testing.T, to *pgxpool.Pool) *line {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	host := to.Config().ConnConfig
	proxy := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", net.JoinHostPort(host.Host, strconv.Itoa(int(host.Port))))
	require.NoError(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	_, port, err := net.SplitHostPort(proxy.Listen)
	require.NoError(t, err)
	return &line{proxy, connect(t, to, func(c *pgxpool.Config) {
		number, err := strconv.ParseUint(port, 10, 16)
		require.NoError(t, err)
		c.MaxConns, c.ConnConfig.Host, c.ConnConfig.Port = 1, "127.0.0.1", uint16(number)
	})}
}

// cutReplies closes the connection instead of passing on the server's next
// word.
func (l *line) cutReplies(t *testing.T) {
	t.Helper()
	_, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(
		`{"name": "cut", "type": "limit_data", "stream": "downstream", "attributes": {"bytes": 0}}`))
	require.NoError(t, err)
}

func (l *line) heal(t *testing.T) {
	t.Helper()
	require.NoError(t, l.proxy.Toxics.RemoveToxic(t.Context(), "cut"))
}
