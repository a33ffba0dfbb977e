package fature

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/outbox"
	"github.com/fature/fature/internal/partition"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/migrate"
)

const (
	// healthTime bounds a look at the servers, whatever they do.
	healthTime = 2 * time.Second
	// pingTime is how long Redis has: more than the cache gives it, which is told
	// by the breaker.
	pingTime = 500 * time.Millisecond
	// mostCounted is where counting a backlog ends.
	mostCounted = 100_000
	// lateBy is what a job may be late besides three of its turns.
	lateBy = 5 * time.Minute
)

// HealthStatus sums up a Health.
type HealthStatus string

// The states. A degraded programme does its work: more slowly, or not all of
// what is done in the background. One that is down does none.
const (
	Healthy  HealthStatus = "ok"
	Degraded HealthStatus = "degraded"
	Down     HealthStatus = "down"
)

// Health is how a programme and its servers are. It holds no address, no name
// and no text of a server, so that it can be shown to anybody.
type Health struct {
	Status     HealthStatus
	Reasons    []string // why it is not ok, as sentences
	PostgreSQL PostgreSQLHealth
	Redis      RedisHealth
	// Cache is what became of the reads of all namespaces since the programme
	// was made. Its HitRate is 1 before anything was read.
	Cache cache.Figures
	// Backlog is nil where PostgreSQL did not tell it.
	Backlog *Backlog
}

// PostgreSQLHealth is how the database is.
type PostgreSQLHealth struct {
	Up      bool
	Latency time.Duration // of a question, waiting for a connection included
	Version string        // of the server, such as 17.6
	// Migrated tells that the tables are those of this version, or of a later
	// one; Schema is the version that they are at.
	Migrated bool
	Schema   int32
	// ActiveConnections are the clients' connections to this database, those of
	// other processes included; ServerConnections those to all databases of the
	// server, which takes MaxConnections.
	ActiveConnections, ServerConnections, MaxConnections int
	Pool                                                 PoolUse
}

// PoolUse is how much of this process's pool is in use.
type PoolUse struct{ InUse, Idle, Max int }

// RedisHealth is how the programme's Redis is.
type RedisHealth struct {
	Configured bool
	Up         bool
	Latency    time.Duration
	// BreakerOpen tells that the cache does without it, after calls that it did
	// not answer.
	BreakerOpen bool
}

// Backlog is what is still to be done. Numbers end at 100,000.
type Backlog struct {
	Pending int64 // transactions that Process has not rated
	Deltas  int64 // entries that are not folded into the totals
	// FoldAge is how old the totals are.
	FoldAge time.Duration
	// Outbox is what caches have not been told, and OutboxAge when the oldest of
	// it was written: what a transaction that was open for long has written is
	// old when it is seen for the first time.
	Outbox    int64
	OutboxAge time.Duration
	// MonthsAhead is for how many months after this one there are partitions in
	// every table, at most 12; less than 0 is that this one has none.
	MonthsAhead int
	// Working tells that some process does the background work.
	Working bool
	// Late are the jobs that are overdue by what they left: fold, outbox,
	// partitions and refresh-affiliate-stats. The other jobs leave nothing by which
	// it could be told.
	Late []string
}

// Health looks at PostgreSQL and Redis side by side, for two seconds at most: two
// round trips of the one, and a PING of the other that waits half a second. What does not
// answer is said to be down; there is no error. It is Down without a migrated
// PostgreSQL, and Degraded without Redis, without a partition for the next month,
// where no process does the background work, where a job is late, and where the
// backlog could not be read in time.
//
// It is about the programme and nobody's data, so under As and WithTx too it
// asks by a connection of the pool.
func (p *Program) Health(ctx context.Context) Health {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	pinged := make(chan RedisHealth, 1)
	go func() { pinged <- p.caches.health(ctx) }()
	var h Health
	h.PostgreSQL, _ = p.askPostgreSQL(ctx)
	if h.PostgreSQL.Migrated {
		h.Backlog = p.backlog(ctx)
	}
	h.Redis = <-pinged
	for _, f := range p.CacheFigures() {
		h.Cache = h.Cache.Add(f)
	}
	s := p.pool.Stat()
	h.PostgreSQL.Pool = PoolUse{InUse: int(s.AcquiredConns()), Idle: int(s.IdleConns()), Max: int(s.MaxConns())}
	h.judge()
	return h
}

// Ready is nil where PostgreSQL answers and is migrated, so that requests can be
// let in. It costs one round trip and waits two seconds at most. Errors:
// ErrUnavailable, ErrNotMigrated, which is one too.
func (p *Program) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	h, err := p.askPostgreSQL(ctx)
	switch {
	case h.Up && !h.Migrated:
		err = ErrNotMigrated
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return pg.Fail("fature: ready", err, nil)
}

// askPostgreSQL asks what needs no table but that of the version.
func (p *Program) askPostgreSQL(ctx context.Context) (h PostgreSQLHealth, err error) {
	start := time.Now()
	err = p.home.QueryRow(ctx, selectVitals).Scan(&h.Version, &h.MaxConnections, &h.ActiveConnections, &h.ServerConnections, &h.Schema)
	h.Latency = time.Since(start)
	h.Up = err == nil || answered(err)
	h.Migrated = err == nil && h.Schema >= migrate.Latest()
	return h, err
}

// answered tells an error of a server that works: it refused the statement, not
// the connection.
func answered(err error) bool {
	var refused *pgconn.ConnectError
	return errors.As(err, new(*pgconn.PgError)) && !errors.As(err, &refused) && !pg.Retryable(err)
}

// backlog reads what is to be done, in one round trip; nil is that there was no
// answer in time.
func (p *Program) backlog(ctx context.Context) *Backlog {
	var l Backlog
	var stats *time.Duration
	var b pgx.Batch
	one := func(sql string, args []any, into ...any) {
		b.Queue(sql, args...).QueryRow(func(row pgx.Row) error { return row.Scan(into...) })
	}
	one(countPending, []any{mostCounted}, &l.Pending)
	one(selectFoldState, []any{mostCounted}, &l.Deltas, &l.FoldAge, &stats)
	one(selectWorking, []any{jobsLease}, &l.Working)
	outbox.QueueState(&b, mostCounted, &l.Outbox, &l.OutboxAge)
	partition.QueueAhead(&b, p.now(), &l.MonthsAhead)
	if pg.Send(ctx, p.home, &b) != nil {
		return nil
	}
	waited := map[string]time.Duration{}
	if l.Deltas > 0 {
		waited["fold"] = l.FoldAge
	}
	if p.caches.redis != nil { // else there is nobody to tell
		waited["outbox"] = l.OutboxAge
	}
	if stats != nil {
		waited["refresh-affiliate-stats"] = *stats
	}
	for _, j := range p.jobs() {
		if waited[j.name] > 3*j.every+lateBy || j.name == "partitions" && l.MonthsAhead < monthsAhead-1 {
			l.Late = append(l.Late, j.name)
		}
	}
	slices.Sort(l.Late)
	return &l
}

// health pings Redis past the breaker, which an answer closes. A client of the
// host's that does not heed contexts is not waited for.
func (k *caches) health(ctx context.Context) RedisHealth {
	if k.redis == nil {
		return RedisHealth{}
	}
	h := RedisHealth{Configured: true}
	start, answer := time.Now(), make(chan error, 1)
	go func() { answer <- k.redis.WithBudget(pingTime).Ping(ctx) }()
	select {
	case err := <-answer:
		h.Up = err == nil
	case <-ctx.Done():
	}
	h.Latency, h.BreakerOpen = time.Since(start), k.redis.Open()
	return h
}

// judge says what it comes to.
func (h *Health) judge() {
	h.Status = Healthy
	says := func(is bool, status HealthStatus, format string, args ...any) {
		if is {
			if h.Status != Down {
				h.Status = status
			}
			h.Reasons = append(h.Reasons, fmt.Sprintf(format, args...))
		}
	}
	d, l := h.PostgreSQL, h.Backlog
	full := d.Pool.InUse == d.Pool.Max
	says(!d.Up && full, Down, "PostgreSQL: no connection of the pool was free in time")
	says(!d.Up && !full, Down, "PostgreSQL does not answer")
	says(d.Up && !d.Migrated, Down, "PostgreSQL is not migrated to this version")
	says(d.Migrated && l == nil, Degraded, "the backlog could not be read in time")
	says(!h.Redis.Configured, Degraded, "there is no Redis: each process keeps what it reads for itself")
	says(h.Redis.Configured && !h.Redis.Up, Degraded, "Redis does not answer")
	if l == nil {
		return
	}
	says(!l.Working, Degraded, "no process does the background work")
	says(l.MonthsAhead < 1, Degraded, "the next month has no partitions")
	for _, job := range l.Late {
		says(true, Degraded, "the job %s is late", job)
	}
}
