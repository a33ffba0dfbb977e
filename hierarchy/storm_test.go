package hierarchy_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/pg"
)

// storm is what many workers do at once to the same trees.
type storm struct {
	world *world
	db    pg.DB
	tree  *hierarchy.Store
	mu    sync.Mutex
	ids   []uuid.UUID
	done  map[string]int
}

// Sixteen workers attach, move and detach on fifty trees: not one row of the
// closure is wrong afterwards, and the server has seen no deadlock.
func TestStorm(t *testing.T) {
	t.Parallel()
	each, lasting := 100, 1200*time.Millisecond
	if long() {
		each, lasting = 400, 5*time.Minute
	}
	w := own(t)
	w.o.MaxDepth = 12
	roots := w.leaves(uuid.Nil, 50)
	s := &storm{world: w, ids: roots, done: make(map[string]int)}
	for _, id := range roots {
		s.ids = append(s.ids, w.chain(id, 3)...)
	}
	pool := w.crowd()
	s.db = pg.In(pool, "")
	s.tree = hierarchy.New(s.db, w.o)

	start := time.Now()
	var workers sync.WaitGroup
	for seed := range uint64(16) {
		workers.Go(func() { s.work(rand.New(rand.NewPCG(seed, 0)), each, start.Add(lasting)) }) //nolint:gosec // a test
	}
	workers.Wait()
	pool.Close()

	t.Logf("in %v: %v", time.Since(start), s.done)
	w.wantSound()
	w.wantNoDeadlock()
}

func (s *storm) work(r *rand.Rand, times int, until time.Time) {
	ctx := s.world.t.Context()
	for range times {
		if time.Now().After(until) {
			return
		}
		id, other := s.draw(r), s.draw(r)
		switch n := r.IntN(10); {
		case n < 5:
			s.note("move", s.tree.Move(ctx, id, other))
		case n < 7:
			s.note("detach", s.tree.Detach(ctx, id))
		default:
			s.attach(ctx, id, other)
		}
	}
}

// attach places one under an affiliate, one under that, and one elsewhere.
func (s *storm) attach(ctx context.Context, id, other uuid.UUID) {
	a, b, c := newID(), newID(), newID()
	_, err := create(ctx, s.db, s.world.o, hierarchy.Node{ID: a, ParentID: id},
		hierarchy.Node{ID: b, ParentID: a}, hierarchy.Node{ID: c, ParentID: other})
	if s.note("attach", err) {
		s.mu.Lock()
		s.ids = append(s.ids, a, b, c)
		s.mu.Unlock()
	}
}

func (s *storm) draw(r *rand.Rand) uuid.UUID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[r.IntN(len(s.ids))]
}

// note counts what was done, and fails the test at a refusal that the tree
// does not explain.
func (s *storm) note(verb string, err error) (ok bool) {
	var depth *hierarchy.DepthError
	switch {
	case errors.Is(err, hierarchy.ErrCycle):
		verb = "cycle refused"
	case errors.As(err, &depth):
		verb = "depth refused"
	case err != nil:
		s.world.t.Errorf("%s: %v", verb, err)
	}
	s.mu.Lock()
	s.done[verb]++
	s.mu.Unlock()
	return err == nil
}

// crowd is a second pool on the world's database. Its sessions report their
// deadlocks when they end, so it must be closed before wantNoDeadlock.
func (w *world) crowd() *pgxpool.Pool {
	w.t.Helper()
	pool, err := pgxpool.NewWithConfig(w.t.Context(), w.pool.Config())
	require.NoError(w.t, err)
	w.t.Cleanup(pool.Close)
	return pool
}

// wantNoDeadlock asks the server, since a transaction of our own that ended in
// one is tried again in silence.
func (w *world) wantNoDeadlock() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		return int(w.pool.Stat().TotalConns()) >= one[int](w, `
			select count(*) from pg_stat_activity
			where datname = current_database() and backend_type = 'client backend'`)
	}, 10*time.Second, 10*time.Millisecond)
	require.Zero(w.t, one[int](w, `select deadlocks from pg_stat_database where datname = current_database()`))
}

// Moves that make a cycle only together: one of them is always refused, however
// they meet.
func TestMovesInARing(t *testing.T) {
	t.Parallel()
	rounds := 20
	if long() {
		rounds = 200
	}
	w := own(t)
	pool := w.crowd()
	tree := hierarchy.New(pg.In(pool, ""), w.o)
	for _, n := range []int{2, 3} {
		for range rounds {
			w.ring(tree, n)
		}
	}
	pool.Close()
	w.wantSound()
	w.wantNoDeadlock()
}

// ring moves n roots under each other at once, each under the next.
func (w *world) ring(tree *hierarchy.Store, n int) {
	w.t.Helper()
	roots := w.leaves(uuid.Nil, n)
	refused := make([]error, n)
	start := make(chan struct{})
	var movers sync.WaitGroup
	for i, id := range roots {
		movers.Go(func() {
			<-start
			refused[i] = tree.Move(w.t.Context(), id, roots[(i+1)%n])
		})
	}
	close(start)
	movers.Wait()

	var cycles int
	for _, err := range refused {
		if err != nil {
			require.ErrorIs(w.t, err, hierarchy.ErrCycle)
			cycles++
		}
	}
	require.Equal(w.t, 1, cycles)
}
