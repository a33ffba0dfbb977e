package hierarchy

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// Move places an affiliate under another parent, with its whole downline, and
// updates its parent_id and the levels of all who moved. Under the parent it
// has already it does nothing.
//
// It fails with ErrNotFound, and as problems of the field parent_id with
// ErrParentNotFound, ErrCycle where the parent is the affiliate itself or in
// its downline, and DepthError where any who moved would be too deep; also with
// ErrIsolation.
//
// Three round trips, and two for a transaction or savepoint of its own. The
// server rewrites a row of the closure for each pair of one who moved and one
// above it, before and after: about 75,000 rows a second.
func (s *Store) Move(ctx context.Context, id, parent uuid.UUID) error {
	switch parent {
	case uuid.Nil:
		return fail("move", fault.Field("parent_id", "is empty; Detach makes a root"))
	case id:
		return fail("move", badParent(parent, ErrCycle))
	}
	return fail("move", s.relocate(ctx, id, uuid.NullUUID{UUID: parent, Valid: true}))
}

// Detach makes an affiliate the root of a tree of its own, with its whole
// downline. A root stays as it is.
//
// It fails with ErrNotFound and ErrIsolation, and costs what Move does.
func (s *Store) Detach(ctx context.Context, id uuid.UUID) error {
	return fail("detach", s.relocate(ctx, id, uuid.NullUUID{}))
}

func (s *Store) relocate(ctx context.Context, id uuid.UUID, parent uuid.NullUUID) error {
	trees := claim{of: []uuid.UUID{id}}
	if parent.Valid {
		trees.of = append(trees.of, parent.UUID)
	}
	return pg.InTx(ctx, s.db, func(tx pg.DB) error {
		var at []place
		_, err := trees.hold(ctx, tx, func(b *pgx.Batch) { pg.Queue(b, &at, selectPlace, id, parent) })
		if err != nil {
			return err
		}
		if at[0].Height == nil {
			return missing(id)
		}
		if at[0].ParentID == parent {
			_, err := tx.Exec(ctx, release)
			return err
		}
		if err := s.checkMove(at[0], parent); err != nil {
			return err
		}
		return rewrite(ctx, tx, id, parent, at[0].newLevel())
	})
}

// place is where an affiliate stands and where it is to go.
type place struct {
	ParentID    uuid.NullUUID
	Height      *int // levels below it; nil where it is in no tree
	TargetLevel *int // of the new parent; nil where there is none
	Below       bool // the new parent is in its downline
}

func (p place) newLevel() int {
	if p.TargetLevel == nil {
		return 0
	}
	return *p.TargetLevel + 1
}

func (s *Store) checkMove(p place, parent uuid.NullUUID) error {
	if !parent.Valid {
		return nil // a new root brings nobody deeper
	}
	deepest := p.newLevel() + *p.Height
	switch {
	case p.TargetLevel == nil:
		return badParent(parent.UUID, ErrParentNotFound)
	case p.Below:
		return badParent(parent.UUID, ErrCycle)
	case deepest > s.maxDepth:
		return badParent(parent.UUID, &DepthError{Depth: deepest, Max: s.maxDepth})
	}
	return nil
}

func rewrite(ctx context.Context, tx pg.DB, id uuid.UUID, parent uuid.NullUUID, level int) error {
	var b pgx.Batch
	b.Queue(release)
	b.Queue(deleteUpline, id)
	b.Queue(insertUpline, id, parent)
	b.Queue(lockAffiliates, id, level)
	b.Queue(updateParent, id, parent, level)
	b.Queue(updateLevels, id, level)
	return pg.Send(ctx, tx, &b)
}
