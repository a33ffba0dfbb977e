package click_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m, "^ExampleStore|^ExampleRecorder") }

// noon is the time of every story.
var noon = time.Date(2025, 6, 15, 12, 0, 0, 0, time.UTC)

const (
	us      = time.Microsecond
	browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
)

// world is the people of a programme and their clicks. Its tag is in every code
// and name, so that worlds can share a database.
type world struct {
	t          *testing.T
	pool       *pgxpool.Pool
	db         pg.DB
	tag        string
	affiliates *affiliate.Store
	customers  *affiliate.Customers
	clicks     *click.Store
	ana, bia   affiliate.Affiliate
}

func over(t *testing.T, pool *pgxpool.Pool, schema string, o click.Options) *world {
	t.Helper()
	require.NoError(t, o.Validate())
	if o.Clock == nil {
		o.Clock = func() time.Time { return noon }
	}
	id := uuid.NewString()
	w := &world{t: t, pool: pool, db: pg.In(pool, schema), tag: id[len(id)-8:]}
	w.affiliates = affiliate.New(w.db, hierarchy.New(w.db, hierarchy.Options{}))
	w.customers, w.clicks = affiliate.NewCustomers(w.db), click.New(w.db, o)
	w.ana, w.bia = w.affiliate("ana"), w.affiliate("bia")
	return w
}

func shared(t *testing.T, p click.Policy) *world {
	t.Helper()
	return over(t, testenv.Pool(t), "", click.Options{Policy: p})
}

func (w *world) affiliate(name string) affiliate.Affiliate {
	w.t.Helper()
	a, err := w.affiliates.Create(w.t.Context(), affiliate.Draft{
		Email: name + "@" + w.tag + ".example", Name: name, ReferralCode: name + "-" + w.tag,
	})
	require.NoError(w.t, err)
	return a
}

func (w *world) coupon(of affiliate.Affiliate, code string) string {
	w.t.Helper()
	c, err := w.affiliates.AddCoupon(w.t.Context(), of.ID, code+"-"+w.tag)
	require.NoError(w.t, err)
	return c.Code
}

// visitor is an id of this world.
func (w *world) visitor(name string) string { return "visitor-" + name + "-" + w.tag }

// by is a click of a visitor on an affiliate's link.
func (w *world) by(visitor string, on affiliate.Affiliate, at time.Time) click.Click {
	return click.Click{Code: on.ReferralCode, Visitor: w.visitor(visitor), UserAgent: browser, At: at}
}

// record stores clicks and tells their marks: "-" where nothing was stored.
func (w *world) record(clicks ...click.Click) string {
	w.t.Helper()
	got, err := w.clicks.Record(w.t.Context(), clicks...)
	require.NoError(w.t, err)
	var marks []string
	for _, r := range got {
		switch {
		case r.ID == uuid.Nil:
			marks = append(marks, "-")
		case r.Mark == "":
			marks = append(marks, "ok")
		default:
			marks = append(marks, string(r.Mark))
		}
	}
	return strings.Join(marks, " ")
}

func (w *world) attribute(t click.Touch) click.Credit {
	w.t.Helper()
	credit, err := w.clicks.Attribute(w.t.Context(), t)
	require.NoError(w.t, err)
	return credit
}

// touch is a customer of this world who comes as a visitor.
func (w *world) touch(customer, visitor string, at time.Time) click.Touch {
	t := click.Touch{CustomerID: customer + "-" + w.tag, At: at}
	if visitor != "" {
		t.Visitor = w.visitor(visitor)
	}
	return t
}

// name is an affiliate's, or nobody.
func (w *world) name(id uuid.UUID) string {
	switch id {
	case w.ana.ID:
		return "ana"
	case w.bia.ID:
		return "bia"
	case uuid.Nil:
		return "nobody"
	}
	return id.String()
}

// told is a credit in words: who by what, who lost, whose the customer is.
func (w *world) told(c click.Credit) string {
	text := w.name(c.AffiliateID) + " by " + string(c.By)
	for _, l := range c.Lost {
		text += ", not " + w.name(l.AffiliateID) + " by " + string(l.By)
	}
	if c.Owner.AffiliateID == nil {
		return text + "; owner nobody"
	}
	return text + "; owner " + w.name(*c.Owner.AffiliateID)
}

func (w *world) owners(customer string) (names []string) {
	w.t.Helper()
	list, err := w.customers.Owners(w.t.Context(), customer+"-"+w.tag)
	require.NoError(w.t, err)
	for _, o := range list {
		names = append(names, w.name(*o.AffiliateID))
	}
	return names
}

func one[T any](t testing.TB, db pg.DB, sql string, args ...any) (v T) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), sql, args...).Scan(&v))
	return v
}

func fieldsOf(err error) (fields []string) {
	for _, p := range fault.Fields(err) {
		fields = append(fields, p.Field)
	}
	return fields
}

// narrow is a second pool on a database, of one connection.
func narrow(t *testing.T, pool *pgxpool.Pool) (*pgxpool.Pool, *testenv.Trips) {
	t.Helper()
	config := pool.Config()
	config.MaxConns = 1
	trips := testenv.CountTrips(config.ConnConfig)
	second, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(second.Close)
	return second, trips
}
