package fature_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

const tenOfSales = `{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`

// shopping is a world of ana and bia, where a visitor clicked bia's link a day
// ago and bia has a coupon.
type shopping struct {
	*scenario.World
	t       *testing.T
	visitor string
}

func newShopping(t *testing.T, p click.Policy) *shopping {
	t.Helper()
	w := &shopping{scenario.New(t, func(c *fature.Config) { c.Attribution = p }), t, click.NewVisitor()}
	w.Affiliate("ana")
	w.Affiliate("bia")
	w.Plan(tenOfSales)
	_, err := w.Program.Affiliates.AddCoupon(t.Context(), w.ID("bia"), "SUMMER")
	require.NoError(t, err)
	w.click("bia", scenario.Now.AddDate(0, 0, -1))
	return w
}

func (w *shopping) click(on string, at time.Time) {
	w.t.Helper()
	got, err := w.Program.Clicks.Record(w.t.Context(), click.Click{Code: on, Visitor: w.visitor, SubID: "june", UserAgent: "Firefox", At: at})
	require.NoError(w.t, err)
	require.Empty(w.t, got[0].Mark)
}

func visitor(id string) scenario.Detail { return func(e *transaction.Event) { e.Visitor = id } }
func code(c string) scenario.Detail     { return func(e *transaction.Event) { e.Code = c } }

// sale is an event that names no affiliate.
func (w *shopping) sale(details ...scenario.Detail) fature.Recorded {
	w.t.Helper()
	e := w.Event("ana", transaction.Sale, "10.00", details...)
	e.AffiliateID = uuid.Nil
	return w.Record(e)[0]
}

func (w *shopping) wantOwner(customer, name string) {
	w.t.Helper()
	owner, err := w.Program.Customers.Owner(w.t.Context(), customer, scenario.Now)
	require.NoError(w.t, err)
	require.Equal(w.t, w.ID(name), *owner.AffiliateID)
}

// Whose an event is, by what it names: carla is ana's for life, dora nobody's.
func TestRecordByCouponAndClick(t *testing.T) {
	t.Parallel()
	for lifetime, byClick := range map[click.Lifetime]string{"": "bia", click.Holds: "ana"} {
		w := newShopping(t, click.Policy{Lifetime: lifetime})
		ana, bia := "ana sale/0 1.00", "bia sale/0 1.00"
		w.Sale("ana", "10.00", scenario.Customer("carla"))
		w.WantLines(ana)

		r := w.sale(scenario.Customer("carla"))
		w.WantLines(ana)
		require.False(t, r.OwnerDiffers)
		r = w.sale(scenario.Customer("carla"), code("summer"))
		w.WantLines(bia)
		require.True(t, r.OwnerDiffers, "the coupon wins for this event")
		r = w.sale(scenario.Customer("carla"), visitor(w.visitor))
		w.WantLines(byClick + " sale/0 1.00")
		require.Equal(t, byClick != "ana", r.OwnerDiffers)
		r = w.sale(scenario.Customer("carla"), code("bia"))
		w.WantLines(ana)
		require.False(t, r.OwnerDiffers, "a link's code does not")
		r = w.Sale("ana", "10.00", scenario.Customer("carla"), code("summer"), visitor(w.visitor))
		w.WantLines(ana)
		require.False(t, r.OwnerDiffers, "who is given has it")
		r = w.Sale("bia", "10.00", scenario.Customer("carla"))
		w.WantLines(bia)
		require.True(t, r.OwnerDiffers)
		w.wantOwner("carla", "ana")

		w.sale(scenario.Customer("dora"), visitor(w.visitor), code("ana"))
		w.WantLines(bia)
		w.wantOwner("dora", "bia")
		owners, err := w.Program.Customers.Owners(t.Context(), "dora")
		require.NoError(t, err)
		require.Equal(t, "bia", *owners[0].Code)
		require.Equal(t, "june", *owners[0].SubID)
		w.sale(scenario.Customer("edu"), code("SUMMER"))
		w.WantLines(bia)
		w.wantOwner("edu", "bia")

		w.sale(visitor(w.visitor)) // nobody's customer
		w.WantLines(bia)
		require.True(t, w.sale(visitor(click.NewVisitor())).Unattributed())
		require.True(t, w.sale(scenario.Customer("fabio"), visitor(click.NewVisitor()), code("nobody")).Unattributed())
		_, err = w.Program.Customers.Owner(t.Context(), "fabio", scenario.Now)
		require.Error(t, err)
		w.Verify()
	}
}

// Where the policy moves customers, a coupon and a click make the owner from
// then on; who is given does not.
func TestRecordMovesCustomers(t *testing.T) {
	t.Parallel()
	w := newShopping(t, click.Policy{Lifetime: click.Moves})
	ana, bia := "ana sale/0 1.00", "bia sale/0 1.00"
	before, then := scenario.At(scenario.Now.Add(-time.Hour)), scenario.At(scenario.Now.Add(-time.Minute))
	for customer, by := range map[string]scenario.Detail{"carla": code("summer"), "dora": visitor(w.visitor)} {
		w.Sale("ana", "10.00", scenario.Customer(customer), before)
		r := w.Sale("bia", "10.00", scenario.Customer(customer), then)
		require.True(t, r.OwnerDiffers)
		r = w.sale(scenario.Customer(customer), by, then)
		w.WantLines(bia)
		require.False(t, r.OwnerDiffers, "hers by now")
		w.sale(scenario.Customer(customer))
		w.WantLines(bia)
		w.sale(scenario.Customer(customer), scenario.At(scenario.Now.Add(-time.Minute-time.Microsecond)))
		w.WantLines(ana)
		w.wantOwner(customer, "bia")

		// Told late: bia has her by then, and has her still.
		owners, err := w.Program.Customers.Owners(t.Context(), customer)
		require.NoError(t, err)
		require.Len(t, owners, 2)
		r = w.sale(scenario.Customer(customer), by, scenario.At(scenario.Now.Add(-30*time.Minute)))
		w.WantLines(bia)
		require.True(t, r.OwnerDiffers)
		again, err := w.Program.Customers.Owners(t.Context(), customer)
		require.NoError(t, err)
		require.Equal(t, owners, again)
	}
	// In one batch, in its order.
	w.Sale("ana", "10.00", scenario.Customer("edu"), before)
	one := w.Event("ana", transaction.Sale, "10.00", scenario.Customer("edu"), code("summer"), then)
	two := w.Event("ana", transaction.Sale, "10.00", scenario.Customer("edu"))
	one.AffiliateID, two.AffiliateID = uuid.Nil, uuid.Nil
	w.Record(one, two)
	w.WantLines(bia, bia)
	w.wantOwner("edu", "bia")
	w.Verify()
}

// The window of an event is by the event's time, to the microsecond.
func TestRecordWithinTheWindow(t *testing.T) {
	t.Parallel()
	w := newShopping(t, click.Policy{Window: time.Hour})
	at := scenario.Now.Add(-3 * time.Hour)
	w.click("ana", at)
	for _, c := range []struct {
		after time.Duration
		found bool
	}{{-time.Microsecond, false}, {0, true}, {time.Hour - time.Microsecond, true}, {time.Hour, false}} {
		r := w.sale(visitor(w.visitor), scenario.At(at.Add(c.after)))
		require.Equal(t, !c.found, r.Unattributed(), "%s", c.after)
	}
	// In one batch each event by its own time, a pending one too.
	w.click("bia", scenario.Now)
	one, two := w.Event("ana", transaction.Sale, "10.00", visitor(w.visitor), scenario.At(at)), w.Event("ana", transaction.Sale, "10.00", visitor(w.visitor))
	one.AffiliateID, two.AffiliateID = uuid.Nil, uuid.Nil
	one.Pending = true
	results := w.Record(one, two)
	require.Equal(t, w.ID("ana"), results[0].Transaction.AffiliateID)
	require.Equal(t, w.ID("bia"), results[1].Transaction.AffiliateID)
}

// Ana clicks her own link and buys: it is hers, and pays by the policy of
// self-referrals.
func TestSelfClick(t *testing.T) {
	t.Parallel()
	w := newShopping(t, click.Policy{})
	ana, err := w.Program.Affiliates.Get(t.Context(), w.ID("ana"))
	require.NoError(t, err)
	w.click("ana", scenario.Now)
	r := w.sale(visitor(w.visitor), scenario.Customer(ana.UserID.String()))
	require.Equal(t, ana.ID, r.Transaction.AffiliateID)
	w.WantLines()
	w.WantSkipped("self_referral")
}

// A visitor is part of what an event is.
func TestVisitorOfARepeatedEvent(t *testing.T) {
	t.Parallel()
	w := newShopping(t, click.Policy{})
	w.sale(visitor(w.visitor), scenario.Key("1"), scenario.At(scenario.Now))
	require.True(t, w.sale(visitor(w.visitor), scenario.Key("1"), scenario.At(scenario.Now)).Duplicate)
	e := w.Event("ana", transaction.Sale, "10.00", visitor(click.NewVisitor()), scenario.Key("1"), scenario.At(scenario.Now))
	e.AffiliateID = uuid.Nil
	_, err := w.Program.Record(t.Context(), e)
	conflict := new(transaction.ConflictError)
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, "visitor", conflict.Field)
}

// A visitor costs no round trip.
func TestRoundTripsOfVisitors(t *testing.T) {
	t.Parallel()
	w := newShopping(t, click.Policy{})
	config := w.Pool.Config()
	config.MaxConns = 1
	trips := testenv.CountTrips(config.ConnConfig)
	counted, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(counted.Close)
	program, err := fature.New(t.Context(), fature.Config{Pool: counted, Currency: "BRL", Clock: func() time.Time { return scenario.Now }})
	require.NoError(t, err)
	record := func(n int, details ...scenario.Detail) int {
		batch := make([]transaction.Event, n)
		for i := range batch {
			batch[i] = w.Event("ana", transaction.Sale, "10.00", details...)
			batch[i].AffiliateID = uuid.Nil
			batch[i].CustomerID += fmt.Sprint(i)
		}
		return trips.Of(func() {
			_, err := program.Record(t.Context(), batch...)
			require.NoError(t, err)
		})
	}
	record(1, visitor(w.visitor), scenario.Customer("a"))
	record(1, code("summer"), scenario.Customer("a"))
	require.Equal(t, 3, record(1, visitor(w.visitor), scenario.Customer("b")))
	require.Equal(t, 3, record(10, visitor(w.visitor), code("summer"), scenario.Customer("c")))
	require.Equal(t, 3, record(1, code("summer"), scenario.Customer("d")))
}

// Signups and events of one customer at once, by different visitors: one owner.
func TestVisitorsAtOnce(t *testing.T) {
	t.Parallel()
	w := newShopping(t, click.Policy{})
	other := click.NewVisitor()
	_, err := w.Program.Clicks.Record(t.Context(), click.Click{Code: "ana", Visitor: other, UserAgent: "Firefox"})
	require.NoError(t, err)
	events := make([]transaction.Event, 8)
	for i := range events {
		events[i] = w.Event("ana", transaction.Sale, "10.00", scenario.At(scenario.Now), visitor([]string{w.visitor, other}[i%2]))
		events[i].AffiliateID = uuid.Nil
	}
	for round := range 5 {
		customer := fmt.Sprint("c", round)
		var all sync.WaitGroup
		for i, e := range events {
			e.CustomerID = customer
			all.Go(func() {
				var err error
				if i%4 < 2 {
					_, err = w.Program.Record(context.Background(), e)
				} else {
					_, err = w.Program.Clicks.Attribute(context.Background(), click.Touch{CustomerID: customer, Visitor: e.Visitor, At: e.At})
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		owners, err := w.Program.Customers.Owners(t.Context(), customer)
		require.NoError(t, err)
		require.Len(t, owners, 1)
	}
	w.Verify()
}

func TestConfigOfAttribution(t *testing.T) {
	t.Parallel()
	err := fature.Config{Pool: new(pgxpool.Pool), Attribution: click.Policy{Model: "x"}}.Validate()
	require.ErrorIs(t, err, fature.ErrInvalid)
	require.Equal(t, "Attribution.model", fature.Problems(err)[0].Field)
}
