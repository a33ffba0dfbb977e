package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// From a commission to the money, with one that is returned by the bank.
func TestPayouts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	w.plan(admin)
	anaID, ana := w.affiliate(admin, "ana", "null")
	biaID, bia := w.affiliate(admin, "bia", `"`+anaID+`"`)
	sale := w.want(201, admin, "POST /v1/transactions", `{"affiliate_id": "`+biaID+`", "type": "sale", "amount": "100.00"}`).id("transaction.id")
	r := w.want(200, bia, "GET /v1/affiliates/"+biaID+"/balance", "")
	require.Equal(t, map[string]any{"pending": "0.00", "available": "10.00", "in_payout": "0.00", "paid": "0.00", "currency": "BRL"}, r.body)

	r = w.want(201, admin, "POST /v1/payouts", `{"minimum": "5.01"}`)
	run := r.id("run_id")
	require.Equal(t, []any{1.0, "10.00", 1.0}, []any{r.has("payouts"), r.has("total"), r.has("rolled_over")})
	r = w.want(201, admin, "POST /v1/payouts", `{"minimum": "5.00", "up_to": "2026-01-01T00:00:00Z"}`)
	require.Equal(t, 0.0, r.has("payouts"), "nothing was available by then")
	r = w.want(200, admin, "GET /v1/payouts?status=created&run_id="+run, "")
	require.Len(t, r.has("items"), 1)
	id := r.id("items.0.id")
	require.Equal(t, id, w.want(200, bia, "GET /v1/payouts", "").has("items.0.id"), "its own, where it asks for nobody's")
	require.Empty(t, w.want(200, ana, "GET /v1/payouts", "").has("items"))

	at := "POST /v1/payouts/" + id
	r = w.want(409, admin, at+"/paid", "")
	require.Equal(t, "payout "+id+" is created, which does not become paid", r.has("detail"))
	require.Equal(t, "approved", w.want(200, admin, at+"/approve", "{}").has("status"))
	require.Equal(t, "payout "+id+" is approved already", w.want(409, admin, at+"/approve", "").has("detail"))
	r = w.want(200, admin, at+"/sent", `{"external_id": "E-1"}`)
	require.Equal(t, []any{"sent", "E-1", nil}, []any{r.has("status"), r.has("external_id"), r.has("paid_at")})
	require.Equal(t, "reason", w.want(422, admin, at+"/fail", "").has("errors.0.field"))
	require.Equal(t, "reason", w.want(400, admin, at+"/paid", `{"reason": "x"}`).has("errors.0.field"))
	r = w.want(200, admin, at+"/fail", `{"reason": "the account is closed"}`)
	require.Equal(t, "the account is closed", r.has("reason"))
	require.Equal(t, "10.00", w.want(200, bia, "GET /v1/affiliates/"+biaID+"/balance", "").has("available"))

	w.want(201, admin, "POST /v1/transactions", `{"reverses": "`+sale+`", "type": "refund", "amount": "40.00"}`)
	require.Equal(t, "9.00", w.want(201, admin, "POST /v1/payouts", "").has("total"), "6.00 and 3.00")
	r = w.want(200, admin, "GET /v1/affiliates/"+biaID+"/payouts", "")
	require.Equal(t, []any{"created", "6.00", "failed"}, []any{r.has("items.0.status"), r.has("items.0.amount"), r.has("items.1.status")})
	id = r.id("items.0.id")
	r = w.want(200, bia, "GET /v1/payouts/"+id+"/export.csv", "")
	require.Equal(t, "text/csv; charset=utf-8", r.header.Get("Content-Type"))
	require.Equal(t, 3, strings.Count(r.text, "\n"))
	require.Contains(t, r.text, ",-4.00,BRL,")
	_, err := w.pool.Exec(t.Context(), "update fature.affiliates set status = 'suspended' where id = $1", biaID)
	require.NoError(t, err)
	r = w.want(409, admin, "POST /v1/payouts/"+id+"/approve", "")
	require.Equal(t, "the payout's affiliate is not active", r.has("detail"))
	require.Equal(t, "cancelled", w.want(200, admin, "POST /v1/payouts/"+id+"/cancel", `{"reason": "suspended"}`).has("status"))
	report, err := w.program.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Findings)
}
