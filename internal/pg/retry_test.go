package pg_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// What passes is tried again, five times in all; in the host's transaction
// never.
func TestRetry(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	for code, tries := range map[string]int{
		"40001": 5, // serialization failure
		"40P01": 5, // deadlock
		"55P03": 5, // lock timeout
		"57P01": 5, // the server goes down
		"57P02": 5,
		"57P03": 5,
		"53300": 5, // too many connections
		"25006": 5, // read only, after a failover
		"23505": 1,
		"23503": 1,
		"22P02": 1,
		"42501": 1,
		"53100": 1, // disk full
		"57014": 1, // cancelled: the caller's wish
		"40002": 1,
		"P0001": 1,
	} {
		called := 0
		fail := func(tx pg.DB) error {
			called++
			return raise(t.Context(), tx, code)
		}
		err := pg.InTx(t.Context(), pg.In(n.pool, ""), fail)
		server := new(pgconn.PgError)
		require.ErrorAs(t, err, &server)
		require.Equal(t, code, server.Code)
		require.Equal(t, tries, called, code)
		require.Equal(t, tries > 1, pg.Retryable(fmt.Errorf("wrapped: %w", err)), code)

		called = 0
		require.NoError(t, pgx.BeginFunc(t.Context(), n.pool, func(host pgx.Tx) error {
			require.ErrorAs(t, pg.InTx(t.Context(), pg.In(host, ""), fail), &server)
			return nil
		}))
		require.Equal(t, 1, called, "%s in the host's transaction", code)
	}
}

func TestRetrySucceeds(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	called := 0
	require.NoError(t, pg.InTx(t.Context(), pg.In(n.pool, ""), func(tx pg.DB) error {
		called++
		require.NoError(t, write(t.Context(), tx, "once"), "what the try before wrote is gone")
		if called < 3 {
			return raise(t.Context(), tx, "40001")
		}
		return nil
	}))
	require.Equal(t, 3, called)
	n.want("once")
}

// The connection is lost before COMMIT was sent: another one does it.
func TestRetryOnAnotherConnection(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	called := 0
	require.NoError(t, pg.InTx(t.Context(), pg.In(n.pool, ""), func(tx pg.DB) error {
		if called++; called == 1 {
			_, err := tx.Exec(t.Context(), `select pg_terminate_backend(pg_backend_pid())`)
			require.Error(t, err)
			return err
		}
		return write(t.Context(), tx, "once")
	}))
	require.Equal(t, 2, called)
	n.want("once")
}

// Two transactions take the same two rows in opposite order: the server ends
// one, which runs again, and both are stored.
func TestRetryAfterADeadlock(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	require.NoError(t, write(t.Context(), n.pool, "a"))
	require.NoError(t, write(t.Context(), n.pool, "b"))
	lock := func(tx pg.DB, note string) error {
		_, err := tx.Exec(t.Context(), `select from fature.notes where note = $1 for update`, note)
		return err
	}
	var holding, done sync.WaitGroup
	holding.Add(2)
	errs, called := make([]error, 2), make([]int, 2)
	for i, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		done.Go(func() {
			errs[i] = pg.InTx(t.Context(), pg.In(n.pool, ""), func(tx pg.DB) error {
				called[i]++
				if err := lock(tx, order[0]); err != nil {
					return err
				}
				if called[i] == 1 {
					holding.Done()
					holding.Wait()
				}
				if err := lock(tx, order[1]); err != nil {
					return err
				}
				return write(t.Context(), tx, "by "+order[0])
			})
		})
	}
	done.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, 3, called[0]+called[1], "one of them was tried again")
	n.want("a", "b", "by a", "by b")
}

func TestRetryEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	called := 0
	err := pg.Retry(ctx, pg.In(nil, ""), func() error {
		called++
		cancel()
		return &pgconn.PgError{Code: "40001"}
	})
	require.Equal(t, 1, called)
	require.ErrorContains(t, err, "40001", "the error is the one of the last try")
}

func TestRetryable(t *testing.T) {
	t.Parallel()
	passing := &pgconn.PgError{Code: "40001"}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("anything"), false},
		{context.Canceled, false},
		{fmt.Errorf("%w: %w", context.DeadlineExceeded, io.ErrUnexpectedEOF), false},
		{passing, true},
		{errors.Join(pg.ErrOutcomeUnknown, passing), false},
		{errors.Join(pg.ErrOutcomeUnknown, io.EOF), false},
		{io.EOF, true},
		{io.ErrUnexpectedEOF, true},
		{net.ErrClosed, true},
		{&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, true},
		{fault.Conflict, false},
	} {
		require.Equal(t, c.want, pg.Retryable(c.err), "%v", c.err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := pgx.Connect(ctx, "postgres://nobody@127.0.0.1:1/none?sslmode=disable") // nobody listens
	require.Error(t, err)
	require.True(t, pg.Retryable(err))
	require.ErrorIs(t, pg.Fail("connect", err, nil), fault.Unavailable)
}
