package hierarchy

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// What a caller can act on. Those about a parent come as a problem of the
// field parent_id.
var (
	ErrNotFound       = fault.New(fault.NotFound, "no such affiliate in the tree")
	ErrApart          = fault.New(fault.NotFound, "the two affiliates are in different trees")
	ErrParentNotFound = fault.New(fault.Invalid, "no such parent in the tree")
	ErrCycle          = fault.New(fault.Invalid, "an affiliate cannot stand under itself or its own downline")
	ErrAttached       = fault.New(fault.Conflict, "the affiliate is in the tree already")
	ErrIsolation      = fault.New(fault.Conflict, "the tree can only be changed at READ COMMITTED")
	ErrNoTransaction  = fault.New(fault.Invalid, "locks need a transaction to live in: use WithTx")
)

// DepthError refuses a place that is too deep. It is of the kind Invalid.
type DepthError struct {
	Depth int // the deepest level there would have been
	Max   int
}

// Error names the two levels.
func (e *DepthError) Error() string {
	return fmt.Sprintf("level %d would be deeper than %d", e.Depth, e.Max)
}

// Unwrap makes it an error of the kind Invalid.
func (e *DepthError) Unwrap() error { return fault.Invalid }

var constraints = pg.Constraints{
	"affiliate_hierarchy_pkey":       ErrAttached,
	"idx_affiliate_hierarchy_upline": ErrAttached,
	"affiliates_parent_id_fkey":      ErrParentNotFound,
}

func fail(op string, err error) error { return pg.Fail("hierarchy: "+op, err, constraints) }

func missing(id uuid.UUID) error { return fmt.Errorf("%w: %s", ErrNotFound, id) }

// badParent is a problem of the field parent_id that errors.Is finds as cause.
func badParent(parent uuid.UUID, cause error) error {
	return &fault.InvalidError{Field: "parent_id", Problem: fmt.Sprintf("%s: %v", parent, cause), Cause: cause}
}
