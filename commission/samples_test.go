package commission_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fature/fature/commission"
)

// show previews a sample of testdata/samples, and explains one of its lines.
func show(name string, explain int) {
	text, err := os.ReadFile("testdata/samples/" + name + ".json")
	if err != nil {
		panic(err)
	}
	var sample commission.Sample
	if err := json.Unmarshal(text, &sample); err != nil {
		panic(err)
	}
	out, err := commission.Preview(sample)
	if err != nil {
		panic(err)
	}
	for _, st := range out.Statements {
		fmt.Printf("%s of %s: %s %s + %s, rated to %s, pays %s, carries %s, unrecouped %s\n",
			st.Period, st.Affiliate, st.Rule, st.Opening, st.Base, st.Commission, st.Payable, st.Closing, cmp.Or(st.Unrecouped, "0.00"))
	}
	for _, l := range out.Lines {
		fmt.Printf("%s: %s %s/%d %s", cmp.Or(l.Event, l.Period), l.Affiliate, l.Rule, l.Level, l.Amount)
		if l.Final != l.Amount {
			fmt.Printf(", cut to %s", l.Final)
		}
		fmt.Println()
	}
	for _, s := range out.Skipped {
		if s.Reason != commission.ReasonType {
			fmt.Printf("%s: nothing by %s/%d, %s", cmp.Or(s.Event, s.Period), s.Rule, s.Level, s.Reason)
			if s.Breakage != "" {
				fmt.Printf(", breakage %s", s.Breakage)
			}
			fmt.Println()
		}
	}
	e := out.Lines[explain].Calculation.Explain()
	fmt.Println(e.Sentence)
	for _, step := range e.Steps[1:] {
		fmt.Println("-", step)
	}
}

// Tiers over a month of São Paulo, a campaign paid by the item, and at most
// 120.00 for one customer. The refund comes off the tiers and gives room back.
func ExamplePreview_shop() {
	show("shop", 1)
	// Output:
	// o-1: ana sale/0 72.00
	// o-2: ana sale/0 53.00, cut to 48.00
	// o-3: ana campaign/0 7.50
	// r-2: ana sale/0 -26.50, cut to -24.00
	// o-4: ana sale/0 21.50
	// o-5: ana sale/0 8.00
	// o-1: nothing by campaign/0, metadata
	// o-2: nothing by campaign/0, metadata
	// o-3: nothing by sale/0, metadata
	// o-4: nothing by campaign/0, metadata
	// o-5: nothing by campaign/0, metadata
	// Level 0 earns 53.00 BRL for a sale of 300.00 BRL: marginal tiers on the 1200.00 BRL in the month 2026-06 come to 125.00 BRL, less 72.00 BRL credited before, cut to 48.00 BRL by a cap of 120.00 BRL on the affiliate's earnings from this customer over all time.
	// - The sum in the month 2026-06, this sale of 300.00 BRL included, is 1200.00 BRL. 8 % of 1000.00 BRL + 10 % of 200.00 BRL + 25.00 BRL flat = 125, rounded half up to 2 decimals: 125.00 BRL. Less 72.00 BRL credited before: 53.00 BRL.
	// - Cap: 120.00 BRL on the affiliate's earnings from this customer over all time, of which 72.00 BRL is used; the line gets 48.00 BRL.
	// - Evaluated again: 53.00 BRL, after caps 48.00 BRL.
}

// A bounty for a trial, half of a first invoice, and a fifth of a year of
// invoices from the first on, a tenth of which goes to who brought the partner.
func ExamplePreview_saas() {
	show("saas", 4)
	// Output:
	// trial: bia trial/0 2.00
	// january: bia first/0 24.50
	// january: bia recurring/0 9.80
	// january: ana recurring/1 0.98
	// february: bia recurring/0 9.80
	// february: ana recurring/1 0.98
	// disputed: bia recurring/0 -9.80
	// disputed: ana recurring/1 -0.98
	// february: nothing by first/0, limit
	// a year on: nothing by first/0, window
	// a year on: nothing by recurring/0, limit
	// Level 0 earns 20 % of a sale of 49.00 EUR = 9.80 EUR.
	// - 20 % of 49.00 EUR = 9.8, rounded half up to 2 decimals: 9.80 EUR.
	// - Evaluated again: 9.80 EUR, after caps 9.80 EUR.
}

// A company of ranks: each earns the excess of its percent over the highest
// below it; and three active levels, whoever is suspended between them.
func ExamplePreview_company() {
	show("company", 0)
	// Output:
	// A-1: davi rank/0 25.00, cut to 21.74
	// A-1: bia rank/2 10.00, cut to 8.70
	// A-1: ana rank/3 10.00, cut to 8.69
	// A-1: bia levels/1 7.50, cut to 6.52
	// A-1: ana levels/2 5.00, cut to 4.35
	// A-1: nothing by rank/1, affiliate_inactive
	// A-1: nothing by levels/0, zero
	// A-1: nothing by levels/3, no_upline, breakage 2.50
	// Level 0 earns 10 % of a sale of 250.00 BRL = 25.00 BRL, cut to 21.74 BRL by a cap of 50.00 BRL on the transaction.
	// - 10 % of 250.00 BRL = 25, rounded half up to 2 decimals: 25.00 BRL.
	// - Cap: the transaction's lines of 25 + 10 + 10 + 7.5 + 5 share 50.00 BRL by largest remainder; line 1 gets 21.74 BRL.
	// - Evaluated again: 25.00 BRL, after caps 21.74 BRL.
}

// A casino pays once for a player who has deposited 50.00 within 30 days, and at
// most 150.00 a day.
func ExamplePreview_casino() {
	show("casino", 2)
	// Output:
	// d-2: bia cpa/0 100.00
	// d-2: ana cpa/1 10.00
	// d-4: bia cpa/0 100.00, cut to 50.00
	// d-4: ana cpa/1 10.00
	// d-1: nothing by cpa/0, baseline
	// d-3: nothing by cpa/0, limit
	// d-5: nothing by cpa/0, metadata
	// d-6: nothing by cpa/0, baseline
	// d-7: nothing by cpa/0, window
	// Level 0 earns 100.00 BRL flat for a deposit of 80.00 BRL = 100.00 BRL, cut to 50.00 BRL by a cap of 150.00 BRL on the affiliate's earnings on 2026-06-01.
	// - 100 = 100, rounded half up to 2 decimals: 100.00 BRL.
	// - Cap: 150.00 BRL on the affiliate's earnings on 2026-06-01, of which 100.00 BRL is used; the line gets 50.00 BRL.
	// - Evaluated again: 100.00 BRL, after caps 50.00 BRL.
}

// A casino that advances 100.00 for a player and takes it off the share of what
// is lost, month by month. A loss is carried on; who wins 10,000.00 and more in
// a month is carried alone, and comes back with what exceeds zero.
func ExamplePreview_casinoMonths() {
	show("casino_months", 1)
	// Output:
	// 2026-04 of bia: rev 0.00 + -400.00, rated to 0.00, pays 0.00, carries -400.00, unrecouped 100.00
	// 2026-05 of bia: rev -400.00 + 6400.00, rated to 2100.00, pays 2000.00, carries 0.00, unrecouped 0.00
	// 2026-06 of bia: rev 0.00 + 800.00, rated to 200.00, pays 200.00, carries 0.00, unrecouped 0.00
	// d-1: bia cpa/0 100.00
	// 2026-05: bia rev/0 2000.00
	// 2026-05: ana rev/1 200.00
	// 2026-06: bia rev/0 200.00
	// 2026-06: ana rev/1 20.00
	// Level 0 earns 2000.00 BRL for 2026-05: a base of 6400.00 BRL, less a loss of 400.00 BRL carried from before, gives a commission of 2100.00 BRL at 35 %, less 100.00 BRL of advances.
	// - Base under version 1: 6400.00 BRL bet − 25000.00 BRL win + 25000.00 BRL of high rollers' losses set aside − 400.00 BRL loss carried from before = 6000.00 BRL. By slab tiers with 2 active customers: 35 % of 6000.00 BRL = 2100.
	// - Commission: 2100, rounded half up to 2 decimals: 2100.00 BRL.
	// - Advances (cpa): 100.00 BRL from before and 0.00 BRL in 2026-05. 100.00 BRL is taken off, 0.00 BRL stays to be earned.
	// - Payable: 2000.00 BRL.
	// - Evaluated again: 2000.00 BRL, after caps 2000.00 BRL.
}

// A fifth of a year of invoices, a tenth of that to who brought the partner; and
// from the third paying customer on, five per cent of a month beyond 200.00. What
// a refund takes back of a month is carried on.
func ExamplePreview_saasQuarter() {
	show("saas_quarter", 6)
	// Output:
	// 2026-01 of bia: volume 0.00 + 447.00, rated to 12.35, pays 12.35, carries 0.00, unrecouped 0.00
	// 2026-02 of bia: volume 0.00 + 0.00, rated to 0.00, pays 0.00, carries 0.00, unrecouped 0.00
	// i-1: bia recurring/0 29.80
	// i-1: ana recurring/1 2.98
	// i-2: bia recurring/0 29.80
	// i-2: ana recurring/1 2.98
	// i-3: bia recurring/0 29.80
	// i-3: ana recurring/1 2.98
	// 2026-01: bia volume/0 12.35
	// i-4: bia recurring/0 29.80
	// i-4: ana recurring/1 2.98
	// r-3: bia recurring/0 -29.80
	// r-3: ana recurring/1 -2.98
	// Level 0 earns 12.35 EUR for 2026-01: a base of 447.00 EUR gives a commission of 12.35 EUR.
	// - Base under version 1: 447.00 EUR sale = 447.00 EUR. By marginal tiers with 3 active customers: 0 % of 200.00 EUR + 5 % of 247.00 EUR = 12.35.
	// - Commission: 12.35, rounded half up to 2 decimals: 12.35 EUR.
	// - Payable: 12.35 EUR.
	// - Evaluated again: 12.35 EUR, after caps 12.35 EUR.
}
