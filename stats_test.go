package fature_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// figures are as a test writes them: transactions, customers, volume, commissions.
func figures(f affiliate.Figures) string {
	return fmt.Sprintf("%d %d %s %s", f.Transactions, f.UniqueCustomers, f.TotalVolume.StringFixed(2), f.TotalCommissions.StringFixed(2))
}

func statsOf(t *testing.T, w *scenario.World, name string) affiliate.Stats {
	t.Helper()
	s, err := w.Program.Statistics.Get(t.Context(), w.ID(name))
	require.NoError(t, err)
	require.Equal(t, w.ID(name), s.AffiliateID)
	return s
}

// monthsOf are an affiliate's months: "2025-06 1 1 100.00 10.00".
func monthsOf(t *testing.T, w *scenario.World, name string, bounds ...time.Time) (texts []string) {
	t.Helper()
	bounds = append(bounds, time.Time{}, time.Time{})
	months, err := w.Program.Statistics.Months(t.Context(), w.ID(name), bounds[0], bounds[1])
	require.NoError(t, err)
	for _, m := range months {
		require.Equal(t, time.UTC, m.Month.Location())
		texts = append(texts, m.Month.Format("2006-01")+" "+figures(m.Figures))
	}
	return texts
}

func fold(t *testing.T, w *scenario.World) {
	t.Helper()
	_, err := w.Program.Fold(t.Context())
	require.NoError(t, err)
}

// fresh keeps nothing of what is read in the process.
func fresh(c *fature.Config) { c.Cache.Near = -1 }

const tenAndFive = `{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
	"overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "5"}]}}]}`

// statisticsWorld is ana above bia and caio, and bia above duda.
func statisticsWorld(t *testing.T) *scenario.World {
	t.Helper()
	w := scenario.New(t, fresh)
	w.Plan(tenAndFive)
	w.Affiliate("ana")
	w.Affiliate("bia", scenario.Under("ana"))
	w.Affiliate("caio", scenario.Under("ana"))
	w.Affiliate("duda", scenario.Under("bia"))
	return w
}

// What counts, in which month, and when.
func TestStatistics(t *testing.T) {
	t.Parallel()
	w := statisticsWorld(t)
	ctx := t.Context()
	before := statsOf(t, w, "bia")
	require.Equal(t, "0 0 0.00 0.00", figures(before.Figures))

	july := scenario.At(time.Date(2025, 7, 1, 0, 0, 0, 0, time.FixedZone("", 3600))) // still June in UTC
	pending := w.Event("bia", transaction.Sale, "1000.00", scenario.Key("pending"), scenario.Customer("late"))
	pending.Pending = true
	w.SetNow(scenario.Now.AddDate(0, 2, 0))
	w.Record(
		w.Event("bia", transaction.Sale, "100.00", scenario.At(scenario.Now), scenario.Key("1"), scenario.Customer("c1")),
		w.Event("bia", transaction.Sale, "50.00", scenario.At(scenario.Now), scenario.Customer("c1")),
		w.Event("bia", transaction.Sale, "30.00", july, scenario.Customer("c2")),
		w.Event("bia", transaction.Withdrawal, "9.00", scenario.At(scenario.Now.AddDate(0, 1, 0)), scenario.Customer("c1")),
		w.Event("bia", transaction.Sale, "7.00", scenario.At(scenario.Now.AddDate(0, 1, 0))),
		pending,
	)
	require.Equal(t, "0 0 0.00 0.00", figures(statsOf(t, w, "bia").Figures), "not folded")
	w.Record(transaction.Event{
		Type: transaction.Refund, Amount: decimal.NewFromInt(40), At: scenario.Now.AddDate(0, 1, 0),
		ReversesKey: transaction.Key{SourceTable: "orders", OriginalID: "1"},
	})
	fold(t, w)
	after := statsOf(t, w, "bia")
	require.Equal(t, "6 2 147.00 14.70", figures(after.Figures))
	require.EqualValues(t, 1, after.DirectReferrals)
	require.EqualValues(t, 1, after.TeamSize)
	require.True(t, after.AsOf.After(before.AsOf))
	require.Equal(t, []string{"2025-06 3 2 180.00 18.00", "2025-07 3 0 -33.00 -3.30"}, monthsOf(t, w, "bia"))
	require.Equal(t, []string{"2025-07 3 0 -33.00 -3.30"}, monthsOf(t, w, "bia", time.Date(2025, 7, 31, 23, 59, 0, 0, time.UTC)))
	require.Equal(t, []string{"2025-06 3 2 180.00 18.00"}, monthsOf(t, w, "bia", time.Time{}, time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)))
	require.Equal(t, []string{"2025-06 0 0 0.00 9.00", "2025-07 0 0 0.00 -1.65"}, monthsOf(t, w, "ana"))
	require.Equal(t, "0 0 0.00 0.00", figures(statsOf(t, w, "caio").Figures))
	require.Empty(t, monthsOf(t, w, "caio"))

	// What is processed later counts then; c1 was there in May, so it moves.
	done, err := w.Program.Process(ctx, 10)
	require.NoError(t, err)
	require.Equal(t, 1, done)
	got := w.Sale("bia", "1.00", scenario.At(scenario.Now.AddDate(0, -1, 0)), scenario.Customer("c1"))
	fold(t, w)
	fold(t, w)
	require.Equal(t, []string{"2025-05 1 1 1.00 0.10", "2025-06 3 1 180.00 18.00", "2025-07 3 0 -33.00 -3.30", "2025-08 1 1 1000.00 100.00"}, monthsOf(t, w, "bia"))

	// A line that is void is gone from its month, an adjustment is of now.
	_, err = w.Program.Void(ctx, "a test", got.Lines[0].ID)
	require.NoError(t, err)
	_, err = w.Program.Adjust(ctx, commission.Correction{AffiliateID: w.ID("bia"), Amount: decimal.NewFromInt(5), Reason: "a test"})
	require.NoError(t, err)
	fold(t, w)
	require.Equal(t, []string{"2025-05 1 1 1.00 0.00", "2025-06 3 1 180.00 18.00", "2025-07 3 0 -33.00 -3.30", "2025-08 1 1 1000.00 105.00"}, monthsOf(t, w, "bia"))
	agrees(t, w)

	_, err = w.Program.Statistics.Get(ctx, uuid.New())
	require.ErrorIs(t, err, affiliate.ErrNotFound)
	_, err = w.Program.Statistics.Team(ctx, uuid.New())
	require.ErrorIs(t, err, affiliate.ErrNotFound)
	_, err = w.Program.Statistics.Months(ctx, w.ID("bia"), scenario.Now, scenario.Now.AddDate(0, -1, 0))
	require.ErrorIs(t, err, fature.ErrInvalid)
}

// Who joins, moves or leaves is counted at the next fold, at everybody above;
// what is rolled back is not.
func TestTeamSizes(t *testing.T) {
	t.Parallel()
	w := statisticsWorld(t)
	sizes := func() string {
		fold(t, w)
		var text []string
		for _, name := range []string{"ana", "bia", "caio", "duda"} {
			s := statsOf(t, w, name)
			text = append(text, fmt.Sprint(name, " ", s.DirectReferrals, "/", s.TeamSize))
		}
		return strings.Join(text, ", ")
	}
	require.EqualValues(t, 0, statsOf(t, w, "ana").TeamSize, "not folded")
	require.Equal(t, "ana 2/3, bia 1/1, caio 0/0, duda 0/0", sizes())
	require.NoError(t, w.Program.Hierarchy.Move(t.Context(), w.ID("duda"), w.ID("caio")))
	require.Equal(t, "ana 2/3, bia 0/0, caio 1/1, duda 0/0", sizes())
	require.NoError(t, w.Program.Hierarchy.Move(t.Context(), w.ID("bia"), w.ID("duda")))
	w.Affiliate("eva", scenario.Under("bia"))
	require.Equal(t, "ana 1/4, bia 1/1, caio 1/3, duda 1/2", sizes())
	require.NoError(t, w.Program.Hierarchy.Detach(t.Context(), w.ID("duda")))
	require.Equal(t, "ana 1/1, bia 1/1, caio 0/0, duda 1/2", sizes())

	back := errors.New("roll back")
	require.ErrorIs(t, pgx.BeginFunc(t.Context(), w.Pool, func(tx pgx.Tx) error {
		require.NoError(t, w.Program.WithTx(tx).Hierarchy.Move(t.Context(), w.ID("duda"), w.ID("ana")))
		return back
	}), back)
	require.Equal(t, "ana 1/1, bia 1/1, caio 0/0, duda 1/2", sizes())

	// So many that the closure is copied.
	many := make([]affiliate.Draft, 700)
	for i := range many {
		many[i] = affiliate.Draft{Email: fmt.Sprintf("many%d@example.com", i), Name: "x", ParentID: w.ID("eva")}
	}
	_, err := w.Program.Affiliates.CreateAll(t.Context(), many)
	require.NoError(t, err)
	require.Equal(t, "ana 1/1, bia 1/701, caio 0/0, duda 1/702", sizes())

	_, err = w.Pool.Exec(t.Context(), "delete from fature.affiliate_hierarchy where ancestor_id = $1 and level_difference > 1", w.ID("duda"))
	require.NoError(t, err)
	_, err = w.Program.Hierarchy.Rebuild(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ana 1/1, bia 1/701, caio 0/0, duda 1/702", sizes())
	agrees(t, w)
}

// Statistics inside the host's transaction are those that it sees.
func TestStatisticsInsideATransaction(t *testing.T) {
	t.Parallel()
	w := statisticsWorld(t)
	w.Sale("bia", "100.00", scenario.Customer("c1"))
	back := fmt.Errorf("roll back")
	require.ErrorIs(t, pgx.BeginFunc(t.Context(), w.Pool, func(tx pgx.Tx) error {
		p := w.Program.WithTx(tx)
		_, err := p.Fold(t.Context())
		require.NoError(t, err)
		s, err := p.Statistics.Get(t.Context(), w.ID("bia"))
		require.NoError(t, err)
		require.Equal(t, "1 1 100.00 10.00", figures(s.Figures))
		_, err = p.RebuildStats(t.Context())
		require.ErrorIs(t, err, fature.ErrInvalid)
		return back
	}), back)
	require.Equal(t, "0 0 0.00 0.00", figures(statsOf(t, w, "bia").Figures))
	fold(t, w)
	require.Equal(t, "1 1 100.00 10.00", figures(statsOf(t, w, "bia").Figures))
	agrees(t, w)
}

// A customer of several members of a team is one.
func TestTeamStatistics(t *testing.T) {
	t.Parallel()
	w := statisticsWorld(t)
	w.SetNow(time.Now())
	ctx := t.Context()
	w.Record(
		w.Event("ana", transaction.Sale, "1.00", scenario.Customer("c1")),
		w.Event("bia", transaction.Sale, "10.00", scenario.Customer("c1")),
		w.Event("bia", transaction.Sale, "10.00", scenario.Customer("c2")),
		w.Event("duda", transaction.Sale, "100.00", scenario.Customer("c3")),
	)
	_, err := w.Program.Customers.Transfer(ctx, "c3", w.ID("bia"), time.Time{})
	require.NoError(t, err)
	w.SetNow(time.Now().Add(time.Second))
	e := w.Event("bia", transaction.Sale, "1000.00", scenario.Customer("c3"))
	e.AffiliateID = uuid.Nil
	w.Record(e)
	fold(t, w)
	parts := func(name string) []string {
		s, err := w.Program.Statistics.Team(ctx, w.ID(name))
		require.NoError(t, err)
		require.Equal(t, w.ID(name), s.AffiliateID)
		require.False(t, s.AsOf.IsZero())
		var texts []string
		for _, f := range []affiliate.TeamFigures{s.Own, s.Direct, s.Downline, s.Team} {
			texts = append(texts, fmt.Sprint(f.Members, ": ", figures(f.Figures)))
		}
		return texts
	}
	require.Equal(t, []string{"1: 1 1 1.00 51.10", "2: 3 3 1020.00 107.00", "3: 4 3 1120.00 117.00", "4: 5 3 1121.00 168.10"}, parts("ana"))
	require.Equal(t, []string{"1: 3 3 1020.00 107.00", "1: 1 1 100.00 10.00", "1: 1 1 100.00 10.00", "2: 4 3 1120.00 117.00"}, parts("bia"))
	require.Equal(t, []string{"1: 0 0 0.00 0.00", "0: 0 0 0.00 0.00", "0: 0 0 0.00 0.00", "1: 0 0 0.00 0.00"}, parts("caio"))
	agrees(t, w)
}

// agrees says that the statistics of all affiliates, the materialised view and
// the invariants are of one mind, and that months add up.
func agrees(t *testing.T, w *scenario.World) {
	t.Helper()
	w.Verify()
	_, err := w.Pool.Exec(t.Context(), "select fature.refresh_affiliate_stats()")
	require.NoError(t, err)
	rows, err := w.Pool.Query(t.Context(), `
		select id as affiliate_id, transactions, unique_customers, total_volume, total_commissions, direct_referrals, team_size, as_of
		from fature.affiliate_stats`)
	require.NoError(t, err)
	view, err := pgx.CollectRows(rows, pgx.RowToStructByName[affiliate.Stats])
	require.NoError(t, err)
	require.NotEmpty(t, view)
	for _, want := range view {
		got, err := w.Program.Statistics.Get(t.Context(), want.AffiliateID)
		require.NoError(t, err)
		require.Equal(t, figures(want.Figures), figures(got.Figures))
		require.Equal(t, []int64{want.DirectReferrals, want.TeamSize}, []int64{got.DirectReferrals, got.TeamSize})
		months, err := w.Program.Statistics.Months(t.Context(), want.AffiliateID, time.Time{}, time.Time{})
		require.NoError(t, err)
		var sum affiliate.Figures
		for _, m := range months {
			sum.Transactions, sum.UniqueCustomers = sum.Transactions+m.Transactions, sum.UniqueCustomers+m.UniqueCustomers
			sum.TotalVolume, sum.TotalCommissions = sum.TotalVolume.Add(m.TotalVolume), sum.TotalCommissions.Add(m.TotalCommissions)
		}
		require.Equal(t, figures(got.Figures), figures(sum))
	}
}

// Whatever is damaged is told and repaired; what is not folded yet is no
// difference.
func TestRebuildStats(t *testing.T) {
	t.Parallel()
	w := verifiedWorld(t)
	w.Sale("duda", "10.00", scenario.Customer("fresh")) // not folded
	rebuilt := func() (texts []string) {
		found, err := w.Program.RebuildStats(t.Context())
		require.NoError(t, err)
		require.Len(t, found.Differences, found.Count)
		for _, d := range found.Differences {
			month := ""
			if d.Month != nil {
				month = d.Month.Format("2006-01-02 ")
			}
			texts = append(texts, fmt.Sprintf("%s%s%s %s %s", month, d.Field, d.CustomerID, d.Was, d.Is))
		}
		return texts
	}
	require.Empty(t, rebuilt())
	fold(t, w)
	w.Sale("duda", "20.00", scenario.Customer("fresh"))
	w.Sale("duda", "20.00", scenario.Customer("fresher"))
	require.Empty(t, rebuilt())

	sum := `select md5(string_agg(x, ',' order by x)) from (
		select r::text as x from fature.affiliate_rollups r where (transactions, customers, volume, commissions) <> (0, 0, 0, 0)
		union all select c::text from fature.affiliate_customers c
		union all select s::text from fature.team_sizes s where (direct_referrals, team_size) <> (0, 0)
		union all select concat_ws(' ', id, lifetime_volume, lifetime_commissions) from fature.affiliates) x`
	right := one[string](t, w.Pool, sum)
	month := one[time.Time](t, w.Pool, "select max(month) from fature.affiliate_rollups where affiliate_id = $1", w.ID("duda")).Format("2006-01-02 ")
	for _, damage := range []struct {
		name, sql string
		told      []string // nil is something
	}{
		{"a total", "update fature.affiliates set lifetime_volume = lifetime_volume + 1 where id = $1", []string{"lifetime_volume 986.67 985.67"}},
		{"a month", "update fature.affiliate_rollups set commissions = commissions - 0.01, transactions = transactions + 2 where affiliate_id = $1 and month = '" + month + "'",
			[]string{month + "commissions 36.96 36.97", month + "transactions 8 6"}},
		{"a month that is gone", "delete from fature.affiliate_rollups where affiliate_id = $1", nil},
		{"a month of nothing", "insert into fature.affiliate_rollups values ($1, '2021-02-01', 0, 1, 5, 0)", []string{"2021-02-01 customers 1 0", "2021-02-01 volume 5 0"}},
		{"a customer that is missing", "delete from fature.affiliate_customers where affiliate_id = $1 and customer_id = 'fresh'", []string{month + "customerfresh 0 1"}},
		{"a customer too many", "insert into fature.affiliate_customers values ($1, 'nobody', '2021-02-01')", []string{"2021-02-01 customernobody 1 0"}},
		{"a customer in the wrong month", "update fature.affiliate_customers set month = '2021-02-01' where affiliate_id = $1 and customer_id = 'fresh'",
			[]string{"2021-02-01 customerfresh 1 0", month + "customerfresh 0 1"}},
		{"the size of a team", "update fature.team_sizes set team_size = team_size - 1, direct_referrals = 7 where affiliate_id = (select parent_id from fature.affiliates where id = $1)", nil},
		{"the size of nobody's team", "insert into fature.team_sizes values ($1, 0, 2)", []string{"team_size 2 0"}},
		{"all of it", "update fature.affiliates set lifetime_volume = 0 where id <> $1", nil},
	} {
		t.Run(damage.name, func(t *testing.T) {
			if damage.name == "all of it" {
				_, err := w.Pool.Exec(t.Context(), "truncate fature.affiliate_rollups, fature.affiliate_customers, fature.team_sizes")
				require.NoError(t, err)
			}
			_, err := w.Pool.Exec(t.Context(), damage.sql, w.ID("duda"))
			require.NoError(t, err)
			report, err := w.Program.Verify(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, report.Findings)
			told := rebuilt()
			if damage.told == nil {
				require.NotEmpty(t, told)
			} else {
				require.Equal(t, damage.told, told)
			}
			require.Empty(t, rebuilt())
			require.Equal(t, right, one[string](t, w.Pool, sum))
			w.Verify()
		})
	}
	fold(t, w)
	require.Empty(t, rebuilt())
	agrees(t, w)
}

// Rebuilding repairs while others record and fold, and says the truth about
// what it found: after each repair nothing is left but what was damaged since.
func TestRebuildStatsAmongWriters(t *testing.T) {
	t.Parallel()
	w := statisticsWorld(t)
	var enough atomic.Bool
	var writers sync.WaitGroup
	for i := range 3 {
		writers.Go(func() {
			for n := 0; !enough.Load(); n++ {
				e := w.Event([]string{"bia", "caio", "duda"}[i], transaction.Sale, "1.00", scenario.Customer(fmt.Sprint(n%50)))
				_, err := w.Program.Record(t.Context(), e)
				if isNil(t, err) && n%5 == 0 {
					_, err = w.Program.Fold(t.Context())
					isNil(t, err)
				}
			}
		})
	}
	until := time.Now().Add(time.Duration(benchSize("FATURE_STORM_SECONDS", 1, 20)) * time.Second)
	for n := 0; time.Now().Before(until); n++ {
		damage := []string{
			"update fature.affiliates set lifetime_volume = lifetime_volume + 1 where id = $1",
			"update fature.affiliate_rollups set volume = volume + 1, customers = customers + 1 where affiliate_id = $1",
			"update fature.affiliate_rollups set transactions = 0 where affiliate_id = $1",
		}[n%3]
		tag, err := w.Pool.Exec(t.Context(), damage, w.ID("bia"))
		require.NoError(t, err)
		found, err := w.Program.RebuildStats(t.Context())
		require.NoError(t, err)
		if tag.RowsAffected() > 0 && n%3 < 2 {
			require.Equal(t, n%3+1, found.Count)
		}
		for _, d := range found.Differences {
			require.Equal(t, w.ID("bia"), d.AffiliateID, "%v", d)
		}
		w.Verify()
	}
	enough.Store(true)
	writers.Wait()
	fold(t, w)
	agrees(t, w)
}

// Six writers with refunds, voids, pending events and folds at once, and months
// that come out of order: nothing is counted twice or lost.
func TestStatisticsUnderAStorm(t *testing.T) {
	t.Parallel()
	w := scenario.New(t, fresh)
	names := []string{"ana"}
	w.Affiliate("ana")
	for i := range 6 {
		name := fmt.Sprint("bia", i)
		w.Affiliate(name, scenario.Under(names[i/2]))
		names = append(names, name)
	}
	w.SetNow(scenario.Now.AddDate(0, 3, 0))
	w.Plan(tenAndFive)
	var sales atomic.Int64
	rounds := benchSize("FATURE_STORM_BATCHES", 12, 300)
	seed := rand.Uint64() //nolint:gosec // chance, not a secret
	t.Logf("seed %d", seed)
	atOnce(6, func(writer int) {
		random := rand.New(rand.NewPCG(seed, uint64(writer))) //nolint:gosec // as above
		for range rounds {
			batch := make([]transaction.Event, random.IntN(9)+1)
			for i := range batch {
				batch[i] = stormEvent(w, random, names, &sales)
				batch[i].Pending = batch[i].Type == transaction.Sale && random.IntN(4) == 0
			}
			results, err := w.Program.RecordPartial(t.Context(), batch...)
			require.NoError(t, err)
			for _, r := range results {
				if r.Err != nil {
					require.ErrorIs(t, r.Err, fault.Invalid)
				} else if len(r.Lines) > 0 && random.IntN(6) == 0 {
					_, err := w.Program.Void(t.Context(), "a storm", r.Lines[0].ID)
					refused := errors.Is(err, fature.ErrInvalid) || errors.Is(err, commission.ErrSettled) // a reversal, or void by now
					require.True(t, err == nil || refused, "%v", err)
				}
			}
			switch random.IntN(4) {
			case 0:
				_, err = w.Program.Fold(t.Context())
			case 1:
				_, err = w.Program.Process(t.Context(), 20)
			case 2:
				if writer == 0 {
					var found fature.Rebuilt
					found, err = w.Program.RebuildStats(t.Context())
					require.Zero(t, found.Count)
				}
			}
			require.NoError(t, err)
		}
	})
	found, err := w.Program.RebuildStats(t.Context())
	require.NoError(t, err)
	require.Zero(t, found.Count, "with what is not folded")
	w.Verify()
	fold(t, w)
	found, err = w.Program.RebuildStats(t.Context())
	require.NoError(t, err)
	require.Zero(t, found.Count)
	agrees(t, w)
	reportsAgree(t, w)
}

// reportsAgree says that the days, the rules and the affiliates of a range of
// everything come to what the statistics do.
func reportsAgree(t *testing.T, w *scenario.World) {
	t.Helper()
	from, to := scenario.Now.AddDate(-1, 0, 0), scenario.Now.AddDate(1, 0, 0)
	want := one[string](t, w.Pool, "select concat_ws(' ', sum(transactions), sum(volume), sum(commissions)) from fature.affiliate_rollups")
	var days, affiliates affiliate.Figures
	add := func(f *affiliate.Figures, transactions int64, volume, commissions decimal.Decimal) {
		f.Transactions, f.TotalVolume, f.TotalCommissions = f.Transactions+transactions, f.TotalVolume.Add(volume), f.TotalCommissions.Add(commissions)
	}
	daily, err := w.Program.Reports.Daily(t.Context(), from, to)
	require.NoError(t, err)
	for _, d := range daily.Rows {
		add(&days, d.Transactions, d.TotalVolume, d.TotalCommissions)
	}
	top, err := w.Program.Reports.TopAffiliates(t.Context(), from, to, 1000)
	require.NoError(t, err)
	for _, a := range top.Rows {
		add(&affiliates, a.Transactions, a.TotalVolume, a.TotalCommissions)
	}
	rules, err := w.Program.Reports.Commissions(t.Context(), from, to)
	require.NoError(t, err)
	net := decimal.Zero
	for _, r := range rules.Rows {
		net = net.Add(r.Net)
	}
	text := func(f affiliate.Figures) string {
		return fmt.Sprintf("%d %s %s", f.Transactions, f.TotalVolume.StringFixed(2), f.TotalCommissions.StringFixed(2))
	}
	require.Equal(t, want, text(days))
	require.Equal(t, want, text(affiliates))
	require.True(t, net.Equal(days.TotalCommissions), "%s of rules, %s of days", net, days.TotalCommissions)
}
