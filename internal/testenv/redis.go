package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	docker "github.com/ory/dockertest/v3/docker"
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
	s, err := startRedis(t.Context(), t.Logf, args)
	if errors.Is(err, errNotHere) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.RedisURL
}

func startRedis(ctx context.Context, log logf, args []string) (*Servers, error) {
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
			if s, err = startPrivate(ctx, p); err == nil {
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
	return plan{key: "redis", stop: c.stop, start: c.start}, nil
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
	return plan{key: "redis", stop: func(lease) string { return stopLocal }, start: start}, nil
}
