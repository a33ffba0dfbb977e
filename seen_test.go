package fature_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// Every rating keeps the newest change of the tree that it could see: a live
// one, one of a partial call, a refund alone, and one that is processed later.
func TestRatingsKnowWhatTheySaw(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	bia := w.Affiliate("bia", scenario.Under("ana"))
	w.Plan(teamPlan)
	newest := func() *int64 {
		seq := one[int64](t, w.Pool, "select max(seq) from fature.affiliate_history")
		return &seq
	}
	wait := func(e *transaction.Event) { e.Pending = true }
	first := w.Sale("bia", "10.00", scenario.Key("1"))
	require.Equal(t, newest(), first.Transaction.SeenSeq)
	require.Equal(t, newest(), w.Get(first).SeenSeq)
	pending := w.Sale("bia", "10.00", wait)
	require.Nil(t, w.Get(pending).SeenSeq)
	before := newest()

	_, err := w.Program.Affiliates.Update(t.Context(), bia.ID, affiliate.Change{Status: affiliate.Suspended})
	require.NoError(t, err)
	require.Less(t, *before, *newest())
	require.Equal(t, before, w.Get(first).SeenSeq)
	require.Equal(t, newest(), w.Record(refund(order, "1.00", "r-1"))[0].Transaction.SeenSeq)

	require.NoError(t, w.Program.Hierarchy.Detach(t.Context(), bia.ID))
	partial, err := w.Program.RecordPartial(t.Context(), w.Event("bia", transaction.Sale, "-1.00"), w.Event("bia", transaction.Sale, "1.00"), refund(order, "1.00", "r-2"))
	require.NoError(t, err)
	for _, r := range partial[1:] {
		require.Equal(t, newest(), w.Get(r).SeenSeq)
	}
	_, err = w.Program.Process(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, newest(), w.Get(pending).SeenSeq)

	// In the host's transaction, what it has changed itself as well.
	tx, err := w.Pool.Begin(t.Context())
	require.NoError(t, err)
	p := w.Program.WithTx(tx)
	require.NoError(t, p.Hierarchy.Move(t.Context(), bia.ID, w.ID("ana")))
	results, err := p.Record(t.Context(), w.Event("bia", transaction.Sale, "1.00"))
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, newest(), results[0].Transaction.SeenSeq)
	w.Verify()
}
