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
	lasting := 1200 * time.Millisecond
	if long() {
		lasting = 20 * time.Second
	}
	w := own(t)
	w.o.MaxDepth = 12
	roots := w.leaves(uuid.Nil, 50)
	s := &storm{world: w, ids: roots, done: make(map[string]int)}
	for _, id := range roots {
		s.ids = append(s.ids, w.chain(id, 3)...)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), w.pool.Config())
	require.NoError(t, err)
	s.db = pg.In(pool, "")
	s.tree = hierarchy.New(s.db, w.o)

	var workers sync.WaitGroup
	for seed := range uint64(16) {
		workers.Go(func() { s.work(rand.New(rand.NewPCG(seed, 0)), time.Now().Add(lasting)) }) //nolint:gosec // a test
	}
	workers.Wait()
	pool.Close() // its sessions report their deadlocks at their end

	t.Logf("in %v: %v", lasting, s.done)
	w.wantSound()
	w.wantNoDeadlock(pool)
}

func (s *storm) work(r *rand.Rand, until time.Time) {
	ctx := s.world.t.Context()
	for time.Now().Before(until) {
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

// wantNoDeadlock asks the server, since a transaction of our own that ended in
// one is tried again in silence.
func (w *world) wantNoDeadlock(closed *pgxpool.Pool) {
	w.t.Helper()
	require.Zero(w.t, closed.Stat().TotalConns())
	require.Eventually(w.t, func() bool {
		return 1 >= one[int](w, `
			select count(*) from pg_stat_activity
			where datname = current_database() and backend_type = 'client backend' and state = 'active'`)
	}, 10*time.Second, 10*time.Millisecond)
	require.Zero(w.t, one[int](w, `select deadlocks from pg_stat_database where datname = current_database()`))
}

// Moves that make a cycle only together: one of them is always refused, however
// they meet.
func TestMovesInARing(t *testing.T) {
	t.Parallel()
	rounds := 20
	if long() {
		rounds = 500
	}
	w := own(t)
	for _, n := range []int{2, 3} {
		for range rounds {
			w.ring(n)
		}
	}
	w.wantSound()
}

// ring moves n roots under each other at once, each under the next.
func (w *world) ring(n int) {
	w.t.Helper()
	roots := w.leaves(uuid.Nil, n)
	refused := make([]error, n)
	start := make(chan struct{})
	var movers sync.WaitGroup
	for i, id := range roots {
		movers.Go(func() {
			<-start
			refused[i] = w.tree.Move(w.t.Context(), id, roots[(i+1)%n])
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
