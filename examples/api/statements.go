package main

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

type statementJSON struct {
	ID          uuid.UUID         `json:"id,omitzero"`
	AffiliateID uuid.UUID         `json:"affiliate_id"`
	Plan        string            `json:"plan"`
	PlanID      uuid.UUID         `json:"plan_id"`
	Rule        string            `json:"rule"`
	Period      string            `json:"period"`
	Split       string            `json:"split,omitempty"`
	From        time.Time         `json:"from"`
	To          time.Time         `json:"to"`
	Carry       commission.Carry  `json:"carry"`
	Opening     string            `json:"opening"`
	Base        string            `json:"base"`
	Items       sums              `json:"items"`          // of the period itself
	Late        map[string]sums   `json:"late,omitempty"` // by the closed period that they are late for
	Commission  string            `json:"commission"`
	Payable     string            `json:"payable"`
	Closing     string            `json:"closing"`
	Unrecouped  string            `json:"unrecouped"`
	Customers   map[string]string `json:"customers,omitempty"` // whose losses are carried alone
	Currency    string            `json:"currency"`
	ClosedAt    time.Time         `json:"closed_at,omitzero"`
}

// sums are amounts by the type of transaction.
type sums map[transaction.Type]string

func statementReply(s commission.Statement) statementJSON {
	money := func(d decimal.Decimal) string { return amount(d, s.Currency) }
	out := statementJSON{
		ID: s.ID, AffiliateID: s.AffiliateID, Plan: s.Plan, PlanID: s.PlanID, Rule: s.Rule, Period: s.Name, Split: s.Split,
		From: s.From.UTC(), To: s.To.UTC(), Carry: s.Carry, Opening: money(s.Opening), Base: money(s.Base),
		Commission: money(s.Commission), Payable: money(s.Payable), Closing: money(s.Closing), Unrecouped: money(s.Unrecouped),
		Currency: s.Currency, ClosedAt: s.ClosedAt.UTC(), Items: sums{},
	}
	for late, items := range itemsOf(s.Footing) {
		written := sums{}
		for kind, sum := range items {
			written[kind] = money(sum)
		}
		switch {
		case late == "":
			out.Items = written
		case out.Late == nil:
			out.Late = map[string]sums{late: written}
		default:
			out.Late[late] = written
		}
	}
	for id, balance := range s.Customers {
		if out.Customers == nil {
			out.Customers = map[string]string{}
		}
		out.Customers[id] = money(balance)
	}
	return out
}

// itemsOf adds up the items of all versions, by the period that they are late
// for; those of none are in time.
func itemsOf(f commission.Footing) map[string]map[transaction.Type]decimal.Decimal {
	all := map[string]map[transaction.Type]decimal.Decimal{}
	for _, part := range f.Parts {
		for _, it := range part.Items {
			if all[it.Late] == nil {
				all[it.Late] = map[transaction.Type]decimal.Decimal{}
			}
			all[it.Late][it.Type] = all[it.Late][it.Type].Add(it.Amount)
		}
	}
	return all
}

// wholeStatement is a statement with what it pays, and what it does not.
type wholeStatement struct {
	statementJSON
	Lines   []lineJSON      `json:"lines"`
	Skipped json.RawMessage `json:"skipped,omitempty"`
}

func wholeReply(s commission.Statement, lines []commission.Commission) wholeStatement {
	return wholeStatement{statementReply(s), written(lines, lineReply), s.Skipped}
}

func (a *api) listStatements(c *call) (reply, error) {
	one, err := a.affiliate(c)
	if err != nil {
		return reply{}, err
	}
	q := queryOf(c)
	f := commission.StatementFilter{AffiliateID: one.ID, Rule: q.text("rule"), Name: q.text("period")}
	f.Limit, f.After = q.page()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	list, err := c.program.Statements.List(c.Context(), f)
	if err != nil {
		return reply{}, err
	}
	return ok(pageOf(list, statementReply))
}

// getStatement answers a statement with its lines.
func (a *api) getStatement(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	s, err := c.program.Statements.Get(c.Context(), id)
	if err != nil {
		return reply{}, err
	}
	lines, err := c.program.Statements.Lines(c.Context(), id)
	if err != nil {
		return reply{}, err
	}
	return ok(wholeReply(s, lines))
}
