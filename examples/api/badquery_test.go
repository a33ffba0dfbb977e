package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/testenv"
)

// parameters are those of the lists: "name kind".
var parameters = map[string][]string{
	"GET /v1/users":                         {"status choice", "role choice", "limit limit", "cursor cursor"},
	"GET /v1/affiliates":                    {"status choice", "category choice", "level number", "q text", "limit limit", "cursor cursor"},
	"GET /v1/affiliates/{id}/upline":        nil,
	"GET /v1/affiliates/{id}/downline":      {"depth number", "limit limit", "cursor cursor"},
	"GET /v1/affiliates/{id}/children":      {"limit limit", "cursor cursor"},
	"GET /v1/affiliates/{id}/tree":          {"depth number", "children number"},
	"GET /v1/affiliates/{id}/achievements":  {"limit limit", "cursor cursor"},
	"GET /v1/affiliates/{id}/commissions":   {"status choice", "rule text", "from time", "to time", "limit limit", "cursor cursor"},
	"GET /v1/rankings/{metric}":             {"period choice", "limit limit", "cursor cursor"},
	"GET /v1/audit":                         {"table text", "record_id text", "actor text", "from time", "to time", "limit limit", "cursor cursor"},
	"GET /v1/auth/sessions":                 nil,
	"GET /v1/plans":                         {"name text", "limit limit", "cursor cursor"},
	"GET /v1/periods/{period}/preview":      {"limit limit"},
	"GET /v1/affiliates/{id}/statements":    {"rule text", "period period", "limit limit", "cursor cursor"},
	"GET /v1/affiliates/{id}/payouts":       {"status choice", "limit limit", "cursor cursor"},
	"GET /v1/payouts":                       {"affiliate_id id", "run_id id", "status choice", "limit limit", "cursor cursor"},
	"GET /v1/transactions/{id}/commissions": {"limit limit", "cursor cursor"},
	"GET /v1/transactions":                  {"affiliate_id id", "customer_id text", "type choice", "status choice", "from time", "to time", "limit limit", "cursor cursor"},
}

// withoutParameters are the reads that take none.
var withoutParameters = []string{
	"GET /health", "GET /metrics", "GET /openapi.yaml", "GET /v1/me", "GET /v1/verify", "GET /v1/users/{id}", "GET /v1/affiliates/by-code/{code}", "GET /v1/affiliates/{id}/stats",
	"GET /v1/affiliates/{id}/rank", "GET /v1/reports/{report}", // these two need some, which tests of their own send
	"GET /livez", "GET /readyz", "GET /r/{code}", "GET /v1/affiliates/{id}", "GET /v1/plans/{id}", "GET /v1/statements/{id}", "GET /v1/transactions/{id}",
	"GET /v1/commissions/{id}/explanation", "GET /v1/affiliates/{id}/balance", "GET /v1/payouts/{id}", "GET /v1/payouts/{id}/export.csv",
}

// badParameters are refused where the kind is the parameter's. Those of text are
// only what no text may be.
var badParameters = map[string][]string{
	"limit":  {"0", "-1", "201", "1e9", "1000000000", "99999999999999999999", "ten", "1.5", "0x10", " 5", "٣", "null", "[]", "\x00", "\xff"},
	"cursor": {"x", "null", "-1", "\x00", "\xff", " ", "====", strings.Repeat("A", 5000), base64.RawURLEncoding.EncodeToString([]byte(`{"t":"2026","i":1}`)), base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 300)))},
	"id":     {"1", "me", "\x00", "\xff", strings.Repeat("0", 36), "{" + uuid.NewString() + "}", "urn:uuid:" + uuid.NewString(), strings.ReplaceAll(uuid.NewString(), "-", ""), uuid.NewString() + " ", "' or 1=1 --", strings.Repeat("a", 5000)},
	"time":   {"now", "2026-01-01", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "10000-01-01T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01 00:00:00", "1767225600", "\x00", "\xff", "infinity"},
	"choice": {"gone", "\x00", "\xff", "PENDING'", strings.Repeat("x", 5000), "ACTIVE"},
	"number": {"-1", "ten", "1e9", "99999999999999999999", "1.5", "\x00", "\xff"},
	"period": {"june", "9999-12", "2025-13", "2025-W99", "2025-02-30", "0000-00", "\x00", "\xff", "2025-06-01T00:00:00Z", strings.Repeat("2", 5000)},
	"text":   {"\x00", "\xff", "a\x00b"},
}

// oddParameters may be taken or refused, and break nothing.
var oddParameters = []string{
	"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2026-01-01T00:00:00+23:59", "2026-01-01T00:00:00.999999999999Z", uuid.Nil.String(), uuid.Max.String(),
	strings.Repeat("😀", 1000), "%", "_", "\\", "'", `"`, "$1", "\r\nX-Injected: 1", "../../etc/passwd", "\u202e",
}

// Every parameter of every list with what it should not be, cursors of other
// lists and cursors that were changed, ids that are none.
func TestBadParameters(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.odd = true
	admin, sent := s.tokens["admin"], 0
	for range 3 {
		s.want(201, admin, "POST /v1/transactions", s.with(sale))
		s.want(201, admin, "POST /v1/payouts", "")
		s.sharePlanAgain(admin)
	}
	before := s.digest()
	pathOf := func(pattern string) string {
		_, path, _ := strings.Cut(pattern, " ")
		path = strings.Replace(path, "{metric}", "volume", 1)
		id := map[string]string{"affiliates": "{bia}", "transactions": "{sale}"}[strings.Split(path, "/")[2]]
		return s.with(strings.NewReplacer("{id}", id, "{period}", "2025-07").Replace(path))
	}
	get := func(pattern string, pairs ...string) answered {
		sent++
		query := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			query.Add(pairs[i], pairs[i+1])
		}
		return s.do(admin, "GET "+pathOf(pattern)+"?"+query.Encode(), "")
	}
	refused := func(pattern, name string, r answered) {
		t.Helper()
		s.wantRefused(pattern+" "+name, r)
		require.Equal(t, 422, r.status, "%s %s", pattern, name)
		require.Equal(t, name, r.has("errors.0.field"), "%s: %s", pattern, r.text)
	}

	served := map[string]bool{}
	for _, rt := range s.routes() {
		served[rt.pattern] = true
	}
	lists := maps.Clone(parameters)
	maps.DeleteFunc(lists, func(pattern string, _ []string) bool { return !served[pattern] })
	cursors := map[string]string{}
	for pattern, list := range lists {
		if slices.Contains(list, "cursor cursor") {
			cursors[pattern], _ = get(pattern, "limit", "1").has("next").(string)
		}
	}
	for pattern, list := range lists {
		require.Equal(t, 200, get(pattern).status, pattern)
		for _, p := range append(slices.Clone(list), "unknown none") {
			name, kind, _ := strings.Cut(p, " ")
			for _, bad := range badParameters[kind] {
				refused(pattern, name, get(pattern, name, bad))
			}
			for _, odd := range oddParameters {
				if r := get(pattern, name, odd); r.status != 200 {
					refused(pattern, name, r)
				}
			}
			refused(pattern, name, get(pattern, name, "", name, ""))
			if kind != "none" {
				require.Equal(t, 200, get(pattern, name, "").status, "empty is not given: %s %s", pattern, name)
			}
		}
		for _, raw := range []string{"limit=%zz", "limit=5;cursor=x", "%ff=1", "%00=1", "=1", strings.Repeat("a=1&", 9000) + "a=1"} {
			s.wantRefused(pattern, s.do(admin, "GET "+pathOf(pattern)+"?"+raw, ""))
		}
		if !slices.Contains(list, "cursor cursor") {
			continue
		}
		for of, cursor := range cursors {
			if cursor == "" {
				continue
			}
			if r := get(pattern, "cursor", cursor); r.status != 200 { // lists in the order of time have one kind of cursor
				refused(pattern, "cursor", r)
			}
			if of == pattern {
				for range 20 {
					changed := []byte(cursor)
					changed[rand.IntN(len(changed))] ^= byte(1 << rand.IntN(7))
					if r := get(pattern, "cursor", string(changed)); r.status != 200 { // another time or id can be one
						refused(pattern, "cursor", r)
					}
				}
				refused(pattern, "cursor", get(pattern, "cursor", cursor[:len(cursor)/2]))
				refused(pattern, "cursor", get(pattern, "cursor", cursor+cursor))
			}
		}
	}
	require.NotEmpty(t, cursors["GET /v1/transactions"])
	require.NotEmpty(t, cursors["GET /v1/plans"])
	require.NotEmpty(t, cursors["GET /v1/payouts"])
	for _, rt := range s.routes() {
		method, path, _ := strings.Cut(rt.pattern, " ")
		_, list := parameters[rt.pattern]
		require.Equal(t, method == "GET", list || slices.Contains(withoutParameters, rt.pattern), rt.pattern)
		for name, bad := range map[string][]string{"{id}": badParameters["id"], "{period}": badParameters["period"]} {
			if !strings.Contains(path, name) {
				continue
			}
			for _, value := range append(bad, "%2e%2e", "*", ":", "%2f") {
				sent++
				r := s.do(admin, method+" "+strings.Replace(path, name, url.PathEscape(value), 1), "")
				s.wantRefused(rt.pattern, r)
				require.Equal(t, 400, r.status, "%s with %.40q: %s", rt.pattern, value, r.text)
				require.Equal(t, name, "{"+r.id("errors.0.field")+"}", rt.pattern)
			}
		}
	}
	require.Equal(t, before, s.digest(), "something was written")
	require.NotContains(t, s.log.String(), "level=ERROR")
	t.Logf("%d requests", sent)
}

// sharePlanAgain publishes a version more.
func (s *story) sharePlanAgain(admin string) {
	s.made++
	s.want(201, admin, "POST /v1/plans", strings.Replace(share, `"25"`, fmt.Sprintf(`"%d"`, 30+s.made), 1))
}

// Tokens that are none, were one, or are nearly one.
func TestBadTokens(t *testing.T) {
	t.Parallel()
	address := testenv.NewRedis(t)
	options, err := cache.ParseURL(address)
	require.NoError(t, err)
	s := &story{world: newWorldOn(t, fature.Config{Pool: testenv.Clone(t), RedisOptions: &options})}
	admin := s.login("admin@example.com")
	_, ana := s.affiliate(admin, "ana", "null")
	_, eva := s.affiliate(admin, "eva", "null")

	loggedOut, revoked, renewed := s.login("ana@example.com"), s.login("ana@example.com"), s.login("eva@example.com")
	s.want(204, loggedOut, "POST /v1/auth/logout", "")
	list := s.want(200, revoked, "GET /v1/auth/sessions", "")
	for i := range list.has("items").([]any) {
		if at := fmt.Sprintf("items.%d.", i); list.has(at+"current") == true {
			s.want(204, ana, "DELETE /v1/auth/sessions/"+list.id(at+"id"), "")
		}
	}
	s.want(200, ana, "GET /v1/auth/sessions", "")
	user, err := s.program.Users.GetByEmail(t.Context(), "eva@example.com")
	require.NoError(t, err)
	require.NoError(t, s.program.Sessions.SetPassword(t.Context(), user.ID, secret))
	user, err = s.program.Users.GetByEmail(t.Context(), "ana@example.com")
	require.NoError(t, err)
	_, err = s.program.Users.Update(t.Context(), user.ID, affiliate.UserChange{Status: affiliate.Suspended})
	require.NoError(t, err)

	flipped := []byte(admin)
	flipped[len(flipped)/2] ^= 1
	bad := map[string]string{
		"logged out": loggedOut, "revoked": revoked, "before a new password": renewed, "also before": eva, "of a suspended user": ana,
		"of a letter": "x", "random": uuid.NewString(), "one bit changed": string(flipped), "cut": admin[:len(admin)-1], "with a letter more": admin + "A",
		"twice": admin + admin, "in capitals": strings.ToUpper(admin), "of zeros": strings.Repeat("A", len(admin)), "with a space": admin[:5] + " " + admin[5:],
		"a JWT of no algorithm": "eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ.", "a wildcard": "*", "a key": "session:*", "no UTF-8": "\xff\xfe", "long": strings.Repeat("A", 60_000),
	}
	for what, token := range bad {
		r := s.do(token, "GET /v1/plans", "")
		s.wantRefused(what, r)
		require.Equal(t, 401, r.status, what)
		require.Equal(t, "Bearer", r.header.Get("WWW-Authenticate"), what)
	}
	for _, header := range []string{"Basic " + admin, admin, "Bearer", "Bearer ", "Token " + admin, "Bearer: " + admin, "Bearer=" + admin, "bearer\t" + admin} {
		require.Equal(t, 401, s.do("", "GET /v1/plans", "", "Authorization: "+header).status, header)
	}
	s.want(200, "", "GET /v1/plans", "", "Authorization: bearer "+admin)

	server := redis.NewClient(&redis.Options{Addr: options.Addrs[0], DB: cache.Sessions.DB})
	defer server.Close()
	keys, err := server.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.NotEmpty(t, keys)
	for _, key := range keys {
		require.NotContains(t, key, admin, "a token is not kept as it is")
		require.NoError(t, server.PExpire(t.Context(), key, time.Millisecond).Err())
	}
	require.Eventually(t, func() bool { return s.do(admin, "GET /v1/plans", "").status == 401 }, 5*time.Second, 10*time.Millisecond, "it has expired")
	require.NotContains(t, s.log.String(), "level=ERROR")
}
