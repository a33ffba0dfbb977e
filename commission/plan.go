package commission

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/transaction"
)

// Plan is a version of a document, compiled for rating. It does not change,
// may be used by several goroutines at once, and is made by NewPlan only.
type Plan struct {
	ID       uuid.UUID
	Version  int
	Document // to be read; changing it changes nothing that is paid

	zone     *time.Location
	hold     span
	digits   int32
	rounding Rounding
	rules    []rule       // for events
	periods  []periodRule // for periods
	caps     []limit

	remembers bool // some rule or cap needs a counter
	asks      bool // some rule asks since when a customer has had an owner
}

// AsksAttribution tells whether some rule asks since when a customer has had an
// owner. Who rates by the plan keeps that from changing meanwhile.
func (p *Plan) AsksAttribution() bool { return p.asks }

// rule is a rule compiled. It pays by tiers, by percents or by pay.
type rule struct {
	id           string
	on           []transaction.Type
	when, unless condition
	limit        quota
	pay          share
	tiers        *table
	percents     differential
	of           OverrideBase
	inactive     Inactive
	steps        []step
}

// share is a percent or a flat amount compiled.
type share struct {
	kind     string
	rate     decimal.Decimal // the percent as written, or the flat amount
	fraction decimal.Decimal // a hundredth of the percent
	by       string          // what the flat amount is multiplied by, or empty
}

// step is one level of the overrides compiled.
type step struct {
	share
	categories []affiliate.Category // nil is all
}

// limit is a cap compiled: an amount, or else a fraction of the transaction's.
type limit struct {
	per      CapPer
	period   Period
	max      decimal.Decimal
	fraction decimal.Decimal
	again    bool // an earlier cap keeps the same counter
}

// NewPlan makes the plan of a document. The errors are those of Validate, of
// the kind fault.Invalid. Versions count from 1.
func NewPlan(id uuid.UUID, version int, doc Document) (*Plan, error) {
	if version < 1 {
		return nil, fault.Field("version", "is less than 1")
	}
	if err := doc.Validate(); err != nil {
		return nil, err
	}
	p := &Plan{ID: id, Version: version, Document: doc}
	return p, p.compile()
}

// compile cannot fail on a valid document; it passes on what would say so.
func (p *Plan) compile() (err error) {
	if p.digits, err = money.Digits(p.Currency); err != nil {
		return fault.In("currency", err)
	}
	if p.zone, err = loadZone(p.Timezone); err != nil {
		return fault.In("timezone", err)
	}
	if p.Hold != "" {
		if p.hold, err = p.Hold.parse(); err != nil {
			return fault.In("hold", err)
		}
	}
	p.rounding = cmp.Or(p.Rounding, HalfUp)
	for _, r := range p.Rules {
		if r.Period != "" {
			p.periods = append(p.periods, r.compilePeriod())
			continue
		}
		p.rules = append(p.rules, r.compile())
		p.remembers = p.remembers || r.remembers()
		p.asks = p.asks || r.When.Within != "" || r.Unless.Within != ""
	}
	for _, c := range p.Caps {
		again := slices.ContainsFunc(p.caps, func(l limit) bool { return l.per == c.Per && l.period == c.Period })
		p.caps = append(p.caps, limit{per: c.Per, period: c.Period, max: c.Max.value(), fraction: c.Percent.value().Shift(-2), again: again})
		p.remembers = p.remembers || c.Per != PerTransaction
	}
	return nil
}

func (r Rule) compile() rule {
	compiled := rule{
		id: r.ID, on: slices.Clone(r.On),
		when: r.When.compile(sumWhen), unless: r.Unless.compile(sumUnless), limit: r.Limit.compile(),
		pay: newShare(r.Pay.Percent, r.Pay.Flat), tiers: r.Pay.Tiers.compile(), percents: newDifferential(r.Pay.Differential),
		of: r.Overrides.Of, inactive: r.Overrides.Inactive,
	}
	compiled.pay.by = r.Pay.MultiplyBy
	for _, s := range r.Overrides.Steps {
		compiled.steps = append(compiled.steps, step{newShare(s.Percent, s.Flat), slices.Clone(s.Categories)})
	}
	return compiled
}

// remembers tells whether a rule needs a counter.
func (r Rule) remembers() bool {
	return r.Limit != (Limit{}) || r.When.CumulativeMin != "" || r.Unless.CumulativeMin != "" ||
		r.Pay.Tiers.given() && r.Pay.Tiers.Scope != EachTransaction
}

func newShare(percent, flat Decimal) share {
	if flat != "" {
		return share{kind: kindFlat, rate: flat.value()}
	}
	rate := percent.value()
	return share{kind: kindPercent, rate: rate, fraction: rate.Shift(-2)}
}
