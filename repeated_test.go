package fature_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// A call that repeats a sale and takes it back whole tells of it as it is then.
func TestRepeatedAndTakenBack(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Sale("ana", "100.00", scenario.Key("1"))
	sale := w.Event("ana", transaction.Sale, "100.00", scenario.Key("1"))
	refund := transaction.Event{Type: transaction.Refund, Amount: sale.Amount, ReversesKey: sale.Key()}

	got := w.Record(sale, refund)

	require.True(t, got[0].Duplicate)
	require.Equal(t, transaction.Reversed, got[0].Transaction.Status)
	require.Equal(t, w.Get(got[0]).Status, got[0].Transaction.Status)
}
