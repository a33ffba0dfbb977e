package main

import (
	"github.com/google/uuid"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
)

// me is who asks, and the affiliate that it is, if it is one.
func (a *api) me(c *call) (reply, error) {
	user, err := c.program.Users.Get(c.Context(), c.who.UserID)
	if err != nil {
		return reply{}, err
	}
	body := struct {
		User      userJSON       `json:"user"`
		Affiliate *affiliateJSON `json:"affiliate"`
	}{User: userReply(user)}
	if c.who.AffiliateID != uuid.Nil {
		one, err := c.program.Affiliates.Get(c.Context(), c.who.AffiliateID)
		if err != nil {
			return reply{}, err
		}
		own, err := a.affiliateReply(c, one)
		if err != nil {
			return reply{}, err
		}
		body.Affiliate = &own
	}
	return ok(body)
}

func (a *api) createUser(c *call) (reply, error) {
	in, err := bodyOf[struct {
		Email    string           `json:"email"`
		Name     string           `json:"name"`
		Password string           `json:"password"`
		Role     affiliate.Role   `json:"role"`
		Status   affiliate.Status `json:"status"`
	}](c)
	if err != nil {
		return reply{}, err
	}
	var user affiliate.User
	err = a.withPassword(c, in.Password, func(program *fature.Program) (_ uuid.UUID, err error) {
		user, err = program.Users.Create(c.Context(), affiliate.UserDraft{Email: in.Email, Name: in.Name, Role: in.Role, Status: in.Status})
		return user.ID, err
	})
	if err != nil {
		return reply{}, err
	}
	return created(userReply(user))
}

// withPassword makes or changes a user together with its password; an empty one
// is none. It hashes before the transaction, which would wait for it.
func (a *api) withPassword(c *call, password string, do func(*fature.Program) (uuid.UUID, error)) error {
	hash := ""
	if password != "" {
		var err error
		if hash, err = a.program.Sessions.Hash(c.Context(), password); err != nil {
			return err
		}
	}
	return a.inTx(c.Context(), c.program, func(program *fature.Program) error {
		id, err := do(program)
		if err != nil || hash == "" {
			return err
		}
		return program.Users.SetPassword(c.Context(), id, hash)
	})
}

func (a *api) listUsers(c *call) (reply, error) {
	q := queryOf(c)
	f := affiliate.UserFilter{Status: affiliate.Status(q.text("status")), Role: affiliate.Role(q.text("role"))}
	f.Limit, f.After = q.page()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	list, err := c.program.Users.List(c.Context(), f)
	if err != nil {
		return reply{}, err
	}
	return ok(pageOf(list, userReply))
}

// user is the one of the path.
func (a *api) user(c *call) (affiliate.User, error) {
	id, err := c.id()
	if err != nil {
		return affiliate.User{}, err
	}
	return c.program.Users.Get(c.Context(), id)
}

func (a *api) getUser(c *call) (reply, error) {
	user, err := a.user(c)
	if err != nil {
		return reply{}, err
	}
	return ok(userReply(user))
}

// changeUser changes what the body has. Another password ends the user's
// sessions.
func (a *api) changeUser(c *call) (reply, error) {
	user, err := a.user(c)
	if err != nil {
		return reply{}, err
	}
	in, err := bodyOf[struct {
		Email    *string           `json:"email"`
		Name     *string           `json:"name"`
		Password *string           `json:"password"`
		Role     *affiliate.Role   `json:"role"`
		Status   *affiliate.Status `json:"status"`
	}](c)
	if err != nil {
		return reply{}, err
	}
	var check fault.Check
	change := affiliate.UserChange{
		Email: changed(&check, "email", in.Email), Name: changed(&check, "name", in.Name),
		Role: changed(&check, "role", in.Role), Status: changed(&check, "status", in.Status),
	}
	password := changed(&check, "password", in.Password)
	if err := check.Done(); err != nil {
		return reply{}, err
	}
	err = a.withPassword(c, password, func(program *fature.Program) (_ uuid.UUID, err error) {
		if change != (affiliate.UserChange{}) {
			user, err = program.Users.Update(c.Context(), user.ID, change)
		}
		return user.ID, err
	})
	if err != nil {
		return reply{}, err
	}
	return ok(userReply(user))
}

// changed is what a field of a PATCH is to become: empty where it stays as it is.
func changed[T ~string](c *fault.Check, field string, given *T) T {
	if given == nil {
		return ""
	}
	c.That(*given != "", field, "is empty; leave it out to keep it")
	return *given
}
