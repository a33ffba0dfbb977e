package commission_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// paying is a plan of a percent of every sale; its name is its percent.
func paying(percent string) commission.Document {
	return commission.Document{
		Name: percent, Currency: scenario.Currency,
		Rules: []commission.Rule{{ID: "sale", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: commission.Decimal(percent)}}},
	}
}

func named(name string, doc commission.Document) commission.Document {
	doc.Name = name
	return doc
}

// shelf is the plans of a programme of which there is nothing else.
type shelf struct {
	*commission.Plans
	t    *testing.T
	pool *pgxpool.Pool
}

func newShelf(t *testing.T, pool *pgxpool.Pool, currency string) shelf {
	return shelf{commission.NewPlans(pg.In(pool, ""), currency), t, pool}
}

func (s shelf) publish(name, percent string) *commission.Plan {
	s.t.Helper()
	plan, err := s.Publish(s.t.Context(), named(name, paying(percent)))
	require.NoError(s.t, err)
	return plan
}

func TestPublish(t *testing.T) {
	t.Parallel()
	plans := newShelf(t, testenv.Clone(t), "")
	ctx := t.Context()
	first := plans.publish("shop", "10")
	require.Equal(t, 1, first.Version)
	require.Equal(t, 2, plans.publish("shop", "11").Version)
	third := plans.publish("shop", "12")
	require.Equal(t, 3, third.Version)
	require.Equal(t, 1, plans.publish("other", "12").Version, "under another name")

	again := plans.publish("shop", "12")
	require.Equal(t, third.ID, again.ID, "the newest once more is no new version")
	require.Equal(t, 3, again.Version)
	inJSON := parse(t, `{"rules": [{"pay": {"percent": "12"}, "on": ["sale"], "id": "sale"}], "currency": "BRL", "name": "shop"}`)
	again, err := plans.Publish(ctx, inJSON)
	require.NoError(t, err)
	require.Equal(t, third.ID, again.ID)
	require.Equal(t, 4, plans.publish("shop", "10").Version, "but an older one is")

	got, err := plans.Get(ctx, first.ID)
	require.NoError(t, err)
	require.Equal(t, first.Document, got.Document)
	require.Equal(t, 1, got.Version)
	_, err = plans.Get(ctx, uuid.New())
	require.ErrorIs(t, err, commission.ErrPlanNotFound)
	require.ErrorIs(t, err, fault.NotFound)
	some, err := plans.GetAll(ctx, []uuid.UUID{first.ID, uuid.New(), third.ID, third.ID})
	require.NoError(t, err)
	require.Len(t, some, 2, "unknown ones are left out")

	// What a host takes back was never there.
	require.ErrorIs(t, pgx.BeginFunc(ctx, plans.pool, func(tx pgx.Tx) error {
		mine, err := plans.WithTx(tx).Publish(ctx, paying("50"))
		require.NoError(t, err)
		require.Equal(t, 1, mine.Version)
		_, err = plans.Get(ctx, mine.ID)
		require.ErrorIs(t, err, commission.ErrPlanNotFound, "nobody else sees it yet")
		_, err = plans.WithTx(tx).Publish(ctx, named("50", commission.Document{}))
		require.ErrorIs(t, err, fault.Invalid, "refused, and the transaction goes on")
		_, err = plans.WithTx(tx).Get(ctx, mine.ID)
		require.NoError(t, err)
		return errRollback
	}), errRollback)
	require.Equal(t, 1, plans.publish("50", "50").Version)
}

var errRollback = fmt.Errorf("the host changed its mind")

func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	plans := newShelf(t, testenv.Clone(t), "") // the first plan fixes the currency
	in := func(currency string) commission.Document {
		doc := paying("10")
		doc.Currency = currency
		return doc
	}
	want := func(doc commission.Document, want ...string) {
		t.Helper()
		_, err := plans.Publish(t.Context(), doc)
		require.ErrorIs(t, err, fault.Invalid)
		require.Equal(t, want, problems(err))
	}
	want(in("KWD"), "currency: KWD has 3 decimals, and the tables hold 2")
	want(in("XXX"), `currency: "XXX" is not an ISO 4217 currency`)
	currency, err := plans.Currency(t.Context())
	require.NoError(t, err)
	require.Empty(t, currency)
	_, err = plans.Publish(t.Context(), in("JPY"))
	require.NoError(t, err)
	want(in("EUR"), "currency: is EUR, but the programme's is JPY")
	currency, err = plans.Currency(t.Context())
	require.NoError(t, err)
	require.Equal(t, "JPY", currency)

	want(commission.Document{Currency: "JPY", Rounding: "up", Rules: []commission.Rule{{ID: "a b", On: []transaction.Type{"x"}}}},
		"name: is missing", `rounding: "up" is not one of half_up, half_even, down`,
		`rules[0].id: "a b" is not an id: at most 64 letters, digits, _, - and ., a letter or digit first`,
		`rules[0].on[0]: "x" is not known`, "rules[0].pay: needs one of percent, flat, tiers, differential")

	plans = newShelf(t, testenv.Pool(t), "BRL") // by the configuration
	_, err = plans.Publish(t.Context(), in("USD"))
	require.Equal(t, []string{"currency: is USD, but the programme's is BRL"}, problems(err))
}

// Eight publish at once under one name: eight versions without a gap, and each
// is told its own.
func TestPublishAtOnce(t *testing.T) {
	t.Parallel()
	plans := newShelf(t, testenv.Pool(t), "BRL")
	name := uuid.NewString()
	const many = 8
	versions := make([]int, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			plan, err := plans.Publish(t.Context(), named(name, paying(fmt.Sprint(i+1))))
			if err != nil {
				t.Error(err)
				return
			}
			if plan.Rules[0].Pay.Percent != commission.Decimal(fmt.Sprint(i+1)) {
				t.Errorf("%d got the plan of %s", i+1, plan.Rules[0].Pay.Percent)
			}
			versions[i] = plan.Version
		})
	}
	all.Wait()
	require.ElementsMatch(t, []int{1, 2, 3, 4, 5, 6, 7, 8}, versions)
}

func TestListPlans(t *testing.T) {
	t.Parallel()
	plans := newShelf(t, testenv.Clone(t), "")
	ctx := t.Context()
	for _, version := range []string{"a 1", "b 2", "a 3", "a 4", "b 5"} {
		name, percent, _ := strings.Cut(version, " ")
		plans.publish(name, percent)
	}
	list := func(f commission.PlanFilter) (all []string) {
		t.Helper()
		for {
			p, err := plans.List(ctx, f)
			require.NoError(t, err)
			for _, plan := range p.Items {
				all = append(all, fmt.Sprint(plan.Name, " ", plan.Rules[0].Pay.Percent))
			}
			if f.After = p.Next; f.After == "" {
				return all
			}
		}
	}
	for limit := range 6 {
		require.Equal(t, []string{"b 5", "a 4", "a 3", "b 2", "a 1"}, list(commission.PlanFilter{Limit: limit}))
		require.Equal(t, []string{"a 4", "a 3", "a 1"}, list(commission.PlanFilter{Name: "a", Limit: limit}))
	}
	require.Empty(t, list(commission.PlanFilter{Name: "c"}))
	for want, f := range map[string]commission.PlanFilter{
		"cursor: is not one that a page gave": {After: "x"},
		"limit: -1 is not between 1 and 1000": {Limit: -1},
		"name: holds a control character":     {Name: "a\x00"},
	} {
		_, err := plans.List(ctx, f)
		require.Equal(t, []string{want}, problems(err))
	}
}

// The affiliate's own plan comes before its category's, and that before the
// default; a plan counts from its moment on.
func TestAssign(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana", scenario.Category(affiliate.Premium))
	w.Affiliate("bia", scenario.Category(affiliate.Premium))
	w.Affiliate("caio")
	assign := func(a commission.Assignment, from time.Time) {
		t.Helper()
		require.NoError(t, w.Program.Plans.Assign(t.Context(), a.Since(from)))
	}
	pays := func(name, want string, at time.Time) {
		t.Helper()
		w.Sale(name, "100.00", scenario.At(at))
		if want == "" {
			w.WantSkipped("no_plan")
			return
		}
		w.WantLines(fmt.Sprintf("%s sale/0 %s.00", name, want))
	}
	monday := time.Date(2025, 6, 2, 0, 0, 0, 0, time.UTC)
	day, tick := func(n int) time.Time { return monday.AddDate(0, 0, n) }, time.Microsecond

	assign(commission.Default(w.Publish(paying("10")).ID), monday)
	pays("caio", "", monday.Add(-tick))
	pays("caio", "10", monday)
	pays("ana", "10", monday)

	assign(commission.ForCategory(affiliate.Premium, w.Publish(paying("20")).ID), day(1))
	assign(commission.ForAffiliate(w.ID("ana"), w.Publish(paying("30")).ID), day(2).In(time.FixedZone("", -3*3600)))
	assign(commission.Default(w.Publish(paying("11")).ID), day(3))
	assign(commission.Default(w.Publish(paying("12")).ID), day(3).Add(tick)) // the last that began
	for _, c := range []struct {
		at             time.Time
		ana, bia, caio string
	}{
		{day(1).Add(-tick), "10", "10", "10"},
		{day(1), "20", "20", "10"},
		{day(2).Add(-tick), "20", "20", "10"},
		{day(2), "30", "20", "10"},
		{day(3), "30", "20", "11"},
		{day(3).Add(tick), "30", "20", "12"},
		{scenario.Now, "30", "20", "12"},
	} {
		pays("ana", c.ana, c.at)
		pays("bia", c.bia, c.at)
		pays("caio", c.caio, c.at)
	}

	// What is assigned later between them counts between them, for what is
	// recorded from now on.
	assign(commission.ForAffiliate(w.ID("ana"), w.Publish(paying("40")).ID), day(1).Add(time.Hour))
	pays("ana", "40", day(2).Add(-tick))
	pays("ana", "30", day(2))

	// Without a time an assignment is from now on.
	before := time.Now()
	require.NoError(t, w.Program.Plans.Assign(t.Context(), commission.Default(w.Publish(paying("13")).ID)))
	w.SetNow(time.Now())
	pays("caio", "12", before)
	pays("caio", "13", time.Now())
	w.Verify()
}

func TestAssignRefuses(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	ctx := t.Context()
	ana := w.Affiliate("ana")
	plan, other := w.Publish(paying("10")).ID, w.Publish(paying("20")).ID
	unknown := uuid.New()
	host, err := w.Pool.Begin(ctx)
	require.NoError(t, err)
	plans := w.Program.Plans.WithTx(host)
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		assignment commission.Assignment
		want       []string
	}{
		"category":          {commission.ForCategory("gold", plan), []string{`for: "gold" is not a category`}},
		"affiliate":         {commission.Assignment{Scope: commission.ScopeAffiliate, For: "ana", PlanID: plan}, []string{`for: "ana" is not an affiliate's id`}},
		"unknown affiliate": {commission.ForAffiliate(unknown, plan), []string{"for: " + unknown.String() + " does not exist"}},
		"default for one":   {commission.Assignment{Scope: commission.ScopeDefault, For: "ana", PlanID: plan}, []string{"for: is given, but the default is for everybody"}},
		"scope":             {commission.Assignment{Scope: "all", PlanID: plan}, []string{`scope: "all" is not a scope`}},
		"1999":              {commission.Default(plan).Since(year(2000).Add(-1)), []string{"from: is not between the years 2000 and 9999"}},
		"10000":             {commission.Default(plan).Since(year(10_000)), []string{"from: is not between the years 2000 and 9999"}},
		"everything":        {commission.Assignment{From: year(2)}, []string{`scope: "" is not a scope`, "plan_id: is empty", "from: is not between the years 2000 and 9999"}},
	} {
		err := plans.Assign(ctx, c.assignment)
		require.ErrorIs(t, err, fault.Invalid, name)
		require.Equal(t, c.want, problems(err), name)
	}
	err = plans.Assign(ctx, commission.Default(unknown))
	require.ErrorIs(t, err, commission.ErrPlanNotFound)

	from := year(2025)
	whom := []commission.Assignment{
		commission.Default(plan), commission.ForCategory(affiliate.VIP, plan), commission.ForAffiliate(ana.ID, plan),
	}
	for _, a := range whom {
		require.NoError(t, plans.Assign(ctx, a.Since(from)))
	}
	for _, a := range whom {
		a.PlanID = other
		err := plans.Assign(ctx, a.Since(from.Add(999)))
		require.ErrorIs(t, err, commission.ErrAssigned, "the moment is a microsecond")
		require.ErrorIs(t, err, fault.Conflict)
		require.NoError(t, plans.Assign(ctx, a.Since(from.Add(time.Microsecond))))
	}
	loud := commission.Assignment{Scope: commission.ScopeAffiliate, For: strings.ToUpper(ana.ID.String()), PlanID: plan}
	require.ErrorIs(t, plans.Assign(ctx, loud.Since(from)), commission.ErrAssigned, "one id, however written")
	require.NoError(t, host.Commit(ctx), "the host goes on")
}

func TestListCommissions(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	ctx := t.Context()
	w.Affiliate("ana")
	w.Affiliate("bia", scenario.Under("ana"))
	w.Plan(`{"rules": [
		{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}, "overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "5"}]}},
		{"id": "fix", "on": ["sale"], "pay": {"flat": "1"}}]}`)
	hour := func(n int) time.Time { return scenario.Now.Add(time.Duration(n) * time.Hour) }
	var sales []uuid.UUID
	var all []commission.Commission // those of the latest first, and of one sale the last posted first
	for _, r := range w.Record(
		w.Event("bia", transaction.Sale, "100.00", scenario.At(hour(-3))),
		w.Event("bia", transaction.Sale, "200.00", scenario.At(hour(-2))),
		w.Event("ana", transaction.Sale, "300.00", scenario.At(hour(-2))),
	) {
		sales = append(sales, r.Transaction.ID)
		for _, l := range r.Lines {
			all = append([]commission.Commission{l}, all...)
		}
	}
	require.Len(t, all, 8)
	_, err := w.Pool.Exec(ctx, "update fature.commissions set status = 'void' where id = $1", all[0].ID)
	require.NoError(t, err)

	for name, c := range map[string]struct {
		filter commission.Filter
		want   func(l commission.Commission) bool
	}{
		"all":              {commission.Filter{}, func(commission.Commission) bool { return true }},
		"affiliate":        {commission.Filter{AffiliateID: w.ID("bia")}, func(l commission.Commission) bool { return l.AffiliateID == w.ID("bia") }},
		"transaction":      {commission.Filter{TransactionID: sales[1]}, func(l commission.Commission) bool { return *l.TransactionID == sales[1] }},
		"status":           {commission.Filter{Status: commission.Void}, func(l commission.Commission) bool { return l.ID == all[0].ID }},
		"rule":             {commission.Filter{Rule: "fix"}, func(l commission.Commission) bool { return l.Rule == "fix" }},
		"from, included":   {commission.Filter{From: hour(-2)}, func(l commission.Commission) bool { return *l.TransactionID != sales[0] }},
		"to, not included": {commission.Filter{To: hour(-2)}, func(l commission.Commission) bool { return *l.TransactionID == sales[0] }},
		"together": {
			commission.Filter{AffiliateID: w.ID("ana"), TransactionID: sales[0], Status: commission.Approved, Rule: "sale", From: hour(-9), To: hour(9)},
			func(l commission.Commission) bool { return l.Level == 1 && *l.TransactionID == sales[0] },
		},
		"nothing": {commission.Filter{AffiliateID: uuid.New()}, func(commission.Commission) bool { return false }},
	} {
		var want []uuid.UUID
		for _, l := range all {
			if c.want(l) {
				want = append(want, l.ID)
			}
		}
		for _, limit := range []int{0, 1, 2, 3, 8} {
			c.filter.Limit = limit
			var got []uuid.UUID
			for l, err := range w.Program.Commissions.All(ctx, c.filter) {
				require.NoError(t, err)
				got = append(got, l.ID)
			}
			require.Equal(t, want, got, "%s, %d a page", name, limit)
		}
	}
	host, err := w.Pool.Begin(ctx)
	require.NoError(t, err)
	lines := w.Program.Commissions.WithTx(host)
	for want, f := range map[string]commission.Filter{
		"cursor: is not one that a page gave":   {After: "x"},
		"limit: 1001 is not between 1 and 1000": {Limit: 1001},
		`status: "gone" is not a status`:        {Status: "gone"},
		`rule: "a\x00" is not the id of a rule`: {Rule: "a\x00"},
	} {
		_, err := lines.List(ctx, f)
		require.Equal(t, []string{want}, problems(err))
	}
	got, err := lines.Get(ctx, all[1].ID)
	require.NoError(t, err, "the host goes on")
	require.Equal(t, all[1].Calculation, got.Calculation)
	require.True(t, got.FinalAmount.Equal(all[1].FinalAmount) && got.CreatedAt.Equal(all[1].CreatedAt))
	_, err = lines.Get(ctx, uuid.New())
	require.ErrorIs(t, err, commission.ErrNotFound)
	require.NoError(t, host.Commit(ctx))
}

// A hand that gets past the triggers is found, and nobody else is blamed.
func TestStoreRecompute(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	ctx := t.Context()
	w.Affiliate("ana")
	w.Affiliate("bia", scenario.Under("ana"))
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "33.333"},
		"overrides": {"of": "commission", "inactive": "none", "steps": [{"percent": "7.5"}]}}],
		"caps": [{"per": "transaction", "percent": "34"}]}`)
	for i := range 20 {
		w.Sale("bia", fmt.Sprintf("%d.%02d", i, 7*i%100))
	}
	var lines []commission.Commission
	for l, err := range w.Program.Commissions.All(ctx, commission.Filter{}) {
		require.NoError(t, err)
		lines = append(lines, l)
	}
	require.GreaterOrEqual(t, len(lines), 30)
	wantWrittenOnce(t, w)
	misfits, err := w.Program.Commissions.Recompute(ctx)
	require.NoError(t, err)
	require.Empty(t, misfits)
	w.Verify()

	want := map[uuid.UUID]string{}
	for i, c := range []struct{ set, problem string }{
		{"amount = amount + 1", "the calculation gives "},
		{"final_amount = final_amount - 0.01", "the calculation gives "},
		{`calculation = jsonb_set(calculation, '{rate}', '"90"')`, "unrounded is "},
		{`calculation = jsonb_set(calculation, '{rounded}', '"90"')`, "rounded is "},
		{`calculation = jsonb_set(calculation, '{kind}', '"gift"')`, `"gift" is not a kind of pay`},
		{`calculation = jsonb_set(calculation, '{base}', '"1e999999999"')`, "error decoding"},
	} {
		line := lines[3*i]
		want[line.ID] = c.problem
		require.NoError(t, pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "set local session_replication_role = replica") // as a superuser: no triggers
			require.NoError(t, err)
			tag, err := tx.Exec(ctx, "update fature.commissions set "+c.set+" where id = $1", line.ID)
			require.EqualValues(t, 1, tag.RowsAffected())
			return err
		}))
	}
	misfits, err = w.Program.Commissions.Recompute(ctx)
	require.NoError(t, err)
	require.Len(t, misfits, len(want))
	for _, m := range misfits {
		require.Contains(t, want, m.ID)
		require.Contains(t, m.Problem, want[m.ID])
	}
	report, err := w.Program.Verify(ctx)
	require.NoError(t, err)
	var names []string
	for _, f := range report.Findings {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{"B1", "B2", "V2"}, names, "the totals of bia, and the lines")
}

// What is published and assigned stays; so do the lines.
func wantWrittenOnce(t *testing.T, w *scenario.World) {
	t.Helper()
	for _, sql := range []string{
		`update fature.commission_plans set document = document || '{"name": "x"}'`,
		"delete from fature.commission_plans",
		"truncate fature.commission_plans cascade",
		"update fature.plan_assignments set from_at = now()",
		"delete from fature.plan_assignments",
		"truncate fature.plan_assignments",
		"update fature.commissions set final_amount = 0",
		"update fature.commissions set amount = 100, final_amount = 100",
		"update fature.commissions set affiliate_id = gen_random_uuid()",
		`update fature.commissions set calculation = '{}'`,
		"delete from fature.commissions",
		"truncate fature.commissions",
	} {
		_, err := w.Pool.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "is refused", sql)
	}
	_, err := w.Pool.Exec(t.Context(), "update fature.commissions set status = 'approved', available_at = now()")
	require.NoError(t, err, "where it stands is what changes of a line")
}
