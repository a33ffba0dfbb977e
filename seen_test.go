package fature_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/hierarchy"
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

// Many who record while one changes the tree and the standings all the time:
// each rating is found again in what it saw, by one statement each.
func TestRatedAgainAsSeen(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	names := []string{"ana", "bia", "caio", "dani", "eva"}
	for i, name := range names {
		if i == 0 {
			w.Affiliate(name)
		} else {
			w.Affiliate(name, scenario.Under(names[i-1]))
		}
	}
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}, "overrides": {"of": "amount", "inactive": "compress",
		"steps": [{"percent": "5"}, {"percent": "3", "categories": ["vip"]}, {"percent": "2"}, {"percent": "1"}]}}]}`)
	var recorded atomic.Int64
	sales := int64(benchSize("FATURE_STORM_BATCHES", 150, 3000))
	atOnce(4, func(i int) {
		random := rand.New(rand.NewPCG(uint64(i), 7)) //nolint:gosec // chance, not a secret
		for recorded.Load() < sales {
			if i == 0 {
				isNil(t, changeOne(w, random, names))
				continue
			}
			_, err := w.Program.Record(t.Context(), w.Event(names[random.IntN(5)], transaction.Sale, "10.00"), w.Event("eva", transaction.Sale, "10.00"))
			isNil(t, err)
			recorded.Add(1)
		}
	})
	require.Greater(t, one[int](t, w.Pool, "select count(distinct seen_seq) from fature.transactions"), 20)
	w.Verify()
	w.Replay()
}

// changeOne moves an affiliate, or changes its standing.
func changeOne(w *scenario.World, random *rand.Rand, names []string) error {
	ctx, id := context.Background(), w.ID(names[random.IntN(len(names))])
	if random.IntN(3) > 0 {
		_, err := w.Program.Affiliates.Update(ctx, id, affiliate.Change{
			Status:   []affiliate.Status{affiliate.Active, affiliate.Suspended}[random.IntN(2)],
			Category: []affiliate.Category{affiliate.Standard, affiliate.VIP}[random.IntN(2)],
		})
		return err
	}
	err := w.Program.Hierarchy.Move(ctx, id, w.ID(names[random.IntN(len(names))]))
	if errors.Is(err, hierarchy.ErrCycle) {
		err = w.Program.Hierarchy.Detach(ctx, id)
	}
	return err
}
