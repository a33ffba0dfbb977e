package pg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

var errRefused = errors.New("refused")

// A host gives a pool, a connection, or a connection of a pool.
func TestInTxOwn(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	conn, err := pgx.Connect(t.Context(), testenv.URL(n.pool))
	require.NoError(t, err)
	defer conn.Close(context.Background())
	acquired, err := n.pool.Acquire(t.Context())
	require.NoError(t, err)
	defer acquired.Release()

	for name, given := range map[string]pg.DB{"pool": n.pool, "connection": conn, "connection of a pool": acquired} {
		db := pg.In(given, "")
		require.False(t, pg.Inside(db), name)
		require.NoError(t, pg.InTx(t.Context(), db, func(tx pg.DB) error {
			require.True(t, pg.Inside(tx), name)
			require.NoError(t, write(t.Context(), tx, name))
			var level string
			require.NoError(t, tx.QueryRow(t.Context(), "show transaction_isolation").Scan(&level))
			require.Equal(t, "read committed", level)
			return nil
		}), name)
		require.ErrorIs(t, pg.InTx(t.Context(), db, func(tx pg.DB) error {
			require.NoError(t, write(t.Context(), tx, "undone"))
			return errRefused
		}), errRefused, name)
		require.Error(t, pg.InTx(t.Context(), db, func(tx pg.DB) error {
			require.NoError(t, write(t.Context(), tx, "undone"))
			return write(t.Context(), tx, name) // taken
		}), name)
		require.PanicsWithValue(t, "a bug", func() {
			_ = pg.InTx(t.Context(), db, func(tx pg.DB) error {
				require.NoError(t, write(t.Context(), tx, "undone"))
				panic("a bug")
			})
		}, name)
	}
	n.want("pool", "connection", "connection of a pool")
	require.EqualValues(t, 1, n.pool.Stat().AcquiredConns(), "only the test's own is out")
}

// Inside the host's transaction: nothing is committed before the host does,
// and what is refused leaves the host's own rows, and its transaction, as they
// were. Neither takes a second connection.
func TestInTxOfTheHost(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	pool := connect(t, n.pool, func(c *pgxpool.Config) { c.MaxConns = 1 })
	err := pgx.BeginFunc(t.Context(), pool, func(host pgx.Tx) error {
		require.NoError(t, write(t.Context(), host, "host's"))
		db := pg.Bind(pg.In(pool, ""), host)
		require.True(t, pg.Inside(db))

		// The first call of all on a connection, and the server aborts it.
		require.Error(t, pg.InTx(t.Context(), db, func(tx pg.DB) error {
			require.NoError(t, write(t.Context(), tx, "undone"))
			return write(t.Context(), tx, "host's") // taken
		}))
		require.NoError(t, pg.InTx(t.Context(), db, func(tx pg.DB) error { return write(t.Context(), tx, "ours") }))
		require.ErrorIs(t, pg.InTx(t.Context(), db, func(tx pg.DB) error {
			require.NoError(t, write(t.Context(), tx, "undone too"))
			return errRefused
		}), errRefused)
		n.want()
		return write(t.Context(), host, "host's later")
	})
	require.NoError(t, err)
	n.want("host's", "ours", "host's later")

	err = pgx.BeginFunc(t.Context(), pool, func(host pgx.Tx) error {
		// A transaction may be given as such, too.
		require.NoError(t, pg.InTx(t.Context(), pg.In(host, ""), func(tx pg.DB) error { return write(t.Context(), tx, "gone") }))
		return errRefused
	})
	require.ErrorIs(t, err, errRefused)
	n.want("host's", "ours", "host's later")
}

// A host's own savepoint around ours is its business.
func TestInTxOfTheHostsSavepoint(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	require.NoError(t, pgx.BeginFunc(t.Context(), n.pool, func(host pgx.Tx) error {
		savepoint, err := host.Begin(t.Context())
		require.NoError(t, err)
		require.NoError(t, pg.InTx(t.Context(), pg.In(savepoint, ""), func(tx pg.DB) error { return write(t.Context(), tx, "gone") }))
		require.NoError(t, savepoint.Rollback(t.Context()))
		return pg.InTx(t.Context(), pg.In(host, ""), func(tx pg.DB) error { return write(t.Context(), tx, "kept") })
	}))
	n.want("kept")
}

// A call inside a call joins it: no savepoint, one commit, all or nothing.
func TestInTxNested(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	var sent *statements
	pool := connect(t, n.pool, func(c *pgxpool.Config) { c.MaxConns, sent = 1, watch(c.ConnConfig) })
	both := func(db pg.DB, inner error) error {
		return pg.InTx(t.Context(), db, func(tx pg.DB) error {
			require.NoError(t, write(t.Context(), tx, "outer"))
			return pg.InTx(t.Context(), tx, func(tx pg.DB) error {
				require.NoError(t, write(t.Context(), tx, "inner"))
				return inner
			})
		})
	}
	require.ErrorIs(t, both(pg.In(pool, ""), errRefused), errRefused)
	n.want()
	sent.seen = nil
	require.NoError(t, both(pg.In(pool, ""), nil))
	n.want("outer", "inner")
	insert := `insert into fature.notes (note) values ($1)`
	require.Equal(t, []string{"begin isolation level read committed", insert, insert, "commit"}, sent.seen)

	_, err := n.pool.Exec(t.Context(), `delete from fature.notes`)
	require.NoError(t, err)
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(host pgx.Tx) error {
		sent.seen = nil
		require.NoError(t, both(pg.In(host, ""), nil))
		require.Equal(t, []string{"savepoint fature", insert, insert, "release savepoint fature"}, sent.seen)
		return nil
	}))
	n.want("outer", "inner")
}

// The first and last statement travel with the work.
func TestTxCostsNoRoundTrip(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	var trips *testenv.Trips
	pool := connect(t, n.pool, func(c *pgxpool.Config) { c.MaxConns, trips = 1, testenv.CountTrips(c.ConnConfig) })
	call := func(db pg.DB, note string) {
		tx, err := pg.Open(t.Context(), db)
		require.NoError(t, err)
		defer tx.Done(t.Context())
		var b pgx.Batch
		tx.Start(t.Context(), &b)
		b.Queue(`insert into fature.notes (note) values ($1)`, note)
		tx.Finish(&b)
		require.NoError(t, tx.Finished(t.Context(), &b))
	}
	call(pg.In(pool, ""), "1") // prepares
	require.Equal(t, 1, trips.Of(func() { call(pg.In(pool, ""), "2") }))
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(host pgx.Tx) error {
		call(pg.In(host, ""), "3")
		require.Equal(t, 1, trips.Of(func() { call(pg.In(host, ""), "4") }))
		return nil
	}))
	n.want("1", "2", "3", "4")
}

func TestDoneUndoes(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	pool := connect(t, n.pool, func(c *pgxpool.Config) { c.MaxConns = 1 })
	open := func(ctx context.Context) *pg.Tx {
		tx, err := pg.Open(ctx, pg.In(pool, ""))
		require.NoError(t, err)
		return tx
	}
	tx := open(t.Context())
	tx.Done(t.Context()) // nothing was sent
	tx.Done(t.Context())
	require.Zero(t, pool.Stat().AcquiredConns())

	ctx, cancel := context.WithCancel(t.Context())
	tx = open(ctx)
	var b pgx.Batch
	tx.Start(ctx, &b)
	require.NoError(t, pg.Send(ctx, tx.DB, &b))
	require.NoError(t, write(ctx, tx.DB, "undone"))
	cancel()
	tx.Done(ctx) // also when the caller has gone
	tx.Done(ctx)
	require.Zero(t, pool.Stat().AcquiredConns())
	require.EqualValues(t, 1, pool.Stat().NewConnsCount(), "and the connection is still good")
	n.want()
}

// What fails on this side of the line, before anything is sent, is no unknown
// outcome; and a host's single connection is not left inside a transaction.
func TestFinishedThatWasNeverSent(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	conn, err := pgx.Connect(t.Context(), testenv.URL(n.pool))
	require.NoError(t, err)
	defer conn.Close(context.Background())

	fail := func(ctx context.Context, then func(b *pgx.Batch)) error {
		tx, err := pg.Open(ctx, pg.In(conn, ""))
		require.NoError(t, err)
		defer tx.Done(ctx)
		var first, last pgx.Batch
		tx.Start(ctx, &first)
		require.NoError(t, pg.Send(ctx, tx.DB, &first))
		require.NoError(t, write(ctx, tx.DB, "undone"))
		then(&last)
		tx.Finish(&last)
		return tx.Finished(ctx, &last)
	}
	t.Run("an argument of no SQL type", func(t *testing.T) {
		err := fail(t.Context(), func(b *pgx.Batch) {
			b.Queue(`insert into fature.notes (note) values ($1)`, make(chan int))
		})
		require.ErrorContains(t, err, "unable to encode")
		require.NotErrorIs(t, err, pg.ErrOutcomeUnknown)
	})
	t.Run("a caller that has gone", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		err := fail(ctx, func(*pgx.Batch) { cancel() })
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, pg.ErrOutcomeUnknown)
	})
	t.Run("a statement that takes too long", func(t *testing.T) {
		err := fail(t.Context(), func(b *pgx.Batch) {
			b.Queue(`set local statement_timeout = '50ms'`)
			b.Queue(`select pg_sleep(10)`)
		})
		require.ErrorContains(t, err, "57014")
		require.NotErrorIs(t, err, pg.ErrOutcomeUnknown)
	})
	n.want()
	require.Equal(t, byte('I'), conn.PgConn().TxStatus())
	require.NoError(t, write(t.Context(), conn, "kept"))
	n.want("kept")
}

// A caller whose time runs out during COMMIT cannot know.
func TestCommitOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	_, err := n.pool.Exec(t.Context(), `
		create function fature.slow() returns trigger language plpgsql as $$ begin perform pg_sleep(5); return null; end $$;
		create constraint trigger slow after insert on fature.notes deferrable initially deferred
			for each row when (new.note = 'slow') execute function fature.slow()`)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	tries := 0
	err = pg.InTx(ctx, pg.In(n.pool, ""), func(tx pg.DB) error {
		tries++
		return write(ctx, tx, "slow")
	})
	require.ErrorIs(t, err, pg.ErrOutcomeUnknown)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, 1, tries)
	require.False(t, pg.Retryable(err))
}

// The server refuses at COMMIT: known, and nothing is stored.
func TestCommitIsRefused(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	_, err := n.pool.Exec(t.Context(), `alter table fature.notes alter constraint notes_of_fkey deferrable initially deferred`)
	require.NoError(t, err)
	err = pg.InTx(t.Context(), pg.In(n.pool, ""), func(tx pg.DB) error {
		_, err := tx.Exec(t.Context(), `insert into fature.notes (note, of) values ('orphan', 'nobody')`)
		return err
	})
	require.ErrorContains(t, err, "notes_of_fkey")
	require.NotErrorIs(t, err, pg.ErrOutcomeUnknown)
	n.want()
}
