package fature

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// The pipeline of recording: three round trips, whatever the number of events.
//
//	look    what the keys, customers and codes of the batch stand for
//	claim   take the keys; attribute customers; read uplines and plans; draw the order of rating
//	store   transactions, lines and totals: a few by INSERT, many by COPY
//
// Between claim and store the events are rated, in Go. Two more trips are made
// where they are needed:
//
//	originals  lock and read what events take back
//	recall     lock and read the counters of plans that remember, and draw the order after that

// errAgain starts a pass again: what it had looked up has changed, or an event
// was refused after its key was taken.
var errAgain = errors.New("again")

// run makes passes until one is through. Where the answer to COMMIT is lost it
// asks again by the keys: what is found then is what was stored, and what is
// not found is stored now.
func (r *recording) run(ctx context.Context) error {
	err := r.tries(ctx)
	if !errors.Is(err, pg.ErrOutcomeUnknown) || !r.keyed() {
		return err
	}
	r.p.log.WarnContext(ctx, "fature: the answer to a commit was lost; asking by the keys", "error", err)
	var own []*item
	for _, it := range r.items {
		if it.stored() {
			own = append(own, it)
		}
	}
	if again := r.tries(ctx); again != nil {
		return errors.Join(pg.ErrOutcomeUnknown, again)
	}
	for _, it := range own {
		it.repeats = nil // it was this very call that recorded it
	}
	return nil
}

// keyed tells whether all that the call stores can be asked for.
func (r *recording) keyed() bool {
	return !slices.ContainsFunc(r.items, func(it *item) bool { return it.stored() && !it.event.Keyed() })
}

func (r *recording) tries(ctx context.Context) error {
	return pg.Retry(ctx, r.p.db, func() error {
		for {
			err := r.try(ctx)
			if !errors.Is(err, errAgain) {
				return err
			}
		}
	})
}

// try is one pass, in a transaction or savepoint of its own.
func (r *recording) try(ctx context.Context) error {
	tx, err := pg.Open(ctx, r.p.db)
	if err != nil {
		return err
	}
	defer tx.Done(ctx)
	found, err := r.look(ctx, tx)
	if err != nil {
		return err
	}
	if err := r.resolve(found); err != nil {
		return err
	}
	s, err := r.claim(ctx, tx, found.attributions)
	if err != nil {
		return err
	}
	if err := r.rate(ctx, tx, s); err != nil {
		return err
	}
	return r.store(ctx, tx, s)
}

// findings are what the names in the batch stand for.
type findings struct {
	claims       map[transaction.Key]transaction.Claim
	owners       map[string][]affiliate.Owner
	codes        affiliate.Referrers
	there        map[uuid.UUID]bool
	places       map[uuid.UUID]transaction.Place
	hits         map[*item]click.Hit
	policy       click.Policy
	attributions []attribution
}

// attribution is a customer that an event of the batch brings.
type attribution struct {
	affiliate.Attribution
	by *item
}

// names are what the events of a batch call things by.
type names struct {
	keys      []transaction.Key
	customers []string
	codes     []string
	given     []uuid.UUID // affiliates
	taken     []uuid.UUID // transactions that are taken back
	visits    []click.Visit
	visiting  []*item // whose the visits are
}

func (n *names) add(it *item) {
	e := &it.event
	if e.Keyed() {
		n.keys = append(n.keys, e.Key())
	}
	switch { // who earns, and the customer, are those of what is taken back
	case e.Reverses != uuid.Nil:
		n.taken = append(n.taken, e.Reverses)
		return
	case e.TakesBack():
		if it.takes == nil {
			n.keys = append(n.keys, e.ReversesKey)
		}
		return
	}
	if e.CustomerID != "" {
		n.customers = append(n.customers, e.CustomerID)
	}
	if e.AffiliateID != uuid.Nil {
		n.given = append(n.given, e.AffiliateID)
		return
	}
	if e.Code != "" {
		n.codes = append(n.codes, e.Code)
	}
	if e.Visitor != "" {
		n.visits, n.visiting = append(n.visits, click.Visit{Visitor: e.Visitor, At: e.At}), append(n.visiting, it)
	}
}

func (r *recording) look(ctx context.Context, tx *pg.Tx) (*findings, error) {
	var n names
	for _, it := range r.items {
		it.pass = pass{}
		if it.live() {
			n.add(it)
		}
	}
	var claims []transaction.Claim
	var owners []affiliate.Owner
	var there []uuid.UUID
	var places []transaction.Place
	f := &findings{codes: affiliate.Referrers{}, hits: map[*item]click.Hit{}, policy: r.p.Clicks.Policy()}
	hits := make([]click.Hit, len(n.visits))
	var b pgx.Batch
	tx.Start(ctx, &b)
	if len(n.keys) > 0 {
		transaction.QueueClaims(&b, &claims, n.keys)
	}
	if len(n.taken) > 0 {
		transaction.QueuePlaces(&b, &places, n.taken)
	}
	if len(n.given) > 0 {
		affiliate.QueueThere(&b, &there, n.given)
	}
	if len(n.customers) > 0 {
		affiliate.QueueOwners(&b, &owners, n.customers)
	}
	if len(n.codes) > 0 {
		affiliate.QueueReferrers(&b, f.codes, n.codes)
	}
	f.policy.QueueHits(&b, hits, n.visits)
	if err := pg.Send(ctx, tx.DB, &b); err != nil {
		return nil, err
	}
	for i, it := range n.visiting {
		f.hits[it] = hits[i]
	}
	f.index(claims, owners, there, places)
	return f, nil
}

func (f *findings) index(claims []transaction.Claim, owners []affiliate.Owner, there []uuid.UUID, places []transaction.Place) {
	f.claims = make(map[transaction.Key]transaction.Claim, len(claims))
	for _, c := range claims {
		f.claims[c.Key()] = c
	}
	f.owners = map[string][]affiliate.Owner{}
	for _, o := range owners {
		f.owners[o.CustomerID] = append(f.owners[o.CustomerID], o)
	}
	f.there = make(map[uuid.UUID]bool, len(there))
	for _, id := range there {
		f.there[id] = true
	}
	f.places = make(map[uuid.UUID]transaction.Place, len(places))
	for _, p := range places {
		f.places[p.ID] = p
	}
}

// resolve finds, in the order of the events, which are repetitions and to whom
// the others belong.
func (r *recording) resolve(f *findings) error {
	for i, it := range r.items {
		if !it.live() {
			continue
		}
		if claim, ok := f.claims[it.event.Key()]; ok && it.event.Keyed() {
			it.repeats = &claim
			continue
		}
		find := f.attribute
		if it.event.TakesBack() {
			find = f.original
		}
		if err := find(it); err != nil {
			r.refuse(i, err)
		}
	}
	return r.refused()
}

// attribute finds to whom an event belongs, by click.Policy: the affiliate that
// it gives, else that of its coupon, of its visitor's click, the customer's
// owner at its time, or the affiliate of its code. A customer without an owner
// becomes theirs.
func (f *findings) attribute(it *item) error {
	e := it.event
	if e.AffiliateID != uuid.Nil && !f.there[e.AffiliateID] {
		return fault.Field("affiliate_id", "%s does not exist", e.AffiliateID)
	}
	hit := f.hits[it]
	of := click.Candidates{Given: e.AffiliateID, Click: hit.AffiliateID, Code: f.codes.By(e.Code)}
	if f.codes.Coupon(e.Code) {
		of.Coupon, of.Code = of.Code, uuid.Nil
	}
	owners := f.owners[e.CustomerID]
	owner, owned := affiliate.OwnerAt(owners, e.At)
	if owned {
		of.Owner = *owner.AffiliateID
	}
	won, _ := f.policy.Credit(of)
	if won.AffiliateID == uuid.Nil {
		it.skipped = []commission.Skip{{Reason: commission.ReasonUnattributed}}
		return nil
	}
	it.earner, it.ownerDiffers = won.AffiliateID, owned && of.Owner != won.AffiliateID
	if e.CustomerID != "" && f.policy.Binds(won, owners, e.At) {
		a := affiliate.Attribution{CustomerID: e.CustomerID, AffiliateID: it.earner, Code: e.Code, At: e.At, Takes: owned}
		if won.By == click.ByClick {
			a.Code, a.SubID = hit.Code, hit.SubID
		}
		f.attributions = append(f.attributions, attribution{a, it})
		f.owners[e.CustomerID] = affiliate.WithOwner(owners,
			affiliate.Owner{CustomerID: e.CustomerID, AffiliateID: &it.earner, From: e.At})
	}
	return nil
}
