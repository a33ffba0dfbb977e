package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/singleflight"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/fault"
)

// What a request may cost.
const (
	largestBody    = 1 << 20
	largestBatch   = 16 << 20
	largestLogin   = 16 << 10 // from anybody
	longestRequest = 30 * time.Second
)

// api answers the requests of one programme.
type api struct {
	program *fature.Program
	pool    *pgxpool.Pool
	clicks  *click.Recorder
	hosts   []string // to which links may lead
	jobs    bool     // the background work is done here
	large   turns
	log     *slog.Logger
	now     func() time.Time

	metrics   *metrics
	tracer    trace.TracerProvider // nil: nothing is traced
	looks     singleflight.Group   // of health
	verifying sync.Mutex           // held by the one verification
}

// route is one line of the contract: who it is for, and what answers it.
type route struct {
	pattern string
	to      access
	do      func(*call) (reply, error)
	body    int64         // the largest; 0 is largestBody
	within  time.Duration // how long it may take; 0 is longestRequest
	named   bool          // its path begins as one with an id, and is no id
}

func (a *api) routes() []route {
	return append([]route{
		{pattern: "GET /livez", to: public, do: a.live},
		{pattern: "GET /readyz", to: public, do: a.ready},
		{pattern: "GET /health", to: public, do: a.health},
		{pattern: "GET /metrics", to: public, do: a.showMetrics},
		{pattern: "GET /v1/audit", to: admins, do: a.listAudit},
		{pattern: "GET /v1/verify", to: admins, do: a.verify, within: longestVerify},
		{pattern: "GET /v1/reports/{report}", to: staff, do: a.report},
		{pattern: "GET /openapi.yaml", to: public, do: a.openapi},
		{pattern: "GET /r/{code}", to: public, do: a.follow},
		{pattern: "POST /v1/customers", to: admins, do: a.attributeCustomer},
		{pattern: "POST /v1/auth/login", to: public, do: a.login, body: largestLogin},
		{pattern: "POST /v1/auth/logout", to: everyone, do: a.logout},
		{pattern: "GET /v1/auth/sessions", to: everyone, do: a.listSessions},
		{pattern: "DELETE /v1/auth/sessions/{id}", to: everyone, do: a.endSession},
		{pattern: "GET /v1/me", to: everyone, do: a.me},
		{pattern: "POST /v1/users", to: admins, do: a.createUser},
		{pattern: "GET /v1/users", to: everyone, do: a.listUsers},
		{pattern: "GET /v1/users/{id}", to: everyone, do: a.getUser},
		{pattern: "PATCH /v1/users/{id}", to: admins, do: a.changeUser},
		{pattern: "POST /v1/affiliates", to: admins, do: a.createAffiliate},
		{pattern: "GET /v1/affiliates", to: everyone, do: a.listAffiliates},
		{pattern: "GET /v1/affiliates/by-code/{code}", to: everyone, do: a.getByCode, named: true},
		{pattern: "GET /v1/affiliates/{id}", to: everyone, do: a.getAffiliate},
		{pattern: "PATCH /v1/affiliates/{id}", to: admins, do: a.changeAffiliate},
		{pattern: "GET /v1/affiliates/{id}/upline", to: everyone, do: a.listUpline},
		{pattern: "GET /v1/affiliates/{id}/downline", to: everyone, do: a.listDownline},
		{pattern: "GET /v1/affiliates/{id}/children", to: everyone, do: a.listChildren},
		{pattern: "GET /v1/affiliates/{id}/tree", to: everyone, do: a.tree},
		{pattern: "POST /v1/affiliates/{id}/move", to: admins, do: a.move},
		{pattern: "GET /v1/affiliates/{id}/stats", to: everyone, do: a.statistics},
		{pattern: "GET /v1/affiliates/{id}/rank", to: everyone, do: a.rank},
		{pattern: "GET /v1/affiliates/{id}/achievements", to: everyone, do: a.listAwards},
		{pattern: "GET /v1/affiliates/{id}/commissions", to: everyone, do: a.listLinesOf},
		{pattern: "GET /v1/rankings/{metric}", to: everyone, do: a.ranking},
		{pattern: "POST /v1/affiliates/{id}/adjustments", to: admins, do: a.adjust},
		{pattern: "POST /v1/plans/preview", to: staff, do: a.preview},
		{pattern: "POST /v1/plans", to: admins, do: a.publishPlan},
		{pattern: "GET /v1/plans", to: staff, do: a.listPlans},
		{pattern: "GET /v1/plans/{id}", to: staff, do: a.getPlan},
		{pattern: "POST /v1/plans/{id}/assignments", to: admins, do: a.assignPlan},
		{pattern: "POST /v1/plans/{id}/simulate", to: staff, do: a.simulate},
		{pattern: "POST /v1/periods/{period}/close", to: admins, do: a.closePeriod},
		{pattern: "GET /v1/periods/{period}/preview", to: staff, do: a.previewPeriod},
		{pattern: "GET /v1/affiliates/{id}/statements", to: everyone, do: a.listStatements},
		{pattern: "GET /v1/statements/{id}", to: everyone, do: a.getStatement},
		{pattern: "POST /v1/transactions", to: admins, do: a.record},
		{pattern: "POST /v1/transactions/batch", to: admins, do: a.recordBatch, body: largestBatch},
		{pattern: "GET /v1/transactions", to: everyone, do: a.listTransactions},
		{pattern: "GET /v1/transactions/{id}", to: everyone, do: a.getTransaction},
		{pattern: "GET /v1/transactions/{id}/commissions", to: everyone, do: a.listLines},
		{pattern: "POST /v1/transactions/{id}/process", to: admins, do: a.process},
		{pattern: "GET /v1/commissions/{id}/explanation", to: everyone, do: a.explain},
		{pattern: "POST /v1/commissions/{id}/void", to: admins, do: a.void},
		{pattern: "GET /v1/affiliates/{id}/balance", to: everyone, do: a.balance},
		{pattern: "GET /v1/affiliates/{id}/payouts", to: everyone, do: a.listPayoutsOf},
		{pattern: "POST /v1/payouts", to: admins, do: a.runPayouts},
		{pattern: "GET /v1/payouts", to: everyone, do: a.listPayouts},
		{pattern: "GET /v1/payouts/{id}", to: everyone, do: a.getPayout},
		{pattern: "GET /v1/payouts/{id}/export.csv", to: everyone, do: a.exportPayout},
	}, a.payoutVerbs()...)
}

// call is a request on its way.
type call struct {
	*http.Request
	who     affiliate.Viewer
	session uuid.UUID
	program *fature.Program // as the caller sees it
}

// id is the id in the path.
func (c *call) id() (uuid.UUID, error) {
	id, err := parseID(c.PathValue("id"))
	if err != nil {
		return id, malformed{fault.In("id", err)}
	}
	return id, nil
}

// csvText is a body that is not JSON.
type csvText []byte

// reply is what a handler answers; a body of nil is none.
type reply struct {
	status int
	body   any
	from   cache.From // of a read that is kept; empty is one that is not
}

func ok(body any) (reply, error)      { return reply{status: http.StatusOK, body: body}, nil }
func created(body any) (reply, error) { return reply{status: http.StatusCreated, body: body}, nil }

// kept is ok for a read that looks into the cache first. It says so, and gives
// an ETag, by which who asks again gets the body only when it is another.
func kept(body any, from cache.From) (reply, error) {
	return reply{http.StatusOK, body, from}, nil
}

// handler is all routes, behind what every request passes through. Those that
// are named are looked at first, in a mux of their own: to one mux
// /affiliates/by-code/{code} and /affiliates/{id}/tree are in conflict.
func (a *api) handler() http.Handler {
	named, others := http.NewServeMux(), http.NewServeMux()
	for _, rt := range a.routes() {
		mux := others
		if rt.named {
			mux = named
		}
		mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, rt) })
	}
	return a.traced(a.logged(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var none []http.Handler
		for _, mux := range []*http.ServeMux{named, others} {
			h, pattern := mux.Handler(r)
			if pattern != "" {
				routed(r, pattern)
				mux.ServeHTTP(w, r)
				return
			}
			none = append(none, h)
		}
		a.unrouted(w, r, none...)
	})))
}

func (a *api) serve(w http.ResponseWriter, r *http.Request, rt route) {
	within := cmp.Or(rt.within, longestRequest)
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	if within > longestRequest {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(within + longestRequest))
	}
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, rt.largest())
	answer, err := a.answer(&call{Request: r}, rt)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	a.write(w, r, answer, "application/json")
}

// answer runs a handler as its caller, whom the audit is told of.
func (a *api) answer(c *call, rt route) (reply, error) {
	if err := a.admit(c, rt.to); err != nil {
		return reply{}, err
	}
	if c.who.UserID != uuid.Nil {
		e := entryOf(c.Context())
		e.user = c.who.UserID.String()
		actor := fature.Actor{ID: e.user, Request: e.request}
		c.Request = c.WithContext(fature.WithActor(c.Context(), actor))
	}
	done, err := a.large.take(c, rt)
	if err != nil {
		return reply{}, err
	}
	defer done()
	return rt.do(c)
}

func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	switch p.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status >= http.StatusInternalServerError && r.Context().Err() != context.Canceled { //nolint:errorlint // its own value
		a.log.ErrorContext(r.Context(), "failed", "request", entryOf(r.Context()).request, "error", err)
	}
	a.write(w, r, reply{status: p.Status, body: p}, "application/problem+json")
}

func (a *api) write(w http.ResponseWriter, r *http.Request, answer reply, kind string) {
	var text []byte
	switch body := answer.body.(type) {
	case nil:
		w.WriteHeader(answer.status)
		return
	case away:
		a.cookie(&call{Request: r}).Set(w, body.visitor)
		w.Header().Set("Location", body.to)
		w.WriteHeader(answer.status)
		return
	case http.Handler: // which writes by itself
		body.ServeHTTP(w, r)
		return
	case csvText:
		text, kind = body, "text/csv; charset=utf-8"
	case yamlText:
		text, kind = body, "application/yaml"
	default:
		var buffer bytes.Buffer
		out := json.NewEncoder(&buffer)
		out.SetEscapeHTML(false)
		if err := out.Encode(body); err != nil {
			a.refuse(w, r, err)
			return
		}
		text = buffer.Bytes()
	}
	w.Header().Set("Content-Type", kind)
	if answer.from != "" && known(w, r, answer.from, text) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(answer.status)
	_, _ = w.Write(text) // who has gone away reads no error
}

// unrouted answers what no route takes: the mux knows whether the path or the
// method is wrong, but says so in plain text.
func (a *api) unrouted(w http.ResponseWriter, r *http.Request, none ...http.Handler) {
	err := errNoRoute
	for _, h := range none {
		says := &said{header: http.Header{}}
		h.ServeHTTP(says, r)
		if says.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", says.header.Get("Allow"))
			err = errNoMethod
		}
	}
	a.refuse(w, r, err)
}

// said is an answer whose text nobody reads.
type said struct {
	header http.Header
	status int
}

func (s *said) Header() http.Header         { return s.header }
func (s *said) WriteHeader(status int)      { s.status = status }
func (s *said) Write(b []byte) (int, error) { return len(b), nil }

// entry is what the log says of a request.
type entry struct {
	request string
	user    string // the id of who asks; empty is nobody
	route   string // the pattern; empty is none
	status  int
	http.ResponseWriter
}

// WriteHeader notes the status.
func (e *entry) WriteHeader(status int) {
	e.status = status
	e.ResponseWriter.WriteHeader(status)
}

// Write notes that of who writes without one.
func (e *entry) Write(b []byte) (int, error) {
	e.status = cmp.Or(e.status, http.StatusOK)
	return e.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (e *entry) Unwrap() http.ResponseWriter { return e.ResponseWriter }

type entryKey struct{}

func entryOf(ctx context.Context) *entry { return ctx.Value(entryKey{}).(*entry) }

// aRequestID is one that may stand in a log and in the audit as it came.
var aRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// logged gives each request an id, a line in the log, and an answer also where
// its handler panics.
func (a *api) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		e := &entry{request: r.Header.Get("X-Request-Id"), ResponseWriter: w}
		if !aRequestID.MatchString(e.request) {
			e.request = uuid.NewString()
		}
		r = r.WithContext(context.WithValue(r.Context(), entryKey{}, e))
		w.Header().Set("X-Request-Id", e.request)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		a.metrics.inFlight.Inc()
		defer func() {
			a.metrics.inFlight.Dec()
			if found := recover(); found != nil {
				a.log.ErrorContext(r.Context(), "panic", "request", e.request, "error", found, "stack", string(debug.Stack()))
				a.refuse(e, r, fmt.Errorf("panic: %v", found))
			}
			a.metrics.answered(e, r, time.Since(start))
			a.log.InfoContext(r.Context(), "request", "request", e.request, "method", r.Method, "path", strings.ToValidUTF8(r.URL.Path, "?"),
				"status", e.status, "took", time.Since(start), "user", e.user)
		}()
		next.ServeHTTP(e, r)
	})
}

// inTx does several things of a programme or none.
func (a *api) inTx(ctx context.Context, program *fature.Program, do func(*fature.Program) error) error {
	return pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error { return do(program.WithTx(tx)) })
}
