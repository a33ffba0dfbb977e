package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReportsOverHTTP(t *testing.T) {
	t.Parallel()
	w := newCachedWorld(t)
	admin := w.login("admin@example.com")
	w.plan(admin)
	ana, token := w.affiliate(admin, "ana", "null")
	for _, body := range []string{
		`"amount": "10.00", "customer_id": "c1", "created_at": "2026-03-02T12:00:00Z", "metadata": {"product": "=shoes"}`,
		`"amount": "5.50", "customer_id": "c1", "created_at": "2026-03-03T12:00:00Z", "metadata": {"product": "hats"}`,
	} {
		w.want(201, admin, "POST /v1/transactions", `{"affiliate_id": "`+ana+`", "type": "sale", `+body+`}`)
	}
	const within = "?from=2026-03-01T00:00:00Z&to=2026-03-04T00:00:00Z"

	daily := w.want(200, w.manager(), "GET /v1/reports/daily"+within, "")
	require.Equal(t, "miss", daily.header.Get("X-Cache"))
	require.Equal(t, "BRL", daily.has("currency"))
	require.Equal(t, "2026-03-01T00:00:00Z", daily.has("from"))
	require.Len(t, daily.body["rows"], 3)
	require.Equal(t, map[string]any{
		"day": "2026-03-02", "transactions": 1.0, "active_affiliates": 1.0, "unique_customers": 1.0, "total_volume": "10.00", "total_commissions": "1.00",
	}, daily.has("rows.1"))
	again := w.want(200, admin, "GET /v1/reports/daily"+within, "")
	require.Equal(t, "hit", again.header.Get("X-Cache"))
	require.Equal(t, daily.text, again.text)
	w.want(304, admin, "GET /v1/reports/daily"+within, "", "If-None-Match: "+daily.header.Get("ETag"))

	csv := w.want(200, admin, "GET /v1/reports/daily"+within+"&format=csv", "")
	require.Equal(t, "text/csv; charset=utf-8", csv.header.Get("Content-Type"))
	require.Equal(t, "hit", csv.header.Get("X-Cache"), "one report, written two ways")
	require.Equal(t, "day,transactions,active_affiliates,unique_customers,total_volume,total_commissions\r\n"+
		"2026-03-01,0,0,0,0.00,0.00\r\n2026-03-02,1,1,1,10.00,1.00\r\n2026-03-03,1,1,1,5.50,0.55\r\n", csv.text)
	require.NotEqual(t, daily.header.Get("ETag"), csv.header.Get("ETag"))

	require.Equal(t, map[string]any{
		"month": "2026-03", "customers": 1.0, "later": 0.0, "active_customers": 1.0, "transactions": 2.0, "total_volume": "15.50",
	}, w.want(200, admin, "GET /v1/reports/cohorts"+within, "").has("rows.0"))
	require.Equal(t, map[string]any{
		"plan": "shop", "version": 1.0, "rule": "sale", "lines": 2.0, "base": "15.50", "amount": "1.55", "reversed": "0.00", "net": "1.55",
	}, w.want(200, admin, "GET /v1/reports/commissions"+within, "").has("rows.0"))
	require.Equal(t, map[string]any{
		"rank": 1.0, "affiliate_id": ana, "referral_code": "ana-code", "name": "ana", "transactions": 2.0, "unique_customers": 1.0,
		"total_volume": "15.50", "total_commissions": "1.55",
	}, w.want(200, admin, "GET /v1/reports/top-affiliates"+within, "").has("rows.0"))
	products := w.want(200, admin, "GET /v1/reports/top-products"+within+"&limit=1", "")
	require.Len(t, products.body["rows"], 1)
	require.Equal(t, map[string]any{
		"rank": 1.0, "product": "=shoes", "transactions": 1.0, "unique_customers": 1.0, "total_volume": "10.00",
	}, products.has("rows.0"))
	require.Contains(t, w.want(200, admin, "GET /v1/reports/top-products"+within+"&format=csv", "").text, "1,'=shoes,1,1,10.00\r\n")

	w.want(404, admin, "GET /v1/reports/everything"+within, "")
	w.want(401, "", "GET /v1/reports/daily"+within, "")
	w.want(403, token, "GET /v1/reports/daily"+within, "")
	missing := w.want(422, admin, "GET /v1/reports/daily", "")
	require.Equal(t, "is missing", missing.has("errors.0.message"))
	for _, query := range []string{
		"?from=2026-03-04T00:00:00Z&to=2026-03-01T00:00:00Z", "?from=1026-03-04T00:00:00Z&to=2026-03-01T00:00:00Z", within + "&format=xml",
		within + "&limit=5", within + "&x=1", "?from=x&to=y",
	} {
		w.want(422, admin, "GET /v1/reports/daily"+query, "")
	}
	w.want(422, admin, "GET /v1/reports/top-products"+within+"&limit=1000", "")
}
