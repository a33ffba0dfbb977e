package commission_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/transaction"
)

const ngr = `{"name": "casino", "currency": "BRL", "rules": [
	{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win"]}, "pay": {"percent": "25"}, "carry": "base"}]}`

// june is the account of June of ana, below bia and caio, under the rule rev of
// a plan.
func june(p *commission.Plan, activity ...commission.Activity) commission.Account {
	iv, err := commission.ParseInterval("2025-06", p.Zone())
	if err != nil {
		panic(err)
	}
	for i := range activity {
		activity[i].Plan = p
	}
	return commission.Account{
		Rule: "rev", Interval: iv, Versions: []*commission.Plan{p}, Activity: activity,
		Upline: []commission.Member{{ID: id("ana"), Active: true}, {ID: id("bia"), Active: true}, {ID: id("caio"), Active: true}},
	}
}

func settle(t require.TestingT, a commission.Account) commission.Settlement {
	s, ok, err := commission.Settle(a, nil)
	require.NoError(t, err)
	require.True(t, ok)
	return s
}

func TestSettleRefuses(t *testing.T) {
	t.Parallel()
	plan := newPlan(t, ngr)
	bomb, most := decimal.New(1, 1_000_000_000), decimal.RequireFromString("9999999999999.99")
	for name, c := range map[string]struct {
		change func(*commission.Account)
		want   string
	}{
		"nobody":               {func(a *commission.Account) { a.Upline = nil }, "upline: is empty: the affiliate comes first"},
		"a bomb":               {func(a *commission.Account) { a.Activity[0].Amount = bomb }, "activity[0].amount: is out of range"},
		"a bomb of an advance": {func(a *commission.Account) { a.Advance = bomb }, "advance: is out of range"},
		"a bomb of a loss": {func(a *commission.Account) { a.Opening.Carried, a.Opening.Of = bomb.Neg(), commission.CarryBase },
			"opening.carried: is out of range"},
		"a gain that is carried": {func(a *commission.Account) { a.Opening.Carried, a.Opening.Of = most, commission.CarryBase },
			"opening.carried: is above zero: only losses are carried"},
		"a loss of nothing":     {func(a *commission.Account) { a.Opening.Carried = most.Neg() }, `opening.of: "" is not what a loss is carried of`},
		"an advance overearned": {func(a *commission.Account) { a.Opening.Unrecouped = most.Neg() }, "opening.unrecouped: is below zero or out of range"},
		"a customer's gain": {func(a *commission.Account) { a.Opening.Customers = map[string]decimal.Decimal{"c1": most} },
			"opening.customers.c1: is above zero: only losses are carried"},
		"a base that no row holds": {func(a *commission.Account) {
			a.Activity[0].Amount = most
			a.Activity = append(a.Activity, a.Activity[0])
		}, "base: of rule rev in 2025-06 is 19999999999999.98, out of range"},
		"a closing that no row holds": {
			func(a *commission.Account) {
				a.Activity[0].Type, a.Opening.Carried, a.Opening.Of = transaction.Win, most.Neg(), commission.CarryBase
			}, "closing: of rule rev in 2025-06 is -10000000000099.99, out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := june(plan, sum(transaction.Bet, "100.00", "c1", ""))
			c.change(&a)
			s, ok, err := commission.Settle(a, nil)
			require.ErrorIs(t, err, fault.Invalid)
			require.False(t, ok)
			require.Zero(t, s)
			require.Contains(t, problems(err), c.want)
		})
	}
}

// A loss of the commission may be more than any row holds, though its base is
// not.
func TestSettleRefusesACommissionThatNoRowHolds(t *testing.T) {
	t.Parallel()
	a := june(newPlan(t, strings.NewReplacer(`"25"`, `"200"`, `"carry": "base"`, `"carry": "commission"`).Replace(ngr)),
		sum(transaction.Win, "9999999999999.99", "", ""))
	_, _, err := commission.Settle(a, nil)
	require.Equal(t, []string{
		"commission: of rule rev in 2025-06 is -19999999999999.98, out of range",
		"closing: of rule rev in 2025-06 is -19999999999999.98, out of range",
	}, problems(err))
}

// What no version rates is not counted, and where none has the rule there is no
// statement.
func TestSettleWithoutAPlan(t *testing.T) {
	t.Parallel()
	a := june(newPlan(t, ngr), sum(transaction.Bet, "100.00", "c1", ""), sum(transaction.Bet, "50.00", "c1", ""))
	a.Activity[1].Plan = nil
	a.Versions = append(a.Versions, nil)
	require.Equal(t, "25", settle(t, a).Footing.Payable.String())
	for _, none := range [][]*commission.Plan{nil, {nil}, {newPlan(t, tenPercent)}} {
		a.Versions, a.Upline = none, nil
		s, ok, err := commission.Settle(a, nil)
		require.NoError(t, err)
		require.False(t, ok)
		require.Zero(t, s)
		require.Empty(t, a.Needs())
	}
}

// A flat override that is not due takes its level all the same: who stands above
// does not move down.
func TestAFlatOverrideNotDueTakesItsLevel(t *testing.T) {
	t.Parallel()
	plan := newPlan(t, `{"name": "casino", "currency": "BRL", "rules": [
		{"id": "rev", "period": "month", "base": {"plus": ["bet"]}, "pay": {"percent": "10"}, "carry": "commission",
		 "overrides": {"of": "amount", "inactive": "compress", "steps": [{"flat": "5.00"}, {"percent": "2"}]}}]}`)
	a := june(plan, sum(transaction.Bet, "100.00", "c1", ""))
	a.Opening = commission.CarryOver{Carried: decimal.RequireFromString("-50.00"), Of: commission.CarryCommission}
	lines := settle(t, a).Lines
	require.Len(t, lines, 1)
	require.Equal(t, []any{2, id("caio"), "2"}, []any{lines[0].Level, lines[0].AffiliateID, lines[0].Amount.String()})
}

// An override tells its level 0 as a term, which is never a statement.
func TestRecomputeOfAStatementWithoutOne(t *testing.T) {
	t.Parallel()
	c := cappedLines(t)[1].Calculation
	c.Own.Kind = "statement"
	_, _, err := c.Recompute()
	require.EqualError(t, err, "the statement and the kind of pay do not go together")
	require.NotEmpty(t, c.Explain().Sentence)
}

// A plan keeps the base and the advances that it was made with, whatever
// becomes of the document and of a footing.
func TestPeriodRulesDoNotChange(t *testing.T) {
	t.Parallel()
	doc := parse(t, strings.ReplaceAll(brands, "500.00", "600.00"))
	plan, err := commission.NewPlan(id("plan"), 3, doc)
	require.NoError(t, err)
	a := june(plan, sum(transaction.Bet, "1000.00", "c1", ""), sum(transaction.Win, "200.00", "c1", ""))
	a.Advance = decimal.RequireFromString("10.00")
	before := asJSON(t, settle(t, a).Footing)
	doc.Rules[1].Base.Plus[0], doc.Rules[1].Base.Minus[0] = transaction.Sale, transaction.Fee
	doc.Rules[1].Recoup[0] = "none"
	changed := settle(t, a).Footing
	changed.Recoup[0] = "none"
	require.Equal(t, before, asJSON(t, settle(t, a).Footing))
}

// What the caller hands over stays as it was.
func TestSettleChangesNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{`"quarantine", "player_max": "300.00"`, `"pro_rata", "player_max": "300.00", "aggregate_max": "100.00"`} {
		plan := newPlan(t, strings.Replace(ngr, `"carry"`, `"high_roller": {"mode": `+mode+`}, "carry"`, 1))
		a := june(plan, sum(transaction.Bet, "1000.00", "c1", ""), sum(transaction.Win, "5000.00", "c2", ""))
		a.Opening.Customers = map[string]decimal.Decimal{"c1": decimal.RequireFromString("-400.00")}
		a.Opening.Carried, a.Opening.Of = decimal.RequireFromString("-10.00"), commission.CarryBase
		before := fmt.Sprintf("%+v", a)
		settle(t, a)
		require.Equal(t, before, fmt.Sprintf("%+v", a))
	}
}

// Of a loss of a cent, shared out over two, one carries nothing: he is not
// among those who are carried alone.
func TestProRataKeepsNoZero(t *testing.T) {
	t.Parallel()
	a := june(newPlan(t, strings.Replace(ngr, `"carry"`, `"high_roller": {"mode": "pro_rata", "player_max": "0.01", "aggregate_max": "0.01"}, "carry"`, 1)),
		sum(transaction.Win, "100.00", "c1", ""), sum(transaction.Win, "0.01", "c2", ""), sum(transaction.Bet, "100.00", "c3", ""))
	s := settle(t, a)
	require.Equal(t, "map[c1:-0.01]", fmt.Sprint(s.Closing.Customers))
	require.Equal(t, "0", s.Footing.Base().String())
}

// An empty list of advances is none, also in JSON; a footing is the same JSON
// by value as by its address.
func TestNothingToRecoup(t *testing.T) {
	t.Parallel()
	a := june(newPlan(t, strings.Replace(ngr, `"carry"`, `"recoup": [], "carry"`, 1)), sum(transaction.Bet, "100.00", "", ""))
	a.Opening.Unrecouped = decimal.RequireFromString("30.00")
	s := settle(t, a)
	require.Equal(t, "25 30", s.Footing.Payable.String()+" "+s.Closing.Unrecouped.String())
	require.Equal(t, `{"period":"2025-06","parts":[{"version":3,"items":[{"type":"bet","amount":"100.00"}],"base":"100.00","kind":"percent","rate":"25","unrounded":"25.0000"}],`+
		`"carry":"base","commission":"25.00","unrecouped":"30.00","payable":"25.00","rest":"30.00"}`, asJSON(t, s.Footing))
	require.Equal(t, asJSON(t, s.Footing), asJSON(t, &s.Footing))
	a.Activity, a.Advance = nil, decimal.RequireFromString("5.00")
	_, ok, err := commission.Settle(a, nil)
	require.NoError(t, err)
	require.False(t, ok, "an advance that nothing recoups")
}

// closes is a sample with a plan per month and per day; %s are its closes.
const closes = `{
	"plans": [
		{"document": {"name": "p", "currency": "BRL", "timezone": "Asia/Tokyo", "rules": [
			{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win"]}, "pay": {"percent": "10"}, "carry": "base"}]}},
		{"document": {"name": "p", "currency": "BRL", "timezone": "%s", "rules": [
			{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win"]}, "pay": {"percent": "10"}, "carry": "base"},
			{"id": "daily", "period": "day", "base": {"plus": ["bet"]}, "pay": {"percent": "1"}, "carry": "none"}]}, "from": "2025-07-01T00:00:00Z"}],
	"affiliates": [{"id": "ana"}],
	"events": [
		{"id": "1", "at": "2025-06-30T14:59:59Z", "affiliate": "ana", "type": "bet", "amount": "10.00"},
		{"id": "2", "at": "2025-06-30T15:00:00Z", "affiliate": "ana", "type": "bet", "amount": "20.00"},
		{"id": "3", "at": "2025-07-01T00:00:00Z", "affiliate": "ana", "type": "bet", "amount": "40.00"}],
	"close": [%s]}`

func preview(t testing.TB, zone, close string) (commission.Previewed, error) {
	var s commission.Sample
	require.NoError(t, json.Unmarshal(fmt.Appendf(nil, closes, zone, close), &s))
	return commission.Preview(s)
}

// A period begins where the one before it ends, though a new version has
// another zone: nothing is paid twice, and nothing is left out.
func TestPreviewOfAZoneThatChanges(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string][]string{
		"UTC":                 {"2025-06 10.00", "2025-07 60.00"},
		"Pacific/Auckland":    {"2025-06 10.00", "2025-07 60.00"},
		"America/Los_Angeles": {"2025-06 70.00"}, // where it comes into force in June
	} {
		out, err := preview(t, zone, `"2025-07", "2025-06"`)
		require.NoError(t, err)
		var bases []string
		for _, s := range out.Statements {
			bases = append(bases, s.Period+" "+string(s.Base))
		}
		require.Equal(t, want, bases, zone)
	}
}

func TestPreviewRefusesCloses(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 1001 {
		many = append(many, `"`+time.Date(2025, 7, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)+`"`)
	}
	for name, c := range map[string]struct {
		zone, close string
		want        []string
	}{
		"no name":               {"UTC", `"June"`, []string{`close[0]: "June" is not a period such as 2025-06, 2025-W23 or 2025-06-14`}},
		"no date":               {"UTC", `"2025-06", "2025-06-31"`, []string{"close[1]: 2025-06-31 is not in the calendar since 2000"}},
		"far ahead":             {"UTC", `"9999-12"`, []string{"close[0]: 9999-12 is after the year 2999"}},
		"no rule":               {"UTC", `"2025-W27"`, []string{`close[0]: no rule of a plan that is in force pays by "2025-W27"`}},
		"no rule yet":           {"UTC", `"2025-06-30"`, []string{`close[0]: no rule of a plan that is in force pays by "2025-06-30"`}},
		"twice":                 {"UTC", `"2025-06", "2025-07", "2025-06"`, []string{`close[2]: "2025-06" stands twice`}},
		"each of them":          {"UTC", `"2025-06-31", "2025-W27"`, []string{"close[0]: 2025-06-31 is not in the calendar since 2000", `close[1]: no rule of a plan that is in force pays by "2025-W27"`}},
		"too many":              {"UTC", strings.Join(many, ", "), []string{"close: are 1001, more than 1000"}},
		"a day that is skipped": {"Pacific/Apia", `"2011-12-30"`, []string{"close[0]: 2011-12-30 does not exist in Pacific/Apia"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := preview(t, c.zone, c.close)
			require.Equal(t, c.want, problems(err))
		})
	}
	_, err := preview(t, "UTC", strings.Join(many[:1000], ", "))
	require.NoError(t, err)
}

func TestPreviewRefusesManyPlans(t *testing.T) {
	t.Parallel()
	var s commission.Sample
	require.NoError(t, json.Unmarshal(fmt.Appendf(nil, closes, "UTC", ""), &s))
	s.Plans = slices.Repeat(s.Plans, 51)
	_, err := commission.Preview(s)
	require.Equal(t, []string{"plans: are 102, more than 100"}, problems(err))
}

// The first events that a programme may record are in periods that have names.
func TestIntervalsOfTheFirstMoment(t *testing.T) {
	t.Parallel()
	first := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	paulo, err := time.LoadLocation("America/Sao_Paulo")
	require.NoError(t, err)
	for _, zone := range []*time.Location{time.UTC, paulo} {
		for _, kind := range []commission.Period{commission.Day, commission.Week, commission.Month} {
			iv := commission.IntervalAt(kind, first, zone)
			again, err := commission.ParseInterval(iv.Name, zone)
			require.NoError(t, err)
			require.Equal(t, iv, again)
		}
	}
	_, err = commission.ParseInterval("1999-12", time.UTC)
	require.ErrorContains(t, err, "1999-12 is not in the calendar since 2000")
}

// Another version of the plan may take advances off where the affiliate's own
// does not: for that one nothing has happened.
func TestAdvanceWithoutRecoup(t *testing.T) {
	t.Parallel()
	doc, err := commission.Parse([]byte(`{"name": "p", "currency": "BRL", "rules": [
		{"id": "rev", "period": "month", "base": {"plus": ["bet"]}, "pay": {"percent": "10"}, "carry": "none"}]}`))
	require.NoError(t, err)
	plan, err := commission.NewPlan(uuid.New(), 1, doc)
	require.NoError(t, err)
	june, err := commission.ParseInterval("2025-06", time.UTC)
	require.NoError(t, err)

	_, ok, err := commission.Settle(commission.Account{
		Rule: "rev", Interval: june, Versions: []*commission.Plan{plan}, Upline: []commission.Member{{ID: uuid.New(), Active: true}},
		Advance: decimal.NewFromInt(5),
	}, nil)

	require.NoError(t, err)
	require.False(t, ok)
}
