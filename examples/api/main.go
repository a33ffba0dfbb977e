// Api is the library behind a REST API: a thin layer that decodes, asks the
// library and encodes. It begins with what the engine of commissions needs.
//
//	go run ./examples/api [-addr HOST:PORT] [-seed-admin EMAIL:PASSWORD] [-redirect-hosts HOST,...] [-jobs=false] [-trace]
//
// DATABASE_URL names a database, which is migrated, and REDIS_URL a Redis, whose
// databases 0 to 5 are used; without the first, servers are started for this
// run. Without a Redis it works, and says that it is degraded.
//
// GET /openapi.yaml describes every operation; open it in any viewer of OpenAPI
// 3.1, such as Swagger UI or Redoc.
package main

import (
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
	"go.opentelemetry.io/otel/trace"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/affiliate/session"
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
	flag.BoolVar(&o.trace, "trace", false, "writes a span of each request and statement to standard error")
	flag.BoolVar(&o.jobs, "jobs", true, "does the background work too; with false it is left to examples/worker")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	if err := run(ctx, o, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

type options struct {
	addr, database, redis, admin, hosts string
	trace, jobs                         bool
}

// run serves until ctx ends, and returns when all that it began is done.
func run(ctx context.Context, o options, out io.Writer, log *slog.Logger) error {
	servers, err := testenv.Named(ctx, o.database, o.redis, func(format string, args ...any) { log.Info(fmt.Sprintf(format, args...)) })
	if err != nil {
		return err
	}
	defer servers.Close()
	pooled, err := pgxpool.ParseConfig(servers.DatabaseURL)
	if err != nil {
		return err
	}
	var tracer trace.TracerProvider
	if o.trace {
		spans, err := newTracer(os.Stderr)
		if err != nil {
			return err
		}
		defer func() { _ = spans.Shutdown(context.WithoutCancel(ctx)) }()
		tracePool(pooled, spans)
		tracer = spans
	}
	pool, err := pgxpool.NewWithConfig(ctx, pooled)
	if err != nil {
		return err
	}
	defer pool.Close()
	config := fature.Config{Pool: pool, Logger: log, Sessions: session.Options{Trust: trust}}
	if servers.RedisURL != "" {
		addressed, err := cache.ParseURL(servers.RedisURL)
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
	a.hosts, a.jobs, a.tracer = hostsOf(o.hosts), o.jobs, tracer
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
	a := &api{
		program: program, pool: config.Pool, clicks: clicks, jobs: true, large: make(turns, largeAtOnce), log: config.Logger, now: time.Now,
	}
	a.metrics = newMetrics(a)
	return a, err
}

// trust spares who looks at many pages a round trip for each. Whoever is
// suspended, or has another password, is out within it.
const trust = time.Second

// drainTime is how long requests on their way have to end.
const drainTime = 20 * time.Second

// server has a limit on each step of a request, so that who sends slowly, or
// nothing, holds a connection for a while and no more.
func (a *api) server() *http.Server {
	return &http.Server{
		Handler: a.handler(), ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: longestRequest, WriteTimeout: 2 * longestRequest,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
}

// serveUntil serves and does the background work until ctx ends; then it lets
// the requests end, and after them the work. Clicks are its own to write, also
// where the jobs are left to others.
func (a *api) serveUntil(ctx context.Context, listener net.Listener) error {
	server := a.server()
	working, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	worked, served := make(chan error, 2), make(chan error, 1)
	go func() {
		if !a.jobs {
			worked <- nil
			return
		}
		worked <- a.program.Run(working)
	}()
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
