package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// roles are who asks, in the order of the table's columns. Ana is above Bia, who
// made the sales; Eva stands alone; nobody has no token.
var roles = []string{"admin", "manager", "ana", "bia", "eva", "nobody"}

// accessTable is the contract's table: for each route, the object that it is asked
// for, and the answer that each of roles gets. {fresh} is what the maker of that
// name makes anew for each of them, so that every answer is to the same state.
var accessTable = []struct {
	pattern, path, body string
	fresh               string
	want                string
}{
	{"GET /livez", "", "", "", "200 200 200 200 200 200"},
	{"GET /readyz", "", "", "", "200 200 200 200 200 200"},
	{"GET /r/{code}", "/r/ana-code", "", "", "302 302 302 302 302 302"},
	{"GET /r/{code}", "/r/ana-code?to=https://evil.example/", "", "", "422 422 422 422 422 422"},
	{"POST /v1/auth/login", "", `{"email": "ana@example.com", "password": "` + secret + `"}`, "", "200 200 200 200 200 200"},
	{"POST /v1/auth/login", "", "{}", "", "401 401 401 401 401 401"},
	{"POST /v1/auth/logout", "", "", "token", "204 204 204 204 204 401"},
	{"GET /v1/auth/sessions", "", "", "", "200 200 200 200 200 401"},
	{"DELETE /v1/auth/sessions/{id}", "/v1/auth/sessions/{fresh}", "", "session", "204 204 204 204 204 401"},
	{"DELETE /v1/auth/sessions/{id}", "/v1/auth/sessions/{fresh}", "", "session of a bystander", "404 404 404 404 404 401"},
	{"DELETE /v1/auth/sessions/{id}", "/v1/auth/sessions/{none}", "", "", "404 404 404 404 404 401"},
	{"POST /v1/customers", "", `{"customer_id": "{fresh}", "code": "bia-code"}`, "name", "200 403 403 403 403 401"},

	{"POST /v1/affiliates", "", `{"email": "{fresh}@example.com", "name": "x"}`, "name", "201 403 403 403 403 401"},
	{"GET /v1/me", "", "", "", "200 200 200 200 200 401"},
	{"POST /v1/users", "", `{"email": "{fresh}@example.com", "name": "x"}`, "name", "201 403 403 403 403 401"},
	{"GET /v1/users", "", "", "", "200 200 200 200 200 401"},
	{"GET /v1/users/{id}", "/v1/users/{bia user}", "", "", "200 200 200 200 404 401"},
	{"GET /v1/users/{id}", "/v1/users/{none}", "", "", "404 404 404 404 404 401"},
	{"PATCH /v1/users/{id}", "/v1/users/{bia user}", `{"name": "{fresh}"}`, "name", "200 403 403 403 403 401"},
	{"PATCH /v1/users/{id}", "/v1/users/{none}", `{"name": "x"}`, "", "404 403 403 403 403 401"},
	{"GET /v1/affiliates", "", "", "", "200 200 200 200 200 401"},
	{"GET /v1/affiliates/by-code/{code}", "/v1/affiliates/by-code/bia-code", "", "", "200 200 200 200 404 401"},
	{"GET /v1/affiliates/by-code/{code}", "/v1/affiliates/by-code/nobody", "", "", "404 404 404 404 404 401"},
	{"PATCH /v1/affiliates/{id}", "/v1/affiliates/{eva}", `{"category": "premium"}`, "", "200 403 403 403 403 401"},
	{"PATCH /v1/affiliates/{id}", "/v1/affiliates/{none}", `{"category": "premium"}`, "", "404 403 403 403 403 401"},
	{"POST /v1/affiliates/{id}/move", "/v1/affiliates/{fresh}/move", `{"parent_id": null}`, "affiliate", "200 403 403 403 403 401"},
	{"POST /v1/affiliates/{id}/move", "/v1/affiliates/{none}/move", `{"parent_id": null}`, "", "404 403 403 403 403 401"},
	{"GET /v1/affiliates/{id}/upline", "/v1/affiliates/{bia}/upline", "", "", "200 200 200 200 404 401"},
	{"GET /v1/affiliates/{id}/upline", "/v1/affiliates/{none}/upline", "", "", "404 404 404 404 404 401"},
	{"GET /v1/affiliates/{id}/downline", "/v1/affiliates/{bia}/downline", "", "", "200 200 200 200 404 401"},
	{"GET /v1/affiliates/{id}/downline", "/v1/affiliates/{ana}/downline", "", "", "200 200 200 404 404 401"},
	{"GET /v1/affiliates/{id}/children", "/v1/affiliates/{bia}/children", "", "", "200 200 200 200 404 401"},
	{"GET /v1/affiliates/{id}/children", "/v1/affiliates/{ana}/children", "", "", "200 200 200 404 404 401"},
	{"GET /v1/affiliates/{id}/tree", "/v1/affiliates/{bia}/tree", "", "", "200 200 200 200 404 401"},
	{"GET /v1/affiliates/{id}/tree", "/v1/affiliates/{ana}/tree", "", "", "200 200 200 404 404 401"},
	{"GET /v1/affiliates/{id}/stats", "/v1/affiliates/{bia}/stats", "", "", "200 200 200 200 404 401"},
	{"GET /v1/affiliates/{id}/stats", "/v1/affiliates/{ana}/stats", "", "", "200 200 200 404 404 401"},
	{"GET /v1/affiliates/{id}/rank", "/v1/affiliates/{bia}/rank?metric=volume", "", "", "200 200 200 200 404 401"},
	{"GET /v1/affiliates/{id}/achievements", "/v1/affiliates/{bia}/achievements", "", "", "200 200 200 200 404 401"},
	{"GET /v1/affiliates/{id}/commissions", "/v1/affiliates/{bia}/commissions", "", "", "200 200 200 200 404 401"},
	{"GET /v1/affiliates/{id}/commissions", "/v1/affiliates/{ana}/commissions", "", "", "200 200 200 404 404 401"},
	{"GET /v1/rankings/{metric}", "/v1/rankings/volume?period=month", "", "", "200 200 200 200 200 401"}, // boards are for all to see
	{"POST /v1/transactions/{id}/process", "/v1/transactions/{sale}/process", "", "", "200 403 403 403 403 401"},
	{"POST /v1/transactions/{id}/process", "/v1/transactions/{none}/process", "", "", "404 403 403 403 403 401"},
	{"GET /health", "", "", "", "200 200 200 200 200 200"},
	{"GET /metrics", "", "", "", "200 200 200 200 200 200"},
	{"GET /openapi.yaml", "", "", "", "200 200 200 200 200 200"},
	{"GET /v1/audit", "", "", "", "200 403 403 403 403 401"},
	{"GET /v1/verify", "", "", "", "200 403 403 403 403 401"},
	{"GET /v1/reports/{report}", "/v1/reports/daily?from=2025-06-01T00:00:00Z&to=2025-07-01T00:00:00Z", "", "", "200 200 403 403 403 401"},
	{"GET /v1/reports/{report}", "/v1/reports/none?from=2025-06-01T00:00:00Z&to=2025-07-01T00:00:00Z", "", "", "404 404 403 403 403 401"},

	{"GET /v1/affiliates/{id}", "/v1/affiliates/{bia}", "", "", "200 200 200 200 404 401"},
	{"GET /v1/affiliates/{id}", "/v1/affiliates/{ana}", "", "", "200 200 200 404 404 401"},
	{"GET /v1/affiliates/{id}", "/v1/affiliates/{eva}", "", "", "200 200 404 404 200 401"},
	{"GET /v1/affiliates/{id}", "/v1/affiliates/{none}", "", "", "404 404 404 404 404 401"},
	{"POST /v1/affiliates/{id}/adjustments", "/v1/affiliates/{bia}/adjustments", `{"amount": "1.00", "reason": "x"}`, "", "201 403 403 403 403 401"},
	{"POST /v1/affiliates/{id}/adjustments", "/v1/affiliates/{none}/adjustments", `{"amount": "1.00", "reason": "x"}`, "", "404 403 403 403 403 401"},

	{"POST /v1/plans/preview", "", `{"plans": [{"document": ` + plan + `}], "affiliates": [], "events": []}`, "", "200 200 403 403 403 401"},
	{"POST /v1/plans", "", plan, "", "201 403 403 403 403 401"},
	{"GET /v1/plans", "", "", "", "200 200 403 403 403 401"},
	{"GET /v1/plans/{id}", "/v1/plans/{plan}", "", "", "200 200 403 403 403 401"},
	{"GET /v1/plans/{id}", "/v1/plans/{none}", "", "", "404 404 403 403 403 401"},
	{"POST /v1/plans/{id}/assignments", "/v1/plans/{plan}/assignments", `{"scope": "category", "category": "vip"}`, "", "201 403 403 403 403 401"},
	{"POST /v1/plans/{id}/simulate", "/v1/plans/{plan}/simulate", `{"from": "2025-06-01T00:00:00Z", "to": "2025-07-01T00:00:00Z"}`, "", "200 200 403 403 403 401"},
	{"POST /v1/plans/{id}/simulate", "/v1/plans/{none}/simulate", "{}", "", "404 404 403 403 403 401"},
	{"POST /v1/periods/{period}/close", "/v1/periods/2025-07/close", "", "", "200 403 403 403 403 401"},
	{"GET /v1/periods/{period}/preview", "/v1/periods/2025-08/preview", "", "", "200 200 403 403 403 401"},
	{"GET /v1/affiliates/{id}/statements", "/v1/affiliates/{bia}/statements", "", "", "200 200 200 200 404 401"},
	{"GET /v1/affiliates/{id}/statements", "/v1/affiliates/{ana}/statements", "", "", "200 200 200 404 404 401"},
	{"GET /v1/affiliates/{id}/statements", "/v1/affiliates/{none}/statements", "", "", "404 404 404 404 404 401"},
	{"GET /v1/statements/{id}", "/v1/statements/{statement}", "", "", "200 200 200 200 404 401"},
	{"GET /v1/statements/{id}", "/v1/statements/{none}", "", "", "404 404 404 404 404 401"},

	{"POST /v1/transactions", "", sale, "", "201 403 403 403 403 401"},
	{"POST /v1/transactions/batch", "", `{"transactions": [` + sale + `]}`, "", "200 403 403 403 403 401"},
	{"GET /v1/transactions", "", "", "", "200 200 200 200 200 401"},
	{"GET /v1/transactions", "/v1/transactions?affiliate_id={bia}", "", "", "200 200 200 200 404 401"},
	{"GET /v1/transactions", "/v1/transactions?affiliate_id={ana}", "", "", "200 200 200 404 404 401"},
	{"GET /v1/transactions", "/v1/transactions?affiliate_id={none}", "", "", "200 200 404 404 404 401"}, // who reads all finds nothing
	{"GET /v1/transactions/{id}", "/v1/transactions/{sale}", "", "", "200 200 200 200 404 401"},
	{"GET /v1/transactions/{id}", "/v1/transactions/{none}", "", "", "404 404 404 404 404 401"},
	{"GET /v1/transactions/{id}/commissions", "/v1/transactions/{sale}/commissions", "", "", "200 200 200 200 404 401"},
	{"GET /v1/transactions/{id}/commissions", "/v1/transactions/{none}/commissions", "", "", "404 404 404 404 404 401"},
	{"GET /v1/commissions/{id}/explanation", "/v1/commissions/{own}/explanation", "", "", "200 200 200 200 404 401"},
	{"GET /v1/commissions/{id}/explanation", "/v1/commissions/{above}/explanation", "", "", "200 200 200 404 404 401"},
	{"GET /v1/commissions/{id}/explanation", "/v1/commissions/{none}/explanation", "", "", "404 404 404 404 404 401"},
	{"POST /v1/commissions/{id}/void", "/v1/commissions/{fresh}/void", `{"reason": "x"}`, "line", "200 403 403 403 403 401"},
	{"POST /v1/commissions/{id}/void", "/v1/commissions/{none}/void", `{"reason": "x"}`, "", "404 403 403 403 403 401"},

	{"GET /v1/affiliates/{id}/balance", "/v1/affiliates/{bia}/balance", "", "", "200 200 404 200 404 401"},
	{"GET /v1/affiliates/{id}/balance", "/v1/affiliates/{ana}/balance", "", "", "200 200 200 404 404 401"},
	{"GET /v1/affiliates/{id}/balance", "/v1/affiliates/{none}/balance", "", "", "404 404 404 404 404 401"},
	{"GET /v1/affiliates/{id}/payouts", "/v1/affiliates/{bia}/payouts", "", "", "200 200 404 200 404 401"},
	{"GET /v1/affiliates/{id}/payouts", "/v1/affiliates/{none}/payouts", "", "", "404 404 404 404 404 401"},
	{"POST /v1/payouts", "", "", "line", "201 403 403 403 403 401"},
	{"GET /v1/payouts", "", "", "", "200 200 200 200 200 401"},
	{"GET /v1/payouts", "/v1/payouts?affiliate_id={bia}", "", "", "200 200 404 200 404 401"},
	{"GET /v1/payouts/{id}", "/v1/payouts/{payout}", "", "", "200 200 404 200 404 401"},
	{"GET /v1/payouts/{id}", "/v1/payouts/{none}", "", "", "404 404 404 404 404 401"},
	{"GET /v1/payouts/{id}/export.csv", "/v1/payouts/{payout}/export.csv", "", "", "200 200 404 200 404 401"},
	{"GET /v1/payouts/{id}/export.csv", "/v1/payouts/{none}/export.csv", "", "", "404 404 404 404 404 401"},
	{"POST /v1/payouts/{id}/approve", "/v1/payouts/{fresh}/approve", "", "created payout", "200 403 403 403 403 401"},
	{"POST /v1/payouts/{id}/approve", "/v1/payouts/{none}/approve", "", "", "404 403 403 403 403 401"},
	{"POST /v1/payouts/{id}/sent", "/v1/payouts/{fresh}/sent", `{"external_id": "E-1"}`, "approved payout", "200 403 403 403 403 401"},
	{"POST /v1/payouts/{id}/sent", "/v1/payouts/{none}/sent", `{"external_id": "E-1"}`, "", "404 403 403 403 403 401"},
	{"POST /v1/payouts/{id}/paid", "/v1/payouts/{fresh}/paid", "", "sent payout", "200 403 403 403 403 401"},
	{"POST /v1/payouts/{id}/paid", "/v1/payouts/{none}/paid", "", "", "404 403 403 403 403 401"},
	{"POST /v1/payouts/{id}/fail", "/v1/payouts/{fresh}/fail", `{"reason": "x"}`, "sent payout", "200 403 403 403 403 401"},
	{"POST /v1/payouts/{id}/fail", "/v1/payouts/{none}/fail", `{"reason": "x"}`, "", "404 403 403 403 403 401"},
	{"POST /v1/payouts/{id}/cancel", "/v1/payouts/{fresh}/cancel", `{"reason": "x"}`, "created payout", "200 403 403 403 403 401"},
	{"POST /v1/payouts/{id}/cancel", "/v1/payouts/{none}/cancel", `{"reason": "x"}`, "", "404 403 403 403 403 401"},
}

const sale = `{"affiliate_id": "{bia}", "type": "sale", "amount": "100.00"}`

// story is a programme in which each thing that can be asked for is there once.
type story struct {
	*world
	tokens  map[string]string // by role
	names   map[string]string // what stands for {name} in a path or a body
	made    int
	digests string // the query of digest
}

func newStory(t *testing.T) *story {
	w := newCachedWorld(t)
	w.hosts = hostsOf("shop.example")
	admin := w.login("admin@example.com")
	s := &story{world: w, tokens: map[string]string{"admin": admin, "manager": w.manager(), "nobody": ""}, names: map[string]string{"none": uuid.NewString()}}
	s.names["plan"] = w.plan(admin)
	parent := "null"
	for _, name := range []string{"ana", "bia", "eva"} {
		s.names[name], s.tokens[name] = w.affiliate(admin, name, parent)
		parent = `"` + s.names[name] + `"`
		if name == "bia" {
			parent = "null"
		}
	}
	bia, err := w.program.Affiliates.Get(t.Context(), uuid.MustParse(s.names["bia"]))
	require.NoError(t, err)
	s.names["bia user"] = bia.UserID.String()
	s.sharePlan(admin)
	s.play(admin, s.names["bia"], "c1 bet 10.00 06-10")
	w.want(200, admin, "POST /v1/periods/2025-06/close", "")
	s.names["statement"] = w.want(200, admin, s.with("GET /v1/affiliates/{bia}/statements"), "").id("items.0.id")
	r := w.want(201, admin, "POST /v1/transactions", s.with(sale))
	s.names["sale"], s.names["own"], s.names["above"] = r.id("transaction.id"), r.id("commissions.0.id"), r.id("commissions.1.id")
	w.want(201, admin, "POST /v1/payouts", "")
	s.names["payout"] = w.want(200, admin, s.with("GET /v1/payouts?affiliate_id={bia}"), "").id("items.0.id")
	return s
}

// with puts the story's names into a text.
func (s *story) with(text string) string {
	for name, value := range s.names {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// fresh makes what a row of the table asks for, and the token that it is asked
// with.
func (s *story) fresh(what, role string) (made, token string) {
	s.Helper()
	admin, token := s.tokens["admin"], s.tokens[role]
	switch what {
	case "name":
		s.made++
		made = fmt.Sprint("fresh", s.made)
	case "token":
		if token != "" {
			token = s.login(s.email(role))
		}
	case "session", "session of a bystander":
		of := role
		if what != "session" || role == "nobody" {
			of = map[bool]string{true: "eva", false: "bia"}[role != "eva"]
		}
		list := s.want(200, s.login(s.email(of)), "GET /v1/auth/sessions", "")
		for i := range list.has("items").([]any) {
			if at := fmt.Sprintf("items.%d.", i); list.has(at+"current") == true {
				made = list.id(at + "id")
			}
		}
	case "affiliate":
		s.made++
		made, _ = s.affiliate(admin, fmt.Sprint("fresh", s.made), `"`+s.names["ana"]+`"`)
	case "line":
		made = s.want(201, admin, "POST /v1/transactions", s.with(sale)).id("commissions.0.id")
	case "created payout", "approved payout", "sent payout":
		s.want(201, admin, "POST /v1/transactions", s.with(sale))
		run := s.want(201, admin, "POST /v1/payouts", "").id("run_id")
		made = s.want(200, admin, s.with("GET /v1/payouts?affiliate_id={bia}&run_id="+run), "").id("items.0.id")
		for _, verb := range map[string][]string{"approved payout": {"/approve"}, "sent payout": {"/approve", "/sent"}}[what] {
			s.want(200, admin, "POST /v1/payouts/"+made+verb, map[string]string{"/sent": `{"external_id": "E"}`}[verb])
		}
	}
	if what != "" && what != "token" {
		require.NotEmpty(s, made, what)
	}
	return made, token
}

func (s *story) email(role string) string {
	if role == "manager" {
		role = "m"
	}
	return role + "@example.com"
}

// ask sends a request as it is: a redirect is not followed.
func (s *story) ask(token, method, path, body string) (status int, text string) {
	s.Helper()
	res, text, err := s.try(token, method, path, body)
	require.NoError(s, err)
	s.conforms(res, body, text)
	return res.StatusCode, text
}

// try is ask for what is no test's own goroutine.
func (s *story) try(token, method, path, body string) (res *http.Response, text string, err error) {
	req, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if res, err = http.DefaultTransport.RoundTrip(req); err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res, string(got), err
}

// Who gets what from each endpoint, and that who is refused changes nothing.
func TestAccess(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	served := map[string]bool{}
	for _, rt := range s.routes() {
		served[rt.pattern] = true
	}
	covered := map[string]bool{}
	table := "\n" + strings.Join(roles, " ")
	for _, row := range accessTable {
		method, path, _ := strings.Cut(row.pattern, " ")
		if row.path != "" {
			path = row.path
		}
		require.True(t, served[row.pattern], "%s is no route", row.pattern)
		covered[row.pattern] = true
		var got []string
		for _, role := range roles {
			made, token := s.fresh(row.fresh, role)
			before := ""
			if method != http.MethodGet {
				before = s.digest()
			}
			put := func(text string) string { return strings.ReplaceAll(s.with(text), "{fresh}", made) }
			status, text := s.ask(token, method, put(path), put(row.body))
			got = append(got, fmt.Sprint(status))
			if method != http.MethodGet && status >= 400 {
				require.Equal(t, before, s.digest(), "%s %s by %s wrote something", method, path, role)
			}
			if status == http.StatusNotFound {
				require.Contains(t, text, "it is not there, or not yours to see", "hidden and missing look the same")
			}
		}
		require.Equal(t, row.want, strings.Join(got, " "), "%s %s", method, path)
		table += fmt.Sprintf("\n%s  %s %s", strings.Join(got, " "), method, path)
	}
	for pattern := range served {
		require.True(t, covered[pattern], "%s is not in the table", pattern)
	}
	require.NotContains(t, s.log.String(), "level=ERROR")
	t.Log(table)
}
