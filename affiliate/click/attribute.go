package click

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// Visit is a visitor at a time.
type Visit struct {
	Visitor string
	At      time.Time // in UTC, to the microsecond
}

// Hit is the click that counts for a visit.
type Hit struct {
	AffiliateID uuid.UUID // zero: there is none
	Code        string    // in small letters
	SubID       string
	At          time.Time
}

type numberedHit struct {
	N           int64     `db:"n"`
	AffiliateID uuid.UUID `db:"affiliate_id"`
	Code        string    `db:"code"`
	SubID       string    `db:"sub_id"`
	At          time.Time `db:"at"`
}

// QueueHits reads which clicks count for visits by the policy, into as many
// hits.
func (p Policy) QueueHits(b *pgx.Batch, into []Hit, visits []Visit) {
	if len(visits) == 0 {
		return
	}
	visitors, since, until := make([]string, len(visits)), make([]time.Time, len(visits)), make([]time.Time, len(visits))
	first, last := visits[0].At, visits[0].At
	for i, v := range visits {
		// At the click, and before Window has passed: [click, click+Window).
		visitors[i], since[i], until[i] = v.Visitor, v.At.Add(-p.window()), v.At
		if v.At.Before(first) {
			first = v.At
		}
		if v.At.After(last) {
			last = v.At
		}
	}
	sql := selectLastHits
	if p.Model == FirstClick {
		sql = selectFirstHits
	}
	b.Queue(sql, visitors, since, until, first.Add(-p.window()), last).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowToStructByName[numberedHit])
		for _, f := range found {
			into[f.N-1] = Hit{f.AffiliateID, f.Code, f.SubID, f.At.UTC()}
		}
		return err
	})
}

// Touch is an occasion on which a customer may be somebody's: its signup, as a
// rule.
type Touch struct {
	CustomerID string    // the host's own id
	Code       string    // a coupon or another referral code that the customer gave
	Visitor    string    // as its cookie says
	At         time.Time // any zone, kept to the microsecond; zero is now
}

func (t Touch) check(now time.Time) error {
	var c fault.Check
	c.Err("customer_id", affiliate.CheckCustomerID(t.CustomerID))
	if t.Code != "" {
		c.Err("code", affiliate.CheckCode(t.Code))
	}
	if t.Visitor != "" {
		c.Err("visitor", checkVisitor(t.Visitor))
	}
	checkAt(&c, t.At, now)
	return c.Done()
}

// Credit is to whom a touch was credited.
type Credit struct {
	Claim                 // who has the occasion, and by what; zero is nobody
	Lost  []Claim         // who else had a claim, in order
	Click Hit             // the visitor's, whether it won or not
	Owner affiliate.Owner // whose the customer is then; without AffiliateID nobody's
}

// Attribute finds to whom a customer's touch is owed, by the policy, and makes
// a customer that is nobody's theirs from then on. A customer that has an owner
// keeps it, unless the policy Moves it. However many processes do it at once,
// one of them makes the owner. Errors: InvalidError by field, with
// affiliate.ErrCodeNotFound for a code of nobody.
//
// A click that a Recorder has still queued, for a second as a rule, is not seen.
func (s *Store) Attribute(ctx context.Context, t Touch) (Credit, error) {
	credits, err := s.attribute(ctx, []Touch{t}, func(int) string { return "" })
	if err != nil {
		return Credit{}, fail("attribute", err)
	}
	return credits[0], nil
}

// AttributeAll is Attribute for many touches, all or none, in the order given
// and in the same number of round trips as for one.
func (s *Store) AttributeAll(ctx context.Context, touches []Touch) ([]Credit, error) {
	if err := pg.MayWrite(s.db); err != nil {
		return nil, err
	}
	credits, err := s.attribute(ctx, touches, func(i int) string { return fmt.Sprintf("touches[%d]", i) })
	return credits, fail("attribute all", err)
}

func (s *Store) attribute(ctx context.Context, given []Touch, path func(int) string) ([]Credit, error) {
	if len(given) == 0 {
		return nil, nil
	}
	now := s.now()
	touches := make([]Touch, len(given))
	var c fault.Check
	c.That(len(given) <= MaxBatch, "touches", "are %d, more than %d in one call", len(given), MaxBatch)
	for i := 0; i < len(given) && i < MaxBatch; i++ {
		touches[i] = given[i]
		if touches[i].At.IsZero() {
			touches[i].At = now
		}
		touches[i].At = touches[i].At.UTC().Truncate(time.Microsecond)
		c.Err(path(i), touches[i].check(now))
	}
	if err := c.Done(); err != nil {
		return nil, err
	}
	var credits []Credit
	err := pg.InTx(ctx, s.db, func(tx pg.DB) error {
		a := attributing{policy: s.policy, touches: touches, path: path}
		if err := a.look(ctx, tx); err != nil {
			return err
		}
		if err := a.decide(); err != nil {
			return err
		}
		credits = a.credits
		return a.bind(ctx, tx)
	})
	return credits, err
}

// attributing is a call of Attribute on its way.
type attributing struct {
	policy  Policy
	touches []Touch
	path    func(int) string

	codes  affiliate.Referrers
	hits   []Hit
	owners map[string][]affiliate.Owner

	candidates []Candidates
	credits    []Credit
	wanted     []affiliate.Attribution
	by         []int // the touches that want them
}

func (a *attributing) look(ctx context.Context, tx pg.DB) error {
	a.codes, a.hits, a.owners = affiliate.Referrers{}, make([]Hit, len(a.touches)), map[string][]affiliate.Owner{}
	var codes, customers []string
	var visits []Visit
	var visiting []int
	for i, t := range a.touches {
		customers = append(customers, t.CustomerID)
		if t.Code != "" {
			codes = append(codes, t.Code)
		}
		if t.Visitor != "" {
			visits, visiting = append(visits, Visit{t.Visitor, t.At}), append(visiting, i)
		}
	}
	hits := make([]Hit, len(visits))
	var owners []affiliate.Owner
	var b pgx.Batch
	affiliate.QueueOwners(&b, &owners, customers)
	if len(codes) > 0 {
		affiliate.QueueReferrers(&b, a.codes, codes)
	}
	a.policy.QueueHits(&b, hits, visits)
	if err := pg.Send(ctx, tx, &b); err != nil {
		return err
	}
	for n, i := range visiting {
		a.hits[i] = hits[n]
	}
	for _, o := range owners {
		a.owners[o.CustomerID] = append(a.owners[o.CustomerID], o)
	}
	return nil
}

// decide finds who wins, in the order of the touches, and what that changes of
// the owners.
func (a *attributing) decide() error {
	a.candidates, a.credits = make([]Candidates, len(a.touches)), make([]Credit, len(a.touches))
	var c fault.Check
	for i, t := range a.touches {
		if t.Code != "" && a.codes.By(t.Code) == uuid.Nil {
			c.Err(a.path(i), fault.In("code", affiliate.ErrCodeNotFound))
			continue
		}
		known := a.owners[t.CustomerID]
		owner, owned := affiliate.OwnerAt(known, t.At)
		of := Candidates{Click: a.hits[i].AffiliateID}
		if a.codes.Coupon(t.Code) {
			of.Coupon = a.codes.By(t.Code)
		} else {
			of.Code = a.codes.By(t.Code)
		}
		if owned {
			of.Owner = *owner.AffiliateID
		}
		a.candidates[i] = of
		credit := Credit{Click: a.hits[i]}
		credit.Claim, credit.Lost = a.policy.Credit(of)
		if owned {
			credit.Owner = owner
		}
		a.credits[i] = credit
		if a.policy.Binds(credit.Claim, known, t.At) {
			a.want(i, owned)
		}
	}
	return c.Done()
}

func (a *attributing) want(i int, takes bool) {
	t, credit := a.touches[i], a.credits[i]
	wanted := affiliate.Attribution{CustomerID: t.CustomerID, AffiliateID: credit.AffiliateID, Code: t.Code, At: t.At, Takes: takes}
	if credit.By == ByClick {
		wanted.Code, wanted.SubID = credit.Click.Code, credit.Click.SubID
	}
	a.wanted, a.by = append(a.wanted, wanted), append(a.by, i)
	owner := affiliate.Owner{CustomerID: t.CustomerID, AffiliateID: &wanted.AffiliateID, From: t.At}
	a.owners[t.CustomerID] = affiliate.WithOwner(a.owners[t.CustomerID], owner)
	a.credits[i].Owner = owner
}

// bind makes the owners, under the locks of the customers. Another transaction
// may have brought one meanwhile, which then has its claim.
func (a *attributing) bind(ctx context.Context, tx pg.DB) error {
	var now []affiliate.Owner
	if len(a.wanted) > 0 {
		var b pgx.Batch
		affiliate.QueueAttributions(&b, &now, a.wanted)
		if err := pg.Send(ctx, tx, &b); err != nil {
			return err
		}
	}
	bound := map[moment]affiliate.Owner{}
	wants := map[int]bool{}
	for n, i := range a.by {
		bound[moment{a.touches[i].CustomerID, a.touches[i].At.UnixMicro()}], wants[i] = now[n], true
	}
	// What a touch wanted to begin, itself or an earlier one of the call.
	for i := range a.credits {
		credit, of := &a.credits[i], a.candidates[i]
		owner, ok := bound[moment{credit.Owner.CustomerID, credit.Owner.From.UnixMicro()}]
		if !ok {
			continue
		}
		credit.Owner = owner
		if owner.AffiliateID != nil && (!wants[i] || of.Owner == uuid.Nil && *owner.AffiliateID != credit.AffiliateID) {
			of.Owner = *owner.AffiliateID
			credit.Claim, credit.Lost = a.policy.Credit(of)
		}
	}
	return nil
}

// moment is a customer at a time.
type moment struct {
	customerID string
	micro      int64
}
