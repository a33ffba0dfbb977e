package main

import (
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/commission"
)

// statistics are an affiliate's own figures, and how large its team is.
func (a *api) statistics(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	read, err := c.program.Statistics.Read(c.Context(), id)
	if err != nil {
		return reply{}, err
	}
	currency, err := c.program.Plans.Currency(c.Context())
	if err != nil {
		return reply{}, err
	}
	s := read.V
	return kept(struct {
		UniqueCustomers  int64     `json:"unique_customers"`
		TotalVolume      string    `json:"total_volume"`
		TotalCommissions string    `json:"total_commissions"`
		Transactions     int64     `json:"transactions"`
		DirectReferrals  int64     `json:"direct_referrals"`
		TeamSize         int64     `json:"team_size"`
		AsOf             time.Time `json:"as_of"`
	}{
		s.UniqueCustomers, amount(s.TotalVolume, currency), amount(s.TotalCommissions, currency), s.Transactions,
		s.DirectReferrals, s.TeamSize, s.AsOf.UTC(),
	}, read.From)
}

// scores tells how the scores of a metric are written: amounts as money,
// numbers as numbers.
func scores(c *call, m board.Metric) (func(int64) any, error) {
	if m != board.Volume && m != board.Commissions {
		return func(score int64) any { return score }, nil
	}
	currency, err := c.program.Plans.Currency(c.Context())
	return func(score int64) any { return amount(m.Amount(score), currency) }, err
}

// period is the one of a board, by default for all time.
func (q *query) period() board.Period {
	if text := q.text("period"); text != "" {
		return board.Period(text)
	}
	return board.All
}

// rank is where an affiliate stands; of one that is not on the board it is null.
func (a *api) rank(c *call) (reply, error) {
	one, err := a.affiliate(c)
	if err != nil {
		return reply{}, err
	}
	q := queryOf(c)
	b := board.Board{Metric: board.Metric(q.text("metric")), Period: q.period()}
	if err := q.done(); err != nil {
		return reply{}, err
	}
	at, err := c.program.Boards.Rank(c.Context(), b, one.ID)
	if err != nil {
		return reply{}, err
	}
	write, err := scores(c, b.Metric)
	if err != nil {
		return reply{}, err
	}
	body := struct {
		Metric board.Metric `json:"metric"`
		Period board.Period `json:"period"`
		Rank   *int         `json:"rank"`
		Score  any          `json:"score"`
		Of     int          `json:"of"`
		AsOf   time.Time    `json:"as_of"`
	}{b.Metric, b.Period, nil, nil, at.Of, at.AsOf.UTC()}
	if at.Rank > 0 {
		body.Rank, body.Score = &at.Rank, write(at.Score)
	}
	return kept(body, at.From)
}

type entryJSON struct {
	Rank        int       `json:"rank"`
	AffiliateID uuid.UUID `json:"affiliate_id"`
	Name        string    `json:"name"`
	Score       any       `json:"score"`
}

// ranking is a page of a board, which is for all to see.
func (a *api) ranking(c *call) (reply, error) {
	q := queryOf(c)
	f := board.Filter{Board: board.Board{Metric: board.Metric(c.PathValue("metric")), Period: q.period()}}
	f.Limit, f.After = q.page()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	list, err := c.program.Boards.List(c.Context(), f)
	if err != nil {
		return reply{}, err
	}
	write, err := scores(c, f.Metric)
	if err != nil {
		return reply{}, err
	}
	return kept(struct {
		pageJSON[entryJSON]
		Of   int       `json:"of"`
		AsOf time.Time `json:"as_of"`
	}{
		pageOf(list.Page, func(e board.Entry) entryJSON { return entryJSON{e.Rank, e.AffiliateID, e.Name, write(e.Score)} }),
		list.Of, list.AsOf.UTC(),
	}, list.From)
}

type awardJSON struct {
	ID        uuid.UUID `json:"id"`
	Code      string    `json:"code"`
	Name      string    `json:"name"`
	Points    int       `json:"points"`
	AwardedAt time.Time `json:"awarded_at"`
}

func (a *api) listAwards(c *call) (reply, error) {
	one, err := a.affiliate(c)
	if err != nil {
		return reply{}, err
	}
	q := queryOf(c)
	f := board.AwardFilter{AffiliateID: one.ID}
	f.Limit, f.After = q.page()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	list, err := c.program.Achievements.Awards(c.Context(), f)
	if err != nil {
		return reply{}, err
	}
	return ok(pageOf(list, func(w board.Award) awardJSON { return awardJSON{w.ID, w.Code, w.Name, w.Points, w.AwardedAt.UTC()} }))
}

// listLinesOf is a page of an affiliate's lines, those of the latest transactions
// first.
func (a *api) listLinesOf(c *call) (reply, error) {
	one, err := a.affiliate(c)
	if err != nil {
		return reply{}, err
	}
	q := queryOf(c)
	f := commission.Filter{
		AffiliateID: one.ID, Status: commission.Status(q.text("status")), Rule: q.text("rule"), From: q.time("from"), To: q.time("to"),
	}
	return a.linePage(c, q, f)
}
