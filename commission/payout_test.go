package commission_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/scenario"
)

const header = "reference,affiliate_id,amount,currency\n"

func transfer(n byte, amount, currency string) commission.Transfer {
	return commission.Transfer{
		Reference: uuid.UUID{15: n}, AffiliateID: uuid.UUID{0: n}, Amount: decimal.RequireFromString(amount), Currency: currency,
	}
}

func row(t commission.Transfer, amount string) string {
	return fmt.Sprintf("%s,%s,%s,%s\n", t.Reference, t.AffiliateID, amount, t.Currency)
}

// csvFile is a file with a content, opened.
func csvFile(t *testing.T, content string) (path string, file *commission.CSVFile, err error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "transfers.csv")
	if content != "" {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	file, err = commission.NewCSVFile(path)
	if err == nil {
		t.Cleanup(func() { _ = file.Close() })
	}
	return path, file, err
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, string(text))
}

func send(t *testing.T, file *commission.CSVFile, transfers ...commission.Transfer) {
	t.Helper()
	for _, one := range transfers {
		name, err := file.Send(t.Context(), one)
		require.NoError(t, err)
		require.Equal(t, "transfers.csv", name)
	}
}

func TestCSVFile(t *testing.T) {
	t.Parallel()
	path, file, err := csvFile(t, "")
	require.NoError(t, err)
	wantFile(t, path, header)
	one, two, three := transfer(1, "10", "BRL"), transfer(2, "1234567.8", "BRL"), transfer(3, "500", "JPY")
	send(t, file, one, two, one)
	want := header + row(one, "10.00") + row(two, "1234567.80")
	wantFile(t, path, want)

	// Opened again, also beside the first: a reference is there once.
	again, err := commission.NewCSVFile(path)
	require.NoError(t, err)
	defer again.Close()
	send(t, again, two, three)
	send(t, file, three, one)
	want += row(three, "500")
	wantFile(t, path, want)

	other := one
	other.Amount = decimal.NewFromInt(11)
	_, err = file.Send(t.Context(), other)
	require.ErrorContains(t, err, "with other content")
	wantFile(t, path, want)
	require.NoError(t, file.Close())
	_, err = file.Send(t.Context(), transfer(4, "1", "BRL"))
	require.Error(t, err)
}

// What a crash left, cut off at every byte, is repaired, and nothing that was
// whole is lost.
func TestCSVFileIsRepaired(t *testing.T) {
	t.Parallel()
	one, two := transfer(1, "10.00", "BRL"), transfer(2, "20.00", "BRL")
	whole := header + row(one, "10.00") + row(two, "20.00")
	for n := range len(whole) + 1 {
		path, file, err := csvFile(t, whole[:n])
		require.NoError(t, err, n)
		send(t, file, one, two)
		wantFile(t, path, whole)
	}
	// Also while it is open.
	path, file, err := csvFile(t, header+row(one, "10.00"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(whole[:len(whole)-5]), 0o600))
	send(t, file, two)
	wantFile(t, path, whole)
}

func TestCSVFileRefusesAnother(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"date,amount\n1,2\n", "some notes", "\n", header[:10] + "\n"} {
		path, _, err := csvFile(t, content)
		require.ErrorContains(t, err, "is not a file of transfers")
		wantFile(t, path, content)
	}
	_, err := commission.NewCSVFile(filepath.Join(t.TempDir(), "nowhere", "x.csv"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestCSVFileAtOnce(t *testing.T) {
	t.Parallel()
	path, file, err := csvFile(t, "")
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := range byte(20) {
				if _, err := file.Send(t.Context(), transfer(n, "1", "BRL")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 21, strings.Count(string(text), "\n"))
}

func TestListPayoutsAndExport(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	ctx := t.Context()
	for _, name := range []string{"ana", "bia", "caio"} {
		w.Affiliate(name)
	}
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "12.5"}}]}`)
	var runs []uuid.UUID
	for range 2 {
		for _, name := range []string{"ana", "bia", "caio"} {
			w.Sale(name, "100.00")
			w.Sale(name, "0.40")
		}
		run, err := w.Program.Payouts.Run(ctx, commission.PayoutRun{})
		require.NoError(t, err)
		require.Equal(t, "37.65", run.Total.String())
		runs = append(runs, run.RunID)
	}
	var all []commission.Payout
	for p, err := range w.Program.Payouts.All(ctx, commission.PayoutFilter{}) {
		require.NoError(t, err)
		require.EqualValues(t, 2, p.Lines)
		all = append(all, p)
	}
	require.Len(t, all, 6)
	require.NoError(t, w.Program.Payouts.Approve(ctx, all[1].ID, all[4].ID))
	for name, c := range map[string]struct {
		filter commission.PayoutFilter
		want   func(i int) bool
	}{
		"all":       {commission.PayoutFilter{}, func(int) bool { return true }},
		"affiliate": {commission.PayoutFilter{AffiliateID: w.ID("bia")}, func(i int) bool { return all[i].AffiliateID == w.ID("bia") }},
		"run":       {commission.PayoutFilter{RunID: runs[0]}, func(i int) bool { return i >= 3 }},
		"status":    {commission.PayoutFilter{Status: commission.PayoutApproved}, func(i int) bool { return i == 1 || i == 4 }},
		"together":  {commission.PayoutFilter{Status: commission.PayoutApproved, RunID: runs[1]}, func(i int) bool { return i == 1 }},
		"nothing":   {commission.PayoutFilter{RunID: uuid.New()}, func(int) bool { return false }},
	} {
		var want []uuid.UUID
		for i, p := range all {
			if c.want(i) {
				want = append(want, p.ID)
			}
		}
		for _, limit := range []int{0, 1, 2, 6} {
			c.filter.Limit = limit
			var got []uuid.UUID
			for p, err := range w.Program.Payouts.All(ctx, c.filter) {
				require.NoError(t, err)
				got = append(got, p.ID)
			}
			require.Equal(t, want, got, "%s, %d a page", name, limit)
		}
	}
	_, err := w.Program.Payouts.Get(ctx, uuid.New())
	require.ErrorIs(t, err, commission.ErrPayoutNotFound)
	got, err := w.Program.Payouts.Get(ctx, all[0].ID)
	require.NoError(t, err)
	require.Equal(t, all[0], got)

	var text bytes.Buffer
	require.NoError(t, w.Program.Payouts.Export(ctx, &text, got.ID))
	records, err := csv.NewReader(&text).ReadAll()
	require.NoError(t, err)
	require.Len(t, records, 3)
	column := func(name string) int { return slices.Index(records[0], name) }
	sum := decimal.Zero
	for _, r := range records[1:] {
		line, err := w.Program.Commissions.Get(ctx, uuid.MustParse(r[column("line_id")]))
		require.NoError(t, err)
		require.Equal(t, got.ID, *line.PayoutID)
		require.Equal(t, line.TransactionID.String(), r[column("transaction_id")])
		require.Equal(t, []string{"earning", "sale", "0", "12.5", "BRL", "2025-06-15T12:00:00Z"},
			[]string{r[column("kind")], r[column("rule")], r[column("level")], r[column("rate")], r[column("currency")], r[column("created_at")]})
		sum = sum.Add(decimal.RequireFromString(r[column("final_amount")]))
	}
	require.True(t, sum.Equal(got.Amount))
	require.Equal(t, []string{"0.40", "100.00"}, slices.Sorted(slices.Values([]string{records[1][column("base_amount")], records[2][column("base_amount")]})))
	require.NoError(t, w.Program.Payouts.Cancel(ctx, "a mistake", got.ID))
	text.Reset()
	require.NoError(t, w.Program.Payouts.Export(ctx, &text, got.ID))
	require.Equal(t, 1, strings.Count(text.String(), "\n"), "it holds none any more")
}
