package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/require"
)

// contract is openapi.yaml, and what of it the tests have seen answered.
type contract struct {
	doc        *openapi3.T
	operations map[string]*routers.Route // by the pattern of a route

	mu   sync.Mutex
	seen map[string]bool // "GET /v1/plans 200"
}

var theContract = sync.OnceValues(func() (*contract, error) { return readContract(openapiYAML) })

func readContract(text []byte) (*contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	c := &contract{doc: doc, operations: map[string]*routers.Route{}, seen: map[string]bool{}}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			c.operations[method+" "+path] = &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: operation}
		}
	}
	return c, nil
}

// find is the operation that a request is for, and what stands in its path for
// the parameters. What is written out goes before a parameter, the first that
// differs first: by-code/{code} before {id}/tree.
func (c *contract) find(r *http.Request) (best *routers.Route, params map[string]string) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, route := range c.operations {
		if in, ok := matched(route.Path, r.URL); ok && route.Method == method && (best == nil || spelled(route.Path) < spelled(best.Path)) {
			best, params = route, in
		}
	}
	return best, params
}

// spelled sorts paths of one length by where they have parameters: "1" is one.
func spelled(path string) (order string) {
	for part := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(part, "{") {
			order += "1"
		} else {
			order += "0"
		}
	}
	return order
}

func matched(path string, u *url.URL) (params map[string]string, ok bool) {
	want, got := strings.Split(path, "/"), strings.Split(u.EscapedPath(), "/")
	params = map[string]string{}
	for i := range want {
		if len(want) != len(got) {
			return nil, false
		}
		text, err := url.PathUnescape(got[i])
		name, parameter := strings.CutPrefix(want[i], "{")
		switch {
		case parameter && err == nil && text != "":
			params[strings.TrimSuffix(name, "}")] = text
		case parameter || text != want[i]:
			return nil, false
		}
	}
	return params, true
}

// told are the headers that an answer has only where the document says so.
var told = []string{"X-Cache", "ETag", "Retry-After", "Location", "Set-Cookie", "WWW-Authenticate", "Content-Disposition", "Vary"}

// exchange is a request and what it was answered.
type exchange struct {
	*http.Request
	sent   string
	odd    bool // it tries what the document does not have
	status int
	header http.Header
	text   string
}

// check tells how an exchange differs from the document. A request is held to it
// too, where it was answered well and is not odd.
func (c *contract) check(ctx context.Context, e exchange) error {
	r := e.Clone(ctx)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(e.sent)), int64(len(e.sent))
	if e.sent != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json") // as nobody needs to say
	}
	route, params := c.find(r)
	if route == nil {
		return c.checkUnrouted(e)
	}
	options := &openapi3filter.Options{
		MultiError: true, IncludeResponseStatus: true, SkipSettingDefaults: true, RejectWhenRequestBodyNotSpecified: true,
		AuthenticationFunc:      openapi3filter.NoopAuthenticationFunc,
		SchemaValidationOptions: []openapi3.SchemaValidationOption{aUUID},
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options}
	if e.status < 400 && !e.odd {
		if err := checkRequest(ctx, in); err != nil {
			return fmt.Errorf("the request: %w", err)
		}
	}
	described := route.Operation.Responses.Status(e.status)
	if described == nil {
		return fmt.Errorf("the status %d is not in the document", e.status)
	}
	if err := checkPlainly(described.Value, e); err != nil {
		return err
	}
	answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: e.status, Header: e.header, Options: options}
	if err := openapi3filter.ValidateResponse(ctx, answer.SetBodyBytes([]byte(e.text))); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[fmt.Sprint(route.Method, " ", route.Path, " ", e.status)] = true
	return nil
}

var aUUID = openapi3.WithStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562))

// checkRequest also finds parameters that the document does not have.
func checkRequest(ctx context.Context, in *openapi3filter.RequestValidationInput) error {
	for name := range in.Request.URL.Query() {
		if in.Route.Operation.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
			return fmt.Errorf("the parameter %q is not in the document", name)
		}
	}
	return openapi3filter.ValidateRequest(ctx, in)
}

// checkPlainly finds what kin-openapi leaves alone: headers and a body that the
// document does not have, and required headers of a redirect and of a 304.
func checkPlainly(described *openapi3.Response, e exchange) error {
	if len(described.Content) == 0 && e.text != "" {
		return fmt.Errorf("a body where the document has none: %.100q", e.text)
	}
	for _, name := range told {
		if described.Headers[name] == nil && e.header.Get(name) != "" {
			return fmt.Errorf("the header %s is not in the document", name)
		}
	}
	for name, h := range described.Headers {
		if h.Value.Required && e.header.Get(name) == "" {
			return fmt.Errorf("the header %s is missing", name)
		}
	}
	return nil
}

// checkUnrouted holds what no operation answers to the problem of the document.
func (c *contract) checkUnrouted(e exchange) error {
	if e.status != http.StatusNotFound && e.status != http.StatusMethodNotAllowed {
		return fmt.Errorf("the status is %d, and no operation has the path and method", e.status)
	}
	route := &routers.Route{Spec: c.doc, Operation: &openapi3.Operation{Responses: openapi3.NewResponses()}}
	route.Operation.Responses.Set(fmt.Sprint(e.status), c.doc.Components.Responses["NotFound"])
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: e.Request, Route: route},
		Status:                 e.status, Header: e.header,
	}
	return openapi3filter.ValidateResponse(e.Context(), answer.SetBodyBytes([]byte(e.text)))
}

// conforms fails the test where an exchange differs from openapi.yaml.
func (w *world) conforms(res *http.Response, sent, text string) {
	w.Helper()
	c, err := theContract()
	require.NoError(w, err)
	err = c.check(w.Context(), exchange{res.Request, sent, w.odd, res.StatusCode, res.Header, text})
	require.NoError(w, err, "%s %s: %d %s", res.Request.Method, res.Request.URL, res.StatusCode, text)
}

// TestMain lets the test binary be the program itself, which the tests run; and
// when all tests have passed, none being left out, it wants every answer of the
// document below 400 to have been seen.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_PROGRAM") != "" {
		main()
		return
	}
	code := m.Run()
	if code == 0 && wholeSuite() {
		if unseen := unseenAnswers(); len(unseen) > 0 {
			fmt.Fprintf(os.Stderr, "no test has seen these answers of openapi.yaml:\n%s\n", strings.Join(unseen, "\n"))
			code = 1
		}
	}
	os.Exit(code)
}

func wholeSuite() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz", "test.short"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != f.DefValue {
			return false
		}
	}
	return true
}

func unseenAnswers() (unseen []string) {
	c, err := theContract()
	if err != nil {
		return []string{err.Error()}
	}
	for pattern, route := range c.operations {
		for status := range route.Operation.Responses.Map() {
			if answer := pattern + " " + status; status < "4" && !c.seen[answer] {
				unseen = append(unseen, answer)
			}
		}
	}
	slices.Sort(unseen)
	return unseen
}

func TestContractIsValid(t *testing.T) {
	t.Parallel()
	c, err := theContract()
	require.NoError(t, err)
	require.Regexp(t, `^3\.1\.`, c.doc.OpenAPI)
	require.NoError(t, c.doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation(), openapi3.EnableMultiError()))
	ids := map[string]string{}
	for pattern, route := range c.operations {
		id := route.Operation.OperationID
		require.NotEmpty(t, id, pattern)
		require.Empty(t, ids[id], "%s has the id of %s", pattern, ids[id])
		ids[id] = pattern
		require.NotEmpty(t, route.Operation.Summary, pattern)
		require.Len(t, route.Operation.Tags, 1, pattern)
		require.NotNil(t, c.doc.Tags.Get(route.Operation.Tags[0]), pattern)
	}
}

// Every route is in the document, for the same roles, and nothing else is.
func TestContractHasTheRoutes(t *testing.T) {
	t.Parallel()
	c, err := theContract()
	require.NoError(t, err)
	handled := map[string]bool{}
	for _, rt := range new(api).routes() {
		handled[rt.pattern] = true
		route := c.operations[rt.pattern]
		require.NotNil(t, route, "%s is not in openapi.yaml", rt.pattern)
		var roles []any
		for _, role := range rt.to {
			roles = append(roles, string(role))
		}
		said, _ := route.Operation.Extensions["x-roles"].([]any)
		require.ElementsMatch(t, roles, said, "x-roles of %s", rt.pattern)
		require.Equal(t, rt.to == nil, route.Operation.Security != nil && len(*route.Operation.Security) == 0, "%s is public on one side only", rt.pattern)
		if rt.to != nil {
			require.NotNil(t, route.Operation.Responses.Status(http.StatusUnauthorized), rt.pattern)
			require.Equal(t, len(rt.to) < len(everyone), route.Operation.Responses.Status(http.StatusForbidden) != nil, "403 of %s", rt.pattern)
		}
	}
	for pattern := range c.operations {
		require.True(t, handled[pattern], "%s has no route", pattern)
	}
}

// A contract that finds nothing would hold nothing: each of these is found.
func TestContractIsHeld(t *testing.T) {
	t.Parallel()
	c, err := readContract(openapiYAML)
	require.NoError(t, err)
	const id = "01964943-e927-7a27-b004-36bad7879adc"
	const line = `{"id": "` + id + `", "affiliate_id": "` + id + `", "run_id": "` + id + `", "amount": "1.00", "currency": "BRL", "lines": 1,
		"status": "created", "created_at": "2026-01-01T00:00:00Z", "approved_at": null, "sent_at": null, "paid_at": null, "ended_at": null}`
	answer := func(call, sent string, status int, text string, headers ...string) error {
		method, path, _ := strings.Cut(call, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, bytes.NewReader([]byte(sent)))
		require.NoError(t, err)
		h := http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"r"}}
		if status >= 400 {
			h.Set("Content-Type", "application/problem+json")
		}
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			h.Set(name, value)
		}
		return c.check(t.Context(), exchange{r, sent, false, status, h, text})
	}
	const get = "GET /v1/payouts/" + id
	const missing = `{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "x"}`
	require.NoError(t, answer(get, "", 200, line))
	require.NoError(t, answer(get, "", 404, missing))
	require.NoError(t, answer("GET /nowhere", "", 404, missing))
	for change, want := range map[string]string{
		`"amount": "1.00" -> "amount": 1.00`:             "amount",
		`"amount": "1.00" -> "amount": "1,00"`:           "amount",
		`"currency": "BRL", -> `:                         "currency",
		`"currency": "BRL" -> "currency": "BRL", "x": 1`: `"x"`,
		`"created" -> "gone"`:                            "status",
		`"paid_at": null, -> `:                           "paid_at",
		`"paid_at": null -> "paid_at": "yesterday"`:      "paid_at",
		`"run_id": "01964943 -> "run_id": "x`:            "run_id",
		`"lines": 1 -> "lines": 1.5`:                     "lines",
		`"lines": 1 -> "lines": null`:                    "lines",
	} {
		from, to, _ := strings.Cut(change, " -> ")
		require.Contains(t, line, from)
		require.ErrorContains(t, answer(get, "", 200, strings.Replace(line, from, to, 1)), want, change)
	}
	require.ErrorContains(t, answer(get, "", 418, missing), "status 418")
	require.ErrorContains(t, answer(get, "", 404, missing, "Content-Type: application/json"), "Content-Type")
	require.ErrorContains(t, answer(get, "", 200, line, "X-Cache: hit"), "X-Cache")
	require.ErrorContains(t, answer(get, "", 200, line, "X-Request-Id: "), "X-Request-Id")
	require.ErrorContains(t, answer(get+"?x=1", "", 200, line), `"x"`)
	require.ErrorContains(t, answer("GET /v1/payouts/1", "", 200, line), "id")
	require.ErrorContains(t, answer("GET /nowhere", "", 200, line), "200")
	require.ErrorContains(t, answer("POST /v1/auth/logout", "", 204, "x"), "a body")
	require.ErrorContains(t, answer("GET /v1/affiliates/by-code/tree", "", 400, missing), "status 400", "which {id}/tree has")
	require.ErrorContains(t, answer("POST /v1/payouts/"+id+"/fail", `{"raison": "x"}`, 200, line), "raison")
	require.Equal(t, map[string]bool{"GET /v1/payouts/{id} 200": true, "GET /v1/payouts/{id} 404": true}, c.seen)
}
