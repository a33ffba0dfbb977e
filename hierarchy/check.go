package hierarchy

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/verify"
)

// Checks are the invariants of the tree, in time linear in the closure.
func Checks() []verify.Check {
	return []verify.Check{
		{Name: "H1s", Meaning: "an affiliate's upline is its parent, and the parent's upline one level further", SQL: checkUplines},
		{Name: "H2r", Meaning: "every affiliate stands under a root: parent_id makes no cycle", SQL: checkRoots},
		{Name: "H3", Meaning: "every affiliate is at distance 0 from itself, and from nobody else", SQL: checkSelf},
		{Name: "H4", Meaning: "an affiliate's level is the number of those above it, one at each distance", SQL: checkLevels},
		{Name: "H5", Meaning: "the closure knows no affiliate that does not exist", SQL: checkStrangers},
		{Name: "H6", Meaning: "the last row of the history is what the affiliate is today", SQL: checkHistory},
	}
}

// Repair is what Rebuild found to be wrong; all zero is a tree that was right.
type Repair struct {
	Removed int // rows of the closure that were wrong
	Added   int // rows of the closure that were missing
	Levels  int // affiliates with a wrong level
}

// Rebuild makes the closure and the levels anew from parent_id, and tells how
// much was wrong. A second call finds nothing. Where parent_id makes a cycle it
// changes nothing and fails with ErrCycle, naming affiliates that are in it or
// below it.
//
// It waits for all changes of the tree and holds them up until it is done,
// which takes about 20 seconds for each million rows of the closure. Also
// ErrIsolation.
func (s *Store) Rebuild(ctx context.Context) (Repair, error) {
	var r Repair
	err := pg.InTx(ctx, s.db, func(tx pg.DB) error {
		var lost []string
		_, err := claim{all: true}.hold(ctx, tx, func(b *pgx.Batch) { pg.QueueColumn(b, &lost, selectLost) })
		if err != nil {
			return err
		}
		if len(lost) > 0 {
			return fmt.Errorf("%w: no root above %s", ErrCycle, strings.Join(lost, ", "))
		}
		var b pgx.Batch
		b.Queue(release)
		count(&b, &r.Removed, deleteWrong)
		count(&b, &r.Added, insertMissing)
		count(&b, &r.Levels, updateWrongLevels)
		return pg.Send(ctx, tx, &b)
	})
	if err != nil {
		return Repair{}, fail("rebuild", err)
	}
	return r, nil
}

func count(b *pgx.Batch, rows *int, sql string) {
	b.Queue(sql).Exec(func(tag pgconn.CommandTag) error {
		*rows = int(tag.RowsAffected())
		return nil
	})
}
