package board_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate/board"
)

// trips counts what a client sends: commands and pipelines.
type trips struct{ n atomic.Int64 }

func (t *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (t *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		t.n.Add(1)
		return next(ctx, cmd)
	}
}

func (t *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		t.n.Add(1)
		return next(ctx, cmds)
	}
}

// A rank, a page and neighbours are one round trip to Redis, and names one to
// PostgreSQL.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia", "caio")
	for name := range w.ids {
		w.sell(name, "5", noon)
	}
	s, client := w.process(newFar(t))
	p, err := s.List(t.Context(), board.Filter{Board: month, Limit: 1}) // builds it
	require.NoError(t, err)
	sent := new(trips)
	client.AddHook(sent)
	w.db.loads.Store(0)
	for what, call := range map[string]struct {
		do    func() error
		names int64
	}{
		"rank":   {func() error { _, err := s.Rank(t.Context(), month, w.ids["bia"]); return err }, 0},
		"page":   {func() error { _, err := s.List(t.Context(), board.Filter{Board: month, After: p.Next}); return err }, 1},
		"around": {func() error { _, err := s.Around(t.Context(), month, w.ids["bia"], 5); return err }, 1},
		"nobody": {func() error { _, err := s.Rank(t.Context(), month, [16]byte{1}); return err }, 0},
	} {
		sent.n.Store(0)
		w.db.names.Store(0)
		require.NoError(t, call.do())
		require.EqualValues(t, 1, sent.n.Load(), what)
		require.Equal(t, call.names, w.db.names.Load(), what)
	}
	require.Zero(t, w.db.loads.Load())
}

// What is in Redis: one sorted set that runs out, under the names that the
// documentation tells, and nothing beside it once it is built.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia")
	w.sell("ana", "12.34", noon)
	w.sell("bia", "99.99", noon)
	f := newFar(t)
	s, client := w.process(f)
	for b, want := range map[board.Board]string{
		month: "ranking:volume:month:20250601T000000Z",
		{Metric: board.Volume, Period: board.Week}:                                                   "ranking:volume:week:20250609T000000Z",
		{Metric: board.Volume, Period: board.Day, At: time.Date(2025, 6, 14, 23, 0, 0, 0, time.UTC)}: "ranking:volume:day:20250614T000000Z",
		{Metric: board.Recruits, Period: board.All}:                                                  "ranking:recruits:all:all",
	} {
		_, err := s.List(t.Context(), board.Filter{Board: b})
		require.NoError(t, err)
		key, _ := s.Key(b)
		require.Equal(t, f.prefix+want, key)
		left := client.PTTL(t.Context(), key).Val()
		require.True(t, left > 13*time.Minute && left <= 15*time.Minute, "%s", left)
	}
	key, _ := s.Key(month)
	require.Equal(t, []redis.Z{
		{Score: 9999, Member: w.ids["bia"].String()}, {Score: 1234, Member: w.ids["ana"].String()},
		{Score: 0, Member: "as_of/1:2025-06-15T12:00:00.000000Z"},
	}, client.ZRevRangeWithScores(t.Context(), key, 0, -1).Val())
	require.Len(t, client.Keys(t.Context(), "*"+f.prefix+"*").Val(), 4)

	// On a cluster what a script names lies in one slot.
	for key, want := range map[string]string{
		"p:ranking:x": "{p:ranking:x}:lease", "{a}:ranking:x": "{a}:ranking:x:lease", "{}:ranking:x": "{{}:ranking:x}:lease", "a}:x": "{a}:x}:lease",
	} {
		require.Equal(t, want, board.Beside(key, "lease"))
	}
}

// Misses at once build a board once: in one process, and in three.
func TestStampede(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia")
	w.sell("ana", "1", noon)
	storm := func(n int, boards ...*board.Boards) {
		t.Helper()
		w.db.loads.Store(0)
		w.db.slow.Store(int64(50 * time.Millisecond))
		atOnce(n, func(i int) {
			at, err := boards[i%len(boards)].Rank(t.Context(), month, w.ids["ana"])
			require.NoError(t, err)
			require.Equal(t, 1, at.Rank)
		})
		require.EqualValues(t, 1, w.db.loads.Load())
	}
	storm(1000, w.boards())
	f := newFar(t)
	one, _ := w.process(f)
	storm(1000, one)
	f = newFar(t)
	one, _ = w.process(f)
	two, _ := w.process(f)
	three, _ := w.process(f)
	storm(1000, one, two, three)
}

// Who gives up while it builds does not take the others with it.
func TestFirstCallerGivesUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana")
	w.sell("ana", "1", noon)
	f := newFar(t)
	shared, _ := w.process(f)
	for _, s := range []*board.Boards{w.boards(), shared} {
		w.db.loads.Store(0)
		w.db.slow.Store(int64(200 * time.Millisecond))
		hasty, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			_, err := s.Rank(hasty, month, w.ids["ana"])
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
		require.Eventually(t, func() bool { return w.db.loads.Load() == 1 }, 5*time.Second, time.Millisecond)
		for range 20 {
			all.Go(func() {
				at, err := s.Rank(t.Context(), month, w.ids["ana"])
				require.NoError(t, err)
				require.Equal(t, 1, at.Rank)
			})
		}
		all.Wait()
		require.EqualValues(t, 2, w.db.loads.Load())
	}
}

// While another builds, a process waits, and then answers by itself without
// storing; whoever has lost its lease does not store either.
func TestLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana")
	w.sell("ana", "1", noon)
	f := newFar(t)
	s, client := w.process(f)
	s.Hurry(15*time.Minute, 30*time.Second, 100*time.Millisecond)
	key, lease := s.Key(month)
	require.NoError(t, client.Set(t.Context(), lease, "another", 0).Err())
	for range 3 {
		start := time.Now()
		at, err := s.Rank(t.Context(), month, w.ids["ana"])
		require.NoError(t, err)
		require.Equal(t, 1, at.Rank)
		require.Less(t, time.Since(start), 5*time.Second)
	}
	require.EqualValues(t, 1, w.db.loads.Load(), "it keeps what it has built for itself")
	require.Zero(t, client.Exists(t.Context(), key).Val())
	require.Equal(t, "another", client.Get(t.Context(), lease).Val())

	// The other gives up: the next process takes over at once.
	next, _ := w.process(f)
	var all sync.WaitGroup
	all.Go(func() {
		_, err := next.Rank(t.Context(), month, w.ids["ana"])
		require.NoError(t, err)
	})
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, client.Del(t.Context(), lease).Err())
	all.Wait()
	require.EqualValues(t, 1, client.Exists(t.Context(), key).Val())

	// A builder that is late: its lease has run out, and another has built.
	require.NoError(t, client.Del(t.Context(), key).Err())
	late, _ := w.process(f)
	w.db.slow.Store(int64(150 * time.Millisecond))
	all.Go(func() {
		at, err := late.Rank(t.Context(), month, w.ids["ana"])
		require.NoError(t, err)
		require.Equal(t, 1, at.Rank)
	})
	require.Eventually(t, func() bool { return client.Exists(t.Context(), lease).Val() == 1 }, 5*time.Second, time.Millisecond)
	require.NoError(t, client.Set(t.Context(), lease, "another", 0).Err())
	require.NoError(t, client.ZAdd(t.Context(), key, redis.Z{Member: "as_of/1:2025-06-15T12:34:00.000000Z"}).Err())
	require.NoError(t, client.Expire(t.Context(), key, time.Minute).Err())
	all.Wait()
	require.EqualValues(t, 1, client.ZCard(t.Context(), key).Val(), "the other's board stays")
	require.Equal(t, "another", client.Get(t.Context(), lease).Val())
	require.Len(t, client.Keys(t.Context(), "*"+f.prefix+"*").Val(), 2, "what was built for nothing is gone")
}

// Whatever is under a board's key, the answer is right, and the next process
// finds a board there.
func TestGarbage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia")
	w.sell("ana", "2", noon)
	w.sell("bia", "1", noon)
	id := w.ids["ana"].String()
	for what, put := range map[string]func(c redis.UniversalClient, key string) error{
		"a string": func(c redis.UniversalClient, key string) error { return c.Set(t.Context(), key, "x", 0).Err() },
		"a hash":   func(c redis.UniversalClient, key string) error { return c.HSet(t.Context(), key, "x", "y").Err() },
		"a set without marker": func(c redis.UniversalClient, key string) error {
			return c.ZAdd(t.Context(), key, redis.Z{Score: 5, Member: id}).Err()
		},
		"a marker of another version": func(c redis.UniversalClient, key string) error {
			return c.ZAdd(t.Context(), key, redis.Z{Member: "as_of/9:x"}, redis.Z{Score: 5, Member: id}).Err()
		},
		"a marker without a time": func(c redis.UniversalClient, key string) error {
			return c.ZAdd(t.Context(), key, redis.Z{Member: "as_of/1:noon"}, redis.Z{Score: 5, Member: id}).Err()
		},
		"a member that is no id": func(c redis.UniversalClient, key string) error {
			return c.ZAdd(t.Context(), key, redis.Z{Member: "as_of/1:2025-06-15T12:00:00.000000Z"}, redis.Z{Score: 5, Member: "x"}, redis.Z{Score: 6, Member: id}).Err()
		},
		"a broken score": func(c redis.UniversalClient, key string) error {
			return c.ZAdd(t.Context(), key, redis.Z{Member: "as_of/1:2025-06-15T12:00:00.000000Z"}, redis.Z{Score: 0.5, Member: id}).Err()
		},
	} {
		t.Run(what, func(t *testing.T) {
			s, client := w.process(newFar(t))
			key, _ := s.Key(month)
			require.NoError(t, put(client, key))
			for range 3 {
				p, err := s.List(t.Context(), board.Filter{Board: month})
				require.NoError(t, err)
				require.Equal(t, "1 ana 200, 2 bia 100", told(p.Items))
			}
			require.EqualValues(t, 3, client.ZCard(t.Context(), key).Val(), "healed")
			require.Positive(t, client.PTTL(t.Context(), key).Val())
		})
	}
}

// A board may run out between two pages, and be another then: the next page
// goes on where the last one ended, also if who was there has gone.
func TestBoardExpiresBetweenPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia", "caio", "davi", "eva")
	for name, amount := range map[string]string{"ana": "50", "bia": "40", "caio": "30", "davi": "20", "eva": "10"} {
		w.sell(name, amount, noon)
	}
	shared, client := w.process(newFar(t))
	for _, s := range []*board.Boards{w.boards(), shared} {
		w.at(noon)
		p, err := s.List(t.Context(), board.Filter{Board: month, Limit: 2})
		require.NoError(t, err)
		require.Equal(t, "1 ana 5000, 2 bia 4000", told(p.Items))

		w.exec("update fature.affiliates set status = 'suspended' where id = $1", w.ids["bia"])
		w.at(noon.Add(16 * time.Minute))
		require.NoError(t, client.Del(t.Context(), first(shared.Key(month))).Err())
		p, err = s.List(t.Context(), board.Filter{Board: month, Limit: 2, After: p.Next})
		require.NoError(t, err)
		require.Equal(t, "2 caio 3000, 3 davi 2000", told(p.Items))
		require.Equal(t, noon.Add(16*time.Minute), p.AsOf)
		require.Equal(t, 4, p.Of)
		w.exec("update fature.affiliates set status = 'active' where id = $1", w.ids["bia"])
	}
}

// A board of Redis's runs out by itself, and its times are never exceeded.
func TestLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana")
	w.sell("ana", "1", noon)
	s, _ := w.process(newFar(t))
	s.Hurry(200*time.Millisecond, time.Second, time.Second)
	_, err := s.Rank(t.Context(), month, w.ids["ana"])
	require.NoError(t, err)
	w.sell("ana", "1", noon)
	time.Sleep(200 * time.Millisecond)
	at, err := s.Rank(t.Context(), month, w.ids["ana"])
	require.NoError(t, err)
	require.EqualValues(t, 200, at.Score)

	// A process keeps the latest sixteen.
	own := w.boards()
	for day := range 30 {
		_, err := own.Rank(t.Context(), board.Board{Metric: board.Volume, Period: board.Day, At: noon.AddDate(0, 0, -day)}, w.ids["ana"])
		require.NoError(t, err)
	}
	require.Equal(t, 16, own.Kept())
}

// Redis may go at any moment, and come back: the answers are the same.
func TestRedisDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia", "caio")
	for name, amount := range map[string]string{"ana": "3", "bia": "2", "caio": "1"} {
		w.sell(name, amount, noon)
	}
	f := newFar(t)
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	listen := "127.0.0.1:0"
	var line *toxiproxy.Proxy
	comeBack := func() { // a line of its own, for one that was stopped races with itself
		line = toxiproxy.NewProxy(server, "redis", listen, newFar(t).address)
		require.NoError(t, line.Start())
		t.Cleanup(line.Stop)
	}
	comeBack()
	_, port, err := net.SplitHostPort(line.Listen)
	require.NoError(t, err)
	listen = net.JoinHostPort("127.0.0.1", port)
	address := f.address
	f.address = listen
	s, _ := w.process(f)
	f.address = address
	direct, client := w.process(f)
	right := func() {
		t.Helper()
		for _, b := range []board.Board{month, {Metric: board.Volume, Period: board.All}} {
			p, err := s.List(t.Context(), board.Filter{Board: b, Limit: 2})
			require.NoError(t, err)
			require.Equal(t, "1 ana 300, 2 bia 200", told(p.Items))
			at, err := s.Rank(t.Context(), b, w.ids["caio"])
			require.NoError(t, err)
			require.Equal(t, 3, at.Rank)
		}
	}
	right()
	require.EqualValues(t, 2, w.db.loads.Load())
	line.Stop()
	right()
	require.EqualValues(t, 4, w.db.loads.Load(), "it keeps its own now")
	right()
	require.EqualValues(t, 4, w.db.loads.Load())
	comeBack()
	right()

	// It dies while a board is being built.
	key, _ := direct.Key(month)
	require.NoError(t, client.Del(t.Context(), key).Err())
	fresh, _ := w.process(far{listen, f.prefix})
	w.db.slow.Store(int64(100 * time.Millisecond))
	before := w.db.loads.Load()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			at, err := fresh.Rank(t.Context(), month, w.ids["caio"])
			require.NoError(t, err)
			require.Equal(t, 3, at.Rank)
		})
	}
	require.Eventually(t, func() bool { return w.db.loads.Load() > before }, 5*time.Second, time.Millisecond)
	line.Stop()
	all.Wait()
	require.Zero(t, client.Exists(t.Context(), key).Val())
	comeBack()
	w.db.slow.Store(0)
	right()
}
