package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of Options.
const (
	DefaultNear     = 5 * time.Second
	DefaultEntries  = 10_000
	DefaultWait     = time.Second
	DefaultLoadTime = 30 * time.Second

	// maxAbsent is how long it is remembered that a value is not there.
	maxAbsent = time.Minute
	// leaseLife is how long others wait at most for a process that died loading.
	leaseLife = 5 * time.Second
)

// Options are how the views of a Space keep their values. The zero value is
// good.
type Options struct {
	// Near is how long a value is kept in the process, and so how old a read is
	// when another process changed the value. Defaults to 5 s; less than zero
	// keeps none.
	Near time.Duration
	// Entries is how many values of each view are kept in the process. Defaults
	// to 10,000.
	Entries int
	// Wait is how long a miss waits for a load of another process. Defaults to
	// 1 s.
	Wait time.Duration
	// LoadTime ends a load, which goes on when the one that asked for it first
	// has gone away. Defaults to 30 s.
	LoadTime time.Duration
	// Logger is told of what the backend cannot do, at most once in ten seconds.
	// Defaults to silence.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&o.Near, DefaultNear)
	set(&o.Wait, DefaultWait)
	set(&o.LoadTime, DefaultLoadTime)
	if o.Entries <= 0 {
		o.Entries = DefaultEntries
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Space is one namespace on a backend, and what its views share.
type Space struct {
	namespace Namespace
	far       Backend // nil: none
	options   Options

	figures struct {
		near, far, absent, loads, failed, waits, errors, refused atomic.Int64
	}
	told atomic.Int64 // when the logger was last told, in Unix nanoseconds

	work   context.Context // of refreshes; ends with Close
	end    context.CancelFunc
	closed sync.Mutex // guards the beginning of work against its end
	going  sync.WaitGroup
}

// NewSpace makes a Space. A backend of nil keeps values in this process alone,
// for Options.Near.
func NewSpace(n Namespace, far Backend, o Options) *Space {
	s := &Space{namespace: n, far: far, options: o.withDefaults()}
	s.work, s.end = context.WithCancel(context.Background())
	return s
}

// Off makes a Space that keeps nothing: its views load, and cost next to
// nothing to make. It is for what reads inside a transaction.
func Off(n Namespace) *Space { return &Space{namespace: n, options: Options{Near: -1}} }

// Namespace is what the Space was made for.
func (s *Space) Namespace() Namespace { return s.namespace }

// Close ends the refreshes that are under way and waits for them. Views go on
// to work, without refreshing ahead.
func (s *Space) Close() {
	if s.work == nil {
		return
	}
	s.closed.Lock()
	s.end()
	s.closed.Unlock()
	s.going.Wait()
}

// Figures is what became of the reads of a namespace since its Space was made.
type Figures struct {
	Near   int64 // hits in the process
	Far    int64 // hits in the backend
	Absent int64 // hits, of either, that said that there is nothing
	Loads  int64 // values loaded: misses, and refreshes ahead of them
	Failed int64 // loads that failed
	Waits  int64 // misses that waited for the load of another process
	Errors int64 // calls that the backend did not answer
	// Refused are values that were loaded and not stored, since an invalidation
	// came in between.
	Refused int64
}

// HitRate is the part of reads that found something, from 0 to 1; 1 where
// nothing was read.
func (f Figures) HitRate() float64 {
	hits := f.Near + f.Far + f.Absent
	if hits+f.Loads == 0 {
		return 1
	}
	return float64(hits) / float64(hits+f.Loads)
}

// Add is both figures together.
func (f Figures) Add(g Figures) Figures {
	return Figures{
		f.Near + g.Near, f.Far + g.Far, f.Absent + g.Absent, f.Loads + g.Loads,
		f.Failed + g.Failed, f.Waits + g.Waits, f.Errors + g.Errors, f.Refused + g.Refused,
	}
}

// Figures are those of now.
func (s *Space) Figures() Figures {
	f := &s.figures
	return Figures{
		f.near.Load(), f.far.Load(), f.absent.Load(), f.loads.Load(),
		f.failed.Load(), f.waits.Load(), f.errors.Load(), f.refused.Load(),
	}
}

// ErrUndelivered is returned when the backend could not be told to delete: what
// it holds may be read until its life is over, or until Delete is called again.
// What Put was to store is stored.
var ErrUndelivered = errors.New("cache: the backend was not told, and may go on giving an old value")

// dropLot is how many keys are deleted by one call: a server is held up by no
// more, and no call outlasts its budget.
const dropLot = 1000

// drop deletes keys of the backend.
func (s *Space) drop(ctx context.Context, keys []string) error {
	if s.far == nil {
		return nil
	}
	for lot := range slices.Chunk(keys, dropLot) {
		if err := s.far.Delete(ctx, lot); err != nil {
			s.fails(ctx, "delete", err)
			return fmt.Errorf("%w: %w", ErrUndelivered, err)
		}
	}
	return nil
}

// fails counts an error of the backend, and tells of it now and then.
func (s *Space) fails(ctx context.Context, what string, err error) {
	s.figures.errors.Add(1)
	now, told := time.Now().UnixNano(), s.told.Load()
	if now-told > int64(10*time.Second) && s.told.CompareAndSwap(told, now) {
		s.options.Logger.WarnContext(ctx, "fature: the cache does without its backend",
			"namespace", s.namespace.Name, "call", what, "error", err)
	}
}

// start runs work that belongs to nobody's request, and tells whether it does:
// not after Close.
func (s *Space) start(work func(ctx context.Context)) bool {
	s.closed.Lock()
	defer s.closed.Unlock()
	if s.work.Err() != nil {
		return false
	}
	s.going.Go(func() { work(s.work) })
	return true
}

// jittered is a life that differs by up to a tenth, so that what was stored
// together does not end together.
func jittered(life time.Duration) time.Duration {
	return life - life/10 + time.Duration(rand.Int64N(int64(life/5)+1)) //nolint:gosec // jitter
}
