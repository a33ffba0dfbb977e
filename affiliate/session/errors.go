package session

import (
	"context"
	"fmt"
	"time"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// What a host can act on. Each is of a kind: fature.ErrNotFound and so on.
var (
	// ErrNotFound is a token of no session that holds, or a session of another
	// user.
	ErrNotFound = fault.New(fault.NotFound, "no such session")
	// ErrBadLogin does not say what was wrong: no such user, not this password,
	// not active.
	ErrBadLogin = fault.New(fault.Forbidden, "the e-mail address or the password is wrong")
)

var errRedis = fault.New(fault.Unavailable, "Redis does not answer")

// TooManyError refuses an attempt to log in before the password was looked at.
// It is of the kind Unavailable.
type TooManyError struct {
	RetryAfter time.Duration // at most a minute
}

// Error tells when to come again.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("too many attempts to log in: try again in %s", e.RetryAfter)
}

// Unwrap makes the error one of the kind Unavailable.
func (e *TooManyError) Unwrap() error { return fault.Unavailable }

// away is what Redis failed with: the caller's own end, or that it is away.
func away(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", errRedis, err)
}

func fail(op string, err error) error { return pg.Fail("session: "+op, err, nil) }
