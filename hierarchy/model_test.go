package hierarchy_test

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

// model is the tree as a map of parents, and nothing cleverer.
type model struct {
	parents map[uuid.UUID]uuid.UUID
	order   []uuid.UUID
	max     int
}

// line is an affiliate and who stands above it, nearest first.
func (m *model) line(id uuid.UUID) (ids []uuid.UUID) {
	for ; id != uuid.Nil; id = m.parents[id] {
		ids = append(ids, id)
	}
	return ids
}

func (m *model) height(id uuid.UUID) (height int) {
	for _, other := range m.order {
		height = max(height, slices.Index(m.line(other), id))
	}
	return height
}

// place moves an affiliate, or a new one, unless it must be refused.
func (m *model) place(id, parent uuid.UUID) error {
	line := m.line(parent)
	switch deepest := len(line) + m.height(id); {
	case parent == m.parents[id]:
	case slices.Contains(line, id):
		return hierarchy.ErrCycle
	case parent != uuid.Nil && deepest > m.max:
		return &hierarchy.DepthError{Depth: deepest, Max: m.max}
	}
	m.parents[id] = parent
	return nil
}

// links are the closure that the model makes, in order.
func (m *model) links() (all []link) {
	for _, id := range m.order {
		for level, above := range m.line(id) {
			all = append(all, link{above, id, level})
		}
	}
	return sorted(all)
}

type link struct {
	AncestorID   uuid.UUID
	DescendantID uuid.UUID
	Level        int
}

func sorted(all []link) []link {
	slices.SortFunc(all, func(a, b link) int {
		return cmp.Or(compare(a.DescendantID, b.DescendantID), cmp.Compare(a.Level, b.Level))
	})
	return all
}

// Whatever is done in whatever order, the closure is the one that a plain map
// of parents makes, and what the model refuses is refused.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.Clone(t), hierarchy.Options{MaxDepth: 4})
	rapid.Check(t, func(t *rapid.T) {
		m := &model{parents: make(map[uuid.UUID]uuid.UUID), max: w.o.MaxDepth}
		w.attachDrawn(t, m)
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"attach", "move", "move", "detach"}).Draw(t, "verb") {
			case "attach":
				w.attachDrawn(t, m)
			case "move":
				id, parent := m.draw(t), m.draw(t)
				same(t, m.place(id, parent), w.tree.Move(w.t.Context(), id, parent))
			case "detach":
				id := m.draw(t)
				same(t, m.place(id, uuid.Nil), w.tree.Detach(w.t.Context(), id))
			}
		}
		w.wantModel(t, m)
	})
	w.wantSound()
}

func (m *model) draw(t *rapid.T) uuid.UUID { return rapid.SampledFrom(m.order).Draw(t, "affiliate") }

// attachDrawn attaches up to three affiliates, under those that are there,
// under each other, or as roots. A batch that the model refuses leaves none.
func (w *world) attachDrawn(t *rapid.T, m *model) {
	parents, order := maps.Clone(m.parents), slices.Clone(m.order)
	var nodes []hierarchy.Node
	var refused error
	for range rapid.IntRange(1, 3).Draw(t, "batch") {
		parent := rapid.SampledFrom(append([]uuid.UUID{uuid.Nil}, m.order...)).Draw(t, "parent")
		node := hierarchy.Node{ID: newID(), ParentID: parent}
		nodes = append(nodes, node)
		m.order = append(m.order, node.ID)
		if refused = m.place(node.ID, parent); refused != nil {
			m.parents, m.order = parents, order
			break
		}
	}
	_, err := create(w.t.Context(), w.db, w.o, nodes...)
	same(t, refused, err)
}

// same wants the refusal that the model gave.
func same(t require.TestingT, want, got error) {
	var depth *hierarchy.DepthError
	switch {
	case want == nil:
		require.NoError(t, got)
	case errors.As(want, &depth):
		require.ErrorAs(t, got, &depth)
		require.Equal(t, want, error(depth))
	default:
		require.ErrorIs(t, got, want)
	}
}

func (w *world) wantModel(t require.TestingT, m *model) {
	stored, err := pg.All[link](w.t.Context(), w.db, `
		select ancestor_id, descendant_id, level_difference as level from fature.affiliate_hierarchy
		where descendant_id = any($1) or ancestor_id = any($1)`, m.order)
	require.NoError(t, err)
	require.Equal(t, append([]link{}, m.links()...), sorted(stored))

	type row struct {
		ID, ParentID uuid.UUID
		Level        int
	}
	rows, err := pg.All[row](w.t.Context(), w.db, `
		select id, coalesce(parent_id, '00000000-0000-0000-0000-000000000000') as parent_id, level
		from fature.affiliates where id = any($1)`, m.order)
	require.NoError(t, err)
	require.Len(t, rows, len(m.order))
	for _, r := range rows {
		require.Equal(t, row{r.ID, m.parents[r.ID], len(m.line(r.ID)) - 1}, r)
	}
}
