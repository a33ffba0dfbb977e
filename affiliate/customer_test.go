package affiliate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/testenv"
)

// ana brings carla at noon; bia, who claims her later, gets nothing of it; and
// what came before noon was nobody's until dora proves to have been there.
func TestAttribute(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ctx := t.Context()
	ana, bia, dora := w.affiliate("ana"), w.affiliate("bia"), w.affiliate("dora")
	carla := w.code("carla")
	noon := time.Date(2025, 6, 15, 12, 0, 0, 0, time.UTC)
	attribute := func(a affiliate.Attribution) affiliate.Owner {
		t.Helper()
		a.CustomerID = carla
		owner, err := w.customers.Attribute(ctx, a)
		require.NoError(t, err)
		require.Equal(t, carla, owner.CustomerID)
		return owner
	}
	wantOwner := func(at time.Time, who affiliate.Affiliate) {
		t.Helper()
		owner, err := w.customers.Owner(ctx, carla, at)
		require.NoError(t, err)
		require.Equal(t, who.ID, *owner.AffiliateID)
	}
	attributed := func() (at time.Time) {
		require.NoError(t, w.pool.QueryRow(ctx, "select attributed_at from fature.customers where id = $1", carla).Scan(&at))
		return at.UTC()
	}

	got := attribute(affiliate.Attribution{Code: strings.ToUpper(ana.ReferralCode), At: noon.Add(999)})
	require.Equal(t, ana.ID, *got.AffiliateID)
	require.Equal(t, strings.ToUpper(ana.ReferralCode), *got.Code, "as it was typed")
	require.True(t, got.From.Equal(noon), "to the microsecond")
	require.Equal(t, got, attribute(affiliate.Attribution{AffiliateID: ana.ID, At: noon.Add(time.Hour)}), "a repetition")
	require.Equal(t, got, attribute(affiliate.Attribution{AffiliateID: bia.ID, At: noon}), "who comes second")
	require.Equal(t, got, attribute(affiliate.Attribution{Code: bia.ReferralCode}), "now is after noon")

	_, err := w.customers.Owner(ctx, carla, noon.Add(-time.Microsecond))
	require.ErrorIs(t, err, affiliate.ErrCustomerNotFound)
	wantOwner(noon, ana)
	wantOwner(noon.AddDate(50, 0, 0), ana)
	require.Equal(t, noon, attributed())

	early := attribute(affiliate.Attribution{AffiliateID: dora.ID, At: noon.Add(-time.Hour).In(time.FixedZone("", -3*3600))})
	require.Equal(t, dora.ID, *early.AffiliateID)
	require.Nil(t, early.Code)
	wantOwner(noon.Add(-time.Microsecond), dora)
	wantOwner(noon, ana)
	require.Equal(t, noon.Add(-time.Hour), attributed(), "when the programme first knew her")

	owners, err := w.customers.Owners(ctx, carla)
	require.NoError(t, err)
	require.Equal(t, []affiliate.Owner{early, got}, owners, "the first first")
	w.wantSound()
}

// A row without an affiliate ends an ownership, and frees the customer.
func TestAttributeAfterAnEnd(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ctx := t.Context()
	ana, bia := w.affiliate("ana"), w.affiliate("bia")
	carla, noon := w.code("carla"), time.Date(2025, 6, 15, 12, 0, 0, 0, time.UTC)
	_, err := w.customers.Attribute(ctx, affiliate.Attribution{CustomerID: carla, AffiliateID: ana.ID, At: noon})
	require.NoError(t, err)
	_, err = w.pool.Exec(ctx, "insert into fature.customer_owners (customer_id, from_at) values ($1, $2)", carla, noon.Add(time.Hour))
	require.NoError(t, err)

	_, err = w.customers.Owner(ctx, carla, noon.Add(time.Hour))
	require.ErrorIs(t, err, affiliate.ErrCustomerNotFound)
	owner, err := w.customers.Attribute(ctx, affiliate.Attribution{CustomerID: carla, AffiliateID: bia.ID, At: noon.Add(2 * time.Hour)})
	require.NoError(t, err)
	require.Equal(t, bia.ID, *owner.AffiliateID)
}

func TestAttributeAtOnce(t *testing.T) {
	t.Parallel()
	w := shared(t)
	var all []affiliate.Affiliate
	for _, name := range []string{"a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"} {
		all = append(all, w.affiliate(name))
	}
	noon := time.Date(2025, 6, 15, 12, 0, 0, 0, time.UTC)
	for _, carla := range []string{w.code("carla"), w.code("dora"), w.code("eva")} {
		told := make([]affiliate.Owner, len(all))
		for _, err := range testenv.AtOnce(len(all), func(i int) (err error) {
			told[i], err = w.customers.Attribute(soon(t), affiliate.Attribution{CustomerID: carla, AffiliateID: all[i].ID, At: noon})
			return err
		}) {
			require.NoError(t, err)
		}
		owners, err := w.customers.Owners(t.Context(), carla)
		require.NoError(t, err)
		require.Len(t, owners, 1)
		for _, owner := range told {
			require.Equal(t, owners[0], owner, "all are told the same")
		}
	}
}

func TestAttributeRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.affiliate("ana")
	good := affiliate.Attribution{CustomerID: w.code("carla"), AffiliateID: ana.ID}
	const badID = "customer_id: is empty, longer than 255 bytes, not valid UTF-8, or holds a NUL"
	tx, err := w.pool.Begin(t.Context())
	require.NoError(t, err)
	in := w.within(tx)
	for name, c := range map[string]struct {
		change func(a *affiliate.Attribution)
		want   string
	}{
		"no customer":         {func(a *affiliate.Attribution) { a.CustomerID = "" }, badID},
		"long customer":       {func(a *affiliate.Attribution) { a.CustomerID = strings.Repeat("c", 256) }, badID},
		"customer with NUL":   {func(a *affiliate.Attribution) { a.CustomerID = "c\x00" }, badID},
		"customer in Latin-1": {func(a *affiliate.Attribution) { a.CustomerID = "c\xe9" }, badID},
		"nobody":              {func(a *affiliate.Attribution) { a.AffiliateID = uuid.Nil }, "affiliate_id: or code is needed, and one of them only"},
		"affiliate and code":  {func(a *affiliate.Attribution) { a.Code = "ana" }, "affiliate_id: or code is needed, and one of them only"},
		"code with NUL":       {func(a *affiliate.Attribution) { a.AffiliateID, a.Code = uuid.Nil, "a\x00b" }, `code: "a\x00b" has characters other than letters, digits, - and _`},
		"sub-id with NUL":     {func(a *affiliate.Attribution) { a.SubID = "a\x00" }, "sub_id: is not valid UTF-8 or holds a NUL"},
		"long sub-id":         {func(a *affiliate.Attribution) { a.SubID = strings.Repeat("é", 101) }, "sub_id: is longer than 100 characters"},
		"1999":                {func(a *affiliate.Attribution) { a.At = time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC) }, "at: is before the year 2000 or more than 24 hours ahead"},
		"in two days":         {func(a *affiliate.Attribution) { a.At = time.Now().Add(48 * time.Hour) }, "at: is before the year 2000 or more than 24 hours ahead"},
		"in the year 300,000": {func(a *affiliate.Attribution) { a.At = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC) }, "at: is before the year 2000 or more than 24 hours ahead"},
	} {
		bad := good
		c.change(&bad)
		_, err := in.customers.Attribute(t.Context(), bad)
		t.Log(name)
		w.wantProblem(t, err, c.want, nil)
	}
	unknown := affiliate.Attribution{CustomerID: good.CustomerID, Code: "nobody"}
	_, err = in.customers.Attribute(t.Context(), unknown)
	w.wantProblem(t, err, "code: no such referral code", affiliate.ErrCodeNotFound)
	unknown = affiliate.Attribution{CustomerID: good.CustomerID, AffiliateID: uuid.New()}
	_, err = in.customers.Attribute(t.Context(), unknown)
	require.ErrorIs(t, err, affiliate.ErrNotFound)
	_, err = in.customers.Owner(t.Context(), "c\x00", time.Now())
	w.wantProblem(t, err, badID, nil)
	require.NoError(t, tx.Commit(t.Context()), "the host goes on")

	owners, err := w.customers.Owners(t.Context(), good.CustomerID)
	require.NoError(t, err)
	require.Empty(t, owners)
	_, err = w.customers.Owner(t.Context(), good.CustomerID, time.Now())
	require.ErrorIs(t, err, affiliate.ErrCustomerNotFound)
	require.ErrorIs(t, err, fault.NotFound)
}

// Who takes a customer owns it from then on, unless it changed owner at that
// moment or later.
func TestAttributeTakes(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana, bia, dora := w.affiliate("ana"), w.affiliate("bia"), w.affiliate("dora")
	noon := time.Date(2025, 6, 15, 12, 0, 0, 0, time.UTC)
	take := func(by affiliate.Affiliate, at time.Time) affiliate.Affiliate {
		t.Helper()
		owner, err := w.customers.Attribute(t.Context(), affiliate.Attribution{CustomerID: w.code("carla"), AffiliateID: by.ID, SubID: "june", At: at, Takes: true})
		require.NoError(t, err)
		got, err := w.affiliates.Get(t.Context(), *owner.AffiliateID)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, ana, take(ana, noon), "nobody's")
	require.Equal(t, ana, take(bia, noon), "at the very moment")
	require.Equal(t, bia, take(bia, noon.Add(time.Hour)))
	require.Equal(t, ana, take(dora, noon.Add(time.Minute)), "bia has her later")
	require.Equal(t, bia, take(bia, noon.Add(2*time.Hour)), "hers already")
	owners, err := w.customers.Owners(t.Context(), w.code("carla"))
	require.NoError(t, err)
	require.Len(t, owners, 2)
	require.Equal(t, "june", *owners[0].SubID)
	w.wantSound()
}
