package affiliate

import (
	"context"
	"iter"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

// Affiliate is a user who promotes: at most one for a user. It is closed, but
// never deleted, since its lines remain.
type Affiliate struct {
	ID           uuid.UUID  `db:"id"`
	UserID       uuid.UUID  `db:"user_id"`
	ParentID     *uuid.UUID `db:"parent_id"` // nil at a root, and to the affiliate itself as viewer
	ReferralCode string     `db:"referral_code"`
	Category     Category   `db:"category"`
	Status       Status     `db:"status"`
	Level        int        `db:"level"` // 0 at a root

	// Totals as last folded; Run folds every thirty seconds.
	LifetimeVolume      decimal.Decimal `db:"lifetime_volume"`
	LifetimeCommissions decimal.Decimal `db:"lifetime_commissions"`

	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

// Store is the affiliates of a programme.
type Store struct {
	db   pg.DB
	tree *hierarchy.Store
}

// New makes the store of a programme's affiliates, who take their places in
// tree.
func New(db pg.DB, tree *hierarchy.Store) *Store { return &Store{db: db, tree: tree} }

// WithTx returns a store that works inside tx.
func (s *Store) WithTx(tx pgx.Tx) *Store {
	return &Store{db: pg.Bind(s.db, tx), tree: s.tree.WithTx(tx)}
}

// As returns a store for a viewer. An affiliate sees itself, without its parent,
// and its downline; all else is ErrNotFound, or not in the list. Only an admin
// writes.
func (s *Store) As(v Viewer) *Store {
	return &Store{db: pg.As(s.db, v), tree: s.tree.As(v)}
}

// Get finds an affiliate by its id, or ErrNotFound.
func (s *Store) Get(ctx context.Context, id uuid.UUID) (Affiliate, error) {
	a, err := pg.One[Affiliate](ctx, s.db, selectAffiliate, id)
	return s.shown(a), fail("get", missing(err, ErrNotFound))
}

// GetByUser finds the affiliate that a user is, or ErrNotFound.
func (s *Store) GetByUser(ctx context.Context, userID uuid.UUID) (Affiliate, error) {
	a, err := pg.One[Affiliate](ctx, s.db, selectAffiliateByUser, userID)
	return s.shown(a), fail("get by user", missing(err, ErrNotFound))
}

// GetByCode finds an affiliate by a referral code, in any case; a retired code
// still finds its owner. Else ErrNotFound.
func (s *Store) GetByCode(ctx context.Context, code string) (Affiliate, error) {
	if checkCode(code) != nil {
		return Affiliate{}, fail("get by code", ErrNotFound)
	}
	a, err := pg.One[Affiliate](ctx, s.db, selectAffiliateByCode, lookup(code))
	return s.shown(a), fail("get by code", missing(err, ErrNotFound))
}

// Named is an affiliate with the name of its user.
type Named struct {
	Affiliate
	Name string `db:"name"`
}

// GetAll finds affiliates by their ids, with their names; those that are not
// there are left out. One round trip.
func (s *Store) GetAll(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Named, error) {
	list, err := pg.All[Named](ctx, s.db, selectNamed, ids)
	all := make(map[uuid.UUID]Named, len(list))
	for _, n := range list {
		n.Affiliate = s.shown(n.Affiliate)
		all[n.ID] = n
	}
	return all, fail("get all", err)
}

// Filter narrows a list of affiliates; its zero value does not.
type Filter struct {
	Status   Status
	Category Category
	Level    *int
	// Search is a part of the name or of the referral code, in any case of the
	// letters that the database's locale knows. It costs by how many are looked at
	// until the page is full.
	Search string
	After  string // the Next of the page before
	Limit  int    // defaults to 50, at most 1,000
}

// List reads a page of affiliates, the newest first.
func (s *Store) List(ctx context.Context, f Filter) (page.Page[Affiliate], error) {
	var c fault.Check
	checkStatus(&c, f.Status)
	checkCategory(&c, f.Category)
	c.That(f.Level == nil || *f.Level >= 0 && *f.Level <= math.MaxInt32, "level", "is not a level of the tree")
	if f.Search != "" {
		c.Err("search", checkName(f.Search))
	}
	if err := c.Done(); err != nil {
		return page.Page[Affiliate]{}, fail("list", err)
	}
	list, err := listBy(ctx, s.db, "list", f.After, f.Limit,
		func(a Affiliate) uuid.UUID { return a.ID }, listAffiliates, none(f.Status), none(f.Category), f.Level, none(f.Search))
	for i := range list.Items {
		list.Items[i] = s.shown(list.Items[i])
	}
	return list, err
}

// shown is an affiliate as the viewer sees it: who stands above the viewer is
// none of its business.
func (s *Store) shown(a Affiliate) Affiliate {
	if pg.Narrow(s.db) && a.ID == pg.Viewer(s.db).AffiliateID {
		a.ParentID = nil
	}
	return a
}

// All walks every affiliate that the filter leaves, page by page.
func (s *Store) All(ctx context.Context, f Filter) iter.Seq2[Affiliate, error] {
	return page.All(func(after string) (page.Page[Affiliate], error) {
		f.After = after
		return s.List(ctx, f)
	})
}

// Change is what to change of an affiliate; a zero field stays as it is. Its
// place in the tree changes by hierarchy.Move.
type Change struct {
	Status   Status
	Category Category
}

// Update changes an affiliate's standing, from the next rating on; the history
// keeps what was. Errors: InvalidError by field, ErrNotFound.
func (s *Store) Update(ctx context.Context, id uuid.UUID, change Change) (Affiliate, error) {
	var c fault.Check
	checkStatus(&c, change.Status)
	checkCategory(&c, change.Category)
	if err := c.Done(); err != nil {
		return Affiliate{}, fail("update", err)
	}
	var changed Affiliate
	err := pg.InTx(ctx, s.db, func(tx pg.DB) (err error) {
		changed, err = pg.One[Affiliate](ctx, tx, updateAffiliate, id, none(change.Status), none(change.Category))
		return missing(err, ErrNotFound)
	})
	return changed, fail("update", err)
}

// ReferralCode is a code that leads to an affiliate.
type ReferralCode struct {
	Code        string     `db:"code"`
	AffiliateID uuid.UUID  `db:"affiliate_id"`
	Kind        CodeKind   `db:"kind"`
	CreatedAt   time.Time  `db:"created_at"`
	RetiredAt   *time.Time `db:"retired_at"` // nil while it is handed out
}

// Codes lists an affiliate's referral codes and coupons, the newest first.
func (s *Store) Codes(ctx context.Context, id uuid.UUID) ([]ReferralCode, error) {
	codes, err := pg.All[ReferralCode](ctx, s.db, selectCodes, id)
	return codes, fail("codes", err)
}

// AddCoupon gives an affiliate another coupon, a generated one where code is
// empty: a referral code that customers give, and that decides whose an event
// is before clicks and before the customer's owner. A coupon is unlike every
// other code and coupon without regard to case; one that the affiliate has, or
// retired, is its again. Errors: InvalidError, ErrCodeTaken, ErrNotFound.
func (s *Store) AddCoupon(ctx context.Context, id uuid.UUID, code string) (ReferralCode, error) {
	if code == "" {
		code = newCode()
	}
	if err := checkCode(code); err != nil {
		return ReferralCode{}, fail("add coupon", fault.In("code", err))
	}
	return s.coupon(ctx, "add coupon", ErrCodeTaken, takeCoupon, pg.NewID(), code, id)
}

// RetireCoupon notes that a coupon is handed out no more. It goes on leading to
// its affiliate: whether it is still taken is for the host to say. Errors:
// ErrCouponNotFound.
func (s *Store) RetireCoupon(ctx context.Context, id uuid.UUID, code string) (ReferralCode, error) {
	if checkCode(code) != nil {
		return ReferralCode{}, fail("retire coupon", ErrCouponNotFound)
	}
	return s.coupon(ctx, "retire coupon", ErrCouponNotFound, retireCoupon, id, lookup(code))
}

func (s *Store) coupon(ctx context.Context, op string, none error, sql string, args ...any) (ReferralCode, error) {
	var coupon ReferralCode
	err := pg.InTx(ctx, s.db, func(tx pg.DB) (err error) {
		coupon, err = pg.One[ReferralCode](ctx, tx, sql, args...)
		return missing(err, none)
	})
	return coupon, fail(op, err)
}

// ChangeCode gives an affiliate another referral code, a generated one where
// code is empty. The code it had retires, but goes on leading to it; the
// affiliate may come back to it. Errors: InvalidError, ErrCodeTaken,
// ErrNotFound.
func (s *Store) ChangeCode(ctx context.Context, id uuid.UUID, code string) (Affiliate, error) {
	if code == "" {
		code = newCode()
	}
	if err := checkCode(code); err != nil {
		return Affiliate{}, fail("change code", fault.In("code", err))
	}
	var changed Affiliate
	err := pg.InTx(ctx, s.db, func(tx pg.DB) (err error) {
		var owner []uuid.UUID
		var b pgx.Batch
		b.Queue(lockAffiliate, id)
		b.Queue(retireCodes, id, lookup(code))
		pg.QueueColumn(&b, &owner, takeCode, pg.NewID(), code, id)
		if err := pg.Send(ctx, tx, &b); err != nil {
			return err
		}
		if len(owner) == 0 {
			return ErrCodeTaken
		}
		changed, err = pg.One[Affiliate](ctx, tx, updateCode, id, code)
		return missing(err, ErrNotFound)
	})
	return changed, fail("change code", err)
}
