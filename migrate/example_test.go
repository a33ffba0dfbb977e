package migrate_test

import (
	"context"
	"fmt"
	"log"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

func TestMain(m *testing.M) { testenv.Main(m, "^Example") }

// At deployment, with a direct connection of the role that owns the schema.
// Any number of servers may do so at once.
func ExampleUp() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig) // yours is pgx.Connect(ctx, url)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close(ctx)

	options := migrate.Options{Schema: "partners"} // beside whatever else the database holds
	if err := migrate.Up(ctx, conn, options); err != nil {
		log.Fatal(err)
	}
	state, err := migrate.Status(ctx, conn, options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("at the newest version:", state.Version == migrate.Latest(), state.Current())
	// Output:
	// at the newest version: true true
}

// A check of health, which changes nothing.
func ExampleStatus() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database, with the schema fature
	defer done()
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig) // yours is pgx.Connect(ctx, url)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close(ctx)

	for _, schema := range []string{"fature", "partners"} {
		state, err := migrate.Status(ctx, conn, migrate.Options{Schema: schema})
		if err != nil {
			log.Fatal(err)
		}
		switch {
		case state.Current():
			fmt.Println(schema, "is what this program was made for")
		case state.Version == 0:
			fmt.Println(schema, "is not there yet")
		default:
			fmt.Println(schema, "is at version", state.Version, "of", state.Latest)
		}
	}
	// Output:
	// fature is what this program was made for
	// partners is not there yet
}
