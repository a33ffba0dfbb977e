package cache

import (
	"sync/atomic"
	"time"
)

const (
	failuresToOpen = 5 // in a row
	shortestOpen   = 500 * time.Millisecond
	longestOpen    = 10 * time.Second
)

// breaker keeps calls from a server that does not answer: after five failures
// in a row it is open, and nothing is sent. When its time is over one call
// tries; a failure opens it for twice as long.
type breaker struct {
	failures atomic.Int32
	opened   atomic.Int32 // how often since the last success
	until    atomic.Int64 // Unix nanoseconds; 0 is closed
}

// allow tells whether a call may be sent.
func (b *breaker) allow() bool {
	until := b.until.Load()
	if until == 0 {
		return true
	}
	now := time.Now().UnixNano()
	// The one that moves the time on is the one that tries.
	return now >= until && b.until.CompareAndSwap(until, now+int64(shortestOpen))
}

func (b *breaker) succeeded() {
	if b.failures.Load() != 0 || b.until.Load() != 0 {
		b.failures.Store(0)
		b.opened.Store(0)
		b.until.Store(0)
	}
}

func (b *breaker) failed() {
	if b.failures.Add(1) < failuresToOpen {
		return
	}
	opened := b.opened.Load()
	life := min(shortestOpen<<min(opened, 8), longestOpen)
	b.opened.CompareAndSwap(opened, opened+1)
	b.until.Store(time.Now().Add(jittered(life)).UnixNano())
}

// open tells whether calls are kept back.
func (b *breaker) open() bool { return b.until.Load() != 0 }
