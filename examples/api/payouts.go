package main

import (
	"bytes"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
)

type payoutJSON struct {
	ID          uuid.UUID               `json:"id"`
	AffiliateID uuid.UUID               `json:"affiliate_id"`
	RunID       uuid.UUID               `json:"run_id"`
	Amount      string                  `json:"amount"`
	Currency    string                  `json:"currency"`
	Lines       int64                   `json:"lines"`
	Status      commission.PayoutStatus `json:"status"`
	ExternalID  string                  `json:"external_id,omitempty"`
	Reason      string                  `json:"reason,omitempty"`
	CreatedAt   time.Time               `json:"created_at"`
	ApprovedAt  *time.Time              `json:"approved_at"`
	SentAt      *time.Time              `json:"sent_at"`
	PaidAt      *time.Time              `json:"paid_at"`
	EndedAt     *time.Time              `json:"ended_at"`
}

func payoutReply(p commission.Payout) payoutJSON {
	return payoutJSON{
		p.ID, p.AffiliateID, p.RunID, amount(p.Amount, p.Currency), p.Currency, p.Lines, p.Status, p.ExternalID, p.Reason,
		p.CreatedAt.UTC(), inUTC(p.ApprovedAt), inUTC(p.SentAt), inUTC(p.PaidAt), inUTC(p.EndedAt),
	}
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}

func (a *api) balance(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	read, err := c.program.Commissions.CachedBalance(c.Context(), id)
	if err != nil {
		return reply{}, err
	}
	b := read.V
	return kept(struct {
		Pending   string `json:"pending"`
		Available string `json:"available"`
		InPayout  string `json:"in_payout"`
		Paid      string `json:"paid"`
		Currency  string `json:"currency"`
	}{amount(b.Pending, b.Currency), amount(b.Available, b.Currency), amount(b.InPayout, b.Currency), amount(b.Paid, b.Currency), b.Currency}, read.From)
}

type runBody struct {
	Minimum commission.Decimal `json:"minimum"`
	UpTo    time.Time          `json:"up_to"`
}

// runPayouts makes payouts until the request's time is over; what it has made by
// then stays, and asking again makes the rest.
func (a *api) runPayouts(c *call) (reply, error) {
	in, err := optionalBody[runBody](c)
	if err != nil {
		return reply{}, err
	}
	run := commission.PayoutRun{UpTo: in.UpTo}
	if in.Minimum != "" {
		if run.Minimum, err = money.Parse(string(in.Minimum)); err != nil {
			return reply{}, fault.In("minimum", err)
		}
	}
	currency, err := c.program.Plans.Currency(c.Context())
	if err != nil {
		return reply{}, err
	}
	made, err := c.program.Payouts.Run(c.Context(), run)
	if err != nil {
		return reply{}, err
	}
	return created(struct {
		RunID      uuid.UUID `json:"run_id"`
		Payouts    int       `json:"payouts"`
		Total      string    `json:"total"`
		RolledOver int       `json:"rolled_over"`
	}{made.RunID, made.Payouts, amount(made.Total, currency), made.RolledOver})
}

func (a *api) listPayouts(c *call) (reply, error) {
	q := queryOf(c)
	return a.payoutPage(c, q, commission.PayoutFilter{AffiliateID: q.id("affiliate_id"), RunID: q.id("run_id")})
}

func (a *api) listPayoutsOf(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	if _, err := c.program.Affiliates.Get(c.Context(), id); err != nil {
		return reply{}, err
	}
	return a.payoutPage(c, queryOf(c), commission.PayoutFilter{AffiliateID: id})
}

func (a *api) payoutPage(c *call, q *query, f commission.PayoutFilter) (reply, error) {
	f.Status = commission.PayoutStatus(q.text("status"))
	f.Limit, f.After = q.page()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	list, err := c.program.Payouts.List(c.Context(), f)
	if err != nil {
		return reply{}, err
	}
	return ok(pageOf(list, payoutReply))
}

// payout is the one of the path.
func (a *api) payout(c *call) (commission.Payout, error) {
	id, err := c.id()
	if err != nil {
		return commission.Payout{}, err
	}
	return c.program.Payouts.Get(c.Context(), id)
}

func (a *api) getPayout(c *call) (reply, error) {
	p, err := a.payout(c)
	if err != nil {
		return reply{}, err
	}
	return ok(payoutReply(p))
}

// exportPayout answers the lines as CSV. It is whole before it is sent: a file
// that ended early would look like a smaller payout.
func (a *api) exportPayout(c *call) (reply, error) {
	p, err := a.payout(c)
	if err != nil {
		return reply{}, err
	}
	var text bytes.Buffer
	if err := c.program.Payouts.Export(c.Context(), &text, p.ID); err != nil {
		return reply{}, err
	}
	return ok(csvText(text.Bytes()))
}

// changePayout makes the handler of a verb, whose body says what it needs.
func changePayout[T any](a *api, do func(c *call, id uuid.UUID, in T) error) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		p, err := a.payout(c)
		if err != nil {
			return reply{}, err
		}
		in, err := optionalBody[T](c)
		if err != nil {
			return reply{}, err
		}
		if err := do(c, p.ID, in); err != nil {
			return reply{}, err
		}
		return a.getPayout(c)
	}
}

type (
	noBody     struct{}
	reasonBody struct {
		Reason string `json:"reason"`
	}
	sentBody struct {
		ExternalID string `json:"external_id"`
	}
)

func (a *api) payoutVerbs() []route {
	return []route{
		{pattern: "POST /v1/payouts/{id}/approve", to: admins, do: changePayout(a, func(c *call, id uuid.UUID, _ noBody) error {
			return c.program.Payouts.Approve(c.Context(), id)
		})},
		{pattern: "POST /v1/payouts/{id}/sent", to: admins, do: changePayout(a, func(c *call, id uuid.UUID, in sentBody) error {
			return c.program.Payouts.MarkSent(c.Context(), in.ExternalID, id)
		})},
		{pattern: "POST /v1/payouts/{id}/paid", to: admins, do: changePayout(a, func(c *call, id uuid.UUID, _ noBody) error {
			return c.program.Payouts.MarkPaid(c.Context(), id)
		})},
		{pattern: "POST /v1/payouts/{id}/fail", to: admins, do: changePayout(a, func(c *call, id uuid.UUID, in reasonBody) error {
			return c.program.Payouts.Fail(c.Context(), in.Reason, id)
		})},
		{pattern: "POST /v1/payouts/{id}/cancel", to: admins, do: changePayout(a, func(c *call, id uuid.UUID, in reasonBody) error {
			return c.program.Payouts.Cancel(c.Context(), in.Reason, id)
		})},
	}
}
