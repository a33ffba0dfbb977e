package affiliate

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// maxHash is more than any scheme of password hashes writes.
const maxHash = 512

func checkHash(hash string) error {
	var c fault.Check
	c.That(hash == "" || strings.HasPrefix(hash, "$"), "password_hash", "is not a hash that begins with $ and its scheme")
	c.That(len(hash) <= maxHash && clean(hash), "password_hash", "is longer than %d bytes, or not clean text", maxHash)
	return c.Done()
}

// SetPassword keeps the hash of a user's password, as bcrypt or argon2 write
// it; an empty one takes the password away. The password itself is no business
// of the database: package session hashes it. Another hash ends every session
// of the user, in the same transaction. Errors: InvalidError, which does not
// repeat what it was given, and ErrUserNotFound.
func (s *Users) SetPassword(ctx context.Context, id uuid.UUID, hash string) error {
	if err := checkHash(hash); err != nil {
		return fail("set password", err)
	}
	return fail("set password", s.change(ctx, updatePassword, id, none(hash)))
}

// Rehash puts a new hash of the same password in the place of an old one, and
// leaves the sessions alone. Where the password is another by now it does
// nothing.
func (s *Users) Rehash(ctx context.Context, id uuid.UUID, old, hash string) error {
	if err := checkHash(hash); err != nil {
		return fail("rehash", err)
	}
	return fail("rehash", pg.InTx(ctx, s.db, func(tx pg.DB) error {
		var b pgx.Batch
		b.Queue(beginRehash, id.String())
		b.Queue(rehash, id, old, hash)
		b.Queue(endRehash)
		return pg.Send(ctx, tx, &b)
	}))
}

// EndSessions ends every session of a user, wherever they are kept, with the
// transaction that it is in. Errors: ErrUserNotFound.
func (s *Users) EndSessions(ctx context.Context, id uuid.UUID) error {
	return fail("end sessions", s.change(ctx, endSessions, id))
}

// change is one update of one user.
func (s *Users) change(ctx context.Context, sql string, args ...any) error {
	return pg.InTx(ctx, s.db, func(tx pg.DB) error {
		tag, err := tx.Exec(ctx, sql, args...)
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrUserNotFound
		}
		return err
	})
}

// Credentials are what a login and a session are checked against. No other call
// returns a hash.
type Credentials struct {
	User
	AffiliateID  uuid.NullUUID `db:"affiliate_id"`
	PasswordHash string        `db:"password_hash"` // empty where there is none
	// Epoch counts what ended the user's sessions: another password, a status
	// that is no longer Active, EndSessions. One of an older epoch is over.
	Epoch int64     `db:"session_epoch"`
	Now   time.Time `db:"now"` // by the database's clock
}

// Viewer is the user as As takes it. Whether it may come in is for who holds the
// credentials to tell.
func (c Credentials) Viewer() Viewer {
	return Viewer{UserID: c.ID, Role: c.Role, AffiliateID: c.AffiliateID.UUID}
}

// Credentials reads those of a user, or ErrUserNotFound.
func (s *Users) Credentials(ctx context.Context, id uuid.UUID) (Credentials, error) {
	if err := pg.MayWrite(s.db); err != nil {
		return Credentials{}, fail("credentials", err)
	}
	c, err := pg.One[Credentials](ctx, s.db, selectCredentials, id)
	return c, fail("credentials", missing(err, ErrUserNotFound))
}

// CredentialsByEmail is Credentials by the address in any case.
func (s *Users) CredentialsByEmail(ctx context.Context, email string) (Credentials, error) {
	canonical, err := CanonicalEmail(email)
	if err != nil {
		return Credentials{}, fail("credentials by email", fault.In("email", err))
	}
	if err := pg.MayWrite(s.db); err != nil {
		return Credentials{}, fail("credentials by email", err)
	}
	c, err := pg.One[Credentials](ctx, s.db, selectCredentialsByEmail, canonical)
	return c, fail("credentials by email", missing(err, ErrUserNotFound))
}
