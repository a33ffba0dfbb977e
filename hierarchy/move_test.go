package hierarchy_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
)

func TestMoveTakesTheSubtree(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana, hugo := w.root(), w.root()
	bia := w.under(ana)
	caio := w.under(bia)
	duda := w.under(caio)
	ivo := w.under(hugo)

	require.NoError(t, w.tree.Move(t.Context(), bia, ivo))

	w.wantUpline(bia, ivo, hugo)
	w.wantUpline(duda, caio, bia, ivo, hugo)
	require.Equal(t, 4, w.level(duda))
	requireDownline(t, w, ana)
	requireDownline(t, w, hugo, ivo, bia, caio, duda)

	require.NoError(t, w.tree.Move(t.Context(), caio, hugo), "within its tree, upwards")
	w.wantUpline(duda, caio, hugo)
	requireDownline(t, w, bia)
}

func TestMoveOfARoot(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana, hugo := w.root(), w.root()
	bia := w.under(ana)

	require.NoError(t, w.tree.Move(t.Context(), ana, hugo))

	w.wantUpline(ana, hugo)
	w.wantUpline(bia, ana, hugo)
}

func TestDetach(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	bia := w.under(ana)
	caio := w.under(bia)

	require.NoError(t, w.tree.Detach(t.Context(), bia))

	w.wantUpline(bia)
	w.wantUpline(caio, bia)
	requireDownline(t, w, ana)

	require.NoError(t, w.tree.Detach(t.Context(), bia), "a root stays one")
	w.wantUpline(bia)
}

func requireDownline(t *testing.T, w *world, id uuid.UUID, want ...uuid.UUID) {
	t.Helper()
	got, err := w.tree.Downline(t.Context(), id, hierarchy.Filter{})
	require.NoError(t, err)
	require.Empty(t, got.Next)
	require.Equal(t, relatives(want...), got.Items)
}

func TestMoveRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shared(t).pool, hierarchy.Options{MaxDepth: 4})
	ana, hugo := w.root(), w.root()
	line := w.chain(ana, 3)
	below := w.chain(hugo, 2)
	stranger := newID()

	for name, c := range map[string]struct {
		id, parent uuid.UUID
		field      string
		err        error
	}{
		"under itself":       {line[0], line[0], "parent_id", hierarchy.ErrCycle},
		"under a child":      {line[0], line[1], "parent_id", hierarchy.ErrCycle},
		"root under its own": {ana, line[2], "parent_id", hierarchy.ErrCycle},
		"unknown":            {stranger, ana, "", hierarchy.ErrNotFound},
		"nobody":             {uuid.Nil, ana, "", hierarchy.ErrNotFound},
		"parent unknown":     {line[0], stranger, "parent_id", hierarchy.ErrParentNotFound},
		"parent empty":       {line[0], uuid.Nil, "parent_id", nil},
		"its downline deep":  {line[0], below[1], "parent_id", &hierarchy.DepthError{Depth: 5, Max: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			requireRefused(t, w.tree.Move(t.Context(), c.id, c.parent), c.field, c.err)
		})
	}
	w.wantUpline(line[2], line[1], line[0], ana)

	err := w.tree.Detach(t.Context(), stranger)
	require.ErrorIs(t, err, hierarchy.ErrNotFound)
	require.ErrorIs(t, err, fault.NotFound)
	require.ErrorContains(t, err, stranger.String())
}

// What was allowed before the limit was lowered can still be taken apart.
func TestDetachWhereTooDeepAlready(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ids := w.chain(w.root(), 6)

	low := hierarchy.New(w.db, hierarchy.Options{MaxDepth: 2})
	require.NoError(t, low.Detach(t.Context(), ids[0]))
	w.wantUpline(ids[2], ids[1], ids[0])
}

func TestHistory(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana, hugo := w.root(), w.root()
	bia := w.under(ana)
	caio := w.under(bia)

	require.NoError(t, w.tree.Move(t.Context(), bia, hugo))
	require.NoError(t, w.tree.Move(t.Context(), bia, hugo), "where it is already")
	require.NoError(t, w.tree.Detach(t.Context(), bia))
	require.NoError(t, w.tree.Detach(t.Context(), bia))

	require.Equal(t, []uuid.UUID{uuid.Nil}, w.history(ana))
	require.Equal(t, []uuid.UUID{ana, hugo, uuid.Nil}, w.history(bia))
	require.Equal(t, []uuid.UUID{bia}, w.history(caio), "its parent is the same")
}

// The audit has a row for each affiliate whose row changed, and no more.
func TestMoveWritesOnlyWhatChanges(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	siblings := w.leaves(ana, 2)
	moved := w.under(siblings[0])
	below := w.leaves(moved, 3)
	updates := func(id uuid.UUID) int {
		return one[int](w, `select count(*) from fature.data_audit where operation = 'UPDATE' and record_id = $1::text`, id)
	}

	require.NoError(t, w.tree.Move(t.Context(), moved, siblings[1]), "at the same level")
	require.Equal(t, 1, updates(moved))
	require.Zero(t, updates(below[0]))

	require.NoError(t, w.tree.Move(t.Context(), moved, ana))
	require.Equal(t, 2, updates(moved))
	require.Equal(t, 1, updates(below[0]))
	require.Zero(t, updates(ana))
}
