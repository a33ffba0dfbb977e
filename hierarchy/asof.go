package hierarchy

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/pg"
)

// Version is what an affiliate was at some time.
type Version struct {
	ParentID uuid.UUID // uuid.Nil at a root, and to a viewer who does not see it today
	Standing
	Since time.Time // of the change that made it so
}

// AsOf is what an affiliate was at a time. A change counts from when it was
// made, by the database's clock, which is a little before it was committed.
// ErrNotFound for an affiliate that was not there yet. One round trip.
func (s *Store) AsOf(ctx context.Context, id uuid.UUID, at time.Time) (Version, error) {
	version := selectAsOf
	if pg.Narrow(s.db) {
		version = selectSeenAsOf
	}
	v, err := pg.One[Version](ctx, s.db, version, id, at)
	if errors.Is(err, pgx.ErrNoRows) {
		err = missing(id)
	}
	return v, fail("as of", err)
}

// UplineAsOf is who stood above an affiliate at a time, nearest first: Upline as
// it was, by the times of AsOf. ErrNotFound for an affiliate that was not there
// yet. One round trip: a probe of an index for each level, and all changes of
// those above are read. To a viewer it ends before the first that it does not
// see today.
func (s *Store) UplineAsOf(ctx context.Context, id uuid.UUID, at time.Time) ([]Relative, error) {
	type step struct{ ID, ParentID uuid.UUID }
	steps, err := pg.All[step](ctx, s.db, selectUplineAsOf, id, at)
	if err == nil && len(steps) == 0 {
		err = missing(id)
	}
	if err != nil {
		return nil, fail("upline as of", err)
	}
	parents := make(map[uuid.UUID]uuid.UUID, len(steps))
	for _, s := range steps {
		parents[s.ID] = s.ParentID
	}
	up := []Relative{}
	for at := id; ; {
		above := parents[at]
		delete(parents, at) // a clock that was put back can make a cycle of the past
		if _, there := parents[above]; !there {
			return up, nil
		}
		up = append(up, Relative{ID: above, Level: len(up) + 1})
		at = above
	}
}
