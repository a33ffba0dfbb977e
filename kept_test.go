package fature_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/internal/testenv"
)

// keptIn gives a programme a Redis under a prefix, as a process of its own.
func keptIn(t *testing.T, p *fature.Program, prefix string) (*cache.Redis, map[string]*cache.Space) {
	t.Helper()
	o, err := cache.ParseURL(testenv.Redis(t))
	require.NoError(t, err)
	o.DB = 0
	r, err := cache.Connect(o, prefix)
	require.NoError(t, err)
	spaces := map[string]*cache.Space{}
	fature.Keep(p, time.UTC, func(n cache.Namespace) *cache.Space {
		spaces[n.Name] = cache.NewSpace(n, r.WithBudget(5*time.Second).Backend(n), cache.Options{Near: -1})
		t.Cleanup(spaces[n.Name].Close)
		return spaces[n.Name]
	})
	t.Cleanup(func() { _ = r.Close() })
	return r, spaces
}

// Statistics, reports and settings come from Redis the second time, whole and
// under the keys that are promised; what is not there is told so from there too.
func TestWhatIsReadIsKept(t *testing.T) {
	t.Parallel()
	w := reportWorld(t)
	fold(t, w)
	prefix := uuid.NewString() + ":"
	r, spaces := keptIn(t, w.Program, prefix)
	p, ctx := w.Program, t.Context()
	twice := func(namespace string, read func() any) {
		t.Helper()
		before := spaces[namespace].Figures()
		first, second := read(), read()
		after := spaces[namespace].Figures()
		require.Equal(t, first, second)
		require.EqualValues(t, 1, after.Loads-before.Loads)
		require.EqualValues(t, 1, after.Far-before.Far)
	}
	twice("affiliate:stats", func() any {
		s := statsOf(t, w, "bia")
		return []any{figures(s.Figures), s.TeamSize, s.AsOf.String()}
	})
	value, err := p.Statistics.Read(ctx, w.ID("bia"))
	require.NoError(t, err)
	require.Equal(t, cache.Far, value.From)
	require.Equal(t, "5 1 140.00 13.00", figures(value.V.Figures))
	twice("affiliate:stats", func() any {
		team, err := p.Statistics.Team(ctx, w.ID("ana"))
		require.NoError(t, err)
		return []any{figures(team.Own.Figures), figures(team.Downline.Figures), team.Team.Members, team.AsOf.String()}
	})
	from, to := utc(2025, 6, 1), utc(2025, 8, 1)
	twice("report", func() any { d, err := p.Reports.Daily(ctx, from, to); return csvOf(t, d, err) })
	twice("report", func() any { d, err := p.Reports.Cohorts(ctx, from, to); return csvOf(t, d, err) })
	twice("report", func() any { d, err := p.Reports.Commissions(ctx, from, to); return csvOf(t, d, err) })
	twice("report", func() any { d, err := p.Reports.TopAffiliates(ctx, from, to, 3); return csvOf(t, d, err) })
	twice("report", func() any { d, err := p.Reports.TopAffiliates(ctx, from, to, 4); return csvOf(t, d, err) })
	twice("report", func() any { d, err := p.Reports.TopProducts(ctx, from, to, 3); return csvOf(t, d, err) })

	daily, err := p.Reports.Daily(ctx, from, to)
	require.NoError(t, err)
	require.Equal(t, cache.Far, daily.Source, "it says where it was found")

	exists := func(n cache.Namespace, parts ...string) bool {
		found, err := r.Client(n).Exists(ctx, r.Key(n, parts...)).Result()
		require.NoError(t, err)
		return found == 1
	}
	require.True(t, exists(cache.AffiliateStats, w.ID("bia").String()))
	require.True(t, exists(cache.AffiliateStats, "team", w.ID("ana").String()))
	require.False(t, exists(cache.AffiliateStats, w.ID("caio").String()))
	nobody := uuid.New()
	for range 2 {
		_, err := p.Statistics.Get(ctx, nobody)
		require.ErrorIs(t, err, affiliate.ErrNotFound)
	}
	require.True(t, exists(cache.AffiliateStats, nobody.String()), "a tombstone")

	// What the host's transaction reads is not kept, and does not come from there.
	w.Sale("bia", "1.00")
	fold(t, w)
	require.False(t, exists(cache.AffiliateStats, w.ID("bia").String()), "the fold changed it")
	require.True(t, exists(cache.AffiliateStats, "team", w.ID("ana").String()), "a team is left")
	require.NoError(t, pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		read, err := p.WithTx(tx).Statistics.Read(ctx, w.ID("bia"))
		require.NoError(t, err)
		require.Equal(t, cache.Bypassed, read.From)
		require.Equal(t, "6 1 141.00 13.10", figures(read.V.Figures))
		daily, err := p.WithTx(tx).Reports.Daily(ctx, from, to)
		require.NoError(t, err)
		require.Equal(t, cache.Bypassed, daily.Source)
		return nil
	}))
	require.False(t, exists(cache.AffiliateStats, w.ID("bia").String()))
}

// A setting is written through; another process reads it from Redis, and what
// is deleted is gone for both.
func TestSettingsAreWrittenThrough(t *testing.T) {
	t.Parallel()
	w := scenario.New(t, fresh)
	prefix := uuid.NewString() + ":"
	_, own := keptIn(t, w.Program, prefix)
	other, err := fature.New(t.Context(), fature.Config{Pool: w.Pool, Currency: scenario.Currency})
	require.NoError(t, err)
	_, others := keptIn(t, other, prefix)
	ctx := t.Context()
	var got string
	require.ErrorIs(t, other.Settings.Get(ctx, "x", &got), fature.ErrNotFound)
	require.NoError(t, w.Program.Settings.Set(ctx, "x", "one"))
	require.NoError(t, w.Program.Settings.Get(ctx, "x", &got))
	require.Equal(t, "one", got)
	got = ""
	require.NoError(t, other.Settings.Get(ctx, "x", &got))
	require.Equal(t, "one", got)
	require.Zero(t, own["config"].Figures().Loads, "it was put there")
	require.EqualValues(t, 1, others["config"].Figures().Far)
	require.NoError(t, w.Program.Settings.Set(ctx, "x", "two"))
	require.NoError(t, other.Settings.Get(ctx, "x", &got))
	require.Equal(t, "two", got)
	require.NoError(t, other.Settings.Delete(ctx, "x"))
	require.ErrorIs(t, w.Program.Settings.Get(ctx, "x", &got), fature.ErrNotFound)

	require.NoError(t, w.Program.Settings.Set(ctx, "x", "three"))
}

// Without Redis there is an answer, and as fast as from the database.
func TestKeptWithoutRedis(t *testing.T) {
	t.Parallel()
	w := reportWorld(t)
	fold(t, w)
	r, err := cache.Connect(redis.UniversalOptions{Addrs: []string{"127.0.0.1:1"}}, "")
	require.NoError(t, err)
	defer r.Close()
	fature.Keep(w.Program, time.UTC, func(n cache.Namespace) *cache.Space {
		return cache.NewSpace(n, r.WithBudget(5*time.Second).Backend(n), cache.Options{Near: -1})
	})
	require.Equal(t, "5 1 140.00 13.00", figures(statsOf(t, w, "bia").Figures))
	report, err := w.Program.Reports.Daily(t.Context(), utc(2025, 6, 1), utc(2025, 6, 2))
	require.NoError(t, err)
	require.EqualValues(t, 2, report.Rows[0].Transactions)
	require.NoError(t, w.Program.Settings.Set(t.Context(), "x", 1), "it is stored")
	var got int
	require.NoError(t, w.Program.Settings.Get(t.Context(), "x", &got))
	require.Equal(t, 1, got)
}
