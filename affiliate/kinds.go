package affiliate

import (
	"github.com/fature/fature/internal/access"
	"github.com/fature/fature/internal/fault"
)

// Status is where a user or an affiliate stands.
type Status string

// The states. Only an active affiliate earns.
const (
	Pending   Status = "pending"
	Active    Status = "active"
	Suspended Status = "suspended"
	Closed    Status = "closed"
)

// Valid tells whether s is one of the states.
func (s Status) Valid() bool {
	switch s {
	case Pending, Active, Suspended, Closed:
		return true
	}
	return false
}

// Category is the class of an affiliate; plans pay by it.
type Category string

// The categories.
const (
	Standard Category = "standard"
	Premium  Category = "premium"
	VIP      Category = "vip"
)

// Valid tells whether c is one of the categories.
func (c Category) Valid() bool {
	switch c {
	case Standard, Premium, VIP:
		return true
	}
	return false
}

// CodeKind is what a referral code is handed out as.
type CodeKind string

// The kinds of referral codes.
const (
	Link   CodeKind = "link"   // the one code of an affiliate that its links carry
	Coupon CodeKind = "coupon" // any number of them, for customers to give
)

// Role is what a user may do.
type Role = access.Role

// The roles. An affiliate reads itself and its downline, a manager reads all,
// and an admin writes all.
const (
	RoleAffiliate = access.RoleAffiliate
	RoleManager   = access.RoleManager
	RoleAdmin     = access.RoleAdmin
)

// In filters and changes an empty value is none.

func checkStatus(c *fault.Check, s Status) {
	c.That(s == "" || s.Valid(), "status", "%.40q is not a status", string(s))
}

func checkCategory(c *fault.Check, category Category) {
	c.That(category == "" || category.Valid(), "category", "%.40q is not a category", string(category))
}

func checkRole(c *fault.Check, r Role) {
	c.That(r == "" || r.Valid(), "role", "%.40q is not a role", string(r))
}
