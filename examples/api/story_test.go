package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/testenv"
)

// From nothing to a commission, its refund and the reasons for both.
func TestStory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("ADMIN@example.com")
	w.want(422, admin, "POST /v1/transactions", `{"type": "sale", "amount": "1.00"}`) // no plan, no currency
	id := w.plan(admin)
	r := w.want(201, admin, "POST /v1/plans", plan)
	require.Equal(t, id, r.id("id"), "the same document is the same version")
	require.EqualValues(t, 1, r.has("version"))
	r = w.want(200, admin, "GET /v1/plans/"+id, "")
	require.Equal(t, "5", r.has("document.rules.0.overrides.steps.0.percent"))
	r = w.want(201, admin, "POST /v1/plans", strings.Replace(plan, `"10"`, `"110"`, 1))
	require.Contains(t, r.has("warnings.0"), "rules[0].pay.percent")
	require.Len(t, w.want(200, admin, "GET /v1/plans?name=shop", "").has("items"), 2)

	ana, _ := w.affiliate(admin, "ana", "null")
	bia, _ := w.affiliate(admin, "bia", `"`+ana+`"`)
	r = w.want(201, admin, "POST /v1/transactions", `{"referral_code": "BIA-code", "customer_id": "c1", "type": "sale", "amount": "120.00", "created_at": "2026-06-01T09:00:00-03:00", "metadata": {"n": 12345678901234567890}}`)
	require.Equal(t, bia, r.has("transaction.affiliate_id"))
	require.Equal(t, "120.00", r.has("transaction.amount"))
	require.Equal(t, "2026-06-01T12:00:00Z", r.has("transaction.created_at"))
	require.Contains(t, r.text, `"n":12345678901234567890`)
	require.Equal(t, "12.00", r.has("commissions.0.final_amount"))
	require.Equal(t, "6.00", r.has("commissions.1.final_amount"))
	require.Equal(t, []any{map[string]any{"rule": "sale", "level": 2.0, "reason": "no_upline", "breakage": "2.40"}}, r.has("skipped"))
	require.Equal(t, "2.40", r.has("breakage"))
	require.Equal(t, false, r.has("duplicate"))
	sale, line := r.id("transaction.id"), r.id("commissions.0.id")

	said := w.want(200, admin, "GET /v1/commissions/"+line+"/explanation", "")
	require.Equal(t, "Level 0 earns 10 % of a sale of 120.00 BRL = 12.00 BRL.", said.has("sentence"))
	require.Equal(t, "10", said.has("calculation.rate"))
	require.NotEmpty(t, said.has("steps"))

	r = w.want(201, admin, "POST /v1/transactions", `{"reverses": "`+sale+`", "type": "refund", "amount": "30.00"}`)
	require.Equal(t, sale, r.has("transaction.reverses"))
	require.Equal(t, "-3.00", r.has("commissions.0.final_amount"))
	require.Equal(t, line, r.has("commissions.0.reverses"))
	r = w.want(422, admin, "POST /v1/transactions", `{"reverses": "`+sale+`", "type": "refund", "amount": "90.01"}`)
	require.Equal(t, "amount", r.has("errors.0.field"))
	r = w.want(200, admin, "GET /v1/transactions/"+sale, "")
	require.Equal(t, "no_upline", r.has("skipped.0.reason"))

	r = w.want(201, admin, "POST /v1/affiliates/"+bia+"/adjustments", `{"amount": "-1.50", "reason": "a typing mistake"}`, "Idempotency-Key: k")
	again := w.want(201, admin, "POST /v1/affiliates/"+bia+"/adjustments", `{"amount": "-1.50", "reason": "a typing mistake"}`, "Idempotency-Key: k")
	require.Equal(t, r.has("id"), again.has("id"))
	require.Equal(t, "-1.50", r.has("final_amount"))
	require.Equal(t, []any{}, w.want(200, admin, "GET /v1/commissions/"+r.id("id")+"/explanation", "").has("steps"))
	r = w.want(200, admin, "POST /v1/commissions/"+line+"/void", `{"reason": "fraud"}`)
	require.Len(t, r.has("commissions"), 2, "the line and its reversal")
	require.Equal(t, "void", r.has("commissions.0.status"))
	require.Equal(t, "the line is paid, void or in a payout", w.want(409, admin, "POST /v1/commissions/"+line+"/void", `{"reason": "fraud"}`).has("detail"))

	_, err := w.program.Fold(t.Context())
	require.NoError(t, err)
	r = w.want(200, admin, "GET /v1/affiliates/"+bia, "")
	require.Equal(t, "90.00", r.has("lifetime_volume"))
	require.Equal(t, "-1.50", r.has("lifetime_commissions"))
	report, err := w.program.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Findings)
	w.wantAudited(bia)
}

// wantAudited says that the audit names the admin for what the API did.
func (w *world) wantAudited(record string) {
	w.Helper()
	var actor, request string
	require.NoError(w, w.pool.QueryRow(w.Context(),
		"select changed_by, request_id from fature.data_audit where record_id = $1 and table_name = 'affiliates' and operation = 'INSERT'", record).Scan(&actor, &request))
	admin, err := w.program.Users.GetByEmail(w.Context(), "admin@example.com")
	require.NoError(w, err)
	require.Equal(w, admin.ID.String(), actor)
	require.NotEmpty(w, request)
}

func TestPreview(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	in := `{
		"plans": [{"document": ` + plan + `}],
		"affiliates": [{"id": "bia", "parent": "ana"}, {"id": "ana", "category": "vip", "status": "active"}],
		"customers": [{"id": "c1", "attributed_at": "2025-06-01T00:00:00Z"}],
		"events": [
			{"id": "e2", "at": "2025-06-11T00:00:00Z", "affiliate": "bia", "type": "refund", "amount": "40.00", "reverses": "e1"},
			{"id": "e1", "at": "2025-06-10T00:00:00Z", "affiliate": "bia", "customer": "c1", "type": "sale", "amount": "120.00", "metadata": {"sku": "x"}}]}`
	r := w.want(200, admin, "POST /v1/plans/preview", in)
	for path, want := range map[string]any{
		"lines.0.event": "e1", "lines.0.affiliate": "bia", "lines.0.customer": "c1", "lines.0.rule": "sale", "lines.0.level": 0.0,
		"lines.0.kind": "earning", "lines.0.base": "120.00", "lines.0.rate": "10", "lines.0.amount": "12.00",
		"lines.0.final_amount": "12.00", "lines.0.available_at": "2025-06-10T00:00:00Z", "lines.3.final_amount": "-2.00",
		"statements": []any{}, "skipped.0.reason": "no_upline", "breakage": "1.60",
		"totals": map[string]any{"bia": "8.00", "ana": "4.00"},
	} {
		require.Equal(t, want, r.has(path), path)
	}
	for change, want := range map[string]string{
		`"percent": "10" -> "percent": 10`:                 `422 plans[0].document.rules[0].pay.percent`,
		`"currency": "BRL", -> "currency": "BRL", "x": 1,`: `422 plans[0].document.x`,
		`"amount": "40.00" -> "amount": 40.00`:             `400 events[0].amount`,
		`"events": -> "close": ["2025-06"], "events":`:     `422 close[0]`,
		`"id": "bia" -> "uid": "bia"`:                      `400 affiliates[0].uid`,
		`2025-06-11T00:00:00Z -> yesterday`:                `422 events[0].at`,
	} {
		from, to, _ := strings.Cut(change, " -> ")
		r := w.do(admin, "POST /v1/plans/preview", strings.Replace(in, from, to, 1))
		require.Equal(t, want, fmt.Sprint(r.status, " ", r.has("errors.0.field")), r.text)
	}
}

// The same key again is the first answer; another body under it is refused.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	w.plan(admin)
	w.affiliate(admin, "ana", "null")
	const key = "Idempotency-Key: order-1"
	const body = `{"referral_code": "ana-code", "type": "sale", "amount": "10"}`
	first := w.want(201, admin, "POST /v1/transactions", body, key)
	require.Equal(t, "api", first.has("transaction.source_table"))
	require.Equal(t, "order-1", first.has("transaction.original_id"))
	again := w.want(200, admin, "POST /v1/transactions", body, key)
	require.Equal(t, true, again.has("duplicate"))
	require.Equal(t, first.has("transaction.id"), again.has("transaction.id"))
	require.Equal(t, first.has("commissions"), again.has("commissions"))
	r := w.want(409, admin, "POST /v1/transactions", strings.Replace(body, `"10"`, `"11"`, 1), key)
	require.Equal(t, "the key was recorded with other content", r.has("detail"))
	require.Equal(t, "amount", r.has("errors.0.field"))
	r = w.want(422, admin, "POST /v1/transactions", strings.Replace(body, "{", `{"original_id": "x",`, 1), key)
	require.Equal(t, "original_id", r.has("errors.0.field"))
	r = w.want(200, admin, "POST /v1/transactions", `{"customer_id": "nobody's", "type": "sale", "amount": "10"}`)
	require.Nil(t, r.body["transaction"])
	require.Equal(t, "unattributed", r.has("reason"))
}

func TestBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	w.plan(admin)
	w.affiliate(admin, "ana", "null")
	event := func(id, amount string) string {
		return fmt.Sprintf(`{"referral_code": "ana-code", "type": "sale", "original_id": %q, "created_at": "2026-06-01T00:00:00Z", "amount": %s}`, id, amount)
	}
	batch := func(rest string, events ...string) string {
		return `{"transactions": [` + strings.Join(events, ",") + `]` + rest + `}`
	}
	r := w.want(200, admin, "POST /v1/transactions/batch", batch("", event("1", `"1.00"`), event("2", `"2.00"`), event("1", `"1.00"`)))
	require.Equal(t, []any{2.0, 1.0, 0.0}, []any{r.has("recorded"), r.has("duplicates"), r.has("failed")})
	require.Equal(t, r.has("results.0.transaction_id"), r.has("results.2.transaction_id"))

	bad := []string{event("3", `"3.001"`), event("4", "4"), event("5", `"x"`), event("1", `"9.00"`), event("6", `"6.00"`), `{"customer_id": "c", "type": "sale", "amount": "1"}`}
	for i, want := range []string{"400 transactions[1].amount", "422 transactions[1].amount", "409 transactions[0].amount"} {
		drop := []int{0, 2, 3}[i]
		events := append([]string{}, bad[drop:drop+2]...)
		if i == 0 {
			events = bad[:2]
		}
		if i == 1 {
			events = []string{bad[4], bad[2]}
		}
		r := w.do(admin, "POST /v1/transactions/batch", batch("", events...))
		require.Equal(t, want, fmt.Sprint(r.status, " ", r.has("errors.0.field")), r.text)
	}
	r = w.want(200, admin, "POST /v1/transactions/batch", batch(`, "partial": true`, bad...))
	require.Equal(t, []any{1.0, 0.0, 1.0, 4.0}, []any{r.has("recorded"), r.has("duplicates"), r.has("unattributed"), r.has("failed")})
	for i, status := range []float64{422, 400, 422, 409} {
		at := fmt.Sprintf("results.%d.error.", i)
		require.Equal(t, status, r.has(at+"status"), r.text)
		require.Equal(t, "amount", r.has(at+"errors.0.field"))
	}
	require.NotEmpty(t, r.has("results.4.transaction_id"))
	require.Equal(t, "unattributed", r.has("results.5.reason"))

	// Three transactions, on pages of two, the latest of one time by id.
	r = w.want(200, admin, "GET /v1/transactions?limit=2&type=sale&from=2026-06-01T00:00:00Z", "")
	require.Len(t, r.has("items"), 2)
	r = w.want(200, admin, "GET /v1/transactions?limit=2&type=sale&from=2026-06-01T00:00:00Z&cursor="+r.id("next"), "")
	require.Len(t, r.has("items"), 1)
	require.Nil(t, r.body["next"])
}

// Who does not exist, has no password, is suspended, or was logged out, is told
// the same.
func TestSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	_, ana := w.affiliate(admin, "ana", "null")
	w.want(201, admin, "POST /v1/affiliates", `{"email": "mute@example.com", "name": "Mute"}`)
	user, err := w.program.Users.GetByEmail(t.Context(), "ana@example.com")
	require.NoError(t, err)
	_, err = w.program.Users.Update(t.Context(), user.ID, affiliate.UserChange{Status: affiliate.Suspended})
	require.NoError(t, err)
	var said []string
	for _, body := range []string{
		`{"email": "admin@example.com", "password": "wrong"}`, `{"email": "nobody@example.com", "password": "correct-horse"}`,
		`{"email": "mute@example.com", "password": ""}`, `{"email": "ana@example.com", "password": "correct-horse"}`,
		`{"email": "no address", "password": "x"}`, `{"email": "a\u0000@b.c", "password": "x\u0000"}`, `{}`,
		`{"email": "admin@example.com", "password": "` + secret + strings.Repeat("x", 100) + `"}`,
	} {
		said = append(said, w.want(401, "", "POST /v1/auth/login", body).text)
	}
	for _, text := range said {
		require.Equal(t, said[0], text)
	}
	w.want(401, ana, "GET /v1/transactions", "")
	w.want(204, admin, "POST /v1/auth/logout", "")
	r := w.want(401, admin, "GET /v1/plans", "")
	require.Equal(t, "Bearer", r.header.Get("WWW-Authenticate"))
	later := w.login("admin@example.com")
	list := w.want(200, later, "GET /v1/auth/sessions", "")
	require.Len(t, list.has("items"), 1, "what was logged out is gone")
	require.Equal(t, true, list.has("items.0.current"))
	require.Equal(t, "127.0.0.1", list.has("items.0.address"))
	w.want(204, later, "DELETE /v1/auth/sessions/"+list.id("items.0.id"), "")
	w.want(401, later, "GET /v1/plans", "")
	for r.status = 401; r.status == 401; {
		r = w.do("", "POST /v1/auth/login", `{"email": "Eva@example.com", "password": "wrong-horse"}`)
	}
	require.Equal(t, 429, r.status, "after some tries")
	require.Regexp(t, `^[1-9][0-9]?$`, r.header.Get("Retry-After"))
	require.Contains(t, r.text, "too many attempts to log in")
	require.NotContains(t, w.log.String(), secret)
	require.NotContains(t, w.log.String(), later)
	require.NotContains(t, w.log.String(), "$2a$")
}

// What happens where the database is away, and what does not.
func TestAway(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	config := testenv.Clone(t).Config()
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		if away.Load() {
			c.Port, c.Fallbacks = 1, nil
		}
		return nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	w := newWorldOn(t, fature.Config{Pool: pool})
	admin := w.login("admin@example.com")
	w.want(200, "", "GET /readyz", "")
	away.Store(true)
	pool.Reset()
	w.want(200, "", "GET /livez", "")
	w.want(503, "", "GET /readyz", "")
	r := w.want(503, admin, "GET /v1/plans", "", "X-Request-Id: look-here")
	require.Equal(t, "1", r.header.Get("Retry-After"))
	require.Equal(t, "look-here", r.header.Get("X-Request-Id"))
	require.Contains(t, w.log.String(), "request=look-here")
	require.NotContains(t, r.text, "127.0.0.1")
	w.want(503, "", "POST /v1/auth/login", `{"email": "admin@example.com", "password": "`+secret+`"}`)
	away.Store(false)
	w.want(200, admin, "GET /v1/plans", "")
}

// start runs the program on a database until the test ends, and tells where it
// listens.
func start(t *testing.T, database string, args ...string) (program *exec.Cmd, address string) {
	t.Helper()
	program = exec.CommandContext(t.Context(), os.Args[0], append(args, "-addr", "127.0.0.1:0")...)
	program.Env = append(os.Environ(), "BE_THE_PROGRAM=1", "DATABASE_URL="+database)
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	_, err = fmt.Fscanf(out, "listening on %s\n", &address)
	require.NoError(t, err)
	return program, address
}

// The program as it is started: it migrates, says where it listens, serves, and
// ends on SIGTERM; a second start finds its admin.
func TestProgram(t *testing.T) {
	t.Parallel()
	database := testenv.URL(testenv.Empty(t))
	for range 2 {
		program, address := start(t, database, "-seed-admin", "admin@example.com:"+secret)
		w := &world{T: t, url: address}
		w.want(200, w.login("admin@example.com"), "GET /v1/plans", "")
		require.NoError(t, program.Process.Signal(syscall.SIGTERM))
		require.NoError(t, program.Wait())
	}
}

func TestSeedAdmin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, bad := range []string{"bob@example.com", "bob@example.com:short", "nobody:" + secret} {
		err := w.seedAdmin(t.Context(), bad)
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), secret)
	}
}

// A request that is on its way when the program is told to end is answered.
func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- w.serveUntil(ctx, listener) }()

	w.url = "http://" + listener.Addr().String()
	lock, err := w.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), "lock fature.commission_plans")
	require.NoError(t, err)
	answer := make(chan answered, 1)
	go func() { answer <- w.do(admin, "GET /v1/plans", "") }()
	require.Eventually(t, func() bool {
		var waiting bool
		err := lock.QueryRow(t.Context(), "select exists (select from pg_locks where not granted and relation = 'fature.commission_plans'::regclass)").Scan(&waiting)
		return err == nil && waiting
	}, 5*time.Second, 10*time.Millisecond)
	end()
	select {
	case <-ended:
		t.Fatal("it ended with a request on its way")
	case <-time.After(100 * time.Millisecond):
	}
	require.NoError(t, lock.Rollback(t.Context()))
	require.Equal(t, 200, (<-answer).status)
	require.NoError(t, <-ended)
}
