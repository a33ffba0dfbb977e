// Package scenario lets a test tell a story: who there is, what happened, what
// was posted.
//
//	w := scenario.New(t)
//	w.Affiliate("ana")
//	w.Affiliate("bia", scenario.Under("ana"))
//	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
//		"overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "5"}]}}]}`)
//
//	w.Sale("bia", "100.00")
//
//	w.WantLines("bia sale/0 10.00", "ana sale/1 5.00")
//	w.Verify()
//
// Each world is a programme in a database of its own, where it is always noon
// on 15 June 2025 (UTC) unless the test says otherwise. What a story takes for
// granted ends the test when it fails; what is about to be refused is asked of
// w.Program.
//
// It imports the root package, which otherwise only examples and external
// tests do: it is support for those tests, and nothing else may import it.
package scenario

import (
	"cmp"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// Currency is that of every world.
const Currency = "BRL"

// Now is the time in a world until the test sets another.
var Now = time.Date(2025, 6, 15, 12, 0, 0, 0, time.UTC)

// World is a programme, and who and what is in it by name.
type World struct {
	Program *fature.Program
	Pool    *pgxpool.Pool // of the programme's database

	t     testing.TB
	now   atomic.Pointer[time.Time]
	ids   map[string]uuid.UUID
	names map[uuid.UUID]string
	last  []fature.Recorded
}

// New makes a world. The test may change the configuration.
func New(t testing.TB, change ...func(*fature.Config)) *World {
	t.Helper()
	w := &World{Pool: testenv.Clone(t), t: t, ids: map[string]uuid.UUID{}, names: map[uuid.UUID]string{}}
	w.SetNow(time.Now()) // the audit goes by the database's clock, and New makes its months
	c := fature.Config{Pool: w.Pool, Currency: Currency, Clock: func() time.Time { return *w.now.Load() }}
	for _, apply := range change {
		apply(&c)
	}
	var err error
	w.Program, err = fature.New(t.Context(), c)
	require.NoError(t, err)
	w.SetNow(Now)
	require.NoError(t, w.Program.EnsureMonths(t.Context(), Now, Now))
	return w
}

// SetNow sets the programme's clock. The database keeps its own.
func (w *World) SetNow(now time.Time) { w.now.Store(&now) }

// Trait is how an affiliate differs from an active, standard one at a root.
type Trait func(*World, *affiliate.Draft)

// Under puts it under an affiliate of the world.
func Under(name string) Trait {
	return func(w *World, d *affiliate.Draft) { d.ParentID = w.ID(name) }
}

// Category gives it a category.
func Category(c affiliate.Category) Trait {
	return func(_ *World, d *affiliate.Draft) { d.Category = c }
}

// Status gives it a status.
func Status(s affiliate.Status) Trait { return func(_ *World, d *affiliate.Draft) { d.Status = s } }

// Affiliate makes an affiliate, whose referral code is its name.
func (w *World) Affiliate(name string, traits ...Trait) affiliate.Affiliate {
	w.t.Helper()
	d := affiliate.Draft{Email: name + "@example.com", Name: name, ReferralCode: name}
	for _, apply := range traits {
		apply(w, &d)
	}
	a, err := w.Program.Affiliates.Create(w.t.Context(), d)
	require.NoError(w.t, err)
	w.ids[name], w.names[a.ID] = a.ID, name
	return a
}

// ID is the id of an affiliate of the world.
func (w *World) ID(name string) uuid.UUID {
	w.t.Helper()
	require.Contains(w.t, w.ids, name, "the affiliates of the world")
	return w.ids[name]
}

// Publish publishes a plan: a commission.Document, or its JSON as a string.
// A name and the currency may be left out.
func (w *World) Publish(document any) *commission.Plan {
	w.t.Helper()
	plan, err := w.Program.Plans.Publish(w.t.Context(), w.document(document))
	require.NoError(w.t, err)
	return plan
}

func (w *World) document(document any) (doc commission.Document) {
	w.t.Helper()
	switch given := document.(type) {
	case commission.Document:
		doc = given
		doc.Name, doc.Currency = cmp.Or(doc.Name, "plan"), cmp.Or(doc.Currency, Currency)
	case string:
		fields := map[string]any{"name": "plan", "currency": Currency}
		require.NoError(w.t, json.Unmarshal([]byte(given), &fields))
		text, err := json.Marshal(fields)
		require.NoError(w.t, err)
		doc, err = commission.Parse(text)
		require.NoError(w.t, err)
	}
	return doc
}

// Plan publishes a plan, and makes it everybody's since the year 2000.
func (w *World) Plan(document any) *commission.Plan {
	w.t.Helper()
	plan := w.Publish(document)
	since := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(w.t, w.Program.Plans.Assign(w.t.Context(), commission.Default(plan.ID).Since(since)))
	return plan
}

// Detail is what else is to be said of an event.
type Detail = func(*transaction.Event)

// Key gives the event its id in the host's table "orders".
func Key(id string) Detail {
	return func(e *transaction.Event) { e.SourceTable, e.OriginalID = "orders", id }
}

// Customer says whose event it is.
func Customer(id string) Detail { return func(e *transaction.Event) { e.CustomerID = id } }

// At says when it happened.
func At(at time.Time) Detail { return func(e *transaction.Event) { e.At = at } }

// Event makes an event of an affiliate of the world.
func (w *World) Event(name string, of transaction.Type, amount string, details ...Detail) transaction.Event {
	w.t.Helper()
	e := transaction.Event{AffiliateID: w.ID(name), Type: of, Amount: decimal.RequireFromString(amount)}
	for _, apply := range details {
		apply(&e)
	}
	return e
}

// Sale records a sale.
func (w *World) Sale(name, amount string, details ...Detail) fature.Recorded {
	w.t.Helper()
	return w.Record(w.Event(name, transaction.Sale, amount, details...))[0]
}

// Deposit records a deposit.
func (w *World) Deposit(name, amount string, details ...Detail) fature.Recorded {
	w.t.Helper()
	return w.Record(w.Event(name, transaction.Deposit, amount, details...))[0]
}

// Record records events in one call.
func (w *World) Record(events ...transaction.Event) []fature.Recorded {
	w.t.Helper()
	var err error
	w.last, err = w.Program.Record(w.t.Context(), events...)
	require.NoError(w.t, err)
	return w.last
}

// WantLines says what the last record posted, in order: "bia sale/1 5.00" is
// what bia gets by the rule sale at level 1, after caps.
func (w *World) WantLines(want ...string) {
	w.t.Helper()
	var got []string
	for _, r := range w.last {
		for _, l := range r.Lines {
			got = append(got, w.line(l))
		}
	}
	require.Equal(w.t, want, got)
}

// WantSkipped says what the last record did not post and why, in order:
// "sale/1 no_upline 5.00", the amount being what nobody could take or a cap
// took. It is left out where it is zero, as the rule is where there is none.
func (w *World) WantSkipped(want ...string) {
	w.t.Helper()
	var got []string
	for _, r := range w.last {
		for _, s := range r.Skipped {
			text := string(s.Reason)
			if s.Rule != "" {
				text = fmt.Sprintf("%s/%d %s", s.Rule, s.Level, s.Reason)
			}
			if lost := s.Breakage.Add(s.Capped); !lost.IsZero() {
				text += " " + lost.StringFixed(2)
			}
			got = append(got, text)
		}
	}
	require.Equal(w.t, want, got)
}

// Verify says that every invariant of the programme holds.
func (w *World) Verify() {
	w.t.Helper()
	report, err := w.Program.Verify(w.t.Context())
	require.NoError(w.t, err)
	require.Empty(w.t, report.Findings)
}

// Rows counts the rows that recording writes, by table.
func (w *World) Rows() map[string]int {
	w.t.Helper()
	rows := map[string]int{}
	for _, table := range []string{"transactions", "transaction_keys", "commissions", "affiliate_deltas", "customers", "customer_owners"} {
		var n int
		require.NoError(w.t, w.Pool.QueryRow(w.t.Context(), "select count(*) from fature."+table).Scan(&n))
		rows[table] = n
	}
	return rows
}
