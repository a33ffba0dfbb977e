// Package faulty puts a line between a test and its database that can be cut
// at a chosen moment. It stands apart from testenv, so that example programs
// do not link the proxy.
package faulty

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// Line is a pool of one connection to a database, through a proxy that can
// swallow what the server says.
type Line struct {
	Pool  *pgxpool.Pool
	proxy *toxiproxy.Proxy
	t     testing.TB
}

// To lays a line to the database of a pool, until the test ends. change may
// alter the configuration of its pool; nil does not.
func To(t testing.TB, to *pgxpool.Pool, change func(*pgxpool.Config)) *Line {
	t.Helper()
	config := to.Config()
	upstream := net.JoinHostPort(config.ConnConfig.Host, strconv.Itoa(int(config.ConnConfig.Port)))
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", upstream)
	require.NoError(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	_, port, err := net.SplitHostPort(proxy.Listen)
	require.NoError(t, err)
	number, err := strconv.ParseUint(port, 10, 16)
	require.NoError(t, err)
	config.MaxConns, config.ConnConfig.Host, config.ConnConfig.Port = 1, "127.0.0.1", uint16(number)
	config.ConnConfig.Fallbacks = nil
	if change != nil {
		change(config)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return &Line{pool, proxy, t}
}

// Cut closes the connection instead of passing on the server's next word; what
// is sent to the server still arrives.
func (l *Line) Cut() {
	_, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(
		`{"name": "cut", "type": "limit_data", "stream": "downstream", "attributes": {"bytes": 0}}`))
	require.NoError(l.t, err)
}

// Heal lets the server be heard again, by connections made from now on.
func (l *Line) Heal() {
	require.NoError(l.t, l.proxy.Toxics.RemoveToxic(l.t.Context(), "cut"))
}
