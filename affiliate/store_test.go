package affiliate_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
)

func TestListAffiliates(t *testing.T) {
	t.Parallel()
	w := own(t)
	ctx := t.Context()
	var made []affiliate.Affiliate // the newest first
	for i := range 5 {
		d := w.draft(fmt.Sprint("a", i))
		d.Category = []affiliate.Category{affiliate.Standard, affiliate.Premium, affiliate.VIP}[i%3]
		if i > 2 {
			d.ParentID, d.Status = made[len(made)-1].ID, affiliate.Suspended
		}
		made = append([]affiliate.Affiliate{w.create(d)}, made...)
	}

	all := func(f affiliate.Filter) []affiliate.Affiliate {
		t.Helper()
		list := []affiliate.Affiliate{}
		for a, err := range w.affiliates.All(ctx, f) {
			require.NoError(t, err)
			list = append(list, a)
		}
		return list
	}
	zero, one, nine := 0, 1, 9
	for name, c := range map[string]struct {
		filter affiliate.Filter
		want   []affiliate.Affiliate
	}{
		"all":      {affiliate.Filter{}, made},
		"category": {affiliate.Filter{Category: affiliate.Premium}, []affiliate.Affiliate{made[0], made[3]}},
		"status":   {affiliate.Filter{Status: affiliate.Suspended}, made[:2]},
		"roots":    {affiliate.Filter{Level: &zero}, made[2:]},
		"together": {affiliate.Filter{Status: affiliate.Suspended, Category: affiliate.Premium, Level: &one}, made[:1]},
		"nobody":   {affiliate.Filter{Level: &nine}, []affiliate.Affiliate{}},
	} {
		for limit := range 4 {
			c.filter.Limit = limit
			require.Equal(t, c.want, all(c.filter), "%s, %d a page", name, limit)
		}
	}
	p, err := w.affiliates.List(ctx, affiliate.Filter{Limit: 2})
	require.NoError(t, err)
	require.Equal(t, made[:2], p.Items)
	p, err = w.affiliates.List(ctx, affiliate.Filter{Limit: 5})
	require.NoError(t, err)
	require.Empty(t, p.Next, "nothing comes after the last")

	less := -1
	for want, f := range map[string]affiliate.Filter{
		"cursor: is not one that a page gave":   {After: "x"},
		"limit: 1001 is not between 1 and 1000": {Limit: 1001},
		`status: "gone" is not a status`:        {Status: "gone"},
		`category: "gold" is not a category`:    {Category: "gold"},
		"level: is not a level of the tree":     {Level: &less},
	} {
		_, err := w.affiliates.List(ctx, f)
		w.wantProblem(t, err, want, nil)
	}
	for _, err := range w.affiliates.All(ctx, affiliate.Filter{Limit: -1}) {
		require.ErrorIs(t, err, fault.Invalid)
	}
}

func TestSearchAffiliates(t *testing.T) {
	t.Parallel()
	w := own(t)
	ids := map[string]uuid.UUID{}
	for name, code := range map[string]string{"Ana Lima": "lima-1", "Bia 100%": "BIA_2", "Josué": "xyz-3"} {
		d := w.draft(code)
		d.Name, d.ReferralCode = name, code
		ids[name] = w.create(d).ID
	}
	for search, want := range map[string][]string{
		"ana": {"Ana Lima"}, "LIMA": {"Ana Lima"}, "bia_": {"Bia 100%"}, "%": {"Bia 100%"}, "_": {"Bia 100%"},
		"JOSué": {"Josué"}, "yz-": {"Josué"}, "nobody": nil, "example": nil, `a\`: nil,
	} {
		list, err := w.affiliates.List(t.Context(), affiliate.Filter{Search: search})
		require.NoError(t, err)
		found := []uuid.UUID{}
		for _, a := range list.Items {
			found = append(found, a.ID)
		}
		wanted := []uuid.UUID{}
		for _, name := range want {
			wanted = append(wanted, ids[name])
		}
		require.Equal(t, wanted, found, search)
	}
	_, err := w.affiliates.List(t.Context(), affiliate.Filter{Search: "a\x00"})
	w.wantProblem(t, err, "search: is not valid UTF-8 or holds a NUL", nil)
}

func TestGetAllAffiliates(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana, bia := w.affiliate("ana"), w.affiliate("bia")
	all, err := w.affiliates.GetAll(t.Context(), []uuid.UUID{bia.ID, uuid.New(), ana.ID, bia.ID})
	require.NoError(t, err)
	require.Len(t, all, 2)
	for _, one := range []affiliate.Affiliate{ana, bia} {
		require.Equal(t, one, all[one.ID].Affiliate)
		user, err := w.users.Get(t.Context(), one.UserID)
		require.NoError(t, err)
		require.Equal(t, user.Name, all[one.ID].Name)
	}
	all, err = w.affiliates.GetAll(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, all)
}

// The history keeps what an affiliate was.
func TestUpdate(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ctx := t.Context()
	ana := w.affiliate("ana")
	changed, err := w.affiliates.Update(ctx, ana.ID, affiliate.Change{Category: affiliate.VIP})
	require.NoError(t, err)
	require.Equal(t, affiliate.VIP, changed.Category)
	require.Equal(t, affiliate.Active, changed.Status, "a zero field stays as it is")
	changed, err = w.affiliates.Update(ctx, ana.ID, affiliate.Change{Status: affiliate.Closed})
	require.NoError(t, err)
	require.Equal(t, affiliate.VIP, changed.Category)
	found, err := w.affiliates.Get(ctx, ana.ID)
	require.NoError(t, err)
	require.Equal(t, changed, found)
	_, err = w.affiliates.Update(ctx, ana.ID, affiliate.Change{})
	require.NoError(t, err)

	var history []string
	require.NoError(t, w.pool.QueryRow(ctx, `
		select array_agg(status || ' ' || category order by seq) from fature.affiliate_history where affiliate_id = $1`,
		ana.ID).Scan(&history))
	require.Equal(t, []string{"active standard", "active vip", "closed vip"}, history)

	_, err = w.affiliates.Update(ctx, ana.ID, affiliate.Change{Status: "gone", Category: "gold"})
	require.Equal(t, []string{`status: "gone" is not a status`, `category: "gold" is not a category`}, w.problems(err))
	_, err = w.affiliates.Update(ctx, uuid.New(), affiliate.Change{Status: affiliate.Active})
	require.ErrorIs(t, err, affiliate.ErrNotFound)
	_, err = w.affiliates.Get(ctx, uuid.New())
	require.ErrorIs(t, err, affiliate.ErrNotFound)
	require.ErrorIs(t, err, fault.NotFound)
	_, err = w.affiliates.GetByUser(ctx, w.user("user").ID)
	require.ErrorIs(t, err, affiliate.ErrNotFound)
}

// Nobody is deleted, and what was written down once is not rewritten.
func TestKeptForEver(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.affiliate("ana")
	_, err := w.customers.Attribute(t.Context(), affiliate.Attribution{CustomerID: w.code("carla"), AffiliateID: ana.ID})
	require.NoError(t, err)
	for _, sql := range []string{
		"delete from fature.affiliates where id = $1",
		"update fature.affiliates set id = gen_random_uuid() where id = $1",
		"update fature.customer_owners set from_at = now() where affiliate_id = $1",
		"delete from fature.customer_owners where affiliate_id = $1",
		"delete from fature.affiliate_history where affiliate_id = $1",
	} {
		_, err := w.pool.Exec(t.Context(), sql, ana.ID)
		require.ErrorContains(t, err, "is refused", sql)
	}
}
