package fature_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// sharing is a plan that pays a part of what customers lose in a month.
func sharing(percent string) commission.Document {
	document, err := commission.Parse([]byte(`{
		"name": "share", "currency": "BRL", "timezone": "America/Sao_Paulo", "hold": "30d",
		"rules": [{
			"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win", "bonus"]},
			"pay": {"percent": "` + percent + `"}, "carry": "base"
		}]
	}`))
	if err != nil {
		log.Fatal(err)
	}
	return document
}

// openCasino is a programme with Bia, whose customers lose 100.00 in June and
// 300.00 in July of 2025.
func openCasino(ctx context.Context, pool *pgxpool.Pool) (*fature.Program, affiliate.Affiliate) {
	program, err := fature.New(ctx, fature.Config{Pool: pool})
	if err != nil {
		log.Fatal(err)
	}
	bia, err := program.Affiliates.Create(ctx, affiliate.Draft{Name: "Bia", Email: "bia@example.com"})
	if err != nil {
		log.Fatal(err)
	}
	plan, err := program.Plans.Publish(ctx, sharing("25"))
	if err != nil {
		log.Fatal(err)
	}
	since := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := program.Plans.Assign(ctx, commission.Default(plan.ID).Since(since)); err != nil {
		log.Fatal(err)
	}
	play := func(kind transaction.Type, amount string, month time.Month) transaction.Event {
		return transaction.Event{
			AffiliateID: bia.ID, Type: kind, Amount: decimal.RequireFromString(amount), At: time.Date(2025, month, 10, 12, 0, 0, 0, time.UTC),
		}
	}
	_, err = program.Record(ctx,
		play(transaction.Bet, "500.00", time.June), play(transaction.Win, "600.00", time.June), play(transaction.Bet, "300.00", time.July))
	if err != nil {
		log.Fatal(err)
	}
	return program, bia
}

// June ends with a loss, which July's base begins with.
func ExampleProgram_ClosePeriod() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program, bia := openCasino(ctx, pool) // 25 % of bets less wins

	for _, month := range []string{"2025-06", "2025-07"} {
		plans, err := program.ClosePeriod(ctx, month, nil)
		if err != nil {
			log.Fatal(err)
		}
		for _, p := range plans {
			fmt.Printf("%s of %s: %d statements pay %s\n", month, p.Plan, p.Statements, p.Payable.StringFixed(2))
		}
	}
	for s, err := range program.Statements.All(ctx, commission.StatementFilter{AffiliateID: bia.ID}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s and a base of %s pay %s, %s is carried on\n", s.Name, s.Opening, s.Base, s.Payable, s.Closing)
	}
	// Output:
	// 2025-06 of share: 1 statements pay 0.00
	// 2025-07 of share: 1 statements pay 50.00
	// 2025-07: -100 and a base of 300 pay 50, 0 is carried on
	// 2025-06: 0 and a base of -100 pay 0, -100 is carried on
}

// From what is available to money that is on its way.
func ExampleProgram_payouts() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program, bia := openCasino(ctx, pool) // 25 % of bets less wins
	for _, month := range []string{"2025-06", "2025-07"} {
		if _, err := program.ClosePeriod(ctx, month, nil); err != nil {
			log.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "payouts")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "transfers.csv")

	run, err := program.Payouts.Run(ctx, commission.PayoutRun{Minimum: decimal.RequireFromString("50.00")})
	if err != nil {
		log.Fatal(err)
	}
	for p, err := range program.Payouts.All(ctx, commission.PayoutFilter{RunID: run.RunID}) {
		if err != nil {
			log.Fatal(err)
		}
		if err := program.Payouts.Approve(ctx, p.ID); err != nil {
			log.Fatal(err)
		}
	}
	transfers, err := commission.NewCSVFile(path) // or your bank's adapter
	if err != nil {
		log.Fatal(err)
	}
	defer transfers.Close()
	sent, err := program.Payouts.Send(ctx, transfers) // later: MarkPaid, or Fail
	if err != nil {
		log.Fatal(err)
	}
	b, err := program.Commissions.Balance(ctx, bia.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d sent: pending %s, available %s, in payouts %s, paid %s\n", sent, b.Pending, b.Available, b.InPayout, b.Paid)
	// Output:
	// 1 sent: pending 0, available 0, in payouts 50, paid 0
}

// What June and July would have come to with 30 %.
func ExampleProgram_Simulate() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program, _ := openCasino(ctx, pool) // 25 % of bets less wins
	for _, month := range []string{"2025-06", "2025-07"} {
		if _, err := program.ClosePeriod(ctx, month, nil); err != nil {
			log.Fatal(err)
		}
	}
	document := sharing("30")

	plan, err := program.Plans.Publish(ctx, document) // a version that nobody is assigned to
	if err != nil {
		log.Fatal(err)
	}
	what, err := program.Simulate(ctx, commission.Simulation{
		PlanID: plan.ID,
		From:   time.Date(2025, 6, 1, 3, 0, 0, 0, time.UTC),
		To:     time.Date(2025, 8, 1, 3, 0, 0, 0, time.UTC),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d transactions come to %s, not %s\n", what.Transactions, what.New, what.Old)
	for _, c := range what.Affiliates {
		fmt.Printf("%s more for one affiliate\n", c.Difference())
	}
	// Output:
	// 3 transactions come to 60, not 50
	// 10 more for one affiliate
}
