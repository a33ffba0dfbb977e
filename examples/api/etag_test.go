package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeptReads(t *testing.T) {
	t.Parallel()
	w := newCachedWorld(t)
	admin := w.login("admin@example.com")
	w.plan(admin)
	ana, token := w.affiliate(admin, "ana", "null")
	path := "GET /v1/affiliates/" + ana + "/balance"

	first := w.want(200, token, path, "")
	require.Equal(t, "miss", first.header.Get("X-Cache"))
	require.Equal(t, "private, no-cache", first.header.Get("Cache-Control"))
	tag := first.header.Get("ETag")
	require.Regexp(t, `^"[0-9a-f]{32}"$`, tag)

	for _, match := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
		again := w.want(304, token, path, "", "If-None-Match: "+match)
		require.Equal(t, "hit", again.header.Get("X-Cache"))
		require.Equal(t, tag, again.header.Get("ETag"))
		require.Empty(t, again.text)
	}

	w.want(201, admin, "POST /v1/transactions", `{"affiliate_id": "`+ana+`", "type": "sale", "amount": "10.00"}`)
	changed := w.want(200, token, path, "", "If-None-Match: "+tag)
	require.Equal(t, "miss", changed.header.Get("X-Cache"), "recording makes it old")
	require.NotEqual(t, tag, changed.header.Get("ETag"))
}
