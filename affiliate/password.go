package affiliate

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// maxHash is more than any scheme of password hashes writes.
const maxHash = 512

// SetPassword keeps the hash of a user's password, as bcrypt or argon2 write
// it; an empty one takes the password away. The password itself is no business
// of the database. Errors: InvalidError, which does not repeat what it was
// given, and ErrUserNotFound.
func (s *Users) SetPassword(ctx context.Context, id uuid.UUID, hash string) error {
	var c fault.Check
	c.That(hash == "" || strings.HasPrefix(hash, "$"), "password_hash", "is not a hash that begins with $ and its scheme")
	c.That(len(hash) <= maxHash && clean(hash), "password_hash", "is longer than %d bytes, or not clean text", maxHash)
	if err := c.Done(); err != nil {
		return fail("set password", err)
	}
	return fail("set password", pg.InTx(ctx, s.db, func(tx pg.DB) error {
		tag, err := tx.Exec(ctx, updatePassword, id, none(hash))
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrUserNotFound
		}
		return err
	}))
}

// PasswordHash reads what SetPassword kept, empty where there is none, or
// ErrUserNotFound. It is for comparing at login, and for nothing else: no other
// call returns it.
func (s *Users) PasswordHash(ctx context.Context, id uuid.UUID) (string, error) {
	var hash string
	if err := pg.MayWrite(s.db); err != nil {
		return "", fail("password hash", err)
	}
	err := s.db.QueryRow(ctx, selectPassword, id).Scan(&hash)
	return hash, fail("password hash", missing(err, ErrUserNotFound))
}
