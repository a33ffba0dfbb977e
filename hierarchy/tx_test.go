package hierarchy_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

func TestUnrelatedTreesDoNotWait(t *testing.T) {
	t.Parallel()
	w := own(t)
	ctx := soon(t)
	var roots, a, b []uuid.UUID
	for range 5 {
		roots = append(roots, w.root())
		pair := w.leaves(roots[len(roots)-1], 2)
		a, b = append(a, pair[0]), append(b, pair[1])
	}
	host := begin(t, w.pool, pgx.TxOptions{})
	require.NoError(t, w.tree.WithTx(host).Move(ctx, a[1], b[1]))

	require.NoError(t, w.tree.Move(ctx, a[2], b[2]))
	require.NoError(t, w.tree.Move(ctx, a[3], b[4]), "from one to another")
	require.NoError(t, w.tree.Detach(ctx, b[3]))
	_, err := create(ctx, w.db, w.o, hierarchy.Node{ID: newID(), ParentID: b[4]}, hierarchy.Node{ID: newID()})
	require.NoError(t, err)
	_, err = w.db.Exec(ctx, `update fature.affiliates set status = 'suspended' where id = $1`, roots[1])
	require.NoError(t, err, "the row of the root is nobody's")

	late := newID()
	attached := async(func() error {
		_, err := create(ctx, w.db, w.o, hierarchy.Node{ID: late, ParentID: a[1]})
		return err
	})
	w.waitForWaiting(1)
	require.NoError(t, host.Commit(ctx))
	require.NoError(t, <-attached)
	w.wantUpline(late, a[1], b[1], roots[1])
	w.wantSound()
}

// While one waits for a tree, its root goes under another: the lock that was
// got is of a tree that is no more. It is given back, and the new one taken.
func TestRootChangesWhileWaiting(t *testing.T) {
	t.Parallel()
	w := own(t)
	ctx := soon(t)
	ana, hugo, ivo := w.root(), w.root(), w.root()
	bia := w.under(ana)
	first, second := begin(t, w.pool, pgx.TxOptions{}), begin(t, w.pool, pgx.TxOptions{})
	require.NoError(t, w.tree.WithTx(first).Move(ctx, ana, hugo))

	late := newID()
	attached := async(func() error {
		_, err := create(ctx, pg.Bind(w.db, second), w.o, hierarchy.Node{ID: late, ParentID: bia})
		return err
	})
	w.waitForWaiting(1)
	require.NoError(t, first.Commit(ctx))
	require.NoError(t, <-attached)
	require.Equal(t, 2, one[int](w, `select count(*) from pg_locks where locktype = 'advisory' and pid = $1`,
		int64(second.Conn().PgConn().PID())), "all trees' and that of hugo's")

	moved := async(func() error { return w.tree.Move(ctx, hugo, ivo) })
	w.waitForWaiting(1)
	require.NoError(t, second.Commit(ctx))
	require.NoError(t, <-moved)
	w.wantUpline(late, bia, ana, hugo, ivo)
	w.wantSound()
}

func TestAttachesShareATree(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ctx := soon(t)
	ana := w.root()
	host := begin(t, w.pool, pgx.TxOptions{})
	_, err := create(ctx, pg.Bind(w.db, host), w.o, hierarchy.Node{ID: newID(), ParentID: ana})
	require.NoError(t, err)

	_, err = create(ctx, w.db, w.o, hierarchy.Node{ID: newID(), ParentID: ana})
	require.NoError(t, err)
}

// Two transactions place the same affiliate: the second waits, and is refused
// by the key of the table.
func TestAttachOfOneByTwo(t *testing.T) {
	t.Parallel()
	w := own(t)
	ctx := soon(t)
	id := newID()
	first, second := begin(t, w.pool, pgx.TxOptions{}), begin(t, w.pool, pgx.TxOptions{})
	_, err := create(ctx, pg.Bind(w.db, first), w.o, hierarchy.Node{ID: id})
	require.NoError(t, err)

	refused := async(func() error {
		_, err := w.tree.WithTx(second).Attach(ctx, hierarchy.Node{ID: id})
		return err
	})
	w.waitForWaiting(1)
	require.NoError(t, first.Commit(ctx))

	require.ErrorIs(t, <-refused, hierarchy.ErrAttached)
	require.NoError(t, second.Commit(ctx), "the host goes on")
	w.wantSound()
}

// The server refuses the last statement of a move whose closure is rewritten
// already; the host commits all the same.
func TestRefusedCallLeavesNothing(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.root()
	bia := w.under(ana)
	caio, kept := w.under(bia), w.root()
	noRow := newID() // in the closure only
	_, err := w.tree.Attach(t.Context(), hierarchy.Node{ID: noRow})
	require.NoError(t, err)
	t.Cleanup(func() {
		_, _ = w.db.Exec(context.Background(), `delete from fature.affiliate_hierarchy where ancestor_id = $1`, noRow)
	})

	host := begin(t, w.pool, pgx.TxOptions{})
	tree := w.tree.WithTx(host)
	require.NoError(t, tree.Move(t.Context(), kept, ana))
	require.ErrorIs(t, tree.Move(t.Context(), bia, noRow), hierarchy.ErrParentNotFound)
	require.ErrorIs(t, tree.Move(t.Context(), bia, caio), hierarchy.ErrCycle)
	_, err = tree.Attach(t.Context(), hierarchy.Node{ID: newID()}, hierarchy.Node{ID: ana})
	require.ErrorIs(t, err, hierarchy.ErrAttached)
	require.NoError(t, host.Commit(t.Context()))

	w.wantUpline(caio, bia, ana)
	w.wantUpline(kept, ana)
	requireDownline(t, w, noRow)
	require.Equal(t, []uuid.UUID{ana}, w.history(bia))
}

func TestRolledBackWithTheHost(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana, bia := w.root(), w.root()
	host := begin(t, w.pool, pgx.TxOptions{})
	tree := w.tree.WithTx(host)
	require.NoError(t, tree.Move(t.Context(), bia, ana))
	up, err := tree.Upline(t.Context(), bia)
	require.NoError(t, err)
	require.Equal(t, relatives(ana), up)

	w.wantUpline(bia) // as others see it
	require.NoError(t, host.Rollback(t.Context()))
	w.wantUpline(bia)
}

func TestIsolation(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana, bia := w.root(), w.root()
	for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
		host := begin(t, w.pool, pgx.TxOptions{IsoLevel: level})
		tree := w.tree.WithTx(host)
		_, attach := tree.Attach(t.Context(), hierarchy.Node{ID: newID(), ParentID: ana})
		_, rebuild := tree.Rebuild(t.Context())
		for _, err := range []error{
			attach, rebuild,
			tree.Move(t.Context(), bia, ana), tree.Detach(t.Context(), bia), tree.LockTrees(t.Context(), ana),
		} {
			require.ErrorIs(t, err, hierarchy.ErrIsolation)
			require.ErrorContains(t, err, string(level))
		}
		_, err := tree.Upline(t.Context(), bia)
		require.NoError(t, err, "the host goes on, and reads are free")
		require.NoError(t, host.Commit(t.Context()))
	}
	w.wantUpline(bia)

	host := begin(t, w.pool, pgx.TxOptions{IsoLevel: pgx.ReadUncommitted})
	require.NoError(t, w.tree.WithTx(host).Move(t.Context(), bia, ana), "the same as READ COMMITTED")
}

// Another schema is another programme: the same affiliates, and no lock in
// common.
func TestAnotherSchema(t *testing.T) {
	t.Parallel()
	pool := testenv.Empty(t)
	ctx := soon(t)
	var worlds []*world
	ana, bia, caio := newID(), newID(), newID()
	for _, schema := range []string{"", "acme"} {
		conn, err := pool.Acquire(ctx)
		require.NoError(t, err)
		require.NoError(t, migrate.Up(ctx, conn.Conn(), migrate.Options{Schema: schema}))
		conn.Release()
		w := newWorld(t, pool, hierarchy.Options{})
		w.db = pg.In(pool, schema)
		w.tree = hierarchy.New(w.db, w.o)
		w.create(hierarchy.Node{ID: ana}, hierarchy.Node{ID: bia, ParentID: ana}, hierarchy.Node{ID: caio, ParentID: ana})
		worlds = append(worlds, w)
	}

	fature, acme := worlds[0], worlds[1]
	host := begin(t, pool, pgx.TxOptions{})
	require.NoError(t, fature.tree.WithTx(host).Move(ctx, caio, bia))
	require.NoError(t, acme.tree.Detach(ctx, caio))
	acme.leaves(bia, 1100) // by COPY, under the lock over all trees
	acme.wantSound()
	require.NoError(t, host.Commit(ctx))

	fature.wantUpline(caio, bia, ana)
	acme.wantUpline(caio)
	fature.wantSound()
}

func TestOneConnection(t *testing.T) {
	t.Parallel()
	w := own(t)
	config := w.pool.Config()
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer pool.Close()
	ctx := soon(t)
	tree := hierarchy.New(pg.In(pool, ""), w.o)

	host, err := pool.Begin(ctx)
	require.NoError(t, err)
	bound := tree.WithTx(host)
	ana, bia := newID(), newID()
	_, err = create(ctx, pg.Bind(w.db, host), w.o, hierarchy.Node{ID: ana}, hierarchy.Node{ID: bia})
	require.NoError(t, err)
	require.NoError(t, bound.LockTrees(ctx, ana, bia))
	require.NoError(t, bound.Move(ctx, bia, ana))
	require.NoError(t, bound.Detach(ctx, bia))
	for _, err := range bound.AllDownline(ctx, ana, hierarchy.Filter{}) {
		require.NoError(t, err)
	}
	_, err = bound.Rebuild(ctx)
	require.NoError(t, err)
	require.NoError(t, host.Commit(ctx))
	require.NoError(t, tree.Move(ctx, bia, ana), "a transaction of its own")
}

func TestLockTrees(t *testing.T) {
	t.Parallel()
	w := own(t)
	ctx := soon(t)
	ana, hugo := w.root(), w.root()
	bia := w.under(ana)

	require.ErrorIs(t, w.tree.LockTrees(ctx, ana), hierarchy.ErrNoTransaction)
	host := begin(t, w.pool, pgx.TxOptions{})
	stranger := newID()
	err := w.tree.WithTx(host).LockTrees(ctx, ana, stranger)
	require.ErrorIs(t, err, hierarchy.ErrNotFound)
	require.ErrorContains(t, err, stranger.String())
	require.NoError(t, w.tree.Detach(ctx, bia), "a refused call keeps no lock")
	require.NoError(t, w.tree.Move(ctx, bia, ana))

	require.NoError(t, w.tree.WithTx(host).LockTrees(ctx, bia, hugo, ana, bia))
	require.NoError(t, w.tree.WithTx(host).LockTrees(ctx, hugo))
	waits := async(func() error { return w.tree.Move(ctx, hugo, ana) })
	w.waitForWaiting(1)
	require.NoError(t, w.tree.WithTx(host).Detach(ctx, bia))
	require.NoError(t, host.Commit(ctx))
	require.NoError(t, <-waits)

	many := w.leaves(uuid.Nil, 65)
	host = begin(t, w.pool, pgx.TxOptions{})
	require.NoError(t, w.tree.WithTx(host).LockTrees(ctx, many...))
	waits = async(func() error { return w.tree.Detach(ctx, bia) })
	w.waitForWaiting(1) // for all trees
	require.NoError(t, host.Rollback(ctx))
	require.NoError(t, <-waits)
	w.wantSound()
}

// Two hosts name the same trees, each in its own order, while a third holds
// one of them: were the locks taken as they are named, one of the two would
// have the other tree by the time the third is gone.
func TestLocksAreTakenInOneOrder(t *testing.T) {
	t.Parallel()
	w := own(t)
	ctx := soon(t)
	ana, hugo := w.root(), w.root()
	exchange := func(ids ...uuid.UUID) <-chan error {
		return async(func() error {
			return pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
				tree := w.tree.WithTx(tx)
				if err := tree.LockTrees(ctx, ids...); err != nil {
					return err
				}
				if err := tree.Move(ctx, ana, hugo); err != nil {
					return err
				}
				return tree.Detach(ctx, ana)
			})
		})
	}
	for _, c := range [][3]uuid.UUID{{ana, ana, hugo}, {ana, hugo, ana}, {hugo, ana, hugo}, {hugo, hugo, ana}} {
		third := begin(t, w.pool, pgx.TxOptions{})
		require.NoError(t, w.tree.WithTx(third).LockTrees(ctx, c[0]))
		one := exchange(c[1], c[2])
		w.waitForWaiting(1)
		two := exchange(c[2], c[1])
		w.waitForWaiting(2)
		require.NoError(t, third.Rollback(ctx))
		require.NoError(t, <-one)
		require.NoError(t, <-two)
	}
	w.wantSound()
}

func TestServerGone(t *testing.T) {
	t.Parallel()
	w := own(t)
	ana, bia := w.root(), w.root()
	host := begin(t, w.pool, pgx.TxOptions{})
	w.exec(`select pg_terminate_backend($1)`, int64(host.Conn().PgConn().PID()))
	err := w.tree.WithTx(host).Move(t.Context(), ana, bia)
	require.ErrorIs(t, err, fault.Unavailable)
	w.wantUpline(ana)
}

// async runs fn beside the test.
func async(fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	return done
}

// waitForWaiting returns when n sessions of this database wait for a lock. The
// world must have the database to itself.
func (w *world) waitForWaiting(n int) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		return n == one[int](w, `
			select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
	}, 10*time.Second, 5*time.Millisecond)
}
