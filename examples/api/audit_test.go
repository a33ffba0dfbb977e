package main

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAuditOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	w.plan(admin)
	ana, token := w.affiliate(admin, "ana", "null")
	sale := w.want(201, admin, "POST /v1/transactions", `{"affiliate_id": "`+ana+`", "type": "sale", "amount": "10.00"}`, "X-Request-Id: req-7").id("transaction.id")

	of := w.want(200, admin, "GET /v1/audit?table=affiliates&record_id="+ana, "")
	require.Equal(t, "INSERT", of.has("items.0.operation"))
	require.Equal(t, ana, of.has("items.0.record_id"))
	require.Equal(t, "ana-code", of.has("items.0.new_values.referral_code"))
	require.Nil(t, of.has("items.0.old_values"))
	require.Nil(t, of.has("next"))
	actor := of.id("items.0.actor")
	require.Equal(t, w.want(200, admin, "GET /v1/audit?table=transactions&record_id="+sale, "").id("items.0.actor"), actor)
	listed := w.want(200, admin, "GET /v1/audit?table=transactions&record_id="+sale, "")
	require.Equal(t, "req-7", listed.has("items.0.request_id"))
	require.Equal(t, []any{sale}, listed.has("items.0.record_ids"))

	people := w.want(200, admin, "GET /v1/audit?table=users", "")
	require.NotContains(t, people.text, "ana@example.com")
	require.NotContains(t, people.text, "$2a$")

	// Page by page is all.
	var seen []any
	for cursor := ""; ; {
		page := w.want(200, admin, "GET /v1/audit?limit=2&actor="+actor+"&cursor="+cursor, "")
		items, _ := page.body["items"].([]any)
		for _, i := range items {
			seen = append(seen, i.(map[string]any)["seq"])
		}
		if cursor = page.id("next"); cursor == "" {
			break
		}
	}
	whole := w.want(200, admin, "GET /v1/audit?limit=200&actor="+actor, "")
	require.Len(t, whole.body["items"], len(seen))
	require.Greater(t, len(seen), 2)
	later := url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))
	require.Empty(t, w.want(200, admin, "GET /v1/audit?from="+later, "").body["items"])
	require.Len(t, w.want(200, admin, "GET /v1/audit?limit=200&actor="+actor+"&to="+later, "").body["items"], len(seen))

	require.Equal(t, "record_id", w.want(422, admin, "GET /v1/audit?record_id="+ana, "").has("errors.0.field"))
	for _, query := range []string{"cursor=x", "limit=0", "from=yesterday", "table=%00", "x=1", "actor=" + strings.Repeat("a", 300)} {
		w.want(422, admin, "GET /v1/audit?"+query, "")
	}
	manager := w.manager()
	for _, path := range []string{"/v1/audit", "/v1/verify"} {
		w.want(401, "", "GET "+path, "")
		w.want(403, token, "GET "+path, "")
		w.want(403, manager, "GET "+path, "")
	}
}

func TestVerifyOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	w.plan(admin)
	ana, _ := w.affiliate(admin, "ana", "null")
	w.want(201, admin, "POST /v1/transactions", `{"affiliate_id": "`+ana+`", "type": "sale", "amount": "10.00"}`)
	r := w.want(200, admin, "GET /v1/verify", "")
	require.Equal(t, true, r.has("ok"), r.text)
	require.Equal(t, 0.0, r.has("broken"))
	invariants, _ := r.body["invariants"].([]any)
	require.Len(t, invariants, int(r.has("checked").(float64)))
	require.Greater(t, len(invariants), 40)

	_, err := w.pool.Exec(t.Context(), `update fature.affiliates set lifetime_volume = 77`)
	require.NoError(t, err)
	r = w.want(200, admin, "GET /v1/verify", "")
	require.Equal(t, false, r.has("ok"))
	require.Equal(t, 1.0, r.has("broken"), r.text)
	for i := range invariants {
		one, _ := r.body["invariants"].([]any)[i].(map[string]any)
		require.Equal(t, one["name"] != "B1", one["ok"], "%v", one)
		if one["name"] == "B1" {
			require.Equal(t, 1.0, one["count"])
			require.Equal(t, []any{ana}, one["found"])
		}
	}

	require.True(t, w.verifying.TryLock())
	w.want(409, admin, "GET /v1/verify", "")
	w.verifying.Unlock()
	w.want(422, admin, "GET /v1/verify?x=1", "")
}
