package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
)

type bodyCase struct {
	pattern, path string
	body, rest    string
	into          func() any
	want          int // for the body as it is
}

// bodies are the routes that take one: a body that is read, what it is read
// into, if that has a name, and the rest of its fields, which do not go together
// with the others.
var bodies = []bodyCase{
	{"POST /v1/auth/login", "", `{"email": "ana@example.com", "password": "` + secret + `"}`, `{}`, into[loginBody], 200},
	{"POST /v1/users", "", `{"email": "zoe@example.com", "name": "Zoe", "role": "manager", "status": "active"}`, `{"password": "long-enough"}`, nil, 201},
	{"PATCH /v1/users/{id}", "/v1/users/{bia user}", `{"name": "Bia", "status": "active"}`, `{"email": "b@example.com", "password": "long-enough", "role": "affiliate"}`, nil, 200},
	{"PATCH /v1/affiliates/{id}", "/v1/affiliates/{bia}", `{"status": "active", "category": "vip"}`, `{"referral_code": "bia-too"}`, nil, 200},
	{"POST /v1/affiliates/{id}/move", "/v1/affiliates/{eva}/move", `{"parent_id": "{ana}"}`, `{}`, nil, 200},
	{"POST /v1/customers", "", `{"customer_id": "carla", "code": "bia-code", "email": "c@example.com"}`,
		`{"affiliate_id": "{bia}", "visitor": "0123456789abcdef"}`, into[customerJSON], 200},
	{"POST /v1/affiliates", "", `{"email": "dora@example.com", "name": "Dora", "referral_code": "dora", "category": "vip", "parent_id": "{ana}"}`,
		`{"password": "long-enough", "user_id": "{ana}", "referred_by": "bia-code"}`, into[newAffiliate], 201},
	{"POST /v1/affiliates/{id}/adjustments", "/v1/affiliates/{bia}/adjustments", `{"amount": "1.00", "reason": "x"}`, `{}`, into[adjustmentBody], 201},
	{"POST /v1/plans/preview", "", `{
		"plans": [{"document": ` + plan + `, "from": "2025-01-01T00:00:00Z"}],
		"affiliates": [{"id": "ana"}, {"id": "bia", "parent": "ana", "category": "vip", "status": "active"}],
		"customers": [{"id": "c", "attributed_at": "2025-06-01T00:00:00Z"}],
		"events": [{"id": "e", "at": "2025-06-01T00:00:00Z", "affiliate": "bia", "customer": "c", "type": "sale", "amount": "10.00", "metadata": {"k": "v"}}]
	}`, `{"close": ["2025-06"]}`, into[commission.Sample], 200},
	{"POST /v1/plans", "", share, `{"caps": [{"per": "customer", "period": "lifetime", "max": "1.00"}], "timezone": "America/Sao_Paulo", "rounding": "half_up", "hold": "7d"}`, into[commission.Document], 201},
	{"POST /v1/plans/{id}/assignments", "/v1/plans/{plan}/assignments", `{"scope": "category", "category": "vip", "from": "2026-02-01T00:00:00Z"}`,
		`{"affiliate_id": "{bia}"}`, into[assignmentBody], 201},
	{"POST /v1/plans/{id}/simulate", "/v1/plans/{plan}/simulate", `{"from": "2025-06-01T00:00:00Z", "to": "2025-07-01T00:00:00Z"}`, `{}`, into[simulationBody], 200},
	{"POST /v1/transactions", "", recordable, unrecordable, into[eventJSON], 201},
	{"POST /v1/transactions/batch", "", `{"transactions": [` + recordable + `], "partial": false}`, `{}`, into[batchBody], 200},
	{"POST /v1/commissions/{id}/void", "/v1/commissions/{own}/void", `{"reason": "x"}`, `{}`, into[reasonBody], 409},
	{"POST /v1/payouts", "", `{"minimum": "1.00", "up_to": "2026-01-01T00:00:00Z"}`, `{}`, into[runBody], 201},
	// On one payout, which is created, then approved, then cancelled.
	{"POST /v1/payouts/{id}/sent", "/v1/payouts/{payout}/sent", `{"external_id": "E"}`, `{}`, into[sentBody], 409},
	{"POST /v1/payouts/{id}/paid", "/v1/payouts/{payout}/paid", `{}`, `{}`, into[noBody], 409},
	{"POST /v1/payouts/{id}/fail", "/v1/payouts/{payout}/fail", `{"reason": "x"}`, `{}`, into[reasonBody], 409},
	{"POST /v1/payouts/{id}/approve", "/v1/payouts/{payout}/approve", `{}`, `{}`, into[noBody], 200},
	{"POST /v1/payouts/{id}/cancel", "/v1/payouts/{payout}/cancel", `{"reason": "x"}`, `{}`, into[reasonBody], 200},
}

const (
	recordable = `{"referral_code": "bia-code", "customer_id": "carla", "customer_email": "c@example.com", "type": "sale", "amount": "10.00",
		"currency": "BRL", "source_table": "orders", "original_id": "1", "metadata": {"k": "v"}, "created_at": "2026-06-01T12:00:00Z", "pending": false}`
	unrecordable = `{"affiliate_id": "{bia}", "visitor": "0123456789abcdef", "reverses": "{sale}"}`
)

func into[T any]() any { return new(T) }

// fields are those that the body is read into.
func (b bodyCase) fields() map[string]field {
	if b.into == nil {
		return nil
	}
	return fieldsIn(reflect.TypeOf(b.into()).Elem())
}

// withoutBody are the routes that write and take none.
var withoutBody = []string{"POST /v1/auth/logout", "POST /v1/periods/{period}/close", "POST /v1/transactions/{id}/process"}

// badValues stand where a field is: what is of no type that it takes is known by
// the kind of the value that it has.
var badValues = map[string]string{
	"a number": `7`, "a negative number": `-7`, "a fraction": `0.5`, "a huge number": `1e400`, "40 digits": strings.Repeat("9", 40),
	"a boolean": `true`, "null": `null`, "an empty list": `[]`, "a list": `["x"]`, "an empty object": `{}`, "an object": `{"x": 1}`,
	"empty": `""`, "blank": `"  "`, "a string": `"x"`, "a long string": `"` + strings.Repeat("x", 100_000) + `"`,
	"many bytes of few characters": `"` + strings.Repeat("😀", 25_000) + `"`,
	"NUL":                          `"a\u0000b"`, "half a surrogate": `"\ud800"`, "no UTF-8": "\"\xff\xfe\"", "a newline": `"a\nb"`, "another direction": `"\u202ea"`,
	"text of a huge number": `"1e400"`, "text of 40 digits": `"` + strings.Repeat("9", 40) + `"`, "text of a negative number": `"-12.34"`,
	"not a number": `"NaN"`, "infinite": `"Infinity"`, "hexadecimal": `"0x10"`, "a quote": `"'; drop table users; --"`,
	"another's id": `"{eva}"`, "nobody's id": `"{none}"`, "a time of old": `"0001-01-01T00:00:00Z"`, "a time far ahead": `"9999-12-31T23:59:59Z"`, "the year 10000": `"9999-12-31T23:59:59-23:59"`, "a period far ahead": `"9999-12"`,
	"deep lists": strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "deeper lists": strings.Repeat("[", 400_000),
	"deep objects": strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000),
}

// withinDocuments are those that each value within a list or an object is given.
var withinDocuments = []string{
	"a number", "a huge number", "a boolean", "null", "a list", "an object", "empty", "a long string", "NUL", "text of a huge number",
	"a time far ahead", "the year 10000", "a period far ahead", "deep lists",
}

// secrets are what no answer may have: what a server said, and where in the code
// it went wrong.
var secrets = []string{"SQLSTATE", "ERROR:", "pgx", "fature.", "goroutine", ".go:", "panic", "runtime", "reflect", "redis", "json:", "localhost", "127.0.0.1"}

// wantRefused says of an answer that it is a refusal as the contract has it.
func (s *story) wantRefused(what string, r answered) {
	s.Helper()
	require.True(s, r.status >= 400 && r.status < 500, "%s: %d %.300s", what, r.status, r.text)
	require.Equal(s, "application/problem+json", r.header.Get("Content-Type"), what)
	require.EqualValues(s, r.status, r.body["status"], what)
	require.Less(s, len(r.text), 16<<10, what)
	for _, secret := range secrets {
		require.NotContains(s, r.text, secret, what)
	}
}

// digest stands for all that the database holds.
func (s *story) digest() string {
	s.Helper()
	if s.digests == "" {
		rows, err := s.pool.Query(s.Context(), `
			select format('select %L, count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) from %s t', oid::regclass, oid::regclass)
			from pg_class where relnamespace = 'fature'::regnamespace and relkind in ('r', 'p') and not relispartition`)
		require.NoError(s, err)
		each, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(s, err)
		s.digests = "select string_agg(d::text, ' ' order by d) from (" + strings.Join(each, " union all ") + ") d"
	}
	var sum string
	require.NoError(s, s.pool.QueryRow(s.Context(), s.digests).Scan(&sum))
	return sum
}

// at is one value within a document, by its path.
type at struct {
	path  string
	value any
	set   func(any)
}

// places are all values within one.
func places(path string, value any) (list []at) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			below := strings.TrimPrefix(path+"."+key, ".")
			list = append(list, at{below, v[key], func(x any) { v[key] = x }})
			list = append(list, places(below, v[key])...)
		}
	case []any:
		for i := range v {
			below := fmt.Sprintf("%s[%d]", path, i)
			list = append(list, at{below, v[i], func(x any) { v[i] = x }})
			list = append(list, places(below, v[i])...)
		}
	}
	return list
}

// shape is the kind of a value in JSON.
func shape(text string) string { return what(json.RawMessage(text)) }

func parse(t testing.TB, text string) (doc map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	return doc
}

// Every field of every body with everything that it should not be: refused with
// its name, or taken for what it says, and nothing is half done.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.odd = true
	sent := 0
	covered, largest := slices.Clone(withoutBody), map[string]int64{}
	for _, rt := range s.routes() {
		largest[rt.pattern] = rt.largest()
	}
	for _, b := range bodies {
		covered = append(covered, b.pattern)
		require.NotZero(t, largest[b.pattern], "%s is no route", b.pattern)
		t.Run(b.pattern, func(t *testing.T) { sent += s.in(t).badBodies(b, largest[b.pattern]) })
	}
	for _, rt := range s.routes() {
		method, _, _ := strings.Cut(rt.pattern, " ")
		require.Equal(t, method == "POST" || method == "PATCH" || method == "PUT", slices.Contains(covered, rt.pattern), rt.pattern)
	}
	require.NotContains(t, s.log.String(), "level=ERROR")
	t.Logf("%d bodies", sent)
}

// in is the story in a subtest.
func (s *story) in(t *testing.T) *story {
	w, sub := *s.world, *s
	w.T, sub.world = t, &w
	return &sub
}

// badBodies sends to one route all that its body should not be; with the race
// detector each field gets a quarter of the values.
func (s *story) badBodies(b bodyCase, largest int64) (sent int) {
	t, admin := s.T, s.tokens["admin"]
	method, path, _ := strings.Cut(b.pattern, " ")
	if b.path != "" {
		path = b.path
	}
	call := method + " " + s.with(path)
	valid := s.with(b.body)
	s.want(b.want, admin, call, valid)
	before := s.digest()

	doc := parse(t, valid)
	rest := parse(t, s.with(b.rest))
	for name := range b.fields() {
		require.True(t, doc[name] != nil || rest[name] != nil, "%s: %s is in neither body", b.pattern, name)
	}
	list := places("", doc)
	for name, value := range rest {
		list = append(list, at{name, value, func(x any) { doc[name] = x }})
	}
	ask := func(what, body string) answered {
		sent++
		r := s.do(admin, call, body)
		after := s.digest()
		if r.status >= 300 {
			s.wantRefused(what, r)
			require.Equal(t, before, after, "%s wrote something", what)
		}
		before = after
		return r
	}
	for n, p := range list {
		if strings.Contains(p.path, "].document.") {
			continue // as in a plan
		}
		nested := strings.ContainsAny(p.path, ".[")
		for i, kind := range slices.Sorted(maps.Keys(badValues)) {
			if nested && !slices.Contains(withinDocuments, kind) || raced && (i+n)%4 != 0 {
				continue
			}
			bad := badValues[kind]
			p.set("@bad@")
			text, err := json.Marshal(doc)
			require.NoError(t, err)
			what := fmt.Sprintf("%s: %s in %s", call, kind, p.path)
			body := strings.Replace(string(text), `"@bad@"`, s.with(bad), 1)
			r := ask(what, body)
			p.set(p.value)
			original, _ := json.Marshal(p.value)
			if int64(len(body)) > largest {
				require.Equal(t, 413, r.status, what)
			} else if wrong := shape(bad) != shape(string(original)); wrong && bad != "null" && utf8.ValidString(bad) && json.Valid([]byte(bad)) && !strings.Contains(p.path, "metadata") {
				require.Contains(t, []int{400, 422}, r.status, what)
				if field := r.has("errors.0.field"); field != "" || kind != "deep lists" && kind != "deep objects" { // a plan is refused as a whole
					require.Contains(t, []any{p.path, p.path + ".x", p.path + "[0]"}, field, "%s: %s", what, r.text)
				}
			}
		}
		text, err := json.Marshal(p.value)
		require.NoError(t, err)
		if name := p.path; !nested {
			full, err := json.Marshal(doc)
			require.NoError(t, err)
			for what, body := range map[string]string{
				"twice":              `{"` + name + `": ` + string(text) + `, "` + name + `": ` + string(text) + `}`,
				"in another case":    `{"` + strings.ToUpper(name) + `": ` + string(text) + `}`,
				"with a letter more": strings.Replace(string(full), `{`, `{"`+name+`s": `+string(text)+`,`, 1),
			} {
				r := ask(call+": "+name+" "+what, body)
				require.NotEmpty(t, r.has("errors.0.field"), "%s %s: %s", name, what, r.text)
			}
			delete(doc, name)
			without, err := json.Marshal(doc)
			require.NoError(t, err)
			ask(call+" without "+name, string(without))
			if _, ok := rest[name]; !ok {
				doc[name] = p.value
			}
		}
		if _, ok := rest[p.path]; ok {
			delete(doc, p.path)
		}
	}
	for what, body := range map[string]string{
		"nothing": "", "blank": " \n ", "null": "null", "a list": "[]", "a string": `"x"`, "a number": "1", "half": valid[:len(valid)/2],
		"two documents": valid + valid, "a document and a bracket": valid + "}", "a comment": "/* */" + valid, "a BOM": "\ufeff" + valid,
		"single quotes": strings.ReplaceAll(valid, `"`, `'`), "a form": "a=1&b=2", "XML": "<a/>", "gzip": "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff",
		"a million lists": strings.Repeat("[", 1_000_000), "a million objects": strings.Repeat(`{"a":`, 200_000), "UTF-16": "\xff\xfe{\x00}\x00",
		"many fields": `{"a` + strings.Join(strings.Fields(strings.Repeat("a ", 50_000)), `":1,"b`) + `":1}`,
		"a long name": `{"` + strings.Repeat("n", 500_000) + `": 1}`,
		"too long":    `{"x": "` + strings.Repeat("x", int(largest)) + `"}`,
	} {
		r := ask(call+": "+what, body)
		require.True(t, r.status >= 400 || body == "", "%s: %s is taken", call, what)
		if what == "too long" {
			require.Equal(t, 413, r.status, call)
		}
	}
	return sent
}
