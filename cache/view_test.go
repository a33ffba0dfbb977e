package cache_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/cache"
)

var errNone = errors.New("there is none")

// truth is where values are true: what views load from.
type truth struct {
	mu     sync.Mutex
	values map[string]string
	loads  atomic.Int64
	before func(k string) // called at the beginning of a load
	after  func(k string) // called when it has read, before it returns
	err    error
}

func newTruth(pairs ...string) *truth {
	t := &truth{values: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		t.values[pairs[i]] = pairs[i+1]
	}
	return t
}

func (t *truth) set(k, v string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.values[k] = v
}

func (t *truth) load(_ context.Context, k string) (string, error) {
	t.loads.Add(1)
	if t.before != nil {
		t.before(k)
	}
	t.mu.Lock()
	v, ok := t.values[k]
	err, after := t.err, t.after
	t.mu.Unlock()
	if after != nil {
		after(k)
	}
	if err == nil && !ok {
		err = errNone
	}
	return v, err
}

func (t *truth) loadMany(_ context.Context, ks []string) (map[string]string, error) {
	t.loads.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	found := map[string]string{}
	for _, k := range ks {
		if v, ok := t.values[k]; ok {
			found[k] = v
		}
	}
	return found, t.err
}

func (t *truth) config() cache.Config[string, string] {
	return cache.Config[string, string]{Load: t.load, LoadMany: t.loadMany, Absent: errNone, Version: 2}
}

// first is a hook that the first to come by calls, and no other waits for.
func first(do func()) func(string) {
	var called atomic.Bool
	return func(string) {
		if called.CompareAndSwap(false, true) {
			do()
		}
	}
}

// never is a life in the process that is over at once.
const never = -1

// spaces are what each view has to be right on; keeps tells whether anything is
// kept at all, shared whether two spaces of one backend see each other.
var spaces = []struct {
	name          string
	near          time.Duration
	far           bool
	keeps, shared bool
}{
	{"tiered", time.Minute, true, true, false},
	{"far alone", never, true, true, true},
	{"near alone", time.Minute, false, true, false},
	{"none", never, false, false, true},
}

// eachSpace runs a test on every kind of space over every backend.
func eachSpace(t *testing.T, test func(t *testing.T, keeps bool, open func() *cache.Space)) {
	t.Helper()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		for i, s := range spaces {
			t.Run(s.name, func(t *testing.T) {
				far := cache.Backend(nil)
				if s.far {
					far = b
				}
				n := cache.Namespace{Name: fmt.Sprintf("%s:%d", uuid.NewString(), i), TTL: time.Hour}
				test(t, s.keeps, func() *cache.Space {
					space := cache.NewSpace(n, far, cache.Options{Near: s.near})
					t.Cleanup(space.Close)
					return space
				})
			})
		}
	})
}

func TestViewLoadsOnceAndForgets(t *testing.T) {
	t.Parallel()
	eachSpace(t, func(t *testing.T, keeps bool, open func() *cache.Space) {
		ctx, truth := t.Context(), newTruth("a", "1")
		v := cache.Aside(open(), truth.config())
		for range 3 {
			got, err := v.Get(ctx, "a")
			require.NoError(t, err)
			require.Equal(t, "1", got)
		}
		want := int64(1)
		if !keeps {
			want = 3
		}
		require.Equal(t, want, truth.loads.Load())

		truth.set("a", "2")
		require.NoError(t, v.Delete(ctx, "a"))
		got, err := v.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, "2", got)
	})
}

func TestViewRemembersThatThereIsNone(t *testing.T) {
	t.Parallel()
	eachSpace(t, func(t *testing.T, keeps bool, open func() *cache.Space) {
		ctx, truth := t.Context(), newTruth()
		v := cache.Aside(open(), truth.config())
		for range 3 {
			_, err := v.Get(ctx, "a")
			require.ErrorIs(t, err, errNone)
		}
		if keeps {
			require.EqualValues(t, 1, truth.loads.Load())
		}
		truth.set("a", "1")
		require.NoError(t, v.Delete(ctx, "a")) // what creates it says so
		got, err := v.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, "1", got)
	})
}

func TestViewDoesNotKeepErrors(t *testing.T) {
	t.Parallel()
	eachSpace(t, func(t *testing.T, _ bool, open func() *cache.Space) {
		ctx, truth := t.Context(), newTruth("a", "1")
		truth.err = errors.New("the database is away")
		v := cache.Aside(open(), truth.config())
		_, err := v.Get(ctx, "a")
		require.ErrorIs(t, err, truth.err)
		_, err = v.GetMany(ctx, []string{"a", "b"})
		require.ErrorIs(t, err, truth.err)
		truth.err = nil
		start := time.Now()
		got, err := v.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, "1", got)
		require.Less(t, time.Since(start), time.Second, "the lease of the load that failed was not given back")
	})
}

func TestViewReadsMany(t *testing.T) {
	t.Parallel()
	eachSpace(t, func(t *testing.T, keeps bool, open func() *cache.Space) {
		ctx, truth := t.Context(), newTruth("a", "1", "b", "2", "c", "3")
		v := cache.Aside(open(), truth.config())
		_, err := v.Get(ctx, "b")
		require.NoError(t, err)
		for range 2 {
			got, err := v.GetMany(ctx, []string{"a", "b", "nothing", "c", "a"})
			require.NoError(t, err)
			require.Equal(t, map[string]string{"a": "1", "b": "2", "c": "3"}, got)
		}
		if keeps {
			require.EqualValues(t, 2, truth.loads.Load(), "one for b, one for the others")
		}
		got, err := v.Get(ctx, "c")
		require.NoError(t, err)
		require.Equal(t, "3", got)
		truth.set("a", "4")
		require.NoError(t, v.Delete(ctx, "a", "b"))
		many, err := v.GetMany(ctx, []string{"a", "b"})
		require.NoError(t, err)
		require.Equal(t, map[string]string{"a": "4", "b": "2"}, many)
		none, err := v.GetMany(ctx, nil)
		require.NoError(t, err)
		require.Empty(t, none)
	})
}

func TestViewReadsManyWithoutLoadMany(t *testing.T) {
	t.Parallel()
	eachSpace(t, func(t *testing.T, _ bool, open func() *cache.Space) {
		truth := newTruth("a", "1", "b", "2")
		config := truth.config()
		config.LoadMany = nil
		v := cache.Aside(open(), config)
		got, err := v.GetMany(t.Context(), []string{"a", "b", "c"})
		require.NoError(t, err)
		require.Equal(t, map[string]string{"a": "1", "b": "2"}, got)
	})
}

// A load that began before an invalidation must not be kept after it.
func TestViewLoadThatStraddlesAnInvalidation(t *testing.T) {
	t.Parallel()
	eachSpace(t, func(t *testing.T, _ bool, open func() *cache.Space) {
		for name, read := range map[string]func(ctx context.Context, v *cache.View[string, string]) (string, error){
			"one": func(ctx context.Context, v *cache.View[string, string]) (string, error) { return v.Get(ctx, "a") },
			"many": func(ctx context.Context, v *cache.View[string, string]) (string, error) {
				all, err := v.GetMany(ctx, []string{"a"})
				return all["a"], err
			},
		} {
			truth := newTruth("a", "old")
			config := truth.config()
			config.Name, config.LoadMany = name, nil
			v := cache.Aside(open(), config)
			loaded, goOn := make(chan struct{}), make(chan struct{})
			truth.after = first(func() { close(loaded); <-goOn })
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = read(t.Context(), v)
			}()
			<-loaded
			truth.set("a", "new")
			require.NoError(t, v.Delete(t.Context(), "a"))
			// Who asks after the invalidation does not get what was read before it.
			got, err := v.Get(t.Context(), "a")
			require.NoError(t, err)
			require.Equal(t, "new", got)
			close(goOn)
			<-done
			got, err = v.Get(t.Context(), "a")
			require.NoError(t, err)
			require.Equal(t, "new", got)
		}
	})
}

// The same across processes: the load is in one, the invalidation in another.
func TestViewLoadThatStraddlesAnothersInvalidation(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		n := cache.Namespace{Name: uuid.NewString(), TTL: time.Hour}
		open := func(truth *truth) *cache.View[string, string] {
			return cache.Aside(cache.NewSpace(n, b, cache.Options{Near: never, Wait: time.Millisecond}), truth.config())
		}
		slow, quick := newTruth("a", "old"), newTruth("a", "new")
		loaded, goOn, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		slow.after = func(string) { close(loaded); <-goOn }
		one, other := open(slow), open(quick)
		go func() {
			defer close(done)
			got, err := one.Get(t.Context(), "a")
			if err != nil || got != "old" { // it was true when it was asked for
				t.Errorf("got %q, %v", got, err)
			}
		}()
		<-loaded
		require.NoError(t, other.Delete(t.Context(), "a"))
		close(goOn)
		<-done
		slow.after = nil
		got, err := other.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "new", got)
	})
}

func TestViewLoadsOnceForAll(t *testing.T) {
	t.Parallel()
	eachSpace(t, func(t *testing.T, keeps bool, open func() *cache.Space) {
		if !keeps {
			t.Skip("without any cache each loads for itself")
		}
		truth := newTruth("a", "1")
		truth.before = func(string) { time.Sleep(50 * time.Millisecond) }
		v := cache.Aside(open(), truth.config())
		var all sync.WaitGroup
		var wrong atomic.Int64
		for range 1000 {
			all.Go(func() {
				if got, err := v.Get(t.Context(), "a"); err != nil || got != "1" {
					wrong.Add(1)
				}
			})
		}
		all.Wait()
		require.Zero(t, wrong.Load())
		require.EqualValues(t, 1, truth.loads.Load())
	})
}

// A fleet of eight processes with 125 readers each.
func TestViewLoadsOnceForTheFleet(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		truth := newTruth("a", "1")
		truth.before = func(string) { time.Sleep(50 * time.Millisecond) }
		n := cache.Namespace{Name: uuid.NewString(), TTL: time.Hour}
		var all sync.WaitGroup
		var wrong atomic.Int64
		for range 8 {
			v := cache.Aside(cache.NewSpace(n, b, cache.Options{Wait: 20 * time.Second}), truth.config())
			for range 125 {
				all.Go(func() {
					if got, err := v.Get(t.Context(), "a"); err != nil || got != "1" {
						wrong.Add(1)
					}
				})
			}
		}
		all.Wait()
		require.Zero(t, wrong.Load())
		require.EqualValues(t, 1, truth.loads.Load())
	})
}

// Who loads longer than the wait is not waited for, and what it stores is not
// lost either.
func TestViewDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		n := cache.Namespace{Name: uuid.NewString(), TTL: time.Hour}
		slow, quick := newTruth("a", "1"), newTruth("a", "1")
		began, goOn, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		slow.before = func(string) { close(began); <-goOn }
		one := cache.Aside(cache.NewSpace(n, b, cache.Options{}), slow.config())
		other := cache.NewSpace(n, b, cache.Options{Near: never, Wait: 20 * time.Millisecond})
		go func() {
			defer close(done)
			_, _ = one.Get(t.Context(), "a")
		}()
		<-began
		v := cache.Aside(other, quick.config())
		got, err := v.Read(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, cache.Loaded, got.From)
		require.EqualValues(t, 1, other.Figures().Waits)
		close(goOn)
		<-done
		got, err = v.Read(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, cache.Far, got.From)
	})
}

func TestViewCallerMayLeave(t *testing.T) {
	t.Parallel()
	truth := newTruth("a", "1")
	goOn := make(chan struct{})
	truth.before = func(string) { <-goOn }
	v := cache.Aside(cache.NewSpace(cache.Reports, nil, cache.Options{}), truth.config())
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	_, err := v.Get(ctx, "a")
	require.ErrorIs(t, err, gone)
	// The load goes on for the others.
	close(goOn)
	got, err := v.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "1", got)
	require.EqualValues(t, 1, truth.loads.Load())
}

func TestViewLoadThatPanics(t *testing.T) {
	t.Parallel()
	v := cache.Aside(cache.NewSpace(cache.Reports, nil, cache.Options{}), cache.Config[string, string]{
		Load: func(context.Context, string) (string, error) { panic("oh") },
	})
	_, err := v.Get(t.Context(), "a")
	require.ErrorContains(t, err, "oh")
}

func TestViewLoadThatTakesTooLong(t *testing.T) {
	t.Parallel()
	v := cache.Aside(cache.NewSpace(cache.Reports, nil, cache.Options{LoadTime: 10 * time.Millisecond}), cache.Config[string, string]{
		Load: func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "", ctx.Err() },
	})
	_, err := v.Get(t.Context(), "a")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestViewRefreshesAhead(t *testing.T) {
	t.Parallel()
	eachSpace(t, func(t *testing.T, keeps bool, open func() *cache.Space) {
		if !keeps {
			t.Skip("there is nothing to refresh")
		}
		ctx, truth := t.Context(), newTruth("a", "1")
		space := open()
		v := cache.RefreshAhead(space, truth.config(), 0) // always
		_, err := v.Get(ctx, "a")
		require.NoError(t, err)
		truth.set("a", "2")
		// Nobody waits for it: the old one is given until the new one is there.
		got, err := v.Read(ctx, "a")
		require.NoError(t, err)
		require.True(t, got.From.Hit())
		require.Eventually(t, func() bool {
			got, err := v.Read(ctx, "a")
			return err == nil && got.V == "2" && got.From.Hit()
		}, 5*time.Second, time.Millisecond)
		space.Close()
		before := truth.loads.Load()
		_, err = v.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, before, truth.loads.Load(), "nothing is refreshed after Close")
	})
}

// A refresh that fails leaves what is there, and one that an invalidation
// overtakes is not stored.
func TestViewRefreshThatFailsOrIsOvertaken(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		ctx, truth := t.Context(), newTruth("a", "old")
		space := cache.NewSpace(cache.Namespace{Name: uuid.NewString(), TTL: time.Hour}, b, cache.Options{Near: never})
		defer space.Close()
		v := cache.RefreshAhead(space, truth.config(), 0)
		_, err := v.Get(ctx, "a")
		require.NoError(t, err)
		truth.mu.Lock()
		truth.err = errors.New("away")
		truth.mu.Unlock()
		_, err = v.Get(ctx, "a")
		require.NoError(t, err)
		require.Eventually(t, func() bool { return space.Figures().Failed > 0 }, 5*time.Second, time.Millisecond)
		got, err := v.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, "old", got)

		loaded, goOn := make(chan struct{}), make(chan struct{})
		truth.mu.Lock()
		truth.err = nil
		truth.after = first(func() { close(loaded); <-goOn })
		truth.mu.Unlock()
		require.Eventually(t, func() bool { // begins a refresh, which reads the old value, when the failing one is over
			_, err := v.Get(ctx, "a")
			select {
			case <-loaded:
				return err == nil
			default:
				return false
			}
		}, 5*time.Second, time.Millisecond)
		truth.set("a", "new")
		require.NoError(t, v.Delete(ctx, "a"))
		close(goOn)
		require.Eventually(t, func() bool {
			got, err := v.Get(ctx, "a")
			return err == nil && got == "new" && space.Figures().Refused > 0
		}, 5*time.Second, time.Millisecond)
	})
}

func TestViewWritesThrough(t *testing.T) {
	t.Parallel()
	eachSpace(t, func(t *testing.T, keeps bool, open func() *cache.Space) {
		ctx, truth := t.Context(), newTruth("a", "1")
		store := func(_ context.Context, k, value string) error { truth.set(k, value); return nil }
		v := cache.WriteThrough(open(), truth.config(), store)
		_, err := v.Get(ctx, "a")
		require.NoError(t, err)
		before := truth.loads.Load()
		require.NoError(t, v.Put(ctx, "a", "2"))
		got, err := v.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, "2", got)
		if keeps {
			require.Equal(t, before, truth.loads.Load(), "what was put need not be loaded")
		}
		require.ErrorIs(t, cache.Aside(open(), truth.config()).Put(ctx, "a", "3"), cache.ErrReadOnly)
	})
}

func TestViewWriteThatFails(t *testing.T) {
	t.Parallel()
	eachSpace(t, func(t *testing.T, _ bool, open func() *cache.Space) {
		ctx, truth := t.Context(), newTruth("a", "1")
		refused := errors.New("refused")
		v := cache.WriteThrough(open(), truth.config(), func(context.Context, string, string) error { return refused })
		_, err := v.Get(ctx, "a")
		require.NoError(t, err)
		require.ErrorIs(t, v.Put(ctx, "a", "2"), refused)
		got, err := v.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, "1", got)
	})
}

// Whatever the order of puts, loads and invalidations at once, what is kept in
// the end is what is true.
func TestViewWritesAtOnce(t *testing.T) {
	t.Parallel()
	eachSpace(t, func(t *testing.T, _ bool, open func() *cache.Space) {
		for round := range 20 {
			ctx, truth := t.Context(), newTruth("a", "0")
			store := func(_ context.Context, k, value string) error { truth.set(k, value); return nil }
			config := truth.config()
			config.Name = fmt.Sprint(round)
			v := cache.WriteThrough(open(), config, store)
			var all sync.WaitGroup
			for i := range 4 {
				all.Go(func() {
					if err := v.Put(ctx, "a", fmt.Sprint(i)); err != nil {
						t.Error(err)
					}
				})
				all.Go(func() { _, _ = v.Get(ctx, "a") })
			}
			all.Go(func() { _ = v.Delete(ctx, "a") })
			all.Wait()
			got, err := v.Get(ctx, "a")
			require.NoError(t, err)
			require.Equal(t, truth.values["a"], got)
		}
	})
}

// slowDelete is a backend that does something before it deletes.
type slowDelete struct {
	cache.Backend
	before func()
}

func (s *slowDelete) Delete(ctx context.Context, keys []string) error {
	s.before()
	return s.Backend.Delete(ctx, keys)
}

// A read while the backend is being told holds nothing for longer than that: be
// it of Delete, or of a Put that another overtook.
func TestViewReadWhileTheBackendIsTold(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		ctx, truth := t.Context(), newTruth("a", "1")
		slow := &slowDelete{Backend: b}
		n := cache.Namespace{Name: uuid.NewString(), TTL: time.Hour}
		space, other := cache.NewSpace(n, slow, cache.Options{Near: time.Minute}), cache.NewSpace(n, b, cache.Options{Near: time.Minute})
		defer space.Close()
		defer other.Close()
		v := cache.WriteThrough(space, truth.config(), func(ctx context.Context, k, value string) error {
			err := cache.Aside(other, truth.config()).Delete(ctx, k) // takes the lease of Put away
			require.NoError(t, err)
			_, err = cache.Aside(other, truth.config()).Get(ctx, k)
			require.NoError(t, err)
			truth.set(k, value)
			return nil
		})
		read := func() string {
			got, err := v.Get(ctx, "a")
			require.NoError(t, err)
			return got
		}
		slow.before = func() { read() }

		require.Equal(t, "1", read())
		truth.set("a", "2")
		require.NoError(t, v.Delete(ctx, "a"))
		require.Equal(t, "2", read())

		require.NoError(t, v.Put(ctx, "a", "3"))
		require.Equal(t, "3", read())
	})
}

// Two spaces over one backend are two processes: one sees what the other has
// stored, and after its own near life what the other has changed.
func TestViewAcrossProcesses(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		ctx, truth := t.Context(), newTruth("a", "1")
		n := cache.Namespace{Name: uuid.NewString(), TTL: time.Hour}
		one := cache.Aside(cache.NewSpace(n, b, cache.Options{Near: time.Minute}), truth.config())
		other := cache.Aside(cache.NewSpace(n, b, cache.Options{Near: 100 * time.Millisecond}), truth.config())
		for _, v := range []*cache.View[string, string]{one, other} {
			got, err := v.Get(ctx, "a")
			require.NoError(t, err)
			require.Equal(t, "1", got)
		}
		require.EqualValues(t, 1, truth.loads.Load())
		truth.set("a", "2")
		require.NoError(t, one.Delete(ctx, "a"))
		require.Eventually(t, func() bool {
			got, err := other.Get(ctx, "a")
			return err == nil && got == "2"
		}, 2*time.Second, 5*time.Millisecond)
	})
}

// What lies under a key and is no value of this version is as nothing.
func TestViewIgnoresWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		ctx, truth := t.Context(), newTruth("a", "1")
		n := cache.Namespace{Name: uuid.NewString(), TTL: time.Hour}
		open := func(version uint16) *cache.View[string, string] {
			config := truth.config()
			config.Version = version
			return cache.Aside(cache.NewSpace(n, b, cache.Options{Near: never}), config)
		}
		v := open(2)
		key := n.Key("a")
		_, err := v.Get(ctx, "a")
		require.NoError(t, err)
		whole, err := b.Read(ctx, []string{key})
		require.NoError(t, err)
		damaged := [][]byte{{}, []byte("x"), []byte("{}"), []byte("V1"), whole[0][:len(whole[0])-1], append(slices.Clone(whole[0]), 0)}
		for i := range whole[0] {
			if i < 2 || i >= 18 { // the token may be anything
				flipped := slices.Clone(whole[0])
				flipped[i] ^= 1
				damaged = append(damaged, flipped)
			}
		}
		for i, raw := range damaged {
			for _, many := range []bool{false, true} {
				require.NoError(t, b.Write(ctx, []cache.Item{{Key: key, Value: raw, TTL: time.Minute}}))
				before := truth.loads.Load()
				if many {
					got, err := v.GetMany(ctx, []string{"a"})
					require.NoError(t, err, i)
					require.Equal(t, "1", got["a"], i)
				} else {
					got, err := v.Get(ctx, "a")
					require.NoError(t, err, i)
					require.Equal(t, "1", got, i)
				}
				require.Equal(t, before+1, truth.loads.Load(), i)
				got, err := v.Read(ctx, "a") // and it is mended
				require.NoError(t, err)
				require.Equal(t, cache.Far, got.From, i)
			}
		}

		// A newer program's value is left to it; an older one's is replaced.
		newer, older := open(3), open(1)
		_, err = newer.Get(ctx, "a")
		require.NoError(t, err)
		got, err := v.Read(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, cache.Loaded, got.From)
		got, err = newer.Read(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, cache.Far, got.From)
		got, err = older.Read(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, cache.Loaded, got.From)
	})
}

func TestFiguresCountReads(t *testing.T) {
	t.Parallel()
	ctx, truth := t.Context(), newTruth("a", "1")
	b := cache.Memory(100)
	space := cache.NewSpace(cache.Reports, b, cache.Options{Near: time.Minute})
	v := cache.Aside(space, truth.config())
	require.InDelta(t, 1, space.Figures().HitRate(), 0)
	for range 3 {
		_, _ = v.Get(ctx, "a")
		_, _ = v.Get(ctx, "b")
	}
	require.Equal(t, cache.Figures{Near: 2, Absent: 2, Loads: 2}, space.Figures())
	require.InDelta(t, 4.0/6, space.Figures().HitRate(), 1e-9)
	other := cache.NewSpace(cache.Reports, b, cache.Options{})
	_, err := cache.Aside(other, truth.config()).Get(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, cache.Figures{Far: 1}, other.Figures())
	require.Equal(t, cache.Figures{Near: 2, Far: 1, Absent: 2, Loads: 2}, space.Figures().Add(other.Figures()))
}

// record is a value of the kinds that programmes have.
type record struct {
	ID     uuid.UUID
	Amount decimal.Decimal
	At     time.Time
	Name   string
	Parts  map[string]decimal.Decimal
	Parent *uuid.UUID
	None   *uuid.UUID
	List   []record
}

func TestCBORIsExact(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	zone := time.FixedZone("", -3*3600)
	for _, text := range []string{"0", "0.10", "-12.34", "99999999999999999999.99", "1e-20", "0.000001", "123456789012345678901234567890"} {
		in := &record{
			ID: id, Amount: decimal.RequireFromString(text), At: time.Date(2026, 1, 2, 3, 4, 5, 678901234, zone),
			Name: "né\x00", Parts: map[string]decimal.Decimal{"a": decimal.RequireFromString(text)}, Parent: &id,
			List: []record{{Amount: decimal.RequireFromString(text)}},
		}
		codec := cache.CBOR[*record]{}
		data, err := codec.Encode(in)
		require.NoError(t, err)
		out, err := codec.Decode(data)
		require.NoError(t, err)
		require.Equal(t, in.Amount.String(), out.Amount.String())
		require.Equal(t, in.Amount.Exponent(), out.Amount.Exponent())
		require.True(t, in.At.Equal(out.At))
		require.Equal(t, in.At.Format(time.RFC3339Nano), out.At.Format(time.RFC3339Nano))
		require.Equal(t, in.Parts["a"].String(), out.Parts["a"].String())
		require.Equal(t, in.List[0].Amount.String(), out.List[0].Amount.String())
		require.Equal(t, []any{in.ID, in.Name, in.Parent, in.None}, []any{out.ID, out.Name, out.Parent, out.None})
	}
}

func TestNamespacesAreTheSeeds(t *testing.T) {
	t.Parallel()
	lives := map[int]time.Duration{0: 24 * time.Hour, 1: 24 * time.Hour, 2: 30 * time.Minute, 3: 15 * time.Minute, 4: 30 * time.Minute, 5: time.Hour}
	got := map[int]time.Duration{}
	for _, n := range cache.Namespaces() {
		got[n.DB] = n.TTL
	}
	require.True(t, maps.Equal(lives, got), "%v", got)
	require.Equal(t, "affiliate:stats:7", cache.AffiliateStats.Key("7"))
	require.Equal(t, "affiliate:stats:team:7", cache.AffiliateStats.Key("team", "7"))
	require.Equal(t, "config:a", cache.General.Key("", "a"))
}
