package board

import (
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// What a host can act on.
var (
	// ErrScoreTooLarge is returned where a score is beyond 2^53 hundredths: Redis
	// could not hold it exactly.
	ErrScoreTooLarge = fault.New(fault.Conflict, "a score is beyond 2^53 hundredths, the most that a board can hold exactly")
	// ErrNotFound is returned for an achievement that was not defined.
	ErrNotFound = fault.New(fault.NotFound, "no such achievement")
	// ErrCodeTaken is returned where an achievement of the same code has another
	// rule, name or points.
	ErrCodeTaken = fault.New(fault.Conflict, "the code is of another achievement")
)

var constraints = pg.Constraints{
	"achievements_code_key":                    ErrCodeTaken,
	"affiliate_achievements_affiliate_id_fkey": affiliate.ErrNotFound,
}

func fail(op string, err error) error { return pg.Fail("board: "+op, err, constraints) }
