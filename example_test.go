package fature_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
	"github.com/fature/fature/transaction"
)

func TestMain(m *testing.M) { testenv.Main(m, "^Example") }

func Example() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's database, with the shop's own table; yours is pgxpool.New(ctx, url)
	defer done()
	if _, err := pool.Exec(ctx, "create table orders (id text primary key, total numeric(12, 2))"); err != nil {
		log.Fatal(err)
	}

	// Once, at deployment: the tables, in a schema of their own.
	err := pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		return migrate.Up(ctx, conn.Conn(), migrate.Options{})
	})
	if err != nil {
		log.Fatal(err)
	}

	program, err := fature.New(ctx, fature.Config{Pool: pool})
	if err != nil {
		log.Fatal(err)
	}
	people, err := program.Affiliates.CreateAll(ctx, []affiliate.Draft{
		{Name: "Ana", Email: "ana@example.com", ReferralCode: "ANA"},
		{Name: "Bia", Email: "bia@example.com", ReferredBy: "ANA"},
	})
	if err != nil {
		log.Fatal(err)
	}

	// A plan is a document: JSON, or a literal in Go. Bia earns 10 % of a sale, Ana 5 % of it.
	document, err := commission.Parse([]byte(`{
		"name": "shop", "currency": "BRL",
		"rules": [{
			"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
			"overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "5"}]}
		}]
	}`))
	if err != nil {
		log.Fatal(err)
	}
	plan, err := program.Plans.Publish(ctx, document)
	if err != nil {
		log.Fatal(err)
	}
	if err := program.Plans.Assign(ctx, commission.Default(plan.ID)); err != nil {
		log.Fatal(err)
	}

	// In your own transaction: the order and its commissions, or neither.
	total := decimal.RequireFromString("120.00")
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into orders (id, total) values ('A-1', $1)", total); err != nil {
			return err
		}
		results, err := program.WithTx(tx).Record(ctx, transaction.Event{
			AffiliateID: people[1].ID, Type: transaction.Sale, Amount: total,
			SourceTable: "orders", OriginalID: "A-1",
		})
		if err != nil {
			return err
		}
		for _, line := range results[0].Lines {
			fmt.Println(line.Calculation.Explain().Sentence)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// Level 0 earns 10 % of a sale of 120.00 BRL = 12.00 BRL.
	// Level 1 earns 5 % of a sale of 120.00 BRL = 6.00 BRL.
}

// openShop is what the examples below begin with: Ana with the code ANA, under
// her Bia with the code BIA, and a plan that pays 10 % of a sale and 5 % of it
// to the level above.
func openShop(ctx context.Context, pool *pgxpool.Pool) *fature.Program {
	program, err := fature.New(ctx, fature.Config{Pool: pool})
	if err != nil {
		log.Fatal(err)
	}
	_, err = program.Affiliates.CreateAll(ctx, []affiliate.Draft{
		{Name: "Ana", Email: "ana@example.com", ReferralCode: "ANA"},
		{Name: "Bia", Email: "bia@example.com", ReferralCode: "BIA", ReferredBy: "ANA"},
	})
	if err != nil {
		log.Fatal(err)
	}
	plan, err := program.Plans.Publish(ctx, commission.Document{
		Name: "shop", Currency: "BRL",
		Rules: []commission.Rule{{
			ID: "sale", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: "10"},
			Overrides: commission.Overrides{
				Of: commission.OfAmount, Inactive: commission.Compress,
				Steps: []commission.OverrideStep{{Percent: "5"}},
			},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := program.Plans.Assign(ctx, commission.Default(plan.ID)); err != nil {
		log.Fatal(err)
	}
	return program
}

// sale is an order of the shop, of a customer who came by a referral code.
func sale(id, code, amount string) transaction.Event {
	return transaction.Event{
		Code: code, Type: transaction.Sale, Amount: decimal.RequireFromString(amount),
		SourceTable: "orders", OriginalID: id,
	}
}

// One bad event does not keep the others back.
func ExampleProgram_RecordPartial() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program := openShop(ctx, pool) // Ana, under her Bia, and a plan of 10 % and 5 %

	results, err := program.RecordPartial(ctx,
		sale("A-1", "BIA", "120.00"),
		sale("A-2", "BIA", "99.999"),
		sale("A-3", "", "50.00"),
		sale("A-1", "BIA", "120.00"),
	)
	if err != nil {
		log.Fatal(err) // nothing is stored
	}
	for _, r := range results {
		switch {
		case r.Err != nil:
			fmt.Println("refused:", r.Err)
		case r.Unattributed():
			fmt.Println("of a customer whom nobody brought")
		case r.Duplicate:
			fmt.Println(r.Transaction.OriginalID, "was recorded before")
		default:
			fmt.Println(r.Transaction.OriginalID, "earned", r.Lines[0].FinalAmount, "and", r.Lines[1].FinalAmount)
		}
	}
	// Output:
	// A-1 earned 12 and 6
	// refused: events[1].amount: 99.999 has more than 2 decimals
	// of a customer whom nobody brought
	// A-1 was recorded before
}

// What the host rolls back is not recorded, and its key stays free.
func ExampleProgram_WithTx() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program := openShop(ctx, pool) // Ana, under her Bia, and a plan of 10 % and 5 %

	declined := errors.New("the card was declined")
	sell := func(charge error) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			// The shop saves its order in tx, and then:
			results, err := program.WithTx(tx).Record(ctx, sale("A-1", "BIA", "120.00"))
			if err != nil {
				return err
			}
			fmt.Println("lines:", len(results[0].Lines), "duplicate:", results[0].Duplicate)
			return charge
		})
	}
	fmt.Println(sell(declined))
	fmt.Println(sell(nil))
	// Output:
	// lines: 2 duplicate: false
	// the card was declined
	// lines: 2 duplicate: false
	// <nil>
}

// A host whose COMMIT got no answer asks what is recorded.
func ExampleProgram_Lookup() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program := openShop(ctx, pool) // Ana, under her Bia, and a plan of 10 % and 5 %
	if _, err := program.Record(ctx, sale("A-1", "BIA", "120.00")); err != nil {
		log.Fatal(err)
	}

	results, err := program.Lookup(ctx,
		transaction.Key{SourceTable: "orders", OriginalID: "A-1"},
		transaction.Key{SourceTable: "orders", OriginalID: "A-2"},
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Printf("%q %v, %d lines\n", r.Transaction.OriginalID, r.Transaction.Amount, len(r.Lines))
	}
	// Output:
	// "A-1" 120, 2 lines
	// "" 0, 0 lines
}

// A job for the night: every invariant, with the rows that break one.
func ExampleProgram_Verify() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program := openShop(ctx, pool) // Ana, under her Bia, and a plan of 10 % and 5 %
	if _, err := program.Record(ctx, sale("A-1", "BIA", "120.00")); err != nil {
		log.Fatal(err)
	}

	report, err := program.Verify(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range report.Findings {
		fmt.Printf("%s does not hold: %s (%d, such as %v)\n", f.Name, f.Meaning, f.Count, f.IDs)
	}
	fmt.Println("all well:", report.OK())
	// Output:
	// all well: true
}

// Every bad field of a call is told at once, by its path: for a form, or for
// the answer of an API.
func ExampleProblems() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program := openShop(ctx, pool) // Ana, under her Bia, and a plan of 10 % and 5 %

	other := sale("A-2", "BIA", "-1")
	other.Currency = "USD"
	_, err := program.Record(ctx, sale("A-1", "BIA", "99.999"), other)
	fmt.Println("invalid:", errors.Is(err, fature.ErrInvalid))
	for _, p := range fature.Problems(err) {
		fmt.Printf("%-18s %s\n", p.Field, p.Problem)
	}
	// Output:
	// invalid: true
	// events[0].amount   99.999 has more than 2 decimals
	// events[1].currency is USD, but the programme's is BRL
	// events[1].amount   is negative: the type says what it means
}
