package hierarchy_test

import (
	"math"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

func TestUplines(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	line := w.chain(ana, 2)
	stranger := newID()

	got, err := w.tree.Uplines(t.Context(), []uuid.UUID{line[1], ana, stranger, line[0], line[1]})

	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID][]hierarchy.Relative{
		ana:     {},
		line[0]: relatives(ana),
		line[1]: relatives(line[0], ana),
	}, got)

	none, err := w.tree.Uplines(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestQueueUplines(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	bia := w.under(ana)
	w.exec(`update fature.affiliates set status = 'suspended', category = 'vip' where id = $1`, ana)

	var got hierarchy.Uplines
	var b pgx.Batch
	b.Queue("select 1")
	stranger := newID()
	hierarchy.QueueUplines(&b, &got, []uuid.UUID{bia, stranger, ana})
	require.NoError(t, pg.Send(t.Context(), w.db, &b))

	require.Equal(t, []uuid.UUID{ana}, got.Of(ana))
	require.Equal(t, []uuid.UUID{bia, ana}, got.Of(bia))
	require.Empty(t, got.Of(stranger))
	require.Equal(t, hierarchy.Standing{Status: "suspended", Category: "vip"}, got.Standing(ana))
	require.Equal(t, hierarchy.Standing{Status: "active", Category: "standard"}, got.Standing(bia))
}

func TestDownline(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	children := w.leaves(ana, 3)
	below := w.leaves(children[2], 4)
	deep := w.under(below[0])
	var want []hierarchy.Relative
	for _, id := range children {
		want = append(want, hierarchy.Relative{ID: id, Level: 1})
	}
	for _, id := range below {
		want = append(want, hierarchy.Relative{ID: id, Level: 2})
	}
	want = append(want, hierarchy.Relative{ID: deep, Level: 3})

	for limit := 1; limit <= len(want)+1; limit++ {
		var got []hierarchy.Relative
		for f := (hierarchy.Filter{Limit: limit}); ; {
			p, err := w.tree.Downline(t.Context(), ana, f)
			require.NoError(t, err)
			require.LessOrEqual(t, len(p.Items), limit)
			got = append(got, p.Items...)
			if f.After = p.Next; f.After == "" {
				break
			}
		}
		require.Equal(t, want, got, "in pages of %d", limit)
	}

	for depth, n := range map[int]int{0: 8, 1: 3, 2: 7, 3: 8, 99: 8, math.MaxInt: 8} {
		p, err := w.tree.Downline(t.Context(), ana, hierarchy.Filter{Depth: depth})
		require.NoError(t, err)
		require.Equal(t, want[:n], p.Items, "to a depth of %d", depth)
	}

	p, err := w.tree.Children(t.Context(), ana, hierarchy.Filter{Limit: 2})
	require.NoError(t, err)
	require.Equal(t, want[:2], p.Items)
	p, err = w.tree.Children(t.Context(), ana, hierarchy.Filter{Limit: 2, After: p.Next})
	require.NoError(t, err)
	require.Equal(t, page.Page[hierarchy.Relative]{Items: want[2:3]}, p)

	p, err = w.tree.Downline(t.Context(), deep, hierarchy.Filter{})
	require.NoError(t, err)
	require.Equal(t, page.Page[hierarchy.Relative]{Items: []hierarchy.Relative{}}, p, "a leaf has no downline")
}

func TestAllDownline(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	children := w.leaves(ana, 5)
	w.under(children[0])

	for _, f := range []hierarchy.Filter{{}, {Limit: 2}, {Depth: 1, Limit: 1}} {
		var n int
		for r, err := range w.tree.AllDownline(t.Context(), ana, f) {
			require.NoError(t, err)
			if n < 5 {
				require.Equal(t, hierarchy.Relative{ID: children[n], Level: 1}, r)
			}
			n++
		}
		require.Equal(t, 6-f.Depth, n)
	}

	first, err := w.tree.Downline(t.Context(), ana, hierarchy.Filter{Limit: 4})
	require.NoError(t, err)
	var rest []uuid.UUID
	for r, err := range w.tree.AllDownline(t.Context(), ana, hierarchy.Filter{After: first.Next, Depth: 1}) {
		require.NoError(t, err)
		rest = append(rest, r.ID)
	}
	require.Equal(t, children[4:], rest, "from a cursor on")

	for _, err := range w.tree.AllDownline(t.Context(), newID(), hierarchy.Filter{}) {
		require.ErrorIs(t, err, hierarchy.ErrNotFound)
	}
}

func TestDownlineRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	for field, f := range map[string]hierarchy.Filter{
		"depth":  {Depth: -1},
		"limit":  {Limit: 1001},
		"cursor": {After: "x"},
	} {
		_, err := w.tree.Downline(t.Context(), ana, f)
		requireRefused(t, err, field, nil)
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	bia, caio := w.under(ana), w.under(ana)
	duda := w.under(bia)
	edu := w.under(caio)
	elsewhere := w.root()

	for name, c := range map[string]struct {
		want   []uuid.UUID
		common uuid.UUID
	}{
		"to itself":      {[]uuid.UUID{duda}, duda},
		"down":           {[]uuid.UUID{ana, bia, duda}, ana},
		"up":             {[]uuid.UUID{duda, bia, ana}, ana},
		"over a common":  {[]uuid.UUID{duda, bia, ana, caio, edu}, ana},
		"parent, child":  {[]uuid.UUID{bia, duda}, bia},
		"between cousin": {[]uuid.UUID{bia, ana, caio}, ana},
	} {
		from, to := c.want[0], c.want[len(c.want)-1]
		path, err := w.tree.Path(t.Context(), from, to)
		require.NoError(t, err, name)
		require.Equal(t, c.want, path, name)
		common, err := w.tree.CommonAncestor(t.Context(), from, to)
		require.NoError(t, err, name)
		require.Equal(t, c.common, common, name)
	}

	_, err := w.tree.Path(t.Context(), duda, elsewhere)
	require.ErrorIs(t, err, hierarchy.ErrApart)
	_, err = w.tree.CommonAncestor(t.Context(), elsewhere, duda)
	require.ErrorIs(t, err, hierarchy.ErrApart)
}

func TestSize(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	children := w.leaves(ana, 3)
	w.under(w.leaves(children[0], 2)[0])

	got, err := w.tree.Size(t.Context(), ana)
	require.NoError(t, err)
	require.Equal(t, []hierarchy.LevelSize{{Level: 1, Count: 3}, {Level: 2, Count: 2}, {Level: 3, Count: 1}}, got)

	got, err = w.tree.Size(t.Context(), children[2])
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestContains(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	line := w.chain(ana, 2)
	stranger := newID()
	for _, c := range []struct {
		a, d uuid.UUID
		want bool
	}{
		{ana, line[1], true},
		{line[0], line[1], true},
		{ana, ana, true},
		{line[1], ana, false},
		{ana, stranger, false},
		{stranger, stranger, false},
	} {
		got, err := w.tree.Contains(t.Context(), c.a, c.d)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}

func TestReadsOfStrangers(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ctx, ana := t.Context(), w.root()
	for _, id := range []uuid.UUID{uuid.Nil, newID()} {
		_, upline := w.tree.Upline(ctx, id)
		_, children := w.tree.Children(ctx, id, hierarchy.Filter{})
		_, downline := w.tree.Downline(ctx, id, hierarchy.Filter{})
		_, size := w.tree.Size(ctx, id)
		_, from := w.tree.Path(ctx, id, ana)
		_, to := w.tree.Path(ctx, ana, id)
		_, common := w.tree.CommonAncestor(ctx, ana, id)
		for _, err := range []error{upline, children, downline, size, from, to, common} {
			require.ErrorIs(t, err, hierarchy.ErrNotFound)
			require.ErrorContains(t, err, id.String())
		}
	}
}

func TestReadsWithoutServer(t *testing.T) {
	t.Parallel()
	w := own(t)
	ana := w.root()
	w.pool.Close()
	_, err := w.tree.Uplines(t.Context(), []uuid.UUID{ana})
	require.Error(t, err)
	_, err = w.tree.Path(t.Context(), ana, ana)
	require.Error(t, err)
	_, err = w.tree.Downline(t.Context(), ana, hierarchy.Filter{})
	require.Error(t, err)
}
