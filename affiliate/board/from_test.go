package board_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/cache"
)

// A part of a board says whether the board was at hand.
func TestFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia")
	w.sell("ana", "5", noon)
	from := func(s *board.Boards) []cache.From {
		t.Helper()
		p, err := s.List(t.Context(), board.Filter{Board: month})
		require.NoError(t, err)
		at, err := s.Rank(t.Context(), month, w.ids["ana"])
		require.NoError(t, err)
		around, err := s.Around(t.Context(), month, w.ids["ana"], 1)
		require.NoError(t, err)
		return []cache.From{p.From, at.From, around.From}
	}
	alone := w.boards()
	require.Equal(t, []cache.From{cache.Loaded, cache.Near, cache.Near}, from(alone))
	redis := newFar(t)
	first, _ := w.process(redis)
	require.Equal(t, []cache.From{cache.Loaded, cache.Far, cache.Far}, from(first))
	second, _ := w.process(redis)
	require.Equal(t, []cache.From{cache.Far, cache.Far, cache.Far}, from(second))
	tx, err := w.pool.Begin(t.Context())
	require.NoError(t, err)
	require.Equal(t, []cache.From{cache.Bypassed, cache.Bypassed, cache.Bypassed}, from(alone.WithTx(tx)))
	require.NoError(t, tx.Rollback(t.Context()))
}
