package session

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/affiliate"
)

// keeper is where sessions are kept.
type keeper interface {
	// add keeps a new session until it expires, and lets the oldest of its user
	// go where there are too many.
	add(ctx context.Context, token tokenHash, r record) error
	// get is ErrNotFound where there is none, or none that can be read.
	get(ctx context.Context, token tokenHash) (record, error)
	// touch keeps SeenAt, unless the session is gone.
	touch(ctx context.Context, token tokenHash, r record) error
	// list is all of a user, in any order, those of an older epoch too.
	list(ctx context.Context, user uuid.UUID) ([]record, error)
	remove(ctx context.Context, token tokenHash) error
	// revoke is ErrNotFound where the user has no such session.
	revoke(ctx context.Context, user, id uuid.UUID) error
}

// record is a session as it is kept: of its user the id and the epoch.
type record struct {
	Session
	epoch int64
}

// holds tells whether a session is still good for its user. The database's
// clock has a say also where Redis keeps it.
func (r record) holds(who affiliate.Credentials) bool {
	return r.epoch == who.Epoch && who.Status == affiliate.Active && who.Now.Before(r.ExpiresAt)
}

// version is that of written; what was written by another is no session.
const version = 1

// written is a record as Redis has it.
type written struct {
	Version   int        `json:"v"`
	ID        uuid.UUID  `json:"id"`
	User      uuid.UUID  `json:"user"`
	Epoch     int64      `json:"epoch"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	SeenAt    time.Time  `json:"seen_at"`
	Address   netip.Addr `json:"address"`
	UserAgent string     `json:"user_agent"`
}

func encode(r record) string {
	text, err := json.Marshal(written{
		version, r.ID, r.User.ID, r.epoch, r.CreatedAt.UTC(), r.ExpiresAt.UTC(), r.SeenAt.UTC(), r.Address, r.UserAgent,
	})
	if err != nil {
		panic("session: " + err.Error()) // times of four digits, and text
	}
	return string(text)
}

func decode(text string) (record, bool) {
	var w written
	if json.Unmarshal([]byte(text), &w) != nil || w.Version != version || w.ID == uuid.Nil || w.User == uuid.Nil {
		return record{}, false
	}
	return record{
		Session: Session{
			ID: w.ID, User: affiliate.User{ID: w.User}, CreatedAt: w.CreatedAt, ExpiresAt: w.ExpiresAt, SeenAt: w.SeenAt,
			Address: w.Address, UserAgent: w.UserAgent,
		},
		epoch: w.Epoch,
	}, true
}
