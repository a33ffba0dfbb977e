package commission

import (
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// What a host can act on.
var (
	ErrNotFound     = fault.New(fault.NotFound, "no such commission")
	ErrPlanNotFound = fault.New(fault.NotFound, "no such plan")
	// ErrPayoutNotFound is returned for a payout that is not there.
	ErrPayoutNotFound = fault.New(fault.NotFound, "no such payout")
	// ErrAffiliateInactive is returned for a payout whose affiliate is not active
	// any more: it is neither approved nor sent. It can be cancelled.
	ErrAffiliateInactive = fault.New(fault.Conflict, "the payout's affiliate is not active")
	// ErrAssigned is returned where a scope has another assignment from the
	// same moment on. Assignments are never changed: a later one follows.
	ErrAssigned = fault.New(fault.Conflict, "the scope has an assignment from that moment already")
)

var constraints = pg.Constraints{
	"plan_assignments_plan_id_fkey": ErrPlanNotFound,
	"plan_assignments_scope_key":    ErrAssigned,
}

func fail(op string, err error) error { return pg.Fail("commission: "+op, err, constraints) }
