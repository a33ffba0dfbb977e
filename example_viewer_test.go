package fature_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/testenv"
)

// What a request reads is what its user may see: no handler asks for it.
func ExampleProgram_As() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database; yours is pgxpool.New(ctx, url)
	defer done()
	program, err := fature.New(ctx, fature.Config{Pool: pool})
	if err != nil {
		log.Fatal(err)
	}
	people, err := program.Affiliates.CreateAll(ctx, []affiliate.Draft{
		{Name: "Ana", Email: "ana@example.com", ReferralCode: "ANA"},
		{Name: "Bia", Email: "bia@example.com", ReferralCode: "BIA", ReferredBy: "ANA"},
		{Name: "Caio", Email: "caio@example.com", ReferralCode: "CAIO", ReferredBy: "BIA"},
	})
	if err != nil {
		log.Fatal(err)
	}
	ana, bia, caio := people[0], people[1], people[2]

	// The user that a session belongs to, as it is now.
	viewer, err := program.Viewer(ctx, bia.UserID)
	if err != nil {
		log.Fatal(err)
	}
	seen := program.As(viewer)
	for one, err := range seen.Affiliates.All(ctx, affiliate.Filter{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("Bia sees", one.ReferralCode)
	}
	_, err = seen.Affiliates.Get(ctx, ana.ID)
	fmt.Println("Ana, who is above:", errors.Is(err, affiliate.ErrNotFound))
	_, err = seen.Commissions.Balance(ctx, caio.ID)
	fmt.Println("what Caio is paid:", errors.Is(err, affiliate.ErrNotFound))
	err = seen.Hierarchy.Detach(ctx, caio.ID)
	fmt.Println("moving Caio:", errors.Is(err, fature.ErrForbidden))

	// Output:
	// Bia sees CAIO
	// Bia sees BIA
	// Ana, who is above: true
	// what Caio is paid: true
	// moving Caio: true
}
