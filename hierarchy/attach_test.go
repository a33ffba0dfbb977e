package hierarchy_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
)

func TestAttach(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	bia := w.under(ana)
	caio, duda, edu, fabi := newID(), newID(), newID(), newID()

	levels, err := create(t.Context(), w.db, w.o,
		hierarchy.Node{ID: caio, ParentID: bia},
		hierarchy.Node{ID: duda},
		hierarchy.Node{ID: edu, ParentID: caio}, // earlier in the batch
		hierarchy.Node{ID: fabi, ParentID: duda})

	require.NoError(t, err)
	require.Equal(t, []int{2, 0, 3, 1}, levels)
	w.wantUpline(ana)
	w.wantUpline(caio, bia, ana)
	w.wantUpline(edu, caio, bia, ana)
	w.wantUpline(duda)
	w.wantUpline(fabi, duda)
}

func TestAttachNobody(t *testing.T) {
	t.Parallel()
	levels, err := shared(t).tree.Attach(t.Context())
	require.NoError(t, err)
	require.Empty(t, levels)
}

func TestAttachRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shared(t).pool, hierarchy.Options{MaxDepth: 3})
	ana := w.root()
	deepest := w.chain(ana, 3)[2]
	a, b, stranger := newID(), newID(), newID()

	for name, c := range map[string]struct {
		nodes []hierarchy.Node
		field string
		err   error
	}{
		"no id":            {[]hierarchy.Node{{ID: a}, {}}, "[1].id", nil},
		"id twice":         {[]hierarchy.Node{{ID: a}, {ID: b}, {ID: a, ParentID: ana}}, "[2].id", nil},
		"under itself":     {[]hierarchy.Node{{ID: a, ParentID: a}}, "[0].parent_id", hierarchy.ErrCycle},
		"parent later":     {[]hierarchy.Node{{ID: a, ParentID: b}, {ID: b}}, "[0].parent_id", nil},
		"parent unknown":   {[]hierarchy.Node{{ID: a}, {ID: b, ParentID: stranger}}, "[1].parent_id", hierarchy.ErrParentNotFound},
		"too deep":         {[]hierarchy.Node{{ID: a, ParentID: deepest}}, "[0].parent_id", &hierarchy.DepthError{Depth: 4, Max: 3}},
		"already attached": {[]hierarchy.Node{{ID: a}, {ID: deepest}}, "", hierarchy.ErrAttached},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := w.tree.Attach(t.Context(), c.nodes...)
			requireRefused(t, err, c.field, c.err)
			for _, n := range c.nodes {
				if n.ID != deepest {
					_, err := w.tree.Upline(t.Context(), n.ID)
					require.ErrorIs(t, err, hierarchy.ErrNotFound, "nothing of the batch was placed")
				}
			}
		})
	}
}

// requireRefused wants an error about the field, and because of the cause.
func requireRefused(t *testing.T, err error, field string, cause error) {
	t.Helper()
	require.Error(t, err)
	if field != "" {
		require.ErrorIs(t, err, fault.Invalid)
		require.Len(t, fault.Fields(err), 1)
		require.Equal(t, field, fault.Fields(err)[0].Field)
	}
	if depth, ok := cause.(*hierarchy.DepthError); ok { //nolint:errorlint // it is the bare one
		var got *hierarchy.DepthError
		require.ErrorAs(t, err, &got)
		require.Equal(t, depth, got)
	} else if cause != nil {
		require.ErrorIs(t, err, cause)
	}
}

func TestAttachNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := shared(t)
	known, stranger := w.root(), newID()

	_, err := w.tree.Attach(t.Context(), hierarchy.Node{ID: newID(), ParentID: stranger})
	require.ErrorContains(t, err, "hierarchy: attach: [0].parent_id: "+stranger.String())

	_, err = w.tree.Attach(t.Context(), hierarchy.Node{ID: known})
	require.ErrorIs(t, err, fault.Conflict)
	require.ErrorContains(t, err, known.String())

	_, err = w.tree.Attach(t.Context(), hierarchy.Node{}, hierarchy.Node{ID: stranger, ParentID: stranger})
	require.Len(t, fault.Fields(err), 2, "all problems at once")
}

func TestDepthIsLimited(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ids := w.chain(uuid.Nil, hierarchy.DefaultMaxDepth+1)
	require.Equal(t, hierarchy.DefaultMaxDepth, w.level(ids[len(ids)-1]))

	_, err := w.tree.Attach(t.Context(), hierarchy.Node{ID: newID(), ParentID: ids[len(ids)-1]})
	var depth *hierarchy.DepthError
	require.ErrorAs(t, err, &depth)
	require.Equal(t, hierarchy.DepthError{Depth: 256, Max: 255}, *depth)
	require.ErrorIs(t, err, fault.Invalid)
}

// Above 2,000 rows they go by COPY, above 1,000 nodes or 64 trees under the
// lock over all trees: the answer is the same.
func TestAttachInBulk(t *testing.T) {
	t.Parallel()
	w := own(t)
	parents := w.leaves(uuid.Nil, 100)
	var nodes []hierarchy.Node
	for i, under := range parents {
		for range 12 + i%3 {
			id := newID()
			nodes = append(nodes, hierarchy.Node{ID: id, ParentID: under})
			under = id
		}
	}
	require.Greater(t, len(nodes), 1000)
	w.create(nodes...)
	w.create(hierarchy.Node{ID: newID(), ParentID: nodes[5].ID})
	w.wantSound()

	last := nodes[len(nodes)-1].ID
	up, err := w.tree.Upline(t.Context(), last)
	require.NoError(t, err)
	require.Len(t, up, 12)
}
