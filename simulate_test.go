package fature_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// history is a year of a programme in which much happens by chance.
type history struct {
	*scenario.World
	t       *testing.T
	random  *rand.Rand
	names   []string
	now     time.Time
	sales   []transaction.Key
	bonus   int // versions of the plan
	records int
}

const everyRule = `{"timezone": "America/Sao_Paulo", "hold": "10d", "rules": [
	{"id": "sale", "on": ["sale"], "pay": {"tiers": {"mode": "slab", "scope": "month", "steps": [{"up_to": "500.00", "percent": "5"}, {"percent": "%d"}]}},
		"overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "3"}, {"percent": "1", "categories": ["vip"]}]}},
	{"id": "cpa", "on": ["deposit"], "when": {"cumulative_min": "50.00", "within": "90d"}, "limit": {"count": 1}, "pay": {"flat": "30.00"}},
	{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win", "bonus"]}, "split_by": "brand",
		"pay": {"tiers": {"mode": "marginal", "steps": [{"up_to": "300.00", "percent": "20"}, {"percent": "%d", "min_active": 2}]}},
		"carry": "base", "high_roller": {"mode": "quarantine", "player_max": "250.00"}, "recoup": ["cpa"],
		"overrides": {"of": "commission", "inactive": "roll_up", "steps": [{"percent": "10"}, {"flat": "2.00"}]}}],
	"caps": [{"per": "affiliate", "period": "month", "max": "180.00"}]}`

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{World: scenario.New(t), t: t, random: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2025, 1, 2, 9, 0, 0, 0, time.UTC)}
	require.NoError(t, h.Program.EnsureMonths(t.Context(), h.now, h.now.AddDate(1, 0, 0)))
	for i := range 8 {
		h.join(i)
	}
	h.Plan(fmt.Sprintf(everyRule, 8, 30))
	return h
}

func (h *history) join(i int) {
	name := fmt.Sprintf("ana%d", i)
	if i > 0 {
		h.Affiliate(name, scenario.Under(h.names[h.random.IntN(len(h.names))]))
	} else {
		h.Affiliate(name)
	}
	h.names = append(h.names, name)
}

func (h *history) anybody() string { return h.names[h.random.IntN(len(h.names))] }

// day lets a day pass on which something happens.
func (h *history) day() {
	h.SetNow(h.now)
	switch h.random.IntN(12) {
	case 0:
		_ = h.Program.Hierarchy.Move(h.t.Context(), h.ID(h.anybody()), h.ID(h.anybody())) // under itself is refused
	case 1:
		status := []affiliate.Status{affiliate.Active, affiliate.Active, affiliate.Suspended}[h.random.IntN(3)]
		_, err := h.Program.Affiliates.Update(h.t.Context(), h.ID(h.anybody()), affiliate.Change{Status: status})
		require.NoError(h.t, err)
	case 2:
		category := []affiliate.Category{affiliate.Standard, affiliate.VIP}[h.random.IntN(2)]
		_, err := h.Program.Affiliates.Update(h.t.Context(), h.ID(h.anybody()), affiliate.Change{Category: category})
		require.NoError(h.t, err)
	case 3:
		h.join(len(h.names))
	case 4:
		h.bonus++
		plan := h.Publish(fmt.Sprintf(everyRule, 8+h.bonus%3, 30+h.bonus%4))
		require.NoError(h.t, h.Program.Plans.Assign(h.t.Context(), commission.Default(plan.ID).Since(h.now)))
	case 5:
		h.refund()
	}
	for range 1 + h.random.IntN(2) {
		h.event()
	}
}

func (h *history) event() {
	h.records++
	kinds := []transaction.Type{transaction.Sale, transaction.Deposit, transaction.Bet, transaction.Bet, transaction.Win, transaction.Bonus}
	key := transaction.Key{SourceTable: "orders", OriginalID: fmt.Sprint(h.records)}
	e := h.Event(h.anybody(), kinds[h.random.IntN(len(kinds))], decimal.New(1+h.random.Int64N(30_000), -2).StringFixed(2), scenario.Key(key.OriginalID))
	if h.random.IntN(4) > 0 {
		e.CustomerID = fmt.Sprintf("c%d", h.random.IntN(12))
	}
	if brand := h.random.IntN(3); brand > 0 {
		e.Metadata = map[string]any{"brand": brand}
	}
	e.At = h.now.Add(-time.Duration(h.random.IntN(3)) * 24 * time.Hour) // some are late
	if _, err := h.Program.Record(h.t.Context(), e); err == nil {
		h.sales = append(h.sales, key)
	}
}

func (h *history) refund() {
	if len(h.sales) == 0 {
		return
	}
	of := h.sales[h.random.IntN(len(h.sales))]
	h.records++
	back := refund(of, decimal.New(1+h.random.Int64N(5_000), -2).StringFixed(2), fmt.Sprint("r-", h.records))
	back.At = h.now
	_, _ = h.Program.Record(h.t.Context(), back) // more than is left is refused
}

// year lets the year pass, with a close of every month a few days after it.
func (h *history) year(months int) {
	for month := range months {
		for h.now.Month() == time.Month(month+1) {
			h.now = h.now.Add(20 * time.Hour)
			if h.now.Month() == time.Month(month+1) {
				h.day()
			}
		}
		for range 2 {
			h.day()
			h.now = h.now.Add(20 * time.Hour)
		}
		h.SetNow(h.now)
		h.Close(fmt.Sprintf("2025-%02d", month+1))
	}
}

func TestSimulateThePlansInForce(t *testing.T) {
	t.Parallel()
	seeds, months := uint64(1), 3
	if os.Getenv("FATURE_LONG") != "" {
		seeds, months = 8, 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := newHistory(t, seed)
			h.year(months)
			h.Verify()
			posted := map[string]int{}
			for l, err := range h.Program.Commissions.All(t.Context(), commission.Filter{Limit: 1000}) {
				require.NoError(t, err)
				posted[shown(l.AffiliateID, l.Rule, l.Level, l.FinalAmount)]++
			}
			simulated, err := h.Program.Simulate(t.Context(), commission.Simulation{
				From: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC),
				Each: func(l commission.SimulatedLine) error {
					key := shown(l.AffiliateID, l.Rule, l.Level, l.Final)
					if posted[key]--; posted[key] == 0 {
						delete(posted, key)
					}
					return nil
				},
			})
			require.NoError(t, err)
			require.Empty(t, posted, "the same lines")
			requireSame(t, simulated)
			require.Greater(t, simulated.Statements, 10)
			require.Greater(t, simulated.Transactions, 100)

			// A part of the time is the same too.
			simulated, err = h.Program.Simulate(t.Context(), commission.Simulation{
				From: time.Date(2025, 2, 1, 3, 0, 0, 0, time.UTC), To: time.Date(2025, 3, 1, 3, 0, 0, 0, time.UTC),
			})
			require.NoError(t, err)
			requireSame(t, simulated)
		})
	}
}

func shown(id uuid.UUID, rule string, level int, final decimal.Decimal) string {
	return fmt.Sprintf("%s %s/%d %s", id, rule, level, final.StringFixed(2))
}

func requireSame(t *testing.T, s commission.Simulated) {
	t.Helper()
	require.True(t, s.Old.Equal(s.New), "%s %s", s.Old, s.New)
	require.False(t, s.Old.IsZero())
	for _, c := range s.Affiliates {
		require.True(t, c.Difference().IsZero(), "%s: %s, again %s", c.AffiliateID, c.Old, c.New)
	}
}

func TestSimulateAnotherPlan(t *testing.T) {
	t.Parallel()
	w := casino(t, share)
	w.SetNow(time.Date(2025, 8, 20, 0, 0, 0, 0, time.UTC))
	w.Record(
		w.Event("bia", transaction.Bet, "1000.00", on(6, 2), scenario.Key("1")), w.Event("bia", transaction.Sale, "100.00", on(6, 3)),
		w.Event("bia", transaction.Win, "400.00", on(7, 3)), w.Event("ana", transaction.Bet, "40.00", on(7, 4)),
	)
	back := refund(order, "200.00", "r-1")
	on(7, 20)(&back)
	w.Record(back)
	w.Close("2025-06")
	w.Close("2025-07")
	before := w.Rows()
	other := w.Publish(`{"name": "weekly", "timezone": "America/Sao_Paulo", "rules": [
		{"id": "bet", "on": ["bet"], "pay": {"percent": "1"}},
		{"id": "rev", "period": "week", "base": {"plus": ["bet"], "minus": ["win"]}, "pay": {"percent": "10"}, "carry": "commission"}]}`)
	s, err := w.Program.Simulate(t.Context(), commission.Simulation{
		PlanID: other.ID, From: time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2025, 8, 1, 3, 0, 0, 0, time.UTC),
	})
	require.NoError(t, err)
	require.Equal(t, 5, s.Transactions)
	// As it was: bia 25 % of 1000.00 and then a loss of 600.00; ana 10 % of bia's, and 25 % of 40.00.
	// By the other: bia 1 % of 1000.00 less 200.00, and 10 % of the first week; ana 1 % and 10 % of 40.00.
	want := map[string][2]string{"bia": {"250.00", "108.00"}, "ana": {"35.00", "4.40"}}
	require.Len(t, s.Affiliates, len(want))
	for name, sums := range want {
		for _, c := range s.Affiliates {
			if c.AffiliateID == w.ID(name) {
				require.Equal(t, sums, [2]string{c.Old.StringFixed(2), c.New.StringFixed(2)}, name)
			}
		}
	}
	require.Equal(t, before, w.Rows())
}

func TestSimulateRefuses(t *testing.T) {
	t.Parallel()
	w := casino(t, share)
	june := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	for why, c := range map[string]struct {
		s    commission.Simulation
		want error
	}{
		"no from":      {commission.Simulation{To: june}, fault.Invalid},
		"an empty one": {commission.Simulation{From: june, To: june}, fault.Invalid},
		"no such plan": {commission.Simulation{PlanID: uuid.New(), From: june, To: june.AddDate(0, 1, 0)}, commission.ErrPlanNotFound},
	} {
		_, err := w.Program.Simulate(t.Context(), c.s)
		require.ErrorIs(t, err, c.want, why)
	}
	w.Sale("bia", "10.00", scenario.Key("1"))
	_, err := w.Pool.Exec(t.Context(), "drop table fature.commissions_2025_06; drop table fature.transactions_2025_06")
	require.NoError(t, err)
	_, err = w.Program.Simulate(t.Context(), commission.Simulation{From: june, To: june.AddDate(0, 1, 0)})
	require.ErrorIs(t, err, commission.ErrArchived)
	require.ErrorContains(t, err, "2025-06")
}
