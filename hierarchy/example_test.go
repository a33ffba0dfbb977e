package hierarchy_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m, "^ExampleStore") }

// openFamily makes a programme with five affiliates, and tells their ids by
// name and their names by id:
//
//	Ana ─┬─ Bia ─┬─ Davi
//	     │       └─ Enzo
//	     └─ Caio
func openFamily(ctx context.Context, pool *pgxpool.Pool) (tree *hierarchy.Store, ids map[string]uuid.UUID, names map[uuid.UUID]string) {
	program, err := fature.New(ctx, fature.Config{Pool: pool})
	if err != nil {
		log.Fatal(err)
	}
	family := []affiliate.Draft{
		{Name: "Ana", Email: "ana@example.com", ReferralCode: "ANA"},
		{Name: "Bia", Email: "bia@example.com", ReferralCode: "BIA", ReferredBy: "ANA"},
		{Name: "Caio", Email: "caio@example.com", ReferralCode: "CAIO", ReferredBy: "ANA"},
		{Name: "Davi", Email: "davi@example.com", ReferralCode: "DAVI", ReferredBy: "BIA"},
		{Name: "Enzo", Email: "enzo@example.com", ReferralCode: "ENZO", ReferredBy: "BIA"},
	}
	people, err := program.Affiliates.CreateAll(ctx, family)
	if err != nil {
		log.Fatal(err)
	}
	ids, names = map[string]uuid.UUID{}, map[uuid.UUID]string{}
	for i, a := range people {
		ids[family[i].Name], names[a.ID] = a.ID, family[i].Name
	}
	return program.Hierarchy, ids, names
}

// A page at a time, nearest first, for a screen.
func ExampleStore_Downline() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	tree, ids, names := openFamily(ctx, pool) // Ana over Bia and Caio, Bia over Davi and Enzo

	filter := hierarchy.Filter{Limit: 3}
	for {
		page, err := tree.Downline(ctx, ids["Ana"], filter)
		if err != nil {
			log.Fatal(err)
		}
		for _, r := range page.Items {
			fmt.Println("level", r.Level, names[r.ID])
		}
		if page.Next == "" {
			break
		}
		fmt.Println("and on the next page")
		filter.After = page.Next
	}
	// Output:
	// level 1 Bia
	// level 1 Caio
	// level 2 Davi
	// and on the next page
	// level 2 Enzo
}

// How two affiliates are related.
func ExampleStore_Path() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	tree, ids, names := openFamily(ctx, pool) // Ana over Bia and Caio, Bia over Davi and Enzo

	path, err := tree.Path(ctx, ids["Enzo"], ids["Caio"])
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range path {
		fmt.Println(names[id])
	}
	// Output:
	// Enzo
	// Bia
	// Ana
	// Caio
}

// An affiliate may be the common ancestor itself.
func ExampleStore_CommonAncestor() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	tree, ids, names := openFamily(ctx, pool) // Ana over Bia and Caio, Bia over Davi and Enzo

	for _, pair := range [][2]string{{"Davi", "Enzo"}, {"Davi", "Caio"}, {"Davi", "Bia"}} {
		id, err := tree.CommonAncestor(ctx, ids[pair[0]], ids[pair[1]])
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(pair[0], "and", pair[1], "are both", names[id]+"'s")
	}
	// Output:
	// Davi and Enzo are both Bia's
	// Davi and Caio are both Ana's
	// Davi and Bia are both Bia's
}

// A move takes the downline along. Under somebody of that downline it is
// refused, and nothing has changed.
func ExampleStore_Move() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	tree, ids, names := openFamily(ctx, pool) // Ana over Bia and Caio, Bia over Davi and Enzo

	switch err := tree.Move(ctx, ids["Ana"], ids["Enzo"]); {
	case errors.Is(err, hierarchy.ErrCycle):
		fmt.Println("Ana cannot stand under her own downline")
	case err != nil:
		log.Fatal(err)
	}

	if err := tree.Move(ctx, ids["Bia"], ids["Caio"]); err != nil {
		log.Fatal(err)
	}
	upline, err := tree.Upline(ctx, ids["Enzo"])
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range upline {
		fmt.Println("level", r.Level, "above Enzo:", names[r.ID])
	}
	// Output:
	// Ana cannot stand under her own downline
	// level 1 above Enzo: Bia
	// level 2 above Enzo: Caio
	// level 3 above Enzo: Ana
}
