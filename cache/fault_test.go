package cache_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/internal/testenv/faulty"
)

// ill is a Redis of the test's own behind a wire, and a view that stands on it
// with nothing in the process, so that each read needs it.
type ill struct {
	*testing.T
	server *redis.Client // past the wire
	wire   *faulty.Wire
	redis  *cache.Redis
	space  *cache.Space
	view   *cache.View[string, string]
	truth  *truth
	log    *strings.Builder
}

func newIll(t *testing.T) *ill {
	t.Helper()
	address := strings.TrimPrefix(testenv.NewRedis(t), "redis://")
	s := &ill{T: t, truth: newTruth("a", "1", "b", "2"), log: new(strings.Builder)}
	s.server = redis.NewClient(&redis.Options{Addr: address, DB: cache.Reports.DB})
	t.Cleanup(func() { require.NoError(t, s.server.Close()) })
	s.wire = faulty.ToAddress(t, address)
	r, err := cache.Connect(redis.UniversalOptions{Addrs: []string{s.wire.Address}}, "")
	require.NoError(t, err)
	s.redis = r
	t.Cleanup(func() { _ = r.Close() })
	s.space = cache.NewSpace(cache.Reports, r.Backend(cache.Reports), cache.Options{
		Near: never, Wait: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	})
	s.view = cache.Aside(s.space, s.truth.config())
	return s
}

// reads reads what is true, n times, and tells how long each took.
func (s *ill) reads(n int) (took []time.Duration) {
	s.Helper()
	for i := range n {
		want := fmt.Sprint(i)
		s.truth.set("a", want)
		_ = s.view.Delete(s.Context(), "a") // it may be refused
		start := time.Now()
		got, err := s.view.Get(s.Context(), "a")
		took = append(took, time.Since(start))
		require.NoError(s, err)
		require.Equal(s, want, got)
		many, err := s.view.GetMany(s.Context(), []string{"a", "b", "c"})
		require.NoError(s, err)
		require.Equal(s, map[string]string{"a": want, "b": "2"}, many)
	}
	slices.Sort(took)
	s.Logf("a read takes %v, at most %v", took[len(took)/2].Round(time.Microsecond), took[len(took)-1].Round(time.Microsecond))
	return took
}

// recovers waits until reads come from Redis again.
func (s *ill) recovers() {
	s.Helper()
	require.Eventually(s, func() bool {
		got, err := s.view.Read(s.Context(), "b")
		require.NoError(s, err)
		require.Equal(s, "2", got.V)
		return got.From == cache.Far
	}, 20*time.Second, 10*time.Millisecond)
}

// silently checks that nothing took much longer than the budget: what is told
// in the log is exact, this bound only generous.
func (s *ill) silently(took []time.Duration) {
	s.Helper()
	require.Less(s, took[len(took)-1], 2*time.Second)
}

func TestFaultDownAtTheStart(t *testing.T) {
	t.Parallel()
	s := newIll(t)
	s.wire.Down()
	s.silently(s.reads(20))
	require.True(t, s.redis.Open())
	require.Error(t, s.redis.Ping(t.Context()))
	require.Contains(t, s.log.String(), "the cache does without its backend")
	require.Less(t, strings.Count(s.log.String(), "\n"), 3, "told once in a while, not at each read")
	s.wire.Up()
	s.recovers()
	require.False(t, s.redis.Open())
}

func TestFaultDiesInTheMiddle(t *testing.T) {
	t.Parallel()
	s := newIll(t)
	s.recovers()
	s.wire.Down()
	require.ErrorIs(t, s.view.Delete(t.Context(), "a"), cache.ErrUndelivered)
	s.silently(s.reads(20))
	s.wire.Up()
	s.recovers()
}

func TestFaultSlow(t *testing.T) {
	t.Parallel()
	s := newIll(t)
	s.recovers()
	s.wire.Slow(2 * time.Second)
	s.silently(s.reads(10))
	s.wire.Slow(0)
	s.recovers()
}

func TestFaultFrozen(t *testing.T) {
	t.Parallel()
	s := newIll(t)
	s.recovers()
	require.NoError(t, s.server.Do(t.Context(), "client", "pause", 3000, "all").Err())
	s.silently(s.reads(10))
	s.recovers()
}

func TestFaultFlushedUnderLoad(t *testing.T) {
	t.Parallel()
	s := newIll(t)
	const keys = 100
	var mu sync.Mutex
	loads := map[string]int{}
	config := cache.Config[string, string]{Load: func(_ context.Context, k string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		loads[k]++
		return "of " + k, nil
	}}
	// The wire is slow when two cores have other things to do.
	space := cache.NewSpace(cache.Reports, s.redis.WithBudget(5*time.Second).Backend(cache.Reports), cache.Options{Near: never, Wait: 20 * time.Second})
	v := cache.Aside(space, config)
	var wrong atomic.Int64
	round := func() {
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				for i := range keys {
					k := fmt.Sprint(i)
					if got, err := v.Get(t.Context(), k); err != nil || got != "of "+k {
						wrong.Add(1)
					}
				}
			})
		}
		all.Wait()
	}
	round()
	require.NoError(t, s.server.FlushAll(t.Context()).Err())
	round()
	require.Zero(t, wrong.Load())
	require.Len(t, loads, keys)
	for k, n := range loads {
		require.LessOrEqual(t, n, 2, k)
	}
}

func TestFaultFull(t *testing.T) {
	t.Parallel()
	s := newIll(t)
	s.recovers()
	for setting, value := range map[string]string{"maxmemory-policy": "noeviction", "maxmemory": "1"} {
		require.NoError(t, s.server.ConfigSet(t.Context(), setting, value).Err())
	}
	s.silently(s.reads(10))
	require.NoError(t, s.view.Delete(t.Context(), "b"), "what is full can still be told to delete")
	require.NoError(t, s.server.ConfigSet(t.Context(), "maxmemory", "0").Err())
	s.recovers()
}

func TestFaultReadOnly(t *testing.T) {
	t.Parallel()
	s := newIll(t)
	s.recovers()
	require.NoError(t, s.server.ReplicaOf(t.Context(), "127.0.0.1", "1").Err())
	got, err := s.view.Read(t.Context(), "b")
	require.NoError(t, err)
	require.Equal(t, cache.Far, got.From, "what is there can be read")
	require.ErrorIs(t, s.view.Delete(t.Context(), "b"), cache.ErrUndelivered)
	s.silently(s.reads(10))
	require.NoError(t, s.server.ReplicaOf(t.Context(), "no", "one").Err())
	s.recovers()
}

func TestFaultAnotherType(t *testing.T) {
	t.Parallel()
	s := newIll(t)
	// A busy machine must not end a call: what is asked is what the calls do.
	space := cache.NewSpace(cache.Reports, s.redis.WithBudget(5*time.Second).Backend(cache.Reports), cache.Options{Near: never})
	view := cache.Aside(space, s.truth.config())
	for _, make := range []func(key string) error{
		func(key string) error { return s.server.LPush(t.Context(), key, "x").Err() },
		func(key string) error { return s.server.HSet(t.Context(), key, "x", "y").Err() },
		func(key string) error { return s.server.ZAdd(t.Context(), key, redis.Z{Score: 1, Member: "x"}).Err() },
	} {
		for _, many := range []bool{false, true} {
			key := cache.Reports.Key("a")
			require.NoError(t, s.server.Del(t.Context(), key).Err())
			require.NoError(t, make(key))
			if many {
				got, err := view.GetMany(t.Context(), []string{"a", "b"})
				require.NoError(t, err)
				require.Equal(t, map[string]string{"a": "1", "b": "2"}, got)
			} else {
				got, err := view.Get(t.Context(), "a")
				require.NoError(t, err)
				require.Equal(t, "1", got)
			}
			kind, err := s.server.Type(t.Context(), key).Result()
			require.NoError(t, err)
			require.Equal(t, "string", kind, "it is mended")
		}
	}
}

// A write through a Redis that fails at each of its steps is stored, and no old
// value stays where it can be told.
func TestFaultWhileWritingThrough(t *testing.T) {
	t.Parallel()
	s := newIll(t)
	during := func() {}
	v := cache.WriteThrough(s.space, s.truth.config(), func(_ context.Context, k, value string) error {
		during()
		s.truth.set(k, value)
		return nil
	})
	_, err := v.Get(t.Context(), "a")
	require.NoError(t, err)
	s.wire.Down()
	require.ErrorIs(t, v.Put(t.Context(), "a", "2"), cache.ErrUndelivered)
	require.Equal(t, "2", s.truth.values["a"], "it is stored")
	s.wire.Up()
	require.Eventually(t, func() bool { return v.Delete(t.Context(), "a") == nil }, 20*time.Second, 10*time.Millisecond)
	got, err := v.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "2", got)

	// It goes away between the lease and the value: the lease ends by itself.
	during = s.wire.Down
	require.ErrorIs(t, v.Put(t.Context(), "a", "3"), cache.ErrUndelivered)
	s.wire.Up()
	got, err = v.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "3", got)
}

func TestRedisOfTheHostMustHeedContexts(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer client.Close()
	_, err := cache.Use(client, "fature:", false)
	require.ErrorContains(t, err, "ContextTimeoutEnabled")
	r, err := cache.Use(client, "fature:", true)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.ErrorContains(t, client.Ping(t.Context()).Err(), "refused", "the host's client is still the host's")
	_, err = cache.Use(nil, "", true)
	require.Error(t, err)
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	defer cluster.Close()
	_, err = cache.Use(cluster, "fature:", false)
	require.ErrorContains(t, err, "ContextTimeoutEnabled")
}

func TestConnectRefuses(t *testing.T) {
	t.Parallel()
	_, err := cache.Connect(redis.UniversalOptions{}, "")
	require.ErrorContains(t, err, "address")
	_, err = cache.Connect(redis.UniversalOptions{Addrs: []string{"127.0.0.1:1"}, DB: 3}, "")
	require.ErrorContains(t, err, "DB is set")
	_, err = cache.ParseURL("http://x")
	require.Error(t, err)
	o, err := cache.ParseURL("rediss://user:secret@example.com:6380")
	require.NoError(t, err)
	require.EqualValues(t, 0x0304, o.TLSConfig.MinVersion)
	require.Equal(t, []string{"example.com:6380"}, o.Addrs)
}

// Each namespace has its database, and on a cluster, which has one, its prefix.
func TestRedisDatabases(t *testing.T) {
	t.Parallel()
	r, prefix := connect(t), ""
	for _, n := range cache.Namespaces() {
		v := cache.Aside(cache.NewSpace(n, r.Backend(n), cache.Options{}), newTruth("a", n.Name).config())
		got, err := v.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, n.Name, got)
		key := r.Key(n, "a")
		prefix = strings.TrimSuffix(key, n.Name+":a")
		_, err = uuid.Parse(strings.TrimSuffix(prefix, ":"))
		require.NoError(t, err, key)

		o, err := redis.ParseURL(testenv.Redis(t))
		require.NoError(t, err)
		o.DB = n.DB
		bare := redis.NewClient(o)
		left, err := bare.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		require.NoError(t, bare.Close())
		require.InDelta(t, n.TTL.Seconds(), left.Seconds(), n.TTL.Seconds()/10+1, "%s in %d", key, n.DB)
	}
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	address := testenv.RedisSentinel(t)
	r, err := cache.Connect(redis.UniversalOptions{MasterName: "fature", Addrs: []string{address}}, "")
	require.NoError(t, err)
	defer r.Close()
	r = r.WithBudget(5 * time.Second)
	v := cache.Aside(cache.NewSpace(cache.Rankings, r.Backend(cache.Rankings), cache.Options{Near: never}), newTruth("a", "1").config())
	_, err = v.Get(t.Context(), "a")
	require.NoError(t, err)
	got, err := v.Read(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, cache.Far, got.From)
	n, err := r.Client(cache.Rankings).DBSize(t.Context()).Result()
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "in its own database")
	n, err = r.Client(cache.Reports).DBSize(t.Context()).Result()
	require.NoError(t, err)
	require.Zero(t, n)
}
