// Package verify runs the invariants that the packages state as SQL.
package verify

import (
	"context"
	"fmt"

	"github.com/fature/fature/internal/pg"
)

// Check is an invariant: it holds where its query finds no row.
type Check struct {
	Name    string // short and unique, such as "H4"
	Meaning string // what holds, as a sentence
	SQL     string // the first column says which row is wrong
}

// Finding is a check that does not hold.
type Finding struct {
	Name    string
	Meaning string
	Count   int      // of the rows that the query found
	IDs     []string // the first of them
}

// firstIDs is how many of the wrong rows a finding names.
const firstIDs = 10

// Run makes the checks and returns those that do not hold; none is all well.
// Where others write meanwhile, db should be a REPEATABLE READ READ ONLY
// transaction, so that all checks see one state. One round trip a check.
func Run(ctx context.Context, db pg.DB, checks []Check) ([]Finding, error) {
	var found []Finding
	for _, c := range checks {
		f := Finding{Name: c.Name, Meaning: c.Meaning}
		err := db.QueryRow(ctx, fmt.Sprintf(counted, c.SQL, firstIDs)).Scan(&f.Count, &f.IDs)
		if err != nil {
			return nil, fmt.Errorf("verify: %s: %w", c.Name, err)
		}
		if f.Count > 0 {
			found = append(found, f)
		}
	}
	return found, nil
}

// counted names the first column of a check whatever its own name is.
const counted = `
	with found (id) as (%s)
	select (select count(*) from found),
		array(select distinct id::text from found where id is not null order by 1 limit %d)`
