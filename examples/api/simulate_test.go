package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What two months would have come to under a plan that pays 30 % and not 25.
func TestSimulate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	anaID, _, biaID, _ := w.months(admin)
	w.want(200, admin, "POST /v1/periods/2025-06/close", "")
	w.want(200, admin, "POST /v1/periods/2025-07/close", "")
	same := w.want(201, admin, "POST /v1/plans", share).id("id")
	other := w.want(201, admin, "POST /v1/plans", strings.Replace(share, `"25"`, `"30"`, 1)).id("id")

	const when = `{"from": "2025-06-01T00:00:00Z", "to": "2025-08-01T00:00:00Z"}`
	r := w.want(200, admin, "POST /v1/plans/"+other+"/simulate", when)
	difference := map[string]any{}
	for i := range 2 {
		of := "affiliates." + string(rune('0'+i)) + "."
		difference[r.id(of+"affiliate_id")] = r.has(of + "difference")
	}
	require.Equal(t, map[string]any{biaID: "40.00", anaID: "4.00"}, difference)
	delete(r.body, "affiliates")
	require.Equal(t, map[string]any{
		"transactions": 4.0, "statements": 2.0, "old": "220.00", "new": "264.00", "difference": "44.00", "breakage": "12.00",
	}, r.body)

	r = w.want(200, admin, "POST /v1/plans/"+same+"/simulate", when)
	require.Equal(t, []any{"220.00", "220.00", "0.00"}, []any{r.has("old"), r.has("new"), r.has("difference")})
	require.Len(t, w.want(200, admin, "GET /v1/affiliates/"+biaID+"/statements", "").has("items"), 2, "nothing is written")
	for body, field := range map[string]string{
		`{}`: "from",
		`{"from": "2025-06-01T00:00:00Z", "to": "2025-06-01T00:00:00Z"}`: "to",
	} {
		require.Equal(t, field, w.want(422, admin, "POST /v1/plans/"+other+"/simulate", body).has("errors.0.field"))
	}
}
