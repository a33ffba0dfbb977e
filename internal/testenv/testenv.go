package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Servers are a PostgreSQL that answers and perhaps a Redis.
type Servers struct {
	Backend     string // "url", "docker" or "local"
	DatabaseURL string
	RedisURL    string `json:",omitempty"` // "" when there is no Redis

	lease lease // zero for servers named by a URL
}

// Close stops what [Start] has started. Servers named by a URL go on.
func (s *Servers) Close() {
	if s.lease.folder != "" {
		s.lease.end()
	}
}

// A finder looks for one kind of servers and starts nothing. Its error says
// why there are none, in words for the list that noServers makes of it.
type finder func(ctx context.Context, log logf) (plan, error)

// A plan is how to start the servers that a finder has found.
type plan struct {
	// key names the image or programs; test binaries with equal keys share a
	// server. An empty key says that the servers run already and are not ours.
	key string
	// stop is a shell script that ends what start has begun, at any moment of
	// it. It runs in the folder of the lease.
	stop func(lease) string
	// start returns when the servers answer.
	start func(context.Context, lease) (*Servers, error)
	// about says in a few words what will be used.
	about string
}

type logf = func(format string, args ...any)

// Start gives a program servers of its own and an empty database: a container
// or local servers that [Servers.Close] stops, and that stop by themselves soon
// after a program that was killed. With FATURE_DATABASE_URL it is that server
// and that database, as they are. log is told in a line what is used; it may be
// log.Printf.
func Start(ctx context.Context, log func(format string, args ...any)) (*Servers, error) {
	return choose(ctx, log, startPrivate)
}

// Named are the servers that a program was told of by their URLs, which go on
// when it ends; without a database they are those of [Start], and a Redis that
// was named beside them.
func Named(ctx context.Context, database, redis string, log func(format string, args ...any)) (*Servers, error) {
	if database != "" {
		return &Servers{Backend: "url", DatabaseURL: database, RedisURL: redis}, nil
	}
	servers, err := Start(ctx, log)
	if err == nil && redis != "" {
		servers.RedisURL = redis
	}
	return servers, err
}

// choose tries the finders in order until one leads to running servers.
func choose(ctx context.Context, log logf, start func(context.Context, plan) (*Servers, error)) (*Servers, error) {
	names, err := order(os.Getenv("FATURE_BACKEND"))
	if err != nil {
		return nil, err
	}
	finders := map[string]finder{"url": findURL, "docker": findDocker, "local": findLocal}
	var tried []string
	for _, name := range names {
		p, err := finders[name](ctx, log)
		if err == nil {
			var s *Servers
			if s, err = start(ctx, p); err == nil {
				log("testenv: %s", p.about)
				return s, nil
			}
		}
		if errors.As(err, new(unreachable)) {
			return nil, err
		}
		tried = append(tried, fmt.Sprintf("%-7s %v", name+":", err))
	}
	return nil, noServers(tried)
}

// order is the backends to try: all of them, or the one that is forced.
func order(forced string) ([]string, error) {
	all := []string{"url", "docker", "local"}
	if forced == "" {
		return all, nil
	}
	if !slices.Contains(all, forced) {
		return nil, fmt.Errorf("testenv: FATURE_BACKEND is %q; it can be %s", forced, strings.Join(all, ", "))
	}
	return []string{forced}, nil
}

// noServers is what a person reads who has nothing installed yet, so it says
// what was tried and what to do.
func noServers(tried []string) error {
	return fmt.Errorf(`no PostgreSQL to work with. Tried, in this order:
  %s
Do ONE of these:
%s`, strings.Join(tried, "\n  "), waysOut)
}

const waysOut = `  - set FATURE_DATABASE_URL (and FATURE_REDIS_URL) to servers you have
  - start Docker, and run "make image" where the official images cannot be pulled
  - install the servers: apt install postgresql redis-server | dnf install postgresql-server redis | brew install postgresql redis`
