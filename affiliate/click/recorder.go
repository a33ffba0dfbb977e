package click

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/internal/fault"
)

// ErrDropped is returned by Add where the queue is full: the click is counted
// and gone.
var ErrDropped = fault.New(fault.Unavailable, "the click was dropped: the queue is full")

// ErrRunning is returned by a second Run of one Recorder at once.
var ErrRunning = fault.New(fault.Conflict, "the recorder is running already")

// RecorderOptions say how much waits, and how long.
type RecorderOptions struct {
	// Queue is how many clicks wait at most. Defaults to 8,192. A click takes
	// about half a kilobyte as a rule, and 5 at most.
	Queue int
	// Batch is how many are written together at most. Defaults to 1,000.
	Batch int
	// Every is how long a click waits at most for others. Defaults to a second.
	Every time.Duration
	// Flush is how long Run, when its context ends, goes on to write what is
	// queued. Defaults to 5 seconds.
	Flush time.Duration
	// Logger is told of what fails and of drops, these at most once a minute.
	// Defaults to silence.
	Logger *slog.Logger
}

// Validate tells every problem of the options.
func (o RecorderOptions) Validate() error {
	var c fault.Check
	c.That(o.Queue >= 0 && o.Queue <= 1<<20, "queue", "is negative or more than %d", 1<<20)
	c.That(o.Batch >= 0 && o.Batch <= MaxBatch, "batch", "is negative or more than %d", MaxBatch)
	c.That(o.Every >= 0 && o.Flush >= 0, "every", "or flush is negative")
	return c.Done()
}

// Recorder takes clicks off the path of requests and writes them in batches. It
// is safe for concurrent use.
//
// What a crash loses: the clicks that were taken and not yet written. They are
// never more than Queue and Batch together, and while the database answers they
// are those of the last Every and of one write. While it does not answer, clicks
// wait; when the queue is full they are dropped and counted, and memory does not
// grow. Nothing is written twice, also where the answer to a COMMIT is lost.
type Recorder struct {
	store *Store
	o     RecorderOptions
	queue chan Click

	running                            atomic.Bool
	taken, dropped, lost               atomic.Int64
	written, bots, duplicates, unknown atomic.Int64
	told                               int64     // drops that the log has
	toldAt                             time.Time // of them
}

// NewRecorder makes a recorder into the store, which must be the pool's. It
// writes while Run runs.
func NewRecorder(s *Store, o RecorderOptions) (*Recorder, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("click: new recorder: %w", err)
	}
	o.Queue, o.Batch = cmp.Or(o.Queue, 8192), cmp.Or(o.Batch, 1000)
	o.Every, o.Flush = cmp.Or(o.Every, time.Second), cmp.Or(o.Flush, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Recorder{store: s, o: o, queue: make(chan Click, o.Queue)}, nil
}

// Add takes a click. It does no input or output and never waits, so that a
// request can ignore its errors: InvalidError by field, or ErrDropped.
func (r *Recorder) Add(c Click) error {
	now := r.store.now()
	c = c.normal(now)
	if err := c.check(now); err != nil {
		return fail("add", err)
	}
	select {
	case r.queue <- c.own():
		r.taken.Add(1)
		return nil
	default:
		r.dropped.Add(1)
		return ErrDropped
	}
}

// Counts are what became of the clicks since the recorder was made.
type Counts struct {
	Queued     int64 // taken, and neither written nor left out yet
	Written    int64 // stored, those with marks included
	Bots       int64 // of those written
	Duplicates int64 // of those written
	Unknown    int64 // left out: their codes lead to nobody
	Dropped    int64 // refused by a full queue, or given up at the end
}

// Counts tells them.
func (r *Recorder) Counts() Counts {
	c := Counts{
		Written: r.written.Load(), Bots: r.bots.Load(), Duplicates: r.duplicates.Load(), Unknown: r.unknown.Load(),
	}
	lost := r.lost.Load()
	c.Queued = max(0, r.taken.Load()-c.Written-c.Unknown-lost) // Run may be ahead of Add's counting
	c.Dropped = r.dropped.Load() + lost
	return c
}

// Run writes what is taken until ctx ends, then what is still queued, for Flush
// at most, and returns nil, or an error that says how many clicks it gave up.
// ErrRunning where it runs already.
func (r *Recorder) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return fail("run", ErrRunning)
	}
	defer r.running.Store(false)
	// What is being written when ctx ends is let end.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var limit atomic.Pointer[time.Timer]
	stop := context.AfterFunc(ctx, func() { limit.Store(time.AfterFunc(r.o.Flush, cancel)) })
	defer func() {
		stop()
		if t := limit.Load(); t != nil {
			t.Stop()
		}
	}()
	batch := make([]row, 0, r.o.Batch)
	var failed error
	for {
		batch = r.collect(ctx, batch[:0])
		if len(batch) == 0 && ctx.Err() != nil {
			r.tellDrops()
			return nil
		}
		if failed = r.put(ctx, work, batch); failed != nil && work.Err() != nil {
			break
		}
		r.tellDrops()
	}
	return r.giveUp(failed)
}

// collect waits for a click, and for others until the batch is full or Every has
// passed. When ctx has ended it takes what is there.
func (r *Recorder) collect(ctx context.Context, batch []row) []row {
	var due <-chan time.Time
	for len(batch) < r.o.Batch {
		if ctx.Err() != nil {
			select {
			case c := <-r.queue:
				batch = append(batch, newRow(c))
				continue
			default:
				return batch
			}
		}
		select {
		case c := <-r.queue:
			if due == nil {
				timer := time.NewTimer(r.o.Every)
				defer timer.Stop()
				due = timer.C
			}
			batch = append(batch, newRow(c))
		case <-due:
			return batch
		case <-ctx.Done():
		}
	}
	return batch
}

const (
	longestWrite = 10 * time.Second
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// put writes a batch, again and again while the database does not answer.
// What the database refuses for good is given up, so that it does not stand in
// the way of the others.
func (r *Recorder) put(ctx, work context.Context, batch []row) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := r.write(work, batch)
		if err == nil {
			r.count(batch)
			return nil
		}
		passing := !errors.Is(err, fault.Invalid) && !errors.Is(err, fault.Conflict)
		if !passing || work.Err() != nil {
			r.lost.Add(int64(len(batch)))
			r.o.Logger.ErrorContext(ctx, "fature: clicks are given up", "clicks", len(batch), "error", err)
			return err
		}
		r.o.Logger.WarnContext(ctx, "fature: clicks cannot be written yet", "clicks", len(batch), "error", err)
		r.tellDrops()
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-work.Done():
		}
		wait.Stop()
	}
}

func (r *Recorder) write(work context.Context, batch []row) error {
	ctx, cancel := context.WithTimeout(work, longestWrite)
	defer cancel()
	return fail("write", r.store.write(ctx, batch))
}

func (r *Recorder) count(batch []row) {
	for i := range batch {
		switch {
		case batch[i].affiliateID == uuid.Nil:
			r.unknown.Add(1)
			continue
		case batch[i].mark == Bot:
			r.bots.Add(1)
		case batch[i].mark == Duplicate:
			r.duplicates.Add(1)
		}
		r.written.Add(1)
	}
}

// giveUp empties the queue, whose time is over.
func (r *Recorder) giveUp(cause error) error {
	for {
		select {
		case <-r.queue:
			r.lost.Add(1)
		default:
			r.tellDrops()
			return fail("run", fmt.Errorf("%d clicks were given up: %w", r.lost.Load(), cause))
		}
	}
}

func (r *Recorder) tellDrops() {
	dropped := r.dropped.Load()
	if dropped == r.told || time.Since(r.toldAt) < time.Minute {
		return
	}
	r.o.Logger.Warn("fature: clicks were dropped, for the queue was full", "clicks", dropped-r.told, "queue", r.o.Queue)
	r.told, r.toldAt = dropped, time.Now()
}
