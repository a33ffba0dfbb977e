package transaction_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/transaction"
)

// now is the time in the tests that need no clock.
var now = time.Date(2025, 6, 15, 12, 0, 0, 0, time.UTC)

// whole is an event that says everything there is to say of a sale.
func whole() transaction.Event {
	return transaction.Event{
		AffiliateID: uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057"), Code: "ANA", CustomerID: "c-1",
		Type: transaction.Sale, Amount: decimal.RequireFromString("12.50"), Currency: "BRL", At: now,
		SourceTable: "orders", OriginalID: "4711",
		Metadata: map[string]any{"brand": "x", "items": 3, "tags": []any{"a", true, nil}, "deep": map[string]any{"é": 1.5}},
	}
}

func problems(err error) []string {
	all := []string{}
	for _, p := range fault.Fields(err) {
		all = append(all, p.Error())
	}
	return all
}

type event = transaction.Event

func TestValidate(t *testing.T) {
	t.Parallel()
	d := decimal.RequireFromString
	for name, c := range map[string]struct {
		change func(e *event)
		want   []string
	}{
		"a whole one":           {func(*event) {}, nil},
		"the least":             {func(e *event) { *e = event{Code: "ANA", Type: transaction.Signup, Currency: "BRL", At: now} }, nil},
		"a chargeback of ours":  {func(e *event) { e.Type, e.Reverses = transaction.Chargeback, uuid.New() }, nil},
		"one from elsewhere":    {func(e *event) { e.Type = transaction.Chargeback }, nil},
		"nobody's":              {func(e *event) { e.AffiliateID, e.Code, e.CustomerID = uuid.Nil, "", "" }, nil},
		"no type":               {func(e *event) { e.Type = "" }, []string{`type: "" is not a type of event`}},
		"unknown type":          {func(e *event) { e.Type = transaction.Type(strings.Repeat("x", 100)) }, []string{`type: "` + strings.Repeat("x", 40) + `" is not a type of event`}},
		"negative":              {func(e *event) { e.Amount = d("-0.01") }, []string{"amount: is negative: the type says what it means"}},
		"too precise":           {func(e *event) { e.Amount = d("0.001") }, []string{"amount: 0.001 has more than 2 decimals"}},
		"zeros after the cent":  {func(e *event) { e.Amount = d("1.000000") }, nil},
		"the largest":           {func(e *event) { e.Amount = d("9999999999999.99") }, nil},
		"too large":             {func(e *event) { e.Amount = d("10000000000000") }, []string{"amount: is larger than 9999999999999.99"}},
		"a large bomb":          {func(e *event) { e.Amount = decimal.New(1, 10_000_000) }, []string{"amount: is out of range"}},
		"a small bomb":          {func(e *event) { e.Amount = decimal.New(1, -10_000_000) }, []string{"amount: is out of range"}},
		"a long number":         {func(e *event) { e.Amount = d("0." + strings.Repeat("1", 100)) }, []string{"amount: is out of range"}},
		"no currency":           {func(e *event) { e.Currency = "" }, []string{`currency: "" is not an ISO 4217 currency`}},
		"unknown currency":      {func(e *event) { e.Currency = "XXX" }, []string{`currency: "XXX" is not an ISO 4217 currency`}},
		"in small letters":      {func(e *event) { e.Currency = "brl" }, []string{`currency: "brl" is not an ISO 4217 currency`}},
		"another currency":      {func(e *event) { e.Currency = "USD" }, []string{"currency: is USD, but the programme's is BRL"}},
		"no time":               {func(e *event) { e.At = time.Time{} }, []string{"at: is before the year 2000"}},
		"the year 0":            {func(e *event) { e.At = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC) }, []string{"at: is before the year 2000"}},
		"1999":                  {func(e *event) { e.At = time.Date(1999, 12, 31, 23, 59, 59, 999999000, time.UTC) }, []string{"at: is before the year 2000"}},
		"2000":                  {func(e *event) { e.At = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }, nil},
		"in 24 hours":           {func(e *event) { e.At = now.Add(24 * time.Hour) }, nil},
		"a moment later":        {func(e *event) { e.At = now.Add(24*time.Hour + time.Microsecond) }, []string{"at: is more than 24 hours ahead"}},
		"the year 10000":        {func(e *event) { e.At = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) }, []string{"at: is more than 24 hours ahead"}},
		"the year 300,000":      {func(e *event) { e.At = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC) }, []string{"at: is more than 24 hours ahead"}},
		"code of 20 characters": {func(e *event) { e.Code = strings.Repeat("é", 20) }, nil},
		"code of 21":            {func(e *event) { e.Code = strings.Repeat("a", 21) }, []string{"code: is longer than 20 characters"}},
		"code with NUL":         {func(e *event) { e.Code = "a\x00" }, []string{"code: is not valid UTF-8 or holds a NUL"}},
		"customer of 255":       {func(e *event) { e.CustomerID = strings.Repeat("é", 255) }, nil},
		"customer of 256":       {func(e *event) { e.CustomerID = strings.Repeat("é", 256) }, []string{"customer_id: is longer than 255 characters"}},
		"customer of 1 MB":      {func(e *event) { e.CustomerID = strings.Repeat("é", 1<<20) }, []string{"customer_id: is longer than 255 characters"}},
		"customer in Latin-1":   {func(e *event) { e.CustomerID = "jos\xe9" }, []string{"customer_id: is not valid UTF-8 or holds a NUL"}},
		"long source":           {func(e *event) { e.SourceTable = strings.Repeat("s", 256) }, []string{"source_table: is longer than 255 characters"}},
		"source with NUL":       {func(e *event) { e.SourceTable = "a\x00" }, []string{"source_table: is not valid UTF-8 or holds a NUL"}},
		"long original":         {func(e *event) { e.OriginalID = strings.Repeat("1", 256) }, []string{"original_id: is longer than 255 characters"}},
		"original in Latin-1":   {func(e *event) { e.OriginalID = "\xe9" }, []string{"original_id: is not valid UTF-8 or holds a NUL"}},
		"source alone":          {func(e *event) { e.OriginalID = "" }, []string{"original_id: is empty, although source_table is given"}},
		"refund of nothing":     {func(e *event) { e.Type = transaction.Refund }, []string{"reverses: is empty: a refund names the transaction it takes back"}},
		"sale that reverses":    {func(e *event) { e.Reverses = uuid.New() }, []string{"reverses: is only for a refund or a chargeback"}},
		"all at once": {
			func(e *event) {
				*e = event{Amount: d("-1"), Code: "\x00", SourceTable: "\x00", Metadata: map[string]any{"a": "\x00"}}
			},
			[]string{
				`type: "" is not a type of event`, `currency: "" is not an ISO 4217 currency`,
				"amount: is negative: the type says what it means", "at: is before the year 2000",
				"code: is not valid UTF-8 or holds a NUL", "source_table: is not valid UTF-8 or holds a NUL",
				"original_id: is empty, although source_table is given",
				"metadata.a: is not valid UTF-8 or holds a NUL",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := whole()
			c.change(&e)
			start := time.Now()
			err := e.Validate("BRL", now)
			require.Less(t, time.Since(start), time.Second)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, fault.Invalid)
			require.Equal(t, c.want, problems(err))
		})
	}
}

// A yen has no decimals.
func TestValidateByCurrency(t *testing.T) {
	t.Parallel()
	e := whole()
	e.Currency = "JPY"
	require.Equal(t, []string{"amount: 12.5 has more than 0 decimals"}, problems(e.Validate("JPY", now)))
	e.Amount = decimal.NewFromInt(12)
	require.NoError(t, e.Validate("JPY", now))
}

func TestTypes(t *testing.T) {
	t.Parallel()
	amount := decimal.NewFromInt(7)
	volume := map[transaction.Type]bool{transaction.Sale: true, transaction.Deposit: true, transaction.Bet: true}
	require.Len(t, transaction.Types(), 10)
	for _, of := range transaction.Types() {
		require.True(t, of.Valid(), of)
		require.Equal(t, volume[of], of.Volume(amount).Equal(amount), of)
		require.Equal(t, !volume[of], of.Volume(amount).IsZero(), of)
	}
	require.False(t, transaction.Type("Sale").Valid())
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	clock := now.Add(1500 * time.Nanosecond).In(time.FixedZone("", -3*3600))
	e := event{OriginalID: "1"}.Normalize("BRL", clock)
	require.Equal(t, event{Currency: "BRL", At: now.Add(time.Microsecond), SourceTable: "events", OriginalID: "1"}, e)
	require.True(t, e.Keyed())
	require.Equal(t, transaction.Key{SourceTable: "events", OriginalID: "1"}, e.Key())

	given := whole()
	given.Currency = "USD"
	require.Equal(t, given, given.Normalize("BRL", clock), "what is given stays")
	given.At = now.In(time.FixedZone("", 9*3600)).Add(999)
	require.Equal(t, now, given.Normalize("BRL", clock).At)

	unkeyed := event{}.Normalize("BRL", clock)
	require.False(t, unkeyed.Keyed())
	require.Zero(t, unkeyed.Key())
}

// The names of a shop's own types, and how encoding/json writes them.
type (
	brand  string
	basket struct {
		Items []string `json:"items"`
	}
)

func TestMetadata(t *testing.T) {
	t.Parallel()
	nested := func(depth int) map[string]any {
		list := []any{}
		for range depth - 2 {
			list = []any{list}
		}
		return map[string]any{"a": list}
	}
	circle := map[string]any{}
	circle["a"] = []any{circle}
	keys := func(n int) map[string]any {
		m := map[string]any{}
		for i := range n {
			m[fmt.Sprint(i)] = i
		}
		return m
	}
	raw := func(text string) map[string]any { return map[string]any{"a": json.RawMessage(text)} }
	const (
		deep   = "is nested deeper than 8"
		long   = "is longer than 16384 bytes"
		unsafe = "is not valid UTF-8 or holds a NUL"
		number = "is a number out of range"
	)
	for name, c := range map[string]struct {
		metadata map[string]any
		want     string
	}{
		"none":              {nil, ""},
		"empty":             {map[string]any{}, ""},
		"100 keys":          {keys(100), ""},
		"101 keys":          {keys(101), "metadata: has 101 keys, more than 100"},
		"10,000 keys":       {keys(10_000), "metadata: has 10000 keys, more than 100"},
		"depth 8":           {nested(8), ""},
		"depth 9":           {nested(9), "metadata.a: " + deep},
		"depth 1,000,000":   {nested(1_000_000), "metadata.a: " + deep},
		"in itself":         {circle, "metadata.a.a.a.a: " + deep}, // two steps each
		"16 KB":             {map[string]any{"a": strings.Repeat("x", 16384-8)}, ""},
		"one byte more":     {map[string]any{"a": strings.Repeat("x", 16384-7)}, "metadata: " + long},
		"16 MB":             {map[string]any{"a": strings.Repeat("x", 16<<20)}, "metadata.a: " + long},
		"long when written": {map[string]any{"a": strings.Repeat("<", 4000)}, "metadata: " + long},
		"a long list":       {map[string]any{"a": make([]any, 1<<20)}, "metadata.a: " + long},
		"a long key":        {map[string]any{strings.Repeat("k", 1<<20): 1}, "metadata: " + long},
		"NUL":               {map[string]any{"a": []any{"\x00"}}, "metadata.a: " + unsafe},
		"NUL in a key":      {map[string]any{"a": map[string]any{"\x00": 1}}, "metadata.a: " + unsafe},
		"Latin-1":           {map[string]any{"a": "jos\xe9"}, "metadata.a: " + unsafe},
		"U+FFFD":            {map[string]any{"a": "\ufffd"}, ""},
		"a channel":         {map[string]any{"a": make(chan int)}, "metadata: is not JSON: "},
		"NaN":               {map[string]any{"a": math.NaN()}, "metadata: is not JSON: "},
		"infinity":          {map[string]any{"a": math.Inf(1)}, "metadata: is not JSON: "},
		"the largest float": {map[string]any{"a": math.MaxFloat64, "b": math.SmallestNonzeroFloat64}, ""},
		"a number":          {map[string]any{"a": json.Number("-1.5e+308")}, ""},
		"a long number":     {map[string]any{"a": json.Number(strings.Repeat("1", 65))}, "metadata.a: " + number},
		"a large bomb":      {map[string]any{"a": json.Number("1e131000")}, "metadata.a: " + number},
		"a small bomb":      {map[string]any{"a": json.Number("1E-99999999999999999999")}, "metadata.a: " + number},
		"no number":         {map[string]any{"a": json.Number("one")}, "metadata: is not JSON: "},

		"types of the host's":     {map[string]any{"a": brand("x"), "b": basket{[]string{"é", "\\u0000"}}, "c": now, "d": decimal.New(125, -1)}, ""},
		"JSON of the host's":      {raw(`{"a": ["\ud83d\ude00", 1.50]}`), ""},
		"NUL in a string of his":  {map[string]any{"a": brand("\x00")}, "metadata.a: " + unsafe},
		"NUL in a struct of his":  {map[string]any{"a": basket{[]string{"\x00"}}}, "metadata.a.items: " + unsafe},
		"Latin-1 in a map of his": {map[string]any{"a": map[string]string{"b": "jos\xe9"}}, "metadata.a.b: " + unsafe},
		"NUL in his JSON":         {raw(`"\u0000"`), "metadata.a: " + unsafe},
		"half a surrogate":        {raw(`"\ud83d"`), "metadata.a: " + unsafe},
		"a bomb in his JSON":      {raw(`[1e131000]`), "metadata.a: " + number},
		"his JSON is none":        {raw(`{`), "metadata: is not JSON: "},
		"deep in his JSON":        {raw(strings.Repeat("[", 9) + strings.Repeat("]", 9)), "metadata.a: " + deep},
		"very deep in his JSON":   {raw(strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000)), "metadata: is not JSON: "},
	} {
		t.Run(name, func(t *testing.T) {
			e := whole()
			e.Metadata = c.metadata
			start := time.Now()
			err := e.Validate("BRL", now)
			require.Less(t, time.Since(start), time.Second)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			got := problems(err)
			require.Len(t, got, 1)
			require.True(t, strings.HasPrefix(got[0], c.want), got[0])
		})
	}
}

// Whatever is validated can be written down: the amount fits its column and
// the metadata is JSON. Whatever is refused names its fields. Nothing takes
// long.
func FuzzEventValidate(f *testing.F) {
	f.Add("12.50", "BRL", "sale", "ANA", "c-1", "orders", "4711", `{"brand": "x"}`, int64(1_750_000_000))
	f.Add("-0", "JPY", "refund", "", "", "", "", `{"a": [1e308, "\ud83d"]}`, int64(0))
	f.Add("1e10000000", "brl", "", "\x00", "\xff", " ", "", `null`, int64(math.MaxInt64))
	f.Add("1e-10000000", "", "x", strings.Repeat("é", 21), "", "", "1", `{"a": 1e99999999}`, int64(math.MinInt64))
	fields := []string{
		"type", "currency", "amount", "at", "code", "customer_id", "source_table", "original_id", "reverses", "metadata",
	}
	f.Fuzz(func(t *testing.T, amount, currency, of, code, customer, source, original, metadata string, at int64) {
		parsed, err := money.Parse(amount)
		if err != nil {
			parsed, _ = decimal.NewFromString(amount) // as a host that parses by itself
		}
		var m map[string]any
		_ = json.Unmarshal([]byte(metadata), &m)
		given := event{
			Type: transaction.Type(of), Amount: parsed, Currency: currency, Code: code, CustomerID: customer,
			SourceTable: source, OriginalID: original, Metadata: m, At: time.Unix(at, 0),
		}
		e := given.Normalize("BRL", now)
		require.Equal(t, e, e.Normalize("BRL", now))
		start := time.Now()
		err = e.Validate("BRL", now)
		require.Less(t, time.Since(start), time.Second)
		if err != nil {
			require.NotEmpty(t, problems(err))
			for _, p := range fault.Fields(err) {
				field, _, _ := strings.Cut(p.Field, ".")
				require.Contains(t, fields, field)
			}
			return
		}
		require.True(t, e.Amount.Equal(e.Amount.Round(2)))
		require.False(t, e.Amount.IsNegative())
		_, err = json.Marshal(e.Metadata)
		require.NoError(t, err)
		require.Equal(t, e.Digest(e.At), given.Normalize("BRL", now).Digest(e.At))
	})
}
