package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/testenv"
)

// line is the items of a list as id and level_difference.
func (w *world) line(token, path string) (items []string) {
	w.Helper()
	for _, item := range w.want(200, token, "GET "+path, "").has("items").([]any) {
		m := item.(map[string]any)
		items = append(items, fmt.Sprint(m["id"], " ", m["level_difference"]))
	}
	return items
}

func TestTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	anaID, ana := w.affiliate(admin, "ana", "null")
	biaID, bia := w.affiliate(admin, "bia", `"`+anaID+`"`)
	caioID, caio := w.affiliate(admin, "caio", `"`+biaID+`"`)
	duda, _ := w.affiliate(admin, "duda", `"`+biaID+`"`)
	evaID, eva := w.affiliate(admin, "eva", "null")
	of := func(id, what string) string { return "/v1/affiliates/" + id + "/" + what }

	require.Equal(t, []string{biaID + " 1", anaID + " 2"}, w.line(admin, of(caioID, "upline")))
	require.Equal(t, []string{biaID + " 1"}, w.line(bia, of(caioID, "upline")), "up to the viewer")
	require.Empty(t, w.line(caio, of(caioID, "upline")))
	require.Empty(t, w.line(admin, of(anaID, "upline")))
	require.Equal(t, []string{biaID + " 1", caioID + " 2", duda + " 2"}, w.line(ana, of(anaID, "downline")))
	require.Equal(t, []string{biaID + " 1"}, w.line(ana, of(anaID, "downline?depth=1")))
	require.Equal(t, []string{caioID + " 1", duda + " 1"}, w.line(ana, of(biaID, "children")))
	r := w.want(200, ana, "GET "+of(biaID, "children?limit=1"), "")
	require.Equal(t, map[string]any{
		"id": caioID, "parent_id": biaID, "name": "caio", "referral_code": "caio-code", "category": "standard", "status": "active", "level_difference": 1.0,
	}, r.has("items.0"))
	require.Equal(t, []string{duda + " 1"}, w.line(ana, of(biaID, "children?cursor="+r.id("next"))))
	r = w.want(200, bia, "GET "+of(biaID, "tree?children=1"), "")
	require.Equal(t, map[string]any{
		"id": biaID, "parent_id": nil, "name": "bia", "referral_code": "bia-code", "category": "standard", "status": "active", "level_difference": 0.0,
		"direct_referrals": 2.0, "team_size": 2.0, "left_out": 1.0,
	}, r.has("items.0"), "the viewer's own parent is not shown")
	require.Equal(t, []any{3.0, 1.0}, []any{r.has("depth"), r.has("children")})
	require.Equal(t, []string{anaID + " 0", biaID + " 1"}, w.line(admin, of(anaID, "tree?depth=1")))
	require.Equal(t, anaID, w.want(200, admin, "GET "+of(anaID, "tree"), "").has("items.1.parent_id"))

	for _, what := range []string{"upline", "downline", "children", "tree"} {
		w.want(404, caio, "GET "+of(biaID, what), "")
		w.want(404, eva, "GET "+of(biaID, what), "")
		w.want(404, admin, "GET "+of(uuid.NewString(), what), "")
		w.want(400, admin, "GET "+of("1", what), "")
		require.Equal(t, "x", w.want(422, admin, "GET "+of(anaID, what+"?x=1"), "").has("errors.0.field"))
	}
	for query, field := range map[string]string{
		"downline?depth=0": "depth", "downline?depth=-1": "depth", "downline?depth=99999999999999999999": "depth", "downline?cursor=x": "cursor",
		"children?limit=0": "limit", "tree?depth=11": "depth", "tree?children=51": "children", "tree?children=x": "children",
	} {
		require.Equal(t, field, w.want(422, admin, "GET "+of(anaID, query), "").has("errors.0.field"), query)
	}

	move := "POST " + of(biaID, "move")
	require.Equal(t, evaID, w.want(200, admin, move, `{"parent_id": "`+evaID+`"}`).has("parent_id"))
	require.Equal(t, []string{biaID + " 1", evaID + " 2"}, w.line(admin, of(caioID, "upline")))
	w.want(404, ana, "GET "+of(biaID, "tree"), "")
	r = w.want(200, admin, move, `{"parent_id": null}`)
	require.Nil(t, r.has("parent_id"))
	require.EqualValues(t, 0, r.has("level"))
	for body, want := range map[string]int{
		`{}`: 422, `{"parent_id": "x"}`: 422, `{"parent_id": 1}`: 400, `{"parent": null}`: 400, `{"parent_id": null, "parent_id": null}`: 400,
		`{"parent_id": "` + uuid.Nil.String() + `"}`: 422, `{"parent_id": "` + uuid.NewString() + `"}`: 422,
		`{"parent_id": "` + biaID + `"}`: 422, `{"parent_id": "` + caioID + `"}`: 422,
	} {
		r := w.want(want, admin, move, body)
		require.Contains(t, r.id("errors.0.field"), "parent", body)
	}
	w.want(404, admin, "POST "+of(uuid.NewString(), "move"), `{"parent_id": null}`)
	w.want(404, admin, "POST "+of(uuid.NewString(), "move"), `{"parent_id": "`+anaID+`"}`)
	require.Equal(t, []string{caioID + " 1", duda + " 1"}, w.line(admin, of(biaID, "downline")), "and what was refused moved nobody")
}

// A tree of any size is one small document by few queries. FATURE_LONG=1 makes
// it one of 100,000.
func TestTreeOfMany(t *testing.T) {
	t.Parallel()
	size := 3_000
	if os.Getenv("FATURE_LONG") != "" {
		size = 100_000
	}
	config := testenv.Clone(t).Config().Copy()
	config.MaxConns = 1
	trips := testenv.CountTrips(config.ConnConfig)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	w := newWorldOn(t, fature.Config{Pool: pool})
	top := uuid.New()
	drafts := []affiliate.Draft{{ID: top, Email: "top@example.com", Name: strings.Repeat("n", 100)}}
	for i := 1; i <= size; i++ { // each has ten below it
		id := uuid.New()
		drafts = append(drafts, affiliate.Draft{
			ID: id, Email: fmt.Sprintf("a%d@example.com", i), Name: fmt.Sprintf("%0100d", i), ParentID: drafts[(i-1)/10].ID, Status: affiliate.Suspended, Category: affiliate.Standard,
		})
	}
	for len(drafts) > 0 {
		n := min(len(drafts), 10_000)
		_, err := w.program.Affiliates.CreateAll(t.Context(), drafts[:n])
		require.NoError(t, err)
		drafts = drafts[n:]
	}
	_, err = pool.Exec(t.Context(), "analyze")
	require.NoError(t, err)
	admin := w.login("admin@example.com")
	for path, most := range map[string]int{"tree": 50_000, "tree?depth=10&children=50": 50_000, "tree?depth=1&children=1": 1_000, "downline": 50_000, "children": 50_000} {
		call := "GET /v1/affiliates/" + top.String() + "/" + path
		var r answered
		var start time.Time
		sent := 1_000
		for range 4 { // pgx prepares at first, and the pool looks after what was idle
			start = time.Now()
			sent = min(sent, trips.Of(func() { r = w.want(200, admin, call, "") }))
		}
		t.Logf("%s of %d: %d round trips, %d bytes, %d affiliates, %v", path, size, sent, len(r.text), len(r.has("items").([]any)), time.Since(start))
		require.LessOrEqual(t, sent, 5, path)
		require.LessOrEqual(t, len(r.text), most, path)
		if strings.HasPrefix(path, "tree") {
			require.EqualValues(t, size, r.has("items.0.team_size"))
			require.EqualValues(t, 10, r.has("items.0.direct_referrals"))
		}
	}
	r := w.want(200, admin, "GET /v1/affiliates/"+top.String()+"/tree", "")
	require.Len(t, r.has("items"), 100)
	require.EqualValues(t, 5, r.has("items.0.left_out"))
}
