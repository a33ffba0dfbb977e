package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Who gets what from each endpoint. ana is above bia, who made the sale; eva
// stands alone; lone is an affiliate's user without an affiliate.
func TestAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	manager := w.manager()
	planID := w.plan(admin)
	anaID, ana := w.affiliate(admin, "ana", "null")
	biaID, bia := w.affiliate(admin, "bia", `"`+anaID+`"`)
	_, eva := w.affiliate(admin, "eva", "null")
	w.sharePlan(admin)
	w.want(201, admin, "POST /v1/transactions", `{"affiliate_id": "`+biaID+`", "type": "bet", "amount": "10.00", "created_at": "2025-06-10T12:00:00Z"}`)
	w.want(200, admin, "POST /v1/periods/2025-06/close", "")
	statement := w.want(200, admin, "GET /v1/affiliates/"+biaID+"/statements", "").id("items.0.id")
	r := w.want(201, admin, "POST /v1/transactions", `{"affiliate_id": "`+biaID+`", "type": "sale", "amount": "100.00"}`)
	w.want(201, admin, "POST /v1/payouts", "")
	payouts := w.want(200, admin, "GET /v1/payouts?affiliate_id="+biaID, "")
	names := strings.NewReplacer("{payout}", payouts.id("items.0.id"), "{sale}", r.id("transaction.id"), "{own}", r.id("commissions.0.id"), "{above}", r.id("commissions.1.id"),
		"{ana}", anaID, "{bia}", biaID, "{plan}", planID, "{statement}", statement, "{none}", uuid.NewString())
	tokens := []string{admin, manager, ana, bia, eva, ""}
	event := `{"affiliate_id": "{bia}", "type": "sale", "amount": "1.00"}`

	covered := map[string]bool{}
	for _, c := range []struct {
		pattern, path, body string
		want                string // for admin, manager, ana, bia, eva and nobody
	}{
		{"GET /livez", "", "", "200 200 200 200 200 200"},
		{"GET /readyz", "", "", "200 200 200 200 200 200"},
		{"GET /openapi.yaml", "", "", "200 200 200 200 200 200"},
		{"GET /v1/auth/sessions", "", "", "200 200 200 200 200 401"},
		{"DELETE /v1/auth/sessions/{id}", "/v1/auth/sessions/{none}", "", "404 404 404 404 404 401"},
		{"GET /r/{code}", "/r/ana-code?to=https://shop.example/", "", "422 422 422 422 422 422"},
		{"POST /v1/customers", "", `{"customer_id": "c"}`, "422 403 403 403 403 401"},
		{"POST /v1/auth/login", "", "{}", "401 401 401 401 401 401"},
		{"POST /v1/affiliates", "", `{"email": "x", "name": "x"}`, "422 403 403 403 403 401"},
		{"GET /v1/affiliates/{id}", "/v1/affiliates/{bia}", "", "200 200 200 200 404 401"},
		{"GET /v1/affiliates/{id}", "/v1/affiliates/{ana}", "", "200 200 200 404 404 401"},
		{"GET /v1/affiliates/{id}", "/v1/affiliates/{none}", "", "404 404 404 404 404 401"},
		{"POST /v1/affiliates/{id}/adjustments", "/v1/affiliates/{bia}/adjustments", `{"amount": "1.00", "reason": "x"}`, "201 403 403 403 403 401"},
		{"POST /v1/plans/preview", "", `{"plans": []}`, "422 422 403 403 403 401"},
		{"POST /v1/plans", "", plan, "201 403 403 403 403 401"},
		{"GET /v1/plans", "", "", "200 200 403 403 403 401"},
		{"GET /v1/plans/{id}", "/v1/plans/{plan}", "", "200 200 403 403 403 401"},
		{"POST /v1/plans/{id}/assignments", "/v1/plans/{plan}/assignments", `{"scope": "category", "category": "vip"}`, "201 403 403 403 403 401"},
		{"POST /v1/plans/{id}/simulate", "/v1/plans/{none}/simulate", "{}", "404 404 403 403 403 401"},
		{"POST /v1/periods/{period}/close", "/v1/periods/2025-06/close", "", "200 403 403 403 403 401"},
		{"GET /v1/periods/{period}/preview", "/v1/periods/2025-07/preview", "", "200 200 403 403 403 401"},
		{"GET /v1/affiliates/{id}/statements", "/v1/affiliates/{bia}/statements", "", "200 200 200 200 404 401"},
		{"GET /v1/affiliates/{id}/statements", "/v1/affiliates/{ana}/statements", "", "200 200 200 404 404 401"},
		{"GET /v1/affiliates/{id}/statements", "/v1/affiliates/{none}/statements", "", "404 404 404 404 404 401"},
		{"GET /v1/statements/{id}", "/v1/statements/{statement}", "", "200 200 200 200 404 401"},
		{"GET /v1/statements/{id}", "/v1/statements/{none}", "", "404 404 404 404 404 401"},
		{"POST /v1/transactions", "", event, "201 403 403 403 403 401"},
		{"POST /v1/transactions/batch", "", `{"transactions": [` + event + `]}`, "200 403 403 403 403 401"},
		{"GET /v1/transactions", "", "", "200 200 200 200 200 401"},
		{"GET /v1/transactions", "/v1/transactions?affiliate_id={bia}", "", "200 200 200 200 404 401"},
		{"GET /v1/transactions", "/v1/transactions?affiliate_id={ana}", "", "200 200 200 404 404 401"},
		{"GET /v1/transactions/{id}", "/v1/transactions/{sale}", "", "200 200 200 200 404 401"},
		{"GET /v1/transactions/{id}", "/v1/transactions/{none}", "", "404 404 404 404 404 401"},
		{"GET /v1/transactions/{id}/commissions", "/v1/transactions/{sale}/commissions", "", "200 200 200 200 404 401"},
		{"GET /v1/commissions/{id}/explanation", "/v1/commissions/{own}/explanation", "", "200 200 200 200 404 401"},
		{"GET /v1/commissions/{id}/explanation", "/v1/commissions/{above}/explanation", "", "200 200 200 404 404 401"},
		{"GET /v1/affiliates/{id}/balance", "/v1/affiliates/{bia}/balance", "", "200 200 404 200 404 401"},
		{"GET /v1/affiliates/{id}/balance", "/v1/affiliates/{none}/balance", "", "404 404 404 404 404 401"},
		{"GET /v1/affiliates/{id}/payouts", "/v1/affiliates/{bia}/payouts", "", "200 200 404 200 404 401"},
		{"GET /v1/affiliates/{id}/payouts", "/v1/affiliates/{none}/payouts", "", "404 404 404 404 404 401"},
		{"GET /v1/payouts", "", "", "200 200 200 200 200 401"},
		{"GET /v1/payouts", "/v1/payouts?affiliate_id={bia}", "", "200 200 404 200 404 401"},
		{"GET /v1/payouts/{id}", "/v1/payouts/{payout}", "", "200 200 404 200 404 401"},
		{"GET /v1/payouts/{id}", "/v1/payouts/{none}", "", "404 404 404 404 404 401"},
		{"GET /v1/payouts/{id}/export.csv", "/v1/payouts/{payout}/export.csv", "", "200 200 404 200 404 401"},
		{"GET /v1/payouts/{id}/export.csv", "/v1/payouts/{none}/export.csv", "", "404 404 404 404 404 401"},
		{"POST /v1/payouts/{id}/approve", "/v1/payouts/{payout}/approve", "", "200 403 403 403 403 401"},
		{"POST /v1/payouts/{id}/approve", "/v1/payouts/{none}/approve", "", "404 403 403 403 403 401"},
		{"POST /v1/payouts/{id}/sent", "/v1/payouts/{payout}/sent", `{"external_id": "E-1"}`, "200 403 403 403 403 401"},
		{"POST /v1/payouts/{id}/paid", "/v1/payouts/{payout}/paid", "", "200 403 403 403 403 401"},
		{"POST /v1/payouts/{id}/fail", "/v1/payouts/{payout}/fail", `{"reason": "x"}`, "409 403 403 403 403 401"},
		{"POST /v1/payouts/{id}/cancel", "/v1/payouts/{payout}/cancel", `{"reason": "x"}`, "409 403 403 403 403 401"},
		{"POST /v1/payouts", "", "", "201 403 403 403 403 401"},
		{"POST /v1/commissions/{id}/void", "/v1/commissions/{above}/void", `{"reason": "x"}`, "409 403 403 403 403 401"},
		{"POST /v1/auth/logout", "", "", "204 204 204 204 204 401"}, // the last: it ends the tokens
	} {
		covered[c.pattern] = true
		method, path, _ := strings.Cut(c.pattern, " ")
		if c.path != "" {
			path = c.path
		}
		var got []string
		var hidden []string
		for _, token := range tokens {
			r := w.do(token, method+" "+names.Replace(path), names.Replace(c.body))
			got = append(got, fmt.Sprint(r.status))
			if r.status == 404 {
				hidden = append(hidden, r.text)
			}
		}
		require.Equal(t, c.want, strings.Join(got, " "), "%s %s", method, path)
		for _, text := range hidden {
			require.Contains(t, text, "it is not there, or not yours to see", "hidden and missing look the same")
		}
	}
	for _, rt := range w.routes() {
		require.True(t, covered[rt.pattern], "%s is not in the table", rt.pattern)
	}
}

// What an affiliate sees of a sale: its own part and that of its downline.
func TestAnAffiliateSeesDownOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	w.plan(admin)
	anaID, ana := w.affiliate(admin, "ana", "null")
	biaID, bia := w.affiliate(admin, "bia", `"`+anaID+`"`)
	sale := w.want(201, admin, "POST /v1/transactions", `{"affiliate_id": "`+biaID+`", "type": "sale", "amount": "100.00"}`).id("transaction.id")
	w.want(201, admin, "POST /v1/transactions", `{"affiliate_id": "`+anaID+`", "type": "sale", "amount": "7.00"}`)
	require.Len(t, w.want(200, admin, "GET /v1/transactions/"+sale+"/commissions", "").has("items"), 2)
	require.Len(t, w.want(200, ana, "GET /v1/transactions/"+sale+"/commissions", "").has("items"), 2)
	r := w.want(200, bia, "GET /v1/transactions/"+sale+"/commissions", "")
	require.Len(t, r.has("items"), 1)
	require.Equal(t, biaID, r.has("items.0.affiliate_id"))
	r = w.want(200, bia, "GET /v1/transactions/"+sale+"/commissions?limit=1", "")
	require.Len(t, r.has("items"), 1, "a page does not count what is hidden")
	require.Nil(t, r.has("next"))
	require.Nil(t, w.want(200, bia, "GET /v1/transactions/"+sale, "").has("skipped"))
	require.Len(t, w.want(200, admin, "GET /v1/transactions", "").has("items"), 2)
	require.Len(t, w.want(200, ana, "GET /v1/transactions", "").has("items"), 1, "its own, where it asks for nobody's")
	require.Equal(t, sale, w.want(200, ana, "GET /v1/transactions?affiliate_id="+biaID, "").has("items.0.id"))
}

// What cannot be read is 400, what can be read and is refused 422, each with
// the field.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	planID := w.plan(admin)
	anaID, _ := w.affiliate(admin, "ana", "null")
	event := func(rest string) string {
		return `{"affiliate_id": "` + anaID + `", "type": "sale", "amount": "1.00"` + rest + `}`
	}
	const record = "POST /v1/transactions"
	for _, c := range []struct {
		what, call, body, want string // want is the status and the first field
	}{
		{"nothing", record, "", "400"},
		{"no JSON", record, "amount=1", "400"},
		{"half a document", record, `{"type": "sale"`, "400"},
		{"two documents", record, event("") + event(""), "400"},
		{"something after the document", record, event("") + "]", "400"},
		{"a list", record, `[]`, "400"},
		{"null", record, `null`, "400"},
		{"no UTF-8", record, event(`, "customer_id": "` + "\xff" + `"`), "400"},
		{"an unknown field", record, event(`, "amonut": "1"`), "400 amonut"},
		{"a field in another case", record, event(`, "Currency": "BRL"`), "400 Currency"},
		{"a field twice", record, event(`, "type": "bet"`), "400 type"},
		{"a number for money", record, `{"type": "sale", "amount": 1.00}`, "400 amount"},
		{"a huge number for money", record, `{"type": "sale", "amount": 1e999}`, "400 amount"},
		{"a list for a text", record, event(`, "customer_id": ["c"]`), "400 customer_id"},
		{"a text for a boolean", record, event(`, "pending": "yes"`), "400 pending"},
		{"a number for an id", record, event(`, "reverses": 1`), "400 reverses"},
		{"a text for an object", record, event(`, "metadata": "x"`), "400 metadata"},
		{"too large", record, event(`, "customer_id": "` + strings.Repeat("x", largestBody) + `"`), "413"},
		{"no amount", record, `{"affiliate_id": "` + anaID + `", "type": "sale"}`, "422 amount"},
		{"an amount that is none", record, `{"type": "sale", "amount": "12,90"}`, "422 amount"},
		{"an exponent", record, `{"type": "sale", "amount": "1e3"}`, "422 amount"},
		{"a huge amount", record, `{"type": "sale", "amount": "` + strings.Repeat("9", 30) + `"}`, "422 amount"},
		{"too many digits", record, `{"type": "sale", "amount": "` + strings.Repeat("9", 3000) + `"}`, "422 amount"},
		{"too fine an amount", record, `{"type": "sale", "amount": "0.001"}`, "422 amount"},
		{"a negative amount", record, `{"type": "sale", "amount": "-1"}`, "422 amount"},
		{"no such type", record, `{"type": "gift", "amount": "1"}`, "422 type"},
		{"a NUL", record, event(`, "customer_id": "a\u0000b"`), "422 customer_id"},
		{"a NUL in the metadata", record, event(`, "metadata": {"k": "\u0000"}`), "422 metadata.k"},
		{"a huge number in the metadata", record, event(`, "metadata": {"k": 1e999999}`), "422 metadata.k"},
		{"deep metadata", record, event(`, "metadata": {"k": ` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`), "422 metadata.k"},
		{"an id that is none", record, event(`, "reverses": "1"`), "422 reverses"},
		{"an id of nobody", record, `{"affiliate_id": "` + uuid.NewString() + `", "type": "sale", "amount": "1"}`, "422 affiliate_id"},
		{"a time that is none", record, event(`, "created_at": "2026-06-01"`), "422 created_at"},
		{"a time too early", record, event(`, "created_at": "1999-12-31T23:59:59Z"`), "422 created_at"},
		{"a long code", record, event(`, "referral_code": "` + strings.Repeat("x", 21) + `"`), "422 referral_code"},
		{"another currency", record, event(`, "currency": "USD"`), "422 currency"},
		{"a refund of nothing", record, event(`, "reverses": "` + anaID + `"`), "422 reverses"},
		{"an empty batch", "POST /v1/transactions/batch", `{"transactions": []}`, "422 transactions"},
		{"a batch of nothing", "POST /v1/transactions/batch", `{"transactions": [null]}`, "400 transactions[0]"},

		{"an id in the path", "GET /v1/transactions/1", "", "400 id"},
		{"a NUL in the path", "GET /v1/transactions/%00", "", "400 id"},
		{"an id of braces", "GET /v1/transactions/%7B" + anaID + "%7D", "", "400 id"},
		{"a bad cursor", "GET /v1/transactions?cursor=x", "", "422 cursor"},
		{"another list's cursor", "GET /v1/plans?cursor=eyJ0IjoiMjAyNiJ9", "", "422 cursor"},
		{"limit 0", "GET /v1/transactions?limit=0", "", "422 limit"},
		{"limit 201", "GET /v1/transactions?limit=201", "", "422 limit"},
		{"a huge limit", "GET /v1/transactions?limit=99999999999999999999", "", "422 limit"},
		{"a bad filter", "GET /v1/transactions?status=gone", "", "422 status"},
		{"a filter's bad id", "GET /v1/transactions?affiliate_id=1", "", "422 affiliate_id"},
		{"a filter's bad time", "GET /v1/transactions?from=now", "", "422 from"},
		{"a NUL in a filter", "GET /v1/transactions?customer_id=%00", "", "422 customer_id"},
		{"a filter that is none", "GET /v1/transactions?affilate_id=" + anaID, "", "422 affilate_id"},
		{"a filter twice", "GET /v1/transactions?type=sale&type=bet", "", "422 type"},

		{"a plan's unknown field", "POST /v1/plans", strings.Replace(plan, `"name"`, `"nmae"`, 1), "422 nmae"},
		{"a plan in another currency", "POST /v1/plans", strings.Replace(plan, "BRL", "USD", 1), "422 currency"},
		{"no plan", "POST /v1/plans", "null", "422"},
		{"no scope", "POST /v1/plans/" + planID + "/assignments", "{}", "422 scope"},
		{"a category for everybody", "POST /v1/plans/" + planID + "/assignments", `{"scope": "default", "category": "vip"}`, "422 category"},
		{"a category of none", "POST /v1/plans/" + planID + "/assignments", `{"scope": "category"}`, "422 category"},
		{"an affiliate of none", "POST /v1/plans/" + planID + "/assignments", `{"scope": "affiliate", "affiliate_id": "` + uuid.NewString() + `"}`, "422 affiliate_id"},
		{"an assignment twice", "POST /v1/plans/" + planID + "/assignments", `{"scope": "default", "from": "2026-01-01T00:00:00Z"}`, "409"},
		{"a period of another calendar", "POST /v1/periods/june/close", "", "400 period"},
		{"a period that is none", "GET /v1/periods/2025-13/preview", "", "400 period"},
		{"a NUL as a period", "POST /v1/periods/%00/close", "", "400 period"},
		{"a period of no plan", "POST /v1/periods/2025-W23/close", "", "422 period"},
		{"a preview of no plan", "GET /v1/periods/2025-06/preview", "", "422 period"},
		{"a preview's limit", "GET /v1/periods/2025-06/preview?limit=201", "", "422 limit"},
		{"a preview's cursor", "GET /v1/periods/2025-06/preview?cursor=x", "", "422 cursor"},
		{"statements of a bad rule", "GET /v1/affiliates/" + anaID + "/statements?rule=%20", "", "422 rule"},
		{"statements of a bad period", "GET /v1/affiliates/" + anaID + "/statements?period=june", "", "422 period"},
		{"statements of a bad filter", "GET /v1/affiliates/" + anaID + "/statements?plan=shop", "", "422 plan"},
		{"a statement's bad id", "GET /v1/statements/1", "", "400 id"},
		{"no such plan to simulate", "POST /v1/plans/" + uuid.NewString() + "/simulate", "{}", "404"},
		{"a simulation from no time", "POST /v1/plans/" + planID + "/simulate", `{"from": "June"}`, "422 from"},
		{"a simulation of something", "POST /v1/plans/" + planID + "/simulate", `{"until": "2026-01-01T00:00:00Z"}`, "400 until"},

		{"no such plan", "POST /v1/plans/" + uuid.NewString() + "/assignments", `{"scope": "default"}`, "404"},

		{"a taken address", "POST /v1/affiliates", `{"email": "ANA@example.com", "name": "x"}`, "409 email"},
		{"a short password", "POST /v1/affiliates", `{"email": "x@example.com", "name": "x", "password": "short"}`, "422 password"},
		{"a long password", "POST /v1/affiliates", `{"email": "x@example.com", "name": "x", "password": "` + strings.Repeat("x", 73) + `"}`, "422 password"},
		{"a password of another", "POST /v1/affiliates", `{"user_id": "` + anaID + `", "password": "long-enough"}`, "422 password"},
		{"no such user", "POST /v1/affiliates", `{"user_id": "` + anaID + `"}`, "422 user_id"},
		{"no such parent", "POST /v1/affiliates", `{"email": "x@example.com", "name": "x", "parent_id": "` + uuid.NewString() + `"}`, "422 parent_id"},
		{"no such code", "POST /v1/affiliates", `{"email": "x@example.com", "name": "x", "referred_by": "nobody"}`, "422 referred_by"},
		{"no reason", "POST /v1/affiliates/" + anaID + "/adjustments", `{"amount": "1.00"}`, "422 reason"},
		{"an adjustment of nothing", "POST /v1/affiliates/" + anaID + "/adjustments", `{"amount": "0", "reason": "x"}`, "422 amount"},
		{"a void without reason", "POST /v1/commissions/" + anaID + "/void", `{}`, "422 reason"},
		{"a minimum as a number", "POST /v1/payouts", `{"minimum": 10}`, "400 minimum"},
		{"a minimum that is none", "POST /v1/payouts", `{"minimum": "ten"}`, "422 minimum"},
		{"a negative minimum", "POST /v1/payouts", `{"minimum": "-1"}`, "422 minimum"},
		{"a run up to no time", "POST /v1/payouts", `{"up_to": "June"}`, "422 up_to"},
		{"a run of something", "POST /v1/payouts", `{"affiliate_id": "` + anaID + `"}`, "400 affiliate_id"},
		{"payouts of a bad status", "GET /v1/payouts?status=gone", "", "422 status"},
		{"payouts of a bad run", "GET /v1/payouts?run_id=1", "", "422 run_id"},
		{"payouts of an affiliate of a run", "GET /v1/affiliates/" + anaID + "/payouts?run_id=" + anaID, "", "422 run_id"},
		{"an approval with a body", "POST /v1/payouts/" + anaID + "/approve", `{"reason": "x"}`, "404"},
		{"a payout's bad id", "POST /v1/payouts/1/paid", "", "400 id"},
		{"a void of nothing", "POST /v1/commissions/" + anaID + "/void", `{"reason": "x"}`, "404"},

		{"no such path", "GET /v1/nothing", "", "404"},
		{"no such method", "DELETE /v1/plans", "", "405"},
	} {
		r := w.do(admin, c.call, c.body)
		field, _ := r.has("errors.0.field").(string)
		require.Equal(t, c.want, strings.TrimSpace(fmt.Sprint(r.status, " ", field)), "%s: %s", c.what, r.text)
		require.Equal(t, "application/problem+json", r.header.Get("Content-Type"), c.what)
		require.NotContains(t, r.text, "SQLSTATE", c.what)
		require.NotContains(t, r.text, "fature.", c.what)
		require.Less(t, len(r.text), 1000, c.what)
	}
	require.Equal(t, "GET, HEAD, POST", w.want(405, admin, "DELETE /v1/plans", "").header.Get("Allow"))
	require.NotContains(t, w.log.String(), "level=ERROR")
	list := w.want(200, admin, "GET /v1/transactions", "")
	require.Empty(t, list.has("items"), "nothing was recorded")
}
