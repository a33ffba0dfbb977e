package fature_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/transaction"
)

// Several writers record, and something strikes at random moments. A writer
// does what a host does: a batch whose call has failed it sends again, with the
// same keys, until it is acknowledged. Then nothing that was acknowledged is
// lost, nothing is doubled, and every invariant holds.
//
// FATURE_LONG=1 is for a hundred strikes of most kinds. FATURE_SEED=n repeats
// the batches and the choices of a run, though not the moments, which are the
// machine's.

// crashes are what may strike, and how often in a short and in a long run. In
// a short one two of them share a server, which takes longest to start.
var crashes = []struct {
	name        string
	short, long int
	prepare     func(*storm)
}{
	{"server killed, and its disk full", 2, 0, serverKilledAndFull},
	{"server killed", 0, 100, serverKilled},
	{"disk full", 0, 40, diskFull},
	{"recording process killed", 2, 100, processKilled},
	{"backends terminated", 3, 100, backendsTerminated},
	{"answer to COMMIT cut", 3, 100, answerCut},
	{"context cancelled", 3, 100, contextCancelled},
}

func TestNothingIsLostOrDoubledWhen(t *testing.T) {
	t.Parallel()
	for _, c := range crashes {
		strikes := shortOrLong(c.short, c.long)
		if strikes == 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if os.Getenv("FATURE_LONG") == "" {
				t.Parallel() // at length they are measured, one by one
			}
			s := newStorm(t, strikes)
			c.prepare(s)
			s.rage()
			s.settle()
		})
	}
}

func shortOrLong(short, long int) int {
	if os.Getenv("FATURE_LONG") != "" {
		return long
	}
	return short
}

// storm is a shop whose writers are struck.
type storm struct {
	*shop
	seed    uint64
	random  *rand.Rand // of who strikes
	strikes int
	ctx     context.Context
	writers []*writer
	// strike does it once, and tells when: every writer is to be heard of a call
	// that it began later.
	strike func() time.Time
	// orders are for strikes that a writer makes at a call of its own. When that
	// batch is acknowledged it answers when the call began.
	orders chan chan time.Time

	failed     atomic.Int64 // calls
	found      atomic.Int64 // events that a failed call had stored all the same
	recoveries []time.Duration
}

func newStorm(t *testing.T, strikes int) *storm {
	seed, err := strconv.ParseUint(os.Getenv("FATURE_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64() //nolint:gosec // a test
	}
	t.Logf("FATURE_SEED=%d", seed)
	return &storm{
		shop: &shop{t: t}, seed: seed, strikes: strikes, orders: make(chan chan time.Time),
		random: rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // a test
	}
}

// writer records its batches, one after the other.
type writer struct {
	*storm
	number  int
	program *fature.Program
	random  *rand.Rand
	record  func(stop <-chan struct{})
	// meddle strikes at a call: it changes the context, and what it returns ends
	// the strike.
	meddle  func(context.Context) (context.Context, func())
	process atomic.Pointer[os.Process] // that records in its stead

	again bool          // the next batch was sent before
	took  time.Duration // the latest call
	ids   [][]uuid.UUID // of the transactions of each acknowledged batch
	began atomic.Int64  // when the latest call began that was acknowledged
}

// hire adds a writer that records through p.
func (s *storm) hire(p *fature.Program) *writer {
	w := &writer{storm: s, number: len(s.writers), program: p}
	w.random = rand.New(rand.NewPCG(s.seed, uint64(1+w.number))) //nolint:gosec // a test
	w.record = w.recordHere
	s.writers = append(s.writers, w)
	return w
}

// batchOf is a writer's n-th batch, always the same by the seed: one to twenty
// events, which are inserted, or so many that they are copied.
func batchOf(seed uint64, writer, n int) []transaction.Event {
	random := rand.New(rand.NewPCG(seed, uint64(1+writer)<<32|uint64(n))) //nolint:gosec // a test
	events := make([]transaction.Event, 1+random.IntN(20)+60*(random.IntN(4)/3))
	for i := range events {
		code := []string{"ANA", "BIA", "CAIO"}[random.IntN(3)]
		events[i] = transaction.Event{
			Code: code, CustomerID: fmt.Sprintf("%s %d/%d", code, writer, random.IntN(50)),
			Type: transaction.Sale, Amount: decimal.NewFromInt(1 + random.Int64N(500)),
			SourceTable: "orders", OriginalID: fmt.Sprintf("%d/%d/%d", writer, n, i),
		}
	}
	return events
}

func (w *writer) recordHere(stop <-chan struct{}) {
	for !over(stop) && w.deliver() {
	}
}

func over(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// deliver sends the next batch until it is acknowledged.
func (w *writer) deliver() bool {
	var order chan time.Time
	select {
	case order = <-w.orders:
	default:
	}
	events, first := batchOf(w.seed, w.number, len(w.ids)), time.Now()
	for try := 0; w.ctx.Err() == nil; try++ {
		began := time.Now()
		results, err := w.call(events, order != nil && try == 0)
		w.took = time.Since(began)
		if err == nil {
			if order != nil {
				defer func() { order <- first }()
			}
			return w.promised(promiseOf(results, began, w.again))
		}
		w.again = true
		w.failed.Add(1)
		if !w.passes(err) {
			return false
		}
		time.Sleep(time.Duration(w.random.IntN(20)) * time.Millisecond)
	}
	w.t.Errorf("batch %d of writer %d was never acknowledged", len(w.ids), w.number)
	return false
}

func (w *writer) call(events []transaction.Event, struck bool) ([]fature.Recorded, error) {
	ctx, cancel := context.WithTimeout(w.ctx, 30*time.Second)
	defer cancel()
	if struck {
		var end func()
		ctx, end = w.meddle(ctx)
		defer end()
	}
	return w.program.Record(ctx, events...)
}

// passes tells that an error is not about the events, which are right.
func (s *storm) passes(err error) bool {
	for _, kind := range []error{fature.ErrNotFound, fature.ErrConflict, fature.ErrInvalid, fature.ErrForbidden} {
		if errors.Is(err, kind) {
			s.t.Error(err)
			return false
		}
	}
	return true
}

// promise is what a writer was told of a batch.
type promise struct {
	IDs        []uuid.UUID
	Began      int64 // the call, in nanoseconds
	Duplicates int
	Again      bool // it had been sent before
}

func promiseOf(results []fature.Recorded, began time.Time, again bool) promise {
	p := promise{Began: began.UnixNano(), Again: again}
	for _, r := range results {
		p.IDs = append(p.IDs, r.Transaction.ID)
		if r.Duplicate {
			p.Duplicates++
		}
	}
	return p
}

// promised takes it down. A batch is stored whole or not at all, so that all of
// its events are told to be duplicates, or none.
func (w *writer) promised(p promise) bool {
	if p.Duplicates != 0 && (!p.Again || p.Duplicates != len(p.IDs)) {
		w.t.Errorf("writer %d: %d of %d are told to be duplicates; sent before: %t", w.number, p.Duplicates, len(p.IDs), p.Again)
		return false
	}
	w.ids, w.again = append(w.ids, p.IDs), false
	w.found.Add(int64(p.Duplicates))
	w.began.Store(p.Began)
	return true
}

// rage lets the writers write, and strikes.
func (s *storm) rage() {
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithTimeout(s.t.Context(), 20*time.Minute)
	defer cancel()
	stop := make(chan struct{})
	var writing sync.WaitGroup
	for _, w := range s.writers {
		writing.Go(func() {
			w.record(stop)
			if !over(stop) {
				cancel() // it has failed
			}
		})
	}
	writing.Go(func() { s.folds(stop) })
	heard := s.recovers(time.Now()) // of everybody, so that no strike is too early
	for range s.strikes {
		if !heard {
			break
		}
		time.Sleep(time.Duration(s.random.IntN(60)) * time.Millisecond)
		struck := s.strike()
		heard = s.recovers(struck)
		s.recoveries = append(s.recoveries, time.Since(struck))
	}
	close(stop)
	writing.Wait()
	require.True(s.t, heard, "everybody is acknowledged again")
}

// folds brings the totals, as Run does, only more often.
func (s *storm) folds(stop <-chan struct{}) {
	for !over(stop) {
		if _, err := s.Fold(s.ctx); err != nil && !s.passes(err) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// recovers waits until each writer is acknowledged a call that it began after
// the strike.
func (s *storm) recovers(struck time.Time) bool {
	behind := func(w *writer) bool { return w.began.Load() < struck.UnixNano() }
	for slices.ContainsFunc(s.writers, behind) {
		if s.ctx.Err() != nil || time.Since(struck) > time.Minute {
			return false
		}
		time.Sleep(time.Millisecond)
	}
	return true
}

// settle compares what is stored with what was promised.
func (s *storm) settle() {
	s.t.Helper()
	require.False(s.t, s.t.Failed())
	require.Zero(s.t, s.pool.Stat().AcquiredConns(), "connections are given back")
	var want stock
	for _, w := range s.writers {
		for n := range w.ids {
			want.add(batchOf(s.seed, w.number, n))
		}
	}
	got, lost := s.stored(), s.lost()
	slices.Sort(s.recoveries)
	s.t.Logf("%d strikes, %d calls failed, %d events acknowledged, %d stored, %d found again by retry, %d doubled, %d lost, median recovery %s",
		len(s.recoveries), s.failed.Load(), want.transactions, got.transactions, s.found.Load(),
		got.transactions-got.distinct, lost, s.recoveries[len(s.recoveries)/2].Round(time.Millisecond))
	require.Equal(s.t, want, got)
	require.Zero(s.t, lost)
	require.Equal(s.t, want, s.stored(), "asking has changed nothing")
	_, err := s.Fold(s.t.Context())
	require.NoError(s.t, err)
	s.holds()
}

// stock is what there is to be counted.
type stock struct {
	transactions, distinct, keys, lines int
	sold, earned                        string
}

// add adds what a batch brings: of each sale a line for the affiliate and each
// of its upline, of 10, 5 and 2 %.
func (k *stock) add(events []transaction.Event) {
	sold, earned := decimal.RequireFromString(cmp.Or(k.sold, "0")), decimal.RequireFromString(cmp.Or(k.earned, "0"))
	for _, e := range events {
		k.lines += map[string]int{"ANA": 1, "BIA": 2, "CAIO": 3}[e.Code]
		percent := map[string]int64{"ANA": 10, "BIA": 15, "CAIO": 17}[e.Code]
		sold, earned = sold.Add(e.Amount), earned.Add(e.Amount.Mul(decimal.New(percent, -2)))
	}
	k.transactions += len(events)
	k.distinct, k.keys = k.transactions, k.transactions
	k.sold, k.earned = sold.StringFixed(2), earned.StringFixed(2)
}

func (s *storm) stored() (k stock) {
	s.t.Helper()
	require.NoError(s.t, s.pool.QueryRow(s.t.Context(), `
		select t.*, (select count(*) from fature.transaction_keys), l.* from
			(select count(*), count(distinct (source_table, original_id)), sum(amount)::text from fature.transactions) t,
			(select count(*), sum(final_amount)::text from fature.commissions) l`).
		Scan(&k.transactions, &k.distinct, &k.sold, &k.keys, &k.lines, &k.earned))
	return k
}

// lost counts the events that are not there as they were promised. The latest
// are sent once more too: they must be told to be duplicates of what they were.
func (s *storm) lost() (n int) {
	s.t.Helper()
	for _, w := range s.writers {
		var keys []transaction.Key
		for i := range w.ids {
			for _, e := range batchOf(s.seed, w.number, i) {
				keys = append(keys, e.Key())
			}
		}
		var found []fature.Recorded
		for lot := range slices.Chunk(keys, 1000) {
			lot, err := s.Lookup(s.t.Context(), lot...)
			require.NoError(s.t, err)
			found = append(found, lot...)
		}
		for i, id := range slices.Concat(w.ids...) {
			if found[i].Transaction.ID != id {
				n++
			}
		}
		latest := len(w.ids) - 1
		for i, r := range s.record(batchOf(s.seed, w.number, latest)...) {
			require.True(s.t, r.Duplicate)
			require.Equal(s.t, w.ids[latest][i], r.Transaction.ID)
		}
	}
	return n
}
