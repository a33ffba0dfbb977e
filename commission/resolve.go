package commission

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/pg"
)

// Resolution is which plan applies to an affiliate's events at a time, and why
// not the others.
type Resolution struct {
	Plan       *Plan       // nil where none is in force
	Candidates []Candidate // the strongest scope first, and within it the latest
}

// Candidate is an assignment that was looked at.
type Candidate struct {
	Assignment
	Name    string // of its plan
	Version int
	Wins    bool
	Reason  string // "the affiliate's own", or why it does not win
}

// Resolve tells which plan applies to an affiliate at a time, by its category
// of now, and why each other assignment does not. Errors:
// affiliate.ErrNotFound.
func (s *Plans) Resolve(ctx context.Context, affiliateID uuid.UUID, at time.Time) (Resolution, error) {
	r, err := s.resolve(ctx, affiliateID, at)
	return r, fail("resolve", err)
}

func (s *Plans) resolve(ctx context.Context, affiliateID uuid.UUID, at time.Time) (r Resolution, err error) {
	var categories []affiliate.Category
	all := Assignments{}
	var b pgx.Batch
	pg.QueueColumn(&b, &categories, selectCategory, affiliateID)
	QueueAssignments(&b, all, []uuid.UUID{affiliateID})
	if err := pg.Send(ctx, s.db, &b); err != nil {
		return r, err
	}
	if len(categories) == 0 {
		return r, affiliate.ErrNotFound
	}
	var ids []uuid.UUID
	for _, list := range all {
		for _, a := range list {
			ids = append(ids, a.PlanID)
		}
	}
	plans, err := s.GetAll(ctx, ids)
	if err != nil {
		return r, err
	}
	m := Member{ID: affiliateID, Category: categories[0]}
	r.Plan = plans[all.Plan(m, at)]
	for _, whom := range scopes(m) {
		for _, a := range slices.Backward(all[whom]) {
			plan := plans[a.PlanID]
			r.add(Candidate{Assignment: a, Name: plan.Name, Version: plan.Version}, at)
		}
	}
	return r, nil
}

// add says of a candidate whether it wins: the first that has begun does.
func (r *Resolution) add(c Candidate, at time.Time) {
	won := slices.IndexFunc(r.Candidates, func(c Candidate) bool { return c.Wins })
	switch {
	case c.From.After(at):
		c.Reason = "begins later"
	case won < 0:
		c.Wins, c.Reason = true, c.Scope.why()
	case r.Candidates[won].Scope == c.Scope:
		c.Reason = "a later one of the same scope has begun"
	default:
		c.Reason = fmt.Sprintf("the %s one comes first", r.Candidates[won].Scope)
	}
	r.Candidates = append(r.Candidates, c)
}

func (s Scope) why() string {
	switch s {
	case ScopeAffiliate:
		return "the affiliate's own"
	case ScopeCategory:
		return "its category's"
	case ScopeDefault:
	}
	return "the default"
}

// Explain tells how a line came about, or ErrNotFound: a sentence, the steps,
// and whether evaluating it again comes to the same.
func (s *Store) Explain(ctx context.Context, id uuid.UUID) (Explanation, error) {
	c, err := s.Get(ctx, id)
	if err != nil {
		return Explanation{}, err
	}
	if c.Kind == Adjustment {
		sentence := fmt.Sprintf("Adjusted by hand by %s: %s.", c.Calculation.money(c.FinalAmount), c.Note)
		return Explanation{Sentence: sentence}, nil
	}
	return c.Calculation.Explain(), nil
}
