package fature_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// badInputs are all that an event can have wrong with it, each one thing.
var badInputs = []struct {
	name    string
	change  func(e *transaction.Event)
	field   string
	problem string
}{
	{"negative", amount("-0.01"), "amount", "is negative"},
	{"over-precise", amount("10.001"), "amount", "has more than 2 decimals"},
	{"too large", amount("10000000000000"), "amount", "is larger than 9999999999999.99"},
	{"long number", amount("1." + strings.Repeat("0", 200) + "1"), "amount", "is out of range"},
	{"1e10000000", func(e *transaction.Event) { e.Amount = decimal.New(1, 10_000_000) }, "amount", "is out of range"},
	{"1e-10000000", func(e *transaction.Event) { e.Amount = decimal.New(1, -10_000_000) }, "amount", "is out of range"},

	{"unknown currency", currency("XXX"), "currency", "is not an ISO 4217 currency"},
	{"currency in small letters", currency("brl"), "currency", "is not an ISO 4217 currency"},
	{"currency of another programme", currency("USD"), "currency", "is USD, but the programme's is BRL"},
	{"currency with NUL", currency("BR\x00"), "currency", "is not an ISO 4217 currency"},

	{"the year 0", date(0), "at", "is before the year 2000"},
	{"1999", date(1999), "at", "is before the year 2000"},
	{"the year 10000", date(10_000), "at", "is more than 24 hours ahead"},
	{"the year 300,000", date(300_000), "at", "is more than 24 hours ahead"},
	{"in 48 hours", func(e *transaction.Event) { e.At = scenario.Now.Add(48 * time.Hour) }, "at", "is more than 24 hours ahead"},

	{"no type", func(e *transaction.Event) { e.Type = "" }, "type", "is not a type"},
	{"unknown type", func(e *transaction.Event) { e.Type = "gift" }, "type", `"gift" is not a type`},
	{"type with NUL", func(e *transaction.Event) { e.Type = "sale\x00" }, "type", "is not a type"},

	{"unknown affiliate", func(e *transaction.Event) { e.AffiliateID = uuid.New() }, "affiliate_id", "does not exist"},

	{"long code", func(e *transaction.Event) { e.Code = strings.Repeat("c", 21) }, "code", "is longer than 20"},
	{"code with NUL", func(e *transaction.Event) { e.Code = "a\x00" }, "code", "NUL"},
	{"code in Latin-1", func(e *transaction.Event) { e.Code = "jos\xe9" }, "code", "UTF-8"},
	{"long customer", func(e *transaction.Event) { e.CustomerID = strings.Repeat("c", 256) }, "customer_id", "is longer than 255"},
	{"customer with NUL", func(e *transaction.Event) { e.CustomerID = "c\x00" }, "customer_id", "NUL"},
	{"long visitor", func(e *transaction.Event) { e.Visitor = strings.Repeat("v", 65) }, "visitor", "is longer than 64"},
	{"visitor with NUL", func(e *transaction.Event) { e.Visitor = "v\x00" }, "visitor", "NUL"},
	{"customer in Latin-1", func(e *transaction.Event) { e.CustomerID = "jos\xe9" }, "customer_id", "UTF-8"},
	{"long source", func(e *transaction.Event) { e.SourceTable = strings.Repeat("s", 256) }, "source_table", "is longer than 255"},
	{"source with NUL", func(e *transaction.Event) { e.SourceTable = "s\x00" }, "source_table", "NUL"},
	{"source in Latin-1", func(e *transaction.Event) { e.SourceTable = "\xe9" }, "source_table", "UTF-8"},
	{"long original id", func(e *transaction.Event) { e.OriginalID = strings.Repeat("1", 1<<20) }, "original_id", "is longer than 255"},
	{"original id with NUL", func(e *transaction.Event) { e.OriginalID = "1\x00" }, "original_id", "NUL"},
	{"original id in Latin-1", func(e *transaction.Event) { e.OriginalID = "\xe9" }, "original_id", "UTF-8"},
	{"no original id", func(e *transaction.Event) { e.OriginalID = "" }, "original_id", "is empty, although source_table is given"},

	{"refund without reverses", func(e *transaction.Event) { e.Type = transaction.Refund }, "reverses", "is empty"},
	{"sale with reverses", func(e *transaction.Event) { e.Reverses = uuid.New() }, "reverses", "is only for a refund or a chargeback"},

	{"ten thousand metadata keys", func(e *transaction.Event) {
		for i := range 10_000 {
			e.Metadata[fmt.Sprint(i)] = i
		}
	}, "metadata", "has 10001 keys"},
	{"deep metadata", metadata(deep(1_000_000)), "metadata.a", "is nested deeper"},
	{"large metadata", metadata(strings.Repeat("x", 1<<20)), "metadata.a", "is longer than 16384 bytes"},
	{"metadata with NUL", metadata("\x00"), "metadata.a", "NUL"},
	{"metadata in Latin-1", metadata("jos\xe9"), "metadata.a", "UTF-8"},
	{"metadata of the host's type with NUL", metadata(struct{ B string }{"\x00"}), "metadata.a.B", "NUL"},
	{"metadata that is not JSON", metadata(func() {}), "metadata", "is not JSON"},
}

func amount(text string) func(*transaction.Event) {
	return func(e *transaction.Event) { e.Amount = decimal.RequireFromString(text) }
}

func currency(code string) func(*transaction.Event) {
	return func(e *transaction.Event) { e.Currency = code }
}

func date(year int) func(*transaction.Event) {
	return func(e *transaction.Event) { e.At = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
}

func metadata(value any) func(*transaction.Event) {
	return func(e *transaction.Event) { e.Metadata["a"] = value }
}

func deep(depth int) (v any) {
	for range depth {
		v = []any{v}
	}
	return v
}

// By whatever way a bad event comes: the error is invalid and names its place
// and field, nothing of the call is written, the host's transaction goes on,
// and RecordPartial stores the others.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Affiliate("bia", scenario.Under("ana"))
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
		"overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "5"}]}}]}`)
	_, err := w.Pool.Exec(t.Context(), "create table orders (id text)")
	require.NoError(t, err)
	n := 0
	good := func() transaction.Event {
		n++
		e := w.Event("bia", transaction.Sale, "10.00", scenario.Key(fmt.Sprint(n)), scenario.Customer(fmt.Sprint("c", n)))
		e.Metadata = map[string]any{"n": n}
		return e
	}
	for _, bad := range badInputs {
		t.Run(bad.name, func(t *testing.T) {
			ctx := t.Context()
			one := good()
			bad.change(&one)
			batch := func() []transaction.Event { return []transaction.Event{good(), good(), one, good(), good()} }
			refused := func(err error, place int) {
				t.Helper()
				require.ErrorIs(t, err, fature.ErrInvalid)
				found := fature.Problems(err)
				require.Len(t, found, 1)
				require.Equal(t, fmt.Sprintf("events[%d].%s", place, bad.field), found[0].Field)
				require.Contains(t, found[0].Problem, bad.problem)
				require.Less(t, len(err.Error()), 1000, "an error can be logged")
			}
			before := w.Rows()

			_, err := w.Program.Record(ctx, one)
			refused(err, 0)
			_, err = w.Program.Record(ctx, batch()...)
			refused(err, 2)
			require.NoError(t, pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "insert into orders values ($1)", bad.name)
				require.NoError(t, err)
				_, err = w.Program.WithTx(tx).Record(ctx, batch()...)
				refused(err, 2)
				var id string
				require.NoError(t, tx.QueryRow(ctx, "select id from orders where id = $1", bad.name).Scan(&id), "the host goes on")
				return nil
			}))
			require.Equal(t, before, w.Rows(), "nothing is written")

			results, err := w.Program.RecordPartial(ctx, batch()...)
			require.NoError(t, err)
			for i, r := range results {
				if i == 2 {
					refused(r.Err, 2)
					require.Zero(t, r.Transaction)
					continue
				}
				require.NoError(t, r.Err)
				require.Len(t, r.Lines, 2)
			}
			for table, rows := range before {
				before[table] = rows + map[string]int{"commissions": 8, "affiliate_deltas": 5}[table]
				if table != "commissions" && table != "affiliate_deltas" {
					before[table] += 4
				}
			}
			require.Equal(t, before, w.Rows(), "the other four are stored")
		})
	}
	w.Verify()
}

// An event that names nobody, or a customer and a code that lead to nobody, is
// not bad: it is not stored, and the others are.
func TestEventOfNobody(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	nobody := w.Event("ana", transaction.Sale, "10.00", scenario.Key("1"))
	nobody.AffiliateID = uuid.Nil
	stranger := nobody
	stranger.OriginalID, stranger.CustomerID, stranger.Code = "2", "carla", "no such code"
	before := w.Rows()
	tx, err := w.Pool.Begin(t.Context())
	require.NoError(t, err)
	for _, p := range []*fature.Program{w.Program, w.Program.WithTx(tx)} {
		for _, record := range []func(context.Context, ...transaction.Event) ([]fature.Recorded, error){p.Record, p.RecordPartial} {
			results, err := record(t.Context(), nobody, stranger)
			require.NoError(t, err)
			require.True(t, results[0].Unattributed() && results[1].Unattributed())
		}
	}
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, before, w.Rows())
	results := w.Record(w.Event("ana", transaction.Sale, "1.00"), nobody, w.Event("ana", transaction.Sale, "2.00"))
	require.True(t, results[1].Unattributed())
	require.Zero(t, results[1].Transaction)
	require.Equal(t, 2, w.Rows()["transactions"])
	require.Equal(t, 0, w.Rows()["transaction_keys"], "its key stays free")
	w.Verify()
}

// A call has a largest size, and a smallest.
func TestBatchSize(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	before := w.Rows()
	many := make([]transaction.Event, fature.MaxBatch+1)
	for i := range many {
		many[i] = w.Event("ana", transaction.Bet, "1.00")
	}
	for _, record := range []func() ([]fature.Recorded, error){
		func() ([]fature.Recorded, error) { return w.Program.Record(t.Context(), many...) },
		func() ([]fature.Recorded, error) { return w.Program.RecordPartial(t.Context(), many...) },
	} {
		_, err := record()
		require.ErrorIs(t, err, fature.ErrInvalid)
		require.ErrorContains(t, err, "events: are 10001, more than 10000 in one call")
	}
	none, err := w.Program.Record(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
	require.Equal(t, before, w.Rows())
	require.Len(t, w.Record(many[1:]...), fature.MaxBatch)
}

// A batch of nothing but bad events tells the first of them, and how many more
// there are.
func TestManyBadEvents(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	_, err := w.Program.Record(t.Context(), make([]transaction.Event, 1000)...)
	require.ErrorIs(t, err, fature.ErrInvalid)
	require.ErrorContains(t, err, "and 980 more events")
	require.Less(t, len(err.Error()), 10_000)
	results, err := w.Program.RecordPartial(t.Context(), make([]transaction.Event, 1000)...)
	require.NoError(t, err)
	for i, r := range results {
		require.True(t, errors.Is(r.Err, fature.ErrInvalid))
		require.Equal(t, fmt.Sprintf("events[%d].type", i), fature.Problems(r.Err)[0].Field)
	}
	require.Equal(t, 0, w.Rows()["transactions"])
}
