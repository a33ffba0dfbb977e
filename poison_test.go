package fature_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/commission"
)

// poison writes wrong values into a programme's Redis, as its own caches would
// write them.
type poison struct {
	options  redis.UniversalOptions
	balances *cache.View[uuid.UUID, commission.Balance]
	own      *cache.View[uuid.UUID, affiliate.Stats]
	teams    *cache.View[uuid.UUID, affiliate.TeamStats]
	settings *cache.View[string, json.RawMessage]
	reports  *cache.View[string, fature.Table[fature.Day]]
	rankings redis.UniversalClient
}

// newPoison is for the Redis at an address such as redis://localhost:6379.
func newPoison(t *testing.T, address string) *poison {
	t.Helper()
	o, err := cache.ParseURL(address)
	require.NoError(t, err)
	r, err := cache.Connect(o, "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	r = r.WithBudget(5 * time.Second) // the machine of the tests is crowded
	space := func(n cache.Namespace) *cache.Space {
		return cache.NewSpace(n, r.Backend(n), cache.Options{Near: -1})
	}
	asText := func(s string) string { return s }
	return &poison{
		options:  o,
		balances: unstored(space(cache.Commissions), cache.Config[uuid.UUID, commission.Balance]{Name: "balance", Version: 1}),
		own:      unstored(space(cache.AffiliateStats), cache.Config[uuid.UUID, affiliate.Stats]{}),
		teams:    unstored(space(cache.AffiliateStats), cache.Config[uuid.UUID, affiliate.TeamStats]{Name: "team"}),
		settings: unstored(space(cache.General), cache.Config[string, json.RawMessage]{Key: asText}),
		reports:  unstored(space(cache.Reports), cache.Config[string, fature.Table[fature.Day]]{Name: "daily:UTC", Key: asText}),
		rankings: r.Client(cache.Rankings),
	}
}

// unstored is a view whose Put writes the cache alone.
func unstored[K comparable, V any](s *cache.Space, c cache.Config[K, V]) *cache.View[K, V] {
	return cache.WriteThrough(s, c, func(context.Context, K, V) error { return nil })
}

// config gives a programme the poisoned Redis. It keeps nothing near, so that
// what is poisoned is what it reads.
func (x *poison) config(c *fature.Config) {
	c.RedisOptions, c.Cache.Near = &x.options, -1
	c.Promotion = board.Policy{VIP: fortune}
}

// fortune is more than anybody in a test brings.
var fortune = decimal.New(1, 15)

// reported is the range whose report is.
var reported = [2]time.Time{utc(2025, 6, 1), utc(2025, 7, 1)}

// pour makes affiliates rich and everything else wrong, and says that a
// programme shows it so.
func (x *poison) pour(t testing.TB, p *fature.Program, ids ...uuid.UUID) {
	t.Helper()
	ctx := t.Context()
	much := affiliate.Figures{Transactions: 7e6, UniqueCustomers: 7e6, TotalVolume: fortune, TotalCommissions: fortune}
	for _, id := range ids {
		require.NoError(t, x.balances.Put(ctx, id, commission.Balance{
			AffiliateID: id, Pending: fortune, Available: fortune, InPayout: fortune, Paid: fortune, Currency: "XXX",
		}))
		require.NoError(t, x.own.Put(ctx, id, affiliate.Stats{AffiliateID: id, Figures: much, DirectReferrals: 7e6, TeamSize: 7e6}))
		require.NoError(t, x.teams.Put(ctx, id, affiliate.TeamStats{AffiliateID: id, Team: affiliate.TeamFigures{Members: 7e6, Figures: much}}))
		require.NoError(t, x.rankings.ZAdd(ctx, "ranking:volume:all:all",
			redis.Z{Score: 0, Member: "as_of/1:2025-06-15T12:00:00.000000Z"}, redis.Z{Score: 1e14, Member: id.String()}).Err())
		require.NoError(t, x.rankings.PExpire(ctx, "ranking:volume:all:all", 15*time.Minute).Err())
	}
	require.NoError(t, x.settings.Put(ctx, "shop.name", json.RawMessage(`"wrong"`)))
	key := fmt.Sprintf("%d-%d-1000", reported[0].UnixMicro(), reported[1].UnixMicro())
	require.NoError(t, x.reports.Put(ctx, key, fature.Table[fature.Day]{Rows: []fature.Day{{Day: "wrong", TotalVolume: fortune}}}))
	// On a crowded machine a read may go without Redis, and be right.
	for until := time.Now().Add(time.Minute); !x.shown(t, p, ids); time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(until), "what is poisoned is not shown")
	}
}

// shown tells whether a programme shows what was poured. Boards are left out:
// one that Redis did not give in time is kept in the process.
func (x *poison) shown(t testing.TB, p *fature.Program, ids []uuid.UUID) bool {
	t.Helper()
	ctx := t.Context()
	all := true
	for _, id := range ids {
		balance, err := p.Commissions.CachedBalance(ctx, id)
		require.NoError(t, err)
		own, err := p.Statistics.Get(ctx, id)
		require.NoError(t, err)
		team, err := p.Statistics.Team(ctx, id)
		require.NoError(t, err)
		all = all && balance.V.Available.Equal(fortune) && own.TotalVolume.Equal(fortune) && team.Team.Members == 7e6
	}
	var name string
	err := p.Settings.Get(ctx, "shop.name", &name)
	require.True(t, err == nil || errors.Is(err, fature.ErrSettingNotFound), "%v", err)
	report, err := p.Reports.Daily(ctx, reported[0], reported[1])
	require.NoError(t, err)
	return all && name == "wrong" && report.Rows[0].Day == "wrong"
}

// promotesNobody says that no category was given by what is poisoned.
func promotesNobody(t testing.TB, p *fature.Program) {
	t.Helper()
	promoted, err := p.Promotions.Promote(t.Context())
	require.NoError(t, err)
	require.Empty(t, promoted)
}
