package fature_test

import (
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// outcome is what the model expects of one event.
type outcome struct {
	entry     *deed // nil is nobody's
	duplicate bool
	differs   bool
}

// modelCall is a call on its way in the model: what it changes is put back
// where any of it is refused.
type modelCall struct {
	*model
	refusals []error
	keyed    map[transaction.Key]int // the first event of the call with a key
	undo     []func()
	rated    []*deed
}

func (c *modelCall) refuse(kind error) { c.refusals = append(c.refusals, kind) }

// record is a call: what becomes of its events, or the kinds of refusal of
// which it gives one or more.
func (m *model) record(events []transaction.Event) (outcomes []outcome, refusals []error) {
	c := &modelCall{model: m, keyed: map[transaction.Key]int{}}
	owners, counters, keys := maps.Clone(m.owners), maps.Clone(m.counters), maps.Clone(m.keys)
	same := c.check(events)
	if len(c.refusals) == 0 {
		outcomes = c.resolve(events, same)
	}
	for i := 0; i < len(c.rated) && len(c.refusals) == 0; i++ {
		c.rate(c.rated[i])
	}
	if len(c.refusals) > 0 {
		for _, undo := range c.undo {
			undo()
		}
		m.owners, m.counters, m.keys = owners, counters, keys
		return nil, c.refusals
	}
	for _, e := range c.rated {
		m.seq++
		e.seq = m.seq
		m.rows, m.lines = append(m.rows, e), append(m.lines, e.lines...)
	}
	return outcomes, nil
}

// check refuses what is bad by itself, and finds which events repeat an earlier
// one of the call.
func (c *modelCall) check(events []transaction.Event) (same map[int]int) {
	same = map[int]int{}
	for i, e := range events {
		if e.Amount.IsNegative() || e.At.After(c.now.Add(24*time.Hour)) {
			c.refuse(fature.ErrInvalid)
		}
		if first, ok := c.keyed[e.Key()]; ok && e.Keyed() {
			if same[i] = first; !alike(events[first], e) {
				c.refuse(fature.ErrConflict)
			}
			continue
		}
		if e.Keyed() {
			c.keyed[e.Key()] = i
		}
	}
	return same
}

// alike tells whether two events are the same as given.
func alike(a, b transaction.Event) bool {
	return a.AffiliateID == b.AffiliateID && a.Code == b.Code && a.CustomerID == b.CustomerID && a.Type == b.Type && a.Amount.Equal(b.Amount) &&
		a.At.Equal(b.At) && a.Reverses == b.Reverses && a.ReversesKey == b.ReversesKey && maps.Equal(a.Metadata, b.Metadata)
}

func (c *modelCall) resolve(events []transaction.Event, same map[int]int) []outcome {
	outcomes := make([]outcome, len(events))
	for i, e := range events {
		if first, ok := same[i]; ok {
			outcomes[i] = outcomes[first]
			outcomes[i].duplicate = outcomes[first].entry != nil
			continue
		}
		if known := c.keys[e.Key()]; known != nil && e.Keyed() {
			if !alike(known.given, e) {
				c.refuse(fature.ErrConflict)
			}
			outcomes[i] = outcome{entry: known, duplicate: true}
			continue
		}
		if e.TakesBack() {
			outcomes[i] = c.takeBack(e)
		} else {
			outcomes[i] = c.attribute(e)
		}
		if made := outcomes[i].entry; made != nil {
			c.rated = append(c.rated, made)
			if e.Keyed() {
				c.keys[e.Key()] = made
			}
		}
	}
	return outcomes
}

func (c *modelCall) entry(e transaction.Event, by *person) *deed {
	made := &deed{id: uuid.New(), given: e, event: e, by: by}
	if e.At.IsZero() {
		made.event.At = c.now
	}
	made.event.AffiliateID, made.event.Currency = by.id, "BRL"
	return made
}

// attribute finds whose an event is: the affiliate that it names, the owner of
// its customer, or that of the code.
func (c *modelCall) attribute(e transaction.Event) outcome {
	at := e.At
	if at.IsZero() {
		at = c.now
	}
	by, owner := c.person(e.AffiliateID), c.ownerAt(e.CustomerID, at)
	switch {
	case e.AffiliateID != uuid.Nil && by == nil:
		c.refuse(fature.ErrInvalid)
		return outcome{}
	case by != nil:
	case owner != nil:
		by = owner
	default:
		by = c.byCode(e.Code)
	}
	if by == nil {
		return outcome{}
	}
	if e.CustomerID != "" && owner == nil {
		c.own(e.CustomerID, by, at)
	}
	return outcome{entry: c.entry(e, by), differs: owner != nil && owner != by}
}

func (m *model) byCode(code string) *person {
	for _, p := range m.affiliates {
		if strings.EqualFold(p.name, code) {
			return p
		}
	}
	return nil
}

// takeBack finds what an event takes back.
func (c *modelCall) takeBack(e transaction.Event) outcome {
	var original *deed
	if e.Reverses == uuid.Nil {
		original = c.keys[e.ReversesKey] // what stands later in the call is not there yet
	}
	for _, known := range c.rows {
		if e.Reverses != uuid.Nil && known.real == e.Reverses {
			original = known
		}
	}
	if original == nil {
		c.refuse(fature.ErrInvalid)
		return outcome{}
	}
	made := c.entry(e, original.by)
	made.reverses, made.event.Reverses, made.event.ReversesKey = original, original.id, transaction.Key{}
	made.event.CustomerID = original.event.CustomerID
	return outcome{entry: made}
}

// rate rates an event by the engine, with what the model remembers.
func (c *modelCall) rate(e *deed) {
	for _, o := range c.owners[e.event.CustomerID] {
		if e.attributed.IsZero() || o.from.Before(e.attributed) {
			e.attributed = o.from
		}
	}
	e.plan = c.planAt(e.by, e.event.At)
	in := commission.Input{Plan: e.plan, Event: e.event, Upline: e.by.upline(), AttributedAt: e.attributed}
	if o := e.reverses; o != nil {
		in.Original = o.original()
		in.Plan = o.plan
	}
	out, err := commission.Rate(in, c.counters)
	if err != nil {
		c.refuse(fature.ErrInvalid)
		return
	}
	maps.Copy(c.counters, out.Counters)
	if o := e.reverses; o != nil {
		refunded, whole := o.refunded, o.whole
		c.undo = append([]func(){func() { o.refunded, o.whole = refunded, whole }}, c.undo...)
		o.refunded = o.refunded.Add(e.event.Amount)
		o.whole = o.refunded.Equal(o.event.Amount)
	}
	e.skipped = out.Skipped
	for _, l := range out.Lines {
		p := c.post(l, e.event.At)
		p.entry = e
		e.lines = append(e.lines, p)
	}
}

// original is a transaction as what takes it back sees it.
func (e *deed) original() *commission.Original {
	o := &commission.Original{
		Plan: e.plan, Event: e.event, Refunded: e.refunded, AttributedAt: e.attributed, Whole: e.whole, Skipped: e.skipped,
	}
	if e.reverses != nil {
		o.Plan = e.reverses.plan
	}
	for _, l := range e.lines {
		if l.Kind == commission.Earning {
			o.Lines = append(o.Lines, l.Commission)
		}
	}
	return o
}

// post makes a line: on hold until it is available.
func (m *model) post(l commission.Line, at time.Time) *posted {
	p := &posted{by: m.person(l.AffiliateID), Commission: commission.Commission{
		ID: uuid.New(), AffiliateID: l.AffiliateID, Kind: commission.Earning, Rule: l.Rule, Level: l.Level, BaseAmount: l.Base, Rate: l.Rate,
		Amount: l.Amount, FinalAmount: l.Final, Status: commission.Pending, AvailableAt: l.AvailableAt, Calculation: l.Calculation, CreatedAt: at,
	}}
	if !l.AvailableAt.After(m.now) {
		p.Status = commission.Approved
	}
	if l.ReversesID != uuid.Nil {
		id := l.ReversesID
		p.Kind, p.ReversesID = commission.Reversal, &id
	}
	return p
}

// volume is what a transaction adds to the volume of its affiliate.
func (e *deed) volume() decimal.Decimal {
	counts := func(t transaction.Type) bool {
		return t == transaction.Sale || t == transaction.Deposit || t == transaction.Bet
	}
	switch {
	case e.reverses != nil && counts(e.reverses.event.Type):
		return e.event.Amount.Neg()
	case e.reverses == nil && counts(e.event.Type):
		return e.event.Amount
	}
	return decimal.Zero
}
