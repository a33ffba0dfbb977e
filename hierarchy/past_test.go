package hierarchy_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

var common = hierarchy.Standing{Status: "active", Category: "standard"}

func (w *world) past() *hierarchy.Past {
	w.t.Helper()
	p, err := hierarchy.LoadPast(w.t.Context(), w.db)
	require.NoError(w.t, err)
	return p
}

// moment is a place in the history, by both its measures.
type moment struct {
	Seq int64
	At  time.Time
}

func (w *world) now() moment {
	w.t.Helper()
	at, err := pg.One[moment](w.t.Context(), w.db, `
		select coalesce((select max(seq) from fature.affiliate_history), 0) as seq, clock_timestamp() as at`)
	require.NoError(w.t, err)
	return at
}

func (w *world) set(id uuid.UUID, s hierarchy.Standing) {
	w.t.Helper()
	w.exec("update fature.affiliates set status = $2::text::fature.user_status, category = $3::text::fature.affiliate_category where id = $1",
		id, s.Status, s.Category)
}

// wantPast says who stood above an affiliate at a moment, by each of the ways
// to ask.
func (w *world) wantPast(past *hierarchy.Past, at moment, id uuid.UUID, want ...uuid.UUID) {
	w.t.Helper()
	require.Equal(w.t, append([]uuid.UUID{id}, want...), ids(past, id, at.Seq))
	up, err := w.tree.UplineAsOf(w.t.Context(), id, at.At)
	require.NoError(w.t, err)
	require.Equal(w.t, relatives(want...), up)
	v, err := w.tree.AsOf(w.t.Context(), id, at.At)
	require.NoError(w.t, err)
	require.Equal(w.t, append(want, uuid.Nil)[0], v.ParentID)
	require.False(w.t, v.Since.After(at.At))
}

func ids(past *hierarchy.Past, id uuid.UUID, seen int64) (line []uuid.UUID) {
	for above := range past.Upline(id, seen) {
		line = append(line, above)
	}
	return line
}

func standings(past *hierarchy.Past, id uuid.UUID, seen int64) (line []hierarchy.Standing) {
	for _, s := range past.Upline(id, seen) {
		line = append(line, s)
	}
	return line
}

func TestPast(t *testing.T) {
	t.Parallel()
	w := shared(t)
	before := w.now()
	ana := w.root()
	bia := w.under(ana)
	caio := w.under(bia)
	attached := w.now()
	eva := w.root()
	require.NoError(t, w.tree.Move(t.Context(), bia, eva))
	moved := w.now()
	vip := hierarchy.Standing{Status: "suspended", Category: "vip"}
	w.set(eva, vip)
	suspended := w.now()
	require.NoError(t, w.tree.Detach(t.Context(), caio))
	detached := w.now()
	w.set(eva, common)

	past := w.past()
	w.wantPast(past, attached, caio, bia, ana)
	w.wantPast(past, moved, caio, bia, eva)
	w.wantPast(past, suspended, bia, eva)
	w.wantPast(past, suspended, caio, bia, eva)
	w.wantPast(past, detached, caio)
	w.wantPast(past, w.now(), bia, eva)
	require.Equal(t, []hierarchy.Standing{common, common, common}, standings(past, caio, moved.Seq))
	require.Equal(t, []hierarchy.Standing{common, common, vip}, standings(past, caio, suspended.Seq))
	require.Equal(t, []hierarchy.Standing{common}, standings(past, caio, detached.Seq))
	v, err := w.tree.AsOf(t.Context(), eva, suspended.At)
	require.NoError(t, err)
	require.Equal(t, vip, v.Standing)

	// Before it was there an affiliate is not found; a rating, which never sees
	// one that is not there, finds how it came.
	for _, at := range []time.Time{before.At, {}} {
		_, err = w.tree.UplineAsOf(t.Context(), caio, at)
		require.ErrorIs(t, err, hierarchy.ErrNotFound)
		require.ErrorIs(t, err, fault.NotFound)
		_, err = w.tree.AsOf(t.Context(), caio, at)
		require.ErrorIs(t, err, hierarchy.ErrNotFound)
	}
	require.Equal(t, []uuid.UUID{caio, bia, ana}, ids(past, caio, before.Seq))
	require.Empty(t, ids(past, newID(), suspended.Seq))
	for id := range past.Upline(caio, moved.Seq) {
		require.Equal(t, caio, id)
		break
	}
}

// All of a batch comes at once, though each has a time of its own and a child
// may be written before its parent.
func TestUplineAsOfWithinABatch(t *testing.T) {
	t.Parallel()
	w := own(t)
	chain := w.chain(uuid.Nil, 200)
	slices.Reverse(chain)
	w.wantPast(w.past(), w.now(), chain[0], chain[1:]...)

	w.exec("alter table fature.affiliate_history disable trigger all")
	w.exec("update fature.affiliate_history set at = at + interval '1 day' where affiliate_id <> $1", chain[0])
	w.wantPast(w.past(), w.now(), chain[0], chain[1:]...)
	_, err := w.tree.UplineAsOf(t.Context(), chain[1], time.Now())
	require.ErrorIs(t, err, hierarchy.ErrNotFound)

	// Nothing that somebody makes of the history goes on for ever.
	w.exec("update fature.affiliate_history set parent_id = $1, at = now() where affiliate_id = $2", chain[0], chain[1])
	require.Len(t, ids(w.past(), chain[0], w.now().Seq), 200)
	up, err := w.tree.UplineAsOf(t.Context(), chain[0], time.Now().Add(time.Second))
	require.NoError(t, err)
	require.Equal(t, relatives(chain[1]), up)
}

// What a rating reads and what the past says that it read are the same.
func TestPastIsWhatWasQueued(t *testing.T) {
	t.Parallel()
	w := shared(t)
	chain := w.chain(uuid.Nil, 3)
	w.set(chain[1], hierarchy.Standing{Status: "closed", Category: "premium"})
	var read hierarchy.Uplines
	var b pgx.Batch
	hierarchy.QueueUplines(&b, &read, chain)
	require.NoError(t, pg.Send(t.Context(), w.db, &b))
	w.set(chain[0], hierarchy.Standing{Status: "pending", Category: "vip"})
	require.NoError(t, w.tree.Detach(t.Context(), chain[2]))

	past := w.past()
	for _, id := range chain {
		require.Equal(t, read.Of(id), ids(past, id, read.Seen))
		for above, s := range past.Upline(id, read.Seen) {
			require.Equal(t, read.Standing(above), s)
		}
	}
	var none hierarchy.Uplines
	var nobody pgx.Batch
	hierarchy.QueueUplines(&nobody, &none, nil)
	require.NoError(t, pg.Send(t.Context(), w.db, &nobody))
	require.Greater(t, none.Seen, read.Seen)
}

// snapshot is the model at a moment.
type snapshot struct {
	moment
	parents   map[uuid.UUID]uuid.UUID
	standings map[uuid.UUID]hierarchy.Standing
}

// Whatever is done in whatever order, each moment stays what it was.
func TestPastAgainstModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.Clone(t), hierarchy.Options{MaxDepth: 4})
	rapid.Check(t, func(t *rapid.T) {
		m := &model{parents: map[uuid.UUID]uuid.UUID{}, max: w.o.MaxDepth}
		standings := map[uuid.UUID]hierarchy.Standing{}
		var taken []snapshot
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			w.stepDrawn(t, m, standings)
			taken = append(taken, snapshot{w.now(), maps.Clone(m.parents), maps.Clone(standings)})
		}
		past := w.past()
		for _, s := range taken {
			w.wantSnapshot(t, past, s, m.order)
		}
	})
}

func (w *world) stepDrawn(t *rapid.T, m *model, standings map[uuid.UUID]hierarchy.Standing) {
	verb := rapid.SampledFrom([]string{"register", "move", "move", "detach", "standing"}).Draw(t, "verb")
	if len(m.order) == 0 {
		verb = "register"
	}
	switch verb {
	case "register":
		w.attachDrawn(t, m)
		for id := range m.parents {
			if _, known := standings[id]; !known {
				standings[id] = common
			}
		}
	case "move":
		id, parent := m.draw(t), m.draw(t)
		same(t, m.place(id, parent), w.tree.Move(w.t.Context(), id, parent))
	case "detach":
		id := m.draw(t)
		same(t, m.place(id, uuid.Nil), w.tree.Detach(w.t.Context(), id))
	case "standing":
		id := m.draw(t)
		standings[id] = hierarchy.Standing{
			Status:   rapid.SampledFrom([]string{"active", "suspended", "closed"}).Draw(t, "status"),
			Category: rapid.SampledFrom([]string{"standard", "premium", "vip"}).Draw(t, "category"),
		}
		w.set(id, standings[id])
	}
}

func (w *world) wantSnapshot(t *rapid.T, past *hierarchy.Past, s snapshot, all []uuid.UUID) {
	then := model{parents: s.parents}
	for _, id := range all {
		v, err := w.tree.AsOf(w.t.Context(), id, s.At)
		parent, there := s.parents[id]
		if !there {
			require.ErrorIs(t, err, hierarchy.ErrNotFound)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, hierarchy.Version{ParentID: parent, Standing: s.standings[id], Since: v.Since}, v)
		line := then.line(id)
		up, err := w.tree.UplineAsOf(w.t.Context(), id, s.At)
		require.NoError(t, err)
		require.Equal(t, relatives(line[1:]...), up)
		require.Equal(t, line, ids(past, id, s.Seq))
		for above, standing := range past.Upline(id, s.Seq) {
			require.Equal(t, s.standings[above], standing)
		}
	}
}
