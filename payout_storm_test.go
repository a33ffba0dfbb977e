package fature_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// A line is voided, taken back and paid at once, many times over: it is void or
// in a payout, never both, and the books close.
func TestVoidAndRefundAndPayoutAtOnce(t *testing.T) {
	t.Parallel()
	w := payroll(t, "bia")
	voided := 0
	for i := range 25 {
		key := transaction.Key{SourceTable: "orders", OriginalID: fmt.Sprint(i)}
		line := w.Sale("bia", "10.00", scenario.Key(key.OriginalID)).Lines[0].ID
		atOnce(4, func(who int) {
			var err error
			switch who {
			case 0:
				if _, err = w.Program.Void(t.Context(), "fraud", line); errors.Is(err, commission.ErrSettled) {
					err = nil
				}
			case 1:
				_, err = w.Program.Record(t.Context(), refund(key, "4.00", key.OriginalID))
			default:
				_, err = w.Program.Payouts.Run(t.Context(), commission.PayoutRun{})
			}
			isNil(t, err)
		})
		l, err := w.Program.Commissions.Get(t.Context(), line)
		require.NoError(t, err)
		if l.Status == commission.Void {
			voided++
		}
	}
	t.Logf("%d of 25 were voided first", voided)
	pay(t, w, commission.PayoutRun{}, "bia")
	w.Verify()
}

// Eight runs at once on many affiliates, while others record, take back and end
// payouts: no line is in two, nobody is paid twice in a round, and each is paid
// what was available, to the cent.
func TestPayoutRunsAtOnce(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	var drafts []affiliate.Draft
	for i := range 240 {
		drafts = append(drafts, affiliate.Draft{Name: "A", Email: fmt.Sprintf("a%d@example.com", i)})
	}
	people, err := w.Program.Affiliates.CreateAll(t.Context(), drafts)
	require.NoError(t, err)
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`)
	seed := rand.Uint64() //nolint:gosec // chance, not a secret
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // as above
	var number atomic.Int64
	sale := func(random *rand.Rand, at time.Time) transaction.Event {
		return transaction.Event{
			AffiliateID: people[random.IntN(len(people))].ID, Type: transaction.Sale, Amount: decimal.New(random.Int64N(20_000)+100, -2),
			SourceTable: "orders", OriginalID: fmt.Sprint(number.Add(1)), At: at,
		}
	}
	now := scenario.Now
	for round := range 3 {
		var events []transaction.Event
		for range 600 {
			events = append(events, sale(random, now))
		}
		_, err := w.Program.Record(t.Context(), events...)
		require.NoError(t, err)
		known := number.Load()
		var runs [8]commission.PayoutRunResult
		atOnce(len(runs)+3, func(who int) {
			var err error
			mine := rand.New(rand.NewPCG(seed, uint64(100*round+who+1))) //nolint:gosec // as above
			if who < len(runs) {
				runs[who], err = w.Program.Payouts.Run(t.Context(), commission.PayoutRun{Minimum: decimal.NewFromInt(15)})
				isNil(t, err)
				return
			}
			for i := range 25 { // what is recorded meanwhile is available in the next round
				_, err := w.Program.Record(t.Context(), sale(mine, now.Add(time.Hour)))
				isNil(t, err)
				of := transaction.Key{SourceTable: "orders", OriginalID: fmt.Sprint(mine.Int64N(known) + 1)}
				back := refund(of, "0.50", fmt.Sprint(round, who, i))
				back.At = now.Add(2 * time.Hour)
				_, err = w.Program.RecordPartial(t.Context(), back)
				isNil(t, err)
			}
		})
		wantRound(t, w, runs[:])
		settle(t, w, random, runs[:])
		now = now.Add(3 * time.Hour)
		w.SetNow(now)
	}
	_, err = w.Program.Payouts.Run(t.Context(), commission.PayoutRun{})
	require.NoError(t, err)
	w.Verify()
}

// wantRound says that nobody was paid twice by runs at once, and that what is
// left is less than their minimum.
func wantRound(t *testing.T, w *scenario.World, runs []commission.PayoutRunResult) {
	t.Helper()
	paid, total := map[uuid.UUID]decimal.Decimal{}, decimal.Zero
	made := 0
	for _, r := range runs {
		made += r.Payouts
		for p, err := range w.Program.Payouts.All(t.Context(), commission.PayoutFilter{RunID: r.RunID}) {
			require.NoError(t, err)
			require.NotContains(t, paid, p.AffiliateID, "paid twice")
			require.True(t, p.Amount.GreaterThanOrEqual(decimal.NewFromInt(15)), p.Amount)
			paid[p.AffiliateID] = p.Amount
			total = total.Add(p.Amount)
		}
	}
	require.Len(t, paid, made)
	sum := decimal.Zero
	for _, r := range runs {
		sum = sum.Add(r.Total)
	}
	require.True(t, sum.Equal(total), "%s is not %s", sum, total)
	balances, err := w.Program.Commissions.Balances(t.Context(), slices.Collect(maps.Keys(paid))...)
	require.NoError(t, err)
	for id, b := range balances {
		require.True(t, b.InPayout.Equal(paid[id]), "%s: %v", id, b)
		require.False(t, b.Available.IsPositive(), "only refunds can have come since: %v", b)
	}
	t.Logf("%d payouts of %s", made, total)
}

// settle ends the payouts of runs, well or not.
func settle(t *testing.T, w *scenario.World, random *rand.Rand, runs []commission.PayoutRunResult) {
	t.Helper()
	ends := map[int][]uuid.UUID{}
	for _, r := range runs {
		for p, err := range w.Program.Payouts.All(t.Context(), commission.PayoutFilter{RunID: r.RunID}) {
			require.NoError(t, err)
			n := random.IntN(3)
			ends[n] = append(ends[n], p.ID)
		}
	}
	require.NoError(t, w.Program.Payouts.Cancel(t.Context(), "by chance", ends[0]...))
	require.NoError(t, w.Program.Payouts.Approve(t.Context(), slices.Concat(ends[1], ends[2])...))
	n, err := w.Program.Payouts.Send(t.Context(), newBank())
	require.NoError(t, err)
	require.Equal(t, len(ends[1])+len(ends[2]), n)
	require.NoError(t, w.Program.Payouts.Fail(t.Context(), "returned", ends[1]...))
	require.NoError(t, w.Program.Payouts.MarkPaid(t.Context(), ends[2]...))
}
