package board_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

// The benchmarks stand beside their limits: Redis's own command on the same
// data, and the query by itself. FATURE_LONG=1 makes it 100,000 affiliates with
// a million transactions.

var (
	arenaOnce sync.Once
	theArena  *world
	theIDs    []uuid.UUID
)

// arena is made once for all benchmarks of the run.
func arena(b *testing.B) (*world, []uuid.UUID) {
	b.Helper()
	arenaOnce.Do(func() {
		affiliates, rows := 2_000, 20_000
		if os.Getenv("FATURE_LONG") != "" {
			affiliates, rows = 100_000, 1_000_000
		}
		w := &world{t: b, pool: testenv.Pool(b)}
		w.db = &counted{DB: w.pool}
		w.at(noon)
		w.exec("select fature.ensure_partition('transactions', '2025-06-01 00:00+00')")
		require.NoError(b, pgx.BeginFunc(b.Context(), w.pool, func(tx pgx.Tx) error { return fill(b.Context(), tx, affiliates, rows) }))
		w.exec("vacuum analyze fature.transactions")
		w.exec("vacuum analyze fature.affiliates")
		var err error
		theIDs, err = pg.Column[uuid.UUID](b.Context(), w.pool, "select id from fature.affiliates order by random() limit 1000")
		require.NoError(b, err)
		theArena = w
	})
	if theArena == nil {
		b.Fatal("the arena could not be made")
	}
	theArena.t = b
	return theArena, theIDs
}

func fill(ctx context.Context, tx pgx.Tx, affiliates, rows int) error {
	var batch pgx.Batch
	batch.Queue("set local session_replication_role = replica")
	batch.Queue("insert into fature.users (email, email_canon, name) select n || '@x', n || '@x', 'Name ' || n from generate_series(1, $1::int) n", affiliates)
	batch.Queue("insert into fature.affiliates (user_id, referral_code) select id, left(id::text, 20) from fature.users")
	batch.Queue(`
		with a as materialized (select array_agg(id) as ids from fature.affiliates)
		insert into fature.transactions (affiliate_id, type, amount, volume, currency, status, created_at, rated_at, rated_seq, seen_seq)
		select ids[1 + (r.at ^ 2 * ($1::int - 1))::int], 'sale', r.x, r.x, 'BRL', 'processed', '2025-06-01 00:00+00'::timestamptz + r.at * interval '29 days', now(), r.n, 0
		from a, (select n, (random() * 100)::numeric(15,2) as x, random() as at from generate_series(1, $2::int) n) r`, affiliates, rows)
	return tx.SendBatch(ctx, &batch).Close()
}

// stage is boards on Redis, built, and their key there.
func stage(b *testing.B) (w *world, ids []uuid.UUID, s *board.Boards, client redis.UniversalClient, key string) {
	b.Helper()
	w, ids = arena(b)
	s, client = w.process(newFar(b))
	_, err := s.List(b.Context(), board.Filter{Board: month})
	require.NoError(b, err)
	key, _ = s.Key(month)
	b.Cleanup(func() { client.Del(context.Background(), key) })
	return w, ids, s, client, key
}

func each(b *testing.B, name string, do func(i int) error) {
	b.Run(name, func(b *testing.B) {
		for i := range b.N {
			if err := do(i); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRank(b *testing.B) {
	w, ids, s, client, key := stage(b)
	ctx, own := b.Context(), w.boards()
	each(b, "limit=zrevrank", func(i int) error {
		err := client.ZRevRank(ctx, key, ids[i%len(ids)].String()).Err()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	})
	each(b, "redis", func(i int) error { _, err := s.Rank(ctx, month, ids[i%len(ids)]); return err })
	each(b, "process", func(i int) error { _, err := own.Rank(ctx, month, ids[i%len(ids)]); return err })
}

func BenchmarkPage(b *testing.B) {
	w, _, s, client, key := stage(b)
	ctx, own := b.Context(), w.boards()
	p, err := s.List(ctx, board.Filter{Board: month, Limit: 900})
	require.NoError(b, err)
	each(b, "limit=zrevrange", func(int) error { return client.ZRevRangeWithScores(ctx, key, 0, 99).Err() })
	each(b, "redis", func(int) error { _, err := s.List(ctx, board.Filter{Board: month, Limit: 100}); return err })
	each(b, "redis,deep", func(int) error {
		_, err := s.List(ctx, board.Filter{Board: month, Limit: 100, After: p.Next})
		return err
	})
	each(b, "process", func(int) error { _, err := own.List(ctx, board.Filter{Board: month, Limit: 100}); return err })
}

func BenchmarkBuild(b *testing.B) {
	w, ids := arena(b)
	ctx := b.Context()
	from, to := board.Month.Bounds(noon, time.UTC)
	each(b, "limit=query", func(int) error {
		rows, err := w.pool.Query(ctx, board.SelectVolume, from, to)
		if err != nil {
			return err
		}
		for rows.Next() { //nolint:revive // as little as there can be
		}
		return rows.Err()
	})
	b.Run("process", func(b *testing.B) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var s *board.Boards
		for range b.N {
			s = w.boards()
			_, err := s.Rank(ctx, month, ids[0])
			require.NoError(b, err)
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/1e6, "MB-kept")
		runtime.KeepAlive(s)
	})
	f := newFar(b)
	connections := f.connect(b)
	b.Run("redis", func(b *testing.B) {
		for range b.N {
			s, client := w.over(connections)
			key, _ := s.Key(month)
			_, err := s.Rank(ctx, month, ids[0])
			require.NoError(b, err)
			bytes, err := client.MemoryUsage(ctx, key).Result()
			require.NoError(b, err)
			b.ReportMetric(float64(bytes)/1e6, "MB-in-Redis")
			require.NoError(b, client.Unlink(ctx, key).Err())
		}
	})
}
