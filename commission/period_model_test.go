package commission_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// A second, plain telling of what period rules pay: in cents, for one version
// that pays a percent of the base month by month. Nothing of it is the engine's.

// deal is what a programme agreed on.
type deal struct {
	percent     int64 // hundredths of a percent
	carry       commission.Carry
	most        int64 // carried; 0 is no bound
	minus       []transaction.Type
	split       bool // by brand
	roller      commission.HighRollerMode
	player, all int64
	advance     int64 // for a deposit; 0 is none
	override    int64 // per cent of what is payable
	suspended   bool  // ana is, who stands above all
}

// deed is what a customer of an affiliate did, in a month.
type deed struct {
	month               int
	affiliate, customer string
	kind, reverses      transaction.Type
	cents               int64
	brand               string
	advanced            int64 // by the event, in cents; below zero where it takes a deposit back
}

// book is what an account has come to.
type book struct {
	opening, unrecouped int64
	alone               map[string]int64
}

// page is a statement as the model has it.
type page struct {
	month                                                  int
	affiliate, brand                                       string
	opening, base, commission, payable, closing, remainder int64
	alone                                                  map[string]int64
}

func (d *deal) lists(kind transaction.Type) bool {
	return kind == transaction.Bet || slices.Contains(d.minus, kind)
}

// signed is what a deed adds to the base, and whether it counts there at all.
func (d *deal) signed(x deed) (cents int64, counts bool) {
	kind := x.kind
	cents = x.cents
	if !d.lists(kind) {
		kind, cents = x.reverses, -cents
	}
	if kind != transaction.Bet {
		cents = -cents
	}
	return cents, d.lists(kind)
}

// closed closes a month of all accounts, in order.
func (d *deal) closed(month int, affiliates []string, deeds []deed, books map[string]*book) (pages []page) {
	for _, who := range affiliates {
		accounts := map[string][]deed{}
		for _, x := range deeds {
			if x.month == month && x.affiliate == who {
				accounts[d.brand(x)] = append(accounts[d.brand(x)], x)
			}
		}
		for _, brand := range slices.Sorted(maps.Keys(accounts)) {
			b := books[who+"/"+brand]
			if b == nil {
				b = &book{alone: map[string]int64{}}
				books[who+"/"+brand] = b
			}
			if p, ok := d.account(b, accounts[brand]); ok {
				p.month, p.affiliate, p.brand, p.alone = month, who, brand, maps.Clone(b.alone)
				pages = append(pages, p)
			}
		}
	}
	return pages
}

func (d *deal) brand(x deed) string {
	if d.split {
		return x.brand
	}
	return ""
}

// account closes one.
func (d *deal) account(b *book, deeds []deed) (p page, ok bool) {
	totals, advance := map[string]int64{}, int64(0)
	for _, x := range deeds {
		if d.advance > 0 {
			advance += x.advanced
		}
		cents, counts := d.signed(x)
		if !counts {
			continue
		}
		ok = true
		p.base += cents
		if x.customer != "" {
			totals[x.customer] += cents
		}
	}
	if !ok && advance == 0 {
		return p, false
	}
	p.base += d.setAside(b, totals, p.base)
	p.opening = b.opening
	p.payable, p.closing, p.commission = d.rated(p.base, p.opening)
	if d.advance > 0 {
		due := b.unrecouped + advance
		p.remainder, p.payable = max(0, due-p.payable), max(0, p.payable-due)
	}
	b.opening, b.unrecouped = p.closing, p.remainder
	return p, true
}

// rated is what a base and what was carried give.
func (d *deal) rated(base, opening int64) (payable, closing, paid int64) {
	switch {
	case d.carry == commission.CarryBase && base+opening <= 0:
		closing = base + opening
	case d.carry == commission.CarryBase:
		paid = part(base+opening, d.percent, 10_000)
		payable = paid
	default:
		paid = part(base, d.percent, 10_000)
		payable = max(0, paid+opening)
		closing = min(0, paid+opening)
	}
	if d.carry == commission.CarryNone {
		closing = 0
	}
	if d.most > 0 {
		closing = max(closing, -d.most)
	}
	return payable, closing, paid
}

// setAside keeps high rollers apart, and says what that changes of the base.
func (d *deal) setAside(b *book, totals map[string]int64, base int64) (change int64) {
	ids := slices.Sorted(maps.Keys(totals))
	switch d.roller {
	case commission.Quarantine:
		for _, id := range ids {
			owed, in := b.alone[id]
			if !in && totals[id] > -d.player {
				continue
			}
			change -= totals[id]
			if owed += totals[id]; owed <= 0 {
				b.alone[id] = owed
				continue
			}
			delete(b.alone, id)
			change += owed
		}
	case commission.ProRata:
		for _, id := range ids {
			if back := min(totals[id], -b.alone[id]); back > 0 {
				change -= back
				totals[id] -= back
				if b.alone[id] += back; b.alone[id] == 0 {
					delete(b.alone, id)
				}
			}
		}
		if base+change <= -d.all {
			change += d.spread(b, ids, totals, -(base + change))
		}
	}
	return change
}

// spread shares a loss out over those who won much, by largest remainder.
func (d *deal) spread(b *book, ids []string, totals map[string]int64, loss int64) int64 {
	var big []string
	sum := int64(0)
	for _, id := range ids {
		if totals[id] <= -d.player {
			big, sum = append(big, id), sum-totals[id]
		}
	}
	loss = min(loss, sum)
	left := loss
	shares, rests := map[string]int64{}, map[string]int64{}
	for _, id := range big {
		shares[id], rests[id] = loss*-totals[id]/sum, loss*-totals[id]%sum
		left -= shares[id]
	}
	slices.SortStableFunc(big, func(x, y string) int { return cmp.Compare(rests[y], rests[x]) })
	for i, id := range big {
		if int64(i) < left {
			shares[id]++
		}
		if shares[id] != 0 {
			b.alone[id] -= shares[id]
		}
	}
	return loss
}

// part is amount × of / whole, ties away from zero.
func part(amount, of, whole int64) int64 {
	n := amount * of
	if n < 0 {
		return -part(-amount, of, whole)
	}
	return (2*n + whole) / (2 * whole)
}

// document is the deal as a plan.
func (d *deal) document() commission.Document {
	doc := commission.Document{Name: "deal", Currency: "BRL", Timezone: "America/Sao_Paulo"}
	rev := commission.Rule{
		ID: "rev", Period: commission.Month, Base: commission.Base{Plus: []transaction.Type{transaction.Bet}, Minus: d.minus},
		Pay: commission.Pay{Percent: cents(d.percent)}, Carry: d.carry,
	}
	if d.most > 0 {
		rev.CarryCap = cents(d.most)
	}
	if d.split {
		rev.SplitBy = "brand"
	}
	switch d.roller {
	case commission.Quarantine:
		rev.HighRoller = commission.HighRoller{Mode: d.roller, PlayerMax: cents(d.player)}
	case commission.ProRata:
		rev.HighRoller = commission.HighRoller{Mode: d.roller, PlayerMax: cents(d.player), AggregateMax: cents(d.all)}
	}
	if d.override > 0 {
		rev.Overrides = commission.Overrides{
			Of: commission.OfCommission, Inactive: commission.ToNobody, Steps: []commission.OverrideStep{{Percent: cents(100 * d.override)}},
		}
	}
	if d.advance > 0 {
		doc.Rules = append(doc.Rules, commission.Rule{ID: "cpa", On: []transaction.Type{transaction.Deposit}, Pay: commission.Pay{Flat: cents(d.advance)}})
		rev.Recoup = []string{"cpa"}
	}
	doc.Rules = append(doc.Rules, rev)
	return doc
}

// cents writes an amount.
func cents(n int64) commission.Decimal {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return commission.Decimal(fmt.Sprintf("%s%d.%02d", sign, n/100, n%100))
}

// drawCents draws an amount, often one of a few, so that sums meet limits.
func drawCents(t *rapid.T, name string) int64 {
	if rapid.Bool().Draw(t, "round") {
		return 10_000 * rapid.Int64Range(0, 4).Draw(t, name)
	}
	return rapid.Int64Range(0, 50_000).Draw(t, name)
}

func drawDeal(t *rapid.T) *deal {
	d := &deal{
		percent: rapid.Int64Range(0, 12_000).Draw(t, "percent"),
		carry:   rapid.SampledFrom([]commission.Carry{commission.CarryNone, commission.CarryBase, commission.CarryCommission}).Draw(t, "carry"),
		minus:   []transaction.Type{transaction.Win, transaction.Bonus},
		split:   rapid.Bool().Draw(t, "split"),
		roller:  rapid.SampledFrom([]commission.HighRollerMode{"", commission.Quarantine, commission.ProRata}).Draw(t, "roller"),
		player:  max(1, drawCents(t, "player")/2), all: max(1, drawCents(t, "all")/2),
		advance: rapid.SampledFrom([]int64{0, 0, 1, 2_550, 10_000}).Draw(t, "advance"), override: rapid.Int64Range(0, 30).Draw(t, "override"),
	}
	d.suspended = rapid.IntRange(0, 3).Draw(t, "suspended") == 0
	if rapid.Bool().Draw(t, "chargebacks") {
		d.minus = append(d.minus, transaction.Chargeback)
	}
	if d.carry != commission.CarryNone {
		d.most = rapid.SampledFrom([]int64{0, 0, 1, 5_000}).Draw(t, "most")
	}
	return d
}

// monthStart is when a month of the model begins in São Paulo.
func monthStart(month int) time.Time {
	return time.Date(2025, time.Month(1+month), 1, 3, 0, 0, 0, time.UTC)
}

const modelMonths = 4

// drawDeeds draws a sample of events over the months, and as what the model is
// to take them.
func (d *deal) drawDeeds(t *rapid.T) (commission.Sample, []deed) {
	s := commission.Sample{
		Plans:      []commission.SamplePlan{{Document: d.document()}},
		Affiliates: []commission.SampleAffiliate{{ID: "bia", Parent: "ana"}, {ID: "ana"}, {ID: "caio", Parent: "ana"}},
	}
	if d.suspended {
		s.Affiliates[1].Status = affiliate.Suspended
	}
	var deeds []deed
	left, paidBack := map[int]int64{}, map[int]int64{} // of each event, what can be taken back and was
	at := monthStart(0)
	for i := range rapid.IntRange(1, 25).Draw(t, "events") {
		at = at.Add(time.Duration(rapid.IntRange(0, 10*24).Draw(t, "hours")) * time.Hour)
		if i%5 == 4 { // upon an edge
			for month := modelMonths; month > 0; month-- {
				if monthStart(month-1).Before(at) && at.Before(monthStart(month)) && rapid.Bool().Draw(t, "edge") {
					at = monthStart(month).Add(time.Duration(rapid.IntRange(-1, 0).Draw(t, "microsecond")) * time.Microsecond)
					break
				}
			}
		}
		x, e := d.drawDeed(t, i, at, s.Events, deeds, left, paidBack)
		s.Events, deeds = append(s.Events, e), append(deeds, x)
	}
	for month := range modelMonths {
		s.Close = append(s.Close, fmt.Sprintf("2025-%02d", month+1))
	}
	return s, deeds
}

func (d *deal) drawDeed(t *rapid.T, i int, at time.Time, events []commission.SampleEvent, deeds []deed, left, back map[int]int64) (deed, commission.SampleEvent) {
	x := deed{month: modelMonths}
	for x.month > 0 && at.Before(monthStart(x.month)) {
		x.month--
	}
	e := commission.SampleEvent{ID: fmt.Sprint(i), At: at}
	if len(left) > 0 && rapid.IntRange(0, 3).Draw(t, "reverses") == 0 {
		of := rapid.SampledFrom(slices.Sorted(maps.Keys(left))).Draw(t, "of")
		from := deeds[of]
		x.affiliate, x.customer, x.reverses, x.brand = from.affiliate, from.customer, from.kind, from.brand
		x.kind = rapid.SampledFrom([]transaction.Type{transaction.Refund, transaction.Chargeback}).Draw(t, "kind")
		x.cents = rapid.Int64Range(1, left[of]).Draw(t, "cents")
		if brand := rapid.SampledFrom([]string{"", "", "red"}).Draw(t, "brand"); brand != "" {
			x.brand, e.Metadata = brand, map[string]any{"brand": brand}
		}
		if from.kind == transaction.Deposit {
			x.advanced = part(d.advance, back[of], from.cents) - part(d.advance, back[of]+x.cents, from.cents)
		}
		back[of] += x.cents
		if left[of] -= x.cents; left[of] == 0 {
			delete(left, of)
		}
		e.Reverses = events[of].ID
	} else {
		x.affiliate = rapid.SampledFrom([]string{"bia", "bia", "caio", "ana"}).Draw(t, "affiliate")
		x.customer = rapid.SampledFrom([]string{"", "c1", "c1", "c2", "c3"}).Draw(t, "customer")
		x.kind = rapid.SampledFrom([]transaction.Type{
			transaction.Bet, transaction.Bet, transaction.Bet, transaction.Win, transaction.Win, transaction.Bonus, transaction.Deposit, transaction.Chargeback, transaction.Fee,
		}).Draw(t, "kind")
		x.cents = drawCents(t, "cents")
		if x.brand = rapid.SampledFrom([]string{"", "red", "blue"}).Draw(t, "brand"); x.brand != "" {
			e.Metadata = map[string]any{"brand": x.brand}
		}
		if x.kind == transaction.Deposit {
			x.advanced = d.advance
		}
		if x.cents > 0 {
			left[i] = x.cents
		}
		e.Affiliate, e.Customer = x.affiliate, x.customer
	}
	if x.affiliate == "ana" && d.suspended {
		x.advanced = 0
	}
	e.Type, e.Amount = x.kind, cents(x.cents)
	return x, e
}

// The engine comes to what the model does: every figure of every statement, the
// customers who are carried alone, and the lines with what nobody could take.
func TestStatementsAreThoseOfAPlainModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawDeal(t)
		s, deeds := d.drawDeeds(t)
		out, err := commission.Preview(s)
		require.NoError(t, err)
		books := map[string]*book{}
		var want []page
		for month := range modelMonths {
			want = append(want, d.closed(month, []string{"bia", "ana", "caio"}, deeds, books)...)
		}
		require.Equal(t, d.texts(want), modelTexts(out))
		requirePaid(t, d, want, out)
	})
}

// texts are the pages, a line each.
func (d *deal) texts(pages []page) (lines []string) {
	for _, p := range pages {
		alone := []string{}
		for _, id := range slices.Sorted(maps.Keys(p.alone)) {
			alone = append(alone, id+" "+string(cents(p.alone[id])))
		}
		lines = append(lines, fmt.Sprintf("2025-%02d %s %q: opening %s base %s commission %s payable %s closing %s unrecouped %s alone %v", p.month+1, p.affiliate, p.brand,
			cents(p.opening), cents(p.base), cents(p.commission), cents(p.payable), cents(p.closing), cents(p.remainder), alone))
	}
	return lines
}

func modelTexts(out commission.Previewed) (lines []string) {
	for _, st := range out.Statements {
		alone := []string{}
		for _, id := range slices.Sorted(maps.Keys(st.Customers)) {
			alone = append(alone, id+" "+string(st.Customers[id]))
		}
		lines = append(lines, fmt.Sprintf("%s %s %q: opening %s base %s commission %s payable %s closing %s unrecouped %s alone %v", st.Period, st.Affiliate, st.Split,
			st.Opening, st.Base, st.Commission, st.Payable, st.Closing, cmp.Or(st.Unrecouped, "0.00"), alone))
	}
	return lines
}

// requirePaid holds for what is posted of the pages: what is payable and its
// override are lines, or nobody could take them.
func requirePaid(t *rapid.T, d *deal, pages []page, out commission.Previewed) {
	var want, got []string
	add := func(p page, level int, amount int64, to string) {
		if amount != 0 {
			want = append(want, fmt.Sprintf("2025-%02d %d %s %s", p.month+1, level, cents(amount), to))
		}
	}
	for _, p := range pages {
		self, above := p.affiliate, "ana"
		if p.affiliate == "ana" {
			above = "nobody"
		}
		if d.suspended {
			self, above = strings.ReplaceAll(self, "ana", "nobody"), "nobody"
		}
		add(p, 0, p.payable, self)
		add(p, 1, part(p.payable, d.override, 100), above)
	}
	for _, l := range out.Lines {
		if l.Period != "" {
			require.Equal(t, l.Amount, l.Final)
			got = append(got, fmt.Sprintf("%s %d %s %s", l.Period, l.Level, l.Amount, l.Affiliate))
		}
	}
	for _, skip := range out.Skipped {
		if skip.Period != "" {
			got = append(got, fmt.Sprintf("%s %d %s nobody", skip.Period, skip.Level, skip.Breakage))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got)
}
