package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

const (
	// life is how long a token is good for, from its login on.
	life = 24 * time.Hour
	// seenEvery is how exact SeenAt is.
	seenEvery = 5 * time.Minute
	// budget is how long Redis has to answer: there is nothing else to ask.
	budget = 500 * time.Millisecond
	// mostSessions is how many a user has; the oldest gives way.
	mostSessions = 100
)

// Session is a user who is logged in. It does not hold the token.
type Session struct {
	ID        uuid.UUID // for lists and Revoke; it lets nobody in
	User      affiliate.User
	Viewer    affiliate.Viewer // the user as fature.Program.As takes it
	CreatedAt time.Time        // all times by the database's clock
	ExpiresAt time.Time        // 24 h later
	SeenAt    time.Time        // when it was last used, to within 5 min
	Address   netip.Addr       // of the login; zero where it is not known
	UserAgent string           // of the login, at most 256 bytes
}

// Options say how users are let in; the zero value is right for most hosts.
type Options struct {
	// Cost is bcrypt's, from 10 to 14. Defaults to 12, a quarter of a second.
	// It may be raised at any time: hashes are made anew at the next login.
	Cost int
	// InPostgreSQL keeps sessions there although there is a Redis.
	InPostgreSQL bool
	// Trust is how long a process lets in, unasked, a token that it has found to
	// hold: reads of one's own pages then cost no round trip for it. So long a
	// session goes on that is ended otherwise than by Logout in that process, and
	// a role that is changed. At most a minute; defaults to 0, never.
	Trust time.Duration
}

const (
	defaultCost = 12
	mostTrust   = time.Minute
)

// Validate tells what is wrong with the options.
func (o Options) Validate() error {
	var c fault.Check
	c.That(o.Cost == 0 || o.Cost >= 10 && o.Cost <= 14, "Cost", "%d is not between 10 and 14", o.Cost)
	c.That(o.Trust >= 0 && o.Trust <= mostTrust, "Trust", "%v is not between 0 and %v", o.Trust, mostTrust)
	return c.Done()
}

// Store is the sessions of a programme. It is safe for concurrent use.
type Store struct {
	users     *affiliate.Users
	kept      keeper
	trusted   *cache.View[tokenHash, Session] // nil: none is
	db        pg.DB
	passwords *passwords
	limits    *limits
}

// New makes the store of a programme's sessions: in redis, or in db where that
// is nil.
func New(users *affiliate.Users, db pg.DB, redis *cache.Redis, o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, fail("new", err)
	}
	if o.Cost == 0 {
		o.Cost = defaultCost
	}
	if redis != nil {
		redis = redis.WithBudget(budget)
	}
	s := &Store{users: users, db: db, passwords: newPasswords(o.Cost), limits: newLimits(redis)}
	s.kept = inPostgres{db}
	if redis != nil && !o.InPostgreSQL {
		s.kept = inRedis{redis}
	}
	if o.Trust > 0 {
		space := cache.NewSpace(cache.Sessions, nil, cache.Options{Near: o.Trust})
		s.trusted = cache.Aside(space, cache.Config[tokenHash, Session]{Load: s.check})
	}
	return s, nil
}

// WithTx returns a store that works inside tx: what it reads and changes of
// users, and sessions that are kept in PostgreSQL. A session in Redis is there
// at once, whatever becomes of tx.
func (s *Store) WithTx(tx pgx.Tx) *Store {
	c := *s
	c.users, c.db, c.trusted = s.users.WithTx(tx), pg.Bind(s.db, tx), nil
	if _, ok := s.kept.(inPostgres); ok {
		c.kept = inPostgres{c.db}
	}
	return &c
}

// Hash makes the hash of a password, for Users.SetPassword: before a transaction
// begins, since it takes a quarter of a second and waits for its turn. Errors:
// InvalidError of the field password where it has fewer than 8 characters, more
// than 72 bytes, a NUL or no valid UTF-8, or is one of the most common; and the
// context's.
func (s *Store) Hash(ctx context.Context, password string) (string, error) {
	hash, err := s.passwords.hash(ctx, password)
	return hash, fail("hash", err)
}

// SetPassword gives a user another password, which ends all of its sessions.
// Errors: those of Hash, and ErrUserNotFound of package affiliate.
func (s *Store) SetPassword(ctx context.Context, user uuid.UUID, password string) error {
	hash, err := s.passwords.hash(ctx, password)
	if err == nil {
		err = s.users.SetPassword(ctx, user, hash)
	}
	return fail("set password", err)
}

// Login lets a user in, and gives the token of a new session, which is told
// here and never again. Errors: ErrBadLogin; TooManyError, which says when to
// come again; ErrUnavailable where the session cannot be kept. It costs a hash
// and a read and a write of PostgreSQL, or a read and five round trips to Redis.
func (s *Store) Login(ctx context.Context, a Attempt) (Session, string, error) {
	session, token, err := s.login(ctx, a.normalize())
	return session, token, fail("login", err)
}

func (s *Store) login(ctx context.Context, a Attempt) (Session, string, error) {
	who, err := s.authenticate(ctx, a)
	if err != nil {
		return Session{}, "", err
	}
	token := newToken()
	made := record{
		Session: Session{
			ID: uuid.New(), User: who.User, Viewer: who.Viewer(), CreatedAt: who.Now, ExpiresAt: who.Now.Add(life), SeenAt: who.Now,
			Address: a.Address, UserAgent: a.UserAgent,
		},
		epoch: who.Epoch,
	}
	if err := s.kept.add(ctx, hashOf(token), made); err != nil {
		return Session{}, "", err
	}
	return made.Session, token, nil
}

// authenticate finds the active user of an address and a password.
func (s *Store) authenticate(ctx context.Context, a Attempt) (affiliate.Credentials, error) {
	var none affiliate.Credentials
	if _, err := readable(a.Password); err != nil {
		return none, ErrBadLogin // nobody's: there is nothing to compare
	}
	try, err := s.limits.take(ctx, a)
	if err != nil {
		return none, err
	}
	who, err := s.users.CredentialsByEmail(ctx, a.Email)
	if err != nil && !errors.Is(err, fault.NotFound) && !errors.Is(err, fault.Invalid) {
		try.forget(ctx)
		return none, err
	}
	fits, err := s.passwords.fits(ctx, who.PasswordHash, a.Password)
	if err != nil {
		try.forget(ctx)
		return none, err
	}
	if !fits || who.Status != affiliate.Active {
		return none, ErrBadLogin
	}
	try.succeeded(ctx)
	if s.passwords.cheap(who.PasswordHash) {
		s.rehash(ctx, who, a.Password)
	}
	return who, nil
}

// rehash brings a hash to the cost of today. Where it fails the next login does.
func (s *Store) rehash(ctx context.Context, who affiliate.Credentials, password string) {
	if password, err := readable(password); err == nil {
		if hash, err := s.passwords.make(ctx, password); err == nil {
			_ = s.users.Rehash(ctx, who.ID, who.PasswordHash, hash)
		}
	}
}

// Get finds the session of a token, with its user as it is now, and as the
// viewer that a call is bound to. Errors:
// ErrNotFound where there is none, it has run out, or its user is not active or
// has had all sessions ended since; ErrUnavailable where Redis or PostgreSQL is
// away, which says nothing about the token. It costs two round trips, or none
// for a token that Options.Trust takes to hold.
func (s *Store) Get(ctx context.Context, token string) (Session, error) {
	session, err := s.get(ctx, token)
	return session, fail("get", err)
}

func (s *Store) get(ctx context.Context, token string) (Session, error) {
	if !isToken(token) {
		return Session{}, ErrNotFound
	}
	if s.trusted != nil {
		return s.trusted.Get(ctx, hashOf(token))
	}
	return s.check(ctx, hashOf(token))
}

func (s *Store) check(ctx context.Context, hash tokenHash) (Session, error) {
	found, err := s.kept.get(ctx, hash)
	if err != nil {
		return Session{}, err
	}
	who, err := s.users.Credentials(ctx, found.User.ID)
	switch {
	case errors.Is(err, affiliate.ErrUserNotFound):
		return Session{}, ErrNotFound
	case err != nil:
		return Session{}, err
	case !found.holds(who):
		return Session{}, ErrNotFound
	}
	found.User, found.Viewer = who.User, who.Viewer()
	if who.Now.Sub(found.SeenAt) >= seenEvery {
		found.SeenAt = who.Now
		_ = s.kept.touch(ctx, hash, found) // the next one will
	}
	return found.Session, nil
}

// List reads a user's sessions that hold, at most 100, the newest first. One of
// nobody is empty.
func (s *Store) List(ctx context.Context, user uuid.UUID) ([]Session, error) {
	who, err := s.users.Credentials(ctx, user)
	if errors.Is(err, affiliate.ErrUserNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fail("list", err)
	}
	found, err := s.kept.list(ctx, user)
	if err != nil {
		return nil, fail("list", err)
	}
	var list []Session
	for _, r := range found {
		if r.holds(who) {
			r.User, r.Viewer = who.User, who.Viewer()
			list = append(list, r.Session)
		}
	}
	slices.SortStableFunc(list, func(a, b Session) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return list, nil
}

// Revoke ends one session of a user, or is ErrNotFound: also for a session of
// another user.
func (s *Store) Revoke(ctx context.Context, user, id uuid.UUID) error {
	return fail("revoke", s.kept.revoke(ctx, user, id))
}

// RevokeAll ends all sessions of a user, in one round trip to PostgreSQL and
// also while Redis is away. Errors: ErrUserNotFound of package affiliate.
func (s *Store) RevokeAll(ctx context.Context, user uuid.UUID) error {
	return fail("revoke all", s.users.EndSessions(ctx, user))
}

// Logout ends the session of a token; where there is none it does nothing.
func (s *Store) Logout(ctx context.Context, token string) error {
	if !isToken(token) {
		return nil
	}
	hash := hashOf(token)
	err := s.kept.remove(ctx, hash)
	if s.trusted != nil {
		_ = s.trusted.Delete(ctx, hash) // there is no backend that could fail
	}
	return fail("logout", err)
}

// Prune deletes the sessions in PostgreSQL that have run out, and tells how
// many. Run does it by itself. Those in Redis go by themselves.
func (s *Store) Prune(ctx context.Context) (int64, error) {
	n, err := inPostgres{s.db}.prune(ctx)
	return n, fail("prune", err)
}

// newToken is 256 random bits as text.
func newToken() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// isToken tells what newToken could have made, so that nothing else is asked
// for.
func isToken(text string) bool {
	if len(text) != base64.RawURLEncoding.EncodedLen(32) {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil
}

type tokenHash [sha256.Size]byte

func hashOf(token string) tokenHash { return sha256.Sum256([]byte(token)) }
