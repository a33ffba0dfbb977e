package click_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate/click"
)

func TestVisitor(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		v := click.NewVisitor()
		require.Len(t, v, 22)
		require.True(t, click.ValidVisitor(v))
		require.False(t, seen[v])
		seen[v] = true
	}
	require.True(t, click.ValidVisitor(uuid.NewString()))
	for _, v := range []string{"", "short", strings.Repeat("a", 65), "0123456789abcde é", "0123456789abcdef\n", "0123456789abcdef'"} {
		require.False(t, click.ValidVisitor(v), v)
	}
}

func TestCookie(t *testing.T) {
	t.Parallel()
	ask := func(cookies ...string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/r/ana", nil)
		for _, c := range cookies {
			r.Header.Add("Cookie", c)
		}
		return r
	}
	w := httptest.NewRecorder()
	visitor := click.Cookie{Secure: true}.Visitor(w, ask())
	require.Equal(t, "fature_visitor="+visitor+"; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax", w.Header().Get("Set-Cookie"))

	again := httptest.NewRecorder()
	require.Equal(t, visitor, click.Cookie{Life: time.Hour}.Visitor(again, ask("fature_visitor="+visitor)))
	require.Equal(t, "fature_visitor="+visitor+"; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax", again.Header().Get("Set-Cookie"), "it lasts longer")

	require.Empty(t, click.Cookie{Name: "v"}.Read(ask("fature_visitor="+visitor)))
	require.Equal(t, visitor, click.Cookie{}.Read(ask("fature_visitor=x; other=1; fature_visitor="+visitor)), "the one that can be")
	for _, bad := range []string{"", "x", strings.Repeat("a", 1<<16), "<script>alert(1)</script>", "0123456789abcdef%00"} {
		require.Empty(t, click.Cookie{}.Read(ask("fature_visitor="+bad)))
	}
}
