package hierarchy_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/hierarchy"
)

// An outline is held to the whole downline: of each affiliate its first
// children, level by level, and the counts of all that lies below.
func TestOutline(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	var deep []uuid.UUID
	for i, child := range w.leaves(ana, 7) {
		grand := w.leaves(child, i)
		if i == 6 {
			deep = w.chain(grand[0], 3)
		}
	}
	children := map[uuid.UUID][]uuid.UUID{} // in order
	size := map[uuid.UUID]int{}
	all := []uuid.UUID{ana}
	for r, err := range w.tree.AllDownline(t.Context(), ana, hierarchy.Filter{}) {
		require.NoError(t, err)
		all = append(all, r.ID)
	}
	for _, id := range all {
		kids, err := w.tree.Children(t.Context(), id, hierarchy.Filter{Limit: 100})
		require.NoError(t, err)
		for _, k := range kids.Items {
			children[id] = append(children[id], k.ID)
		}
		sizes, err := w.tree.Size(t.Context(), id)
		require.NoError(t, err)
		for _, s := range sizes {
			size[id] += s.Count
		}
	}
	require.Equal(t, 31, size[ana])
	require.Equal(t, 2, size[deep[0]])

	for _, shape := range []hierarchy.Shape{
		{}, {Depth: 1}, {Depth: 1, Children: 1000}, {Depth: 1000, Children: 1}, {Depth: 9, Children: 9, Branches: 1000},
		{Depth: 9, Children: 3, Branches: 10}, {Branches: 1}, {Depth: 2, Children: 7, Branches: 12},
	} {
		depth, width, most := shape.Depth, shape.Children, shape.Branches
		if depth == 0 {
			depth = 3
		}
		if width == 0 {
			width = 5
		}
		if most == 0 {
			most = 100
		}
		want := []hierarchy.Branch{{ID: ana, Children: 7, Size: 31}}
		for i := 0; i < len(want); i++ {
			at := want[i]
			if at.Level == depth {
				break
			}
			for n, id := range children[at.ID] {
				if n < width {
					want = append(want, hierarchy.Branch{
						ID: id, ParentID: uuid.NullUUID{UUID: at.ID, Valid: true}, Level: at.Level + 1, Children: len(children[id]), Size: size[id],
					})
				}
			}
		}
		got, err := w.tree.Outline(t.Context(), ana, shape)
		require.NoError(t, err)
		require.Equal(t, want[:min(most, len(want))], got, "%+v", shape)
	}

	for field, shape := range map[string]hierarchy.Shape{"depth": {Depth: -1}, "children": {Children: 1001}, "branches": {Branches: -5}} {
		_, err := w.tree.Outline(t.Context(), ana, shape)
		requireRefused(t, err, field, nil)
	}
	_, err := w.tree.Outline(t.Context(), newID(), hierarchy.Shape{})
	require.ErrorIs(t, err, hierarchy.ErrNotFound)
}
