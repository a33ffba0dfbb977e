package fature_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/internal/testenv"
)

// bank is an adapter that keeps what it is asked, by reference.
type bank struct {
	lock  sync.Mutex
	calls map[uuid.UUID][]commission.Transfer
	then  func(commission.Transfer) error
}

func newBank() *bank { return &bank{calls: map[uuid.UUID][]commission.Transfer{}} }

func (b *bank) Send(_ context.Context, t commission.Transfer) (string, error) {
	b.lock.Lock()
	b.calls[t.Reference] = append(b.calls[t.Reference], t)
	b.lock.Unlock()
	if b.then != nil {
		if err := b.then(t); err != nil {
			return "", err
		}
	}
	return "E-" + t.Reference.String()[:8], nil
}

// readied is a world of which everybody has an approved payout of 10.00.
func readied(t *testing.T, names ...string) *scenario.World {
	t.Helper()
	w := payroll(t, names...)
	for _, name := range names {
		w.Sale(name, "100.00")
	}
	require.Len(t, pay(t, w, commission.PayoutRun{}, names...), len(names))
	for _, name := range names {
		require.NoError(t, w.Program.Payouts.Approve(t.Context(), payoutOf(t, w, name).ID))
	}
	return w
}

func TestSend(t *testing.T) {
	t.Parallel()
	w := readied(t, "ana", "bia", "caio")
	b := newBank()
	errAway := errors.New("the bank is away")
	b.then = func(tr commission.Transfer) error {
		switch tr.AffiliateID {
		case w.ID("ana"):
			return fmt.Errorf("%w: no such account\x00", commission.ErrRejected)
		case w.ID("bia"):
			return errAway
		}
		return nil
	}
	n, err := w.Program.Payouts.Send(t.Context(), b)
	require.Equal(t, 1, n)
	require.ErrorIs(t, err, errAway)
	require.ErrorContains(t, err, payoutOf(t, w, "bia").ID.String())
	require.NotErrorIs(t, err, commission.ErrRejected, "that is what became of it, and no error")
	ana, bia, caio := payoutOf(t, w, "ana"), payoutOf(t, w, "bia"), payoutOf(t, w, "caio")
	require.Equal(t, []any{commission.PayoutFailed, "the transfer is rejected: no such account "}, []any{ana.Status, ana.Reason})
	require.NotNil(t, ana.EndedAt)
	require.Equal(t, "0.00 10.00 0.00 0.00", balance(t, w, "ana"), "free again")
	require.Equal(t, commission.PayoutApproved, bia.Status)
	require.Equal(t, []any{commission.PayoutSent, "E-" + caio.ID.String()[:8]}, []any{caio.Status, caio.ExternalID})
	require.Equal(t, commission.Transfer{Reference: caio.ID, AffiliateID: w.ID("caio"), Amount: caio.Amount, Currency: "BRL"}, b.calls[caio.ID][0])

	b.then = nil
	n, err = w.Program.Payouts.Send(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Len(t, b.calls[bia.ID], 2)
	require.Equal(t, b.calls[bia.ID][0], b.calls[bia.ID][1], "the same reference")
	n, err = w.Program.Payouts.Send(t.Context(), b)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, map[string]string{"ana": "10.00"}, pay(t, w, commission.PayoutRun{}, "ana", "bia", "caio"))
	require.NotEqual(t, ana.ID, payoutOf(t, w, "ana").ID, "another payout, and another reference")
	w.Verify()
}

// The money is on its way and the process dies before it is recorded. The next
// Send asks for the same transfer, and the file has it once.
func TestSendDiesBeforeRecording(t *testing.T) {
	t.Parallel()
	for name, dies := range map[string]func(w *scenario.World, cancel func()){
		"the process":    func(_ *scenario.World, cancel func()) { cancel() },
		"its connection": func(w *scenario.World, _ func()) { terminateSenders(t, w.Pool) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := readied(t, "ana", "bia")
			path := filepath.Join(t.TempDir(), "transfers.csv")
			file, err := commission.NewCSVFile(path)
			require.NoError(t, err)
			defer file.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			once := sync.OnceFunc(func() { dies(w, cancel) })
			_, err = w.Program.Payouts.Send(ctx, after{file, once})
			if ctx.Err() != nil {
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, []int{2, 0}, approvedAndSent(t, w), "nothing is recorded")
			} else {
				require.NoError(t, err, "it is tried again")
			}
			// Another process takes over, with the file as it lies there.
			again, err := commission.NewCSVFile(path)
			require.NoError(t, err)
			defer again.Close()
			_, err = w.Program.Payouts.Send(t.Context(), again)
			require.NoError(t, err)
			require.Equal(t, []int{0, 2}, approvedAndSent(t, w))
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, 3, strings.Count(string(text), "\n"), "a header and each once: %s", text)
			for _, name := range []string{"ana", "bia"} {
				p := payoutOf(t, w, name)
				require.Equal(t, 1, strings.Count(string(text), fmt.Sprintf("%s,%s,10.00,BRL\n", p.ID, p.AffiliateID)))
				require.Equal(t, "transfers.csv", p.ExternalID)
			}
			w.Verify()
		})
	}
}

// after is an adapter after which something happens.
type after struct {
	commission.PayoutAdapter
	then func()
}

func (a after) Send(ctx context.Context, t commission.Transfer) (string, error) {
	id, err := a.PayoutAdapter.Send(ctx, t)
	a.then()
	return id, err
}

// terminateSenders ends the sessions that are inside a transaction and idle.
func terminateSenders(t *testing.T, pool *pgxpool.Pool) {
	conn, err := pgx.Connect(t.Context(), testenv.URL(pool))
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `select pg_terminate_backend(pid, 5000) from pg_stat_activity
		where datname = current_database() and state = 'idle in transaction'`)
	require.NoError(t, err)
}

func approvedAndSent(t *testing.T, w *scenario.World) []int {
	t.Helper()
	const count = "select count(*) from fature.payouts where status = $1::text::fature.payout_status"
	return []int{one[int](t, w.Pool, count, "approved"), one[int](t, w.Pool, count, "sent")}
}

// Several send at once: the adapter is called once for each payout.
func TestSendAtOnce(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprint("ana", i))
	}
	w := readied(t, names...)
	b := newBank()
	b.then = func(commission.Transfer) error { time.Sleep(5 * time.Millisecond); return nil }
	var sent atomic.Int64
	atOnce(3, func(int) {
		n, err := w.Program.Payouts.Send(t.Context(), b)
		isNil(t, err)
		sent.Add(int64(n))
	})
	require.EqualValues(t, len(names), sent.Load())
	require.Len(t, b.calls, len(names))
	for _, calls := range b.calls {
		require.Len(t, calls, 1)
	}
	w.Verify()
}

// All of it in the host's transaction and on its only connection: what is
// refused leaves the transaction as it was, and what is rolled back was never.
func TestPayoutsInTheHostsTransaction(t *testing.T) {
	t.Parallel()
	w := payroll(t, "ana", "bia")
	w.Sale("ana", "100.00")
	w.Sale("bia", "200.00")
	config := w.Pool.Config()
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer pool.Close()
	p, err := fature.New(t.Context(), fature.Config{Pool: pool, Currency: "BRL"})
	require.NoError(t, err)
	story := func(p *fature.Program) {
		result, err := p.Payouts.Run(t.Context(), commission.PayoutRun{})
		require.NoError(t, err)
		require.Equal(t, 2, result.Payouts)
		list, err := p.Payouts.List(t.Context(), commission.PayoutFilter{RunID: result.RunID})
		require.NoError(t, err)
		one, two := list.Items[0].ID, list.Items[1].ID
		require.ErrorIs(t, p.Payouts.MarkPaid(t.Context(), one), fature.ErrConflict)
		require.ErrorIs(t, p.Payouts.Approve(t.Context(), one, uuid.New()), commission.ErrPayoutNotFound)
		require.NoError(t, p.Payouts.Approve(t.Context(), one, two))
		n, err := p.Payouts.Send(t.Context(), newBank())
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.NoError(t, p.Payouts.Fail(t.Context(), "returned", one))
		require.NoError(t, p.Payouts.MarkPaid(t.Context(), two))
		require.NoError(t, p.Payouts.Export(t.Context(), new(bytes.Buffer), two))
		b, err := p.Commissions.Balance(t.Context(), list.Items[1].AffiliateID)
		require.NoError(t, err)
		require.True(t, b.Paid.IsPositive())
	}
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	story(p.WithTx(tx))
	require.NoError(t, tx.Rollback(t.Context()))
	require.Equal(t, 0, one[int](t, w.Pool, "select count(*) from fature.payouts"))
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { story(p.WithTx(tx)); return nil }))
	w.Verify()
}
