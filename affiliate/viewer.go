package affiliate

import (
	"context"

	"github.com/google/uuid"

	"github.com/fature/fature/internal/access"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// Viewer is who reads and writes through a store that As bound to it: an
// affiliate sees itself and its downline, a manager reads all, an admin writes
// all. What is hidden is not found, as if it were not there; fature.ErrForbidden
// is only for what the role never does. The zero Viewer sees nothing.
type Viewer = access.Viewer

// ErrUserInactive is returned for a user that may not come in: it is pending,
// suspended or closed.
var ErrUserInactive = fault.New(fault.Forbidden, "the user is not active")

// Viewer is a user as As takes it: its role and its affiliate as they are now,
// by one query. It asks for the trusted host, which knows by a session who the
// user is and can be told why it does not come in: ErrUserInactive, and
// ErrUserNotFound. An affiliate's own status hides nothing from it.
func (s *Users) Viewer(ctx context.Context, id uuid.UUID) (Viewer, error) {
	if err := pg.MayReadAll(s.db); err != nil {
		return Viewer{}, fail("viewer", err)
	}
	found, err := pg.One[struct {
		ID          uuid.UUID     `db:"id"`
		Role        Role          `db:"role"`
		Status      Status        `db:"status"`
		AffiliateID uuid.NullUUID `db:"affiliate_id"`
	}](ctx, s.db, selectViewer, id)
	switch {
	case err != nil:
		return Viewer{}, fail("viewer", missing(err, ErrUserNotFound))
	case found.Status != Active:
		return Viewer{}, fail("viewer", ErrUserInactive)
	}
	return Viewer{UserID: found.ID, Role: found.Role, AffiliateID: found.AffiliateID.UUID}, nil
}
