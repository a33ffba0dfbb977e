package fature_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// exampleSales has Bia, under Ana, sell twice to one customer and once to another.
func exampleSales(ctx context.Context) (program *fature.Program, ana, bia affiliate.Affiliate, done func()) {
	pool, done := testenv.Example()
	zone, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		log.Fatal(err)
	}
	program, err = fature.New(ctx, fature.Config{Pool: pool, Currency: "BRL", Zone: zone})
	if err != nil {
		log.Fatal(err)
	}
	people, err := program.Affiliates.CreateAll(ctx, []affiliate.Draft{
		{Name: "Ana", Email: "ana@example.com", ReferralCode: "ANA"}, {Name: "Bia", Email: "bia@example.com", ReferredBy: "ANA"},
	})
	if err != nil {
		log.Fatal(err)
	}
	document, err := commission.Parse([]byte(`{"name": "shop", "currency": "BRL", "rules": [{
		"id": "sale", "on": ["sale"], "pay": {"percent": "10"}, "overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "5"}]}}]}`))
	if err != nil {
		log.Fatal(err)
	}
	plan, err := program.Plans.Publish(ctx, document)
	if err != nil {
		log.Fatal(err)
	}
	if err := program.Plans.Assign(ctx, commission.Default(plan.ID).Since(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))); err != nil {
		log.Fatal(err)
	}
	sale := func(customer, amount, product string, at time.Time) transaction.Event {
		return transaction.Event{
			AffiliateID: people[1].ID, CustomerID: customer, Type: transaction.Sale, Amount: decimal.RequireFromString(amount),
			Metadata: map[string]any{"product": product}, At: at,
		}
	}
	_, err = program.Record(ctx,
		sale("carla", "100.00", "shoes", time.Date(2025, 6, 14, 12, 0, 0, 0, zone)),
		sale("carla", "60.00", "hat", time.Date(2025, 6, 15, 23, 30, 0, 0, zone)),
		sale("davi", "40.00", "hat", time.Date(2025, 7, 1, 9, 0, 0, 0, zone)),
	)
	if err != nil {
		log.Fatal(err)
	}
	return program, people[0], people[1], done
}

// Run folds by itself; what was recorded is in the statistics then.
func ExampleProgram_Fold() {
	ctx := context.Background()
	program, ana, bia, done := exampleSales(ctx)
	defer done()
	if _, err := program.Fold(ctx); err != nil {
		log.Fatal(err)
	}
	stats, err := program.Statistics.Get(ctx, bia.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.Transactions, "sales,", stats.UniqueCustomers, "customers, volume", stats.TotalVolume.StringFixed(2), "earned", stats.TotalCommissions.StringFixed(2))
	months, err := program.Statistics.Months(ctx, bia.ID, time.Time{}, time.Time{})
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range months {
		fmt.Println(m.Month.Format("2006-01"), m.Transactions, m.TotalVolume.StringFixed(2))
	}
	team, err := program.Statistics.Team(ctx, ana.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Ana's downline:", team.Downline.Members, "of", team.Downline.TotalVolume.StringFixed(2))
	// Output:
	// 3 sales, 2 customers, volume 200.00 earned 20.00
	// 2025-06 2 160.00
	// 2025-07 1 40.00
	// Ana's downline: 1 of 200.00
}

// Any report is written as CSV.
func ExampleReports() {
	ctx := context.Background()
	program, _, _, done := exampleSales(ctx)
	defer done()
	from, to := time.Date(2025, 6, 1, 3, 0, 0, 0, time.UTC), time.Date(2025, 8, 1, 3, 0, 0, 0, time.UTC) // in São Paulo it is midnight
	products, err := program.Reports.TopProducts(ctx, from, to, 10)
	if err != nil {
		log.Fatal(err)
	}
	var file strings.Builder
	if err := products.WriteCSV(&file); err != nil {
		log.Fatal(err)
	}
	fmt.Print(strings.ReplaceAll(file.String(), "\r\n", "\n"))
	cohorts, err := program.Reports.Cohorts(ctx, from, to)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range cohorts.Rows {
		fmt.Printf("%s: of %d customers, %d after %d months\n", c.Month, c.Customers, c.ActiveCustomers, c.Later)
	}
	// Output:
	// rank,product,transactions,unique_customers,total_volume
	// 1,hat,2,2,100.00
	// 1,shoes,1,1,100.00
	// 2025-06: of 1 customers, 1 after 0 months
	// 2025-06: of 1 customers, 0 after 1 months
	// 2025-07: of 1 customers, 1 after 0 months
}

// Settings are JSON by name.
func ExampleSettings() {
	ctx := context.Background()
	program, _, _, done := exampleSales(ctx)
	defer done()
	type payouts struct {
		Minimum decimal.Decimal `json:"minimum"`
		Days    []int           `json:"days"`
	}
	if err := program.Settings.Set(ctx, "shop.payouts", payouts{decimal.NewFromInt(50), []int{1, 15}}); err != nil {
		log.Fatal(err)
	}
	var p payouts
	if err := program.Settings.Get(ctx, "shop.payouts", &p); err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Minimum, p.Days)
	// Output:
	// 50 [1 15]
}
