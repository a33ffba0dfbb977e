package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/fature/fature"
	"github.com/fature/fature/cache"
)

// unrouted is the route of requests that no route takes.
const unrouted = "none"

// metrics are what the API counts, on a registry of its own: two of it in one
// process do not meet. Every label is of a set that the program knows.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	page     http.Handler
}

func newMetrics(a *api) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fature_http_requests_total", Help: "Requests that were answered, by the class of the status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fature_http_request_duration_seconds", Help: "How long requests took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fature_http_requests_in_flight", Help: "Requests on their way.",
		}),
	}
	m.registry.MustRegister(
		m.requests, m.seconds, m.inFlight, &state{look: a.look, pool: a.pool, figures: a.program.CacheFigures},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.page = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return m
}

// answered counts a request.
func (m *metrics) answered(e *entry, r *http.Request, took time.Duration) {
	method, route, found := strings.Cut(e.route, " ")
	switch {
	case !found:
		method, route = methodOf(r.Method), unrouted
	case r.Method == http.MethodHead: // which the routes of GET take
		method = r.Method
	}
	status := "none" // the caller went away before there was one
	if e.status >= 100 && e.status < 600 {
		status = string(rune('0'+e.status/100)) + "xx"
	}
	m.requests.WithLabelValues(route, method, status).Inc()
	m.seconds.WithLabelValues(route, method).Observe(took.Seconds())
}

// methodOf keeps made-up methods from making labels.
func methodOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// showMetrics answers what Prometheus asks for. It tells how busy the programme
// is and nothing of anybody: a proxy keeps it from the outside.
func (a *api) showMetrics(*call) (reply, error) {
	return ok(a.metrics.page)
}

// state is read when Prometheus asks: the health of the programme, the pool, and
// the caches.
type state struct {
	look    func(context.Context) fature.Health
	pool    *pgxpool.Pool
	figures func() map[string]cache.Figures
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fature_"+name, help, labels, nil)
}

var (
	upDesc      = describe("up", "Whether a server answers.", "server")
	latencyDesc = describe("latency_seconds", "How long its answer took.", "server")
	statusDesc  = describe("healthy", "1 is ok, 0.5 degraded, 0 down.")
	breakerDesc = describe("redis_breaker_open", "Whether the cache does without Redis, which did not answer.")

	connectionsDesc    = describe("postgresql_connections", "Connections to all databases of the server.")
	maxConnectionsDesc = describe("postgresql_max_connections", "How many connections the server takes.")

	pendingDesc   = describe("pending_transactions", "Transactions that are not rated yet, up to 100,000.")
	deltasDesc    = describe("unfolded_deltas", "Entries that are not in the totals yet, up to 100,000.")
	foldDesc      = describe("fold_age_seconds", "How old the totals are.")
	outboxDesc    = describe("outbox_rows", "What caches have not been told, up to 100,000.")
	outboxAgeDesc = describe("outbox_oldest_seconds", "When the oldest of it was written.")
	monthsDesc    = describe("months_ahead", "For how many months after this one there are partitions.")
	workingDesc   = describe("background_running", "Whether a process does the background work.")
	lateDesc      = describe("jobs_late", "Jobs that are overdue.")

	poolDesc     = describe("pool_connections", "Connections of this process's pool.", "state")
	poolMaxDesc  = describe("pool_max_connections", "The most that the pool opens.")
	acquiresDesc = describe("pool_acquires_total", "Connections taken from the pool.")
	waitsDesc    = describe("pool_waits_total", "Those for which a request had to wait.")
	waitedDesc   = describe("pool_wait_seconds_total", "How long requests waited for connections.")
	canceledDesc = describe("pool_canceled_total", "Waits that ended without a connection.")
	openedDesc   = describe("pool_opened_total", "Connections that were opened.")

	readsDesc  = describe("cache_reads_total", "Reads of the cache: near, far and absent are hits, a load is none.", "namespace", "result")
	failedDesc = describe("cache_errors_total", "Calls that Redis did not answer.", "namespace")
)

// Describe implements prometheus.Collector.
func (s *state) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		upDesc, latencyDesc, statusDesc, breakerDesc, connectionsDesc, maxConnectionsDesc,
		pendingDesc, deltasDesc, foldDesc, outboxDesc, outboxAgeDesc, monthsDesc, workingDesc, lateDesc,
		poolDesc, poolMaxDesc, acquiresDesc, waitsDesc, waitedDesc, canceledDesc, openedDesc, readsDesc, failedDesc,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector. What is not known is left out.
func (s *state) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	h := s.look(context.Background()) // it bounds itself
	gauge(statusDesc, map[fature.HealthStatus]float64{fature.Healthy: 1, fature.Degraded: 0.5}[h.Status])
	gauge(upDesc, one(h.PostgreSQL.Up), "postgresql")
	gauge(latencyDesc, h.PostgreSQL.Latency.Seconds(), "postgresql")
	if h.PostgreSQL.Migrated {
		gauge(connectionsDesc, float64(h.PostgreSQL.ServerConnections))
		gauge(maxConnectionsDesc, float64(h.PostgreSQL.MaxConnections))
	}
	if h.Redis.Configured {
		gauge(upDesc, one(h.Redis.Up), "redis")
		gauge(latencyDesc, h.Redis.Latency.Seconds(), "redis")
		gauge(breakerDesc, one(h.Redis.BreakerOpen))
	}
	if l := h.Backlog; l != nil {
		gauge(pendingDesc, float64(l.Pending))
		gauge(deltasDesc, float64(l.Deltas))
		gauge(foldDesc, l.FoldAge.Seconds())
		gauge(outboxDesc, float64(l.Outbox))
		gauge(outboxAgeDesc, l.OutboxAge.Seconds())
		gauge(monthsDesc, float64(l.MonthsAhead))
		gauge(workingDesc, one(l.Working))
		gauge(lateDesc, float64(len(l.Late)))
	}
	p := s.pool.Stat()
	gauge(poolDesc, float64(p.AcquiredConns()), "in_use")
	gauge(poolDesc, float64(p.IdleConns()), "idle")
	gauge(poolDesc, float64(p.ConstructingConns()), "opening")
	gauge(poolMaxDesc, float64(p.MaxConns()))
	count(acquiresDesc, float64(p.AcquireCount()))
	count(waitsDesc, float64(p.EmptyAcquireCount()))
	count(waitedDesc, p.EmptyAcquireWaitTime().Seconds())
	count(canceledDesc, float64(p.CanceledAcquireCount()))
	count(openedDesc, float64(p.NewConnsCount()))
	for namespace, f := range s.figures() {
		for result, n := range map[string]int64{"near": f.Near, "far": f.Far, "absent": f.Absent, "load": f.Loads} {
			count(readsDesc, float64(n), namespace, result)
		}
		count(failedDesc, float64(f.Errors), namespace)
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// newTracer writes spans to out. For a collector, otlptracegrpc.New(ctx) takes
// the place of stdouttrace.New, and reads OTEL_EXPORTER_OTLP_ENDPOINT; nothing
// else changes.
func newTracer(out io.Writer) (*sdk.TracerProvider, error) {
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(out))
	if err != nil {
		return nil, err
	}
	return sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(resource.NewSchemaless())), nil
}

// traced has each request make a span, which is named by its route. A trace that
// a caller brings is not taken up: the API is for strangers.
func (a *api) traced(next http.Handler) http.Handler {
	if a.tracer == nil {
		return next
	}
	return otelhttp.NewMiddleware("api",
		otelhttp.WithTracerProvider(a.tracer),
		otelhttp.WithSpanNameFormatter(func(string, *http.Request) string { return unrouted }),
		otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return true }),
	)(next)
}

// routed says which route a request takes, to its span and its line in the log.
func routed(r *http.Request, pattern string) {
	entryOf(r.Context()).route = pattern
	if span := trace.SpanFromContext(r.Context()); span.IsRecording() {
		span.SetName(pattern)
	}
}

// tracePool has the statements of a pool make spans: their text, which has
// parameters in the place of values, and of errors the code.
func tracePool(config *pgxpool.Config, tracer trace.TracerProvider) {
	config.ConnConfig.Tracer = quiet{otelpgx.NewTracer(otelpgx.WithTracerProvider(tracer))}
}

// quiet keeps what PostgreSQL says of an error out of a span, for it may quote a
// value.
type quiet struct{ *otelpgx.Tracer }

// TraceQueryEnd implements pgx.QueryTracer, and so do the others their tracers.
func (q quiet) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	data.Err = coded(data.Err)
	q.Tracer.TraceQueryEnd(ctx, conn, data)
}

func (q quiet) TraceBatchQuery(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	data.Args, data.Err = nil, coded(data.Err)
	q.Tracer.TraceBatchQuery(ctx, conn, data)
}

func (q quiet) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	data.Err = coded(data.Err)
	q.Tracer.TraceBatchEnd(ctx, conn, data)
}

func (q quiet) TraceCopyFromEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromEndData) {
	data.Err = coded(data.Err)
	q.Tracer.TraceCopyFromEnd(ctx, conn, data)
}

func (q quiet) TracePrepareEnd(ctx context.Context, conn *pgx.Conn, data pgx.TracePrepareEndData) {
	data.Err = coded(data.Err)
	q.Tracer.TracePrepareEnd(ctx, conn, data)
}

func (q quiet) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	data.Err = coded(data.Err)
	q.Tracer.TraceConnectEnd(ctx, data)
}

// coded is an error as its SQLSTATE, or as what is known of it without a text.
func coded(err error) error {
	var server *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, pgx.ErrNoRows):
		return err
	case errors.As(err, &server):
		return &pgconn.PgError{Severity: server.Severity, Code: server.Code, Message: "refused"}
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	return errors.New("the connection failed, or a value could not be encoded or read")
}
