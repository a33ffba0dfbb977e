package main

import (
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature"
	"github.com/fature/fature/commission"
)

// closedPlan is what closing a period comes to for one plan.
type closedPlan struct {
	Plan       string    `json:"plan"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Statements int       `json:"statements"`
	Lines      int       `json:"lines"`
	Payable    string    `json:"payable"`
	Final      string    `json:"final_amount"`
}

func closedReply(currency string) func(fature.ClosedPlan) closedPlan {
	return func(p fature.ClosedPlan) closedPlan {
		return closedPlan{
			p.Plan, p.From.UTC(), p.To.UTC(), p.Statements, p.Lines, amount(p.Payable, currency), amount(p.Final, currency),
		}
	}
}

// period is the name in the path.
func (c *call) period() (string, error) {
	name := c.PathValue("period")
	if _, err := commission.ParseInterval(name, time.UTC); err != nil {
		return "", malformed{err}
	}
	return name, nil
}

// closePeriod closes until the request's time is over; what it has done by then
// stays, and asking again goes on.
func (a *api) closePeriod(c *call) (reply, error) {
	name, err := c.period()
	if err != nil {
		return reply{}, err
	}
	currency, err := c.program.Plans.Currency(c.Context())
	if err != nil {
		return reply{}, err
	}
	plans, err := c.program.ClosePeriod(c.Context(), name, nil)
	if err != nil {
		return reply{}, err
	}
	return ok(map[string][]closedPlan{"plans": written(plans, closedReply(currency))})
}

// previewPeriod answers the sums of all statements, and the first of them.
func (a *api) previewPeriod(c *call) (reply, error) {
	name, err := c.period()
	if err != nil {
		return reply{}, err
	}
	q := queryOf(c)
	limit := q.limit()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	currency, err := c.program.Plans.Currency(c.Context())
	if err != nil {
		return reply{}, err
	}
	statements := []wholeStatement{}
	plans, err := c.program.PreviewPeriod(c.Context(), name, func(s commission.Settled) error {
		if len(statements) < limit {
			statements = append(statements, unstored(s))
		}
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok(struct {
		Plans      []closedPlan     `json:"plans"`
		Statements []wholeStatement `json:"statements"`
	}{written(plans, closedReply(currency)), statements})
}

// unstored is a previewed statement: the ids that it was given name nothing, and
// it is not closed.
func unstored(s commission.Settled) wholeStatement {
	s.ID, s.ClosedAt = uuid.Nil, time.Time{}
	for i := range s.Lines {
		s.Lines[i].ID, s.Lines[i].StatementID = uuid.Nil, nil
	}
	return wholeReply(s.Statement, s.Lines)
}

type comparisonJSON struct {
	AffiliateID uuid.UUID `json:"affiliate_id"`
	Old         string    `json:"old"`
	New         string    `json:"new"`
	Difference  string    `json:"difference"`
}

type simulatedJSON struct {
	Transactions int              `json:"transactions"`
	Statements   int              `json:"statements"`
	Old          string           `json:"old"`
	New          string           `json:"new"`
	Difference   string           `json:"difference"`
	Breakage     string           `json:"breakage"`
	Affiliates   []comparisonJSON `json:"affiliates"`
}

type simulationBody struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// simulate answers what would have been posted under the plan of the path.
func (a *api) simulate(c *call) (reply, error) {
	plan, err := a.plan(c)
	if err != nil {
		return reply{}, err
	}
	in, err := bodyOf[simulationBody](c)
	if err != nil {
		return reply{}, err
	}
	s, err := c.program.Simulate(c.Context(), commission.Simulation{PlanID: plan.ID, From: in.From, To: in.To})
	if err != nil {
		return reply{}, err
	}
	return ok(simulatedReply(s, plan.Currency))
}

func simulatedReply(s commission.Simulated, currency string) simulatedJSON {
	out := simulatedJSON{
		s.Transactions, s.Statements, amount(s.Old, currency), amount(s.New, currency), amount(s.New.Sub(s.Old), currency),
		amount(s.Breakage, currency), nil,
	}
	out.Affiliates = written(s.Affiliates, func(one commission.Comparison) comparisonJSON {
		return comparisonJSON{one.AffiliateID, amount(one.Old, currency), amount(one.New, currency), amount(one.Difference(), currency)}
	})
	return out
}
