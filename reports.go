package fature

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// Reports sum up ranges of time for those who run the programme. What counts is
// what counts in affiliate.Figures, by when it happened; days and months are of
// the programme's zone (Config.Zone). A range is half-open and at most ten years
// long. Each report is one query over the transactions or lines of the range,
// and is kept for an hour: Table.At says when it was made.
type Reports struct {
	db   pg.DB
	zone *time.Location
	now  func() time.Time
	kept keptReports
}

// Table is a report: its rows, of a range of time.
type Table[Row any] struct {
	From, To time.Time // half-open
	At       time.Time // when it was made
	Rows     []Row
	// Source is where this reading found it.
	Source cache.From `cbor:"-"`
}

// Day is what happened on a day.
type Day struct {
	Day              string          `db:"day"` // 2025-06-14
	Transactions     int64           `db:"transactions"`
	ActiveAffiliates int64           `db:"active_affiliates"` // those with a transaction
	UniqueCustomers  int64           `db:"unique_customers"`
	TotalVolume      decimal.Decimal `db:"total_volume"`
	TotalCommissions decimal.Decimal `db:"total_commissions"`
}

// Cohort is what the customers who were first attributed in a month did so
// many months later.
type Cohort struct {
	Month           string          `db:"month"`            // of attribution: 2025-06
	Customers       int64           `db:"customers"`        // who were attributed then
	Later           int             `db:"later"`            // months: 0 is the same one
	ActiveCustomers int64           `db:"active_customers"` // of them, with a transaction in that month
	Transactions    int64           `db:"transactions"`
	TotalVolume     decimal.Decimal `db:"total_volume"`
}

// RuleSum is what a rule of a version of a plan paid. What was given or taken by
// hand is of no plan, and of the rule "adjustment".
type RuleSum struct {
	Plan     string          `db:"plan"`
	Version  int             `db:"version"`
	Rule     string          `db:"rule"`
	Lines    int64           `db:"lines"`    // earnings and adjustments
	Base     decimal.Decimal `db:"base"`     // of them
	Amount   decimal.Decimal `db:"amount"`   // of them, after caps
	Reversed decimal.Decimal `db:"reversed"` // taken back in the range, as a positive amount
	Net      decimal.Decimal `db:"net"`
}

// TopAffiliate is one of those with the largest volume.
type TopAffiliate struct {
	Rank             int64           `db:"rank"` // ties share one
	AffiliateID      uuid.UUID       `db:"affiliate_id"`
	ReferralCode     string          `db:"referral_code"`
	Name             string          `db:"name"`
	Transactions     int64           `db:"transactions"`
	UniqueCustomers  int64           `db:"unique_customers"`
	TotalVolume      decimal.Decimal `db:"total_volume"`
	TotalCommissions decimal.Decimal `db:"total_commissions"`
}

// TopProduct is one of those with the largest volume. A product is what the
// metadata of a transaction calls "product", as text; what takes a transaction
// back is of that one's product unless it says its own.
type TopProduct struct {
	Rank            int64           `db:"rank"` // ties share one
	Product         string          `db:"product"`
	Transactions    int64           `db:"transactions"`
	UniqueCustomers int64           `db:"unique_customers"`
	TotalVolume     decimal.Decimal `db:"total_volume"`
}

// maxTop is the most rows of a report of the largest.
const maxTop = 1000

// span is what a report is asked for.
type span struct {
	from, to int64 // Unix microseconds
	limit    int
}

func (s span) bounds() (from, to time.Time) {
	return time.UnixMicro(s.from).UTC(), time.UnixMicro(s.to).UTC()
}

func (s span) String() string { return fmt.Sprintf("%d-%d-%d", s.from, s.to, s.limit) }

// keptReports are the views of the reports.
type keptReports struct {
	daily         *cache.View[span, Table[Day]]
	cohorts       *cache.View[span, Table[Cohort]]
	commissions   *cache.View[span, Table[RuleSum]]
	topAffiliates *cache.View[span, Table[TopAffiliate]]
	topProducts   *cache.View[span, Table[TopProduct]]
}

func newReports(db pg.DB, zone *time.Location, now func() time.Time, space *cache.Space) *Reports {
	r := &Reports{db: db, zone: zone, now: now}
	r.kept = keptReports{
		keptReport(space, "daily:"+zone.String(), r.daily), keptReport(space, "cohorts:"+zone.String(), r.cohorts),
		keptReport(space, "commissions", r.commissions),
		keptReport(space, "top-affiliates", r.topAffiliates), keptReport(space, "top-products", r.topProducts),
	}
	return r
}

func keptReport[Row any](space *cache.Space, name string, load func(context.Context, span) (Table[Row], error)) *cache.View[span, Table[Row]] {
	return cache.Aside(space, cache.Config[span, Table[Row]]{Name: name, Load: load, Key: span.String})
}

// WithTx returns reports that are read inside tx, past the cache.
func (r *Reports) WithTx(tx pgx.Tx) *Reports {
	return newReports(pg.Bind(r.db, tx), r.zone, r.now, cache.Off(cache.Reports))
}

// As returns reports for a viewer: they are for who reads all.
func (r *Reports) As(v affiliate.Viewer) *Reports {
	c := *r
	c.db = pg.As(r.db, v)
	return &c
}

// Daily sums up each day of a range, also those on which nothing happened. The
// first and the last are cut where the range is. Errors: InvalidError of to.
func (r *Reports) Daily(ctx context.Context, from, to time.Time) (Table[Day], error) {
	return readReport(ctx, r.db, "daily", r.kept.daily, from, to, maxTop)
}

// Cohorts sums up the customers whose first attribution lies in a range, by the
// month of that, and what they brought in it and in each later month, up to the
// range's end. A month is there also where nobody came. Errors: InvalidError of
// to.
func (r *Reports) Cohorts(ctx context.Context, from, to time.Time) (Table[Cohort], error) {
	return readReport(ctx, r.db, "cohorts", r.kept.cohorts, from, to, maxTop)
}

// Commissions sums up the lines of a range by plan and rule. Errors:
// InvalidError of to.
func (r *Reports) Commissions(ctx context.Context, from, to time.Time) (Table[RuleSum], error) {
	return readReport(ctx, r.db, "commissions", r.kept.commissions, from, to, maxTop)
}

// TopAffiliates are the affiliates with the largest volume in a range, up to
// limit of them. Errors: InvalidError of to or limit, which is from 1 to 1,000.
func (r *Reports) TopAffiliates(ctx context.Context, from, to time.Time, limit int) (Table[TopAffiliate], error) {
	return readReport(ctx, r.db, "top affiliates", r.kept.topAffiliates, from, to, limit)
}

// TopProducts are the products with the largest volume in a range, up to limit
// of them. Errors: InvalidError of to or limit, which is from 1 to 1,000.
func (r *Reports) TopProducts(ctx context.Context, from, to time.Time, limit int) (Table[TopProduct], error) {
	return readReport(ctx, r.db, "top products", r.kept.topProducts, from, to, limit)
}

// readReport checks what is asked for, and reads it.
func readReport[Row any](ctx context.Context, db pg.DB, name string, kept *cache.View[span, Table[Row]], from, to time.Time, limit int) (report Table[Row], err error) {
	var c fault.Check
	c.That(from.Before(to), "to", "is not after from")
	c.That(!to.After(from.AddDate(10, 0, 0)), "to", "is more than ten years after from")
	c.That(from.Year() >= 1900 && to.Year() < 3000, "from", "or to is not of this age")
	c.That(limit >= 1 && limit <= maxTop, "limit", "%d is not between 1 and %d", limit, maxTop)
	if err = pg.MayReadAll(db); err == nil {
		err = c.Done()
	}
	if err == nil {
		var value cache.Value[Table[Row]]
		value, err = kept.Read(ctx, span{from.UnixMicro(), to.UnixMicro(), limit})
		report, report.Source = value.V, value.From
	}
	return report, pg.Fail("fature: report "+name, err, nil)
}

func (r *Reports) daily(ctx context.Context, s span) (Table[Day], error) {
	starts, names := r.calendar(commission.Day, s)
	return queryReport[Day](ctx, r, s, reportDaily, starts, names)
}

func (r *Reports) cohorts(ctx context.Context, s span) (Table[Cohort], error) {
	starts, names := r.calendar(commission.Month, s)
	return queryReport[Cohort](ctx, r, s, reportCohorts, starts, names)
}

func (r *Reports) commissions(ctx context.Context, s span) (Table[RuleSum], error) {
	return queryReport[RuleSum](ctx, r, s, reportCommissions)
}

func (r *Reports) topAffiliates(ctx context.Context, s span) (Table[TopAffiliate], error) {
	return queryReport[TopAffiliate](ctx, r, s, reportTopAffiliates, s.limit)
}

func (r *Reports) topProducts(ctx context.Context, s span) (Table[TopProduct], error) {
	return queryReport[TopProduct](ctx, r, s, reportTopProducts, s.limit)
}

func queryReport[Row any](ctx context.Context, r *Reports, s span, sql string, more ...any) (Table[Row], error) {
	from, to := s.bounds()
	report := Table[Row]{From: from, To: to, At: r.now().UTC()}
	var err error
	report.Rows, err = pg.All[Row](ctx, r.db, sql, append([]any{from, to}, more...)...)
	return report, err
}

// calendar are the days or months of a range in the zone: where each begins, the
// first with the range, and its name. A date that the zone skips is none.
func (r *Reports) calendar(p commission.Period, s span) (starts []time.Time, names []string) {
	from, to := s.bounds()
	for at := from; at.Before(to); {
		iv := commission.IntervalAt(p, at, r.zone)
		starts, names = append(starts, at), append(names, iv.Name)
		at = iv.To
	}
	return starts, names
}
