package fature_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/migrate"
	"github.com/fature/fature/transaction"
)

// bets records a bet of an affiliate on a day.
func bets(w *scenario.World, name, amount string, at scenario.Detail, more ...scenario.Detail) fature.Recorded {
	return w.Record(w.Event(name, transaction.Bet, amount, append(more, at)...))[0]
}

// autumn sets the clock to where June to August can be closed.
func autumn(w *scenario.World) { w.SetNow(time.Date(2025, 9, 20, 0, 0, 0, 0, time.UTC)) }

// lateItems are what statements count for closed periods.
func lateItems(t *testing.T, w *scenario.World, period string) []string {
	t.Helper()
	return list[string](t, w.Pool, `
		select format('%s %s %s of %s', a.referral_code, i->>'type', i->>'amount', i->>'late')
		from fature.statements s join fature.affiliates a on a.id = s.affiliate_id,
			jsonb_array_elements(s.footing->'parts') p, jsonb_array_elements(p->'items') i
		where s.name = $1 and i->>'late' <> '' order by 1`, period)
}

// What is late for several months, or was pending when its month was closed,
// counts in the next close, which names each of them.
func TestLateForSeveralPeriods(t *testing.T) {
	t.Parallel()
	w := casino(t, share)
	autumn(w)
	bets(w, "bia", "100.00", on(5, 2))
	waiting := w.Event("bia", transaction.Bet, "40.00", on(6, 3))
	waiting.Pending = true
	w.Record(waiting)
	w.Close("2025-05")
	bets(w, "bia", "10.00", on(5, 3))
	bets(w, "bia", "100.00", on(6, 3))
	w.Close("2025-06")
	require.Equal(t, []string{"bia bet 10.00 of 2025-05"}, lateItems(t, w, "2025-06"))
	w.WantStatements("2025-06", "bia rev 0.00 + 110.00 = 27.50, pays 27.50, carries 0.00")

	bets(w, "bia", "1.00", on(5, 4))
	bets(w, "bia", "2.00", on(6, 30))
	bets(w, "ana", "8.00", on(6, 30)) // who has nothing else
	n, err := w.Program.Process(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	statements, lines := w.Preview("2025-07")
	w.Close("2025-07")
	w.WantStatements("2025-07", statements...)
	w.WantPaid("2025-07", lines...)
	require.Equal(t, []string{"ana bet 8.00 of 2025-06", "bia bet 1.00 of 2025-05", "bia bet 42.00 of 2025-06"}, lateItems(t, w, "2025-07"))
	w.Close("2025-08")
	w.WantStatements("2025-08")
	w.Verify()
}

// A version in another zone moves the ends of periods, not what is counted.
func TestZoneChangesBetweenVersions(t *testing.T) {
	t.Parallel()
	const plan = `{"timezone": "%s", "rules": [{"id": "rev", "period": "month", "base": {"plus": ["bet"]}, "pay": {"percent": "10"}, "carry": "none"}]}`
	for name, c := range map[string]struct{ before, after, july string }{
		"to the west": {"UTC", "America/Sao_Paulo", "ana rev 0.00 + 56.00 = 5.60, pays 5.60, carries 0.00"},
		"to the east": {"UTC", "Asia/Tokyo", "ana rev 0.00 + 24.00 = 2.40, pays 2.40, carries 0.00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := scenario.New(t)
			w.Affiliate("ana")
			w.Plan(fmt.Sprintf(plan, c.before))
			next := w.Publish(fmt.Sprintf(plan, c.after))
			require.NoError(t, w.Program.Plans.Assign(t.Context(), commission.Default(next.ID).Since(time.Date(2025, 7, 10, 0, 0, 0, 0, time.UTC))))
			autumn(w)
			at := func(month time.Month, day, hour int) scenario.Detail {
				return scenario.At(time.Date(2025, month, day, hour, 0, 0, 0, time.UTC))
			}
			bets(w, "ana", "1.00", at(6, 30, 14))
			bets(w, "ana", "2.00", at(6, 30, 23)) // in Tokyo it is July
			bets(w, "ana", "8.00", at(7, 1, 1))   // in São Paulo it is June
			bets(w, "ana", "16.00", at(7, 31, 14))
			bets(w, "ana", "32.00", at(8, 1, 2)) // in São Paulo it is July
			w.Close("2025-06")
			w.WantStatements("2025-06", "ana rev 0.00 + 3.00 = 0.30, pays 0.30, carries 0.00")
			statements, _ := w.Preview("2025-07")
			w.Close("2025-07")
			w.WantStatements("2025-07", c.july)
			w.WantStatements("2025-07", statements...)
			w.Close("2025-08")
			require.Equal(t, "59.00", one[decimal.Decimal](t, w.Pool, "select sum(base) from fature.statements").StringFixed(2), "each once")
			w.Verify()
		})
	}
}

// An affiliate that had a plan of its own for a while has a statement of each
// plan, and what it lost by one waits there until it comes back.
func TestPlanChangesInAPeriod(t *testing.T) {
	t.Parallel()
	w := casino(t, share)
	own := w.Publish(`{"name": "own", "rules": [{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win"]}, "pay": {"percent": "50"}, "carry": "base"}]}`)
	assign := func(plan *commission.Plan, month time.Month, day int) {
		at := time.Date(2025, month, day, 0, 0, 0, 0, time.UTC)
		require.NoError(t, w.Program.Plans.Assign(t.Context(), commission.ForAffiliate(w.ID("bia"), plan.ID).Since(at)))
	}
	every, err := w.Program.Plans.Resolve(t.Context(), w.ID("bia"), scenario.Now)
	require.NoError(t, err)
	assign(own, 6, 10)
	assign(every.Plan, 6, 20)
	assign(own, 7, 5)
	assign(every.Plan, 8, 1)
	autumn(w)
	lose := func(month time.Month, day int, amount string) {
		w.Record(w.Event("bia", transaction.Win, amount, on(month, day)))
	}
	bets(w, "bia", "100.00", on(6, 5))
	lose(6, 12, "70.00")
	lose(6, 25, "300.00")
	w.Close("2025-06")
	w.WantStatements("2025-06", "bia rev 0.00 + -200.00 = 0.00, pays 0.00, carries -200.00", "bia rev 0.00 + -70.00 = 0.00, pays 0.00, carries -70.00")
	bets(w, "bia", "90.00", on(7, 25)) // only by its own plan
	w.Close("2025-07")
	w.WantStatements("2025-07", "bia rev -70.00 + 90.00 = 10.00, pays 10.00, carries 0.00")
	bets(w, "bia", "600.00", on(8, 2))
	w.Record(w.Event("bia", transaction.Win, "4.00", on(7, 25))) // late, of a plan that it has left
	statements, _ := w.Preview("2025-08")
	w.Close("2025-08")
	w.WantStatements("2025-08", statements...)
	w.WantStatements("2025-08", "bia rev -200.00 + 600.00 = 100.00, pays 100.00, carries 0.00", "bia rev 0.00 + -4.00 = 0.00, pays 0.00, carries -4.00")
	w.Verify()
}

// Who has changed category since is settled by the plan that rated its events,
// and paid by the standing of now.
func TestCategoryChangesBeforeAClose(t *testing.T) {
	t.Parallel()
	w := casino(t, share)
	vips := w.Publish(`{"name": "vips", "rules": [{"id": "rev", "period": "month", "base": {"plus": ["bet"]}, "pay": {"percent": "40"}, "carry": "none",
		"overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "1", "categories": ["vip"]}]}}]}`)
	since := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(t, w.Program.Plans.Assign(t.Context(), commission.ForCategory(affiliate.VIP, vips.ID).Since(since)))
	become := func(name string, c affiliate.Category) {
		_, err := w.Program.Affiliates.Update(t.Context(), w.ID(name), affiliate.Change{Category: c})
		require.NoError(t, err)
	}
	autumn(w)
	bets(w, "bia", "100.00", on(6, 2))
	become("bia", affiliate.VIP)
	become("ana", affiliate.VIP)
	bets(w, "bia", "200.00", on(6, 3))
	become("bia", affiliate.Standard)
	statements, lines := w.Preview("2025-06")
	w.Close("2025-06")
	w.WantStatements("2025-06", "bia rev 0.00 + 100.00 = 25.00, pays 25.00, carries 0.00", "bia rev 0.00 + 200.00 = 80.00, pays 80.00, carries 0.00")
	w.WantStatements("2025-06", statements...)
	w.WantPaid("2025-06", "ana rev/1 2.00", "ana rev/1 2.50", "bia rev/0 25.00", "bia rev/0 80.00")
	w.WantPaid("2025-06", lines...)
	w.Verify()
}

// Who is suspended at the close earns nothing of it, and its upline does; what
// it carries goes on. Lines are held from the end of the period on.
func TestSuspendedAtAClose(t *testing.T) {
	t.Parallel()
	w := casino(t, share)
	w.SetNow(time.Date(2025, 7, 31, 2, 59, 59, 0, time.UTC))
	bets(w, "bia", "1000.00", on(6, 2))
	bets(w, "ana", "100.00", on(6, 2))
	_, err := w.Program.Affiliates.Update(t.Context(), w.ID("bia"), affiliate.Change{Status: affiliate.Suspended})
	require.NoError(t, err)
	w.Close("2025-06")
	w.WantStatements("2025-06", "ana rev 0.00 + 100.00 = 25.00, pays 25.00, carries 0.00", "bia rev 0.00 + 1000.00 = 250.00, pays 250.00, carries 0.00")
	w.WantPaid("2025-06", "ana rev/0 25.00", "ana rev/1 25.00")
	found, err := w.Program.Statements.List(t.Context(), commission.StatementFilter{AffiliateID: w.ID("bia")})
	require.NoError(t, err)
	require.JSONEq(t, `[{"rule": "rev", "level": 0, "reason": "affiliate_inactive", "breakage": "250.00"},
		{"rule": "rev", "level": 2, "reason": "no_upline", "breakage": "12.50"}]`, string(found.Items[0].Skipped))
	for line, err := range w.Program.Commissions.All(t.Context(), commission.Filter{}) {
		require.NoError(t, err)
		require.Equal(t, "2025-07-31T03:00:00Z", line.AvailableAt.UTC().Format(time.RFC3339))
		require.Equal(t, commission.Pending, line.Status)
		e, err := w.Program.Commissions.Explain(t.Context(), line.ID)
		require.NoError(t, err)
		require.Contains(t, e.Steps[len(e.Steps)-1], "Evaluated again: ")
	}
	n, err := w.Program.Commissions.Approve(t.Context(), time.Date(2025, 7, 31, 3, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	w.Verify()
}

// An affiliate's cap holds over the lines of events and of periods, while both
// come at once.
func TestCapsOverEventsAndPeriods(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	names := []string{"ana"}
	for i := range 8 {
		names = append(names, fmt.Sprint("bia", i))
		w.Affiliate(names[i+1], scenario.Under("ana"))
	}
	w.Plan(`{"rules": [
		{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}, "overrides": {"of": "commission", "inactive": "none", "steps": [{"percent": "20"}]}},
		{"id": "rev", "period": "month", "base": {"plus": ["bet"]}, "pay": {"percent": "10"}, "carry": "none", "overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "2"}]}},
		{"id": "too", "period": "month", "base": {"plus": ["bet"]}, "pay": {"percent": "1"}, "carry": "none"}],
		"caps": [{"per": "affiliate", "period": "month", "max": "100.00"}]}`)
	autumn(w)
	for _, name := range names {
		bets(w, name, "700.00", on(6, 2))
		w.Sale(name, "150.00", on(6, 3))
	}
	fature.SetLot(w.Program, 2)
	var stop atomic.Bool
	atOnce(5, func(writer int) {
		if writer == 0 {
			_, err := w.Program.ClosePeriod(t.Context(), "2025-06", nil)
			isNil(t, err)
			stop.Store(true)
			return
		}
		random := rand.New(rand.NewPCG(3, uint64(writer))) //nolint:gosec // a test
		for !stop.Load() {
			e := w.Event(names[random.IntN(len(names))], transaction.Sale, "20.00", on(6, 1+random.IntN(28)))
			_, err := w.Program.Record(t.Context(), e)
			isNil(t, err)
		}
	})
	sums := list[decimal.Decimal](t, w.Pool, "select sum(final_amount) from fature.commissions group by affiliate_id")
	require.Len(t, sums, len(names))
	for _, sum := range sums {
		require.Truef(t, sum.LessThanOrEqual(decimal.NewFromInt(100)), "paid %s", sum)
	}
	require.Equal(t, "100.00", one[decimal.Decimal](t, w.Pool, "select sum(final_amount) from fature.commissions where affiliate_id = $1", w.ID("ana")).StringFixed(2))
	w.Verify()
}

// A close needs transactions of its own, one connection, and no more rights
// than the application has.
func TestCloseByTheApplicationsRole(t *testing.T) {
	t.Parallel()
	w := casino(t, share)
	autumn(w)
	bets(w, "bia", "1000.00", on(6, 2))
	require.ErrorIs(t, pgx.BeginFunc(t.Context(), w.Pool, func(tx pgx.Tx) error {
		_, err := w.Program.WithTx(tx).PreviewPeriod(t.Context(), "2025-06", nil)
		require.ErrorContains(t, err, "a period needs transactions of its own, outside the host's")
		_, err = w.Program.WithTx(tx).ClosePeriod(t.Context(), "2025-06", nil)
		return err
	}), fature.ErrInvalid)

	admin, err := w.Pool.Acquire(t.Context())
	require.NoError(t, err)
	rights, err := migrate.Roles(t.Context(), admin.Conn(), migrate.Options{})
	admin.Release()
	require.NoError(t, err)
	config := w.Pool.Config()
	config.MaxConns = 1
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set session authorization "+rights.App)
		return err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	now := time.Date(2025, 9, 20, 0, 0, 0, 0, time.UTC)
	p, err := fature.New(t.Context(), fature.Config{Pool: pool, Clock: func() time.Time { return now }})
	require.NoError(t, err)
	previewed, err := p.PreviewPeriod(t.Context(), "2025-06", nil)
	require.NoError(t, err)
	closed, err := p.ClosePeriod(t.Context(), "2025-06", nil)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(previewed), fmt.Sprint(closed))
	_, err = p.Commissions.Approve(t.Context(), now)
	require.NoError(t, err)
	run, err := p.Payouts.Run(t.Context(), commission.PayoutRun{})
	require.NoError(t, err)
	require.Equal(t, "2 275.00", fmt.Sprint(run.Payouts, " ", run.Total.StringFixed(2)))
	for _, sql := range []string{"update fature.statements set payable = 0", "delete from fature.statement_carries", "delete from fature.closings", "update fature.closings set seq = 0"} {
		_, err := pool.Exec(t.Context(), sql)
		require.Error(t, err, sql)
	}
	w.Verify()
}
