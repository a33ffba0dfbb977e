package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// unreachable marks the error of a server that was named but does not answer.
type unreachable struct{ error }

func (u unreachable) Unwrap() error { return u.error }

func findURL(ctx context.Context, _ logf) (plan, error) {
	s := &Servers{Backend: "url", DatabaseURL: os.Getenv("FATURE_DATABASE_URL"), RedisURL: os.Getenv("FATURE_REDIS_URL")}
	if s.DatabaseURL == "" {
		return plan{}, errors.New("FATURE_DATABASE_URL is not set")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := pingPostgres(ctx, s.DatabaseURL); err != nil {
		return plan{}, unreachable{fmt.Errorf("testenv: FATURE_DATABASE_URL is set, but its server does not answer: %w", err)}
	}
	if s.RedisURL != "" {
		if err := pingRedis(ctx, s.RedisURL); err != nil {
			return plan{}, unreachable{fmt.Errorf("testenv: FATURE_REDIS_URL is set, but its server does not answer: %w", err)}
		}
	}
	return plan{
		about: "the servers named by FATURE_DATABASE_URL" + redisNote(s.RedisURL),
		start: func(context.Context, lease) (*Servers, error) { return s, nil },
	}, nil
}

func redisNote(redisURL string) string {
	if redisURL == "" {
		return ", no Redis"
	}
	return " and FATURE_REDIS_URL"
}

// until repeats ping until it succeeds. A fixed short pause, because the usual
// exponential one sleeps for up to a second after the server is ready.
func until(ctx context.Context, ping func(context.Context) error) error {
	for {
		err := ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, last error: %w", context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func pingPostgres(ctx context.Context, databaseURL string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func pingRedis(ctx context.Context, redisURL string) error {
	o, err := redis.ParseURL(redisURL)
	if err != nil {
		return err
	}
	// First without the client, which writes to standard error about each
	// attempt of it that is refused.
	conn, err := new(net.Dialer).DialContext(ctx, o.Network, o.Addr)
	if err != nil {
		return err
	}
	conn.Close()
	client := redis.NewClient(o)
	defer client.Close()
	return client.Ping(ctx).Err()
}

// withDatabase is a connection URL with another database in it.
func withDatabase(connURL, database string) (string, error) {
	u, err := url.Parse(connURL)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return "", fmt.Errorf("testenv: FATURE_DATABASE_URL must be a URL of the form postgres://user:password@host:port/database")
	}
	u.Path = "/" + database
	return u.String(), nil
}
