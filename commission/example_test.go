package commission_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// A shop pays 10 % of each sale from 20.00 on, but not on vouchers, and 2.50
// for each item of a campaign.
func Example_shop() {
	plan, err := commission.NewPlan(uuid.New(), 1, commission.Document{
		Name: "shop", Currency: "BRL", Hold: "30d",
		Rules: []commission.Rule{
			{
				ID: "sale", On: []transaction.Type{transaction.Sale},
				When:   commission.Condition{MinAmount: "20"},
				Unless: commission.Condition{Metadata: map[string][]string{"paid_by": {"voucher"}}},
				Pay:    commission.Pay{Percent: "10"},
			},
			{
				ID: "campaign", On: []transaction.Type{transaction.Sale},
				Pay: commission.Pay{Flat: "2.50", MultiplyBy: "campaign_items"},
			},
		},
	})
	if err != nil {
		panic(err)
	}
	ana := commission.Member{ID: uuid.New(), Active: true, Category: affiliate.Standard}

	for _, event := range []transaction.Event{
		{Type: transaction.Sale, Amount: decimal.RequireFromString("120.00"), Metadata: map[string]any{"campaign_items": 3}},
		{Type: transaction.Sale, Amount: decimal.RequireFromString("19.99")},
		{Type: transaction.Sale, Amount: decimal.RequireFromString("50.00"), Metadata: map[string]any{"paid_by": "voucher"}},
	} {
		event.At = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
		out, err := commission.Rate(commission.Input{Plan: plan, Event: event, Upline: []commission.Member{ana}}, nil)
		if err != nil {
			panic(err)
		}
		fmt.Println("sale of", event.Amount.StringFixed(2))
		for _, line := range out.Lines {
			fmt.Printf("  %s: %s on %s\n", line.Rule, line.Final.StringFixed(2), line.AvailableAt.Format(time.DateOnly))
		}
		for _, skip := range out.Skipped {
			fmt.Printf("  %s: nothing, because of %s\n", skip.Rule, skip.Reason)
		}
	}
	// Output:
	// sale of 120.00
	//   sale: 12.00 on 2025-07-01
	//   campaign: 7.50 on 2025-07-01
	// sale of 19.99
	//   sale: nothing, because of amount
	//   campaign: nothing, because of metadata
	// sale of 50.00
	//   sale: nothing, because of metadata
	//   campaign: nothing, because of metadata
}

// A company pays three levels above the seller. Who is not active is passed
// over, a step for vips pays vips only, and one sale never pays more than 15 %.
func Example_company() {
	document, err := commission.Parse([]byte(`{
		"name": "company", "currency": "BRL",
		"rules": [{
			"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
			"overrides": {"of": "amount", "inactive": "compress",
			              "steps": [{"percent": "5"}, {"percent": "3", "categories": ["vip"]}, {"percent": "1"}]}
		}],
		"caps": [{"per": "transaction", "percent": "15"}]
	}`))
	if err != nil {
		panic(err)
	}
	plan, err := commission.NewPlan(uuid.New(), 1, document)
	if err != nil {
		panic(err)
	}
	names := map[uuid.UUID]string{}
	member := func(name string, active bool, category affiliate.Category) commission.Member {
		m := commission.Member{ID: uuid.New(), Active: active, Category: category}
		names[m.ID] = name
		return m
	}
	out, err := commission.Rate(commission.Input{
		Plan:  plan,
		Event: transaction.Event{Type: transaction.Sale, Amount: decimal.RequireFromString("120.00"), At: time.Now()},
		Upline: []commission.Member{
			member("ana", true, affiliate.Standard),
			member("bia", false, affiliate.VIP),
			member("caio", true, affiliate.Standard),
			member("davi", true, affiliate.Standard),
			member("enzo", true, affiliate.VIP),
		},
	}, nil)
	if err != nil {
		panic(err)
	}
	for _, line := range out.Lines {
		fmt.Println(names[line.AffiliateID], line.Amount.StringFixed(2), "→", line.Final.StringFixed(2))
	}
	for _, skip := range out.Skipped {
		fmt.Printf("level %d: %s, breakage %s\n", skip.Level, skip.Reason, skip.Breakage.StringFixed(2))
	}
	fmt.Println(out.Lines[1].Calculation.Explain().Sentence)
	// Output:
	// ana 12.00 → 11.25
	// caio 6.00 → 5.63
	// enzo 1.20 → 1.12
	// level 2: category, breakage 3.60
	// Level 1, taken by the affiliate 2 levels up, earns 5 % of a sale of 120.00 BRL = 6.00 BRL, cut to 5.63 BRL by a cap of 18.00 BRL on the transaction.
}

// Every problem of a document is told at once, by its path.
func ExampleParse() {
	_, err := commission.Parse([]byte(`{
		"name": "casino", "currency": "BRL",
		"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": 10},
		           "overrides": {"of": "amount", "steps": [{"percent": "5", "catgories": ["vip"]}]}}]
	}`))
	fmt.Println(err)
	// Output:
	// rules[0].pay.percent: is a number; decimals are strings, such as "12.34"
	// rules[0].overrides.steps[0].catgories: is not a field of the plan document
	// rules[0].overrides.inactive: is missing: one of none, compress, roll_up
}
