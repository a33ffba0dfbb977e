package main

import (
	"bytes"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature"
)

type dayJSON struct {
	Day              string `json:"day"`
	Transactions     int64  `json:"transactions"`
	ActiveAffiliates int64  `json:"active_affiliates"`
	UniqueCustomers  int64  `json:"unique_customers"`
	TotalVolume      string `json:"total_volume"`
	TotalCommissions string `json:"total_commissions"`
}

type cohortJSON struct {
	Month           string `json:"month"`
	Customers       int64  `json:"customers"`
	Later           int    `json:"later"`
	ActiveCustomers int64  `json:"active_customers"`
	Transactions    int64  `json:"transactions"`
	TotalVolume     string `json:"total_volume"`
}

type ruleSumJSON struct {
	Plan     string `json:"plan"`
	Version  int    `json:"version"`
	Rule     string `json:"rule"`
	Lines    int64  `json:"lines"`
	Base     string `json:"base"`
	Amount   string `json:"amount"`
	Reversed string `json:"reversed"`
	Net      string `json:"net"`
}

type topAffiliateJSON struct {
	Rank             int64     `json:"rank"`
	AffiliateID      uuid.UUID `json:"affiliate_id"`
	ReferralCode     string    `json:"referral_code"`
	Name             string    `json:"name"`
	Transactions     int64     `json:"transactions"`
	UniqueCustomers  int64     `json:"unique_customers"`
	TotalVolume      string    `json:"total_volume"`
	TotalCommissions string    `json:"total_commissions"`
}

type topProductJSON struct {
	Rank            int64  `json:"rank"`
	Product         string `json:"product"`
	Transactions    int64  `json:"transactions"`
	UniqueCustomers int64  `json:"unique_customers"`
	TotalVolume     string `json:"total_volume"`
}

// reportJSON is a report: rows of a range, as of when it was made.
type reportJSON[Row any] struct {
	Report   string    `json:"report"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	At       time.Time `json:"at"`
	Currency string    `json:"currency"`
	Rows     []Row     `json:"rows"`
}

// asked is what a report is asked for.
type asked struct {
	name, currency string
	csv            bool
}

func (a *api) report(c *call) (reply, error) {
	q := queryOf(c)
	from, to, format := q.time("from"), q.time("to"), q.text("format")
	q.That(q.values.Get("from") != "", "from", "is missing")
	q.That(q.values.Get("to") != "", "to", "is missing")
	q.That(format == "" || format == "json" || format == "csv", "format", "%.20q is not json or csv", format)
	in := asked{name: c.PathValue("report"), csv: format == "csv"}
	limit := 0
	if in.name == "top-affiliates" || in.name == "top-products" {
		limit = q.limit()
	}
	if err := q.done(); err != nil {
		return reply{}, err
	}
	var err error
	if in.currency, err = c.program.Plans.Currency(c.Context()); err != nil {
		return reply{}, err
	}
	ctx, r := c.Context(), c.program.Reports
	switch in.name {
	case "daily":
		t, err := r.Daily(ctx, from, to)
		return reportReply(in, t, err, func(d fature.Day) dayJSON {
			return dayJSON{
				d.Day, d.Transactions, d.ActiveAffiliates, d.UniqueCustomers,
				amount(d.TotalVolume, in.currency), amount(d.TotalCommissions, in.currency),
			}
		})
	case "cohorts":
		t, err := r.Cohorts(ctx, from, to)
		return reportReply(in, t, err, func(o fature.Cohort) cohortJSON {
			return cohortJSON{o.Month, o.Customers, o.Later, o.ActiveCustomers, o.Transactions, amount(o.TotalVolume, in.currency)}
		})
	case "commissions":
		t, err := r.Commissions(ctx, from, to)
		return reportReply(in, t, err, func(s fature.RuleSum) ruleSumJSON {
			return ruleSumJSON{
				s.Plan, s.Version, s.Rule, s.Lines, amount(s.Base, in.currency), amount(s.Amount, in.currency),
				amount(s.Reversed, in.currency), amount(s.Net, in.currency),
			}
		})
	case "top-affiliates":
		t, err := r.TopAffiliates(ctx, from, to, limit)
		return reportReply(in, t, err, func(o fature.TopAffiliate) topAffiliateJSON {
			return topAffiliateJSON{
				o.Rank, o.AffiliateID, o.ReferralCode, o.Name, o.Transactions, o.UniqueCustomers,
				amount(o.TotalVolume, in.currency), amount(o.TotalCommissions, in.currency),
			}
		})
	case "top-products":
		t, err := r.TopProducts(ctx, from, to, limit)
		return reportReply(in, t, err, func(o fature.TopProduct) topProductJSON {
			return topProductJSON{o.Rank, o.Product, o.Transactions, o.UniqueCustomers, amount(o.TotalVolume, in.currency)}
		})
	}
	return reply{}, fature.ErrNotFound
}

// reportReply is a table as JSON or CSV.
func reportReply[Row, Out any](in asked, t fature.Table[Row], err error, row func(Row) Out) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	if in.csv {
		var text bytes.Buffer
		if err := t.WriteCSV(&text); err != nil {
			return reply{}, err
		}
		return kept(csvText(text.Bytes()), t.Source)
	}
	return kept(reportJSON[Out]{in.name, t.From.UTC(), t.To.UTC(), t.At.UTC(), in.currency, written(t.Rows, row)}, t.Source)
}
