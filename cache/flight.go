package cache

import (
	"errors"
	"sync"
)

// flights are the reads under way, one for each key. Unlike singleflight's,
// the first of a key is made where its caller stands: a hit in the backend then
// costs no goroutine, which is a good part of a call of Redis.
type flights[K comparable, V any] struct {
	mu sync.Mutex
	of map[K]*flight[V]
}

// flight is one read. What came of it is there when done is closed.
type flight[V any] struct {
	done chan struct{}
	v    V
	err  error
}

// errLost is of a read whose codec panicked.
var errLost = errors.New("cache: the read that others waited for panicked")

// join is the flight of a key; it is the caller's to end where it is the first.
func (f *flights[K, V]) join(k K) (one *flight[V], first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one = f.of[k]; one != nil {
		return one, false
	}
	if f.of == nil {
		f.of = make(map[K]*flight[V])
	}
	one = &flight[V]{done: make(chan struct{}), err: errLost}
	f.of[k] = one
	return one, true
}

// end lets go of all who wait.
func (f *flights[K, V]) end(k K, one *flight[V]) {
	f.mu.Lock()
	if f.of[k] == one { // it may be forgotten
		delete(f.of, k)
	}
	f.mu.Unlock()
	close(one.done)
}

// forget makes the next read of a key another than the one under way.
func (f *flights[K, V]) forget(k K) {
	f.mu.Lock()
	delete(f.of, k)
	f.mu.Unlock()
}
