package click_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/internal/testenv/faulty"
)

func recorder(t testing.TB, s *click.Store, o click.RecorderOptions) *click.Recorder {
	t.Helper()
	r, err := click.NewRecorder(s, o)
	require.NoError(t, err)
	return r
}

// running runs a recorder until stop is called, which tells what Run returned.
func running(t testing.TB, r *click.Recorder) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error { once.Do(func() { cancel(); err = <-done }); return err }
	t.Cleanup(func() { _ = stop() })
	return stop
}

func (w *world) stored() int {
	w.t.Helper()
	return one[int](w.t, w.pool, `select count(*) from fature.clicks where affiliate_id in ($1, $2)`, w.ana.ID, w.bia.ID)
}

// A batch is written when it is full, or when the first of it has waited long
// enough, whichever comes first.
func TestRecorderBatches(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	full := recorder(t, w.clicks, click.RecorderOptions{Batch: 10, Every: time.Hour})
	stop := running(t, full)
	for i := range 25 {
		require.NoError(t, full.Add(w.by(fmt.Sprint("v", i), w.ana, noon)))
	}
	require.Eventually(t, func() bool { return w.stored() == 20 }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, click.Counts{Queued: 5, Written: 20}, full.Counts())
	require.NoError(t, stop())
	require.Equal(t, 25, w.stored(), "the end writes what is left")

	soon := recorder(t, w.clicks, click.RecorderOptions{Every: 30 * time.Millisecond})
	stop = running(t, soon)
	require.NoError(t, soon.Add(w.by("v0", w.ana, noon)))
	require.NoError(t, soon.Add(click.Click{Code: "nobody-" + w.tag, Visitor: w.visitor("x"), UserAgent: browser}))
	require.NoError(t, soon.Add(click.Click{Code: w.bia.ReferralCode}))
	require.Eventually(t, func() bool { return soon.Counts().Queued == 0 }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, click.Counts{Written: 2, Bots: 1, Duplicates: 1, Unknown: 1}, soon.Counts())
	require.ErrorIs(t, soon.Run(t.Context()), click.ErrRunning)
	require.NoError(t, stop())

	// It may run again.
	require.NoError(t, soon.Add(w.by("again", w.ana, noon)))
	require.Equal(t, int64(1), soon.Counts().Queued)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, soon.Run(ended))
	require.Equal(t, int64(3), soon.Counts().Written)

	_, err := click.NewRecorder(w.clicks, click.RecorderOptions{Queue: -1, Batch: click.MaxBatch + 1, Every: -1})
	require.Equal(t, []string{"queue", "batch", "every"}, fieldsOf(err))
}

// What a crash loses is what was taken and not written: never more than the
// queue and a batch, whatever comes in.
func TestCrashLosesTheQueueAtMost(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	w.record(w.by("first", w.bia, noon))
	lock, err := w.pool.Begin(t.Context()) // the database takes long
	require.NoError(t, err)
	defer func() { _ = lock.Rollback(context.Background()) }()
	_, err = lock.Exec(t.Context(), `select pg_advisory_xact_lock(hashtextextended('fature.clicks', n)) from generate_series(0, 63) n`)
	require.NoError(t, err)
	const queue, batch = 20, 10
	r := recorder(t, w.clicks, click.RecorderOptions{Queue: queue, Batch: batch, Every: time.Millisecond, Flush: 50 * time.Millisecond})
	stop := running(t, r)
	taken := 0
	for i := range 1000 {
		if r.Add(w.by(fmt.Sprint("v", i), w.ana, noon)) == nil {
			taken++
		}
		if i%100 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		require.LessOrEqual(t, r.Counts().Queued, int64(queue+batch))
	}
	counts := r.Counts()
	require.Equal(t, int64(taken), counts.Queued)
	require.Equal(t, int64(1000-taken), counts.Dropped)
	// The process dies here: the context ends, and the database does not answer.
	err = stop()
	require.ErrorContains(t, err, fmt.Sprintf("%d clicks were given up", taken))
	require.Equal(t, click.Counts{Dropped: 1000}, r.Counts())
	require.NoError(t, lock.Rollback(t.Context()))
	require.LessOrEqual(t, 1+1000-w.stored(), 1000+queue+batch)
	require.Equal(t, 1, w.stored())
}

// Sixty-four producers while the database goes away and comes back: nobody
// waits, drops are counted and told once, memory stays, and what was taken is
// written.
func TestRecorderOfADeadDatabase(t *testing.T) {
	w := over(t, testenv.Clone(t), "", click.Options{})
	w.record(w.by("first", w.bia, noon))
	line := faulty.To(t, w.pool, nil)
	var log lockedBuffer
	clicks := click.New(pg.In(line.Pool, ""), click.Options{Clock: func() time.Time { return noon }})
	const queue = 500
	r := recorder(t, clicks, click.RecorderOptions{Queue: queue, Batch: 100, Every: 5 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	stop := running(t, r)
	require.NoError(t, r.Add(w.by("before", w.ana, noon)))
	require.Eventually(t, func() bool { return r.Counts().Written == 1 }, 10*time.Second, time.Millisecond)

	line.Cut()
	each := 500
	if os.Getenv("FATURE_LONG") != "" {
		each = 5_000
	}
	huge := strings.Repeat("x", 64<<10) // a request's header, of which a part is kept
	var accepted atomic.Int64
	var producers sync.WaitGroup
	before := heap()
	for p := range 64 {
		producers.Go(func() {
			for i := range each {
				c := w.by(fmt.Sprint("v", p, "-", i), w.ana, noon)
				header := strings.Clone(huge)
				c.SubID, c.UserAgent = header[:50], browser+header
				switch err := r.Add(c); {
				case err == nil:
					accepted.Add(1)
				case !errors.Is(err, click.ErrDropped) || !errors.Is(err, fault.Unavailable):
					t.Error(err)
				}
			}
		})
	}
	producers.Wait() // none of them for the database, which is still away
	grown := int64(heap()) - int64(before)
	require.Less(t, grown, int64(16<<20), "memory does not grow with what is dropped")
	counts := r.Counts()
	require.Equal(t, int64(64*each)-accepted.Load(), counts.Dropped)
	require.Positive(t, counts.Dropped)
	require.LessOrEqual(t, counts.Queued, int64(queue+100))
	require.Equal(t, int64(1), counts.Written)

	require.Eventually(t, func() bool { return strings.Contains(log.String(), "cannot be written yet") }, 30*time.Second, 10*time.Millisecond)
	line.Heal()
	require.Eventually(t, func() bool { return r.Counts().Queued == 0 }, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, stop())
	require.Equal(t, 1+accepted.Load(), r.Counts().Written)
	require.EqualValues(t, 2+accepted.Load(), w.stored())
	require.Equal(t, 1, strings.Count(log.String(), "clicks were dropped"), "told once a minute")
}

// The end of the context in the middle of everything: all that was taken before
// is written.
func TestRecorderFlushesAtTheEnd(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	w.record(w.by("first", w.bia, noon))
	r := recorder(t, w.clicks, click.RecorderOptions{Batch: 50})
	stop := running(t, r)
	var producers sync.WaitGroup
	for p := range 64 {
		producers.Go(func() {
			for i := range 20 {
				if err := r.Add(w.by(fmt.Sprint("v", p, "-", i), w.ana, noon)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	producers.Wait()
	began := time.Now()
	require.NoError(t, stop())
	require.Less(t, time.Since(began), 10*time.Second)
	require.Equal(t, click.Counts{Written: 64 * 20}, r.Counts())
	require.Equal(t, 1+64*20, w.stored())
}

// What the database refuses for good does not stand in the way of the others.
func TestRecorderGivesUpWhatIsRefused(t *testing.T) {
	t.Parallel()
	w := over(t, testenv.Clone(t), "", click.Options{})
	w.record(w.by("first", w.bia, noon))
	_, err := w.pool.Exec(t.Context(), `alter table fature.clicks add constraint clicks_no_check check (sub_id <> 'no')`)
	require.NoError(t, err)
	r := recorder(t, w.clicks, click.RecorderOptions{Every: time.Millisecond})
	stop := running(t, r)
	bad := w.by("v", w.ana, noon)
	bad.SubID = "no"
	require.NoError(t, r.Add(bad))
	require.Eventually(t, func() bool { return r.Counts().Dropped == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, r.Add(w.by("w", w.ana, noon)))
	require.Eventually(t, func() bool { return r.Counts().Written == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, stop())
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
