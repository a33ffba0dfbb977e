package cache

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime/debug"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
)

// Config is what a view reads, and how. Load is needed.
type Config[K comparable, V any] struct {
	// Name goes between the namespace and the key. Views of one Space differ in
	// it; one of them may have none.
	Name string
	// Version is of what the codec writes. A view does not read values of
	// another version.
	Version uint16
	// Load reads the value from where it is true.
	Load func(ctx context.Context, k K) (V, error)
	// LoadMany reads many in one go: those that are not there are left out.
	// Without it GetMany calls Load for each.
	LoadMany func(ctx context.Context, ks []K) (map[K]V, error)
	// Absent is the error of Load that means that there is nothing, by errors.Is.
	// It is remembered for a minute at most.
	Absent error
	// Key is how a key is written. Defaults to its String, or fmt.Sprint.
	Key func(k K) string
	// TTL defaults to the namespace's.
	TTL time.Duration
	// Codec defaults to CBOR.
	Codec Codec[V]
}

// From is where a value came from.
type From string

// The places.
const (
	Near     From = "near"     // this process
	Far      From = "far"      // the backend
	Loaded   From = "loaded"   // where it is true
	Bypassed From = "bypassed" // there too, by a view that keeps nothing
)

// Hit tells whether the value was at hand.
func (f From) Hit() bool { return f == Near || f == Far }

// Value is a value and how it came. It must not be changed: others read it.
type Value[V any] struct {
	V    V
	At   time.Time // when it was loaded, by the clock of the process that did
	From From
}

// View reads values of one kind. It is safe for concurrent use.
type View[K comparable, V any] struct {
	space *Space
	config[K, V]
	off bool // nothing is kept anywhere
	// near is nil where the process keeps nothing.
	near      *otter.Cache[K, held[V]]
	flights   *flights[K, Value[V]]
	refreshes *flights[K, struct{}]
	guards    *[guards]guard
}

// config is Config and what the strategy adds.
type config[K comparable, V any] struct {
	Config[K, V]
	store func(ctx context.Context, k K, v V) error
	ahead time.Duration // the age at which a value is loaded again; 0 is never
}

// held is what the process keeps: a value, or that there is none.
type held[V any] struct {
	v      V
	at     int64 // in Unix microseconds, since a hit costs by the size
	absent bool
}

func (h held[V]) time() time.Time    { return time.UnixMicro(h.at).UTC() }
func (h held[V]) age() time.Duration { return time.Since(time.UnixMicro(h.at)) }

// guard keeps a load that an invalidation overtook from being kept near: the
// keys that share it count their invalidations together.
type guard struct {
	mu    sync.Mutex
	count uint64
}

const guards = 256

var seed = maphash.MakeSeed()

// Aside makes a view that loads what is missing, and keeps it.
func Aside[K comparable, V any](s *Space, c Config[K, V]) *View[K, V] {
	return newView(s, config[K, V]{Config: c})
}

// RefreshAhead makes a view that loads a value again in the background when it
// is read at more than this part of its life, such as 0.8. Who reads it often
// never waits.
func RefreshAhead[K comparable, V any](s *Space, c Config[K, V], part float64) *View[K, V] {
	v := newView(s, config[K, V]{Config: c})
	v.ahead = max(1, time.Duration(part*float64(v.TTL)))
	return v
}

// WriteThrough makes a view whose Put stores a value and keeps it.
func WriteThrough[K comparable, V any](s *Space, c Config[K, V], store func(ctx context.Context, k K, v V) error) *View[K, V] {
	return newView(s, config[K, V]{Config: c, store: store})
}

func newView[K comparable, V any](s *Space, c config[K, V]) *View[K, V] {
	if c.Key == nil {
		c.Key = written[K]
	}
	if c.TTL <= 0 {
		c.TTL = s.namespace.TTL
	}
	if c.Codec == nil {
		c.Codec = CBOR[V]{}
	}
	life := min(s.options.Near, c.TTL)
	if life <= 0 && s.far == nil {
		return &View[K, V]{space: s, config: c, off: true}
	}
	v := &View[K, V]{space: s, config: c, flights: new(flights[K, Value[V]]), refreshes: new(flights[K, struct{}]), guards: new([guards]guard)}
	if life > 0 {
		v.near = otter.Must(&otter.Options[K, held[V]]{
			MaximumSize:      s.options.Entries,
			ExpiryCalculator: otter.ExpiryWriting[K, held[V]](life),
		})
	}
	return v
}

// written is fmt.Sprint, sooner.
func written[K comparable](k K) string {
	switch k := any(k).(type) {
	case string:
		return k
	case fmt.Stringer:
		return k.String()
	}
	return fmt.Sprint(k)
}

// Get reads the value of a key.
func (v *View[K, V]) Get(ctx context.Context, k K) (V, error) {
	if v.near != nil && v.ahead == 0 { // a hit that is nothing but a look-up
		if h, ok := v.near.GetIfPresent(k); ok && !h.absent {
			v.space.figures.near.Add(1)
			return h.v, nil
		}
	}
	value, err := v.Read(ctx, k)
	return value.V, err
}

// Read is Get that also tells how old the value is, and where it was.
func (v *View[K, V]) Read(ctx context.Context, k K) (Value[V], error) {
	if v.near != nil && !v.off {
		if h, ok := v.near.GetIfPresent(k); ok {
			return v.hit(k, h, Near)
		}
	}
	return v.miss(ctx, k)
}

// hit is what a held value says.
func (v *View[K, V]) hit(k K, h held[V], from From) (Value[V], error) {
	value := Value[V]{V: h.v, At: h.time(), From: from}
	f := &v.space.figures
	switch {
	case h.absent:
		f.absent.Add(1)
		return value, v.Absent
	case from == Near:
		f.near.Add(1)
	case from == Far:
		f.far.Add(1)
	}
	if v.ahead > 0 && from.Hit() && h.age() > v.ahead {
		v.refresh(k)
	}
	return value, nil
}

// miss asks the backend, and then who knows. One asks for all who want the
// value; none waits longer than it likes, and the value comes to the others.
func (v *View[K, V]) miss(ctx context.Context, k K) (Value[V], error) {
	if v.off {
		loaded, err := v.Load(ctx, k)
		return Value[V]{loaded, time.Now(), Bypassed}, err
	}
	one, first := v.flights.join(k)
	if first {
		v.find(ctx, k, one)
	}
	select {
	case <-one.done:
		return one.v, one.err
	case <-ctx.Done():
		return Value[V]{}, context.Cause(ctx)
	}
}

func (v *View[K, V]) key(k K) string { return v.space.namespace.Key(v.Name, v.Key(k)) }

// find looks for a value: in the backend here and now, and then by a load that
// goes on without the caller.
func (v *View[K, V]) find(ctx context.Context, k K, one *flight[Value[V]]) {
	left := false
	defer func() {
		if !left {
			v.flights.end(k, one)
		}
	}()
	if v.near != nil {
		if h, ok := v.near.GetIfPresent(k); ok { // another's load has ended meanwhile
			one.v, one.err = v.hit(k, h, Near)
			return
		}
	}
	begun, key, until := v.begin(k), v.key(k), time.Now().Add(v.space.options.LoadTime)
	within, cancel := context.WithDeadline(ctx, until)
	h, is, err := v.look(within, key)
	cancel()
	if h != nil {
		one.v, one.err = v.fetched(k, begun, *h)
		return
	}
	switch {
	case ctx.Err() != nil:
		is = unasked // who wait on have the time to ask again
	case err != nil:
		v.space.fails(ctx, "read", err)
	}
	left = true
	go func() {
		defer v.flights.end(k, one)
		ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
		defer cancel()
		h, lease := v.await(ctx, key, is)
		if h != nil {
			one.v, one.err = v.fetched(k, begun, *h)
		} else {
			one.v, one.err = v.load(ctx, k, key, begun, lease)
		}
	}()
}

// fetched is what the backend had, which is kept near too.
func (v *View[K, V]) fetched(k K, begun uint64, h held[V]) (Value[V], error) {
	v.keep(k, begun, h)
	return v.hit(k, h, Far)
}

// there is what the backend said of a key, where that was no value.
type there int

const (
	unasked there = iota
	free          // nothing is there: who claims it loads
	busy          // another's lease
	alone         // nothing can be stored, and so the load has no lease
)

// await is a value of the backend, or a lease to load it under. Where another
// process has the lease it waits for that one's value; after the wait, or
// without a backend, it has neither.
func (v *View[K, V]) await(ctx context.Context, key string, is there) (h *held[V], lease []byte) {
	for wait, pause, waited := v.space.options.Wait, time.Millisecond, false; ; {
		if is == unasked {
			var err error
			if h, is, err = v.look(ctx, key); err != nil {
				v.space.fails(ctx, "read", err)
			}
		}
		if is == free {
			h, lease, is = v.claim(ctx, key)
		}
		if is != busy || wait <= 0 {
			return h, lease
		}
		if !waited {
			waited = true
			v.space.figures.waits.Add(1)
		}
		pause = min(2*pause, 50*time.Millisecond, wait)
		wait -= pause
		select {
		case <-time.After(jittered(pause)):
		case <-ctx.Done():
			return nil, nil
		}
		is = unasked
	}
}

// look reads a key.
func (v *View[K, V]) look(ctx context.Context, key string) (*held[V], there, error) {
	if v.space.far == nil {
		return nil, alone, nil
	}
	found, err := v.space.far.Read(ctx, []string{key})
	if err != nil {
		return nil, alone, err
	}
	if found[0] == nil {
		return nil, free, nil
	}
	h, ok, keep := v.decode(found[0])
	switch {
	case ok && h == nil:
		return nil, busy, nil
	case ok || keep:
		return h, alone, nil
	}
	if err := v.space.far.Delete(ctx, []string{key}); err != nil {
		v.space.fails(ctx, "delete", err)
		return nil, alone, nil
	}
	return nil, free, nil
}

// claim takes the lease of a key. Where somebody was quicker by a moment there
// is the value already, or another's lease.
func (v *View[K, V]) claim(ctx context.Context, key string) (*held[V], []byte, there) {
	lease := newLease()
	found, err := v.space.far.Claim(ctx, []Item{{key, lease, leaseLife}})
	if err != nil {
		v.space.fails(ctx, "claim", err)
		return nil, nil, alone
	}
	if found[0] == nil {
		return nil, lease, alone
	}
	h, ok, _ := v.decode(found[0])
	if ok && h == nil {
		return nil, nil, busy
	}
	return h, nil, alone
}

// decode reads what a key holds. No held and ok is a lease; not ok is nothing
// of use, which may stay where keep says so: a later version of the program
// reads it.
func (v *View[K, V]) decode(raw []byte) (h *held[V], ok, keep bool) {
	e, ok := open(raw)
	switch {
	case !ok:
		return nil, false, false
	case e.kind == kindLease:
		return nil, true, true
	case e.version != v.Version:
		return nil, false, e.version > v.Version
	case e.kind == kindAbsent:
		return &held[V]{at: e.at, absent: true}, v.Absent != nil, false
	}
	value, err := v.Codec.Decode(e.value)
	if err != nil {
		return nil, false, false
	}
	return &held[V]{v: value, at: e.at}, true, false
}

// load loads a value, and stores it where the lease still stands, or what it
// refreshes.
func (v *View[K, V]) load(ctx context.Context, k K, key string, begun uint64, lease []byte) (Value[V], error) {
	h := held[V]{at: time.Now().UnixMicro()}
	v.space.figures.loads.Add(1)
	loaded, err := v.guarded(ctx, k)
	switch {
	case err == nil:
		h.v = loaded
	case v.Absent != nil && errors.Is(err, v.Absent):
		h.absent = true
	default:
		v.space.figures.failed.Add(1)
		if isLease(lease) {
			v.swap(ctx, lease, Item{Key: key}) // the next one need not wait
		}
		return Value[V]{}, err
	}
	v.keep(k, begun, h)
	if lease != nil {
		v.swap(ctx, lease, v.item(ctx, key, h))
	}
	return Value[V]{h.v, h.time(), Loaded}, err
}

// guarded is Load: what panics in it has an error instead, since it runs in no
// goroutine of the caller's.
func (v *View[K, V]) guarded(ctx context.Context, k K) (loaded V, err error) {
	defer func() {
		if found := recover(); found != nil {
			err = fmt.Errorf("cache: a load panicked: %v\n%s", found, debug.Stack())
		}
	}()
	return v.Load(ctx, k)
}

// item is how a held value is written; one that cannot be encoded is nothing.
func (v *View[K, V]) item(ctx context.Context, key string, h held[V]) Item {
	if h.absent {
		return Item{key, seal(kindAbsent, v.Version, h.at, nil), jittered(min(v.TTL, maxAbsent) * 9 / 10)}
	}
	value, err := v.Codec.Encode(h.v)
	if err != nil {
		v.space.fails(ctx, "encode", err)
		return Item{Key: key}
	}
	return Item{key, seal(kindValue, v.Version, h.at, value), jittered(v.TTL)}
}

// swap replaces what still is as it was seen.
func (v *View[K, V]) swap(ctx context.Context, was []byte, items ...Item) {
	swapped, err := v.space.far.Swap(ctx, was, items)
	if err != nil {
		v.space.fails(ctx, "swap", err)
		return
	}
	for i, ok := range swapped {
		if !ok && items[i].Value != nil {
			v.space.figures.refused.Add(1)
		}
	}
}

// begin is what keep asks for later: how far the invalidations of a key are.
func (v *View[K, V]) begin(k K) uint64 {
	g := v.guard(k)
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// keep holds a value in the process, unless its key was deleted since begin.
func (v *View[K, V]) keep(k K, begun uint64, h held[V]) {
	if v.near == nil {
		return
	}
	g := v.guard(k)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count == begun {
		v.near.Set(k, h)
	}
}

func (v *View[K, V]) guard(k K) *guard { return &v.guards[maphash.Comparable(seed, k)%guards] }

// forget drops what the process holds of a key, and what is on its way there.
func (v *View[K, V]) forget(k K) {
	g := v.guard(k)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
	if v.near != nil {
		v.near.Invalidate(k)
	}
	v.flights.forget(k)
}
