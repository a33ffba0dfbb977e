package fature

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/partition"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// MaxBatch is the most events of one call: what one database transaction
// should carry.
const MaxBatch = 10_000

// Recorded is what became of one event.
type Recorded struct {
	// Transaction is zero where the event belongs to nobody or was refused.
	Transaction transaction.Transaction
	// Lines are what was posted, in the order of rules and levels; of a
	// repetition, as they are now.
	Lines []commission.Commission
	// Skipped says why a rule or a level posted no line, and what of the
	// promised money nobody could take.
	Skipped []commission.Skip
	// Duplicate says that the event was recorded before: nothing was written.
	Duplicate bool
	// OwnerDiffers says that the customer belongs to another affiliate than
	// the event gave, who earns all the same.
	OwnerDiffers bool
	// Err is why RecordPartial refused the event.
	Err error
}

// Unattributed tells that the event belongs to nobody: nothing was stored, and
// its key stays free.
func (r Recorded) Unattributed() bool {
	return len(r.Skipped) > 0 && r.Skipped[0].Reason == commission.ReasonUnattributed
}

// Breakage is what the plan promised to levels that nobody could take.
func (r Recorded) Breakage() decimal.Decimal {
	return commission.Outcome{Skipped: r.Skipped}.Breakage()
}

// Record stores events with what they earn, in their order, all of them or
// none: in one transaction of its own, or as part of the host's under WithTx.
// An event that was recorded before, by its key, gives its first result marked
// as a duplicate. An event that belongs to nobody is not an error.
//
// Many events in one call cost as many round trips as one: three, the
// transaction's own included. Inside the host's transaction one call of many
// events also beats many calls: each call is a savepoint, and more than 64 of
// those in one transaction slow the whole server.
//
// Errors: InvalidError by place and field; transaction.ConflictError for a key
// with other content; ErrNoPartition in a host's transaction;
// ErrOutcomeUnknown where the connection broke during COMMIT and an event has
// no key to ask by.
func (p *Program) Record(ctx context.Context, events ...transaction.Event) ([]Recorded, error) {
	results, err := p.record(ctx, events, false)
	return results, pg.Fail("fature: record", err, nil)
}

// RecordPartial is Record where one bad event does not refuse the others: its
// result holds the error, and the rest is stored.
func (p *Program) RecordPartial(ctx context.Context, events ...transaction.Event) ([]Recorded, error) {
	results, err := p.record(ctx, events, true)
	return results, pg.Fail("fature: record", err, nil)
}

// Lookup finds what is recorded under keys: a zero Recorded where there is
// nothing. A host asks it when its own COMMIT got no answer.
func (p *Program) Lookup(ctx context.Context, keys ...transaction.Key) ([]Recorded, error) {
	results, err := p.lookup(ctx, keys)
	return results, pg.Fail("fature: look up", err, nil)
}

func (p *Program) record(ctx context.Context, events []transaction.Event, partial bool) ([]Recorded, error) {
	if err := pg.MayWrite(p.db); err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return nil, nil
	}
	if len(events) > MaxBatch {
		return nil, fault.Field("events", "are %d, more than %d in one call", len(events), MaxBatch)
	}
	currency, err := p.fixedCurrency(ctx)
	if err != nil {
		return nil, err
	}
	r := &recording{p: p, partial: partial}
	r.prepare(events, currency, p.now())
	if err := r.refused(); err != nil {
		return nil, err
	}
	if err := p.readyMonths(ctx, r.months()); err != nil {
		return nil, err
	}
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	return r.results(), nil
}

// fixedCurrency is the programme's currency, which there must be.
func (p *Program) fixedCurrency(ctx context.Context) (string, error) {
	currency, err := p.Plans.Currency(ctx)
	if err == nil && currency == "" {
		err = fault.Field("currency", "is not fixed yet: set Config.Currency or publish a plan")
	}
	return currency, err
}

// recording is a call of Record on its way. What a pass finds out is found out
// again when it is repeated.
type recording struct {
	p       *Program
	partial bool
	items   []*item
}

// item is one event on its way.
type item struct {
	event  transaction.Event // normalised; AffiliateID and Code as given
	timed  bool              // the event said its own time
	digest []byte
	same   *item // an earlier event of the call that this one repeats
	takes  *item // an earlier event of the call that this one takes back, by its key
	err    error

	pass // what the latest pass found out
}

// pass is what one try of the pipeline finds out about an event.
type pass struct {
	repeats      *transaction.Claim // an earlier call's event
	earner       uuid.UUID          // whose event it is; zero is nobody's, or that of what it takes back
	original     transaction.Place  // of what it takes back, where that is stored
	ownerDiffers bool
	row          transaction.Transaction
	lines        []commission.Commission
	skipped      []commission.Skip
}

// live tells an event that is to be stored, as far as is known.
func (it *item) live() bool { return it.err == nil && it.same == nil && it.repeats == nil }

// stored tells an event that this call stores.
func (it *item) stored() bool { return it.live() && (it.earner != uuid.Nil || it.event.TakesBack()) }

func (r *recording) prepare(events []transaction.Event, currency string, now time.Time) {
	seen := make(map[transaction.Key]*item, len(events))
	r.items = make([]*item, len(events))
	for i, e := range events {
		it := &item{event: e.Normalize(currency, now), timed: !e.At.IsZero()}
		r.items[i] = it
		if err := it.event.Validate(currency, now); err != nil {
			r.refuse(i, err)
			continue
		}
		it.digest = it.event.Digest(e.At)
		it.takes = seen[it.event.ReversesKey]
		first, repeated := seen[it.event.Key()]
		switch {
		case !it.event.Keyed():
		case !repeated:
			seen[it.event.Key()] = it
		case slices.Equal(first.digest, it.digest):
			it.same = first
		default:
			r.refuse(i, it.conflict(newRow(first, now), first.digest))
		}
	}
}

// conflict names the field in which the event differs from what its key stands
// for.
func (it *item) conflict(with transaction.Transaction, digest []byte) error {
	e := it.event
	for _, at := range []time.Time{{}, with.CreatedAt} {
		if bytes.Equal(e.Digest(at), digest) { // one of the two did not say its time
			return &transaction.ConflictError{Key: e.Key(), Field: "at"}
		}
	}
	if !it.timed {
		e.At = with.CreatedAt
	}
	return &transaction.ConflictError{Key: e.Key(), Field: with.Differs(e)}
}

func (r *recording) refuse(i int, err error) {
	r.items[i].err = fault.In(fmt.Sprintf("events[%d]", i), err)
}

// shownProblems bounds the error of a batch: its first bad events say enough.
const shownProblems = 20

// refused is why the whole call is refused: nil for a partial one.
func (r *recording) refused() error {
	if r.partial {
		return nil
	}
	var all []error
	more := 0
	for _, it := range r.items {
		switch {
		case it.err == nil:
		case len(all) < shownProblems:
			all = append(all, it.err)
		default:
			more++
		}
	}
	if more > 0 {
		all = append(all, fmt.Errorf("and %d more events", more))
	}
	return errors.Join(all...)
}

// months are those in which the call has events to store.
func (r *recording) months() []time.Time {
	var months []time.Time
	for _, it := range r.items {
		if month := partition.Of(it.event.At); it.err == nil && !slices.Contains(months, month) {
			months = append(months, month)
		}
	}
	return months
}

func (r *recording) results() []Recorded {
	results := make([]Recorded, len(r.items))
	for i, it := range r.items {
		from := it
		if it.same != nil {
			from = it.same
		}
		if it.err != nil || from.err != nil {
			results[i].Err = cmp.Or(it.err, from.err)
			continue
		}
		results[i] = Recorded{
			Transaction: from.row, Lines: from.lines, Skipped: from.skipped, OwnerDiffers: from.ownerDiffers,
			Duplicate: from.repeats != nil || it.same != nil && from.row.ID != uuid.Nil,
		}
	}
	return results
}

func (p *Program) lookup(ctx context.Context, keys []transaction.Key) ([]Recorded, error) {
	if err := pg.MayReadAll(p.db); err != nil {
		return nil, err
	}
	var c fault.Check
	for i, k := range keys {
		c.Err(fmt.Sprintf("keys[%d]", i), k.Validate())
	}
	if err := c.Done(); err != nil {
		return nil, err
	}
	var claims []transaction.Claim
	var look, read pgx.Batch
	transaction.QueueClaims(&look, &claims, keys)
	if err := pg.Send(ctx, p.db, &look); err != nil {
		return nil, err
	}
	var found stored
	found.queue(&read, claims)
	if err := pg.Send(ctx, p.db, &read); err != nil {
		return nil, err
	}
	byID, err := found.results()
	if err != nil {
		return nil, err
	}
	byKey := make(map[transaction.Key]Recorded, len(claims))
	for _, c := range claims {
		byKey[c.Key()] = byID[c.TransactionID]
	}
	results := make([]Recorded, len(keys))
	for i, k := range keys {
		results[i] = byKey[k]
	}
	return results, nil
}
