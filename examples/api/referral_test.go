package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const browser = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"

// visit follows a link and stays where it is sent from.
func (w *world) visit(method, path, cookie, agent string) *http.Response {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.url+path, nil)
	require.NoError(w, err)
	req.Header.Set("User-Agent", agent)
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	require.NoError(w, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(w, err)
	require.NoError(w, res.Body.Close())
	w.conforms(res, "", string(text))
	return res
}

// work runs the recorder of clicks, as serveUntil does, until the end.
func (w *world) work() (written func(n int64)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.clicks.Run(ctx) }()
	w.Cleanup(func() { cancel(); require.NoError(w, <-done) })
	return func(n int64) {
		w.Helper()
		require.Eventually(w, func() bool { return w.clicks.Counts().Written == n }, 10*time.Second, 10*time.Millisecond)
	}
}

// A visitor comes by a link, signs up and buys: it is whose link it was, and a
// coupon's where it gives one.
func TestReferral(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts = hostsOf("Shop.example, shop.example:8443")
	admin := w.login("admin@example.com")
	w.plan(admin)
	anaID, _ := w.affiliate(admin, "ana", "null")
	biaID, _ := w.affiliate(admin, "bia", "null")
	written := w.work()

	to := "https://shop.example/p?x=1&y=2#z"
	res := w.visit(http.MethodGet, "/r/ANA-code?sub=june&to="+url.QueryEscape(to), "", browser)
	require.Equal(t, http.StatusFound, res.StatusCode)
	require.Equal(t, to, res.Header.Get("Location"))
	cookie := res.Cookies()[0]
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	require.False(t, cookie.Secure)
	again := w.visit(http.MethodGet, "/r/nobody", cookie.Name+"="+cookie.Value, browser)
	require.Equal(t, "https://shop.example/", again.Header.Get("Location"), "a code of nobody leads on")
	require.Equal(t, cookie.Value, again.Cookies()[0].Value)
	require.Equal(t, http.StatusFound, w.visit(http.MethodGet, "/r/"+url.PathEscape("a b\x00"), "", browser).StatusCode)
	require.Equal(t, http.StatusFound, w.visit(http.MethodHead, "/r/bia-code", cookie.Name+"="+cookie.Value, browser).StatusCode)
	written(2)
	require.Equal(t, int64(1), w.clicks.Counts().Bots, "a HEAD is no person")

	r := w.want(200, admin, "POST /v1/customers", `{"customer_id": "carla", "visitor": "`+cookie.Value+`", "email": "carla@example.com"}`)
	require.Equal(t, anaID, r.has("affiliate_id"))
	require.Equal(t, "ana-code", r.has("code"))
	require.Equal(t, "june", r.has("sub_id"))
	require.Equal(t, "click", r.has("credited.by"))
	r = w.want(200, admin, "POST /v1/customers", `{"customer_id": "carla", "affiliate_id": "`+biaID+`"}`)
	require.Equal(t, anaID, r.has("affiliate_id"), "she stays ana's")
	r = w.want(200, admin, "POST /v1/customers", `{"customer_id": "dora", "code": "BIA-code"}`)
	require.Equal(t, biaID, r.has("affiliate_id"))
	r = w.want(200, admin, "POST /v1/customers", `{"customer_id": "edu", "visitor": "0123456789abcdef"}`)
	require.Nil(t, r.has("affiliate_id"))
	require.Nil(t, r.has("credited"))

	bia, err := w.program.Affiliates.GetByCode(t.Context(), "bia-code")
	require.NoError(t, err)
	_, err = w.program.Affiliates.AddCoupon(t.Context(), bia.ID, "SUMMER")
	require.NoError(t, err)
	r = w.want(200, admin, "POST /v1/customers", `{"customer_id": "carla", "code": "summer", "visitor": "`+cookie.Value+`"}`)
	require.Equal(t, anaID, r.has("affiliate_id"))
	require.Equal(t, biaID, r.has("credited.affiliate_id"))
	require.Equal(t, "click", r.has("lost.0.by"))
	require.Equal(t, "lifetime", r.has("lost.1.by"))

	sale := func(body string) answered {
		return w.want(201, admin, "POST /v1/transactions", `{"type": "sale", "amount": "10.00", `+body+`}`)
	}
	require.Equal(t, anaID, sale(`"customer_id": "carla"`).has("transaction.affiliate_id"))
	require.Equal(t, biaID, sale(`"customer_id": "carla", "referral_code": "summer"`).has("transaction.affiliate_id"))
	require.Equal(t, anaID, sale(`"visitor": "`+cookie.Value+`"`).has("transaction.affiliate_id"))

	for body, field := range map[string]string{
		`{"customer_id": "x"}`:                                                                 "affiliate_id",
		`{"customer_id": "", "code": "bia-code"}`:                                              "customer_id",
		`{"customer_id": "x", "code": "none"}`:                                                 "code",
		`{"customer_id": "x", "visitor": "short"}`:                                             "visitor",
		`{"customer_id": "x\u0000", "code": "bia-code"}`:                                       "customer_id",
		`{"customer_id": "x", "affiliate_id": "` + anaID + `", "code": "bia-code"}`:            "affiliate_id",
		`{"customer_id": "x", "affiliate_id": "` + anaID + `", "visitor": "0123456789abcdef"}`: "visitor",
	} {
		require.Equal(t, field, w.want(422, admin, "POST /v1/customers", body).has("errors.0.field"), body)
	}
	w.want(404, admin, "POST /v1/customers", `{"customer_id": "x", "affiliate_id": "01964943-e927-7a27-b004-36bad7879adc"}`)
	w.want(400, admin, "POST /v1/customers", `{"customer": "x"}`)
}

// Only to the hosts that are allowed, whatever a browser would make of it.
func TestNoOpenRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts = hostsOf("shop.example,shop.example:8443")
	for _, to := range []string{
		"https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example", `\\evil.example`, "evil.example", "/p", "#x",
		"https://shop.example.evil.example/", "https://evil.example/shop.example", "https://evil.example?shop.example", "https://evil.example#shop.example",
		"https://shop.example@evil.example/", "https://shop.example:pass@evil.example/", "https://evil.example@shop.example/", `https://shop.example\@evil.example/`,
		`https:\\evil.example`, "https:evil.example", "https:/evil.example", "https:///evil.example", "https://shop.example:1/", "https://shop.example:8443:1/",
		"javascript:alert(1)", "JaVaScRiPt://shop.example/%0aalert(1)", "data:text/html,x", "ftp://shop.example/", "http:", "https://",
		"https://shop.example\x00.evil.example/", "https://shop.example%00.evil.example/", "https://shop.example\r\nX: y", " https://shop.example/", "\thttps://evil.example",
		"https://shop。example/", "https://ѕhop.example/", "https://shop.example./", "https://" + strings.Repeat("a", 5000) + "/",
	} {
		res := w.visit(http.MethodGet, "/r/ana?to="+url.QueryEscape(to), "", browser)
		require.Equal(t, http.StatusUnprocessableEntity, res.StatusCode, to)
		require.Empty(t, res.Header.Get("Location"), to)
		require.Empty(t, res.Cookies(), to)
	}
	for to, want := range map[string]string{
		"https://shop.example":                      "https://shop.example",
		"HTTP://SHOP.example:8443/p":                "http://SHOP.example:8443/p",
		"https://shop.example/?next=//evil.example": "https://shop.example/?next=//evil.example",
		"https://shop.example/a b":                  "https://shop.example/a%20b",
		"":                                          "https://shop.example/",
	} {
		res := w.visit(http.MethodGet, "/r/ana?to="+url.QueryEscape(to), "", browser)
		require.Equal(t, http.StatusFound, res.StatusCode, to)
		require.Equal(t, want, res.Header.Get("Location"))
	}
	w.hosts = nil
	require.Equal(t, http.StatusUnprocessableEntity, w.visit(http.MethodGet, "/r/ana", "", browser).StatusCode, "nowhere to go")
	require.Empty(t, hostsOf(" , "))
}
