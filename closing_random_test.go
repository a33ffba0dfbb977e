package fature_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// Samples drawn at random are lived: live and preview agree where nobody has
// thought of an example.
func TestRandomSamplesLived(t *testing.T) {
	t.Parallel()
	seed, err := strconv.ParseUint(os.Getenv("FATURE_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64() //nolint:gosec // chance, not a secret
	}
	t.Logf("FATURE_SEED=%d", seed)
	lived := 0
	for n := uint64(0); lived < benchSize("FATURE_SAMPLES", 2, 300); n++ {
		d := drawing{rand.New(rand.NewPCG(seed, n))} //nolint:gosec // as above
		s := d.sample()
		if _, err := commission.Preview(s); err != nil {
			continue // a plan that does not hold together
		}
		lived++
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			defer func() {
				if text, err := json.Marshal(s); t.Failed() && err == nil {
					t.Logf("%s", text)
				}
			}()
			scenario.Play(t, s)
		})
	}
	require.Positive(t, lived)
}

// drawing draws a sample.
type drawing struct{ *rand.Rand }

// draw is one of some.
func draw[T any](d drawing, of ...T) T { return of[d.IntN(len(of))] }

// first is the beginning of what is drawn: a Monday, the first of a month.
var first = time.Date(2025, 9, 1, 0, 0, 0, 0, time.UTC)

func (d drawing) sample() commission.Sample {
	s := commission.Sample{Close: []string{"2025-09", "2025-10"}, Customers: []commission.SampleCustomer{}}
	for i := range 9 {
		year, week := first.AddDate(0, 0, 7*i).ISOWeek()
		s.Close = append(s.Close, fmt.Sprintf("%d-W%d", year, week))
	}
	doc := d.plan()
	s.Plans = []commission.SamplePlan{{Document: doc}}
	for range d.IntN(3) {
		next := d.plan()
		next.Timezone, next.Rules[0].ID = doc.Timezone, doc.Rules[0].ID
		for i := range next.Rules {
			next.Rules[i].Period = doc.Rules[i].Period
		}
		s.Plans = append(s.Plans, commission.SamplePlan{Document: next, From: first.AddDate(0, 0, d.IntN(55)).Add(time.Duration(d.IntN(24)) * time.Hour)})
	}
	for i, parent := range []string{"", "ana", "bia", "", "bia"} {
		s.Affiliates = append(s.Affiliates, commission.SampleAffiliate{
			ID: []string{"ana", "bia", "caio", "duda", "eva"}[i], Parent: parent,
			Category: draw(d, affiliate.Standard, affiliate.Standard, affiliate.Premium, affiliate.VIP),
			Status:   draw(d, affiliate.Active, affiliate.Active, affiliate.Active, affiliate.Suspended),
		})
	}
	d.events(&s)
	return s
}

func (d drawing) events(s *commission.Sample) {
	zone, _ := time.LoadLocation(s.Plans[0].Document.Timezone)
	var at []time.Time
	for range 45 {
		// Whole hours and ends of days, so that bounds are met.
		when := time.Date(2025, 9, 1+d.IntN(61), 0, 0, 0, 0, zone).Add(time.Duration(d.IntN(4)*6) * time.Hour)
		at = append(at, when.Add(time.Duration(d.IntN(2))*-time.Microsecond))
	}
	slices.SortFunc(at, time.Time.Compare)
	left := map[string]int64{}
	for i, when := range at {
		if start := time.Date(2025, 9, 1, 0, 0, 0, 0, zone); when.Before(start) {
			when = start
		}
		e := commission.SampleEvent{ID: fmt.Sprint("e", i), At: when, Affiliate: s.Affiliates[d.IntN(5)].ID}
		e.Type = draw(d, transaction.Bet, transaction.Bet, transaction.Win, transaction.Win, transaction.Bonus, transaction.Deposit, transaction.Sale, transaction.Chargeback)
		amount := 1 + d.Int64N(100_000)
		if e.Customer = draw(d, "", "c1", "c2", "c3"); d.IntN(4) > 0 {
			e.Metadata = map[string]any{"brand": draw[any](d, "a", "b", true, 1.5, nil)}
		}
		if of := s.Events; len(of) > 0 && d.IntN(6) == 0 {
			back := of[d.IntN(len(of))]
			if amount = min(amount, left[back.ID]); amount > 0 {
				e.Type, e.Reverses, e.Affiliate, e.Customer = draw(d, transaction.Refund, transaction.Chargeback), back.ID, back.Affiliate, back.Customer
				left[back.ID] -= amount
			}
		}
		if e.Reverses == "" {
			amount = max(amount, 1)
			left[e.ID] = amount
		}
		e.Amount = money(amount)
		s.Events = append(s.Events, e)
	}
}

// money is an amount in cents.
func money(cents int64) commission.Decimal {
	return commission.Decimal(decimal.New(cents, -2).StringFixed(2))
}

func (d drawing) plan() commission.Document {
	doc := commission.Document{
		Name: "p", Currency: "BRL", Timezone: draw(d, "", "America/Sao_Paulo", "Asia/Tokyo", "Europe/Lisbon"),
		Rounding: draw(d, commission.HalfUp, commission.HalfEven, commission.Down), Hold: draw[commission.Duration](d, "", "30d", "1mo"),
		Rules: []commission.Rule{
			{ID: "sale", On: []transaction.Type{transaction.Sale, transaction.Deposit}, Pay: commission.Pay{Percent: "7.5"}, Overrides: d.overrides()},
			d.rule("rev", draw(d, commission.Month, commission.Week)), d.rule("fun", commission.Month), d.rule("wk", commission.Week),
		},
	}
	if d.IntN(2) == 0 {
		doc.Caps = []commission.Cap{{Per: commission.PerAffiliate, Period: draw(d, commission.Week, commission.Month, commission.Lifetime), Max: money(d.Int64N(60_000))}}
	}
	if d.IntN(3) == 0 {
		doc.Caps = append(doc.Caps, commission.Cap{Per: commission.PerTransaction, Percent: "9"})
	}
	return doc
}

func (d drawing) rule(id string, period commission.Period) commission.Rule {
	r := commission.Rule{
		ID: id, Period: period, Base: commission.Base{Plus: []transaction.Type{transaction.Bet}, Minus: []transaction.Type{transaction.Win, transaction.Bonus}},
		Pay: commission.Pay{Percent: "33.333"}, Carry: draw(d, commission.CarryNone, commission.CarryBase, commission.CarryCommission), Overrides: d.overrides(),
	}
	switch d.IntN(4) {
	case 0:
		r.Pay = commission.Pay{Tiers: commission.Tiers{Mode: draw(d, commission.Slab, commission.Marginal), Steps: []commission.TierStep{
			{UpTo: "300.00", Percent: "10"}, {UpTo: "900.00", Percent: "20", Flat: "5", MinActive: d.IntN(3)}, {Percent: "30", MinActive: d.IntN(3)},
		}}}
	case 1:
		r.Pay = commission.Pay{Flat: "12.345"}
	}
	if d.IntN(3) == 0 {
		r.Base = commission.Base{Plus: []transaction.Type{transaction.Bet, transaction.Deposit, transaction.Sale}, Minus: []transaction.Type{transaction.Win, transaction.Chargeback}}
	}
	if r.Carry != commission.CarryNone && d.IntN(4) == 0 {
		r.CarryCap = money(1 + d.Int64N(20_000))
	}
	if d.IntN(3) == 0 {
		r.SplitBy = "brand"
	}
	if d.IntN(3) == 0 {
		r.Recoup = []string{"sale"}
	}
	switch d.IntN(4) {
	case 0:
		r.HighRoller = commission.HighRoller{Mode: commission.Quarantine, PlayerMax: money(d.Int64N(40_000))}
	case 1:
		r.HighRoller = commission.HighRoller{Mode: commission.ProRata, PlayerMax: money(1 + d.Int64N(30_000)), AggregateMax: money(1 + d.Int64N(50_000))}
	}
	return r
}

func (d drawing) overrides() commission.Overrides {
	if d.IntN(3) == 0 {
		return commission.Overrides{}
	}
	steps := []commission.OverrideStep{{Percent: "10"}, {Percent: "3.3", Categories: []affiliate.Category{affiliate.Premium, affiliate.VIP}}, {Flat: "0.55"}}
	return commission.Overrides{
		Of: draw(d, commission.OfAmount, commission.OfCommission), Inactive: draw(d, commission.ToNobody, commission.Compress, commission.RollUp),
		Steps: steps[:cmp.Or(d.IntN(4), 1)],
	}
}
