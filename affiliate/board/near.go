package board

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/fature/fature/cache"
)

// maxKept is how many boards a process keeps at once, the latest built.
const maxKept = 16

// near is what a process keeps of boards: those that Redis could not keep for
// it, until when others are there, and those that are being built.
type near struct {
	mu      sync.Mutex
	kept    map[string]kept
	there   map[string]time.Time
	flights map[string]*flight
}

type kept struct {
	*ranking
	until time.Time
}

// flight is a board that is being built for all who ask meanwhile. Whoever
// asked first builds it.
type flight struct {
	done  chan struct{}
	board *ranking // nil: Redis has it
	err   error
}

func newNear() *near {
	return &near{kept: map[string]kept{}, there: map[string]time.Time{}, flights: map[string]*flight{}}
}

// inRedis tells that a board ought to be in Redis. Where it is not known to be,
// one of those who ask looks for all of them.
func (n *near) inRedis(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Now().Before(n.there[name])
}

// isInRedis notes that a board is in Redis for a while.
func (n *near) isInRedis(name string, left time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(n.there, func(_ string, until time.Time) bool { return now.After(until) })
	n.there[name] = now.Add(left)
}

func (n *near) get(name string, now time.Time) *ranking {
	n.mu.Lock()
	defer n.mu.Unlock()
	if k, ok := n.kept[name]; ok && now.Before(k.until) {
		return k.ranking
	}
	return nil
}

func (n *near) keep(name string, r *ranking, until time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kept[name] = kept{r, until}
	for len(n.kept) > maxKept {
		oldest := ""
		for other, k := range n.kept {
			if oldest == "" || k.until.Before(n.kept[oldest].until) {
				oldest = other
			}
		}
		delete(n.kept, oldest)
	}
}

// once runs build unless somebody is at it already, whose result it shares.
// Where that one gave up because its own caller did, another goes on.
func (n *near) once(ctx context.Context, name string, build func() (*ranking, error)) (*ranking, error) {
	for {
		n.mu.Lock()
		f, there := n.flights[name]
		if !there {
			f = &flight{done: make(chan struct{}), err: errors.New("the build ended without a result")}
			n.flights[name] = f
		}
		n.mu.Unlock()
		if !there {
			n.run(name, f, build)
			return f.board, f.err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if f.err == nil || ctx.Err() != nil || !errors.Is(f.err, context.Canceled) && !errors.Is(f.err, context.DeadlineExceeded) {
			return f.board, f.err
		}
	}
}

// run ends the flight also when build panics.
func (n *near) run(name string, f *flight, build func() (*ranking, error)) {
	defer func() {
		n.mu.Lock()
		delete(n.flights, name)
		n.mu.Unlock()
		close(f.done)
	}()
	f.board, f.err = build()
}

// own reads a board that the process keeps, and builds it where it does not.
func (s *Boards) own(ctx context.Context, of bounded) (*ranking, cache.From, error) {
	if s.near == nil {
		r, err := s.load(ctx, of)
		return r, cache.Bypassed, err
	}
	for {
		if r := s.near.get(of.name, s.now()); r != nil {
			return r, cache.Near, nil
		}
		r, err := s.near.once(ctx, of.name, func() (*ranking, error) { return s.loadOwn(ctx, of) })
		if r != nil || err != nil {
			return r, cache.Loaded, err
		} // else it has waited for one that found the board in Redis
	}
}

// loadOwn builds a board for the process to keep, unless it does already.
func (s *Boards) loadOwn(ctx context.Context, of bounded) (*ranking, error) {
	if r := s.near.get(of.name, s.now()); r != nil {
		return r, nil
	}
	r, err := s.load(ctx, of)
	if err == nil {
		s.near.keep(of.name, r, r.asOf.Add(s.life()))
	}
	return r, err
}
