package main

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	me := w.want(200, admin, "GET /v1/me", "")
	require.Equal(t, "admin@example.com", me.has("user.email"))
	require.Equal(t, "admin", me.has("user.role"))
	require.Contains(t, me.body, "affiliate")
	require.Nil(t, me.has("affiliate"))

	eva := w.want(201, admin, "POST /v1/users", `{"email": "eva@example.com", "name": "Eva", "password": "`+secret+`", "role": "manager"}`)
	require.Equal(t, []any{"eva@example.com", "Eva", "manager", "active"}, []any{eva.has("email"), eva.has("name"), eva.has("role"), eva.has("status")})
	manager := w.login("eva@example.com")
	none := w.want(201, admin, "POST /v1/users", `{"email": "none@example.com", "name": "None"}`)
	require.Equal(t, "affiliate", none.has("role"))
	w.want(401, "", "POST /v1/auth/login", `{"email": "none@example.com", "password": ""}`)

	anaID, ana := w.affiliate(admin, "ana", "null")
	biaID, bia := w.affiliate(admin, "bia", `"`+anaID+`"`)
	me = w.want(200, bia, "GET /v1/me", "")
	require.Equal(t, biaID, me.has("affiliate.id"))
	require.Nil(t, me.has("affiliate.parent_id"), "who stands above is none of its business")
	require.Equal(t, anaID, w.want(200, admin, "GET /v1/affiliates/"+biaID, "").has("parent_id"))
	biaUser, anaUser := me.id("user.id"), w.want(200, ana, "GET /v1/me", "").id("user.id")
	require.Equal(t, "bia@example.com", w.want(200, bia, "GET /v1/users/"+biaUser, "").has("email"))
	below := w.want(200, ana, "GET /v1/users/"+biaUser, "")
	require.Equal(t, "bia", below.has("name"))
	require.NotContains(t, below.body, "email", "of another to an affiliate")
	w.want(404, bia, "GET /v1/users/"+anaUser, "")
	w.want(404, admin, "GET /v1/users/"+uuid.NewString(), "")

	require.Len(t, w.want(200, manager, "GET /v1/users", "").has("items"), 5)
	require.Len(t, w.want(200, ana, "GET /v1/users", "").has("items"), 2)
	require.Len(t, w.want(200, bia, "GET /v1/users", "").has("items"), 1)
	require.Equal(t, "eva@example.com", w.want(200, manager, "GET /v1/users?role=manager&status=active", "").has("items.0.email"))
	first := w.want(200, manager, "GET /v1/users?limit=3", "")
	rest := w.want(200, manager, "GET /v1/users?limit=3&cursor="+first.id("next"), "")
	require.Len(t, rest.has("items"), 2)
	require.Nil(t, rest.has("next"))

	path := "PATCH /v1/users/" + eva.id("id")
	changed := w.want(200, admin, path, `{"name": "Eva Maria", "email": "EM@example.com", "password": null}`)
	require.Equal(t, []any{"Eva Maria", "EM@example.com", "manager"}, []any{changed.has("name"), changed.has("email"), changed.has("role")})
	require.Equal(t, changed.text, w.want(200, admin, path, `{}`).text, "nothing to change")
	w.want(200, manager, "GET /v1/me", "")
	w.want(200, admin, path, `{"password": "another-secret"}`)
	w.want(401, manager, "GET /v1/me", "")
	w.want(401, "", "POST /v1/auth/login", `{"email": "em@example.com", "password": "`+secret+`"}`)
	manager = w.want(200, "", "POST /v1/auth/login", `{"email": "em@example.com", "password": "another-secret"}`).id("token")
	w.want(200, admin, path, `{"status": "suspended", "role": "affiliate"}`)
	w.want(401, manager, "GET /v1/me", "")

	for body, want := range map[string]string{
		`{"name": ""}`: "name", `{"email": ""}`: "email", `{"role": ""}`: "role", `{"status": ""}`: "status", `{"password": ""}`: "password",
		`{"role": "root"}`: "role", `{"email": "eva"}`: "email", `{"status": "gone"}`: "status", `{"password": "short"}`: "password",
	} {
		require.Equal(t, want, w.want(422, admin, path, body).has("errors.0.field"), body)
	}
	require.Equal(t, "id", w.want(400, admin, path, `{"id": "x"}`).has("errors.0.field"))
	w.want(409, admin, path, `{"email": "ANA@example.com"}`)
	w.want(409, admin, "POST /v1/users", `{"email": "ANA@example.com", "name": "Ana"}`)
	require.Equal(t, "password", w.want(422, admin, "POST /v1/users", `{"email": "x@example.com", "name": "X", "password": "short"}`).has("errors.0.field"))
	w.want(200, admin, "POST /v1/auth/login", `{"email": "ana@example.com", "password": "`+secret+`"}`)
}

func TestAffiliates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	anaID, ana := w.affiliate(admin, "ana", "null")
	biaID, bia := w.affiliate(admin, "bia", `"`+anaID+`"`)
	evaID, _ := w.affiliate(admin, "eva", "null")
	ids := func(token, query string) (ids []any) {
		t.Helper()
		for _, item := range w.want(200, token, "GET /v1/affiliates"+query, "").has("items").([]any) {
			ids = append(ids, item.(map[string]any)["id"])
		}
		return ids
	}
	require.Equal(t, []any{evaID, biaID, anaID}, ids(admin, ""))
	require.Equal(t, []any{biaID, anaID}, ids(ana, ""))
	require.Equal(t, []any{biaID}, ids(bia, ""))
	require.Equal(t, []any{biaID}, ids(admin, "?level=1"))
	require.Equal(t, []any{evaID, anaID}, ids(admin, "?level=0&status=active&category=standard"))
	require.Equal(t, []any{evaID}, ids(admin, "?q=EVA-c"))
	require.Empty(t, ids(ana, "?q=eva"))
	first := w.want(200, admin, "GET /v1/affiliates?limit=2", "")
	require.Equal(t, []any{anaID}, ids(admin, "?limit=2&cursor="+first.id("next")))
	for query, field := range map[string]string{
		"level=-1": "level", "level=x": "level", "status=gone": "status", "category=gold": "category", "q=%00": "q", "cursor=x": "cursor", "name=x": "name",
	} {
		require.Equal(t, field, w.want(422, admin, "GET /v1/affiliates?"+query, "").has("errors.0.field"), query)
	}

	path := "PATCH /v1/affiliates/" + biaID
	changed := w.want(200, admin, path, `{"category": "vip", "status": "suspended", "referral_code": "BIA-new"}`)
	require.Equal(t, []any{"vip", "suspended", "BIA-new"}, []any{changed.has("category"), changed.has("status"), changed.has("referral_code")})
	require.Equal(t, changed.text, w.want(200, admin, path, `{"status": null}`).text)
	w.want(409, admin, path, `{"status": "active", "referral_code": "ana-code"}`)
	require.Equal(t, changed.text, w.want(200, admin, "GET /v1/affiliates/"+biaID, "").text, "all of it or nothing")
	for body, field := range map[string]string{
		`{"category": ""}`: "category", `{"status": "gone"}`: "status", `{"referral_code": "a b c"}`: "referral_code", `{"referral_code": ""}`: "referral_code",
	} {
		require.Equal(t, field, w.want(422, admin, path, body).has("errors.0.field"), body)
	}
	w.want(404, admin, "PATCH /v1/affiliates/"+uuid.NewString(), `{"status": "active"}`)

	for _, code := range []string{"bia-NEW", "bia-code"} { // the old one still leads to it
		require.Equal(t, biaID, w.want(200, ana, "GET /v1/affiliates/by-code/"+code, "").has("id"))
	}
	w.want(404, bia, "GET /v1/affiliates/by-code/ana-code", "")
	w.want(404, admin, "GET /v1/affiliates/by-code/none", "")
	w.want(404, admin, "GET /v1/affiliates/by-code/%00", "")
	w.want(200, admin, path, `{"referral_code": "tree"}`) // as a path of /affiliates/{id} ends
	require.Equal(t, biaID, w.want(200, admin, "GET /v1/affiliates/by-code/tree", "").has("id"))
	require.Equal(t, "GET, HEAD", w.want(405, admin, "DELETE /v1/affiliates/by-code/tree", "").header.Get("Allow"))
	w.want(404, admin, "GET /v1/affiliates/by-code/tree/tree", "")
}
