package main

import (
	"net"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/internal/testenv/faulty"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	config := pool.Config()
	wire := faulty.ToAddress(t, net.JoinHostPort(config.ConnConfig.Host, strconv.Itoa(int(config.ConnConfig.Port))))
	host, port, err := net.SplitHostPort(wire.Address)
	require.NoError(t, err)
	number, err := strconv.ParseUint(port, 10, 16)
	require.NoError(t, err)
	config.ConnConfig.Host, config.ConnConfig.Port, config.ConnConfig.Fallbacks = host, uint16(number), nil
	behind, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(behind.Close)
	address, err := url.Parse(testenv.NewRedis(t))
	require.NoError(t, err)
	redisWire := faulty.ToAddress(t, address.Host)
	w := newWorldOn(t, fature.Config{Pool: behind, RedisOptions: &redis.UniversalOptions{Addrs: []string{redisWire.Address}}})

	r := w.want(200, "", "GET /health", "")
	require.Equal(t, "degraded", r.has("status"))
	require.Equal(t, []any{"no process does the background work"}, r.has("reasons"))
	_, err = pool.Exec(t.Context(), `insert into fature.leases (name, holder, term, expires_at) values ('jobs', 'x', 1, now() + interval '1 hour')`)
	require.NoError(t, err)
	r = w.want(200, "", "GET /health", "")
	require.Equal(t, "ok", r.has("status"), r.text)
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	for path, want := range map[string]any{
		"reasons": []any{}, "postgresql.up": true, "postgresql.migrated": true, "redis.configured": true, "redis.up": true,
		"redis.breaker_open": false, "cache_hit_rate": 1.0, "backlog.partitions_ahead": 3.0, "backlog.background_running": true,
		"backlog.pending_transactions": 0.0, "backlog.late_jobs": []any{},
	} {
		require.Equal(t, want, r.has(path), path)
	}
	require.Positive(t, r.has("active_connections"))
	require.Regexp(t, `^\d+\.\d+`, r.has("postgresql.version"))

	redisWire.Freeze()
	r = w.want(200, "", "GET /health", "")
	require.Equal(t, "degraded", r.has("status"))
	require.Equal(t, false, r.has("redis.up"))
	redisWire.Thaw()

	wire.Freeze()
	start := time.Now()
	answers := make(chan answered, 20)
	for range 20 {
		go func() { answers <- w.do("", "GET /health", "") }()
	}
	for range 20 {
		r = <-answers
		require.Equal(t, 503, r.status, r.text)
		require.Equal(t, "down", r.has("status"))
		require.Nil(t, r.has("backlog"))
		require.Equal(t, false, r.has("postgresql.up"))
		require.Equal(t, "application/json", r.header.Get("Content-Type"))
		for _, secret := range []string{wire.Address, redisWire.Address, config.ConnConfig.Database} {
			require.NotContains(t, r.text, secret)
		}
	}
	require.Less(t, time.Since(start), 10*time.Second)
	require.LessOrEqual(t, r.has("postgresql.pool.in_use"), 4.0, "twenty who ask are one question at a time")
	require.Equal(t, "the database is away: try again", w.want(503, "", "GET /readyz", "").has("detail"))
	w.want(200, "", "GET /livez", "")
	wire.Thaw()
	// The pool finds out one by one which of its connections are gone.
	for end := time.Now().Add(time.Minute); r.has("status") != "ok" && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		r = w.do("", "GET /health", "")
	}
	require.Equal(t, "ok", r.has("status"), r.text)
	w.want(200, "", "GET /readyz", "")

	_, err = pool.Exec(t.Context(), `update fature.schema_version set version = version - 1`)
	require.NoError(t, err)
	w.want(503, "", "GET /readyz", "")
	require.Equal(t, 503, w.do("", "GET /health", "").status)
	w.want(422, "", "GET /health?verbose=1", "")
}

// A programme that never had a Redis works, and says what it lacks.
func TestHealthWithoutRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.want(200, "", "GET /health", "")
	require.Equal(t, "degraded", r.has("status"))
	require.Equal(t, false, r.has("redis.configured"))
	require.Contains(t, r.text, "there is no Redis")
}
