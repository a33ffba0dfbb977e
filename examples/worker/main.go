// Worker is the background work of a programme in a process of its own: it
// serves nothing, and as many as you like may run beside servers that leave it
// the jobs, such as examples/api with -jobs=false.
//
//	go run ./examples/worker [-database URL] [-redis URL]
//
// One of the workers works, and another takes over within seconds when that one
// is gone, however it went. DATABASE_URL names the database, which is migrated,
// and REDIS_URL the Redis that the servers use too; without the first, servers
// are started for this run.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fature/fature"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

func main() {
	database := flag.String("database", os.Getenv("DATABASE_URL"), "the `URL` of a database; without one a server is started for this run")
	redis := flag.String("redis", os.Getenv("REDIS_URL"), "the `URL` of a Redis, beside a database")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	// Each job that is done is a line of the level debug.
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if err := run(ctx, *database, *redis, os.Stdout, log); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// run works until ctx ends, and gives the work back to the others.
func run(ctx context.Context, database, redis string, out io.Writer, log *slog.Logger) error {
	servers, err := testenv.Named(ctx, database, redis, func(format string, args ...any) { log.Info(fmt.Sprintf(format, args...)) })
	if err != nil {
		return err
	}
	defer servers.Close()
	pool, err := pgxpool.New(ctx, servers.DatabaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	err = pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		return migrate.Up(ctx, conn.Conn(), migrate.Options{Logger: log})
	})
	if err != nil {
		return err
	}
	config := fature.Config{Pool: pool, Logger: log}
	if servers.RedisURL != "" {
		o, err := cache.ParseURL(servers.RedisURL)
		if err != nil {
			return err
		}
		config.RedisOptions = &o
	}
	program, err := fature.New(ctx, config)
	if err != nil {
		return err
	}
	defer program.Close()
	at := pool.Config().ConnConfig
	fmt.Fprintf(out, "working on database %s at %s:%d, in turn with other workers, until SIGTERM\n", at.Database, at.Host, at.Port)
	defer log.Info("stopped")
	return program.Run(ctx)
}
