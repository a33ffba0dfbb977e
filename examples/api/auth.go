package main

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
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
	ID     uuid.UUID        `json:"id"`
	Email  string           `json:"email"`
	Name   string           `json:"name"`
	Role   affiliate.Role   `json:"role"`
	Status affiliate.Status `json:"status"`
}

func (a *api) login(c *call) (reply, error) {
	in, err := bodyOf[struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	}](c)
	if err != nil {
		return reply{}, err
	}
	user, err := a.authenticate(c.Context(), in.Email, in.Password)
	if err != nil {
		return reply{}, err
	}
	token, ends := a.sessions.open(user.ID, a.now())
	return ok(struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
		User      userJSON  `json:"user"`
	}{token, ends.UTC().Truncate(time.Second), userJSON{user.ID, user.Email, user.Name, user.Role, user.Status}})
}

func (a *api) logout(c *call) (reply, error) {
	a.sessions.end(tokenOf(c.Request))
	return reply{http.StatusNoContent, nil}, nil
}
