package hierarchy

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/pg"
)

// Each tree has an advisory lock, named after its root: exclusive to moves and
// detaches, shared by attaches. One more lock stands over all trees: everyone
// shares it, and who holds it exclusively needs no other. They last until the
// transaction ends.
//
// A root can change while one waits for its lock, so it is read again
// afterwards, in a statement of its own, which at READ COMMITTED sees what was
// committed meanwhile. If it changed, going back to a savepoint frees the lock
// of the wrong tree: keeping it would lock trees out of order, and deadlock.

// claim says which trees a change needs.
type claim struct {
	of     []uuid.UUID // affiliates in them; those that are nowhere are passed over
	shared bool        // with others that attach
	all    bool        // every tree there is, to itself
}

// maxTrees is how many locks one change takes before it takes the one over all
// trees: the server has room for a few thousand, for everybody.
const maxTrees = 64

// root is where an affiliate's tree begins.
type root struct {
	ID     uuid.UUID
	RootID uuid.UUID
	Lock   int64
}

// hold locks the claimed trees and returns the roots of the affiliates. What
// reads queues is read under the locks, in the same round trip as the roots;
// it may be queued more than once. Two round trips, and two more for each time
// that others moved the affiliates meanwhile. The caller must queue release
// before its first write.
func (c claim) hold(ctx context.Context, tx pg.DB, reads func(*pgx.Batch)) ([]root, error) {
	for begin := savepoint; ; begin = rollback {
		before, err := c.look(ctx, tx, begin)
		if err != nil {
			return nil, err
		}
		locks := locksOf(before)
		if len(locks) > maxTrees && !c.all {
			c.all = true
			continue
		}
		after, err := c.take(ctx, tx, locks, reads)
		if err != nil || slices.Equal(before, after) {
			return after, err
		}
	}
}

// look begins the savepoint and reads the roots.
func (c claim) look(ctx context.Context, tx pg.DB, begin string) (roots []root, err error) {
	var isolation string
	var b pgx.Batch
	b.Queue(begin)
	b.Queue(selectIsolation).QueryRow(func(row pgx.Row) error { return row.Scan(&isolation) })
	if c.all {
		b.Queue(lockAll)
	} else {
		b.Queue(shareAll)
	}
	pg.Queue(&b, &roots, selectRoots, c.of)
	if err := pg.Send(ctx, tx, &b); err != nil {
		return nil, err
	}
	if isolation != "read committed" && isolation != "read uncommitted" { // the two are one in PostgreSQL
		return nil, fmt.Errorf("%w, not %s", ErrIsolation, isolation)
	}
	return roots, nil
}

// take waits for the locks and reads the roots again.
func (c claim) take(ctx context.Context, tx pg.DB, locks []int64, reads func(*pgx.Batch)) (roots []root, err error) {
	var b pgx.Batch
	switch {
	case c.all || len(locks) == 0:
	case c.shared:
		b.Queue(shareTrees, locks)
	default:
		b.Queue(lockTrees, locks)
	}
	pg.Queue(&b, &roots, selectRoots, c.of)
	reads(&b)
	err = pg.Send(ctx, tx, &b)
	return roots, err
}

// locksOf is ascending, the order in which everyone takes them.
func locksOf(roots []root) []int64 {
	locks := make([]int64, len(roots))
	for i, r := range roots {
		locks[i] = r.Lock
	}
	slices.Sort(locks)
	return slices.Compact(locks)
}

// LockTrees keeps the trees of the affiliates for this transaction alone, as if
// each had been moved. A host that makes several moves in one transaction calls
// it once before the first of them, with all affiliates and parents that they
// name: the locks are then taken in one order, and two such hosts wait for each
// other instead of running into a deadlock. More than 64 trees are all trees.
//
// Repeating it does nothing. It fails with ErrNoTransaction on a Store that
// WithTx did not make, with ErrNotFound for an affiliate that is not in the
// tree, and with ErrIsolation. Five round trips.
func (s *Store) LockTrees(ctx context.Context, ids ...uuid.UUID) error {
	if !pg.Inside(s.db) {
		return fail("lock trees", ErrNoTransaction)
	}
	return fail("lock trees", pg.InTx(ctx, s.db, func(tx pg.DB) error {
		roots, err := claim{of: ids}.hold(ctx, tx, func(*pgx.Batch) {})
		if err != nil {
			return err
		}
		for _, id := range ids {
			if !slices.ContainsFunc(roots, func(r root) bool { return r.ID == id }) {
				return missing(id)
			}
		}
		_, err = tx.Exec(ctx, release)
		return err
	}))
}
