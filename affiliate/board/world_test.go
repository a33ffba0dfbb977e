package board_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "time/tzdata"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m, "^Example") }

// noon is when it is in a world until a test says otherwise: a Sunday.
var noon = time.Date(2025, 6, 15, 12, 0, 0, 0, time.UTC)

// world is affiliates with scores, in a database of its own.
type world struct {
	t     testing.TB
	pool  *pgxpool.Pool
	db    *counted
	now   atomic.Pointer[time.Time]
	ids   map[string]uuid.UUID
	names map[uuid.UUID]string
}

func newWorld(t testing.TB, names ...string) *world {
	t.Helper()
	w := &world{t: t, pool: testenv.Clone(t), ids: map[string]uuid.UUID{}, names: map[uuid.UUID]string{}}
	w.db = &counted{DB: w.pool}
	w.at(noon)
	w.exec(`select fature.ensure_partition(tab, month) from unnest(array['transactions', 'commissions']) tab,
		generate_series('2025-05-01 00:00+00'::timestamptz, '2025-07-01 00:00+00', '1 month') month`)
	w.people(names...)
	return w
}

func (w *world) at(now time.Time) { w.now.Store(&now) }

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.pool.Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
}

// people makes affiliates whose ids rise with their order.
func (w *world) people(names ...string) {
	w.t.Helper()
	drafts := make([]affiliate.Draft, len(names))
	for i, name := range names {
		drafts[i] = affiliate.Draft{ID: pg.NewID(), Name: name, Email: name + "@example.com"}
		w.ids[name], w.names[drafts[i].ID] = drafts[i].ID, name
	}
	_, err := w.affiliates().CreateAll(w.t.Context(), drafts)
	require.NoError(w.t, err)
}

func (w *world) affiliates() *affiliate.Store {
	db := pg.In(w.pool, "")
	return affiliate.New(db, hierarchy.New(db, hierarchy.Options{}))
}

// sell records the volume of a sale as the pipeline does.
func (w *world) sell(name, amount string, at time.Time) uuid.UUID {
	w.t.Helper()
	id := pg.NewID()
	w.exec(`with d as (insert into fature.affiliate_deltas (affiliate_id, month, transactions, volume, commissions)
			values ($2, date_trunc('month', $4::timestamptz, 'UTC'), 1, $3::numeric, 0))
		insert into fature.transactions (id, affiliate_id, type, amount, volume, currency, status, created_at, rated_at, rated_seq, seen_seq)
		values ($1, $2, 'sale', $3::numeric, $3::numeric, 'BRL', 'processed', $4, now(), nextval('fature.rated_seq'), 0)`, id, w.ids[name], amount, at)
	return id
}

// earn posts a line.
func (w *world) earn(name, amount string, at time.Time) {
	w.t.Helper()
	w.exec(`with d as (insert into fature.affiliate_deltas (affiliate_id, month, transactions, volume, commissions)
			values ($1, date_trunc('month', $3::timestamptz, 'UTC'), 0, 0, $2::numeric))
		insert into fature.commissions (affiliate_id, kind, rule, level, base_amount, rate, amount, final_amount, currency, status, available_at, calculation, created_at)
		values ($1, 'adjustment', 'x', 0, 0, 0, $2::numeric, $2::numeric, 'BRL', 'approved', $3, '{}', $3)`, w.ids[name], amount, at)
}

func (w *world) options() board.Options {
	return board.Options{Clock: func() time.Time { return *w.now.Load() }}
}

// boards are those of a process without Redis.
func (w *world) boards() *board.Boards { return board.New(pg.In(w.db, ""), w.options()) }

// far is a Redis of a test's own, by its prefix.
type far struct {
	address, prefix string
}

func newFar(t testing.TB) far {
	t.Helper()
	o, err := redis.ParseURL(testenv.Redis(t))
	require.NoError(t, err)
	return far{o.Addr, "board-test-" + uuid.NewString() + ":"}
}

// connect is a process's connections to it.
func (f far) connect(t testing.TB) *cache.Redis {
	t.Helper()
	r, err := cache.Connect(redis.UniversalOptions{Addrs: []string{f.address}}, f.prefix)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r.WithBudget(5 * time.Second) // the machine of the tests is crowded
}

// process is the boards of a process that shares a Redis with others.
func (w *world) process(f far) (*board.Boards, redis.UniversalClient) {
	w.t.Helper()
	return w.over(f.connect(w.t))
}

func (w *world) over(r *cache.Redis) (*board.Boards, redis.UniversalClient) {
	o := w.options()
	o.Redis = r
	return board.New(pg.In(w.db, ""), o), r.Client(cache.Rankings)
}

// counted counts how often a board is loaded, and may make that last.
type counted struct {
	pg.DB
	loads atomic.Int64
	names atomic.Int64
	slow  atomic.Int64 // nanoseconds
}

func (c *counted) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	switch {
	case strings.Contains(sql, "score"):
		c.loads.Add(1)
		select {
		case <-time.After(time.Duration(c.slow.Load())):
		case <-ctx.Done():
		}
	case strings.Contains(sql, "u.name"):
		c.names.Add(1)
	}
	return c.DB.Query(ctx, sql, args...)
}

// told is a page as text.
func told(entries []board.Entry) string {
	var all []string
	for _, e := range entries {
		all = append(all, fmt.Sprintf("%d %s %d", e.Rank, e.Name, e.Score))
	}
	return strings.Join(all, ", ")
}

// ways are all ways to read the same boards; each finds what was there when it
// began.
func (w *world) ways(t *testing.T, check func(t *testing.T, s *board.Boards)) {
	t.Run("without Redis", func(t *testing.T) { check(t, w.boards()) })
	t.Run("Redis", func(t *testing.T) {
		s, client := w.process(newFar(t))
		check(t, s)
		require.NotZero(t, client.Exists(t.Context(), first(s.Key(board.Board{Metric: board.Volume, Period: board.All}))).Val()+1)
		require.Zero(t, s.Kept(), "Redis keeps them")
	})
	t.Run("no Redis there", func(t *testing.T) {
		s, _ := w.process(far{"127.0.0.1:1", "x:"})
		check(t, s)
	})
	t.Run("the host's transaction", func(t *testing.T) {
		tx, err := w.pool.Begin(t.Context())
		require.NoError(t, err)
		defer func() { _ = tx.Rollback(context.Background()) }()
		check(t, w.boards().WithTx(tx))
	})
}

func first[A, B any](a A, _ B) A { return a }

// atOnce runs the calls together.
func atOnce(n int, call func(i int)) {
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			call(i)
		})
	}
	close(start)
	all.Wait()
}
