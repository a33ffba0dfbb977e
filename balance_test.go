package fature_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/scenario"
)

// balance is pending, available, in payout and paid.
func balance(t *testing.T, w *scenario.World, name string) string {
	t.Helper()
	b, err := w.Program.Commissions.Balance(t.Context(), w.ID(name))
	require.NoError(t, err)
	require.Equal(t, scenario.Currency, b.Currency)
	var parts []string
	for _, d := range []decimal.Decimal{b.Pending, b.Available, b.InPayout, b.Paid} {
		parts = append(parts, d.StringFixed(2))
	}
	return strings.Join(parts, " ")
}

// Holds are over at their moment, and not before.
func TestApprove(t *testing.T) {
	t.Parallel()
	w := team(t) // on hold for thirty days
	over := scenario.Now.AddDate(0, 0, 30)
	w.Sale("bia", "100.00", scenario.Key("1"))
	require.NoError(t, w.Program.EnsureMonths(t.Context(), scenario.Now.AddDate(0, -1, 0), scenario.Now))
	w.Sale("bia", "200.00", scenario.At(scenario.Now.AddDate(0, 0, -29))) // of the month before
	w.Record(refund(order, "40.00", "r-1"))
	require.Equal(t, "26.00 0.00 0.00 0.00", balance(t, w, "bia"))
	for _, c := range []struct {
		at   time.Time
		n    int64
		want string
	}{
		{scenario.Now.AddDate(0, 0, 1).Add(-time.Microsecond), 0, "26.00 0.00 0.00 0.00"},
		{scenario.Now.AddDate(0, 0, 1), 2, "6.00 20.00 0.00 0.00"},
		{over.Add(-time.Microsecond), 0, "6.00 20.00 0.00 0.00"},
		{over, 4, "0.00 26.00 0.00 0.00"},
		{over.AddDate(1, 0, 0), 0, "0.00 26.00 0.00 0.00"},
	} {
		n, err := w.Program.Commissions.Approve(t.Context(), c.at)
		require.NoError(t, err)
		require.Equal(t, c.n, n, c.at)
		require.Equal(t, c.want, balance(t, w, "bia"), c.at)
	}
	// What is taken back of a line that is available is so at once; and so is a
	// line without a hold.
	w.SetNow(over)
	w.Record(refund(order, "10.00", "r-2"))
	require.Equal(t, "0.00 25.00 0.00 0.00", balance(t, w, "bia"))
	w.Sale("bia", "10.00", scenario.At(scenario.Now))
	require.Equal(t, "0.00 26.00 0.00 0.00", balance(t, w, "bia"))
	w.Verify()
}

// Lots follow each other until nothing is due, however many do it at once.
func TestApproveInLots(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	ana := w.Affiliate("ana")
	const lines = 25_000
	_, err := w.Pool.Exec(t.Context(), `
		insert into fature.commissions (id, affiliate_id, kind, rule, level, base_amount, rate, amount, final_amount, currency, status, available_at, calculation, created_at)
		select gen_random_uuid(), $1, 'adjustment', 'adjustment', 0, 1, 0, 1, 1, 'BRL', 'pending', $2, '{}', $2 from generate_series(1, $3)`,
		ana.ID, scenario.Now, lines)
	require.NoError(t, err)
	var approved atomic.Int64
	atOnce(3, func(int) {
		n, err := w.Program.Commissions.Approve(t.Context(), scenario.Now)
		require.NoError(t, err)
		approved.Add(n)
	})
	n, err := w.Program.Commissions.Approve(t.Context(), scenario.Now)
	require.NoError(t, err)
	require.EqualValues(t, lines, approved.Load()+n)
	require.Equal(t, lines, one[int](t, w.Pool, "select count(*) from fature.commissions where status = 'approved'"))
	require.Equal(t, lines, one[int](t, w.Pool, "select sum(cardinality(record_ids))::int from fature.data_audit where table_name = 'commissions' and operation = 'UPDATE'"), "each once")
}

func TestBalances(t *testing.T) {
	t.Parallel()
	w := scenario.New(t, func(c *fature.Config) { c.Currency = "" })
	ana, bia := w.Affiliate("ana"), w.Affiliate("bia")
	b, err := w.Program.Commissions.Balance(t.Context(), ana.ID)
	require.NoError(t, err)
	require.Empty(t, b.Currency, "there is none yet")
	w.Plan(`{"hold": "1d", "rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`)
	give(t, w, "bia", "5.00")
	give(t, w, "bia", "-7.50")
	w.Sale("ana", "10.00")
	all, err := w.Program.Commissions.Balances(t.Context(), ana.ID, uuid.New(), bia.ID)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "1.00 0.00 0.00 0.00", balance(t, w, "ana"))
	require.Equal(t, "0.00 -2.50 0.00 0.00", balance(t, w, "bia"), "a debt")
	require.Equal(t, "-2.5", all[bia.ID].Available.String())
	none, err := w.Program.Commissions.Balances(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = w.Program.Commissions.Balance(t.Context(), uuid.New())
	require.ErrorIs(t, err, affiliate.ErrNotFound)
}
