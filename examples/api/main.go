// Api is the library behind a REST API: a thin layer that decodes, asks the
// library and encodes. It begins with what the engine of commissions needs.
//
//	go run ./examples/api [-addr HOST:PORT] [-seed-admin EMAIL:PASSWORD] [-redirect-hosts HOST,...]
//
// DATABASE_URL names a database, which is migrated, and REDIS_URL a Redis, whose
// databases 0 to 5 are used; without the first, servers are started for this
// run. Without a Redis it works, and says that it is degraded.
//
// GET /openapi.yaml describes every operation; open it in any viewer of OpenAPI
// 3.1, such as Swagger UI or Redoc.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "127.0.0.1:8080", "the `ADDRESS` to listen at")
	flag.StringVar(&o.database, "database", os.Getenv("DATABASE_URL"), "the `URL` of a database; without one a server is started for this run")
	flag.StringVar(&o.redis, "redis", os.Getenv("REDIS_URL"), "the `URL` of a Redis, beside a database")
	flag.StringVar(&o.admin, "seed-admin", "", "makes the first admin, as `EMAIL:PASSWORD`; one that is there stays as it is")
	flag.StringVar(&o.hosts, "redirect-hosts", "", "the `HOSTS` to which GET /r/{code}?to= may lead, with commas between them")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	if err := run(ctx, o, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

type options struct{ addr, database, redis, admin, hosts string }

// run serves until ctx ends, and returns when all that it began is done.
func run(ctx context.Context, o options, out io.Writer, log *slog.Logger) error {
	if o.database == "" {
		servers, err := testenv.Start(ctx, func(format string, args ...any) { log.Info(fmt.Sprintf(format, args...)) })
		if err != nil {
			return err
		}
		defer servers.Close()
		o.database, o.redis = servers.DatabaseURL, cmp.Or(o.redis, servers.RedisURL)
	}
	pool, err := pgxpool.New(ctx, o.database)
	if err != nil {
		return err
	}
	defer pool.Close()
	config := fature.Config{Pool: pool, Logger: log}
	if o.redis != "" {
		addressed, err := cache.ParseURL(o.redis)
		if err != nil {
			return err
		}
		config.RedisOptions = &addressed
	}
	a, err := newAPI(ctx, config)
	if err != nil {
		return err
	}
	defer a.program.Close()
	a.hosts = hostsOf(o.hosts)
	if o.admin != "" {
		if err := a.seedAdmin(ctx, o.admin); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s\n", listener.Addr())
	return a.serveUntil(ctx, listener)
}

// newAPI migrates the database and makes the programme on it.
func newAPI(ctx context.Context, config fature.Config) (*api, error) {
	err := config.Pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		return migrate.Up(ctx, conn.Conn(), migrate.Options{Logger: config.Logger})
	})
	if err != nil {
		return nil, err
	}
	program, err := fature.New(ctx, config)
	if err != nil {
		return nil, err
	}
	clicks, err := click.NewRecorder(program.Clicks, click.RecorderOptions{Logger: config.Logger})
	return &api{program: program, pool: config.Pool, clicks: clicks, log: config.Logger, now: time.Now}, err
}

// drainTime is how long requests on their way have to end.
const drainTime = 20 * time.Second

// serveUntil serves and does the background work until ctx ends; then it lets
// the requests end, and after them the work.
func (a *api) serveUntil(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: a.handler(), ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: longestRequest, WriteTimeout: 2 * longestRequest,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	working, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	worked, served := make(chan error, 2), make(chan error, 1)
	go func() { worked <- a.program.Run(working) }()
	go func() { worked <- a.clicks.Run(working) }()
	go func() { served <- server.Serve(listener) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		a.log.Info("stopping")
		draining, cancel := context.WithTimeout(working, drainTime)
		err = server.Shutdown(draining)
		cancel()
	}
	stopWork()
	return errors.Join(err, server.Close(), <-worked, <-worked)
}
