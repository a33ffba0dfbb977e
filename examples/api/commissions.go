package main

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/internal/page"
)

// amount writes money with the currency's decimals.
func amount(d decimal.Decimal, currency string) string {
	digits, err := money.Digits(currency)
	if err != nil {
		digits = 2 // no currency is fixed yet
	}
	return d.StringFixed(digits)
}

type pageJSON[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

func pageOf[T, J any](list page.Page[T], write func(T) J) pageJSON[J] {
	out := pageJSON[J]{Items: written(list.Items, write)}
	if list.Next != "" {
		out.Next = &list.Next
	}
	return out
}

// written is a list for JSON, which is never null.
func written[T, J any](list []T, write func(T) J) []J {
	out := make([]J, len(list))
	for i, item := range list {
		out[i] = write(item)
	}
	return out
}

type lineJSON struct {
	ID            uuid.UUID         `json:"id,omitzero"`
	TransactionID *uuid.UUID        `json:"transaction_id"`
	StatementID   *uuid.UUID        `json:"statement_id,omitempty"`
	AffiliateID   uuid.UUID         `json:"affiliate_id"`
	Kind          commission.Kind   `json:"kind"`
	PlanID        *uuid.UUID        `json:"plan_id"`
	Rule          string            `json:"rule"`
	Level         int               `json:"level"`
	BaseAmount    string            `json:"base_amount"`
	Rate          string            `json:"rate"`
	Amount        string            `json:"amount"`
	FinalAmount   string            `json:"final_amount"`
	Currency      string            `json:"currency"`
	Status        commission.Status `json:"status"`
	AvailableAt   time.Time         `json:"available_at"`
	Reverses      *uuid.UUID        `json:"reverses,omitempty"`
	Note          string            `json:"note,omitempty"`
	CreatedAt     time.Time         `json:"created_at"`
}

func lineReply(l commission.Commission) lineJSON {
	return lineJSON{
		l.ID, l.TransactionID, l.StatementID, l.AffiliateID, l.Kind, l.PlanID, l.Rule, l.Level,
		amount(l.BaseAmount, l.Currency), l.Rate.String(), amount(l.Amount, l.Currency), amount(l.FinalAmount, l.Currency),
		l.Currency, l.Status, l.AvailableAt.UTC(), l.ReversesID, l.Note, l.CreatedAt.UTC(),
	}
}

// listLines is a page of a transaction's lines.
func (a *api) listLines(c *call) (reply, error) {
	t, err := a.transaction(c)
	if err != nil {
		return reply{}, err
	}
	return a.linePage(c, queryOf(c), commission.Filter{TransactionID: t.ID})
}

func (a *api) linePage(c *call, q *query, f commission.Filter) (reply, error) {
	f.Limit, f.After = q.page()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	list, err := c.program.Commissions.List(c.Context(), f)
	if err != nil {
		return reply{}, err
	}
	return ok(pageOf(list, lineReply))
}

func (a *api) explain(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	line, err := c.program.Commissions.Get(c.Context(), id)
	if err != nil {
		return reply{}, err
	}
	said, err := c.program.Commissions.Explain(c.Context(), id)
	if err != nil {
		return reply{}, err
	}
	calculation := &line.Calculation
	if line.Kind == commission.Adjustment {
		calculation = nil // there is none: it was given or taken by hand
	}
	return ok(struct {
		Sentence    string                  `json:"sentence"`
		Steps       []string                `json:"steps"`
		Calculation *commission.Calculation `json:"calculation"`
	}{said.Sentence, append([]string{}, said.Steps...), calculation})
}

func (a *api) void(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	in, err := bodyOf[reasonBody](c)
	if err != nil {
		return reply{}, err
	}
	lines, err := c.program.Void(c.Context(), in.Reason, id)
	if err != nil {
		return reply{}, err
	}
	return ok(map[string][]lineJSON{"commissions": written(lines, lineReply)})
}
