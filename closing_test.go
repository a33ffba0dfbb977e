package fature_test

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// casino is a programme that pays a share of what its customers lose, month by
// month: bia below ana.
func casino(t *testing.T, rule string) *scenario.World {
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Affiliate("bia", scenario.Under("ana"))
	w.Plan(`{"timezone": "America/Sao_Paulo", "hold": "30d", "rules": [{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win", "bonus"]}, ` + rule + `}]}`)
	return w
}

const share = `"pay": {"percent": "25"}, "carry": "base", "overrides": {"of": "commission", "inactive": "none", "steps": [{"percent": "10"}, {"percent": "5"}]}`

// on is a moment of a day in São Paulo.
func on(month time.Month, day int) scenario.Detail {
	return scenario.At(time.Date(2025, month, day, 15, 0, 0, 0, time.UTC))
}

func TestClosePeriod(t *testing.T) {
	t.Parallel()
	w := casino(t, share)
	w.SetNow(time.Date(2025, 9, 20, 0, 0, 0, 0, time.UTC))
	w.Record(
		w.Event("bia", transaction.Bet, "1000.00", on(6, 2)), w.Event("bia", transaction.Win, "1100.00", on(6, 3)),
		w.Event("ana", transaction.Bet, "200.00", on(6, 30)), w.Event("ana", transaction.Sale, "99.00", on(6, 30)),
		w.Event("bia", transaction.Bet, "500.00", scenario.Key("1"), scenario.At(time.Date(2025, 7, 1, 3, 0, 0, 0, time.UTC))),
	)
	statements, lines := w.Preview("2025-06")
	w.Close("2025-06")
	w.WantStatements("2025-06",
		"ana rev 0.00 + 200.00 = 50.00, pays 50.00, carries 0.00",
		"bia rev 0.00 + -100.00 = 0.00, pays 0.00, carries -100.00")
	w.WantStatements("2025-06", statements...)
	w.WantPaid("2025-06", "ana rev/0 50.00")
	w.WantPaid("2025-06", lines...)

	// What comes late counts in the next month, which names the old one; a
	// refund of a bet leaves the base of its own time.
	w.Record(w.Event("bia", transaction.Win, "40.00", on(6, 30)))
	back := refund(order, "60.00", "r-1")
	on(7, 20)(&back)
	w.Record(back)
	statements, lines = w.Preview("2025-07")
	w.Close("2025-07")
	w.WantStatements("2025-07", "bia rev -100.00 + 400.00 = 75.00, pays 75.00, carries 0.00")
	w.WantStatements("2025-07", statements...)
	w.WantPaid("2025-07", "ana rev/1 7.50", "bia rev/0 75.00")
	w.WantPaid("2025-07", lines...)
	july, err := w.Program.Statements.List(t.Context(), commission.StatementFilter{Name: "2025-07"})
	require.NoError(t, err)
	require.Equal(t, []commission.Item{
		{Type: transaction.Bet, Amount: decimal.RequireFromString("440.00")},
		{Type: transaction.Win, Minus: true, Amount: decimal.RequireFromString("40.00"), Late: "2025-06"},
	}, july.Items[0].Footing.Parts[0].Items)
	w.Verify()

	// Closed again, nothing changes.
	before := w.Rows()
	w.Close("2025-06")
	w.Close("2025-07")
	require.Equal(t, before, w.Rows())
	_, err = w.Program.PreviewPeriod(t.Context(), "2025-07", nil)
	require.ErrorIs(t, err, commission.ErrPeriodClosed)
	require.Equal(t, "57.50", commissions(t, w, "ana"))
}

func TestClosePeriodRefuses(t *testing.T) {
	t.Parallel()
	w := casino(t, share)
	w.SetNow(time.Date(2025, 8, 1, 2, 59, 59, 0, time.UTC))
	w.Record(w.Event("bia", transaction.Bet, "1000.00", on(5, 2)), w.Event("bia", transaction.Bet, "1000.00", on(7, 2)))
	for period, want := range map[string]struct {
		kind error
		text string
	}{
		"":           {fault.Invalid, `period: "" is not a period such as 2025-06, 2025-W23 or 2025-06-14`},
		"2025-13":    {fault.Invalid, "period: 2025-13 is not in the calendar since 2000"},
		"2025-W23":   {fault.Invalid, "period: no plan in force pays by 2025-W23"},
		"1999-12":    {fault.Invalid, "period: 1999-12 is not in the calendar since 2000"},
		"2025-07":    {commission.ErrPeriodNotOver, "period: 2025-07 of plan plan ends at 2025-08-01T03:00:00Z"},
		"2025-06":    {commission.ErrPeriodOpen, "period: 2025-05 of plan plan is not closed"},
		"2025-02-30": {fault.Invalid, "period: 2025-02-30 is not in the calendar since 2000"},
	} {
		_, err := w.Program.ClosePeriod(t.Context(), period, nil)
		require.ErrorIs(t, err, want.kind, period)
		require.ErrorContains(t, err, want.text)
	}
	w.Close("2025-05")
	w.SetNow(time.Date(2025, 9, 20, 0, 0, 0, 0, time.UTC))
	_, err := w.Program.ClosePeriod(t.Context(), "2025-07", nil)
	require.ErrorIs(t, err, commission.ErrPeriodOpen)
	require.ErrorContains(t, err, "period: 2025-06 of plan plan is not closed")
	_, err = w.Program.ClosePeriod(t.Context(), "2025-04", nil)
	require.ErrorIs(t, err, commission.ErrPeriodPassed)
	w.Close("2025-06")
	w.Close("2025-07")
	w.WantStatements("2025-06")
	w.Verify()
}
