package hierarchy_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

// The third time is counted: pgx has prepared the statements by then.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.Pool(t), hierarchy.Options{})
	ctx := t.Context()
	config := w.pool.Config().ConnConfig.Copy()
	trips := testenv.CountTrips(config)
	conn, err := pgx.ConnectConfig(ctx, config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	db := pg.In(conn, "")
	shallow := w.root()
	deep := w.chain(shallow, 100)[99]
	one := w.leaves(shallow, 3)
	third := func(tree *hierarchy.Store, call func(tree *hierarchy.Store, i int) error) (n int) {
		for i := range 3 {
			n = trips.Of(func() { require.NoError(t, call(tree, i)) })
		}
		return n
	}
	attach := func(nodes int, parent uuid.UUID) func(*hierarchy.Store, int) error {
		return func(tree *hierarchy.Store, _ int) error {
			batch := make([]hierarchy.Node, nodes)
			for i := range batch {
				batch[i] = hierarchy.Node{ID: newID(), ParentID: parent}
			}
			_, err := tree.Attach(ctx, batch...)
			return err
		}
	}

	// Attach leaves no affiliates here, so all of it is undone in the end.
	host, err := conn.Begin(ctx)
	require.NoError(t, err)
	require.NoError(t, pg.InTx(ctx, pg.Bind(db, host), func(tx pg.DB) error {
		tree := hierarchy.New(tx, w.o)
		require.Equal(t, 3, third(tree, attach(1, shallow)))
		require.Equal(t, 3, third(tree, attach(100, shallow)))
		require.Equal(t, 3, third(tree, attach(1, deep)))
		require.Equal(t, 3, third(tree, attach(1, uuid.Nil)))
		require.Equal(t, 3, third(tree, func(tree *hierarchy.Store, i int) error { return tree.Move(ctx, one[i], deep) }))
		return nil
	}))
	bound := hierarchy.New(db, w.o).WithTx(host)
	require.Equal(t, 5, third(bound, attach(100, shallow)), "and a savepoint's two in the host's transaction")
	require.NoError(t, host.Rollback(ctx))

	free := hierarchy.New(db, w.o)
	require.Equal(t, 5, third(free, func(tree *hierarchy.Store, i int) error { return tree.Move(ctx, one[i], deep) }),
		"and begin and commit in its own")
	require.Equal(t, 1, third(free, func(tree *hierarchy.Store, _ int) error { _, err := tree.Uplines(ctx, one); return err }))
	require.Equal(t, 1, third(free, func(tree *hierarchy.Store, _ int) error {
		_, err := tree.Downline(ctx, shallow, hierarchy.Filter{})
		return err
	}))
}
