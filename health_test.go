package fature_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/internal/testenv/faulty"
	"github.com/fature/fature/migrate"
	"github.com/fature/fature/transaction"
)

// patient is a programme behind wires, whose health is asked for.
type patient struct {
	*fature.Program
	t          *testing.T
	direct     *pgxpool.Pool // past the wire
	pool       *pgxpool.Pool
	postgresql *faulty.Wire
	redis      *faulty.Wire
}

func newPatient(t *testing.T, change func(*pgxpool.Config)) *patient {
	t.Helper()
	s := &patient{t: t, direct: testenv.Clone(t)}
	address, err := url.Parse(testenv.NewRedis(t))
	require.NoError(t, err)
	s.redis = faulty.ToAddress(t, address.Host)
	config := s.direct.Config()
	s.postgresql = faulty.ToAddress(t, net.JoinHostPort(config.ConnConfig.Host, strconv.Itoa(int(config.ConnConfig.Port))))
	host, port, err := net.SplitHostPort(s.postgresql.Address)
	require.NoError(t, err)
	number, err := strconv.ParseUint(port, 10, 16)
	require.NoError(t, err)
	config.ConnConfig.Host, config.ConnConfig.Port, config.ConnConfig.Fallbacks = host, uint16(number), nil
	config.MaxConns = 4
	if change != nil {
		change(config)
	}
	s.pool, err = pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(s.pool.Close)
	s.Program, err = fature.New(t.Context(), fature.Config{
		Pool: s.pool, Currency: "BRL", RedisOptions: &redis.UniversalOptions{Addrs: []string{s.redis.Address}},
	})
	require.NoError(t, err)
	t.Cleanup(s.Program.Close)
	return s
}

// works lets the background work be somebody's, which the tests do not wait for.
func (s *patient) works() {
	s.t.Helper()
	s.exec(`insert into fature.leases (name, holder, term, expires_at) values ('jobs', 'x', 1, now() + interval '1 hour')`)
}

func (s *patient) exec(sql string, args ...any) {
	s.t.Helper()
	_, err := s.direct.Exec(s.t.Context(), sql, args...)
	require.NoError(s.t, err)
}

// want asks for the health, which takes no longer than it may, and holds nothing
// of the servers' own.
func (s *patient) want(status fature.HealthStatus, reasons ...string) fature.Health {
	s.t.Helper()
	var h fature.Health
	for range 3 { // a busy machine may let a server wait
		start := time.Now()
		h = s.Health(s.t.Context())
		require.Less(s.t, time.Since(start), 4*time.Second, "two, on a busy machine")
		if h.Status == status && slices.Equal(h.Reasons, reasons) {
			break
		}
	}
	require.Equal(s.t, status, h.Status, "%+v", h)
	require.Equal(s.t, reasons, h.Reasons)
	for _, secret := range []string{s.postgresql.Address, s.redis.Address, s.pool.Config().ConnConfig.Database, "127.0.0.1"} {
		require.NotContains(s.t, fmt.Sprintf("%+v %+v", h, h.Backlog), secret)
	}
	return h
}

// recovers waits until it is healthy again: a pool finds out one by one which of
// its connections are gone.
func (s *patient) recovers() {
	s.t.Helper()
	h := s.Health(s.t.Context())
	for end := time.Now().Add(time.Minute); h.Status != fature.Healthy && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		h = s.Health(s.t.Context())
	}
	require.Equal(s.t, fature.Healthy, h.Status, "%+v", h)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var trips *testenv.Trips
	s := newPatient(t, func(c *pgxpool.Config) {
		c.MaxConns = 1
		trips = testenv.CountTrips(c.ConnConfig)
	})
	s.want(fature.Degraded, "no process does the background work")
	s.works()
	h := s.want(fature.Healthy)
	require.True(t, h.PostgreSQL.Up && h.PostgreSQL.Migrated && h.Redis.Configured && h.Redis.Up && !h.Redis.BreakerOpen)
	require.Regexp(t, `^\d+(\.\d+)+$`, h.PostgreSQL.Version)
	require.Equal(t, migrate.Latest(), h.PostgreSQL.Schema)
	require.Equal(t, 1, h.PostgreSQL.Pool.Max)
	require.Positive(t, h.PostgreSQL.ActiveConnections)
	require.LessOrEqual(t, h.PostgreSQL.ActiveConnections, h.PostgreSQL.ServerConnections)
	require.Less(t, h.PostgreSQL.ServerConnections, h.PostgreSQL.MaxConnections)
	require.Positive(t, h.PostgreSQL.Latency)
	require.Positive(t, h.Redis.Latency)
	require.Equal(t, 3, h.Backlog.MonthsAhead)
	require.Zero(t, h.Backlog.Pending+h.Backlog.Deltas+h.Backlog.Outbox)
	require.Zero(t, h.Cache)
	require.InDelta(t, 1, h.Cache.HitRate(), 0, "before anything was read")

	fewest := 99
	for range 3 { // the pool looks after a connection that was idle
		fewest = min(fewest, trips.Of(func() { s.Health(t.Context()) }))
	}
	require.Equal(t, 2, fewest)
	for range 3 {
		fewest = min(fewest, trips.Of(func() { require.NoError(t, s.Ready(t.Context())) }))
	}
	require.Equal(t, 1, fewest)

	// Reads count, whoever asks is told alike, and without a Redis it says so.
	var value int
	for range 4 {
		require.ErrorIs(t, s.Settings.Get(t.Context(), "nothing", &value), fature.ErrNotFound)
	}
	h = s.Program.As(affiliate.Viewer{}).Health(t.Context())
	require.Equal(t, fature.Healthy, h.Status)
	require.EqualValues(t, 1, h.Cache.Loads)
	require.InDelta(t, 0.75, h.Cache.HitRate(), 0)
	bare, err := fature.New(t.Context(), fature.Config{Pool: s.direct})
	require.NoError(t, err)
	h = bare.Health(t.Context())
	require.Equal(t, fature.Degraded, h.Status)
	require.Equal(t, []string{"there is no Redis: each process keeps what it reads for itself"}, h.Reasons)
	require.Equal(t, fature.RedisHealth{}, h.Redis)
}

// Whatever the servers do, there is an answer in time, and it is the right one
// again when they are well.
func TestHealthOfIllServers(t *testing.T) {
	t.Parallel()
	s := newPatient(t, nil)
	s.works()
	s.want(fature.Healthy)

	s.redis.Freeze()
	h := s.want(fature.Degraded, "Redis does not answer")
	require.True(t, h.PostgreSQL.Up)
	require.NotNil(t, h.Backlog)
	require.Less(t, h.Redis.Latency, 2*time.Second)
	s.redis.Thaw()
	s.recovers()
	s.redis.Down()
	s.want(fature.Degraded, "Redis does not answer")
	s.redis.Up()
	s.recovers()

	s.postgresql.Freeze()
	h = s.want(fature.Down, "PostgreSQL does not answer")
	require.True(t, h.Redis.Up, "they are asked side by side")
	require.Nil(t, h.Backlog)
	require.ErrorIs(t, s.Ready(t.Context()), fature.ErrUnavailable)
	s.postgresql.Thaw()
	s.recovers()
	s.postgresql.Down()
	s.redis.Freeze()
	s.want(fature.Down, "PostgreSQL does not answer", "Redis does not answer")
	require.ErrorIs(t, s.Ready(t.Context()), fature.ErrUnavailable)
	s.postgresql.Up()
	s.redis.Thaw()
	s.recovers()
	require.NoError(t, s.Ready(t.Context()))

	// A pool that is used up is not a server that is away.
	for range 4 {
		conn, err := s.pool.Acquire(t.Context())
		require.NoError(t, err)
		defer conn.Release()
	}
	h = s.want(fature.Down, "PostgreSQL: no connection of the pool was free in time")
	require.Equal(t, fature.PoolUse{InUse: 4, Idle: 0, Max: 4}, h.PostgreSQL.Pool)
}

func TestHealthOfTheWork(t *testing.T) {
	t.Parallel()
	s := newPatient(t, nil)
	s.works()
	s.exec(`update fature.fold set as_of = now()`) // the test's database was made some time ago
	ana, err := s.Affiliates.Create(t.Context(), affiliate.Draft{Name: "Ana", Email: "ana@example.com"})
	require.NoError(t, err)
	_, err = s.Record(t.Context(),
		transaction.Event{AffiliateID: ana.ID, Type: transaction.Sale, Amount: decimal.NewFromInt(1)},
		transaction.Event{AffiliateID: ana.ID, Type: transaction.Sale, Amount: decimal.NewFromInt(1), Pending: true})
	require.NoError(t, err)
	s.exec(`insert into fature.outbox (payload, created_at) values ('{}', now() - interval '1 minute'), ('{}', now())`)
	h := s.want(fature.Healthy)
	require.EqualValues(t, 1, h.Backlog.Pending)
	require.EqualValues(t, 1, h.Backlog.Deltas)
	require.EqualValues(t, 2, h.Backlog.Outbox)
	require.InDelta(t, 60, h.Backlog.OutboxAge.Seconds(), 50)
	require.Empty(t, h.Backlog.Late)

	s.exec(`update fature.fold set as_of = now() - interval '10 minutes'`)
	s.exec(`update fature.outbox set created_at = created_at - interval '10 minutes'`)
	h = s.want(fature.Degraded, "the job fold is late", "the job outbox is late")
	require.Equal(t, []string{"fold", "outbox"}, h.Backlog.Late)
	_, err = s.Fold(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.AfterCommit(t.Context()))
	s.exec(`select fature.refresh_affiliate_stats()`)
	s.want(fature.Healthy)

	// Each table needs its months.
	for _, c := range []struct {
		months  int
		reasons []string
	}{
		{3, nil}, {2, []string{"the job partitions is late"}}, {1, []string{"the next month has no partitions", "the job partitions is late"}},
	} {
		s.exec(`drop table fature.clicks_` + monthsFrom(c.months).Format("2006_01"))
		h := s.Health(t.Context())
		require.Equal(t, c.months-1, h.Backlog.MonthsAhead)
		require.Equal(t, c.reasons, h.Reasons)
	}
	s.exec(`drop table fature.data_audit_` + monthsFrom(0).Format("2006_01"))
	require.Equal(t, -1, s.Health(t.Context()).Backlog.MonthsAhead)
	again, err := fature.New(t.Context(), fature.Config{Pool: s.pool})
	require.NoError(t, err)
	again.Close()
	require.Equal(t, 3, s.want(fature.Healthy).Backlog.MonthsAhead)

	// What waits for a lock is the backlog, and not the server.
	tx, err := s.direct.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `lock table fature.outbox in access exclusive mode`)
	require.NoError(t, err)
	h = s.want(fature.Degraded, "the backlog could not be read in time")
	require.Nil(t, h.Backlog)
	require.NoError(t, s.Ready(t.Context()))
	require.NoError(t, tx.Rollback(t.Context()))
	s.recovers()

	// A database of an older version, and one without tables.
	s.exec(`update fature.schema_version set version = version - 1`)
	s.want(fature.Down, "PostgreSQL is not migrated to this version")
	require.ErrorIs(t, s.Ready(t.Context()), fature.ErrNotMigrated)
	s.exec(`update fature.schema_version set version = version + 2`)
	s.want(fature.Healthy)
	s.exec(`drop table fature.schema_version`)
	h = s.want(fature.Down, "PostgreSQL is not migrated to this version")
	require.True(t, h.PostgreSQL.Up)
	require.ErrorIs(t, s.Ready(t.Context()), fature.ErrNotMigrated)
}

// monthsFrom is a month as partitions are named by it.
func monthsFrom(n int) time.Time {
	now := time.Now().UTC()
	return time.Date(now.Year(), now.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
}

// The application's role may ask all of it, and read the audit.
func TestHealthByTheApplicationsRole(t *testing.T) {
	t.Parallel()
	s := newPatient(t, nil)
	s.works()
	admin, err := s.direct.Acquire(t.Context())
	require.NoError(t, err)
	rights, err := migrate.Roles(t.Context(), admin.Conn(), migrate.Options{})
	admin.Release()
	require.NoError(t, err)
	config := s.direct.Config()
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set session authorization "+rights.App)
		return err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	p, err := fature.New(t.Context(), fature.Config{Pool: pool})
	require.NoError(t, err)
	h := p.Health(t.Context())
	require.True(t, h.PostgreSQL.Migrated)
	require.Positive(t, h.PostgreSQL.ActiveConnections)
	require.NotNil(t, h.Backlog)
	require.True(t, h.Backlog.Working)
	require.Len(t, h.Reasons, 1, "it has no Redis: %s", strings.Join(h.Reasons, ", "))
	_, err = p.Audit.List(t.Context(), fature.AuditFilter{Table: "users", RecordID: rights.App})
	require.NoError(t, err)
}
