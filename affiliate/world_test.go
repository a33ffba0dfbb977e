package affiliate_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/internal/verify"
)

// world is the people of a programme. Its tag is in every address and code, so
// that worlds can share a database.
type world struct {
	t          *testing.T
	pool       *pgxpool.Pool
	tag        string
	users      *affiliate.Users
	affiliates *affiliate.Store
	customers  *affiliate.Customers
}

func over(t *testing.T, pool *pgxpool.Pool) *world {
	db := pg.In(pool, "")
	id := uuid.NewString()
	return &world{
		t: t, pool: pool, tag: id[len(id)-8:],
		users: affiliate.NewUsers(db), customers: affiliate.NewCustomers(db),
		affiliates: affiliate.New(db, hierarchy.New(db, hierarchy.Options{MaxDepth: 3})),
	}
}

// shared is a world among those of other tests; own is alone in its database.
func shared(t *testing.T) *world { return over(t, testenv.Pool(t)) }
func own(t *testing.T) *world    { return over(t, testenv.Clone(t)) }

// within is the world inside a host's transaction.
func (w *world) within(tx pgx.Tx) *world {
	c := *w
	c.users, c.affiliates, c.customers = w.users.WithTx(tx), w.affiliates.WithTx(tx), w.customers.WithTx(tx)
	return &c
}

func (w *world) email(name string) string { return name + "@" + w.tag + ".example" }
func (w *world) code(name string) string  { return name + "-" + w.tag }

// draft is a new affiliate whose code is its name.
func (w *world) draft(name string) affiliate.Draft {
	return affiliate.Draft{Email: w.email(name), Name: name, ReferralCode: w.code(name)}
}

func (w *world) affiliate(name string) affiliate.Affiliate {
	w.t.Helper()
	return w.create(w.draft(name))
}

func (w *world) under(parent affiliate.Affiliate, name string) affiliate.Affiliate {
	w.t.Helper()
	d := w.draft(name)
	d.ParentID = parent.ID
	return w.create(d)
}

func (w *world) create(d affiliate.Draft) affiliate.Affiliate {
	w.t.Helper()
	a, err := w.affiliates.Create(w.t.Context(), d)
	require.NoError(w.t, err)
	return a
}

func (w *world) user(name string) affiliate.User {
	w.t.Helper()
	u, err := w.users.Create(w.t.Context(), affiliate.UserDraft{Email: w.email(name), Name: name})
	require.NoError(w.t, err)
	return u
}

// people counts the users, affiliates, codes and places of this world.
func (w *world) people() (n [4]int) {
	w.t.Helper()
	require.NoError(w.t, w.pool.QueryRow(w.t.Context(), `
		with u as (select id from fature.users where email like $1),
			a as (select id from fature.affiliates where user_id in (table u) or referral_code like $1)
		select (select count(*) from u), (select count(*) from a),
			(select count(*) from fature.referral_codes where code like $1 or affiliate_id in (table a)),
			(select count(*) from fature.affiliate_hierarchy where descendant_id in (table a))`,
		"%"+w.tag+"%").Scan(&n[0], &n[1], &n[2], &n[3]))
	return n
}

// wantSound makes every check of people and of the tree.
func (w *world) wantSound() {
	w.t.Helper()
	found, err := verify.Run(w.t.Context(), w.pool, append(affiliate.Checks(), hierarchy.Checks()...))
	require.NoError(w.t, err)
	require.Empty(w.t, found)
}

// problems are those of an error as "field: problem", without the tag.
func (w *world) problems(err error) []string {
	var all []string
	for _, p := range fault.Fields(err) {
		all = append(all, strings.ReplaceAll(p.Error(), w.tag, "…"))
	}
	return all
}

// soon is a context for what must not wait for anybody.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// narrow is a second pool on a world's database, of one connection.
func (w *world) narrow() (*pgxpool.Pool, *testenv.Trips) {
	w.t.Helper()
	config := w.pool.Config()
	config.MaxConns = 1
	trips := testenv.CountTrips(config.ConnConfig)
	pool, err := pgxpool.NewWithConfig(w.t.Context(), config)
	require.NoError(w.t, err)
	w.t.Cleanup(pool.Close)
	return pool, trips
}
