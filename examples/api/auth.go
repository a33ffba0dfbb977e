package main

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/session"
)

func (a *api) live(*call) (reply, error) { return ok(map[string]string{"status": "live"}) }

// ready is whether PostgreSQL answers.
func (a *api) ready(c *call) (reply, error) {
	ctx, cancel := context.WithTimeout(c.Context(), 2*time.Second)
	defer cancel()
	if a.pool.Ping(ctx) != nil {
		return reply{}, fature.ErrUnavailable
	}
	return ok(map[string]string{"status": "ready"})
}

type userJSON struct {
	ID        uuid.UUID        `json:"id"`
	Email     string           `json:"email,omitempty"` // not of another to an affiliate
	Name      string           `json:"name"`
	Role      affiliate.Role   `json:"role"`
	Status    affiliate.Status `json:"status"`
	CreatedAt time.Time        `json:"created_at"`
}

func userReply(u affiliate.User) userJSON {
	return userJSON{u.ID, u.Email, u.Name, u.Role, u.Status, u.CreatedAt.UTC()}
}

func (a *api) login(c *call) (reply, error) {
	in, err := bodyOf[struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	}](c)
	if err != nil {
		return reply{}, err
	}
	from, _ := netip.ParseAddrPort(c.RemoteAddr) // without one it is not limited by it
	begun, token, err := a.program.Sessions.Login(c.Context(), session.Attempt{
		Email: in.Email, Password: in.Password, Address: from.Addr(), UserAgent: c.UserAgent(),
	})
	if err != nil {
		return reply{}, err
	}
	return ok(struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
		User      userJSON  `json:"user"`
	}{token, begun.ExpiresAt.UTC().Truncate(time.Second), userReply(begun.User)})
}

func (a *api) logout(c *call) (reply, error) {
	return reply{status: http.StatusNoContent}, a.program.Sessions.Logout(c.Context(), tokenOf(c.Request))
}

type sessionJSON struct {
	ID        uuid.UUID `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	SeenAt    time.Time `json:"seen_at"`
	Address   string    `json:"address,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
	Current   bool      `json:"current"`
}

// listSessions lists those of the caller, all on one page.
func (a *api) listSessions(c *call) (reply, error) {
	if err := queryOf(c).done(); err != nil {
		return reply{}, err
	}
	list, err := a.program.Sessions.List(c.Context(), c.who.UserID)
	if err != nil {
		return reply{}, err
	}
	items := written(list, func(s session.Session) sessionJSON {
		one := sessionJSON{
			ID: s.ID, CreatedAt: s.CreatedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(), SeenAt: s.SeenAt.UTC(),
			UserAgent: s.UserAgent, Current: s.ID == c.session,
		}
		if s.Address.IsValid() {
			one.Address = s.Address.String()
		}
		return one
	})
	return ok(pageJSON[sessionJSON]{items, nil})
}

// endSession ends one of the caller's.
func (a *api) endSession(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, a.program.Sessions.Revoke(c.Context(), c.who.UserID, id)
}

// tokenOf is the bearer token of a request, or empty.
func tokenOf(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
