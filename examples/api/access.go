package main

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/session"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/hierarchy"
)

// access is the roles that a route is for.
type access []affiliate.Role

// Who a route is for. A manager reads all, an admin does all; an affiliate sees
// itself and its downline, which see holds.
var (
	public   access
	everyone = access{affiliate.RoleAdmin, affiliate.RoleManager, affiliate.RoleAffiliate}
	staff    = access{affiliate.RoleAdmin, affiliate.RoleManager}
	admins   = access{affiliate.RoleAdmin}
)

// caller is who asks; the zero caller is nobody.
type caller struct {
	user      affiliate.User
	session   uuid.UUID
	affiliate uuid.UUID // zero where the user is none
}

// readsAll tells whether nothing is hidden from the caller.
func (who caller) readsAll() bool { return slices.Contains(staff, who.user.Role) }

// identify finds who a token belongs to, as the user is now: who is suspended
// is out at once.
func (a *api) identify(c *call) (caller, error) {
	in, err := a.program.Sessions.Get(c.Context(), tokenOf(c.Request))
	switch {
	case errors.Is(err, session.ErrNotFound):
		return caller{}, errNoToken
	case err != nil:
		return caller{}, err
	}
	who := caller{user: in.User, session: in.ID}
	if who.user.Role != affiliate.RoleAffiliate {
		return who, nil
	}
	own, err := a.program.Affiliates.GetByUser(c.Context(), who.user.ID)
	if err != nil && !errors.Is(err, affiliate.ErrNotFound) {
		return caller{}, err
	}
	who.affiliate = own.ID
	return who, nil
}

// admit lets a caller through to a route of its role.
func (a *api) admit(c *call, to access) (err error) {
	if to == nil {
		return nil
	}
	if c.who, err = a.identify(c); err != nil {
		return err
	}
	if !slices.Contains(to, c.who.user.Role) {
		return errNotYourVerb
	}
	return nil
}

// see is nil where the caller may see an affiliate, and else as if it were not
// there.
func (a *api) see(ctx context.Context, who caller, id uuid.UUID) error {
	seen, err := a.seen(ctx, who, []uuid.UUID{id})
	if err == nil && !seen(id) {
		err = fature.ErrNotFound
	}
	return err
}

// seeOwn is see for what an affiliate is paid, which is nobody's business
// but its own.
func seeOwn(who caller, id uuid.UUID) error {
	if who.readsAll() || who.affiliate != uuid.Nil && id == who.affiliate {
		return nil
	}
	return fature.ErrNotFound
}

// seen tells which of some affiliates the caller may see.
func (a *api) seen(ctx context.Context, who caller, ids []uuid.UUID) (func(uuid.UUID) bool, error) {
	if who.readsAll() {
		return func(uuid.UUID) bool { return true }, nil
	}
	if who.affiliate == uuid.Nil {
		return func(uuid.UUID) bool { return false }, nil
	}
	above, err := a.program.Hierarchy.Uplines(ctx, ids)
	own := func(r hierarchy.Relative) bool { return r.ID == who.affiliate }
	return func(id uuid.UUID) bool { return id == who.affiliate || slices.ContainsFunc(above[id], own) }, err
}

// seenLines are the lines of affiliates that the caller may see: what its
// upline earns is not its business.
func (a *api) seenLines(ctx context.Context, who caller, lines []commission.Commission) ([]commission.Commission, error) {
	ids := make([]uuid.UUID, len(lines))
	for i, l := range lines {
		ids[i] = l.AffiliateID
	}
	seen, err := a.seen(ctx, who, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(lines, func(l commission.Commission) bool { return !seen(l.AffiliateID) }), nil
}
