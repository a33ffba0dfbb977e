package affiliate

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

// User is a person. Two users never share an e-mail address, whatever its
// case.
type User struct {
	ID        uuid.UUID `db:"id"`
	Email     string    `db:"email"` // as it was given; empty to a viewer above
	Name      string    `db:"name"`
	Status    Status    `db:"status"`
	Role      Role      `db:"role"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

// UserDraft is a user to be made.
type UserDraft struct {
	ID     uuid.UUID // zero: made
	Email  string
	Name   string
	Status Status // defaults to Active
	Role   Role   // defaults to RoleAffiliate

	// Where the user came from, for imports; both or neither.
	OriginalID, MigratedFrom string
}

func (d UserDraft) normalize() UserDraft {
	d.Email, d.Name = strings.TrimSpace(d.Email), strings.TrimSpace(d.Name)
	if d.ID == uuid.Nil {
		d.ID = pg.NewID()
	}
	if d.Status == "" {
		d.Status = Active
	}
	if d.Role == "" {
		d.Role = RoleAffiliate
	}
	return d
}

// check tells what is wrong with the draft, and its canonical address.
func (d UserDraft) check(c *fault.Check) (canonical string) {
	canonical, err := CanonicalEmail(d.Email)
	c.Err("email", err)
	c.Err("name", checkName(d.Name))
	checkStatus(c, d.Status)
	checkRole(c, d.Role)
	c.That((d.OriginalID == "") == (d.MigratedFrom == ""), "original_id", "goes with migrated_from: both or neither")
	c.Err("original_id", checkOrigin(d.OriginalID))
	c.Err("migrated_from", checkOrigin(d.MigratedFrom))
	return canonical
}

// Users are the people of a programme.
type Users struct{ db pg.DB }

// NewUsers makes the store of a programme's users.
func NewUsers(db pg.DB) *Users { return &Users{db: db} }

// WithTx returns a store that works inside tx.
func (s *Users) WithTx(tx pgx.Tx) *Users { return &Users{db: pg.Bind(s.db, tx)} }

// As returns a store for a viewer. An affiliate sees its own user, and the users
// of its downline without their e-mail addresses; all else is ErrUserNotFound,
// or not in the list. Only an admin writes.
func (s *Users) As(v Viewer) *Users { return &Users{db: pg.As(s.db, v)} }

// shown is a user as the viewer sees it.
func (s *Users) shown(u User) User {
	if pg.Narrow(s.db) && u.ID != pg.Viewer(s.db).UserID {
		u.Email = ""
	}
	return u
}

// Create makes a user. Errors: InvalidError by field, ErrEmailTaken,
// ErrIDTaken, ErrOriginTaken. It costs one round trip and its transaction.
func (s *Users) Create(ctx context.Context, d UserDraft) (User, error) {
	d = d.normalize()
	var c fault.Check
	canonical := d.check(&c)
	if err := c.Done(); err != nil {
		return User{}, fail("create user", err)
	}
	var made User
	err := pg.InTx(ctx, s.db, func(tx pg.DB) (err error) {
		made, err = pg.One[User](ctx, tx, insertUser,
			d.ID, d.Email, canonical, d.Name, d.Status, d.Role, none(d.OriginalID), none(d.MigratedFrom))
		return err
	})
	return made, fail("create user", err)
}

// Get finds a user by its id, or ErrUserNotFound.
func (s *Users) Get(ctx context.Context, id uuid.UUID) (User, error) {
	u, err := pg.One[User](ctx, s.db, selectUser, id)
	return s.shown(u), fail("get user", missing(err, ErrUserNotFound))
}

// GetByEmail finds a user by the address in any case, or ErrUserNotFound.
func (s *Users) GetByEmail(ctx context.Context, email string) (User, error) {
	canonical, err := CanonicalEmail(email)
	if err != nil {
		return User{}, fail("get user by email", fault.In("email", err))
	}
	u, err := pg.One[User](ctx, s.db, selectUserByEmail, canonical)
	return u, fail("get user by email", missing(err, ErrUserNotFound))
}

// UserFilter narrows a list of users; its zero value does not.
type UserFilter struct {
	Status Status
	Role   Role
	After  string // the Next of the page before
	Limit  int    // defaults to 50, at most 1,000
}

// List reads a page of users, the newest first.
func (s *Users) List(ctx context.Context, f UserFilter) (page.Page[User], error) {
	var c fault.Check
	checkStatus(&c, f.Status)
	checkRole(&c, f.Role)
	if err := c.Done(); err != nil {
		return page.Page[User]{}, fail("list users", err)
	}
	list, err := listBy(ctx, s.db, "list users", f.After, f.Limit,
		func(u User) uuid.UUID { return u.ID }, listUsers, none(f.Status), none(f.Role))
	for i := range list.Items {
		list.Items[i] = s.shown(list.Items[i])
	}
	return list, err
}

// UserChange is what to change of a user; a zero field stays as it is.
type UserChange struct {
	Email  string
	Name   string
	Status Status
	Role   Role
}

// Update changes a user. Errors: InvalidError by field, ErrUserNotFound,
// ErrEmailTaken.
func (s *Users) Update(ctx context.Context, id uuid.UUID, change UserChange) (User, error) {
	change.Email, change.Name = strings.TrimSpace(change.Email), strings.TrimSpace(change.Name)
	var c fault.Check
	canonical := ""
	if change.Email != "" {
		var err error
		canonical, err = CanonicalEmail(change.Email)
		c.Err("email", err)
	}
	if change.Name != "" {
		c.Err("name", checkName(change.Name))
	}
	checkStatus(&c, change.Status)
	checkRole(&c, change.Role)
	if err := c.Done(); err != nil {
		return User{}, fail("update user", err)
	}
	var changed User
	err := pg.InTx(ctx, s.db, func(tx pg.DB) (err error) {
		changed, err = pg.One[User](ctx, tx, updateUser, id,
			none(change.Email), none(canonical), none(change.Name), none(change.Status), none(change.Role))
		return missing(err, ErrUserNotFound)
	})
	return changed, fail("update user", err)
}
