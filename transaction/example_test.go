package transaction_test

import (
	"context"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

func TestMain(m *testing.M) { testenv.Main(m, "^ExampleStore") }

// A form can be checked before there is a database: the programme's currency
// and the time are all it takes.
func ExampleEvent_Validate() {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	event := transaction.Event{
		Type: "sell", Amount: decimal.RequireFromString("120.005"), At: now.AddDate(0, 1, 0), OriginalID: "A-1",
	}
	fmt.Println(event.Normalize("BRL", now).Validate("BRL", now))

	// What is left empty has a default.
	event.Type, event.Amount, event.At = transaction.Sale, decimal.RequireFromString("120.00"), time.Time{}
	event = event.Normalize("BRL", now)
	fmt.Println(event.Validate("BRL", now), event.Currency, event.At, event.Key().SourceTable)
	// Output:
	// type: "sell" is not a type of event
	// amount: 120.005 has more than 2 decimals
	// at: is more than 24 hours ahead
	// <nil> BRL 2026-07-01 12:00:00 +0000 UTC events
}

// A page of an affiliate's sales of a month, the latest first.
func ExampleStore_List() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program, err := fature.New(ctx, fature.Config{Pool: pool, Currency: "BRL"})
	if err != nil {
		log.Fatal(err)
	}
	ana, err := program.Affiliates.Create(ctx, affiliate.Draft{Name: "Ana", Email: "ana@example.com"})
	if err != nil {
		log.Fatal(err)
	}
	july := func(day int) time.Time { return time.Date(2026, 7, day, 12, 0, 0, 0, time.UTC) }
	_, err = program.Record(ctx,
		transaction.Event{AffiliateID: ana.ID, Type: transaction.Sale, Amount: decimal.NewFromInt(30), At: july(3)},
		transaction.Event{AffiliateID: ana.ID, Type: transaction.Sale, Amount: decimal.NewFromInt(50), At: july(5)},
		transaction.Event{AffiliateID: ana.ID, Type: transaction.Signup, At: july(6)},
		transaction.Event{AffiliateID: ana.ID, Type: transaction.Sale, Amount: decimal.NewFromInt(70), At: july(7)},
		transaction.Event{AffiliateID: ana.ID, Type: transaction.Sale, Amount: decimal.NewFromInt(90), At: july(32)},
	)
	if err != nil {
		log.Fatal(err)
	}

	filter := transaction.Filter{AffiliateID: ana.ID, Type: transaction.Sale, From: july(1), To: july(31), Limit: 2}
	for {
		page, err := program.Transactions.List(ctx, filter)
		if err != nil {
			log.Fatal(err)
		}
		for _, t := range page.Items {
			fmt.Println(t.CreatedAt.Format(time.DateOnly), t.Amount.StringFixed(2), t.Currency)
		}
		if page.Next == "" {
			break
		}
		fmt.Println("and on the next page")
		filter.After = page.Next
	}
	// Output:
	// 2026-07-07 70.00 BRL
	// 2026-07-05 50.00 BRL
	// and on the next page
	// 2026-07-03 30.00 BRL
}
