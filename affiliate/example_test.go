package affiliate_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m, "^ExampleStore|^ExampleCustomers") }

// open makes a programme over a migrated database. Its stores are
// program.Affiliates, program.Customers and so on.
func open(ctx context.Context, pool *pgxpool.Pool) *fature.Program {
	program, err := fature.New(ctx, fature.Config{Pool: pool})
	if err != nil {
		log.Fatal(err)
	}
	return program
}

// Whoever signs up by a referral code stands under its affiliate.
func ExampleStore_Create() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program := open(ctx, pool) // fature.New

	ana, err := program.Affiliates.Create(ctx, affiliate.Draft{
		Name: "Ana", Email: "ana@example.com", ReferralCode: "ANA", Category: affiliate.VIP,
	})
	if err != nil {
		log.Fatal(err)
	}
	bia, err := program.Affiliates.Create(ctx, affiliate.Draft{
		Name: "Bia", Email: "bia@example.com", ReferredBy: "ana", // in any case
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Ana:", ana.ReferralCode, ana.Category, ana.Status, "level", ana.Level)
	fmt.Println("Bia:", bia.Category, bia.Status, "level", bia.Level, "under Ana:", *bia.ParentID == ana.ID)

	_, err = program.Affiliates.Create(ctx, affiliate.Draft{Name: "Bia", Email: "BIA@example.com"})
	switch {
	case errors.Is(err, affiliate.ErrEmailTaken):
		fmt.Println("has an account already")
	case err != nil:
		log.Fatal(err)
	}
	// Output:
	// Ana: ANA vip active level 0
	// Bia: standard active level 1 under Ana: true
	// has an account already
}

// An import makes many affiliates in one call, all of them or none. A parent
// comes before its children.
func ExampleStore_CreateAll() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program := open(ctx, pool) // fature.New

	_, err := program.Affiliates.CreateAll(ctx, []affiliate.Draft{
		{Name: "Ana", Email: "ana@example.com", ReferralCode: "ANA"},
		{Name: "Bia", Email: "bia at example.com", ReferralCode: "B"},
	})
	for _, p := range fature.Problems(err) {
		fmt.Println(p)
	}

	people, err := program.Affiliates.CreateAll(ctx, []affiliate.Draft{
		{Name: "Ana", Email: "ana@example.com", ReferralCode: "ANA"},
		{Name: "Bia", Email: "bia@example.com", ReferralCode: "BIA", ReferredBy: "ANA"},
		{Name: "Caio", Email: "caio@example.com", ReferralCode: "CAIO", ReferredBy: "BIA"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range people {
		fmt.Println(a.ReferralCode, "at level", a.Level)
	}
	// Output:
	// drafts[1].email: "bia at example.com" is not an e-mail address such as ana@example.com
	// drafts[1].referral_code: has not between 3 and 20 characters
	// ANA at level 0
	// BIA at level 1
	// CAIO at level 2
}

// A code that was handed out leads to its affiliate for ever.
func ExampleStore_ChangeCode() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program := open(ctx, pool) // fature.New
	ana, err := program.Affiliates.Create(ctx, affiliate.Draft{Name: "Ana", Email: "ana@example.com", ReferralCode: "ANA"})
	if err != nil {
		log.Fatal(err)
	}

	ana, err = program.Affiliates.ChangeCode(ctx, ana.ID, "ANA2026")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("now", ana.ReferralCode)
	byOld, err := program.Affiliates.GetByCode(ctx, "ana")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the old one still leads to Ana:", byOld.ID == ana.ID)
	codes, err := program.Affiliates.Codes(ctx, ana.ID)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range codes {
		fmt.Println(c.Code, "retired:", c.RetiredAt != nil)
	}
	// Output:
	// now ANA2026
	// the old one still leads to Ana: true
	// ANA2026 retired: false
	// ANA retired: true
}

// A customer belongs to whoever brought them first.
func ExampleCustomers_Attribute() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program := open(ctx, pool) // fature.New
	people, err := program.Affiliates.CreateAll(ctx, []affiliate.Draft{
		{Name: "Ana", Email: "ana@example.com", ReferralCode: "ANA"},
		{Name: "Bia", Email: "bia@example.com", ReferralCode: "BIA"},
	})
	if err != nil {
		log.Fatal(err)
	}
	ana := people[0]

	for _, code := range []string{"ANA", "BIA"} { // two clicks of one customer
		owner, err := program.Customers.Attribute(ctx, affiliate.Attribution{CustomerID: "customer-7", Code: code})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(code, "→ Ana's:", *owner.AffiliateID == ana.ID)
	}
	_, err = program.Customers.Owner(ctx, "customer-8", time.Now())
	fmt.Println("nobody brought another:", errors.Is(err, affiliate.ErrCustomerNotFound))
	// Output:
	// ANA → Ana's: true
	// BIA → Ana's: true
	// nobody brought another: true
}
