package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/session"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// The API beside what it stands on. Servers and clients share the machine, so
// read the ratios (go run ./internal/ratios prints them):
//
//	go test -run '^$' -bench . ./examples/api | go run ./internal/ratios

// bench is an API with a Redis, a plan of three levels, and affiliates in lines
// of ten; the last of them is logged in.
type bench struct {
	*testing.B
	*api
	config fature.Config
	ids    []uuid.UUID
	who    affiliate.Viewer
	token  string
	admin  string
}

func newBench(b *testing.B) *bench {
	b.Helper()
	o, err := cache.ParseURL(testenv.NewRedis(b))
	require.NoError(b, err)
	config := fature.Config{
		Pool: testenv.Clone(b), RedisOptions: &o, Sessions: session.Options{Cost: 10, Trust: trust},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	a, err := newAPI(b.Context(), config)
	require.NoError(b, err)
	b.Cleanup(a.program.Close)
	document, err := commission.Parse([]byte(plan))
	require.NoError(b, err)
	published, err := a.program.Plans.Publish(b.Context(), document)
	require.NoError(b, err)
	require.NoError(b, a.program.Plans.Assign(b.Context(), commission.Default(published.ID)))
	w := &bench{B: b, api: a, config: config}
	drafts := make([]affiliate.Draft, 100)
	for i := range drafts {
		drafts[i] = affiliate.Draft{ID: uuid.Must(uuid.NewV7()), Name: "A", Email: fmt.Sprintf("a%d@example.com", i)}
		if i%10 > 0 {
			drafts[i].ParentID = drafts[i-1].ID
		}
		w.ids = append(w.ids, drafts[i].ID)
	}
	people, err := a.program.Affiliates.CreateAll(b.Context(), drafts)
	require.NoError(b, err)
	last := people[len(people)-1]
	w.who = affiliate.Viewer{UserID: last.UserID, Role: affiliate.RoleAffiliate, AffiliateID: last.ID}
	require.NoError(b, a.program.Sessions.SetPassword(b.Context(), last.UserID, secret))
	w.token = w.login("a99@example.com")
	require.NoError(b, a.seedAdmin(b.Context(), "admin@example.com:"+secret))
	w.admin = w.login("admin@example.com")
	return w
}

func (w *bench) login(email string) (token string) {
	w.Helper()
	_, token, err := w.program.Sessions.Login(w.Context(), session.Attempt{Email: email, Password: secret})
	require.NoError(w, err)
	return token
}

// events are n sales that were not there before.
func (w *bench) events(n int) []transaction.Event {
	events := make([]transaction.Event, n)
	for i := range events {
		events[i] = transaction.Event{
			AffiliateID: w.ids[i%len(w.ids)], CustomerID: fmt.Sprint("c", i%200), Type: transaction.Sale,
			Amount: decimal.New(int64(1000+i), -2), SourceTable: "orders", OriginalID: uuid.NewString(),
			Metadata: map[string]any{"channel": "web"}, At: time.Now().UTC().Truncate(time.Second),
		}
	}
	return events
}

// body is what a client sends of events.
func body(b *testing.B, events []transaction.Event) string {
	b.Helper()
	list := make([]map[string]any, len(events))
	for i, e := range events {
		list[i] = map[string]any{
			"affiliate_id": e.AffiliateID, "customer_id": e.CustomerID, "type": e.Type, "amount": e.Amount.StringFixed(2),
			"source_table": e.SourceTable, "original_id": e.OriginalID, "metadata": e.Metadata, "created_at": e.At.Format(time.RFC3339),
		}
	}
	text, err := json.Marshal(map[string]any{"transactions": list})
	require.NoError(b, err)
	return string(text)
}

// serves starts a server with the program's own settings.
func (w *bench) serves(h http.Handler) (url string) {
	server := httptest.NewUnstartedServer(h)
	server.Config = w.server()
	server.Config.Handler = h
	server.Start()
	w.Cleanup(server.Close)
	return server.URL
}

// client keeps as many connections as ask at once.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}

// get asks for what a token reads, as many times as the benchmark wants.
func get(b *testing.B, url, token string) {
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(each *testing.PB) {
		for each.Next() {
			if status, text := ask(b.Context(), http.MethodGet, url, token, ""); status != http.StatusOK {
				b.Errorf("%d: %s", status, text)
				return
			}
		}
	})
}

func ask(ctx context.Context, method, url, token, body string) (status int, text []byte) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, []byte(err.Error())
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(req)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer res.Body.Close()
	var all bytes.Buffer
	_, _ = all.ReadFrom(res.Body)
	return res.StatusCode, all.Bytes()
}

// A read that looks into the cache first, beside a handler that writes the same
// bytes from memory: as the program runs; asking PostgreSQL and Redis each time
// who asks; and without finding that out.
func BenchmarkCachedRead(b *testing.B) {
	w := newBench(b)
	config := w.config
	config.Sessions.Trust = 0
	strict, err := newAPI(b.Context(), config)
	require.NoError(b, err)
	b.Cleanup(strict.program.Close)
	for _, of := range []string{"balance", "stats"} {
		path := "/v1/affiliates/" + w.who.AffiliateID.String() + "/" + of
		whole := w.serves(w.handler()) + path
		status, text := ask(b.Context(), http.MethodGet, whole, w.token, "")
		require.Equal(b, http.StatusOK, status, string(text))
		bare := w.serves(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			_, _ = rw.Write(text)
		})) + path
		routes := w.routes()
		i := slices.IndexFunc(routes, func(rt route) bool { return rt.pattern == "GET /v1/affiliates/{id}/"+of })
		for _, c := range []struct{ name, url string }{
			{"limit=bare", bare}, {"api", whole}, {"api_strict", w.serves(strict.handler()) + path}, {"without_login", w.serves(w.trusting(routes[i])) + path},
		} {
			b.Run(of+"/"+c.name, func(b *testing.B) { get(b, c.url, w.token) })
		}
	}
}

// trusting is a route whose caller need not say who it is.
func (w *bench) trusting(rt route) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(rt.pattern, func(rw http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), longestRequest)
		defer cancel()
		answer, err := rt.do(&call{Request: r.WithContext(ctx), who: w.who, program: w.program.As(w.who)})
		if err != nil {
			w.Error(err)
			return
		}
		w.write(rw, r, answer, "application/json")
	})
	return w.logged(mux)
}

// A thousand events over HTTP beside Record of them in process.
func BenchmarkRecordBatch(b *testing.B) {
	const n = 1000
	w := newBench(b)
	url := w.serves(w.handler()) + "/v1/transactions/batch"
	_, err := w.program.Record(b.Context(), w.events(n)...) // who is new is new to both
	require.NoError(b, err)
	b.Run("limit=in_process", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			events := w.events(n)
			b.StartTimer()
			_, err := w.program.Record(b.Context(), events...)
			require.NoError(b, err)
		}
	})
	b.Run("http", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			text := body(b, w.events(n))
			b.StartTimer()
			status, answer := ask(b.Context(), http.MethodPost, url, w.admin, text)
			require.Equal(b, http.StatusOK, status)
			require.Contains(b, string(answer), `"recorded":1000,`)
		}
	})
}

// What a batch of a thousand costs to be read.
func BenchmarkDecodeBatch(b *testing.B) {
	w := &bench{ids: []uuid.UUID{uuid.New()}}
	text := []byte(body(b, w.events(1000)))
	b.Run("limit=json.Unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var in struct {
				Transactions []eventJSON `json:"transactions"`
			}
			require.NoError(b, json.Unmarshal(text, &in))
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var in struct {
				Transactions []json.RawMessage `json:"transactions"`
			}
			require.NoError(b, decode(text, &in))
			_, failed := readEvents(in.Transactions)
			require.NoError(b, all(failed))
		}
	})
}
