package affiliate

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// ErrCustomerNotFound is returned for a customer that nobody brought.
var ErrCustomerNotFound = fault.New(fault.NotFound, "no such customer")

// Owner is whose a customer is from a time on, until a later Owner of the same
// customer begins.
type Owner struct {
	CustomerID  string     `db:"customer_id"`
	AffiliateID *uuid.UUID `db:"affiliate_id"` // nil ends an ownership
	Code        *string    `db:"code"`         // the referral code that brought the customer
	SubID       *string    `db:"sub_id"`       // of the click that did
	From        time.Time  `db:"from_at"`
}

// Attribution says that an affiliate brought a customer.
type Attribution struct {
	CustomerID  string    // the host's own id
	AffiliateID uuid.UUID // or
	Code        string    // a referral code
	At          time.Time // zero is now

	SubID string // of the click that brought it; see package click
	// Takes makes the affiliate the owner also where another owns the customer,
	// unless it changed owner at that moment or later.
	Takes bool
}

// Customers are who the affiliates brought, and whose they are.
type Customers struct{ db pg.DB }

// NewCustomers makes the store of a programme's customers.
func NewCustomers(db pg.DB) *Customers { return &Customers{db: db} }

// WithTx returns a store that works inside tx.
func (s *Customers) WithTx(tx pgx.Tx) *Customers { return &Customers{db: pg.Bind(s.db, tx)} }

// As returns a store for a viewer. To an affiliate a customer is there while it
// or its downline owns it; of other owners it learns no more than that its own
// ownership ended. Only an admin writes.
func (s *Customers) As(v Viewer) *Customers { return &Customers{db: pg.As(s.db, v)} }

// Attribute gives a customer to an affiliate unless somebody owns it at that
// time already, and tells whose it is. Repeating it changes nothing. Errors:
// InvalidError by field, ErrCodeNotFound, ErrNotFound.
func (s *Customers) Attribute(ctx context.Context, a Attribution) (Owner, error) {
	a.At = instant(a.At)
	var c fault.Check
	c.Err("customer_id", checkCustomerID(a.CustomerID))
	c.That((a.AffiliateID == uuid.Nil) != (a.Code == ""), "affiliate_id", "or code is needed, and one of them only")
	if a.Code != "" {
		c.Err("code", checkCode(a.Code))
	}
	c.Err("sub_id", CheckSubID(a.SubID))
	checkInstant(&c, "at", a.At)
	if err := c.Done(); err != nil {
		return Owner{}, fail("attribute", err)
	}
	var owner Owner
	err := pg.InTx(ctx, s.db, func(tx pg.DB) error {
		if a.Code != "" {
			by, err := pg.One[Affiliate](ctx, tx, selectAffiliateByCode, lookup(a.Code))
			if err != nil {
				return missing(err, fault.In("code", ErrCodeNotFound))
			}
			a.AffiliateID = by.ID
		}
		var owners []Owner
		var b pgx.Batch
		QueueAttributions(&b, &owners, []Attribution{a})
		if err := pg.Send(ctx, tx, &b); err != nil {
			return err
		}
		if owner = owners[0]; owner.AffiliateID == nil {
			return fault.Field("at", "is the very moment at which the customer left its owner")
		}
		return nil
	})
	return owner, fail("attribute", err)
}

// ErrTransferred is returned where a customer changed owner at or after the
// moment of a transfer.
var ErrTransferred = fault.New(fault.Conflict, "the customer changed owner at that moment or later")

// Transfer makes a customer another affiliate's from a time on; zero is now.
// What it earned before stays whose it was, and its windows still begin with
// its first attribution. A customer that is the affiliate's already stays as it
// is. Errors: InvalidError by field, ErrCustomerNotFound, ErrTransferred.
func (s *Customers) Transfer(ctx context.Context, customerID string, to uuid.UUID, from time.Time) (Owner, error) {
	if to == uuid.Nil {
		return Owner{}, fail("transfer", fault.Field("affiliate_id", "is empty"))
	}
	owner, err := s.transfer(ctx, Owner{CustomerID: customerID, AffiliateID: &to, From: from})
	return owner, fail("transfer", err)
}

// Release makes a customer nobody's from a time on; zero is now. Whoever brings
// it after that owns it. Errors: those of Transfer.
func (s *Customers) Release(ctx context.Context, customerID string, from time.Time) error {
	_, err := s.transfer(ctx, Owner{CustomerID: customerID, From: from})
	return fail("release", err)
}

func (s *Customers) transfer(ctx context.Context, o Owner) (Owner, error) {
	o.From = instant(o.From)
	var c fault.Check
	c.Err("customer_id", checkCustomerID(o.CustomerID))
	checkInstant(&c, "from", o.From)
	if err := c.Done(); err != nil {
		return Owner{}, err
	}
	err := pg.InTx(ctx, s.db, func(tx pg.DB) error {
		var owners []Owner
		var b pgx.Batch
		b.Queue(lockCustomers, []string{o.CustomerID})
		pg.Queue(&b, &owners, selectOwners, []string{o.CustomerID})
		if err := pg.Send(ctx, tx, &b); err != nil {
			return err
		}
		if len(owners) == 0 {
			return ErrCustomerNotFound
		}
		if last := owners[len(owners)-1]; same(last.AffiliateID, o.AffiliateID) && !last.From.After(o.From) {
			o = last
			return nil
		}
		tag, err := tx.Exec(ctx, insertTransfer, pg.NewID(), o.CustomerID, o.AffiliateID, o.From)
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrTransferred
		}
		return err
	})
	return o, err
}

func same(a, b *uuid.UUID) bool { return a == b || a != nil && b != nil && *a == *b }

// Owner tells whose a customer was at a time, or ErrCustomerNotFound.
func (s *Customers) Owner(ctx context.Context, customerID string, at time.Time) (Owner, error) {
	owners, err := s.Owners(ctx, customerID)
	if err != nil {
		return Owner{}, err
	}
	owner, ok := OwnerAt(owners, at)
	if !ok {
		return Owner{}, fail("owner", ErrCustomerNotFound)
	}
	return owner, nil
}

// Owners lists whose a customer was, the first first. Of an unknown customer
// the list is empty. Errors: InvalidError of customer_id.
func (s *Customers) Owners(ctx context.Context, customerID string) ([]Owner, error) {
	if err := checkCustomerID(customerID); err != nil {
		return nil, fail("owners", fault.In("customer_id", err))
	}
	if pg.Narrow(s.db) {
		owners, err := pg.All[Owner](ctx, s.db, selectSeenOwners, []string{customerID})
		return ended(owners), fail("owners", err)
	}
	owners, err := pg.All[Owner](ctx, s.db, selectOwners, []string{customerID})
	return owners, fail("owners", err)
}

// ended leaves of owners in order, of whom those without an affiliate are hidden
// or none, the first after each that is seen: its end.
func ended(owners []Owner) []Owner {
	return slices.DeleteFunc(slices.CompactFunc(append([]Owner{{}}, owners...),
		func(a, b Owner) bool { return a.AffiliateID == nil && b.AffiliateID == nil }),
		func(o Owner) bool { return o.CustomerID == "" })
}

// OwnerAt picks the owner at a time out of one customer's owners in order: the
// last one that does not begin after it.
func OwnerAt(owners []Owner, at time.Time) (Owner, bool) {
	for _, o := range slices.Backward(owners) {
		if !o.From.After(at) {
			return o, o.AffiliateID != nil
		}
	}
	return Owner{}, false
}

// WithOwner is one customer's owners in order, and another.
func WithOwner(owners []Owner, o Owner) []Owner {
	i, _ := slices.BinarySearchFunc(owners, o.From, func(o Owner, from time.Time) int { return o.From.Compare(from) })
	return slices.Insert(owners, i, o)
}

// QueueOwners reads the owners of many customers, each one's in order.
func QueueOwners(b *pgx.Batch, into *[]Owner, customerIDs []string) {
	pg.Queue(b, into, selectOwners, customerIDs)
}

// QueueAttributions gives customers to affiliates where nobody owns them at
// that time, or where they are taken, and reads whose they then are, in the order of the attributions.
// The customers are locked in the order of their ids.
func QueueAttributions(b *pgx.Batch, into *[]Owner, list []Attribution) {
	var ids []string
	var affiliates []uuid.UUID
	var codes, subIDs []*string
	var at []time.Time
	var takes []bool
	var rows []uuid.UUID
	for _, a := range list {
		rows, ids, affiliates = append(rows, pg.NewID()), append(ids, a.CustomerID), append(affiliates, a.AffiliateID)
		codes, subIDs, at, takes = append(codes, none(a.Code)), append(subIDs, none(a.SubID)), append(at, a.At), append(takes, a.Takes)
	}
	b.Queue(insertCustomers, ids, at)
	b.Queue(lockCustomers, ids)
	b.Queue(insertOwners, rows, ids, affiliates, codes, subIDs, at, takes)
	pg.Queue(b, into, selectOwnersAt, ids, at)
}

// QueueLock locks customers, so that nobody attributes them meanwhile.
func QueueLock(b *pgx.Batch, customerIDs []string) { b.Queue(lockCustomers, customerIDs) }

// QueueAttributed reads since when customers have had an owner.
func QueueAttributed(b *pgx.Batch, into map[string]time.Time, customerIDs []string) {
	queueTimes(b.Queue(selectAttributed, customerIDs), into)
}

// QueueAttributedThen reads it of the customers of transactions, as the rating
// of each saw it.
func QueueAttributedThen(b *pgx.Batch, into map[uuid.UUID]time.Time, transactions []uuid.UUID, at []time.Time) {
	queueTimes(b.Queue(selectAttributedThen, transactions, at), into)
}

func queueTimes[K comparable](q *pgx.QueuedQuery, into map[K]time.Time) {
	q.Query(func(rows pgx.Rows) error {
		var id K
		var at time.Time
		_, err := pgx.ForEachRow(rows, []any{&id, &at}, func() error {
			into[id] = at
			return nil
		})
		return err
	})
}

// Referrers are whom referral codes lead to.
type Referrers map[string]Referrer

// Referrer is whom a referral code leads to.
type Referrer struct {
	Code        string    `db:"code"` // in small letters
	AffiliateID uuid.UUID `db:"affiliate_id"`
	Kind        CodeKind  `db:"kind"`
}

// By is whom a code in any case leads to; zero is nobody.
func (r Referrers) By(code string) uuid.UUID { return r[lookup(code)].AffiliateID }

// Coupon tells whether a code in any case is a coupon.
func (r Referrers) Coupon(code string) bool { return r[lookup(code)].Kind == Coupon }

// QueueReferrers reads whom referral codes lead to.
func QueueReferrers(b *pgx.Batch, into Referrers, codes []string) {
	small := make([]string, len(codes))
	for i, c := range codes {
		small[i] = lookup(c)
	}
	b.Queue(selectReferrers, small).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Referrer])
		for _, r := range list {
			into[r.Code] = r
		}
		return err
	})
}

// QueueThere reads which of the affiliates exist.
func QueueThere(b *pgx.Batch, into *[]uuid.UUID, ids []uuid.UUID) {
	pg.QueueColumn(b, into, selectAffiliatesThere, ids)
}

// instant is a time as it is stored; zero is now.
func instant(t time.Time) time.Time {
	if t.IsZero() {
		t = time.Now()
	}
	return t.UTC().Truncate(time.Microsecond)
}

func checkInstant(c *fault.Check, field string, t time.Time) {
	c.That(t.Year() >= 2000 && !t.After(time.Now().Add(24*time.Hour)), field, "is before the year 2000 or more than 24 hours ahead")
}

// CheckCustomerID refuses what cannot be the id of a customer.
func CheckCustomerID(id string) error { return checkCustomerID(id) }

func checkCustomerID(id string) error {
	if id == "" || len(id) > 255 || !clean(id) {
		return fault.Field("", "is empty, longer than 255 bytes, not valid UTF-8, or holds a NUL")
	}
	return nil
}
