package fature_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/scenario"
)

// payoutOf is an affiliate's latest payout.
func payoutOf(t *testing.T, w *scenario.World, name string) commission.Payout {
	t.Helper()
	list, err := w.Program.Payouts.List(t.Context(), commission.PayoutFilter{AffiliateID: w.ID(name), Limit: 1})
	require.NoError(t, err)
	require.Len(t, list.Items, 1, "%s has no payout", name)
	return list.Items[0]
}

// pay makes a run and tells what it made, by the names of the affiliates.
func pay(t *testing.T, w *scenario.World, r commission.PayoutRun, names ...string) map[string]string {
	t.Helper()
	result, err := w.Program.Payouts.Run(t.Context(), r)
	require.NoError(t, err)
	of, sum := map[uuid.UUID]string{}, decimal.Zero
	for _, name := range names {
		of[w.ID(name)] = name
	}
	paid := map[string]string{}
	for p, err := range w.Program.Payouts.All(t.Context(), commission.PayoutFilter{RunID: result.RunID}) {
		require.NoError(t, err)
		require.Equal(t, commission.PayoutCreated, p.Status)
		sum = sum.Add(p.Amount)
		paid[of[p.AffiliateID]] = p.Amount.StringFixed(2)
	}
	require.Equal(t, len(paid), result.Payouts)
	require.True(t, sum.Equal(result.Total), "%s is not %s", result.Total, sum)
	return paid
}

// arrives takes a payout to its good end.
func arrives(t *testing.T, w *scenario.World, id uuid.UUID) {
	t.Helper()
	require.NoError(t, w.Program.Payouts.Approve(t.Context(), id))
	require.NoError(t, w.Program.Payouts.MarkSent(t.Context(), "", id))
	require.NoError(t, w.Program.Payouts.MarkPaid(t.Context(), id))
}

func give(t *testing.T, w *scenario.World, name, amount string) {
	t.Helper()
	_, err := w.Program.Adjust(t.Context(), commission.Correction{
		AffiliateID: w.ID(name), Amount: decimal.RequireFromString(amount), Reason: "by hand",
	})
	require.NoError(t, err)
}

// payroll is a world of affiliates whose sales pay a tenth at once, and whose
// deposits a tenth after thirty days.
func payroll(t *testing.T, names ...string) *scenario.World {
	t.Helper()
	w := scenario.New(t)
	for _, name := range names {
		w.Affiliate(name)
	}
	w.Publish(`{"name": "held", "hold": "30d", "rules": [{"id": "deposit", "on": ["deposit"], "pay": {"percent": "10"}}]}`)
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`)
	return w
}

// Who is paid what: the minimum is enough, less rolls over, and a debt is netted.
func TestPayoutRun(t *testing.T) {
	t.Parallel()
	everybody := []string{"ana", "bia", "caio", "duda", "eva", "fabio"}
	w := payroll(t, everybody...)
	at := commission.PayoutRun{Minimum: decimal.RequireFromString("10.00")}
	w.Sale("ana", "100.00") // the minimum
	w.Sale("bia", "99.90")  // a cent less
	give(t, w, "caio", "-3.00")
	w.Sale("duda", "150.00")
	give(t, w, "duda", "-5.01")
	w.Sale("eva", "500.00")
	w.Sale("fabio", "500.00")
	for name, status := range map[string]affiliate.Status{"eva": affiliate.Suspended, "fabio": affiliate.Closed} {
		_, err := w.Program.Affiliates.Update(t.Context(), w.ID(name), affiliate.Change{Status: status})
		require.NoError(t, err)
	}
	var seen []int
	at.Progress = func(done int) { seen = append(seen, done) }
	require.Equal(t, map[string]string{"ana": "10.00"}, pay(t, w, at, everybody...))
	require.Equal(t, []int{6}, seen)
	require.Empty(t, pay(t, w, at, everybody...), "once")

	// The rest rolls over: bia's cent, caio's debt, and duda's sum.
	give(t, w, "bia", "0.01")
	w.Sale("caio", "130.00") // 13.00 less 3.00
	w.Sale("duda", "0.10")
	require.Equal(t, map[string]string{"bia": "10.00", "caio": "10.00", "duda": "10.00"}, pay(t, w, at, everybody...))
	require.Equal(t, "0.00 0.00 10.00 0.00", balance(t, w, "caio"))
	_, err := w.Program.Affiliates.Update(t.Context(), w.ID("eva"), affiliate.Change{Status: affiliate.Active})
	require.NoError(t, err)
	give(t, w, "ana", "0.01")
	give(t, w, "bia", "-0.01")
	require.Equal(t, map[string]string{"eva": "50.00", "ana": "0.01"}, pay(t, w, commission.PayoutRun{}, everybody...), "no minimum is the smallest unit")
	result, err := w.Program.Payouts.Run(t.Context(), commission.PayoutRun{})
	require.NoError(t, err)
	require.Equal(t, []int{0, 1}, []int{result.Payouts, result.RolledOver}, "bia's debt")
	w.Verify()

	for problem, bad := range map[string]commission.PayoutRun{
		"minimum: is negative":                    {Minimum: decimal.NewFromInt(-1)},
		"minimum: 0.001 has more than 2 decimals": {Minimum: decimal.New(1, -3)},
		"minimum: is out of range":                {Minimum: decimal.New(1, 1_000_000_000)},
		"up_to: is before the year 2000":          {UpTo: time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)},
	} {
		_, err := w.Program.Payouts.Run(t.Context(), bad)
		require.ErrorContains(t, err, problem)
		require.ErrorIs(t, err, fature.ErrInvalid)
	}
}

// A run pays what was available at a time, inclusive; what is on hold then is
// approved by the run when it is over.
func TestPayoutRunUpTo(t *testing.T) {
	t.Parallel()
	w := team(t)
	w.Sale("bia", "100.00", scenario.Key("1"))
	w.Sale("bia", "200.00", scenario.At(scenario.Now.Add(time.Hour)))
	over := scenario.Now.AddDate(0, 0, 30)
	w.SetNow(over.Add(-time.Microsecond))
	require.Empty(t, pay(t, w, commission.PayoutRun{}, "ana", "bia"), "on hold")
	require.Empty(t, pay(t, w, commission.PayoutRun{UpTo: over.AddDate(1, 0, 0)}, "ana", "bia"), "nothing is paid before its time")
	w.SetNow(over.AddDate(0, 0, 7))
	require.Empty(t, pay(t, w, commission.PayoutRun{UpTo: over.Add(-time.Microsecond)}, "ana", "bia"))
	w.Record(refund(order, "40.00", "r-1")) // later, but of a line that is in time
	require.Equal(t, map[string]string{"ana": "3.00", "bia": "6.00"}, pay(t, w, commission.PayoutRun{UpTo: over}, "ana", "bia"))
	w.Record(refund(order, "20.00", "r-2")) // of a line in a payout: off the next, whatever it is up to
	require.Equal(t, map[string]string{"ana": "9.00", "bia": "18.00"}, pay(t, w, commission.PayoutRun{UpTo: over.Add(time.Hour)}, "ana", "bia"))
	w.Verify()
}

// A sale is taken back in part, to the cent, before, during and after its
// payout, whatever state that is in.
func TestRefundAndPayout(t *testing.T) {
	t.Parallel()
	steps := []struct {
		name string
		do   func(w *scenario.World, id uuid.UUID) error
	}{
		{"created", func(*scenario.World, uuid.UUID) error { return nil }},
		{"approved", func(w *scenario.World, id uuid.UUID) error { return w.Program.Payouts.Approve(t.Context(), id) }},
		{"sent", func(w *scenario.World, id uuid.UUID) error { return w.Program.Payouts.MarkSent(t.Context(), "", id) }},
		{"paid", func(w *scenario.World, id uuid.UUID) error { return w.Program.Payouts.MarkPaid(t.Context(), id) }},
	}
	for at, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			w := payroll(t, "bia")
			w.Sale("bia", "99.99", scenario.Key("1")) // 10.00
			w.Record(refund(order, "33.33", "before"))
			w.WantLines("bia sale/0 -3.33")
			require.Equal(t, map[string]string{"bia": "6.67"}, pay(t, w, commission.PayoutRun{}, "bia"))
			p := payoutOf(t, w, "bia")
			for i, s := range steps[:at+1] {
				require.NoError(t, s.do(w, p.ID), i)
			}
			w.Record(refund(order, "33.33", "during"))
			w.WantLines("bia sale/0 -3.34") // two thirds are 6.67 rounded
			for _, s := range steps[at+1:] {
				require.NoError(t, s.do(w, p.ID))
			}
			require.Equal(t, "0.00 -3.34 0.00 6.67", balance(t, w, "bia"), "what was paid is a debt")
			w.Record(refund(order, "33.33", "after"))
			w.WantLines("bia sale/0 -3.33")
			require.Empty(t, pay(t, w, commission.PayoutRun{}, "bia"))
			w.Sale("bia", "100.00")
			require.Equal(t, map[string]string{"bia": "3.33"}, pay(t, w, commission.PayoutRun{}, "bia"), "10.00 less what was taken back")
			arrives(t, w, payoutOf(t, w, "bia").ID)
			require.Equal(t, "0.00 0.00 0.00 10.00", balance(t, w, "bia"))
			require.Equal(t, "10.00", commissions(t, w, "bia"))
			w.Verify()
		})
	}
}

// A line in a payout is not voided; once that is cancelled, it is, unless its
// reversal has gone into another.
func TestVoidAndPayout(t *testing.T) {
	t.Parallel()
	w := payroll(t, "bia")
	line := w.Sale("bia", "100.00", scenario.Key("1")).Lines[0].ID
	pay(t, w, commission.PayoutRun{}, "bia")
	first := payoutOf(t, w, "bia")
	_, err := w.Program.Void(t.Context(), "fraud", line)
	require.ErrorIs(t, err, commission.ErrSettled)
	w.Record(refund(order, "10.00", "r-1"))
	w.Sale("bia", "50.00")
	require.Equal(t, map[string]string{"bia": "4.00"}, pay(t, w, commission.PayoutRun{}, "bia"))
	second := payoutOf(t, w, "bia")
	require.NoError(t, w.Program.Payouts.Cancel(t.Context(), "a mistake", first.ID))
	_, err = w.Program.Void(t.Context(), "fraud", line)
	require.ErrorIs(t, err, commission.ErrSettled, "what was taken of it is in the other")
	require.NoError(t, w.Program.Payouts.Cancel(t.Context(), "a mistake", second.ID))
	gone, err := w.Program.Void(t.Context(), "fraud", line)
	require.NoError(t, err)
	require.Len(t, gone, 2)
	require.Equal(t, line, gone[0].ID)
	require.Equal(t, map[string]string{"bia": "5.00"}, pay(t, w, commission.PayoutRun{}, "bia"))
	w.Verify()
}
