package fature

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// standing is what rating reads of a batch: one place for live events and for
// pending ones that are processed later.
type standing struct {
	rows        []*transaction.Transaction // to be rated, in order
	lines       hierarchy.Uplines
	uplines     map[uuid.UUID][]commission.Member
	assignments commission.Assignments
	attributed  map[string]time.Time
	people      []affiliate.Person // of those affiliates that a customer may be
	selves      map[uuid.UUID]bool // transactions whose customer is their affiliate
	originals   map[uuid.UUID]*original
	plans       map[uuid.UUID]*commission.Plan
	refused     map[uuid.UUID]error // plans that this program cannot rate by
	facts       commission.Facts    // counters as they are after the events rated so far
	changed     commission.Facts    // those to be written
	seqs        []int64
	locked      bool // the customers
}

// queue reads the uplines and plans of the affiliates, since when there are the
// customers, and who the affiliates are that are asked for; and draws the places
// in the order of rating.
func (s *standing) queue(b *pgx.Batch, asked []uuid.UUID) {
	s.assignments, s.attributed, s.facts, s.changed = commission.Assignments{}, map[string]time.Time{}, commission.Facts{}, commission.Facts{}
	var ids []uuid.UUID
	for _, t := range s.rows {
		if t.AffiliateID != uuid.Nil {
			ids = append(ids, t.AffiliateID)
		}
	}
	if len(ids) > 0 {
		hierarchy.QueueUplines(b, &s.lines, ids)
		commission.QueueAssignments(b, s.assignments, ids)
	}
	if customers := s.customers(); len(customers) > 0 {
		affiliate.QueueAttributed(b, s.attributed, customers)
	}
	if len(asked) > 0 {
		affiliate.QueuePeople(b, &s.people, asked)
	}
	if len(s.rows) > 0 {
		transaction.QueueSeqs(b, &s.seqs, len(s.rows))
	}
}

func (s *standing) customers() []string {
	var ids []string
	for _, t := range s.rows {
		if t.CustomerID != "" {
			ids = append(ids, t.CustomerID)
		}
	}
	return ids
}

// lock keeps the customers from being attributed to others meanwhile.
func (s *standing) lock(b *pgx.Batch) {
	s.locked = true
	if customers := s.customers(); len(customers) > 0 {
		affiliate.QueueLock(b, customers)
	}
}

// lockLate is lock where a plan turns out to need it, and reads what may have
// changed until then. That happens once for each process: afterwards it knows.
func (s *standing) lockLate(ctx context.Context, tx pg.DB) error {
	asks := false
	for _, p := range s.plans {
		asks = asks || p.AsksAttribution()
	}
	if !asks || s.locked {
		return nil
	}
	var b pgx.Batch
	s.lock(&b)
	affiliate.QueueAttributed(&b, s.attributed, s.customers())
	return pg.Send(ctx, tx, &b)
}

// index gives each affiliate its upline, itself first.
func (s *standing) index() {
	s.uplines = make(map[uuid.UUID][]commission.Member, len(s.rows))
	for _, t := range s.rows {
		if _, done := s.uplines[t.AffiliateID]; !done {
			s.uplines[t.AffiliateID] = members(&s.lines, t.AffiliateID)
		}
	}
}

func members(lines *hierarchy.Uplines, id uuid.UUID) []commission.Member {
	ids := lines.Of(id)
	upline := make([]commission.Member, len(ids))
	for i, id := range ids {
		standing := lines.Standing(id)
		upline[i] = commission.Member{
			ID: id, Active: standing.Status == string(affiliate.Active), Category: affiliate.Category(standing.Category),
		}
	}
	return upline
}

// recall reads the plans that apply, and locks and reads the counters that they
// need. The order of rating is drawn again after
// that, so that for every counter it is the order of its changes.
func (s *standing) recall(ctx context.Context, tx pg.DB, from *commission.Plans) error {
	if err := s.readPlans(ctx, from); err != nil {
		return err
	}
	if err := s.lockLate(ctx, tx); err != nil {
		return err
	}
	var needs []commission.Need
	for _, t := range s.rows {
		needs = append(needs, commission.Needs(s.input(t))...)
	}
	if len(needs) == 0 {
		return nil
	}
	var b pgx.Batch
	commission.QueueCounters(&b, s.facts, needs)
	transaction.QueueSeqs(&b, &s.seqs, len(s.rows))
	return pg.Send(ctx, tx, &b)
}

// planOf is the plan that applies: to what takes another back, that which the
// other was rated by.
func (s *standing) planOf(t *transaction.Transaction) uuid.UUID {
	if t.ReversesID != nil {
		if o := s.originals[*t.ReversesID]; o != nil && o.row.PlanID != nil {
			return *o.row.PlanID
		}
		return uuid.Nil
	}
	upline := s.uplines[t.AffiliateID]
	if len(upline) == 0 {
		return uuid.Nil
	}
	return s.assignments.Plan(upline[0], t.CreatedAt)
}

func (s *standing) input(t *transaction.Transaction) commission.Input {
	in := commission.Input{Plan: s.plans[s.planOf(t)], Event: t.Event(), AttributedAt: s.attributed[t.CustomerID]}
	if t.ReversesID == nil {
		in.Upline = s.uplines[t.AffiliateID]
	} else if o := s.originals[*t.ReversesID]; o != nil {
		o.Plan = in.Plan
		in.Original = &o.Original
	}
	return in
}

// rated marks a transaction as rated and gives its lines.
func (s *standing) rated(t *transaction.Transaction, policy SelfReferral, now time.Time) ([]commission.Commission, []commission.Skip, error) {
	in := s.input(t)
	outcome, err := s.rate(t, in, policy)
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(s.facts, outcome.Counters)
	maps.Copy(s.changed, outcome.Counters)
	if t.ReversesID != nil {
		s.originals[*t.ReversesID].took(t)
	}
	t.Status, t.RatedAt, t.RatedSeq = transaction.Processed, &now, &s.seqs[0]
	s.seqs = s.seqs[1:]
	if len(outcome.Skipped) > 0 {
		if t.Skipped, err = json.Marshal(outcome.Skipped); err != nil {
			return nil, nil, err
		}
	}
	lines := make([]commission.Commission, len(outcome.Lines))
	for i, l := range outcome.Lines {
		lines[i] = commission.Post(l, t.ID, t.CreatedAt, now)
	}
	return lines, outcome.Skipped, nil
}

// rate rates an event, unless its customer is the affiliate itself and that is
// blocked.
func (s *standing) rate(t *transaction.Transaction, in commission.Input, policy SelfReferral) (commission.Outcome, error) {
	if err := s.refused[s.planOf(t)]; err != nil {
		return commission.Outcome{}, err
	}
	self := s.selves[t.ID]
	if self && policy == BlockSelfReferral {
		return commission.Outcome{Skipped: selfReferred}, nil
	}
	if in.Plan != nil && in.Original == nil {
		t.PlanID = &in.Plan.ID
	}
	outcome, err := commission.Rate(in, s.facts)
	if self && policy == HoldSelfReferral {
		for i := range outcome.Lines {
			outcome.Lines[i].AvailableAt = heldForGood
		}
	}
	return outcome, err
}

// claim takes the keys of the new events, and reads what their rating needs
// and what the repeated ones are.
func (r *recording) claim(ctx context.Context, tx *pg.Tx, attributions []attribution) (*standing, error) {
	now := r.p.instant()
	s := &standing{originals: map[uuid.UUID]*original{}}
	var claims, repeated []transaction.Claim
	var asked []uuid.UUID
	for _, it := range r.items {
		if it.repeats != nil {
			repeated = append(repeated, *it.repeats)
		}
		if !it.stored() {
			continue
		}
		it.row = newRow(it, now)
		if it.mayBeSelf(r.p.self) {
			asked = append(asked, it.earner)
		}
		if !it.event.Pending {
			s.rows = append(s.rows, &it.row)
		}
		if it.event.Keyed() {
			claims = append(claims, transaction.Claim{
				SourceTable: it.event.SourceTable, OriginalID: it.event.OriginalID,
				TransactionID: it.row.ID, CreatedAt: it.row.CreatedAt, Digest: it.digest,
			})
		}
	}
	var taken int64
	var before stored
	var b pgx.Batch
	if len(claims) > 0 {
		transaction.QueueClaim(&b, &taken, claims)
	}
	if r.p.Plans.AskAttribution() {
		s.lock(&b)
	}
	owners := queueAttributions(&b, attributions)
	s.queue(&b, asked)
	before.queue(&b, repeated)
	if err := pg.Send(ctx, tx.DB, &b); err != nil {
		return nil, err
	}
	if int(taken) < len(claims) {
		return nil, errAgain
	}
	for i, a := range attributions {
		// Another transaction may have brought the customer meanwhile.
		owner := (*owners)[i].AffiliateID
		a.by.ownerDiffers = owner != nil && *owner != a.by.earner
	}
	s.index()
	if err := r.findSelves(s); err != nil {
		return nil, err
	}
	return s, r.repeat(before)
}

func queueAttributions(b *pgx.Batch, attributions []attribution) *[]affiliate.Owner {
	owners := new([]affiliate.Owner)
	if len(attributions) == 0 {
		return owners
	}
	list := make([]affiliate.Attribution, len(attributions))
	for i, a := range attributions {
		list[i] = a.Attribution
	}
	affiliate.QueueAttributions(b, owners, list)
	return owners
}

func newRow(it *item, now time.Time) transaction.Transaction {
	e := it.event
	return transaction.Transaction{
		ID: pg.NewID(), AffiliateID: it.earner, CustomerID: e.CustomerID,
		Type: e.Type, Amount: e.Amount, Volume: e.Type.Volume(e.Amount), Currency: e.Currency, Status: transaction.Pending,
		SourceTable: e.SourceTable, OriginalID: e.OriginalID, Metadata: e.Metadata, CreatedAt: e.At, RecordedAt: now,
	}
}

// stored is what was recorded earlier.
type stored struct {
	rows  []transaction.Transaction
	lines []commission.Commission
}

func (s *stored) queue(b *pgx.Batch, claims []transaction.Claim) {
	if len(claims) == 0 {
		return
	}
	ids, at := make([]uuid.UUID, len(claims)), make([]time.Time, len(claims))
	for i, c := range claims {
		ids[i], at[i] = c.TransactionID, c.CreatedAt
	}
	transaction.QueueStored(b, &s.rows, ids, at)
	commission.QueueLines(b, &s.lines, ids, at)
}

// results are the stored transactions, by id.
func (s *stored) results() (map[uuid.UUID]Recorded, error) {
	all := make(map[uuid.UUID]Recorded, len(s.rows))
	for _, t := range s.rows {
		known := Recorded{Transaction: t, Duplicate: true}
		if len(t.Skipped) > 0 {
			if err := json.Unmarshal(t.Skipped, &known.Skipped); err != nil {
				return nil, err
			}
		}
		all[t.ID] = known
	}
	for _, l := range s.lines {
		known := all[*l.TransactionID]
		known.Lines = append(known.Lines, l)
		all[*l.TransactionID] = known
	}
	return all, nil
}

// repeat gives repetitions their first results, and refuses those whose
// content differs.
func (r *recording) repeat(before stored) error {
	known, err := before.results()
	if err != nil {
		return err
	}
	for i, it := range r.items {
		if it.repeats == nil {
			continue
		}
		first := known[it.repeats.TransactionID]
		if !bytes.Equal(it.repeats.Digest, it.digest) {
			r.refuse(i, it.conflict(first.Transaction, it.repeats.Digest))
			continue
		}
		it.row, it.lines, it.skipped = first.Transaction, first.Lines, first.Skipped
	}
	return r.refused()
}

func (r *recording) rate(ctx context.Context, tx *pg.Tx, s *standing) error {
	if err := r.readOriginals(ctx, tx, s); err != nil {
		return err
	}
	if err := s.recall(ctx, tx.DB, r.p.Plans.On(tx.DB)); err != nil {
		return err
	}
	failed := false
	for i, it := range r.items {
		if !it.stored() || it.event.Pending {
			continue
		}
		var err error
		if it.takes != nil {
			err = s.link(it)
		}
		if err == nil {
			it.lines, it.skipped, err = s.rated(&it.row, r.p.self, it.row.RecordedAt)
		}
		if err != nil {
			r.refuse(i, err)
			failed = true
		}
	}
	if err := r.refused(); err != nil || !failed {
		return err
	}
	return errAgain
}

// fewRows is up to how many rows one INSERT with its finish in the same round
// trip beats COPY, which takes two for each table.
const fewRows = 50

func (r *recording) store(ctx context.Context, tx *pg.Tx, s *standing) error {
	post := posting{totals: deltas{}, counters: s.changed, reversed: s.reversed()}
	for _, it := range r.items {
		if it.stored() {
			post.rows = append(post.rows, it.row)
			post.add(it.row, it.lines)
		}
	}
	var b pgx.Batch
	err := post.write(ctx, tx.DB, &b)
	if err == nil {
		tx.Finish(&b)
		err = tx.Finished(ctx, &b)
	}
	if err != nil {
		return r.noMonth(err, post.rows)
	}
	return nil
}

// posting is what a batch writes.
type posting struct {
	rows     []transaction.Transaction // new ones
	lines    []commission.Commission
	totals   deltas
	counters commission.Facts
	reversed []*original // older ones that are now taken back whole
}

// add posts the lines of a transaction, and what it adds to the totals.
func (p *posting) add(t transaction.Transaction, lines []commission.Commission) {
	p.lines = append(p.lines, lines...)
	p.totals.add(t, lines)
}

// write queues a few rows and copies many.
func (p *posting) write(ctx context.Context, tx pg.DB, b *pgx.Batch) error {
	if len(p.counters) > 0 {
		commission.QueueRemember(b, p.counters)
	}
	if len(p.reversed) > 0 {
		ids, at := make([]uuid.UUID, len(p.reversed)), make([]time.Time, len(p.reversed))
		for i, o := range p.reversed {
			ids[i], at[i] = o.row.ID, o.row.CreatedAt
		}
		transaction.QueueReversed(b, ids, at)
	}
	if len(p.rows)+len(p.lines)+len(p.totals) > fewRows {
		return p.copy(ctx, tx)
	}
	if len(p.rows) > 0 {
		if err := transaction.QueueInsert(b, p.rows); err != nil {
			return err
		}
	}
	if len(p.lines) > 0 {
		if err := commission.QueueInsert(b, p.lines); err != nil {
			return err
		}
	}
	p.totals.queue(b)
	return nil
}

func (p *posting) copy(ctx context.Context, tx pg.DB) error {
	if err := transaction.Copy(ctx, tx, p.rows); err != nil {
		return err
	}
	if err := commission.Copy(ctx, tx, p.lines); err != nil {
		return err
	}
	return p.totals.copy(ctx, tx)
}

// noMonth tells a missing partition from other refusals: a month that was
// known may have been dropped since.
func (r *recording) noMonth(err error, rows []transaction.Transaction) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "23514" || refused.ConstraintName != "" || len(rows) == 0 {
		return err
	}
	r.p.months.Forget()
	return errors.Join(&transaction.NoPartitionError{Month: rows[0].CreatedAt}, err)
}

// deltas are what a batch adds to the totals of affiliates. They are appended,
// and folded later: updating the rows of uplines would make every recording
// wait for every other.
type deltas map[uuid.UUID]delta

type delta struct{ volume, commissions decimal.Decimal }

func (d deltas) add(t transaction.Transaction, lines []commission.Commission) {
	if t.Status == transaction.Pending || t.Status == transaction.Failed {
		return
	}
	if !t.Volume.IsZero() {
		own := d[t.AffiliateID]
		own.volume = own.volume.Add(t.Volume)
		d[t.AffiliateID] = own
	}
	for _, l := range lines {
		d.earn(l.AffiliateID, l.FinalAmount)
	}
}

func (d deltas) earn(id uuid.UUID, amount decimal.Decimal) {
	earned := d[id]
	earned.commissions = earned.commissions.Add(amount)
	d[id] = earned
}

// ids are in order, so that the same batch is always written the same way.
func (d deltas) ids() []uuid.UUID {
	return slices.SortedFunc(maps.Keys(d), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
}

func (d deltas) queue(b *pgx.Batch) {
	if len(d) == 0 {
		return
	}
	ids := d.ids()
	volumes, commissions := make([]pgtype.Numeric, len(ids)), make([]pgtype.Numeric, len(ids))
	for i, id := range ids {
		volumes[i], commissions[i] = pg.Numeric(d[id].volume), pg.Numeric(d[id].commissions)
	}
	b.Queue(insertDeltas, ids, volumes, commissions)
}

func (d deltas) copy(ctx context.Context, tx pg.DB) error {
	ids := d.ids()
	_, err := tx.CopyFrom(ctx, pg.Table(tx, "affiliate_deltas"), []string{"affiliate_id", "volume", "commissions"},
		pgx.CopyFromSlice(len(ids), func(i int) ([]any, error) {
			return []any{pg.ID(ids[i]), pg.Numeric(d[ids[i]].volume), pg.Numeric(d[ids[i]].commissions)}, nil
		}))
	return err
}
