package fature_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

func utc(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// csvOf is a report as CSV, without its carriage returns.
func csvOf[Row any](t *testing.T, report fature.Table[Row], err error) string {
	t.Helper()
	require.NoError(t, err)
	b := new(strings.Builder)
	require.NoError(t, report.WriteCSV(b))
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}

func product(name any) scenario.Detail {
	return func(e *transaction.Event) { e.Metadata = map[string]any{"product": name} }
}

// reportWorld has two plans' lines, a refund, a void line and an adjustment in
// June and July of 2025.
func reportWorld(t *testing.T) *scenario.World {
	t.Helper()
	w := statisticsWorld(t)
	w.SetNow(utc(2025, 8, 1))
	day := func(month time.Month, day int) scenario.Detail {
		return scenario.At(utc(2025, month, day).Add(time.Hour))
	}
	pending := w.Event("bia", transaction.Sale, "999.00", day(6, 2), scenario.Customer("c1"))
	pending.Pending = true
	void := w.Record(
		w.Event("bia", transaction.Sale, "100.00", day(6, 1), scenario.Customer("c1"), scenario.Key("1"), product("shoes")),
		w.Event("bia", transaction.Sale, "50.00", day(6, 1), scenario.Customer("c1"), product("=2+3")),
		w.Event("caio", transaction.Sale, "30.00", day(6, 3), scenario.Customer("c2"), product(7)),
		w.Event("duda", transaction.Deposit, "5.00", day(7, 1), scenario.Customer("c3"), product("shoes")),
		w.Event("bia", transaction.Sale, "20.00", day(7, 2), scenario.Customer("c1"), product([]any{"none"})),
		w.Event("bia", transaction.Sale, "10.00", day(7, 2), product("hats")),
		pending,
	)[5].Lines
	w.Record(transaction.Event{Type: transaction.Refund, Amount: decimal.NewFromInt(40), At: utc(2025, 7, 3), ReversesKey: transaction.Key{SourceTable: "orders", OriginalID: "1"}})
	_, err := w.Program.Void(t.Context(), "a test", void[0].ID)
	require.NoError(t, err)
	return w
}

func TestReports(t *testing.T) {
	t.Parallel()
	w := reportWorld(t)
	r, ctx := w.Program.Reports, t.Context()

	daily, err := r.Daily(ctx, utc(2025, 6, 1), utc(2025, 6, 5))
	require.Equal(t, `day,transactions,active_affiliates,unique_customers,total_volume,total_commissions
2025-06-01,2,1,1,150.00,22.50
2025-06-02,0,0,0,0.00,0.00
2025-06-03,1,1,1,30.00,4.50
2025-06-04,0,0,0,0.00,0.00
`, csvOf(t, daily, err))
	require.Equal(t, utc(2025, 8, 1), daily.At)
	cut, err := r.Daily(ctx, utc(2025, 6, 1).Add(2*time.Hour), utc(2025, 6, 3).Add(time.Hour))
	require.NoError(t, err)
	require.Len(t, cut.Rows, 3)
	for _, d := range cut.Rows {
		require.Zero(t, d.Transactions, "half-open, and the first day is cut")
	}

	cohorts, err := r.Cohorts(ctx, utc(2025, 6, 1), utc(2025, 8, 1))
	require.Equal(t, `month,customers,later,active_customers,transactions,total_volume
2025-06,2,0,2,3,180.00
2025-06,2,1,1,2,-20.00
2025-07,1,0,1,1,5.00
`, csvOf(t, cohorts, err))

	sums, err := r.Commissions(ctx, utc(2025, 6, 1), utc(2025, 8, 1))
	require.Equal(t, `plan,version,rule,lines,base,amount,reversed,net
plan,1,sale,9,410.00,30.50,6.00,24.50
`, csvOf(t, sums, err))

	top, err := r.TopAffiliates(ctx, utc(2025, 6, 1), utc(2025, 8, 1), 2)
	require.NoError(t, err)
	require.Len(t, top.Rows, 2)
	bia := top.Rows[0]
	require.Equal(t, []any{int64(1), w.ID("bia"), "bia", "bia", int64(5), int64(1)},
		[]any{bia.Rank, bia.AffiliateID, bia.ReferralCode, bia.Name, bia.Transactions, bia.UniqueCustomers})
	require.Equal(t, "140.00 13.00", bia.TotalVolume.String()+".00 "+bia.TotalCommissions.StringFixed(2))

	products, err := r.TopProducts(ctx, utc(2025, 6, 1), utc(2025, 8, 1), 10)
	require.Equal(t, `rank,product,transactions,unique_customers,total_volume
1,shoes,3,2,65.00
2,'=2+3,1,1,50.00
3,7,1,1,30.00
4,hats,1,0,10.00
`, csvOf(t, products, err))
	few, err := r.TopProducts(ctx, utc(2025, 6, 1), utc(2025, 8, 1), 1)
	require.NoError(t, err)
	require.Len(t, few.Rows, 1)

	// In a time of nothing there is nothing, and months of none.
	empty, err := r.TopAffiliates(ctx, utc(2015, 1, 1), utc(2025, 1, 1), 5)
	require.Equal(t, "rank,affiliate_id,referral_code,name,transactions,unique_customers,total_volume,total_commissions\n", csvOf(t, empty, err))
	none, err := r.Cohorts(ctx, utc(2015, 1, 1), utc(2025, 1, 1))
	require.NoError(t, err)
	require.Len(t, none.Rows, 120*121/2)
}

// What a day or month holds adds up to the range, whatever the zone does to its
// clocks.
func TestReportsAddUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone  string
		day   string // a day of another length
		hours int
	}{
		{"America/New_York", "2018-03-11", 23},
		{"America/New_York", "2018-11-04", 25},
		{"America/Sao_Paulo", "2018-11-04", 23}, // it begins at 1:00
		{"America/Sao_Paulo", "2018-02-17", 25}, // it ends at midnight twice
		{"Asia/Kolkata", "2018-05-05", 24},
	} {
		t.Run(c.zone+" "+c.day, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(c.zone)
			require.NoError(t, err)
			w := scenario.New(t, fresh, func(config *fature.Config) { config.Zone = zone })
			w.Affiliate("ana")
			w.Plan(tenAndFive)
			date, err := time.Parse(time.DateOnly, c.day)
			require.NoError(t, err)
			var events []transaction.Event
			days := map[string]int64{}
			for i := range 6 * 24 {
				at := date.Add(time.Duration(i-2*24)*time.Hour + 30*time.Minute)
				days[at.In(zone).Format(time.DateOnly)]++
				events = append(events, w.Event("ana", transaction.Sale, "1.00", scenario.At(at), scenario.Customer(fmt.Sprint("c", i%7))))
			}
			w.Record(events...)
			report, err := w.Program.Reports.Daily(t.Context(), date.AddDate(0, 0, -10), date.AddDate(0, 0, 10))
			require.NoError(t, err)
			var sum int64
			for _, d := range report.Rows {
				require.Equal(t, days[d.Day], d.Transactions, d.Day)
				if sum += d.Transactions; d.Day == c.day {
					require.EqualValues(t, c.hours, d.Transactions)
				}
			}
			require.EqualValues(t, len(events), sum)
			cohorts, err := w.Program.Reports.Cohorts(t.Context(), date.AddDate(0, -1, 0), date.AddDate(0, 2, 0))
			require.NoError(t, err)
			sum = 0
			for _, cohort := range cohorts.Rows {
				sum += cohort.Transactions
			}
			require.EqualValues(t, len(events), sum)
		})
	}
}

func TestReportsOfBadRanges(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	r, ctx, now := w.Program.Reports, t.Context(), scenario.Now
	for field, ask := range map[string]func() error{
		"to":  func() error { _, err := r.Daily(ctx, now, now); return err },
		"to ": func() error { _, err := r.Cohorts(ctx, now, now.AddDate(-1, 0, 0)); return err },
		"to  ": func() error {
			_, err := r.Commissions(ctx, now, now.AddDate(10, 0, 0).Add(time.Microsecond))
			return err
		},
		"from":   func() error { _, err := r.Daily(ctx, time.Time{}, time.Time{}.AddDate(1, 0, 0)); return err },
		"limit":  func() error { _, err := r.TopAffiliates(ctx, now, now.AddDate(10, 0, 0), 0); return err },
		"limit ": func() error { _, err := r.TopProducts(ctx, now, now.AddDate(1, 0, 0), 1001); return err },
	} {
		err := ask()
		require.ErrorIs(t, err, fature.ErrInvalid)
		require.Len(t, fature.Problems(err), 1, "%v", err)
		require.Equal(t, strings.TrimSpace(field), fature.Problems(err)[0].Field)
	}
}

// A report inside the host's transaction counts what that has recorded.
func TestReportsInsideATransaction(t *testing.T) {
	t.Parallel()
	w := statisticsWorld(t)
	back := errors.New("roll back")
	require.ErrorIs(t, pgx.BeginFunc(t.Context(), w.Pool, func(tx pgx.Tx) error {
		p := w.Program.WithTx(tx)
		_, err := p.Record(t.Context(), w.Event("bia", transaction.Sale, "1.00"))
		require.NoError(t, err)
		top, err := p.Reports.TopAffiliates(t.Context(), scenario.Now.Add(-time.Hour), scenario.Now.Add(time.Hour), 1)
		require.NoError(t, err)
		require.Len(t, top.Rows, 1)
		return back
	}), back)
	top, err := w.Program.Reports.TopAffiliates(t.Context(), scenario.Now.Add(-time.Hour), scenario.Now.Add(time.Hour), 1)
	require.NoError(t, err)
	require.Empty(t, top.Rows)
}

// What names hold is text to a spreadsheet and comes back from CSV.
func TestReportCSV(t *testing.T) {
	t.Parallel()
	names := map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'x", "": "", "'x": "'x",
		`say "a, b"`: `say "a, b"`, "two\nlines": "two\r\nlines", "çã": "çã", "a=b": "a=b",
	}
	for name, want := range names {
		b := new(strings.Builder)
		report := fature.Table[fature.TopAffiliate]{Rows: []fature.TopAffiliate{{Rank: 1, AffiliateID: uuid.Max, Name: name, TotalVolume: decimal.NewFromInt(-5)}}}
		require.NoError(t, report.WriteCSV(b))
		require.True(t, strings.HasSuffix(b.String(), "\r\n"))
		rows, err := csv.NewReader(strings.NewReader(strings.ReplaceAll(b.String(), "\r\n", "\n"))).ReadAll()
		require.NoError(t, err)
		require.Len(t, rows, 2)
		require.Equal(t, strings.ReplaceAll(want, "\r\n", "\n"), rows[1][3])
		require.Equal(t, "-5.00", rows[1][6], "an amount is no formula")
	}
	full := errors.New("full")
	report := fature.Table[fature.Day]{Rows: make([]fature.Day, 1000)}
	require.ErrorIs(t, report.WriteCSV(failing(func([]byte) (int, error) { return 0, full })), full)
	require.NoError(t, report.WriteCSV(io.Discard))
}

type failing func([]byte) (int, error)

func (w failing) Write(b []byte) (int, error) { return w(b) }
