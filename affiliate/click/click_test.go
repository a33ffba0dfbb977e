package click_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/internal/testenv/faulty"
	"github.com/fature/fature/migrate"
)

func TestRecord(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	ctx := t.Context()
	require.Equal(t, "", w.record(), "none")

	whole := click.Click{
		Code: strings.ToUpper(w.ana.ReferralCode), Visitor: w.visitor("v"), SubID: "verão/1", Landing: "https://shop.example/p?x=1",
		Source: "blog.example", Country: "br", UserAgent: browser, At: noon.Add(999).In(time.FixedZone("", -3*3600)),
	}
	got, err := w.clicks.Record(ctx, whole, click.Click{Code: "nobody-" + w.tag, UserAgent: browser})
	require.NoError(t, err)
	require.Equal(t, w.ana.ID, got[0].AffiliateID)
	require.Zero(t, got[1], "a code of nobody is left out")
	var code, visitor, sub, landing, source, country, agent, mark string
	var at time.Time
	require.NoError(t, w.pool.QueryRow(ctx, `
		select code, visitor, sub_id, landing, source, country, agent, mark, at from fature.clicks
		where id = $1 and affiliate_id = $2`, got[0].ID, w.ana.ID).
		Scan(&code, &visitor, &sub, &landing, &source, &country, &agent, &mark, &at))
	require.Equal(t, []string{w.ana.ReferralCode, w.visitor("v"), "verão/1", "https://shop.example/p?x=1", "blog.example", "BR", "desktop", ""},
		[]string{code, visitor, sub, landing, source, country, agent, mark})
	require.True(t, at.Equal(noon), "to the microsecond")

	// Least of all that a click can be, now by the clock; a retired code; a coupon.
	_, err = w.affiliates.ChangeCode(ctx, w.ana.ID, "ana2-"+w.tag)
	require.NoError(t, err)
	coupon := w.coupon(w.bia, "summer")
	require.Equal(t, "bot ok ok", w.record(
		click.Click{Code: w.ana.ReferralCode}, click.Click{Code: w.ana.ReferralCode, UserAgent: browser},
		click.Click{Code: coupon, UserAgent: browser}))
	require.Equal(t, 3, one[int](t, w.pool, `select count(*) from fature.clicks where code = lower($1) and at = $2`, w.ana.ReferralCode, noon))
	require.Equal(t, 1, one[int](t, w.pool, `select count(*) from fature.clicks where affiliate_id = $1`, w.bia.ID))
}

// A month that is not there is made on the pool, and is an error inside a
// host's transaction, which goes on.
func TestMissingMonth(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	w := over(t, pool, "", click.Options{})
	may := time.Date(2021, 5, 31, 23, 59, 59, 999_999_000, time.UTC)
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(host pgx.Tx) error {
		_, err := w.clicks.WithTx(host).Record(t.Context(), w.by("v", w.ana, may))
		require.ErrorIs(t, err, click.ErrNoMonth)
		require.ErrorIs(t, err, fault.Unavailable)
		require.ErrorContains(t, err, "2021-05")
		_, err = host.Exec(t.Context(), "select 1")
		return err
	}))
	require.Equal(t, "ok ok", w.record(w.by("v", w.ana, may), w.by("w", w.ana, may.Add(us))))
	require.Equal(t, "fature.clicks_2021_05 fature.clicks_2021_06", one[string](t, pool,
		`select string_agg(tableoid::regclass::text, ' ' order by at) from fature.clicks`))
	require.Equal(t, 0, one[int](t, pool, `select count(*) from fature.partitions where table_name = 'transactions' and month < '2022-01-01+00'`))
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(host pgx.Tx) error {
		_, err := w.clicks.WithTx(host).Record(t.Context(), w.by("x", w.ana, may))
		return err
	}))

	// It is dropped behind the store's back: once an error, then made again.
	_, err := pool.Exec(t.Context(), "drop table fature.clicks_2021_05")
	require.NoError(t, err)
	_, err = w.clicks.Record(t.Context(), w.by("v", w.ana, may))
	require.Error(t, err)
	require.Equal(t, "ok", w.record(w.by("v", w.ana, may)))
}

// What a host's transaction records is gone when it is rolled back, and a call
// that is refused leaves the transaction as it was.
func TestRecordInAHostsTransaction(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	w.record(w.by("first", w.ana, noon)) // the month
	undo := errors.New("undo")
	require.ErrorIs(t, pgx.BeginFunc(t.Context(), w.pool, func(host pgx.Tx) error {
		in := w.clicks.WithTx(host)
		_, err := in.Record(t.Context(), w.by("v", w.ana, noon))
		require.NoError(t, err)
		credit, err := in.Attribute(t.Context(), w.touch("carla", "v", noon))
		require.NoError(t, err)
		require.Equal(t, "ana by click; owner ana", w.told(credit))
		_, err = in.Record(t.Context(), click.Click{})
		require.ErrorIs(t, err, fault.Invalid)
		_, err = in.Attribute(t.Context(), click.Touch{CustomerID: "x", Code: "nobody-" + w.tag})
		require.ErrorIs(t, err, fault.Invalid)
		_, err = host.Exec(t.Context(), "select 1")
		require.NoError(t, err)
		return undo
	}), undo)
	require.Equal(t, "nobody by ; owner nobody", w.told(w.attribute(w.touch("carla", "v", noon))))
}

func TestRoundTripsOfRecord(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	pool, trips := narrow(t, w.pool)
	clicks := click.New(pg.In(pool, ""), click.Options{Clock: func() time.Time { return noon }})
	batch := func(n int) (list []click.Click) {
		for range n {
			list = append(list, click.Click{Code: w.ana.ReferralCode, Visitor: click.NewVisitor(), UserAgent: browser})
		}
		return list
	}
	for range 2 { // the first prepares the statements
		_, err := clicks.Record(t.Context(), batch(1)...)
		require.NoError(t, err)
	}
	of := func(n int) int {
		return trips.Of(func() {
			_, err := clicks.Record(t.Context(), batch(n)...)
			require.NoError(t, err)
		})
	}
	// Begin, look, COPY and commit; COPY waits once or twice, as its data are faster.
	require.LessOrEqual(t, of(1), 5)
	require.LessOrEqual(t, of(100), 5)
}

func TestBadClicks(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	recorder, err := click.NewRecorder(w.clicks, click.RecorderOptions{})
	require.NoError(t, err)
	good := click.Click{Code: w.ana.ReferralCode, Visitor: w.visitor("v"), UserAgent: browser, At: noon}
	huge := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		change func(*click.Click)
		field  string
	}{
		"no code":              {func(c *click.Click) { c.Code = "" }, "code"},
		"a code's characters":  {func(c *click.Click) { c.Code = "a b c" }, "code"},
		"a code with a NUL":    {func(c *click.Click) { c.Code = "abc\x00" }, "code"},
		"a long code":          {func(c *click.Click) { c.Code = huge }, "code"},
		"a short visitor":      {func(c *click.Click) { c.Visitor = "123456789012345" }, "visitor"},
		"a long visitor":       {func(c *click.Click) { c.Visitor = strings.Repeat("v", 65) }, "visitor"},
		"a visitor with a NUL": {func(c *click.Click) { c.Visitor = "1234567890123456\x00" }, "visitor"},
		"a visitor with ;":     {func(c *click.Click) { c.Visitor = "1234567890123456;" }, "visitor"},
		"a long sub-id":        {func(c *click.Click) { c.SubID = strings.Repeat("é", 101) }, "sub_id"},
		"a sub-id with a NUL":  {func(c *click.Click) { c.SubID = "a\x00" }, "sub_id"},
		"not UTF-8":            {func(c *click.Click) { c.SubID = "\xff" }, "sub_id"},
		"a script":             {func(c *click.Click) { c.Landing = "javascript:alert(1)" }, "landing"},
		"data":                 {func(c *click.Click) { c.Landing = "data:text/html,x" }, "landing"},
		"ftp":                  {func(c *click.Click) { c.Landing = "ftp://shop.example/" }, "landing"},
		"no scheme":            {func(c *click.Click) { c.Landing = "//shop.example/" }, "landing"},
		"a path":               {func(c *click.Click) { c.Landing = "/p" }, "landing"},
		"no host":              {func(c *click.Click) { c.Landing = "https:///p" }, "landing"},
		"only a port":          {func(c *click.Click) { c.Landing = "https://:443/p" }, "landing"},
		"opaque":               {func(c *click.Click) { c.Landing = "https:shop.example" }, "landing"},
		"a password":           {func(c *click.Click) { c.Landing = "https://a:b@shop.example/" }, "landing"},
		"a landing's NUL":      {func(c *click.Click) { c.Landing = "https://shop.example/\x00" }, "landing"},
		"a long landing":       {func(c *click.Click) { c.Landing = "https://shop.example/" + huge }, "landing"},
		"a long source":        {func(c *click.Click) { c.Source = strings.Repeat("s", 256) }, "source"},
		"a source with a NUL":  {func(c *click.Click) { c.Source = "\x00" }, "source"},
		"a country's name":     {func(c *click.Click) { c.Country = "Brasil" }, "country"},
		"a country's digits":   {func(c *click.Click) { c.Country = "B1" }, "country"},
		"two bytes of one":     {func(c *click.Click) { c.Country = "é" }, "country"},
		"long ago":             {func(c *click.Click) { c.At = time.Date(1999, 12, 31, 23, 0, 0, 0, time.UTC) }, "at"},
		"the day after":        {func(c *click.Click) { c.At = noon.Add(24*time.Hour + us) }, "at"},
	} {
		bad := good
		c.change(&bad)
		require.Equal(t, []string{c.field}, fieldsOf(recorder.Add(bad)), name)
		_, err := w.clicks.Record(t.Context(), good, bad)
		require.ErrorIs(t, err, fault.Invalid, name)
		require.Equal(t, []string{"clicks[1]." + c.field}, fieldsOf(err), name)
		require.Less(t, len(err.Error()), 300, name)
	}
	_, err = w.clicks.Record(t.Context(), make([]click.Click, click.MaxBatch+1)...)
	require.Equal(t, "clicks", fieldsOf(err)[0])
	require.Equal(t, "nobody by ; owner nobody", w.told(w.attribute(w.touch("carla", "v", noon))), "a refused call stores nothing")

	for name, change := range map[string]func(*click.Click){
		"a long agent":        func(c *click.Click) { c.UserAgent = browser + huge },
		"an agent with a NUL": func(c *click.Click) { c.UserAgent = browser + "\x00\xff" },
		"as long as may be":   func(c *click.Click) { c.SubID = strings.Repeat("é", 100); c.Source = strings.Repeat("s", 255) },
		"a long URL":          func(c *click.Click) { c.Landing = "HTTPS://shop.example/" + strings.Repeat("p", 2048-21) },
		"an address":          func(c *click.Click) { c.Landing = "http://[::1]:80/" },
		"a day ahead":         func(c *click.Click) { c.At = noon.Add(24 * time.Hour) },
	} {
		odd := good
		odd.Visitor = click.NewVisitor()
		change(&odd)
		require.Equal(t, "ok", w.record(odd), name)
	}
}

func TestBots(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	for agent, want := range map[string]string{
		"":   "bot bot",
		"  ": "bot bot",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)":                          "bot bot",
		"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)":                           "bot bot",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) BingPreview/1.0b": "bot bot",
		"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)":                         "bot bot",
		"WhatsApp/2.23.20.0":                                         "bot bot",
		"TelegramBot (like TwitterBot)":                              "bot bot",
		"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)": "bot bot",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0 Safari/537.36": "bot bot",
		"curl/8.5.0":                        "bot bot",
		"Wget/1.21":                         "bot bot",
		"python-requests/2.31.0":            "bot bot",
		"Go-http-client/2.0":                "bot bot",
		"Scrapy/2.11 (+https://scrapy.org)": "bot bot",
		browser:                             "desktop ok",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15":                      "desktop ok",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1": "mobile ok",
		"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36":                       "mobile ok",
		"Mozilla/5.0 (Linux; Android 9; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36":                  "mobile ok",
		"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1":          "tablet ok",
		"Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36":                              "tablet ok",
		"Opera/9.80 (Linux armv7l)": "other ok",
	} {
		got, err := w.clicks.Record(t.Context(), click.Click{Code: w.ana.ReferralCode, Visitor: click.NewVisitor(), UserAgent: agent})
		require.NoError(t, err)
		require.Equal(t, want, one[string](t, w.pool,
			`select agent || ' ' || coalesce(nullif(mark, ''), 'ok') from fature.clicks where id = $1`, got[0].ID), agent)
	}
	prefetched := w.by("p", w.ana, noon)
	prefetched.Prefetch = true
	require.Equal(t, "bot", w.record(prefetched))
	require.Equal(t, "ok", w.record(w.by("p", w.ana, noon)), "nothing repeats what a bot did")
	require.Equal(t, "bot", w.record(prefetched), "and a bot's is a bot's")
}

func TestFromRequest(t *testing.T) {
	t.Parallel()
	request := func(method string, headers ...string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), method, "https://shop.example/r/ana", nil)
		require.NoError(t, err)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return r
	}
	c := click.FromRequest(request(http.MethodGet, "User-Agent", browser, "Referer", "https://Blog.example:8443/private?mail=carla@example.com"))
	require.Equal(t, click.Click{UserAgent: browser, Source: "blog.example"}, c)
	require.True(t, click.FromRequest(request(http.MethodHead)).Prefetch)
	for header, value := range map[string]string{
		"Sec-Purpose": "prefetch;prerender", "Purpose": "Prefetch", "X-Purpose": "preview", "X-Moz": "prefetch",
	} {
		require.True(t, click.FromRequest(request(http.MethodGet, header, value)).Prefetch, header)
	}
	for _, referer := range []string{"", "%zz", "about:blank", "https://" + strings.Repeat("h", 300) + "/", "\x00"} {
		require.Empty(t, click.FromRequest(request(http.MethodGet, "Referer", referer)).Source)
	}
}

// Two clicks of one visitor nearer than 30 seconds are one, whichever way round
// they come and in however many calls; at 30 seconds they are two.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	const near = 30 * time.Second
	w := shared(t, click.Policy{})
	at := func(v string, after time.Duration) click.Click { return w.by(v, w.ana, noon.Add(after)) }

	require.Equal(t, "ok duplicate duplicate ok duplicate", w.record(
		at("a", 0), at("a", 0), at("a", near-us), at("a", near), at("a", 2*near-us)), "within one call")
	require.Equal(t, "duplicate ok duplicate", w.record(at("b", 10*time.Second), at("b", 0), at("b", 5*time.Second)), "in any order")

	require.Equal(t, "ok", w.record(at("c", 0)))
	require.Equal(t, "duplicate", w.record(at("c", 0)))
	require.Equal(t, "duplicate", w.record(at("c", near-us)))
	require.Equal(t, "ok", w.record(at("c", near)))
	require.Equal(t, "duplicate", w.record(at("c", 2*near-us)), "near the one that counted")
	require.Equal(t, "ok", w.record(at("c", 2*near)), "what is marked makes no other a repetition")

	// The clock went back, or another process was slow: near is near.
	require.Equal(t, "duplicate", w.record(at("c", -near+us)))
	require.Equal(t, "ok", w.record(at("c", -near)))

	other := at("c", time.Second)
	other.SubID = "x"
	unknown := click.Click{Code: w.ana.ReferralCode, UserAgent: browser, At: noon}
	require.Equal(t, "ok ok ok ok", w.record(other, w.by("c", w.bia, noon), unknown, unknown), "another sub-id, another code, nobody known")

	wide := over(t, w.pool, "", click.Options{DuplicateWithin: time.Hour})
	require.Equal(t, "ok duplicate ok", wide.record(
		wide.by("d", wide.ana, noon), wide.by("d", wide.ana, noon.Add(time.Hour-us)), wide.by("d", wide.ana, noon.Add(time.Hour))))
	month := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	require.Equal(t, "ok", w.record(w.by("e", w.ana, month.Add(-us))))
	require.Equal(t, "duplicate", w.record(w.by("e", w.ana, month)), "over the end of a month")
}

// Many processes record one visitor's click at once: one of them counts.
func TestDuplicatesOfManyProcesses(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	w.record(w.by("first", w.ana, noon)) // the month
	const processes, visitors = 8, 40
	stores := make([]*click.Store, processes)
	for i := range stores {
		stores[i] = click.New(pg.In(w.pool, ""), click.Options{Clock: func() time.Time { return noon }})
	}
	for _, err := range testenv.AtOnce(processes, func(i int) error {
		for range 3 {
			var batch []click.Click
			for v := range visitors { // each in another order
				batch = append(batch, w.by(fmt.Sprint("v", (v*7+i*11)%visitors), w.ana, noon.Add(time.Duration(i)*time.Second)))
			}
			if _, err := stores[i].Record(context.Background(), batch...); err != nil {
				return err
			}
		}
		return nil
	}) {
		require.NoError(t, err)
	}
	require.Equal(t, visitors, one[int](t, w.pool, `select count(*) from fature.clicks where code = $1 and mark = '' and visitor <> $2`,
		w.ana.ReferralCode, w.visitor("first")))
	require.Equal(t, visitors*(3*processes-1), one[int](t, w.pool, `select count(*) from fature.clicks where code = $1 and mark = 'duplicate'`,
		w.ana.ReferralCode))
}

// cutter cuts the line when a COPY has ended, so that COMMIT gets no answer.
type cutter struct {
	line *faulty.Line
	cut  bool
}

func (c *cutter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (c *cutter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (c *cutter) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return ctx
}

func (c *cutter) TraceCopyFromEnd(_ context.Context, _ *pgx.Conn, d pgx.TraceCopyFromEndData) {
	if c.cut && d.Err == nil {
		c.cut = false
		c.line.Cut()
		time.AfterFunc(300*time.Millisecond, c.line.Heal)
	}
}

// The answer to COMMIT is lost: the clicks are stored once, and marked as they
// were the first time.
func TestLostCommit(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	w.record(w.by("first", w.ana, noon))
	c := new(cutter)
	c.line = faulty.To(t, w.pool, func(config *pgxpool.Config) { config.ConnConfig.Tracer = c })
	clicks := click.New(pg.In(c.line.Pool, ""), click.Options{Clock: func() time.Time { return noon }})
	_, err := clicks.Record(t.Context(), w.by("before", w.ana, noon))
	require.NoError(t, err)

	recorder, err := click.NewRecorder(clicks, click.RecorderOptions{Every: 10 * time.Millisecond})
	require.NoError(t, err)
	c.cut = true
	for i := range 5 {
		require.NoError(t, recorder.Add(w.by(fmt.Sprint("v", i), w.ana, noon)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- recorder.Run(ctx) }()
	require.Eventually(t, func() bool { return recorder.Counts().Queued == 0 }, 20*time.Second, 10*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	require.Equal(t, click.Counts{Written: 5}, recorder.Counts())
	require.Equal(t, 5, one[int](t, w.pool, `select count(*) from fature.clicks where code = $1 and visitor like 'visitor-v%' and mark = ''`, w.ana.ReferralCode))
	require.Equal(t, 7, one[int](t, w.pool, `select count(*) from fature.clicks where code = $1`, w.ana.ReferralCode))
}

func TestOtherSchema(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	require.NoError(t, migrate.Up(t.Context(), conn.Conn(), migrate.Options{Schema: "acme"}))
	conn.Release()
	w := over(t, pool, "acme", click.Options{})
	require.Equal(t, "ok duplicate", w.record(w.by("v", w.ana, noon), w.by("v", w.ana, noon)))
	require.Equal(t, "ana by click; owner ana", w.told(w.attribute(w.touch("carla", "v", noon))))
	figures, err := w.clicks.Figures(t.Context(), w.ana.ID, noon, noon.Add(us))
	require.NoError(t, err)
	require.Len(t, figures, 1)
	require.Equal(t, 2, one[int](t, pool, `select count(*) from acme.clicks`))
	require.Zero(t, one[int](t, pool, `select count(*) from fature.clicks`))
}

func TestOptions(t *testing.T) {
	t.Parallel()
	require.NoError(t, click.Options{}.Validate())
	bad := click.Options{
		Policy:          click.Policy{Model: "linear", Window: -time.Second, Lifetime: "x"},
		DuplicateWithin: 25 * time.Hour,
	}
	require.Equal(t, []string{"policy.model", "policy.lifetime", "policy.window", "duplicate_within"}, fieldsOf(bad.Validate()))
	for _, window := range []time.Duration{time.Nanosecond, 3 * 366 * 24 * time.Hour} {
		require.Equal(t, []string{"window"}, fieldsOf(click.Policy{Window: window}.Validate()))
	}
}

// Repetitions are looked for among the clicks of the visitor, and never among
// those of a busy link, whatever the planner knows of the table.
func TestBusyLink(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	w := over(t, pool, "", click.Options{})
	batch := make([]click.Click, 5000)
	for i := range batch {
		batch[i] = click.Click{Code: w.ana.ReferralCode, Visitor: click.NewVisitor(), UserAgent: browser}
	}
	_, err := w.clicks.Record(t.Context(), batch...)
	require.NoError(t, err)
	for _, prepare := range []string{"set plan_cache_mode = force_generic_plan", "analyze fature.clicks", "set plan_cache_mode = force_custom_plan"} {
		conn, _ := narrow(t, pool)
		_, err = conn.Exec(t.Context(), prepare)
		require.NoError(t, err)
		rows, err := conn.Query(t.Context(), "explain "+click.SelectNear, []string{batch[0].Visitor}, []string{w.ana.ReferralCode}, []string{""},
			[]time.Time{noon}, 30*time.Second, noon.Add(-30*time.Second), noon.Add(30*time.Second))
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		plan := strings.Join(lines, "\n")
		require.Contains(t, plan, "_visitor_at_idx", prepare)
		require.NotContains(t, plan, "_code_at_idx", prepare)
		require.NotContains(t, plan, "Seq Scan", prepare)
	}
}
