package fature_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// Rate takes the pending and the failed of those it is given, and leaves all
// others as they are.
func TestRate(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	s.poison(s.bia)
	var batch []transaction.Event
	for i, by := range []affiliate.Affiliate{s.ana, s.bia, s.caio, s.ana} {
		e := s.sale(by, "100.00", fmt.Sprint(i))
		e.At, e.Pending = time.Now().Add(time.Duration(i-9)*time.Second), true
		batch = append(batch, e)
	}
	s.record(batch...)
	keys := []transaction.Key{batch[0].Key(), batch[1].Key(), batch[2].Key(), batch[3].Key()}
	ids := s.ids(keys)

	_, err := s.Rate(t.Context(), ids[0], uuid.New())
	require.ErrorIs(t, err, transaction.ErrNotFound)
	_, err = s.Rate(t.Context())
	require.ErrorIs(t, err, fature.ErrInvalid)
	require.Equal(t, []string{"pending", "pending", "pending", "pending"}, s.statuses(keys), "all of them or none")

	results, err := s.Rate(t.Context(), ids[2], ids[0], ids[1], ids[2])
	require.NoError(t, err)
	require.Equal(t, []string{"processed", "failed", "processed", "pending"}, s.statuses(keys))
	require.Len(t, results, 4)
	require.Equal(t, ids[2], results[0].Transaction.ID)
	require.Equal(t, []string{"caio sale/0 10.00", "bia sale/1 5.00", "ana sale/2 2.00"}, s.lines(results[0].Lines))
	require.Equal(t, []string{"ana sale/0 10.00"}, s.lines(results[1].Lines))
	require.Equal(t, commission.ReasonUnratable, results[2].Skipped[0].Reason)
	require.Less(t, *results[1].Transaction.RatedSeq, *results[0].Transaction.RatedSeq, "in the order in which they happened")
	for _, r := range results {
		require.False(t, r.Duplicate)
	}
	s.holds()

	require.NoError(t, s.Plans.Assign(t.Context(), commission.ForAffiliate(s.bia.ID, s.plan).Since(time.Now().Add(-time.Hour))))
	again, err := s.Rate(t.Context(), ids[0], ids[1])
	require.NoError(t, err)
	require.True(t, again[0].Duplicate)
	require.Equal(t, results[1].Lines, again[0].Lines)
	require.False(t, again[1].Duplicate, "what failed is tried again")
	require.Equal(t, []string{"bia sale/0 10.00", "ana sale/1 5.00"}, s.lines(again[1].Lines))

	// Many at once rate one once.
	var wg sync.WaitGroup
	var rated atomic.Int32
	for range 8 {
		wg.Go(func() {
			one, err := s.Rate(t.Context(), ids[3])
			if err == nil && !one[0].Duplicate {
				rated.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, rated.Load())
	require.Equal(t, []string{"processed", "processed", "processed", "processed"}, s.statuses(keys))
	s.holds()
}
