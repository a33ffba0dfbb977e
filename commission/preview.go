package commission

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/transaction"
)

// Sample is a small programme to try plans on: who there is, and what happens.
// Ids are free text.
type Sample struct {
	Plans      []SamplePlan      `json:"plans"`      // versions, each in force for everybody from its time on
	Affiliates []SampleAffiliate `json:"affiliates"` // in any order
	Customers  []SampleCustomer  `json:"customers,omitempty"`
	Events     []SampleEvent     `json:"events"` // rated by their time, those of one time in this order
	// Close names periods to be closed, such as 2025-06, 2025-W23 or 2025-06-14.
	// A close comes before the events of the moment in which its period ends.
	Close []string `json:"close,omitempty"`
}

// SamplePlan is a version of a plan.
type SamplePlan struct {
	Document Document  `json:"document"`
	From     time.Time `json:"from,omitzero"`
}

// SampleAffiliate is an affiliate, active and standard unless it says
// otherwise.
type SampleAffiliate struct {
	ID       string             `json:"id"`
	Parent   string             `json:"parent,omitempty"`
	Category affiliate.Category `json:"category,omitempty"`
	Status   affiliate.Status   `json:"status,omitempty"`
}

// SampleCustomer says since when a customer has had an owner: for one that is
// not listed, since his first event.
type SampleCustomer struct {
	ID           string    `json:"id"`
	AttributedAt time.Time `json:"attributed_at"`
}

// SampleEvent is an event of an affiliate.
type SampleEvent struct {
	ID        string           `json:"id"`
	At        time.Time        `json:"at"`
	Affiliate string           `json:"affiliate"`
	Customer  string           `json:"customer,omitempty"`
	Type      transaction.Type `json:"type"`
	Amount    Decimal          `json:"amount"`
	Reverses  string           `json:"reverses,omitempty"` // the id of an earlier event
	Metadata  map[string]any   `json:"metadata,omitempty"`
}

// Limits of a sample. They bound what one preview can cost.
const (
	maxSamplePlans      = 100
	maxSampleAffiliates = 10_000
	maxSampleEvents     = 10_000
	maxSampleDepth      = 255
	maxSampleCloses     = 1_000
	maxSampleLines      = 100_000 // posted and skipped, and statements; what one event or account more adds is bounded by its plan
)

// Previewed is what a sample comes to. Amounts are text with the currency's
// decimals.
type Previewed struct {
	Lines      []PreviewedLine      `json:"lines"`
	Statements []PreviewedStatement `json:"statements"`
	Skipped    []PreviewedSkip      `json:"skipped"`
	Breakage   Decimal              `json:"breakage"`
	Totals     map[string]Decimal   `json:"totals"` // by affiliate: the sum of final amounts
}

// PreviewedLine is a line that would be posted.
type PreviewedLine struct {
	Event       string      `json:"event,omitempty"`
	Period      string      `json:"period,omitempty"` // of a statement's line
	Affiliate   string      `json:"affiliate"`
	Customer    string      `json:"customer,omitempty"`
	Rule        string      `json:"rule"`
	Level       int         `json:"level"`
	Kind        Kind        `json:"kind"`
	Base        Decimal     `json:"base"`
	Rate        Decimal     `json:"rate"`
	Amount      Decimal     `json:"amount"`
	Final       Decimal     `json:"final_amount"`
	AvailableAt time.Time   `json:"available_at"`
	Calculation Calculation `json:"calculation"`
}

// PreviewedSkip is why a rule or a level would post no line.
type PreviewedSkip struct {
	Event     string  `json:"event,omitempty"`
	Period    string  `json:"period,omitempty"`    // of a statement's
	Affiliate string  `json:"affiliate,omitempty"` // of a statement's
	Rule      string  `json:"rule,omitempty"`
	Level     int     `json:"level"`
	Reason    Reason  `json:"reason"`
	Breakage  Decimal `json:"breakage,omitempty"`
	Capped    Decimal `json:"capped,omitempty"`
}

// Preview rates a sample by the very code that rates live events, and stores
// nothing. Errors: InvalidError by path, all of them at once.
func Preview(s Sample) (Previewed, error) {
	p := preview{
		Sample: s, affiliates: map[string]SampleAffiliate{}, names: map[uuid.UUID]string{},
		members: map[string]Member{}, places: map[string]int{}, attributed: map[string]time.Time{}, listed: map[string]bool{}, memory: Facts{}, originals: map[string]*Original{},
		balances: map[accountKey]CarryOver{},
		out:      Previewed{Lines: []PreviewedLine{}, Statements: []PreviewedStatement{}, Skipped: []PreviewedSkip{}, Totals: map[string]Decimal{}},
	}
	p.check()
	if err := p.Done(); err != nil {
		return Previewed{}, err
	}
	for _, turn := range p.turns() {
		p.Err(turn.path, turn.do())
		if p.full() {
			p.That(false, "events", "come to more than %d lines, skips and statements", maxSampleLines)
			break
		}
	}
	return p.done()
}

// full tells that the preview has come to more than it may.
func (p *preview) full() bool {
	return len(p.out.Lines)+len(p.out.Skipped)+len(p.out.Statements) > maxSampleLines
}

// turn is an event or a close, in the order in which they happen.
type turn struct {
	at   time.Time
	path string
	do   func() error
}

// turns are in order of time; a close precedes the events of its moment.
func (p *preview) turns() []turn {
	turns := make([]turn, 0, len(p.closes)+len(p.Events))
	for _, c := range p.closes {
		turns = append(turns, turn{c.To, c.path, func() error { return p.close(c) }})
	}
	for i, e := range p.Events {
		turns = append(turns, turn{e.At, fmt.Sprintf("events[%d]", i), func() error { return p.rate(e) }})
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return a.at.Compare(b.at) })
	return turns
}

type preview struct {
	Sample
	fault.Check
	plans      []*Plan
	digits     int32
	affiliates map[string]SampleAffiliate
	names      map[uuid.UUID]string
	members    map[string]Member // by affiliate
	places     map[string]int    // of affiliates in the sample
	attributed map[string]time.Time
	listed     map[string]bool // the customers
	memory     Facts
	originals  map[string]*Original
	closes     []closing
	order      []int       // the places of the versions, in the order in which they come into force
	happened   []*happened // in order of time
	balances   map[accountKey]CarryOver
	out        Previewed
	breakage   decimal.Decimal
	totals     map[string]decimal.Decimal
}

func (p *preview) check() {
	p.totals = map[string]decimal.Decimal{}
	p.That(len(p.Plans) > 0, "plans", "are missing")
	p.That(len(p.Plans) <= maxSamplePlans, "plans", "are %d, more than %d", len(p.Plans), maxSamplePlans)
	p.That(len(p.Affiliates) <= maxSampleAffiliates, "affiliates", "are %d, more than %d", len(p.Affiliates), maxSampleAffiliates)
	p.That(len(p.Events) <= maxSampleEvents, "events", "are %d, more than %d", len(p.Events), maxSampleEvents)
	if p.Done() != nil {
		return
	}
	for i, v := range p.Plans {
		plan, err := NewPlan(sampleID(fmt.Sprintf("%s %d", v.Document.Name, i+1)), i+1, v.Document)
		p.Err(fmt.Sprintf("plans[%d].document", i), err)
		if p.plans = append(p.plans, plan); plan != nil {
			p.digits = plan.digits
			p.That(v.Document.Currency == p.Plans[0].Document.Currency, fmt.Sprintf("plans[%d].document.currency", i), "is not that of plans[0]")
		}
	}
	for i, a := range p.Affiliates {
		p.affiliate(fmt.Sprintf("affiliates[%d]", i), a)
		p.places[a.ID] = i
	}
	for i, a := range p.Affiliates {
		p.parent(fmt.Sprintf("affiliates[%d].parent", i), a)
	}
	for i, c := range p.Customers {
		p.That(c.ID != "", fmt.Sprintf("customers[%d].id", i), "is missing")
		p.That(!c.AttributedAt.IsZero(), fmt.Sprintf("customers[%d].attributed_at", i), "is missing")
		p.attributed[c.ID], p.listed[c.ID] = c.AttributedAt, true
	}
	p.events()
	if p.Done() == nil {
		p.order = p.byTime()
		p.closes = p.closings()
	}
}

func (p *preview) affiliate(path string, a SampleAffiliate) {
	p.Err(path+".id", checkText(a.ID, maxKey))
	_, twice := p.affiliates[a.ID]
	p.That(!twice, path+".id", "%.40q stands twice", a.ID)
	p.That(a.Category == "" || a.Category.Valid(), path+".category", "%.40q is not a category", string(a.Category))
	p.That(a.Status == "" || a.Status.Valid(), path+".status", "%.40q is not a status", string(a.Status))
	m := Member{
		ID: sampleID(a.ID), Active: cmp.Or(a.Status, affiliate.Active) == affiliate.Active, Category: cmp.Or(a.Category, affiliate.Standard),
	}
	p.affiliates[a.ID], p.members[a.ID], p.names[m.ID] = a, m, a.ID
}

func (p *preview) parent(path string, a SampleAffiliate) {
	depth := 0
	for at := a; at.Parent != ""; depth++ {
		next, ok := p.affiliates[at.Parent]
		if !ok {
			p.That(at.ID != a.ID, path, "%.40q is not one of the affiliates", at.Parent)
			return
		}
		if depth > maxSampleDepth {
			p.That(false, path, "leads in a circle, or up more than %d levels", maxSampleDepth)
			return
		}
		at = next
	}
}

func (p *preview) events() {
	seen := map[string]bool{}
	for i, e := range p.Events {
		path := fmt.Sprintf("events[%d]", i)
		p.Err(path+".id", checkText(e.ID, maxKey))
		p.That(!seen[e.ID], path+".id", "%.40q stands twice", e.ID)
		seen[e.ID] = true
		_, known := p.affiliates[e.Affiliate]
		p.That(known || e.Affiliate == "" && e.Reverses != "", path+".affiliate", "%.40q is not one of the affiliates", e.Affiliate)
		p.That(!e.At.IsZero(), path+".at", "is missing")
		p.That(e.At.Before(endOfTime), path+".at", "is after the year 2999")
		event, err := p.event(e)
		if err != nil {
			p.Err(path+".amount", err)
		} else if !e.At.IsZero() {
			p.Err(path, event.Validate(p.Plans[0].Document.Currency, event.At))
		}
		if first, ok := p.attributed[e.Customer]; e.Customer != "" && (!ok || e.At.Before(first) && !p.listed[e.Customer]) {
			p.attributed[e.Customer] = e.At
		}
	}
}

func (p *preview) event(e SampleEvent) (transaction.Event, error) {
	amount, err := money.Parse(string(e.Amount))
	event := transaction.Event{
		CustomerID: e.Customer, Type: e.Type, Amount: amount, At: e.At, Metadata: e.Metadata,
	}
	if e.Affiliate != "" {
		event.AffiliateID = sampleID(e.Affiliate)
	}
	if e.Reverses != "" {
		event.Reverses = sampleID(e.Reverses)
	}
	return event.Normalize(p.Plans[0].Document.Currency, e.At), err
}

// sampleID stands for a free text.
func sampleID(text string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceURL, []byte(text)) }

func (p *preview) rate(e SampleEvent) error {
	event, err := p.event(e)
	if err != nil {
		return err
	}
	in := Input{Event: event, Upline: p.upline(e.Affiliate), AttributedAt: p.attributed[e.Customer]}
	in.Plan = p.planAt(event.At)
	if e.Reverses != "" {
		if in.Original = p.originals[e.Reverses]; in.Original == nil {
			return fault.Field("reverses", "%.40q is not an earlier event", e.Reverses)
		}
	}
	out, err := Rate(in, p.memory)
	if err != nil {
		return err
	}
	maps.Copy(p.memory, out.Counters)
	p.tell(e, in, out)
	return nil
}

// planAt is the version in force at a time.
func (p *preview) planAt(at time.Time) *Plan {
	best := -1
	for i, v := range p.Plans {
		if !at.Before(v.From) && (best < 0 || !v.From.Before(p.Plans[best].From)) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return p.plans[best]
}

// tell adds an outcome to the preview, and keeps what a later event may take
// back.
func (p *preview) tell(e SampleEvent, in Input, out Outcome) {
	customer := e.Customer
	if o := in.Original; o != nil {
		o.Took(in.Event.Amount)
		customer = o.Event.CustomerID
	}
	original := &Original{Plan: in.Plan, Event: in.Event, AttributedAt: in.AttributedAt, Skipped: out.Skipped}
	kind := Earning
	for _, l := range out.Lines {
		posted := Post(l, sampleID(e.ID), in.Event.At, in.Event.At)
		kind = posted.Kind
		original.Lines = append(original.Lines, posted)
	}
	p.tellLines(PreviewedLine{Event: e.ID, Customer: customer}, out.Lines, kind)
	p.tellSkips(PreviewedSkip{Event: e.ID}, out.Skipped)
	p.originals[e.ID] = original
	p.note(e, in, out)
}

// tellLines adds lines to the preview, each made of what they have in common.
func (p *preview) tellLines(line PreviewedLine, lines []Line, kind Kind) {
	for _, l := range lines {
		line.Affiliate, line.Rule, line.Level, line.Kind = p.names[l.AffiliateID], l.Rule, l.Level, kind
		line.Base, line.Rate, line.Amount, line.Final = p.text(l.Base), Decimal(plain(l.Rate)), p.text(l.Amount), p.text(l.Final)
		line.AvailableAt, line.Calculation = l.AvailableAt, l.Calculation
		p.totals[line.Affiliate] = p.totals[line.Affiliate].Add(l.Final)
		p.out.Lines = append(p.out.Lines, line)
	}
}

func (p *preview) tellSkips(skip PreviewedSkip, skips []Skip) {
	for _, s := range skips {
		p.breakage = p.breakage.Add(s.Breakage)
		skip.Rule, skip.Level, skip.Reason, skip.Breakage, skip.Capped = s.Rule, s.Level, s.Reason, "", ""
		if !s.Breakage.IsZero() {
			skip.Breakage = p.text(s.Breakage)
		}
		if !s.Capped.IsZero() {
			skip.Capped = p.text(s.Capped)
		}
		p.out.Skipped = append(p.out.Skipped, skip)
	}
}

// upline is the affiliate and who stands above it.
func (p *preview) upline(id string) []Member {
	var upline []Member
	for id != "" {
		upline = append(upline, p.members[id])
		id = p.affiliates[id].Parent
	}
	return upline
}

func (p *preview) text(d decimal.Decimal) Decimal { return Decimal(d.StringFixed(p.digits)) }

func (p *preview) done() (Previewed, error) {
	if err := p.Done(); err != nil {
		return Previewed{}, err
	}
	p.out.Breakage = p.text(p.breakage)
	for name, sum := range p.totals {
		p.out.Totals[name] = p.text(sum)
	}
	return p.out, nil
}
