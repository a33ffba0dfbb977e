package cache_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/testenv"
)

// connect is connections to the Redis of all tests, whose keys are this test's
// alone.
func connect(t testing.TB) *cache.Redis {
	t.Helper()
	o, err := cache.ParseURL(testenv.Redis(t))
	require.NoError(t, err)
	r, err := cache.Connect(o, uuid.NewString()+":")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	// Tests share two cores with others: what they ask is not how quick it is.
	return r.WithBudget(5 * time.Second)
}

// backends are what the conformance suite runs on.
var backends = map[string]func(t testing.TB) cache.Backend{
	"memory": func(testing.TB) cache.Backend { return cache.Memory(10_000) },
	"redis":  func(t testing.TB) cache.Backend { return connect(t).Backend(cache.Reports) },
	"redis of the host": func(t testing.TB) cache.Backend {
		o, err := redis.ParseURL(testenv.Redis(t))
		require.NoError(t, err)
		o.ContextTimeoutEnabled = true
		client := redis.NewClient(o)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		r, err := cache.Use(client, uuid.NewString()+":", false)
		require.NoError(t, err)
		return r.WithBudget(5 * time.Second).Backend(cache.Reports)
	},
	"redis cluster": func(t testing.TB) cache.Backend { return cluster(t).Backend(cache.Reports) },
}

func eachBackend(t *testing.T, test func(t *testing.T, b cache.Backend)) {
	t.Helper()
	for name, open := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name != "memory" && testing.Short() {
				t.Skip("-short: needs Redis")
			}
			test(t, open(t))
		})
	}
}

// cluster is connections to a cluster, whose keys are this test's alone.
func cluster(t testing.TB) *cache.Redis {
	t.Helper()
	r, err := cache.Connect(redis.UniversalOptions{Addrs: []string{testenv.RedisCluster(t)}, IsClusterMode: true}, uuid.NewString()+":")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r.WithBudget(5 * time.Second)
}

func item(key, value string) cache.Item {
	return cache.Item{Key: key, Value: []byte(value), TTL: time.Minute}
}

func TestBackendKeepsAndForgets(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		ctx := t.Context()
		found, err := b.Read(ctx, []string{"a"})
		require.NoError(t, err)
		require.Equal(t, [][]byte{nil}, found)

		require.NoError(t, b.Write(ctx, []cache.Item{item("a", "1"), item("b", "2"), item("a", "3")}))
		found, err = b.Read(ctx, []string{"b", "nothing", "a", "b"})
		require.NoError(t, err)
		require.Equal(t, [][]byte{[]byte("2"), nil, []byte("3"), []byte("2")}, found)

		require.NoError(t, b.Delete(ctx, []string{"a", "nothing"}))
		found, err = b.Read(ctx, []string{"a", "b"})
		require.NoError(t, err)
		require.Equal(t, [][]byte{nil, []byte("2")}, found)
	})
}

func TestBackendClaims(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		ctx := t.Context()
		require.NoError(t, b.Write(ctx, []cache.Item{item("held", "x")}))
		there, err := b.Claim(ctx, []cache.Item{item("free", "mine"), item("held", "mine")})
		require.NoError(t, err)
		require.Equal(t, [][]byte{nil, []byte("x")}, there)
		there, err = b.Claim(ctx, []cache.Item{item("free", "late")})
		require.NoError(t, err)
		require.Equal(t, [][]byte{[]byte("mine")}, there)

		// Of many that claim at once one has it.
		won := make(chan int, 32)
		var all sync.WaitGroup
		for i := range cap(won) {
			all.Go(func() {
				if there, err := b.Claim(ctx, []cache.Item{item("wanted", fmt.Sprint(i))}); err == nil && there[0] == nil {
					won <- i
				}
			})
		}
		all.Wait()
		require.Len(t, won, 1)
		found, err := b.Read(ctx, []string{"wanted"})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(<-won), string(found[0]))
	})
}

func TestBackendSwaps(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		ctx := t.Context()
		require.NoError(t, b.Write(ctx, []cache.Item{item("a", "token+1"), item("b", "other"), item("c", "token")}))
		swapped, err := b.Swap(ctx, []byte("token"), []cache.Item{item("a", "2"), item("b", "2"), {Key: "c"}, item("nothing", "2")})
		require.NoError(t, err)
		require.Equal(t, []bool{true, false, true, false}, swapped)
		found, err := b.Read(ctx, []string{"a", "b", "c", "nothing"})
		require.NoError(t, err)
		require.Equal(t, [][]byte{[]byte("2"), []byte("other"), nil, nil}, found)
		swapped, err = b.Swap(ctx, []byte("2"), []cache.Item{item("a", "3")})
		require.NoError(t, err)
		require.Equal(t, []bool{true}, swapped)
		swapped, err = b.Swap(ctx, []byte("2"), []cache.Item{{Key: "a"}})
		require.NoError(t, err)
		require.Equal(t, []bool{false}, swapped)
	})
}

func TestBackendLetsGoInTime(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		ctx := t.Context()
		short := func(key string) cache.Item {
			return cache.Item{Key: key, Value: []byte("x"), TTL: 50 * time.Millisecond}
		}
		require.NoError(t, b.Write(ctx, []cache.Item{short("written"), item("swapped", "x")}))
		_, err := b.Claim(ctx, []cache.Item{short("claimed")})
		require.NoError(t, err)
		_, err = b.Swap(ctx, []byte("x"), []cache.Item{short("swapped")})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			found, err := b.Read(ctx, []string{"written", "claimed", "swapped"})
			return err == nil && found[0] == nil && found[1] == nil && found[2] == nil
		}, 5*time.Second, 5*time.Millisecond)
	})
}

func TestBackendHoldsAnyBytes(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		ctx := t.Context()
		value := []byte("\x00\xff\r\n%[]")
		for range 12 {
			value = append(value, value...)
		}
		require.NoError(t, b.Write(ctx, []cache.Item{{Key: "k\x00\r\n ", Value: value, TTL: time.Minute}}))
		found, err := b.Read(ctx, []string{"k\x00\r\n "})
		require.NoError(t, err)
		require.Equal(t, value, found[0])
		swapped, err := b.Swap(ctx, []byte("\x00\xff\r\n%["), []cache.Item{item("k\x00\r\n ", "new")})
		require.NoError(t, err)
		require.Equal(t, []bool{true}, swapped)
	})
}

// lots notes how many keys each call deletes.
type lots struct {
	cache.Backend
	sizes []int
}

func (l *lots) Delete(ctx context.Context, keys []string) error {
	l.sizes = append(l.sizes, len(keys))
	return l.Backend.Delete(ctx, keys)
}

// Many keys are deleted by several calls, so that none holds a server up.
func TestViewDeletesInLots(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, b cache.Backend) {
		l := &lots{Backend: b}
		space := cache.NewSpace(cache.Namespace{Name: uuid.NewString(), TTL: time.Hour}, l, cache.Options{Near: time.Minute})
		defer space.Close()
		loads := 0
		v := cache.Aside(space, cache.Config[int, int]{LoadMany: func(_ context.Context, ks []int) (map[int]int, error) {
			loads += len(ks)
			all := map[int]int{}
			for _, k := range ks {
				all[k] = k
			}
			return all, nil
		}})
		keys := make([]int, 2500)
		for i := range keys {
			keys[i] = i
		}
		read := func() {
			found, err := v.GetMany(t.Context(), keys)
			require.NoError(t, err)
			require.Len(t, found, len(keys))
		}
		read()
		require.NoError(t, v.Delete(t.Context(), keys...))
		require.Equal(t, []int{1000, 1000, 500}, l.sizes)
		read()
		require.Equal(t, 2*len(keys), loads)
	})
}
