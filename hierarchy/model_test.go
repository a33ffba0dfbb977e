package hierarchy_test

import (
	"cmp"
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
		t.Repeat(map[string]func(*rapid.T){
			"attach": func(t *rapid.T) { w.attachDrawn(t, m) },
			"move": func(t *rapid.T) {
				id, parent := m.draw(t, "id"), m.draw(t, "parent")
				same(t, m.place(id, parent), w.tree.Move(w.t.Context(), id, parent))
			},
			"detach": func(t *rapid.T) {
				id := m.draw(t, "id")
				same(t, m.place(id, uuid.Nil), w.tree.Detach(w.t.Context(), id))
			},
		})
		w.wantModel(t, m)
	})
	w.wantSound()
}

func (m *model) draw(t *rapid.T, name string) uuid.UUID {
	if len(m.order) == 0 {
		t.Skip("nobody is there yet")
	}
	return m.order[rapid.IntRange(0, len(m.order)-1).Draw(t, name)]
}

// attachDrawn attaches up to three affiliates, under those that are there,
// under each other, or as roots. A batch that the model refuses leaves none.
func (w *world) attachDrawn(t *rapid.T, m *model) {
	var nodes []hierarchy.Node
	var want error
	for range rapid.IntRange(1, 3).Draw(t, "batch") {
		parent := uuid.Nil
		if n := rapid.IntRange(-1, len(m.order)-1).Draw(t, "parent"); n >= 0 {
			parent = m.order[n]
		}
		node := hierarchy.Node{ID: newID(), ParentID: parent}
		if err := m.place(node.ID, parent); err != nil {
			want = err
			break
		}
		m.order = append(m.order, node.ID)
		nodes = append(nodes, node)
	}
	if want != nil { // the last one drawn is refused, and with it the others
		last := m.order[len(m.order)-1]
		nodes = append(nodes, hierarchy.Node{ID: newID(), ParentID: deepest(m)})
		m.order = m.order[:len(m.order)-len(nodes)+1]
		for _, n := range nodes {
			delete(m.parents, n.ID)
		}
		_ = last
	}
	_, err := create(w.t.Context(), w.db, w.o, nodes...)
	same(t, want, err)
}

func deepest(m *model) (found uuid.UUID) {
	for _, id := range m.order {
		if len(m.line(id)) > len(m.line(found)) {
			found = id
		}
	}
	return found
}

// same wants the refusal that the model gave.
func same(t require.TestingT, want, got error) {
	switch depth := (*hierarchy.DepthError)(nil); {
	case want == nil:
		require.NoError(t, got)
	case slices.Contains([]error{hierarchy.ErrCycle}, want):
		require.ErrorIs(t, got, want)
	default:
		require.ErrorAs(t, got, &depth)
		require.Equal(t, want, error(depth))
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
