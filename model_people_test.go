package fature_test

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/transaction"
)

// model is a programme as maps and slices, and nothing cleverer. Only the
// arithmetic of lines is that of the pure engine, which has vectors of its own.
type model struct {
	now         time.Time
	affiliates  []*person
	owners      map[string][]owned
	assignments map[string][]assigned // by whom, in order of from
	published   map[string][]version
	inForce     []assigned // each version since when it was first anybody's
	rows        []*deed
	keys        map[transaction.Key]*deed
	lines       []*posted
	corrections map[string]*posted
	counters    commission.Facts
	closings    map[string][]*closing // by plan, in order
	statements  []*statement
	payouts     []*payout
	seq         int64
}

const modelDepth = 4

func newModel(now time.Time) *model {
	return &model{
		now: now, owners: map[string][]owned{}, assignments: map[string][]assigned{}, published: map[string][]version{},
		keys: map[transaction.Key]*deed{}, corrections: map[string]*posted{}, counters: commission.Facts{}, closings: map[string][]*closing{},
	}
}

// person is an affiliate.
type person struct {
	id       uuid.UUID
	name     string
	parent   *person
	status   affiliate.Status
	category affiliate.Category
}

// owned is whose a customer is from a time on; nil is nobody's.
type owned struct {
	by   *person
	from time.Time
}

// assigned is a plan that applies from a time on.
type assigned struct {
	plan *commission.Plan
	from time.Time
}

// version is one of a plan, made of a document by its place.
type version struct {
	plan     *commission.Plan
	document int
}

// deed is a recorded transaction.
type deed struct {
	id         uuid.UUID // the model's own name for it
	real       uuid.UUID
	given      transaction.Event // as the host gave it
	event      transaction.Event // as it is rated
	seq        int64
	by         *person
	plan       *commission.Plan // at its own time
	attributed time.Time
	reverses   *deed
	refunded   decimal.Decimal
	whole      bool
	lines      []*posted
	skipped    []commission.Skip
}

// posted is a line.
type posted struct {
	commission.Commission
	real      uuid.UUID
	by        *person
	entry     *deed
	statement *statement
	payout    *payout
}

func (m *model) person(id uuid.UUID) *person {
	at := slices.IndexFunc(m.affiliates, func(p *person) bool { return p.id == id })
	if at < 0 {
		return nil
	}
	return m.affiliates[at]
}

// line is a person and who stands above it, nearest first.
func (p *person) line() (all []*person) {
	for ; p != nil; p = p.parent {
		all = append(all, p)
	}
	return all
}

func (p *person) upline() (all []commission.Member) {
	for _, p := range p.line() {
		all = append(all, commission.Member{ID: p.id, Active: p.status == affiliate.Active, Category: p.category})
	}
	return all
}

// place puts somebody under a parent, nil being a root, unless that is refused.
func (m *model) place(p, parent *person) error {
	height := 0
	for _, other := range m.affiliates {
		height = max(height, slices.Index(other.line(), p))
	}
	switch above := parent.line(); {
	case parent == p.parent && parent != nil:
	case slices.Contains(above, p):
		return hierarchy.ErrCycle
	case parent != nil && len(above)+height > modelDepth:
		return &hierarchy.DepthError{Depth: len(above) + height, Max: modelDepth}
	}
	p.parent = parent
	return nil
}

// ownerAt is whose a customer is at a time.
func (m *model) ownerAt(customer string, at time.Time) *person {
	for _, o := range slices.Backward(m.owners[customer]) {
		if !o.from.After(at) {
			return o.by
		}
	}
	return nil
}

// own gives a customer to somebody, unless something is noted of that moment.
func (m *model) own(customer string, by *person, from time.Time) {
	if slices.ContainsFunc(m.owners[customer], func(o owned) bool { return o.from.Equal(from) }) {
		return
	}
	list := append(slices.Clone(m.owners[customer]), owned{by, from})
	slices.SortFunc(list, func(a, b owned) int { return a.from.Compare(b.from) })
	m.owners[customer] = list
}

// transfer is also release, to nobody.
func (m *model) transfer(customer string, to *person, from time.Time) error {
	list := m.owners[customer]
	if len(list) == 0 {
		return affiliate.ErrCustomerNotFound
	}
	switch last := list[len(list)-1]; {
	case last.by == to && !last.from.After(from):
		return nil
	case !last.from.Before(from):
		return affiliate.ErrTransferred
	}
	m.own(customer, to, from)
	return nil
}

// publish makes the next version of a document, unless it is the newest.
func (m *model) publish(name string, document int, id uuid.UUID) (*commission.Plan, error) {
	list := m.published[name]
	if len(list) > 0 && list[len(list)-1].document == document {
		return list[len(list)-1].plan, nil
	}
	plan, err := commission.NewPlan(id, len(list)+1, modelDocument(document))
	m.published[name] = append(list, version{plan, document})
	return plan, err
}

func (m *model) assign(whom string, p *commission.Plan, from time.Time) error {
	if slices.ContainsFunc(m.assignments[whom], func(a assigned) bool { return a.from.Equal(from) }) {
		return commission.ErrAssigned
	}
	list := append(m.assignments[whom], assigned{p, from})
	slices.SortFunc(list, func(a, b assigned) int { return a.from.Compare(b.from) })
	m.assignments[whom] = list
	at := slices.IndexFunc(m.inForce, func(a assigned) bool { return a.plan.ID == p.ID })
	switch {
	case at < 0:
		m.inForce = append(m.inForce, assigned{p, from})
	case from.Before(m.inForce[at].from):
		m.inForce[at].from = from
	}
	slices.SortFunc(m.inForce, func(a, b assigned) int {
		return cmp.Or(a.from.Compare(b.from), slices.Compare(a.plan.ID[:], b.plan.ID[:]))
	})
	return nil
}

// scopesOf are the names under which plans may be assigned to somebody, the
// strongest first.
func scopesOf(p *person) []string {
	return []string{"affiliate " + p.name, "category " + string(p.category), "default"}
}

func (m *model) planAt(p *person, at time.Time) *commission.Plan {
	for _, whom := range scopesOf(p) {
		for _, a := range slices.Backward(m.assignments[whom]) {
			if !a.from.After(at) {
				return a.plan
			}
		}
	}
	return nil
}

// during are the versions among some that apply in a stretch of time, in order.
func (m *model) during(p *person, from, to time.Time, among []*commission.Plan) (plans []*commission.Plan) {
	times := []time.Time{from}
	for _, whom := range scopesOf(p) {
		for _, a := range m.assignments[whom] {
			if a.from.After(from) && a.from.Before(to) {
				times = append(times, a.from)
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for _, at := range times {
		if plan := m.planAt(p, at); plan != nil && slices.Contains(among, plan) {
			plans = append(plans, plan)
		}
	}
	return slices.Compact(plans)
}
