package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	docker "github.com/ory/dockertest/v3/docker"
	"github.com/redis/go-redis/v9"
)

// NewRedis starts a Redis of a test's own, to be flushed, filled, halted or
// made a replica, until the end of the test, and returns its address. More
// arguments go to redis-server.
//
// A server named by FATURE_REDIS_URL is nobody's to break, so Docker or local
// programs are looked for all the same. Only where there is neither beside it
// is the test skipped.
func NewRedis(t testing.TB, args ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: needs Redis")
	}
	s := redisOf(t, startPrivate, args)
	t.Cleanup(s.Close)
	return s.RedisURL
}

// RedisCluster returns the host and port of a cluster of one node, which tests
// share: give each a namespace of its own. It refuses commands over keys of
// several slots, as one of many nodes does.
func RedisCluster(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: needs Redis")
	}
	s := redisOf(t, func(ctx context.Context, p plan) (*Servers, error) {
		p.key += "-cluster"
		return startShared(ctx, p, sharedIdle)
	}, []string{"--cluster-enabled", "yes"})
	address := strings.TrimPrefix(s.RedisURL, "redis://")
	if err := formCluster(t.Context(), address); err != nil {
		t.Fatalf("testenv: the cluster: %v", err)
	}
	return address
}

// formCluster gives a node all slots, unless it has them.
func formCluster(ctx context.Context, address string) error {
	host, port, _ := strings.Cut(address, ":")
	node := redis.NewClient(&redis.Options{Addr: address})
	defer node.Close()
	for _, command := range [][]any{
		{"config", "set", "cluster-announce-ip", host},
		{"config", "set", "cluster-announce-port", port},
	} {
		if err := node.Do(ctx, command...).Err(); err != nil {
			return err
		}
	}
	if err := node.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil && !strings.Contains(err.Error(), "busy") {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return until(ctx, func(ctx context.Context) error {
		info, err := node.ClusterInfo(ctx).Result()
		if err == nil && !strings.Contains(info, "cluster_state:ok") {
			err = errors.New("it is not ready")
		}
		return err
	})
}

func redisOf(t testing.TB, start func(context.Context, plan) (*Servers, error), args []string) *Servers {
	t.Helper()
	s, err := startRedis(t.Context(), t.Logf, start, args)
	if errors.Is(err, errNotHere) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func startRedis(ctx context.Context, log logf, start func(context.Context, plan) (*Servers, error), args []string) (*Servers, error) {
	forced := os.Getenv("FATURE_BACKEND")
	var tried []string
	for _, backend := range []string{"docker", "local"} {
		if forced != "" && forced != "url" && forced != backend {
			continue
		}
		p, err := map[string]func(context.Context, logf, []string) (plan, error){
			"docker": redisContainer, "local": redisProgram,
		}[backend](ctx, log, args)
		if err == nil {
			var s *Servers
			if s, err = start(ctx, p); err == nil {
				return s, nil
			}
		}
		tried = append(tried, fmt.Sprintf("%-7s %v", backend+":", err))
	}
	if forced == "url" || os.Getenv("FATURE_REDIS_URL") != "" {
		return nil, fmt.Errorf("%w, and there is none beside FATURE_REDIS_URL: %s", errNotHere, strings.Join(tried, "; "))
	}
	return nil, noServers(tried)
}

func redisContainer(ctx context.Context, log logf, args []string) (plan, error) {
	c, _, err := findContainers(ctx, log)
	if err != nil {
		return plan{}, err
	}
	c.run = []container{{
		image: c.run[len(c.run)-1].image, ports: []docker.Port{redisPort}, entry: []string{"redis-server"},
		cmd: append([]string{"--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""}, args...),
	}}
	return plan{key: "redis-docker", stop: c.stop, start: c.start}, nil
}

func redisProgram(_ context.Context, _ logf, args []string) (plan, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return plan{}, err
	}
	start := func(ctx context.Context, l lease) (*Servers, error) {
		if err := os.Mkdir(l.path("run"), 0o700); err != nil {
			return nil, err
		}
		url, err := programs{redis: path}.startRedis(ctx, l.path("run"), args...)
		return &Servers{Backend: "local", RedisURL: url}, err
	}
	return plan{key: "redis-local", stop: func(lease) string { return stopLocal }, start: start}, nil
}

// RedisSentinel starts a Redis of a test's own with a Sentinel that watches it
// under the name fature, and returns the address of the Sentinel. It takes
// Docker on Linux, whose containers can be reached at their own address:
// elsewhere the test is skipped.
func RedisSentinel(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: needs Redis")
	}
	c, _, err := findContainers(t.Context(), t.Logf)
	if err != nil || runtime.GOOS != "linux" {
		t.Skipf("testenv: a Sentinel takes Docker on Linux: %v", err)
	}
	c.run = []container{{
		image: c.run[len(c.run)-1].image, ports: []docker.Port{redisPort}, entry: []string{"sh", "-c", sentinelScript},
	}}
	s, err := startPrivate(t.Context(), plan{key: "sentinel", stop: c.stop, start: c.start})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.RedisURL, "redis://")
}

// A Sentinel keeps its state in its configuration, so it wants a file.
const sentinelScript = `
	redis-server --port 6380 --bind 0.0.0.0 --protected-mode no --save "" --dir /tmp --daemonize yes
	echo "sentinel monitor fature $(hostname -i) 6380 1" >/tmp/sentinel.conf
	exec redis-server /tmp/sentinel.conf --sentinel --port 6379 --bind 0.0.0.0 --protected-mode no`
