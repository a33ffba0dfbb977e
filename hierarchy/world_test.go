package hierarchy_test

import (
	"bytes"
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/internal/verify"
)

// world is a programme with a tree, in a database that it may share.
type world struct {
	t    testing.TB
	pool *pgxpool.Pool
	db   pg.DB
	o    hierarchy.Options
	tree *hierarchy.Store
}

func newWorld(t testing.TB, pool *pgxpool.Pool, o hierarchy.Options) *world {
	db := pg.In(pool, "")
	return &world{t: t, pool: pool, db: db, o: o, tree: hierarchy.New(db, o)}
}

// shared is a world among those of other tests; own is alone in its database.
func shared(t testing.TB) *world { return newWorld(t, testenv.Pool(t), hierarchy.Options{}) }
func own(t testing.TB) *world    { return newWorld(t, testenv.Clone(t), hierarchy.Options{}) }

// create attaches affiliates and inserts their rows, as package affiliate does.
func create(ctx context.Context, db pg.DB, o hierarchy.Options, nodes ...hierarchy.Node) (levels []int, err error) {
	err = pg.InTx(ctx, db, func(tx pg.DB) error {
		if levels, err = hierarchy.New(db, o).On(tx).Attach(ctx, nodes...); err != nil {
			return err
		}
		var ids, parents []uuid.UUID
		for _, n := range nodes {
			ids, parents = append(ids, n.ID), append(parents, n.ParentID)
		}
		_, err := tx.Exec(ctx, `
			with u as (
				insert into fature.users (id, email, email_canon, name)
				select id, id || '@example.com', id || '@example.com', 'Ana' from unnest($1::uuid[]) id)
			insert into fature.affiliates (id, user_id, parent_id, level, referral_code)
			select id, id, nullif(parent, '00000000-0000-0000-0000-000000000000'), level, right(id::text, 12)
			from unnest($1::uuid[], $2::uuid[], $3::integer[]) n (id, parent, level)`, ids, parents, levels)
		return err
	})
	return levels, err
}

func (w *world) create(nodes ...hierarchy.Node) {
	w.t.Helper()
	_, err := create(w.t.Context(), w.db, w.o, nodes...)
	require.NoError(w.t, err)
}

func (w *world) root() uuid.UUID {
	w.t.Helper()
	return w.under(uuid.Nil)
}

func (w *world) under(parent uuid.UUID) uuid.UUID {
	w.t.Helper()
	id := newID()
	w.create(hierarchy.Node{ID: id, ParentID: parent})
	return id
}

// chain hangs n affiliates under each other, and all under parent.
func (w *world) chain(parent uuid.UUID, n int) []uuid.UUID {
	w.t.Helper()
	nodes := make([]hierarchy.Node, n)
	ids := make([]uuid.UUID, n)
	for i := range nodes {
		ids[i] = newID()
		nodes[i] = hierarchy.Node{ID: ids[i], ParentID: parent}
		parent = ids[i]
	}
	w.create(nodes...)
	return ids
}

// leaves hangs n affiliates under parent, and returns them by id.
func (w *world) leaves(parent uuid.UUID, n int) []uuid.UUID {
	w.t.Helper()
	nodes := make([]hierarchy.Node, n)
	ids := make([]uuid.UUID, n)
	for i := range nodes {
		ids[i] = newID()
		nodes[i] = hierarchy.Node{ID: ids[i], ParentID: parent}
	}
	w.create(nodes...)
	slices.SortFunc(ids, compare)
	return ids
}

// wantUpline says who stands above an affiliate, in the closure and by the
// columns of its row.
func (w *world) wantUpline(id uuid.UUID, want ...uuid.UUID) {
	w.t.Helper()
	up, err := w.tree.Upline(w.t.Context(), id)
	require.NoError(w.t, err)
	require.Equal(w.t, relatives(want...), up)
	require.Equal(w.t, len(want), w.level(id))
	parent := uuid.NullUUID{}
	if len(want) > 0 {
		parent = uuid.NullUUID{UUID: want[0], Valid: true}
	}
	require.Equal(w.t, parent, w.parent(id))
}

func (w *world) level(id uuid.UUID) int {
	return one[int](w, `select level from fature.affiliates where id = $1`, id)
}

func (w *world) parent(id uuid.UUID) uuid.NullUUID {
	return one[uuid.NullUUID](w, `select parent_id from fature.affiliates where id = $1`, id)
}

// history is the parents an affiliate has had, the first first.
func (w *world) history(id uuid.UUID) []uuid.UUID {
	w.t.Helper()
	parents, err := pg.Column[uuid.UUID](w.t.Context(), w.db, `
		select coalesce(parent_id, '00000000-0000-0000-0000-000000000000')
		from fature.affiliate_history where affiliate_id = $1 order by seq`, id)
	require.NoError(w.t, err)
	return parents
}

// wantSound makes every check of the tree, and has it rebuilt to no effect.
func (w *world) wantSound() {
	w.t.Helper()
	found, err := verify.Run(w.t.Context(), w.db, hierarchy.Checks())
	require.NoError(w.t, err)
	require.Empty(w.t, found)
	repair, err := w.tree.Rebuild(w.t.Context())
	require.NoError(w.t, err)
	require.Zero(w.t, repair)
}

func one[T any](w *world, sql string, args ...any) (value T) {
	w.t.Helper()
	require.NoError(w.t, w.db.QueryRow(w.t.Context(), sql, args...).Scan(&value))
	return value
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.db.Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
}

// begin opens a transaction of the host's that ends with the test at the latest.
func begin(t testing.TB, pool *pgxpool.Pool, o pgx.TxOptions) pgx.Tx {
	t.Helper()
	tx, err := pool.BeginTx(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

// soon is a context for what must not wait for anybody.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// long tells whether there is time for the long form of a test.
func long() bool { return os.Getenv("FATURE_LONG") == "1" }

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func compare(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// relatives are affiliates one step apart each.
func relatives(ids ...uuid.UUID) []hierarchy.Relative {
	all := make([]hierarchy.Relative, len(ids))
	for i, id := range ids {
		all[i] = hierarchy.Relative{ID: id, Level: i + 1}
	}
	return all
}
