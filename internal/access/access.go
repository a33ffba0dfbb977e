// Package access says who may read and write what: the roles, and who asks.
// Package pg holds every statement of a bound store to it.
package access

import (
	"github.com/google/uuid"

	"github.com/fature/fature/internal/fault"
)

// Role is what a user may do.
type Role string

// The roles. An affiliate reads itself and its downline, a manager reads all,
// and an admin writes all.
const (
	RoleAffiliate Role = "affiliate"
	RoleManager   Role = "manager"
	RoleAdmin     Role = "admin"
)

// Valid tells whether r is one of the roles.
func (r Role) Valid() bool {
	switch r {
	case RoleAffiliate, RoleManager, RoleAdmin:
		return true
	}
	return false
}

// ErrRole is returned to a viewer for what its role never does, whatever there
// is. What it only may not see is not found.
var ErrRole = fault.New(fault.Forbidden, "the viewer's role never does this")

// Viewer is who reads and writes through a store that As bound to it. The zero
// Viewer sees nothing.
type Viewer struct {
	UserID      uuid.UUID
	Role        Role
	AffiliateID uuid.UUID // zero where the user is none
}

// ReadsAll tells whether nothing is hidden from the viewer: a manager or an
// admin.
func (v Viewer) ReadsAll() bool { return v.Role == RoleManager || v.Role == RoleAdmin }

// Writes tells whether the viewer may change things: an admin.
func (v Viewer) Writes() bool { return v.Role == RoleAdmin }
