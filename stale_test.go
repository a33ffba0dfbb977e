package fature_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/scenario"
)

// The bounds of README's section Caching, beside those of balances, in
// caching_test.go, and of sessions and of rankings in Redis, in their packages.

// kind is something that is read, of bia.
type kind struct {
	name string
	db   int
	key  string
	life time.Duration
	read func(p *fature.Program) string
}

func (s *cached) kinds() []kind {
	ctx, id := s.t.Context(), s.bia.ID
	from, to := time.Now().AddDate(0, 0, -1).Truncate(time.Hour), time.Now().AddDate(0, 0, 1).Truncate(time.Hour)
	return []kind{
		{"statistics", 2, "affiliate:stats:" + id.String(), 30 * time.Minute, func(p *fature.Program) string {
			own, err := p.Statistics.Get(ctx, id)
			require.NoError(s.t, err)
			return own.TotalVolume.StringFixed(2)
		}},
		{"team", 2, "affiliate:stats:team:" + id.String(), 30 * time.Minute, func(p *fature.Program) string {
			team, err := p.Statistics.Team(ctx, id)
			require.NoError(s.t, err)
			return team.Team.TotalVolume.StringFixed(2)
		}},
		{"report", 5, "report:daily:UTC:", time.Hour, func(p *fature.Program) string {
			report, err := p.Reports.Daily(ctx, from, to)
			require.NoError(s.t, err)
			sum := decimal.Zero
			for _, day := range report.Rows {
				sum = sum.Add(day.TotalVolume)
			}
			return sum.StringFixed(2)
		}},
	}
}

// keeps reads a kind until Redis has it: on a crowded machine a read may go
// without.
func (s *cached) keeps(k kind) (value string) {
	s.t.Helper()
	client := s.bare(k.db)
	for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		value = k.read(s.other)
		keys, err := client.Keys(s.t.Context(), k.key+"*").Result()
		require.NoError(s.t, err)
		if len(keys) == 1 {
			return value
		}
		require.True(s.t, time.Now().Before(until), "%s is not kept", k.name)
	}
}

// ends lets a kind's key be over, and tells how long it would have lived.
func (s *cached) ends(k kind) time.Duration {
	s.t.Helper()
	ctx, client := s.t.Context(), s.bare(k.db)
	keys, err := client.Keys(ctx, k.key+"*").Result()
	require.NoError(s.t, err)
	require.Len(s.t, keys, 1)
	left, err := client.PTTL(ctx, keys[0]).Result()
	require.NoError(s.t, err)
	require.NoError(s.t, client.PExpire(ctx, keys[0], time.Millisecond).Err())
	require.Eventually(s.t, func() bool { return client.Exists(ctx, keys[0]).Val() == 0 }, 10*time.Second, time.Millisecond)
	return left
}

func (s *cached) sold(order string) {
	s.t.Helper()
	_, err := s.Record(s.t.Context(), s.sale(s.bia, "100", order))
	require.NoError(s.t, err)
	_, err = s.Fold(s.t.Context())
	require.NoError(s.t, err)
}

// What nobody tells a cache of is old until its key ends, and no longer; an
// affiliate's own statistics are those of the last fold.
func TestReadsAreOldUntilTheirKeyEnds(t *testing.T) {
	t.Parallel()
	s := newCached(t)
	kinds := s.kinds()
	s.sold("1")
	for _, k := range kinds {
		require.Equal(t, "100.00", s.keeps(k), k.name)
	}
	s.sold("2")
	for _, k := range kinds {
		if k.name == "statistics" {
			require.Equal(t, "200.00", k.read(s.other), "the fold is told of")
			require.Equal(t, "200.00", k.read(s.Program), "in the process that folds too")
			continue
		}
		require.Equal(t, "100.00", k.read(s.other), k.name)
		left := s.ends(k)
		require.LessOrEqual(t, left, k.life+k.life/10, k.name)
		require.Greater(t, left, k.life/2, k.name)
		require.Equal(t, "200.00", k.read(s.other), k.name)
	}
}

// A fold that Redis cannot be told of leaves the statistics as old as their
// life. It waits in no outbox: the next fold would add to it.
func TestStatisticsWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	s := newCached(t)
	own := s.kinds()[0]
	s.sold("1")
	require.Equal(t, "100.00", s.keeps(own))
	require.NoError(t, s.bare(0).ReplicaOf(t.Context(), "127.0.0.1", "1").Err()) // read-only
	_, err := s.Record(t.Context(), s.sale(s.bia, "100", "2"))
	require.NoError(t, err)
	waiting := func() []string {
		return list[string](t, s.pool, "select k from fature.outbox, jsonb_object_keys(payload) k order by 1")
	}
	before := waiting()
	require.Contains(t, before, "balance")
	_, err = s.Fold(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, waiting())
	require.Equal(t, "100.00", own.read(s.other))
	require.NoError(t, s.bare(0).ReplicaOf(t.Context(), "no", "one").Err())
	require.LessOrEqual(t, s.ends(own), 33*time.Minute)
	require.Equal(t, "200.00", own.read(s.other))
}

// Without Redis a board is kept for a quarter of an hour by the programme's
// clock.
func TestRankingsWithoutRedis(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("bia")
	w.Plan(tenAndFive)
	score := func() int64 {
		at, err := w.Program.Boards.Rank(t.Context(), board.Board{Metric: board.Volume, Period: board.All}, w.ID("bia"))
		require.NoError(t, err)
		return at.Score
	}
	w.Sale("bia", "100.00")
	require.EqualValues(t, 10_000, score())
	w.Sale("bia", "100.00")
	w.SetNow(scenario.Now.Add(13 * time.Minute))
	require.EqualValues(t, 10_000, score())
	w.SetNow(scenario.Now.Add(15 * time.Minute))
	require.EqualValues(t, 20_000, score())
}

// What another process changes is old in this one for Options.Near: with Redis
// beside that, and without it alone.
func TestReadsAreOldInTheProcess(t *testing.T) {
	t.Parallel()
	s := newCached(t)
	ctx := t.Context()
	const near = 500 * time.Millisecond
	options := &redis.UniversalOptions{Addrs: []string{s.bare(0).Options().Addr}}
	for name, own := range map[string]*redis.UniversalOptions{"Redis": options, "none": nil} {
		p, err := fature.New(ctx, fature.Config{Pool: s.pool, Currency: "BRL", RedisOptions: own, Cache: cache.Options{Near: near}})
		require.NoError(t, err)
		defer p.Close()
		read := func() (available string, at time.Time) {
			b, err := p.Commissions.CachedBalance(ctx, s.bia.ID)
			require.NoError(t, err)
			return b.V.Available.String(), b.At
		}
		began := time.Now()
		was, _ := read()
		took := time.Since(began) // it is kept from the end of its load on
		_, err = s.Record(ctx, s.sale(s.bia, "100", name))
		require.NoError(t, err)
		for {
			began := time.Now()
			is, at := read()
			if is != was {
				break
			}
			require.Less(t, began.Sub(at), near+took, name)
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// A setting that the host's transaction changes is told of by whoever drains the
// outbox: AfterCommit, or Run of another process. One that is rolled back is not.
func TestSettingsOfTheHostsTransaction(t *testing.T) {
	t.Parallel()
	s := newCached(t)
	ctx := t.Context()
	const name = "shop.name"
	read := func(of *fature.Settings) (value string) {
		require.NoError(t, of.Get(ctx, name, &value))
		return value
	}
	set := func(value string, end error) {
		t.Helper()
		was := read(s.other.Settings)
		require.ErrorIs(t, pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			in := s.WithTx(tx)
			require.NoError(t, in.Settings.Set(ctx, name, value))
			require.Equal(t, value, read(in.Settings), "what reads inside sees what it did")
			require.Equal(t, was, read(s.other.Settings), "nobody else does")
			return end
		}), end)
		require.Equal(t, was, read(s.other.Settings), "Redis is told of nothing yet")
	}
	waiting := func() int { return list[int](t, s.pool, "select count(*)::int from fature.outbox")[0] }

	require.NoError(t, s.Settings.Set(ctx, name, "one"))
	set("two", errors.New("rolled back"))
	require.Zero(t, waiting())
	require.NoError(t, s.AfterCommit(ctx))
	require.Equal(t, "one", read(s.other.Settings))

	set("two", nil)
	require.Equal(t, 1, waiting())
	require.NoError(t, s.AfterCommit(ctx))
	require.Equal(t, "two", read(s.other.Settings))
	require.Zero(t, waiting())

	set("three", nil)
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.other.Run(running) }()
	require.Eventually(t, func() bool { return waiting() == 0 }, 30*time.Second, 20*time.Millisecond)
	stop()
	require.NoError(t, <-ended)
	require.Equal(t, "three", read(s.other.Settings))
}
