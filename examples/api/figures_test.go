package main

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate/board"
)

// What is kept comes from the cache the second time, and by its ETag not at all.
func TestFigures(t *testing.T) {
	t.Parallel()
	w := newCachedWorld(t)
	admin := w.login("admin@example.com")
	w.plan(admin)
	anaID, ana := w.affiliate(admin, "ana", "null")
	biaID, bia := w.affiliate(admin, "bia", `"`+anaID+`"`)
	_, eva := w.affiliate(admin, "eva", "null")
	for _, sale := range []string{"100.00", "50.50"} {
		w.want(201, admin, "POST /v1/transactions", `{"affiliate_id": "`+biaID+`", "type": "sale", "customer_id": "carla", "amount": "`+sale+`"}`)
	}
	_, err := w.program.Fold(t.Context())
	require.NoError(t, err)
	_, err = w.program.Achievements.Define(t.Context(), board.Draft{Code: "first", Name: "First sale", Points: 5, Rule: board.Rule{Kind: board.FirstSale}})
	require.NoError(t, err)
	_, err = w.program.Achievements.Evaluate(t.Context())
	require.NoError(t, err)
	of := "GET /v1/affiliates/" + biaID

	r := w.want(200, bia, of+"/stats", "")
	asOf, err := time.Parse(time.RFC3339, r.id("as_of"))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), asOf, time.Minute)
	delete(r.body, "as_of")
	require.Equal(t, map[string]any{
		"unique_customers": 1.0, "total_volume": "150.50", "total_commissions": "15.05", "transactions": 2.0, "direct_referrals": 0.0, "team_size": 0.0,
	}, r.body)
	require.EqualValues(t, 1, w.want(200, ana, "GET /v1/affiliates/"+anaID+"/stats", "").has("team_size"))

	r = w.want(200, bia, of+"/rank?metric=volume", "")
	delete(r.body, "as_of")
	require.Equal(t, map[string]any{"metric": "volume", "period": "all", "rank": 1.0, "score": "150.50", "of": 1.0}, r.body)
	r = w.want(200, ana, "GET /v1/affiliates/"+anaID+"/rank?metric=volume&period=month", "")
	require.Nil(t, r.has("rank"), "it has sold nothing")
	require.Nil(t, r.has("score"))
	require.EqualValues(t, 1, w.want(200, ana, "GET /v1/affiliates/"+anaID+"/rank?metric=recruits&period=day", "").has("score"))

	r = w.want(200, eva, "GET /v1/rankings/commissions?period=week", "")
	require.Equal(t, []any{
		map[string]any{"rank": 1.0, "affiliate_id": biaID, "name": "bia", "score": "15.05"},
		map[string]any{"rank": 2.0, "affiliate_id": anaID, "name": "ana", "score": "7.53"},
	}, r.has("items"), "a board is for all to see")
	require.Nil(t, r.has("next"))
	require.NotEmpty(t, r.has("as_of"))
	r = w.want(200, eva, "GET /v1/rankings/commissions?period=week&limit=1", "")
	require.Equal(t, anaID, w.want(200, eva, "GET /v1/rankings/commissions?period=week&cursor="+r.id("next"), "").has("items.0.affiliate_id"))
	require.Equal(t, []any{map[string]any{"rank": 1.0, "affiliate_id": biaID, "name": "bia", "score": 1.0}},
		w.want(200, eva, "GET /v1/rankings/customers?period=day", "").has("items"), "a number of customers is a number")

	for _, kept := range []string{of + "/stats", of + "/rank?metric=customers&period=week", "GET /v1/rankings/volume?period=week"} {
		first := w.want(200, admin, kept, "")
		tag := first.header.Get("ETag")
		again := w.want(200, admin, kept, "")
		require.Equal(t, "hit", again.header.Get("X-Cache"), kept)
		require.Equal(t, first.text, again.text, kept)
		w.want(304, admin, kept, "", "If-None-Match: "+tag)
		require.Equal(t, first.text, w.want(200, admin, kept, "", `If-None-Match: "other"`).text, kept)
	}
	fresh := w.want(200, admin, "GET /v1/rankings/recruits?period=all", "")
	require.Equal(t, "miss", fresh.header.Get("X-Cache"))

	r = w.want(200, bia, of+"/achievements", "")
	require.Equal(t, []any{"first", "First sale", 5.0}, []any{r.has("items.0.code"), r.has("items.0.name"), r.has("items.0.points")})
	require.Len(t, r.has("items"), 1)
	require.Empty(t, w.want(200, ana, "GET /v1/affiliates/"+anaID+"/achievements", "").has("items"))

	require.Len(t, w.want(200, bia, of+"/commissions", "").has("items"), 2)
	r = w.want(200, ana, of+"/commissions?limit=1&status=approved&rule=sale", "")
	require.Equal(t, "5.05", r.has("items.0.final_amount"), "the latest first")
	require.Equal(t, "10.00", w.want(200, ana, of+"/commissions?cursor="+r.id("next"), "").has("items.0.final_amount"))
	require.Empty(t, w.want(200, bia, of+"/commissions?to=2026-01-01T00:00:00Z", "").has("items"))

	for _, path := range []string{"/stats", "/rank?metric=volume", "/achievements", "/commissions"} {
		w.want(404, eva, of+path, "")
		w.want(404, admin, "GET /v1/affiliates/"+uuid.NewString()+path, "")
	}
	for call, field := range map[string]string{
		of + "/rank": "metric", of + "/rank?metric=x": "metric", of + "/rank?metric=volume&period=year": "period", "GET /v1/rankings/x": "metric",
		"GET /v1/rankings/volume?period=year": "period", "GET /v1/rankings/volume?cursor=x": "cursor", "GET /v1/rankings/volume?metric=volume": "metric",
		of + "/achievements?limit=0": "limit", of + "/commissions?status=gone": "status", of + "/commissions?rule=%20": "rule", of + "/commissions?from=now": "from",
	} {
		require.Equal(t, field, w.want(422, admin, call, "").has("errors.0.field"), call)
	}
}

func TestProcessOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	w.plan(admin)
	anaID, _ := w.affiliate(admin, "ana", "null")
	r := w.want(201, admin, "POST /v1/transactions", `{"affiliate_id": "`+anaID+`", "type": "sale", "amount": "100.00", "pending": true}`)
	require.Equal(t, "pending", r.has("transaction.status"))
	require.Empty(t, r.has("commissions"))
	call := "POST /v1/transactions/" + r.id("transaction.id") + "/process"

	first := w.want(200, admin, call, "")
	require.Equal(t, "processed", first.has("transaction.status"))
	require.Equal(t, "10.00", first.has("commissions.0.final_amount"))
	require.Len(t, first.has("commissions"), 1)
	require.Equal(t, false, first.has("duplicate"))
	again := w.want(200, admin, call, "")
	require.Equal(t, true, again.has("duplicate"))
	require.Equal(t, first.has("commissions"), again.has("commissions"))
	w.want(404, admin, "POST /v1/transactions/"+uuid.NewString()+"/process", "")
	w.want(400, admin, "POST /v1/transactions/1/process", "")
}
