package fature_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

const salePlan = `{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`

// settling runs Settled beside the test.
func settling(t *testing.T, p *fature.Program) <-chan int64 {
	done := make(chan int64, 1)
	go func() {
		seq, err := p.Settled(t.Context())
		isNil(t, err)
		done <- seq
	}()
	return done
}

// told is what a logger says, line by line.
type told chan string

func (l told) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// A transaction that has recorded and stays open holds a close up, whatever
// became of its savepoints, and is named in the log; those that begin to record
// meanwhile hold nobody up and wait for nobody.
func TestSettledWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	log := make(told, 100)
	w := scenario.New(t, func(c *fature.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	w.Affiliate("ana")
	w.Plan(salePlan) // without a counter that all would wait for
	tx, err := w.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	host := w.Program.WithTx(tx)
	open, err := host.Record(t.Context(), w.Event("ana", transaction.Sale, "1.00"))
	require.NoError(t, err)
	_, err = host.Record(t.Context(), w.Event("ana", transaction.Sale, "-1.00"))
	require.Error(t, err)

	done := settling(t, w.Program)
	require.Contains(t, <-log, fmt.Sprintf("transactions=1 pid=%d", tx.Conn().PgConn().PID()))
	after := w.Sale("ana", "1.00")
	later, err := w.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = later.Rollback(context.Background()) }()
	_, err = w.Program.WithTx(later).Record(t.Context(), w.Event("ana", transaction.Sale, "1.00"))
	require.NoError(t, err)
	select {
	case <-done:
		t.Fatal("did not wait")
	default:
	}
	require.NoError(t, tx.Commit(t.Context()))
	seq := <-done
	require.Less(t, *open[0].Transaction.RatedSeq, seq)
	require.Greater(t, *after.Transaction.RatedSeq, seq)
	require.Equal(t, *open[0].Transaction.RatedSeq, one[int64](t, w.Pool, "select max(rated_seq) from fature.transactions where rated_seq < $1", seq))

	// Nor does it outlast its caller.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = w.Program.Settled(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, later.Rollback(t.Context()))
	<-settling(t, w.Program)
	w.Verify()
}

// One connection does, and another programme in the database is none of its
// business.
func TestSettledOnOneConnection(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Plan(salePlan)
	config := w.Pool.Config().Copy()
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	p, err := fature.New(t.Context(), fature.Config{Pool: pool})
	require.NoError(t, err)
	before, err := p.Settled(t.Context())
	require.NoError(t, err)

	tx, err := w.Pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = w.Program.WithTx(tx).Record(t.Context(), w.Event("ana", transaction.Sale, "1.00"))
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "select pg_advisory_xact_lock_shared(hashtextextended('acme.rating', 0))")
	require.NoError(t, err)
	done := settling(t, p)
	_, err = pool.Exec(t.Context(), "select 1") // between two looks the connection is free
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	require.Greater(t, <-done, before)

	require.NoError(t, pgx.BeginFunc(t.Context(), w.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "select pg_advisory_xact_lock_shared(hashtextextended('acme.rating', 0))"); err != nil {
			return err
		}
		_, err := p.Settled(t.Context())
		return err
	}))
}

// A host that commits in two phases leaves its session and keeps its lock.
func TestSettledWaitsForThePrepared(t *testing.T) {
	t.Parallel()
	m := testenv.NewMortal(t, 0)
	_, err := m.Pool.Exec(t.Context(), "alter system set max_prepared_transactions = 4")
	require.NoError(t, err)
	m.Kill()
	m.Await()
	m.Pool.Reset() // its connections ended with the server
	s := newShop(t, m.Pool)
	conn, err := m.Pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	recorded, err := s.WithTx(tx).Record(t.Context(), s.sale(s.ana, "1.00", "1"))
	require.NoError(t, err)
	done := settling(t, s.Program)
	time.Sleep(10 * settlePolls)
	_, err = tx.Exec(t.Context(), "prepare transaction 'order-1'")
	require.NoError(t, err)
	time.Sleep(10 * settlePolls)
	select {
	case <-done:
		t.Fatal("did not wait")
	default:
	}
	_, err = conn.Exec(t.Context(), "commit prepared 'order-1'")
	require.NoError(t, err)
	require.Greater(t, <-done, *recorded[0].Transaction.RatedSeq)
	s.holds()
}

const settlePolls = 20 * time.Millisecond

// Whatever is recorded, processed and rolled back at once: what is seen below
// each place is all that there will ever be.
func TestSettledUnderAStorm(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "limit": {"count": 1000}, "pay": {"percent": "10"}}]}`)
	var stop atomic.Bool
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for n := 0; !stop.Load(); n++ {
				isNil(t, stormOrder(w, i, n))
			}
		})
	}
	below := map[int64]int{}
	count := func(seq int64) int {
		return one[int](t, w.Pool, "select count(*) from fature.transactions where rated_seq < $1", seq)
	}
	for range benchSize("FATURE_STORM_BATCHES", 40, 400) {
		seq, err := w.Program.Settled(t.Context())
		require.NoError(t, err)
		below[seq] = count(seq)
	}
	stop.Store(true)
	writers.Wait()
	for seq, n := range below {
		require.Equal(t, n, count(seq), "before %d", seq)
	}
	w.Verify()
}

// stormOrder is an order in the host's transaction, which takes its time and
// may be rolled back; or one that is processed later.
func stormOrder(w *scenario.World, writer, n int) error {
	ctx := context.Background()
	e := w.Event("ana", transaction.Sale, "1.00", scenario.Customer(fmt.Sprint("c", (writer+n)%3)))
	if e.Pending = n%4 == 3; e.Pending {
		if _, err := w.Program.Record(ctx, e); err != nil {
			return err
		}
		_, err := w.Program.Process(ctx, 3)
		return err
	}
	tx, err := w.Pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := w.Program.WithTx(tx).Record(ctx, e); err != nil {
		return err
	}
	time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond) //nolint:gosec // chance, not a secret
	if n%5 == 4 {
		return nil
	}
	return tx.Commit(ctx)
}
