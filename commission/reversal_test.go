package commission_test

import (
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// refunded is a sale of 600.00 under a plan, and the input of a refund of it.
func refunded(t testing.TB, plan, amount string) (in commission.Input, facts commission.Facts) {
	in = sale(newPlan(t, plan), "600.00")
	in.Event.AffiliateID = id("ana")
	out := rate(t, in)
	in.Original = posted("a", in, out)
	in.Event.Type, in.Event.Amount, in.Event.Reverses = transaction.Refund, decimal.RequireFromString(amount), id("a")
	in.Event.At = in.Event.At.AddDate(0, 2, 0)
	return in, out.Counters
}

const slabOfMonth = `{"name": "shop", "currency": "BRL", "hold": "30d", "rules": [{"id": "sale", "on": ["sale"], "pay": {"tiers": {"mode": "slab", "scope": "month", "steps": [
	{"up_to": "1000.00", "percent": "5", "flat": "10.00"}, {"percent": "8"}]}}}]}`

// A reversal matures with its line; where that was paid already, it has.
func TestReversalMaturesWithItsLine(t *testing.T) {
	t.Parallel()
	in, facts := refunded(t, slabOfMonth, "300.00")
	for _, status := range []commission.Status{commission.Pending, commission.Approved, commission.Paid} {
		in.Original.Lines[0].Status = status
		out, err := commission.Rate(in, facts)
		require.NoError(t, err)
		require.Len(t, out.Lines, 1)
		require.Equal(t, "-20", out.Lines[0].Final.String())
		require.Equal(t, in.Original.Lines[0].AvailableAt, out.Lines[0].AvailableAt, status)
		require.Equal(t, in.Original.Lines[0].ID, out.Lines[0].ReversesID)
		require.Equal(t, in.Original.Lines[0].CreatedAt, out.Lines[0].ReversesAt)
	}
}

// A void line is not taken back a second time, but what its table has summed
// up and posted is.
func TestReversalOfAVoidLine(t *testing.T) {
	t.Parallel()
	in, facts := refunded(t, slabOfMonth, "300.00")
	in.Original.Lines[0].Status = commission.Void
	out, err := commission.Rate(in, facts)
	require.NoError(t, err)
	require.Empty(t, out.Lines)
	require.Equal(t, []commission.Skip{{Rule: "sale", Reason: commission.ReasonVoid}}, out.Skipped)
	require.Len(t, out.Counters, 1)
	for _, c := range out.Counters {
		require.Equal(t, "300 20", c.Total.String()+" "+c.Posted.String())
	}
}

// Refunds of what a table had not summed up, such as sales from before it, may
// leave it below zero: that is rated at the first step's percent, without flat.
func TestTableOfANegativeSum(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ mode, total, posted, amount, want string }{
		{"slab", "-300.00", "-15.00", "100.00", "5"},     // T(-200.00) = -10.00
		{"slab", "-300.00", "0.00", "100.00", "-10"},     // T(-200.00) = -10.00, nothing posted
		{"marginal", "-300.00", "0.00", "100.00", "-10"}, // the same
		{"slab", "-100.00", "-5.00", "100.00", "5"},      // T(0) = 0
		{"slab", "-100.00", "-5.00", "200.00", "20"},     // T(100.00) = 5.00 + 10.00
		{"marginal", "-100.00", "0.00", "1200.00", "68"}, // T(1100.00) = 50.00 + 10.00 + 8.00
	} {
		in := sale(newPlan(t, `{"name": "shop", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"], "pay": {"tiers": {"mode": "`+c.mode+`", "scope": "month", "steps": [
			{"up_to": "1000.00", "percent": "5", "flat": "10.00"}, {"percent": "8"}]}}}]}`), c.amount)
		need := commission.Needs(in)[0]
		facts := commission.Facts{need: {Total: decimal.RequireFromString(c.total), Posted: decimal.RequireFromString(c.posted)}}
		out, err := commission.Rate(in, facts)
		require.NoError(t, err)
		require.Len(t, out.Lines, 1)
		require.Equal(t, c.want, out.Lines[0].Amount.String(), "%v", c)
		requireSound(t, in, facts, out)
	}
}
