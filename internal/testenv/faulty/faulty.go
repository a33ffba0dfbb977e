// Package faulty puts a line between a test and its servers that can be cut,
// slowed or frozen at a chosen moment. It stands apart from testenv, so that example programs
// do not link the proxy.
package faulty

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

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
	proxy := start(t, net.JoinHostPort(config.ConnConfig.Host, strconv.Itoa(int(config.ConnConfig.Port))))
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

func start(t testing.TB, upstream string) *toxiproxy.Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", upstream)
	require.NoError(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	return proxy
}

// Wire is a line to a server of any kind, such as Redis.
type Wire struct {
	Address string // host and port of this end
	proxy   *toxiproxy.Proxy
	t       testing.TB
}

// ToAddress lays a wire to a host and port, until the test ends.
func ToAddress(t testing.TB, upstream string) *Wire {
	t.Helper()
	proxy := start(t, upstream)
	return &Wire{proxy.Listen, proxy, t}
}

// Down refuses connections, and closes those that there are.
func (w *Wire) Down() { w.proxy.Stop() }

// Up is the end of Down.
func (w *Wire) Up() { require.NoError(w.t, w.proxy.Start()) }

// Slow makes each answer come later; 0 is the end of it.
func (w *Wire) Slow(by time.Duration) {
	if by == 0 {
		require.NoError(w.t, w.proxy.Toxics.RemoveToxic(w.t.Context(), "slow"))
		return
	}
	_, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(
		`{"name": "slow", "type": "latency", "stream": "downstream", "attributes": {"latency": %d}}`, by.Milliseconds())))
	require.NoError(w.t, err)
}

// Freeze lets nothing through and closes nothing, as a server that is stopped.
func (w *Wire) Freeze() {
	_, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(
		`{"name": "frozen", "type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`))
	require.NoError(w.t, err)
}

// Thaw is the end of Freeze.
func (w *Wire) Thaw() { require.NoError(w.t, w.proxy.Toxics.RemoveToxic(w.t.Context(), "frozen")) }

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
