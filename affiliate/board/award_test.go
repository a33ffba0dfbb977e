package board_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

func (w *world) achievements(zone string, drafts ...board.Draft) *board.Achievements {
	w.t.Helper()
	o := w.options()
	var err error
	o.Zone, err = time.LoadLocation(zone)
	require.NoError(w.t, err)
	s := board.NewAchievements(pg.In(w.pool, ""), o)
	_, err = s.Define(w.t.Context(), drafts...)
	require.NoError(w.t, err)
	return s
}

// awarded is what an evaluation gave, as "ana code", in order.
func (w *world) awarded(s *board.Achievements, only ...uuid.UUID) string {
	w.t.Helper()
	awards, err := s.Evaluate(w.t.Context(), only...)
	require.NoError(w.t, err)
	var all []string
	for _, a := range awards {
		all = append(all, w.names[a.AffiliateID]+" "+a.Code)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func draft(code string, points int, r board.Rule) board.Draft {
	return board.Draft{Code: code, Name: strings.ToUpper(code), Rule: r, Points: points}
}

func amount(text string) decimal.Decimal { return decimal.RequireFromString(text) }

// A story of all kinds, through the programme's own pipeline.
func TestAwards(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	ctx := t.Context()
	s := w.Program.Achievements
	for range 2 { // at every start
		made, err := s.Define(ctx,
			draft("first", 10, board.Rule{Kind: board.FirstSale}),
			draft("team", 20, board.Rule{Kind: board.ByRecruits, Count: 2}),
			draft("v100", 30, board.Rule{Kind: board.ByVolume, Amount: amount("100")}),
			draft("v200", 40, board.Rule{Kind: board.ByVolume, Amount: amount("200.00")}),
			draft("earner", 50, board.Rule{Kind: board.ByEarnings, Amount: amount("10")}),
			draft("days3", 60, board.Rule{Kind: board.Streak, Every: board.Day, Count: 3}))
		require.NoError(t, err)
		require.Len(t, made, 6)
	}
	w.Affiliate("ana")
	w.Affiliate("bia", scenario.Under("ana"))
	w.Affiliate("caio", scenario.Under("ana"))
	w.Affiliate("davi", scenario.Status(affiliate.Suspended))
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale", "deposit"], "pay": {"percent": "10"}}]}`)
	at := func(day int) scenario.Detail { return scenario.At(time.Date(2025, 6, day, 23, 0, 0, 0, time.UTC)) }
	names := map[uuid.UUID]string{}
	for _, name := range []string{"ana", "bia", "caio", "davi"} {
		names[w.ID(name)] = name
	}
	evaluate := func(only ...uuid.UUID) string {
		t.Helper()
		awards, err := s.Evaluate(ctx, only...)
		require.NoError(t, err)
		var all []string
		for _, a := range awards {
			require.Equal(t, strings.ToUpper(a.Code), a.Name)
			all = append(all, fmt.Sprint(names[a.AffiliateID], " ", a.Code, " ", a.Points))
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	require.Equal(t, "ana team 20", evaluate())
	sold := w.Sale("bia", "99.99", at(10))
	w.Sale("davi", "1000.00", at(10))
	require.Empty(t, evaluate(w.ID("caio"), uuid.New()))
	require.Equal(t, "bia earner 50, bia first 10", evaluate(w.ID("bia")), "99.99 is not 100, and earns 10.00")
	w.Deposit("bia", "0.01", at(11))
	require.Equal(t, "bia v100 30", evaluate())
	require.Empty(t, evaluate())

	// A sale that is taken back before is none, and one after takes nothing back.
	gone := w.Sale("caio", "500.00", at(10))
	back := w.Event("caio", "refund", "500.00", at(12))
	back.Reverses = gone.Transaction.ID
	w.Record(back)
	require.Empty(t, evaluate())
	back = w.Event("bia", "chargeback", "99.99", at(12))
	back.Reverses = sold.Transaction.ID
	w.Record(back)
	require.Empty(t, evaluate())
	points, err := s.Points(ctx, w.ID("ana"), w.ID("bia"), w.ID("caio"))
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]int64{w.ID("ana"): 20, w.ID("bia"): 90}, points)

	// The 10th is free again, and three days on end are the 11th to the 13th.
	w.Sale("bia", "1.00", at(12))
	require.Empty(t, evaluate())
	w.Sale("bia", "1.00", at(13))
	require.Equal(t, "bia days3 60", evaluate())
	page, err := s.Awards(ctx, board.AwardFilter{AffiliateID: w.ID("bia"), Limit: 3})
	require.NoError(t, err)
	require.Len(t, page.Items, 3)
	require.Equal(t, "days3", page.Items[0].Code)
	page, err = s.Awards(ctx, board.AwardFilter{AffiliateID: w.ID("bia"), Limit: 3, After: page.Next})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Equal(t, "first", page.Items[0].Code)
	require.Empty(t, page.Next)

	// Who comes back is looked at like everybody.
	_, err = w.Program.Affiliates.Update(ctx, w.ID("davi"), affiliate.Change{Status: affiliate.Active})
	require.NoError(t, err)
	require.Equal(t, "davi first 10, davi v100 30, davi v200 40", evaluate())
	w.Verify()

	// In the host's transaction: given with it, or not at all.
	tx, err := w.Pool.Begin(ctx)
	require.NoError(t, err)
	_, err = w.Program.WithTx(tx).Achievements.Define(ctx, draft("more", 1, board.Rule{Kind: board.ByVolume, Amount: amount("1")}))
	require.NoError(t, err)
	awards, err := w.Program.WithTx(tx).Achievements.Evaluate(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, awards)
	require.NoError(t, tx.Rollback(ctx))
	require.Empty(t, evaluate())
}

func TestDefine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana")
	s := w.achievements("UTC", draft("first", 10, board.Rule{Kind: board.FirstSale}))
	ctx := t.Context()
	for want, d := range map[string]board.Draft{
		"code: has not between":          {Code: "É", Name: "x", Rule: board.Rule{Kind: board.FirstSale}},
		"name: is empty":                 {Code: "x", Rule: board.Rule{Kind: board.FirstSale}},
		"name: is empty, longer":         {Code: "x", Name: "\x00", Rule: board.Rule{Kind: board.FirstSale}},
		"points: -1 is negative":         {Code: "x", Name: "x", Points: -1, Rule: board.Rule{Kind: board.FirstSale}},
		`rule.kind: "" is not`:           {Code: "x", Name: "x"},
		"rule.count: 0 is not above":     {Code: "x", Name: "x", Rule: board.Rule{Kind: board.ByRecruits}},
		"rule.count: is of no meaning":   {Code: "x", Name: "x", Rule: board.Rule{Kind: board.FirstSale, Count: 1}},
		"rule.amount: is of no meaning":  {Code: "x", Name: "x", Rule: board.Rule{Kind: board.ByRecruits, Count: 1, Amount: amount("1")}},
		"rule.amount: is not above":      {Code: "x", Name: "x", Rule: board.Rule{Kind: board.ByVolume}},
		"rule.amount: has more than 2":   {Code: "x", Name: "x", Rule: board.Rule{Kind: board.ByVolume, Amount: amount("1.001")}},
		"rule.amount: has too many":      {Code: "x", Name: "x", Rule: board.Rule{Kind: board.ByVolume, Amount: decimal.New(1, 10_000_000)}},
		`rule.every: "all" is not`:       {Code: "x", Name: "x", Rule: board.Rule{Kind: board.Streak, Count: 2, Every: board.All}},
		"rule.count: is more than 10000": {Code: "x", Name: "x", Rule: board.Rule{Kind: board.Streak, Count: 10_001, Every: board.Day}},
		"rule.every: is of no meaning":   {Code: "x", Name: "x", Rule: board.Rule{Kind: board.FirstSale, Every: board.Day}},
	} {
		_, err := s.Define(ctx, draft("fine", 1, board.Rule{Kind: board.FirstSale}), d)
		require.ErrorIs(t, err, fault.Invalid)
		require.ErrorContains(t, err, "drafts[1]."+want)
	}
	_, err := s.Define(ctx, draft("x", 1, board.Rule{Kind: board.FirstSale}), draft("x", 1, board.Rule{Kind: board.FirstSale}))
	require.ErrorContains(t, err, "drafts[1].code: is there twice")
	for _, other := range []board.Draft{draft("first", 11, board.Rule{Kind: board.FirstSale}), draft("first", 10, board.Rule{Kind: board.ByRecruits, Count: 1})} {
		_, err = s.Define(ctx, draft("another", 1, board.Rule{Kind: board.FirstSale}), other)
		require.ErrorIs(t, err, board.ErrCodeTaken)
	}
	list, err := s.List(ctx)
	require.NoError(t, err)
	require.Len(t, list, 1, "none of the refused")

	// One that is not active is not given; the points are those of the award.
	yes, no, five, name := true, false, 5, "Erster"
	_, err = s.Update(ctx, "first", board.Change{Active: &no})
	require.NoError(t, err)
	w.sell("ana", "1", noon)
	require.Empty(t, w.awarded(s))
	a, err := s.Update(ctx, "first", board.Change{Active: &yes, Points: &five, Name: &name})
	require.NoError(t, err)
	require.Equal(t, "Erster 5", fmt.Sprint(a.Name, " ", a.Points))
	require.Equal(t, "ana first", w.awarded(s))
	got, err := s.GetByCode(ctx, "first")
	require.NoError(t, err)
	require.Equal(t, a, got)
	points, err := s.Points(ctx, w.ids["ana"])
	require.NoError(t, err)
	require.EqualValues(t, 5, points[w.ids["ana"]])
	_, err = s.GetByCode(ctx, "none")
	require.ErrorIs(t, err, board.ErrNotFound)
	_, err = s.Update(ctx, "none", board.Change{})
	require.ErrorIs(t, err, fault.NotFound)
	_, err = s.Update(ctx, "first", board.Change{Name: new(string)})
	require.ErrorIs(t, err, fault.Invalid)
	_, err = s.Awards(ctx, board.AwardFilter{After: "x"})
	require.ErrorIs(t, err, fault.Invalid)

	// What was awarded stays, and both tables are audited.
	for _, sql := range []string{"delete from fature.affiliate_achievements", "update fature.affiliate_achievements set points = 1", "truncate fature.affiliate_achievements"} {
		_, err := w.pool.Exec(ctx, sql)
		require.ErrorContains(t, err, "refused")
	}
	var n int
	require.NoError(t, w.pool.QueryRow(ctx, "select count(*) from fature.data_audit where table_name in ('achievements', 'affiliate_achievements')").Scan(&n))
	require.Equal(t, 4, n, "defined, two changes, one award")
}

// Streaks are of the zone's days, whatever its clocks do, of weeks from Monday
// and of months; a gap ends one, and several sales in a period are one.
func TestStreaks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone  string
		every board.Period
		count int
		sales []string
		want  bool
	}{
		"one":                            {"UTC", board.Day, 1, []string{"2025-06-10T00:00:00Z"}, true},
		"edges of days":                  {"UTC", board.Day, 3, []string{"2025-06-10T23:59:59.999999Z", "2025-06-11T00:00:00Z", "2025-06-12T23:59:59.999999Z"}, true},
		"two of a day":                   {"UTC", board.Day, 3, []string{"2025-06-10T00:00:00Z", "2025-06-10T23:59:59Z", "2025-06-11T01:00:00Z"}, false},
		"a gap":                          {"UTC", board.Day, 3, []string{"2025-06-09T01:00:00Z", "2025-06-10T01:00:00Z", "2025-06-12T01:00:00Z", "2025-06-13T01:00:00Z"}, false},
		"in any order":                   {"UTC", board.Day, 3, []string{"2025-06-12T01:00:00Z", "2025-06-10T01:00:00Z", "2025-06-11T01:00:00Z"}, true},
		"over the end of a month":        {"UTC", board.Day, 3, []string{"2025-05-31T01:00:00Z", "2025-06-01T01:00:00Z", "2025-06-02T01:00:00Z"}, true},
		"two days there, one here":       {"Asia/Kathmandu", board.Day, 2, []string{"2025-06-10T18:14:59Z", "2025-06-10T18:15:00Z"}, true},
		"one day there, two here":        {"Asia/Kathmandu", board.Day, 2, []string{"2025-06-10T23:00:00Z", "2025-06-11T01:00:00Z"}, false},
		"a day without midnight":         {"America/Sao_Paulo", board.Day, 3, []string{"2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}, true},
		"the hour before it":             {"America/Sao_Paulo", board.Day, 3, []string{"2018-11-03T12:00:00Z", "2018-11-04T02:59:59Z", "2018-11-05T02:00:00Z"}, false},
		"a date that was left out":       {"Pacific/Apia", board.Day, 2, []string{"2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z"}, true},
		"weeks from Monday":              {"UTC", board.Week, 2, []string{"2025-06-15T23:59:59Z", "2025-06-16T00:00:00Z"}, true},
		"one week":                       {"UTC", board.Week, 2, []string{"2025-06-09T00:00:00Z", "2025-06-15T23:59:59Z"}, false},
		"weeks over the end of the year": {"UTC", board.Week, 2, []string{"2024-12-29T12:00:00Z", "2024-12-30T12:00:00Z"}, true},
		"months":                         {"UTC", board.Month, 3, []string{"2024-12-31T23:59:59Z", "2025-01-31T12:00:00Z", "2025-02-01T00:00:00Z"}, true},
		"a month left out":               {"UTC", board.Month, 2, []string{"2025-04-30T23:59:59Z", "2025-06-01T00:00:00Z"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tx := hostOf(t)
			w := &world{t: t, ids: map[string]uuid.UUID{}, names: map[uuid.UUID]string{}}
			w.at(noon)
			z, err := time.LoadLocation(c.zone)
			require.NoError(t, err)
			o := w.options()
			o.Zone = z
			s := board.NewAchievements(pg.In(testenv.Pool(t), ""), o).WithTx(tx)
			id := pg.NewID()
			exec := func(sql string, args ...any) {
				_, err := tx.Exec(t.Context(), sql, args...)
				require.NoError(t, err)
			}
			exec(`with u as (insert into fature.users (id, email, email_canon, name) values ($1, $2, $2, 'x'))
				insert into fature.affiliates (id, user_id, referral_code) values ($1, $1, left($2, 20))`, id, id.String())
			for _, sale := range c.sales {
				exec(`insert into fature.transactions (affiliate_id, type, amount, volume, currency, status, created_at, rated_at, rated_seq, seen_seq)
					values ($1, 'bet', 1, 1, 'BRL', 'processed', $2::text::timestamptz, now(), nextval('fature.rated_seq'), 0)`, id, sale)
			}
			_, err = s.Define(t.Context(), draft("s-"+id.String(), 1, board.Rule{Kind: board.Streak, Every: c.every, Count: c.count}))
			require.NoError(t, err)
			awards, err := s.Evaluate(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, c.want, len(awards) == 1)
		})
	}
}

var months sync.Once

// hostOf is a transaction that is undone.
func hostOf(t *testing.T) pgx.Tx {
	t.Helper()
	pool := testenv.Pool(t)
	months.Do(func() {
		_, err := pool.Exec(t.Context(), `select fature.ensure_partition('transactions', month::timestamptz) from unnest(array[
			'2011-12-01 00:00+00', '2018-11-01 00:00+00', '2024-12-01 00:00+00', '2025-01-01 00:00+00', '2025-02-01 00:00+00',
			'2025-04-01 00:00+00', '2025-05-01 00:00+00', '2025-06-01 00:00+00']) month`)
		require.NoError(t, err)
	})
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(t.Context()) })
	return tx
}

// Whatever the days, the longest streak decides.
func TestStreaksOfAnyDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.achievements("America/Sao_Paulo")
	var drafts []board.Draft
	for n := 1; n <= 8; n++ {
		drafts = append(drafts, draft(fmt.Sprint("d", n), n, board.Rule{Kind: board.Streak, Every: board.Day, Count: n}))
	}
	_, err := s.Define(t.Context(), drafts...)
	require.NoError(t, err)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		name := fmt.Sprint("a", n)
		w.people(name)
		sold := map[int]bool{}
		for _, day := range rapid.SliceOfN(rapid.IntRange(0, 12), 0, 12).Draw(r, "days") {
			sold[day] = true
			hour := rapid.IntRange(0, 23).Draw(r, "hour")
			w.sell(name, "1", time.Date(2025, 6, 1+day, 3+hour, 0, 0, 0, time.UTC))
		}
		longest, run := 0, 0
		for day := range 14 {
			if run++; !sold[day] {
				run = 0
			}
			longest = max(longest, run)
		}
		var want []string
		for k := 1; k <= min(longest, 8); k++ {
			want = append(want, fmt.Sprint(name, " d", k))
		}
		require.Equal(r, strings.Join(want, ", "), w.awarded(s))
	})
}

// An evaluation of everybody looks, for streaks, at those who sold since the
// one before; nobody is missed who was under way, or when a rule is new.
func TestEvaluateSince(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia", "caio", "davi")
	s := w.achievements("UTC", draft("day", 1, board.Rule{Kind: board.Streak, Every: board.Day, Count: 1}))
	age := func(by string) { // as if the evaluations so far, and the rules, were older
		w.exec("update fature.achievement_evaluations set at = at - $1::interval", by)
		w.exec("update fature.achievements set active_at = active_at - $1::interval", by)
	}
	w.sell("ana", "1", noon)
	require.Equal(t, "ana day", w.awarded(s))
	age("2 hours")

	// bia's is under way at the next evaluation, and committed after it.
	host, err := w.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = host.Exec(t.Context(), `insert into fature.transactions (affiliate_id, type, amount, volume, currency, status, created_at, rated_at, rated_seq, seen_seq)
		values ($1, 'sale', 1, 1, 'BRL', 'processed', $2, now(), nextval('fature.rated_seq'), 0)`, w.ids["bia"], noon)
	require.NoError(t, err)
	w.sell("caio", "1", noon)
	require.Equal(t, "caio day", w.awarded(s))
	require.NoError(t, host.Commit(t.Context()))
	age("50 minutes")
	require.Equal(t, "bia day", w.awarded(s))

	// Long after, only new sales are looked at, but for a new rule all.
	age("10 hours")
	require.Empty(t, w.awarded(s))
	w.sell("davi", "1", noon)
	require.Equal(t, "davi day", w.awarded(s))
	_, err = s.Define(t.Context(), draft("week", 1, board.Rule{Kind: board.Streak, Every: board.Week, Count: 1}))
	require.NoError(t, err)
	require.Equal(t, "ana week, bia week, caio week, davi week", w.awarded(s))
	var marks int
	require.NoError(t, w.pool.QueryRow(t.Context(), "select count(*) from fature.achievement_evaluations").Scan(&marks))
	require.Less(t, marks, 6, "old ones go")
	require.NotContains(t, slices.Collect(maps.Values(w.names)), "")
}

// Sixteen at once give each award once, to one of them, and sixteen promotions
// change a category once.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 200 {
		names = append(names, fmt.Sprint("a", i))
	}
	w := newWorld(t, names...)
	s := w.achievements("UTC",
		draft("first", 1, board.Rule{Kind: board.FirstSale}),
		draft("v1", 2, board.Rule{Kind: board.ByVolume, Amount: amount("1")}),
		draft("v2", 3, board.Rule{Kind: board.ByVolume, Amount: amount("2")}),
		draft("day", 4, board.Rule{Kind: board.Streak, Every: board.Day, Count: 1}))
	for _, name := range names {
		w.sell(name, "2", noon)
	}
	w.exec("update fature.affiliates set lifetime_volume = 2")
	w.exec("delete from fature.affiliate_deltas")
	promotions := board.NewPromotions(w.affiliates(), board.Policy{Premium: amount("2")}, w.options())
	var mu sync.Mutex
	given, changed := map[string]int{}, map[uuid.UUID]int{}
	errs := make([]error, 32)
	atOnce(32, func(i int) {
		if i%2 == 1 {
			var list []affiliate.Promoted
			list, errs[i] = promotions.Promote(t.Context())
			mu.Lock()
			defer mu.Unlock()
			for _, p := range list {
				changed[p.AffiliateID]++
			}
			return
		}
		var only []uuid.UUID
		if i%4 == 0 {
			for _, name := range slices.Backward(names[i*3 : i*3+100]) {
				only = append(only, w.ids[name])
			}
		}
		var awards []board.Award
		awards, errs[i] = s.Evaluate(t.Context(), only...)
		mu.Lock()
		defer mu.Unlock()
		for _, a := range awards {
			given[a.AffiliateID.String()+a.Code]++
		}
	})
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Len(t, given, 800)
	require.Len(t, changed, 200)
	for what, n := range given {
		require.Equal(t, 1, n, what)
	}
	for id, n := range changed {
		require.Equal(t, 1, n, id)
	}
	var rows, history int
	require.NoError(t, w.pool.QueryRow(t.Context(), "select (select count(*) from fature.affiliate_achievements), (select count(*) from fature.affiliate_history where category = 'premium')").Scan(&rows, &history))
	require.Equal(t, "800 200", fmt.Sprint(rows, " ", history))
}

// Another schema's boards, awards and promotions are its own.
func TestOtherSchema(t *testing.T) {
	t.Parallel()
	pool := testenv.Empty(t)
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	require.NoError(t, migrate.Up(t.Context(), conn.Conn(), migrate.Options{Schema: "acme"}))
	conn.Release()
	db := pg.In(pool, "acme")
	_, err = db.Exec(t.Context(), `with u as (insert into fature.users (id, email, email_canon, name) values ($1, 'a', 'a', 'Ana'))
		insert into fature.affiliates (id, user_id, referral_code, lifetime_volume) values ($1, $1, 'ANA', 12.5)`, uuid.New())
	require.NoError(t, err)
	p, err := board.New(db, board.Options{}).List(t.Context(), board.Filter{Board: board.Board{Metric: board.Volume, Period: board.All}})
	require.NoError(t, err)
	require.Equal(t, "1 Ana 1250", told(p.Items))
	s := board.NewAchievements(db, board.Options{})
	_, err = s.Define(t.Context(), draft("v", 1, board.Rule{Kind: board.ByVolume, Amount: amount("12.5")}),
		draft("day", 1, board.Rule{Kind: board.Streak, Every: board.Day, Count: 1}))
	require.NoError(t, err)
	awards, err := s.Evaluate(t.Context())
	require.NoError(t, err)
	require.Len(t, awards, 1)
}
