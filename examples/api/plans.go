package main

import (
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
)

type planJSON struct {
	ID       uuid.UUID            `json:"id"`
	Name     string               `json:"name"`
	Version  int                  `json:"version"`
	Currency string               `json:"currency"`
	Warnings []string             `json:"warnings,omitempty"`
	Document *commission.Document `json:"document,omitempty"`
}

func planReply(p *commission.Plan) planJSON {
	return planJSON{ID: p.ID, Name: p.Name, Version: p.Version, Currency: p.Currency}
}

func (a *api) publishPlan(c *call) (reply, error) {
	doc, err := bodyOf[commission.Document](c)
	if err != nil {
		return reply{}, err
	}
	plan, err := c.program.Plans.Publish(c.Context(), doc)
	if err != nil {
		return reply{}, err
	}
	body := planReply(plan)
	body.Warnings = doc.Warnings()
	return created(body)
}

func (a *api) listPlans(c *call) (reply, error) {
	q := queryOf(c)
	f := commission.PlanFilter{Name: q.text("name")}
	f.Limit, f.After = q.page()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	list, err := c.program.Plans.List(c.Context(), f)
	if err != nil {
		return reply{}, err
	}
	return ok(pageOf(list, planReply))
}

// plan is the one of the path.
func (a *api) plan(c *call) (*commission.Plan, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return c.program.Plans.Get(c.Context(), id)
}

func (a *api) getPlan(c *call) (reply, error) {
	plan, err := a.plan(c)
	if err != nil {
		return reply{}, err
	}
	body := planReply(plan)
	body.Document = &plan.Document
	return ok(body)
}

type assignmentJSON struct {
	PlanID      uuid.UUID          `json:"plan_id"`
	Scope       commission.Scope   `json:"scope"`
	Category    affiliate.Category `json:"category,omitempty"`
	AffiliateID uuid.UUID          `json:"affiliate_id,omitzero"`
	From        time.Time          `json:"from"`
}

type assignmentBody struct {
	Scope       commission.Scope   `json:"scope"`
	Category    affiliate.Category `json:"category"`
	AffiliateID uuid.UUID          `json:"affiliate_id"`
	From        time.Time          `json:"from"`
}

func (a *api) assignPlan(c *call) (reply, error) {
	plan, err := a.plan(c)
	if err != nil {
		return reply{}, err
	}
	in, err := bodyOf[assignmentBody](c)
	if err != nil {
		return reply{}, err
	}
	out := assignmentJSON{plan.ID, in.Scope, in.Category, in.AffiliateID, in.From}
	if out.From.IsZero() {
		out.From = a.now()
	}
	out.From = out.From.UTC().Truncate(time.Microsecond)
	assignment, err := out.assignment()
	if err != nil {
		return reply{}, err
	}
	if err := c.program.Plans.Assign(c.Context(), assignment); err != nil {
		return reply{}, renamed{err, out.field}
	}
	return created(out)
}

// assignment is what the library is asked for; whom it is for has one field
// there and two in the body.
func (j assignmentJSON) assignment() (commission.Assignment, error) {
	var c fault.Check
	c.That(j.Category == "" || j.Scope == commission.ScopeCategory, "category", "is for the scope category")
	c.That(j.AffiliateID == uuid.Nil || j.Scope == commission.ScopeAffiliate, "affiliate_id", "is for the scope affiliate")
	out := commission.Assignment{Scope: j.Scope, For: string(j.Category), PlanID: j.PlanID, From: j.From}
	if j.AffiliateID != uuid.Nil {
		out.For = j.AffiliateID.String()
	}
	return out, c.Done()
}

func (j assignmentJSON) field(name string) string {
	switch {
	case name != "for":
		return name
	case j.Scope == commission.ScopeAffiliate:
		return "affiliate_id"
	}
	return string(commission.ScopeCategory)
}

func (a *api) preview(c *call) (reply, error) {
	in, err := bodyOf[commission.Sample](c)
	if err != nil {
		return reply{}, err
	}
	out, err := commission.Preview(in)
	if err != nil {
		return reply{}, err
	}
	return ok(out)
}
