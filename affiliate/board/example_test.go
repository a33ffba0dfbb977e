package board_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// The month's ranking, what is reached by it, and who becomes premium.
func Example() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program, err := fature.New(ctx, fature.Config{
		Pool: pool, Currency: "BRL",
		Promotion: board.Policy{Premium: decimal.NewFromInt(500), VIP: decimal.NewFromInt(10_000)},
	})
	if err != nil {
		log.Fatal(err)
	}
	people, err := program.Affiliates.CreateAll(ctx, []affiliate.Draft{
		{Name: "Ana", Email: "ana@example.com"},
		{Name: "Bia", Email: "bia@example.com"},
		{Name: "Caio", Email: "caio@example.com"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for i, amount := range []int64{700, 250, 250} {
		_, err = program.Record(ctx, transaction.Event{
			AffiliateID: people[i].ID, Type: transaction.Sale, Amount: decimal.NewFromInt(amount), Currency: "BRL",
		})
		if err != nil {
			log.Fatal(err)
		}
	}

	month := board.Board{Metric: board.Volume, Period: board.Month}
	page, err := program.Boards.List(ctx, board.Filter{Board: month, Limit: 10})
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range page.Items {
		fmt.Println(e.Rank, e.Name, month.Metric.Amount(e.Score).StringFixed(2))
	}
	at, err := program.Boards.Rank(ctx, month, people[1].ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("Bia is number %d of %d\n", at.Rank, at.Of)

	_, err = program.Achievements.Define(ctx,
		board.Draft{Code: "first-sale", Name: "First sale", Rule: board.Rule{Kind: board.FirstSale}, Points: 10},
		board.Draft{Code: "volume-500", Name: "500 sold", Rule: board.Rule{Kind: board.ByVolume, Amount: decimal.NewFromInt(500)}, Points: 50})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 { // the second time there is nothing new
		awards, err := program.Achievements.Evaluate(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(awards), "awards")
	}

	if _, err = program.Fold(ctx); err != nil { // Run does it
		log.Fatal(err)
	}
	promoted, err := program.Promotions.Promote(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range promoted {
		fmt.Println("from", p.From, "to", p.To, "at", p.Volume)
	}
	// Output:
	// 1 Ana 700.00
	// 2 Caio 250.00
	// 2 Bia 250.00
	// Bia is number 2 of 3
	// 4 awards
	// 0 awards
	// from standard to premium at 700
}
