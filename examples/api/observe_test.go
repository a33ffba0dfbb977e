package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/testenv"
)

// scrape is the metrics by their line.
func (w *world) scrape() (lines map[string]string, text string) {
	w.Helper()
	text, lines = w.want(200, "", "GET /metrics", "").text, map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "} "); found && line[0] != '#' {
			lines[name+"}"] = value
		} else if name, value, found := strings.Cut(strings.TrimSpace(line), " "); found && line[0] != '#' {
			lines[name] = value
		}
	}
	return lines, text
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newCachedWorld(t)
	admin := w.login("admin@example.com")
	w.plan(admin)
	ana, token := w.affiliate(admin, "ana", "null")
	for range 3 {
		w.want(200, token, "GET /v1/affiliates/"+ana, "")
		w.want(200, token, "GET /v1/affiliates/"+ana+"/balance", "")
	}
	w.want(404, token, "GET /v1/affiliates/00000000-0000-4000-8000-000000000000", "")
	w.want(404, "", "GET /nothing/at/all?x=1", "")
	w.want(405, "", "DELETE /v1/transactions", "")
	w.want(404, "", "BREW /coffee", "")

	lines, text := w.scrape()
	for name, want := range map[string]string{
		`fature_http_requests_total{method="GET",route="/v1/affiliates/{id}",status="2xx"}`:    "3",
		`fature_http_requests_total{method="GET",route="/v1/affiliates/{id}",status="4xx"}`:    "1",
		`fature_http_request_duration_seconds_count{method="GET",route="/v1/affiliates/{id}"}`: "4",
		`fature_http_requests_total{method="GET",route="none",status="4xx"}`:                   "1",
		`fature_http_requests_total{method="DELETE",route="none",status="4xx"}`:                "1",
		`fature_http_requests_total{method="other",route="none",status="4xx"}`:                 "1",
		`fature_http_requests_in_flight`:                                                       "1",
		`fature_up{server="postgresql"}`:                                                       "1",
		`fature_up{server="redis"}`:                                                            "1",
		`fature_healthy`:                                                                       "0.5", // nobody does the background work
		`fature_background_running`:                                                            "0",
		`fature_redis_breaker_open`:                                                            "0",
		`fature_pending_transactions`:                                                          "0",
		`fature_outbox_rows`:                                                                   "0",
		`fature_months_ahead`:                                                                  "3",
		`fature_cache_reads_total{namespace="commission",result="near"}`:                       "2",
		`fature_cache_reads_total{namespace="commission",result="load"}`:                       "1",
		`fature_pool_max_connections`:                                                          fmt.Sprint(w.pool.Config().MaxConns),
	} {
		require.Equal(t, want, lines[name], "%s in\n%s", name, text)
	}
	require.NotContains(t, text, ana, "no label is of anybody")
	require.NotContains(t, text, "BREW")
	require.NotContains(t, text, "coffee")
	again, _ := w.scrape()
	require.Equal(t, "1", again[`fature_http_requests_total{method="GET",route="/metrics",status="2xx"}`])

	// Whatever is asked for, the series stay the same.
	for i := range 50 {
		w.do("", fmt.Sprintf("M%d /x/%d", i, i), "")
		w.do(token, fmt.Sprintf("GET /v1/affiliates/x%d", i), "")
	}
	more, _ := w.scrape()
	require.Less(t, len(more)-len(again), 30)
}

// A server that is away is told, and hides nothing of what is known.
func TestMetricsOfAServerThatIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(200, "", "GET /livez", "")
	_, err := w.pool.Exec(t.Context(), `drop table fature.schema_version`)
	require.NoError(t, err)
	lines, _ := w.scrape()
	require.Equal(t, "0", lines["fature_healthy"])
	require.Equal(t, "1", lines[`fature_up{server="postgresql"}`])
	require.NotContains(t, lines, "fature_pending_transactions")
	require.NotContains(t, lines, `fature_up{server="redis"}`)
	require.Equal(t, "1", lines[`fature_http_requests_total{method="GET",route="/livez",status="2xx"}`])
}

// tracedWorld keeps the spans of its requests and statements.
func tracedWorld(t *testing.T) (*world, *tracetest.InMemoryExporter) {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	t.Cleanup(func() { _ = provider.Shutdown(context.WithoutCancel(t.Context())) })
	config := testenv.Clone(t).Config()
	tracePool(config, provider)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	w := newWorldOn(t, fature.Config{Pool: pool})
	w.tracer = provider
	server := httptest.NewServer(w.handler())
	t.Cleanup(server.Close)
	w.url = server.URL
	return w, spans
}

func TestTraces(t *testing.T) {
	t.Parallel()
	w, spans := tracedWorld(t)
	admin := w.login("admin@example.com")
	w.plan(admin)
	ana, _ := w.affiliate(admin, "ana", "null")
	spans.Reset()
	w.want(201, admin, "POST /v1/transactions", `{"affiliate_id": "`+ana+`", "type": "sale", "amount": "98765.43",
		"customer_id": "customer-secret", "customer_email": "person@secret.example", "metadata": {"note": "metadata-secret"}}`, "Idempotency-Key: key-secret")
	w.want(409, admin, "POST /v1/affiliates", `{"email": "ana@example.com", "name": "Name-Secret", "password": "password-secret"}`)
	w.want(404, "", "GET /nothing/path-secret", "")

	named := map[string]tracetest.SpanStub{}
	children := map[string]int{}
	for _, s := range spans.GetSpans() {
		named[s.Name] = s
		children[s.Parent.SpanID().String()]++
	}
	for _, name := range []string{"POST /v1/transactions", "POST /v1/affiliates", unrouted} {
		require.Contains(t, named, name)
	}
	require.Positive(t, children[named["POST /v1/transactions"].SpanContext.SpanID().String()], "its statements are its children")
	for name := range named {
		require.NotContains(t, name, ana)
		require.NotContains(t, name, "secret")
	}
	all, err := json.Marshal(spans.GetSpans())
	require.NoError(t, err)
	require.Contains(t, string(all), "fature.transactions", "the text of the statements is there")
	for _, secret := range []string{
		"98765", "customer-secret", "person@secret", "metadata-secret", "key-secret", "Name-Secret", "password-secret", "ana@example.com", admin,
	} {
		require.NotContains(t, string(all), secret)
	}

	// What PostgreSQL says of an error quotes values: the span has its code.
	spans.Reset()
	ctx, span := w.tracer.Tracer("test").Start(t.Context(), "test")
	_, err = w.pool.Exec(ctx, `select $1::text::integer`, "value-secret")
	require.ErrorContains(t, err, "value-secret")
	var b pgx.Batch
	b.Queue(`select $1::text::integer`, "value-secret")
	require.ErrorContains(t, w.pool.SendBatch(ctx, &b).Close(), "value-secret")
	_, err = w.pool.CopyFrom(ctx, pgx.Identifier{"fature", "users"}, []string{"name", "status"}, pgx.CopyFromRows([][]any{{"value-secret", "value-secret"}}))
	require.Error(t, err)
	span.End()
	all, err = json.Marshal(spans.GetSpans())
	require.NoError(t, err)
	require.Contains(t, string(all), "22P02")
	require.NotContains(t, string(all), "value-secret")
}

func TestCoded(t *testing.T) {
	t.Parallel()
	require.NoError(t, coded(nil))
	require.ErrorIs(t, coded(fmt.Errorf("x: %w", pgx.ErrNoRows)), pgx.ErrNoRows)
	require.Equal(t, context.DeadlineExceeded, coded(fmt.Errorf("secret: %w", context.DeadlineExceeded)))
	require.Equal(t, context.Canceled, coded(fmt.Errorf("secret: %w", context.Canceled)))
	require.NotContains(t, coded(errors.New("secret")).Error(), "secret")
}

// Spans go to whom they are to be written to, and those of the last moment too.
func TestTracerWrites(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tracer, err := newTracer(&out)
	require.NoError(t, err)
	_, span := tracer.Tracer("test").Start(t.Context(), "a span")
	span.End()
	require.NoError(t, tracer.Shutdown(t.Context()))
	require.Contains(t, out.String(), `"a span"`)
}
