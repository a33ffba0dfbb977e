package hierarchy

import (
	"context"

	"github.com/google/uuid"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

// Branch is an affiliate in an outline, with what lies below it whether the
// outline shows that or not.
type Branch struct {
	ID       uuid.UUID
	ParentID uuid.NullUUID // in the outline; not valid for the one that was asked about
	Level    int           // steps below that one
	Children int           // directly under it
	Size     int           // of its whole downline
}

// Shape says how much of a downline an outline shows.
type Shape struct {
	Depth    int // levels down, at most 1,000; 0 is 3
	Children int // of each affiliate, at most 1,000; 0 is 5
	Branches int // altogether, at most 1,000; 0 is 100
}

const maxShape = page.MaxLimit

func (s Shape) normalize() (Shape, error) {
	var c fault.Check
	each := func(field string, value *int, otherwise int) {
		if *value == 0 {
			*value = otherwise
		}
		c.That(*value >= 1 && *value <= maxShape, field, "%d is not between 1 and %d", *value, maxShape)
	}
	each("depth", &s.Depth, 3)
	each("children", &s.Children, 5)
	each("branches", &s.Branches, 100)
	return s, c.Done()
}

// Outline is the top of a downline, for a picture of a tree of any size: the
// affiliate itself, then level by level those below it, of each the first
// children in the order of Children. What the shape leaves out is in the counts.
// ErrNotFound for an affiliate that is not in the tree, and problems of the
// fields of the shape. One round trip, which counts an index entry for each of
// the downlines of those that are shown.
func (s *Store) Outline(ctx context.Context, id uuid.UUID, shape Shape) ([]Branch, error) {
	shape, err := shape.normalize()
	if err != nil {
		return nil, fail("outline", err)
	}
	branches, err := pg.All[Branch](ctx, s.db, selectOutline, id, shape.Depth, shape.Children, shape.Branches)
	if err == nil && len(branches) == 0 {
		err = missing(id)
	}
	return branches, fail("outline", err)
}
