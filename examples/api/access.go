package main

import (
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/session"
)

// access is the roles that a route is for.
type access []affiliate.Role

// Who a route is for. What of it a role sees is the library's to say: a call's
// programme is bound to its caller.
var (
	public   access
	everyone = access{affiliate.RoleAdmin, affiliate.RoleManager, affiliate.RoleAffiliate}
	staff    = access{affiliate.RoleAdmin, affiliate.RoleManager}
	admins   = access{affiliate.RoleAdmin}
)

// identify finds who a token belongs to, as the user is now, or was within
// session.Options.Trust: who is suspended, or has another password, is out then.
func (a *api) identify(c *call) (affiliate.Viewer, error) {
	in, err := a.program.Sessions.Get(c.Context(), tokenOf(c.Request))
	if errors.Is(err, session.ErrNotFound) {
		err = errNoToken
	}
	c.session = in.ID
	return in.Viewer, err
}

// admit lets a caller through to a route of its role, bound to what it sees. A
// public route is nobody's, and has no programme.
func (a *api) admit(c *call, to access) (err error) {
	if to == nil {
		return nil
	}
	if c.who, err = a.identify(c); err != nil {
		return err
	}
	if !slices.Contains(to, c.who.Role) {
		return errNotYourVerb
	}
	c.program = a.program.As(c.who)
	return nil
}

// whose is the affiliate whose things a list is asked for: an affiliate that
// asks for nobody's gets its own.
func (c *call) whose(id uuid.UUID) uuid.UUID {
	if id == uuid.Nil && !c.who.ReadsAll() {
		return c.who.AffiliateID
	}
	return id
}
