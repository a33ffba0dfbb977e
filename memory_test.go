package fature_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// atOnce calls a function of many goroutines at the same time.
func atOnce(n int, do func(i int)) {
	var start, all sync.WaitGroup
	start.Add(1)
	for i := range n {
		all.Go(func() {
			start.Wait()
			do(i)
		})
	}
	start.Done()
	all.Wait()
}

// total is the sum of a column of the lines.
func total(t *testing.T, w *scenario.World, column string) string {
	return one[string](t, w.Pool, "select coalesce(sum("+column+"), 0)::numeric(20,2)::text from fature.commissions")
}

// A hundred sales at once, of which the caps have room for some: what is paid
// is the caps to the cent, for the affiliate and for the upline above it.
func TestCapsHoldUnderConcurrency(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Affiliate("bia", scenario.Under("ana"))
	w.Affiliate("caio", scenario.Under("ana"))
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
		"overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "3"}]}}],
		"caps": [{"per": "affiliate", "period": "month", "max": "150.00"}]}`)
	atOnce(100, func(i int) {
		name := []string{"bia", "caio"}[i%2]
		_, err := w.Program.Record(t.Context(), w.Event(name, transaction.Sale, "99.99"), w.Event(name, transaction.Sale, "0.37"))
		require.NoError(t, err)
	})
	paid := list[string](t, w.Pool, `
		select sum(c.final_amount)::text from fature.commissions c join fature.affiliates a on a.id = c.affiliate_id
		group by a.id, a.level order by a.level, a.id`)
	require.Equal(t, []string{"150.00", "150.00", "150.00"}, paid)
	w.Verify()
	w.Replay()
}

// A customer's limit and baseline, by a hundred deposits at once: one of them
// is paid.
func TestLimitsHoldUnderConcurrency(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Plan(`{"rules": [
		{"id": "cpa", "on": ["deposit"], "when": {"cumulative_min": "500.00", "within": "30d"}, "limit": {"count": 1}, "pay": {"flat": "100.00"}},
		{"id": "volume", "on": ["deposit"], "pay": {"tiers": {"mode": "marginal", "scope": "month", "steps": [{"up_to": "500.00", "percent": "1"}, {"percent": "2"}]}}}]}`)
	atOnce(100, func(int) {
		_, err := w.Program.Record(t.Context(), w.Event("ana", transaction.Deposit, "10.00", scenario.Customer("c-1")))
		require.NoError(t, err)
	})
	require.Equal(t, []string{"cpa 100.00", "volume 15.00"}, list[string](t, w.Pool,
		`select rule || ' ' || sum(final_amount) from fature.commissions group by rule order by rule`))
	w.Verify()
	w.Replay()
}

// The same with the plan's memory over several calls of a host's transaction,
// rolled back and committed.
func TestCountersAreTheHostsTransactions(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Plan(`{"rules": [{"id": "cpa", "on": ["signup"], "limit": {"count": 2}, "pay": {"flat": "5.00"}}]}`)
	signup := w.Event("ana", transaction.Signup, "0.00", scenario.Customer("c-1"))
	for _, commit := range []bool{false, true} {
		tx, err := w.Pool.Begin(t.Context())
		require.NoError(t, err)
		p := w.Program.WithTx(tx)
		for want := range 3 {
			results, err := p.Record(t.Context(), signup)
			require.NoError(t, err)
			require.Len(t, results[0].Lines, min(1, 2-min(want, 2)))
		}
		if commit {
			require.NoError(t, tx.Commit(t.Context()))
		} else {
			require.NoError(t, tx.Rollback(t.Context()))
		}
	}
	require.Equal(t, "10.00", total(t, w, "final_amount"))
	w.Verify()
	w.Replay()
}

// team is ana over bia, who pay each other by levels, with a cap and a hold.
func team(t *testing.T) *scenario.World {
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Affiliate("bia", scenario.Under("ana"))
	w.Plan(teamPlan)
	return w
}

const teamPlan = `{"hold": "30d", "rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
	"overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "5"}, {"percent": "1"}]}}],
	"caps": [{"per": "affiliate", "period": "month", "max": "50.00"}]}`

func refund(of transaction.Key, amount, key string) transaction.Event {
	return transaction.Event{
		Type: transaction.Refund, Amount: decimal.RequireFromString(amount), ReversesKey: of,
		SourceTable: "refunds", OriginalID: key,
	}
}

var order = transaction.Key{SourceTable: "orders", OriginalID: "1"}

func TestRefund(t *testing.T) {
	t.Parallel()
	w := team(t)
	sale := w.Sale("bia", "100.00", scenario.Key("1"), scenario.Customer("c-1"))
	w.WantLines("bia sale/0 10.00", "ana sale/1 5.00")
	w.WantSkipped("sale/2 no_upline 1.00")

	// In thirds: what is due for all that is back, less what is back already.
	w.Record(refund(order, "33.33", "r-1"))
	w.WantLines("bia sale/0 -3.33", "ana sale/1 -1.67")
	w.WantSkipped("sale/2 no_upline -0.33")
	w.Record(refund(order, "33.33", "r-2"))
	w.WantLines("bia sale/0 -3.34", "ana sale/1 -1.66")
	require.Equal(t, transaction.Processed, w.Get(sale).Status)
	back := w.Record(refund(order, "33.34", "r-3"))[0]
	w.WantLines("bia sale/0 -3.33", "ana sale/1 -1.67")
	require.Equal(t, transaction.Reversed, w.Get(sale).Status)

	// A reversal matures with its line, and is of the same customer.
	require.Equal(t, sale.Lines[0].AvailableAt.UTC(), back.Lines[0].AvailableAt.UTC())
	require.Equal(t, sale.Lines[0].ID, *back.Lines[0].ReversesID)
	require.Equal(t, "c-1", back.Transaction.CustomerID)
	require.Equal(t, "0.00", total(t, w, "final_amount"))

	again := w.Record(refund(order, "33.34", "r-3"))[0]
	require.True(t, again.Duplicate)
	require.Equal(t, back.Lines[0].ID, again.Lines[0].ID)

	_, err := w.Program.Record(t.Context(), refund(order, "0.01", "r-4"))
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "reverses: is taken back whole already")
	w.Verify()
	w.Replay()
}

// By id as by key, of what the same call records, and by a chargeback.
func TestRefundInOneCall(t *testing.T) {
	t.Parallel()
	w := team(t)
	results := w.Record(
		w.Event("bia", transaction.Sale, "100.00", scenario.Key("1")), refund(order, "40.00", "r-1"), refund(order, "60.00", "r-2"))
	w.WantLines("bia sale/0 10.00", "ana sale/1 5.00",
		"bia sale/0 -4.00", "ana sale/1 -2.00", "bia sale/0 -6.00", "ana sale/1 -3.00")
	require.Equal(t, transaction.Reversed, w.Get(results[0]).Status)

	sale := w.Sale("bia", "10.00", scenario.Key("2"))
	w.Record(transaction.Event{Type: transaction.Chargeback, Amount: decimal.RequireFromString("10.00"), Reverses: sale.Transaction.ID})
	w.WantLines("bia sale/0 -1.00", "ana sale/1 -0.50")
	require.Equal(t, "0.00", one[string](t, w.Pool, `select sum(volume)::text from fature.transactions`))

	// A sale that an earlier call recorded, repeated beside its refund.
	w.Sale("bia", "10.00", scenario.Key("3"), scenario.At(scenario.Now))
	three := transaction.Key{SourceTable: "orders", OriginalID: "3"}
	w.Record(w.Event("bia", transaction.Sale, "10.00", scenario.Key("3"), scenario.At(scenario.Now)), refund(three, "10.00", "r-3"))
	w.WantLines("bia sale/0 1.00", "ana sale/1 0.50", "bia sale/0 -1.00", "ana sale/1 -0.50")
	w.Verify()
	w.Replay()
}

// What a cap has cut is taken back in its own parts, which may be a cent where
// the uncut amount has none.
func TestRefundOfACappedLine(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}], "caps": [{"per": "transaction", "max": "9.99"}]}`)
	w.Sale("ana", "100.00", scenario.Key("1"))
	w.WantLines("ana sale/0 9.99")
	w.Record(refund(order, "33.35", "r-1"))
	w.WantLines("ana sale/0 -3.33") // of 3.331665; of the uncut 10.00, 3.335 is 3.34
	w.Record(refund(order, "0.05", "r-2"))
	w.WantLines("ana sale/0 -0.01") // 3.34 of 3.33666, and 3.34 of 3.34
	w.Record(refund(order, "66.60", "r-3"))
	w.WantLines("ana sale/0 -6.65")
	w.Verify()
	w.Replay()
}

// A refund gives room of the cap back in the month of the sale, not in its own.
func TestRefundGivesRoomBack(t *testing.T) {
	t.Parallel()
	w := team(t)
	w.Sale("bia", "400.00", scenario.Key("1"))
	w.Sale("bia", "400.00", scenario.Key("2"))
	w.WantLines("bia sale/0 10.00", "ana sale/1 20.00")
	w.SetNow(scenario.Now.AddDate(0, 1, 0))
	w.Record(refund(order, "200.00", "r-1"))
	w.WantLines("bia sale/0 -20.00", "ana sale/1 -10.00")
	w.Sale("bia", "600.00")
	w.WantLines("bia sale/0 50.00", "ana sale/1 30.00") // July was untouched
	w.Sale("bia", "400.00", scenario.At(scenario.Now))
	w.WantLines("bia sale/0 20.00", "ana sale/1 20.00") // and June has 20.00 and 20.00 of room
	w.Verify()
	w.Replay()
}

// A refund is rated by the plan of its sale, and counts under the one in force
// at its own time: its affiliate's own, its category's, or the default.
func TestRefundHasItsOwnPlan(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	bia := w.Affiliate("bia", scenario.Category(affiliate.VIP))
	w.Affiliate("caio")
	w.Affiliate("dani")
	july, august := scenario.Now.AddDate(0, 1, 0), scenario.Now.AddDate(0, 2, 0)
	publish := func(percent string, whom func(uuid.UUID) commission.Assignment, from time.Time) uuid.UUID {
		plan := w.Publish(fmt.Sprintf(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "%s"}}]}`, percent))
		require.NoError(t, w.Program.Plans.Assign(t.Context(), whom(plan.ID).Since(from)))
		return plan.ID
	}
	forVIP := func(id uuid.UUID) commission.Assignment { return commission.ForCategory(affiliate.VIP, id) }
	forDani := func(id uuid.UUID) commission.Assignment { return commission.ForAffiliate(w.ID("dani"), id) }
	june := publish("10", commission.Default, scenario.Now)
	later, vip, own := publish("1", commission.Default, july), publish("2", forVIP, july), publish("3", forDani, july)
	plans := map[string]uuid.UUID{"bia": vip, "caio": later, "dani": own}

	w.SetNow(august)
	for name := range plans {
		w.Sale(name, "100.00", scenario.Key(name), scenario.At(scenario.Now))
		w.Sale(name, "100.00", scenario.Key(name+" early"), scenario.At(scenario.Now.Add(-time.Hour)))
	}
	back := func(key, id string, at time.Time) transaction.Event {
		e := refund(transaction.Key{SourceTable: "orders", OriginalID: key}, "10.00", id)
		e.At = at
		return e
	}
	for name, plan := range plans {
		results := w.Record(
			back(name, "1 "+name, july.Add(-time.Hour)), back(name, "2 "+name, july),
			back(name+" early", "3 "+name, august), back(name+" early", "4 "+name, scenario.Now.Add(-time.Minute)),
			w.Event(name, transaction.Sale, "100.00", scenario.Key(name+" too"), scenario.At(scenario.Now)), back(name+" too", "5 "+name, august))
		w.WantLines(name+" sale/0 -1.00", name+" sale/0 -1.00", name+" sale/0 10.00", name+" sale/0 -1.00")
		for i, want := range []*uuid.UUID{&june, &plan, &plan, nil, &june, &plan} {
			require.Equal(t, want, w.Get(results[i]).PlanID, "%s %d", name, i)
			require.Equal(t, want, results[i].Transaction.PlanID)
		}
	}

	// Those of one affiliate and of several, by id, after its category changed.
	_, err := w.Program.Affiliates.Update(t.Context(), bia.ID, affiliate.Change{Category: affiliate.Standard})
	require.NoError(t, err)
	known := w.Record(w.Event("bia", transaction.Sale, "1.00", scenario.At(scenario.Now)), w.Event("dani", transaction.Sale, "1.00", scenario.At(scenario.Now)))
	var both []transaction.Event
	for _, r := range known {
		both = append(both, transaction.Event{Type: transaction.Chargeback, Amount: r.Transaction.Amount, Reverses: r.Transaction.ID})
	}
	results := w.Record(both...)
	require.Equal(t, later, *results[0].Transaction.PlanID)
	require.Equal(t, own, *results[1].Transaction.PlanID)

	// Nobody counts what was blocked.
	blocked := scenario.Customer(bia.UserID.String())
	w.Sale("bia", "10.00", scenario.Key("blocked"), blocked)
	w.WantSkipped("self_referral")
	results = w.Record(back("blocked", "6", time.Time{}), w.Event("bia", transaction.Sale, "10.00", scenario.Key("blocked too"), blocked), back("blocked too", "7", time.Time{}))
	for _, r := range results {
		require.Nil(t, r.Transaction.PlanID)
	}
	w.Verify()
	w.Replay()
}

// Of two refunds of 60.00 on a sale of 100.00 at once, one is refused; and of a
// hundred of 1.10, ninety pass.
func TestRefundsAtOnce(t *testing.T) {
	t.Parallel()
	w := team(t)
	w.Sale("bia", "100.00", scenario.Key("1"))
	var mu sync.Mutex
	passed := 0
	atOnce(100, func(i int) {
		_, err := w.Program.Record(t.Context(), refund(order, "1.10", fmt.Sprint(i)))
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			passed++
		} else {
			require.ErrorContains(t, err, "amount: is 1.1, more than the 1 left of the transaction it takes back")
		}
	})
	require.Equal(t, 90, passed)
	require.Equal(t, "0.15", total(t, w, "final_amount")) // of 1.00 that is left
	w.Verify()
	w.Replay()
}

// A limit is never given back; a baseline and tiers are.
func TestRefundOfWhatIsRemembered(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Plan(`{"rules": [
		{"id": "first", "on": ["sale"], "limit": {"count": 1}, "pay": {"flat": "5.00"}},
		{"id": "loyal", "on": ["sale"], "when": {"cumulative_min": "100.00", "within": "1mo"}, "pay": {"percent": "1"}},
		{"id": "volume", "on": ["sale"], "pay": {"tiers": {"mode": "slab", "scope": "lifetime", "steps": [{"up_to": "100.00", "percent": "5"}, {"percent": "10"}]}}}]}`)
	c1 := scenario.Customer("c-1")
	w.Sale("ana", "80.00", scenario.Key("1"), c1)
	w.WantLines("ana first/0 5.00", "ana volume/0 4.00")
	w.Sale("ana", "40.00", scenario.Key("2"), c1)
	w.WantLines("ana loyal/0 0.40", "ana volume/0 8.00") // 10 % of 120.00 less 4.00
	w.Record(refund(order, "80.00", "r-1"))
	w.WantLines("ana first/0 -5.00", "ana volume/0 -4.00")
	w.Sale("ana", "10.00", scenario.Key("3"), c1)
	w.WantSkipped("first/0 limit", "loyal/0 baseline") // 50.00 so far
	w.WantLines("ana volume/0 -5.50")                  // 5 % of 50.00 less 8.00
	w.Verify()
	w.Replay()
}

func TestRefundRefuses(t *testing.T) {
	t.Parallel()
	w := team(t)
	w.Sale("bia", "100.00", scenario.Key("1"), scenario.Customer("c-1"))
	w.Record(w.Event("bia", transaction.Sale, "10.00", scenario.Key("2"), func(e *transaction.Event) { e.Pending = true }))
	w.Sale("bia", "0.00", scenario.Key("free"))
	w.Record(refund(order, "10.00", "r-0"))
	before := w.Rows()
	for name, c := range map[string]struct {
		change  func(*transaction.Event)
		problem string
	}{
		"too much":           {func(e *transaction.Event) { e.Amount = decimal.RequireFromString("90.01") }, "amount: is 90.01, more than the 90 left"},
		"nothing":            {func(e *transaction.Event) { e.Amount = decimal.Zero }, "amount: is zero"},
		"earlier":            {func(e *transaction.Event) { e.At = scenario.Now.Add(-time.Second) }, "at: is earlier"},
		"another affiliate":  {func(e *transaction.Event) { e.AffiliateID = w.ID("ana") }, "affiliate_id: is not that of"},
		"another customer":   {func(e *transaction.Event) { e.CustomerID = "c-2" }, "customer_id: is not that of"},
		"not recorded":       {func(e *transaction.Event) { e.ReversesKey.OriginalID = "9" }, "reverses_key: is not recorded"},
		"by an unknown id":   {func(e *transaction.Event) { e.ReversesKey = transaction.Key{}; e.Reverses = w.ID("ana") }, "reverses: is not recorded"},
		"by id and key":      {func(e *transaction.Event) { e.Reverses = w.ID("ana") }, "reverses_key: stands beside reverses"},
		"not rated":          {func(e *transaction.Event) { e.ReversesKey.OriginalID = "2" }, "reverses: is pending"},
		"pending":            {func(e *transaction.Event) { e.Pending = true }, "pending: is given"},
		"a refund":           {func(e *transaction.Event) { e.ReversesKey = transaction.Key{SourceTable: "refunds", OriginalID: "r-0"} }, "reverses: is itself a reversal"},
		"a sale as a refund": {func(e *transaction.Event) { e.Type = transaction.Sale }, "reverses: is only for"},
	} {
		e := refund(order, "10.00", "bad")
		c.change(&e)
		_, err := w.Program.Record(t.Context(), w.Event("bia", transaction.Sale, "1.00", scenario.Key("beside")), e)
		require.ErrorIs(t, err, fault.Invalid, name)
		require.ErrorContains(t, err, "events[1]."+c.problem, name)
		require.Equal(t, before, w.Rows(), name)

		results, err := w.Program.RecordPartial(t.Context(), e)
		require.NoError(t, err, name)
		require.ErrorContains(t, results[0].Err, c.problem, name)
	}
	w.Record(refund(transaction.Key{SourceTable: "orders", OriginalID: "free"}, "0.00", "r-1")) // a sale of nothing is taken back once
	_, err := w.Program.Record(t.Context(), refund(transaction.Key{SourceTable: "orders", OriginalID: "free"}, "0.00", "r-2"))
	require.ErrorContains(t, err, "reverses: is taken back whole already")
	w.Verify()
}

// One event costs at most five round trips, a refund as well and whatever the
// plan remembers, and one connection: the host's transaction has the only one.
func TestRoundTripsOfMemory(t *testing.T) {
	t.Parallel()
	w := team(t)
	config := w.Pool.Config().Copy()
	config.MaxConns = 1
	trips := testenv.CountTrips(config.ConnConfig)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	p, err := fature.New(t.Context(), fature.Config{Pool: pool, Clock: func() time.Time { return scenario.Now }})
	require.NoError(t, err)
	record := func(e transaction.Event) int {
		return trips.Of(func() {
			_, err := p.Record(t.Context(), e)
			require.NoError(t, err)
		})
	}
	record(w.Event("bia", transaction.Sale, "100.00", scenario.Key("1"))) // reads the plan, and prepares the statements
	require.Equal(t, 4, record(w.Event("bia", transaction.Sale, "100.00", scenario.Key("2"))))
	record(refund(order, "10.00", "r-1"))
	require.Equal(t, 5, record(refund(order, "10.00", "r-2")))

	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	p = p.WithTx(tx)
	record(w.Event("bia", transaction.Sale, "100.00", scenario.Key("3"))) // prepares what a savepoint takes
	require.Equal(t, 4, record(w.Event("bia", transaction.Sale, "100.00", scenario.Key("4"))))
	require.Equal(t, 5, record(refund(order, "10.00", "r-3")))
	require.NoError(t, tx.Commit(t.Context()))
}
