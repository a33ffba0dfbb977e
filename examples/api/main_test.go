package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/session"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/testenv"
)

const secret = "correct-horse"

// world is a running API with an admin; its log is kept.
type world struct {
	*testing.T
	*api
	url string
	log *text
	odd bool // its requests need not be as openapi.yaml has them
}

// text is a log that is read while it is written.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

func newWorld(t *testing.T) *world { return newWorldOn(t, fature.Config{Pool: testenv.Clone(t)}) }

// newCachedWorld has a Redis of its own.
func newCachedWorld(t *testing.T) *world {
	o, err := cache.ParseURL(testenv.NewRedis(t))
	require.NoError(t, err)
	return newWorldOn(t, fature.Config{Pool: testenv.Clone(t), RedisOptions: &o})
}

func newWorldOn(t *testing.T, config fature.Config) *world {
	log := new(text)
	config.Logger, config.Sessions = slog.New(slog.NewTextHandler(log, nil)), session.Options{Cost: 10}
	a, err := newAPI(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(a.program.Close)
	require.NoError(t, a.seedAdmin(t.Context(), "admin@example.com:"+secret))
	server := httptest.NewServer(a.handler())
	t.Cleanup(server.Close)
	return &world{T: t, api: a, url: server.URL, log: log}
}

// answered is an answer as it came.
type answered struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// has picks a value of the answer: "commissions.0.amount".
func (r answered) has(path string) any {
	var at any = r.body
	for _, step := range strings.Split(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(v) {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	return at
}

func (r answered) id(path string) string { s, _ := r.has(path).(string); return s }

// do sends a request; headers are "Name: value".
func (w *world) do(token, call, body string, headers ...string) answered {
	w.Helper()
	method, path, _ := strings.Cut(call, " ")
	req, err := http.NewRequestWithContext(w.Context(), method, w.url+path, strings.NewReader(body))
	require.NoError(w, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(w, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(w, err)
	out := answered{status: res.StatusCode, header: res.Header, text: string(text)}
	w.conforms(res, body, string(text))
	if strings.HasSuffix(res.Header.Get("Content-Type"), "json") {
		require.NoError(w, json.Unmarshal(text, &out.body), string(text))
	}
	return out
}

// want is do with the status that must come.
func (w *world) want(status int, token, call, body string, headers ...string) answered {
	w.Helper()
	r := w.do(token, call, body, headers...)
	require.Equal(w, status, r.status, "%s: %s", call, r.text)
	if status >= 400 {
		require.Equal(w, "application/problem+json", r.header.Get("Content-Type"))
		require.EqualValues(w, status, r.body["status"])
		require.Equal(w, http.StatusText(status), r.body["title"])
	}
	return r
}

func (w *world) login(email string) string {
	w.Helper()
	return w.want(200, "", "POST /v1/auth/login", fmt.Sprintf(`{"email": %q, "password": %q}`, email, secret)).id("token")
}

// affiliate makes one and logs it in.
func (w *world) affiliate(admin, name, parent string) (id, token string) {
	w.Helper()
	email := name + "@example.com"
	body := fmt.Sprintf(`{"email": %q, "name": %q, "password": %q, "referral_code": %q, "parent_id": %s}`, email, name, secret, name+"-code", parent)
	return w.want(201, admin, "POST /v1/affiliates", body).id("id"), w.login(email)
}

// manager makes a manager and logs it in.
func (w *world) manager() string {
	w.Helper()
	user, err := w.program.Users.Create(w.Context(), affiliate.UserDraft{Email: "m@example.com", Name: "M", Role: affiliate.RoleManager})
	require.NoError(w, err)
	require.NoError(w, w.program.Sessions.SetPassword(w.Context(), user.ID, secret))
	return w.login("m@example.com")
}

const plan = `{
	"name": "shop", "currency": "BRL",
	"rules": [{
		"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
		"overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "5"}, {"percent": "2"}]}
	}]
}`

// share pays a part of what an affiliate's customers lose, month by month.
const share = `{
	"name": "share", "currency": "BRL",
	"rules": [{
		"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win"]}, "pay": {"percent": "25"}, "carry": "base",
		"high_roller": {"mode": "quarantine", "player_max": "1000.00"},
		"overrides": {"of": "commission", "inactive": "none", "steps": [{"percent": "10"}, {"percent": "5"}]}
	}]
}`

// sharePlan publishes share for everybody, before the plan is in force.
func (w *world) sharePlan(admin string) (id string) {
	w.Helper()
	id = w.want(201, admin, "POST /v1/plans", share).id("id")
	w.want(201, admin, "POST /v1/plans/"+id+"/assignments", `{"scope": "default", "from": "2025-01-01T00:00:00Z"}`)
	return id
}

// plan publishes the plan for everybody.
func (w *world) plan(admin string) (id string) {
	w.Helper()
	id = w.want(201, admin, "POST /v1/plans", plan).id("id")
	w.want(201, admin, "POST /v1/plans/"+id+"/assignments", `{"scope": "default", "from": "2026-01-01T00:00:00Z"}`)
	return id
}
