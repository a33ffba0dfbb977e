package fature_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// everything is a plan of all that event rules can ask for.
const everything = `{"rounding": "half_even", "hold": "10d", "timezone": "America/Sao_Paulo", "rules": [
	{"id": "sale", "on": ["sale"], "pay": {"tiers": {"mode": "slab", "scope": "day", "steps": [{"up_to": "300.00", "percent": "7"}, {"percent": "9.5", "flat": "3"}]}},
	 "overrides": {"of": "commission", "inactive": "roll_up", "steps": [{"percent": "30"}, {"percent": "20", "categories": ["vip"]}, {"flat": "0.33"}]}},
	{"id": "rank", "on": ["sale"], "when": {"min_amount": "20"}, "pay": {"differential": {"standard": "1", "premium": "2.5", "vip": "4"}}},
	{"id": "cpa", "on": ["sale", "deposit"], "when": {"cumulative_min": "100", "within": "3d"}, "limit": {"count": 2}, "pay": {"flat": "11.11"},
	 "overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "0.5"}]}},
	{"id": "months", "on": ["deposit"], "unless": {"cumulative_min": "400"}, "limit": {"months": 2}, "pay": {"percent": "3"}}],
	"caps": [{"per": "customer", "period": "lifetime", "max": "90"}, {"per": "transaction", "percent": "25"}, {"per": "affiliate", "period": "month", "max": "700"}]}`

// Many writers at once, whose batches meet on every counter, customer and sale
// that they have: none waits for ever, the books close, and rating all of it
// again in its order comes to the same lines and counters.
func TestMemoryUnderAStorm(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	names := []string{"ana"}
	w.Affiliate("ana", scenario.Category(affiliate.VIP))
	for i := range 9 {
		name := fmt.Sprint("bia", i)
		traits := []scenario.Trait{scenario.Under(names[i/2])}
		if i%3 == 1 {
			traits = append(traits, scenario.Category(affiliate.Premium))
		}
		if i == 2 {
			traits = append(traits, scenario.Status(affiliate.Suspended))
		}
		w.Affiliate(name, traits...)
		names = append(names, name)
	}
	w.SetNow(scenario.Now.AddDate(0, 3, 0))
	w.Plan(everything)
	const writers = 6
	batches := benchSize("FATURE_STORM_BATCHES", 12, 300)
	var recorded, refused, sales atomic.Int64
	seed := rand.Uint64() //nolint:gosec // chance, not a secret
	t.Logf("seed %d", seed)
	atOnce(writers, func(writer int) {
		random := rand.New(rand.NewPCG(seed, uint64(writer))) //nolint:gosec // as above
		for range batches {
			batch := make([]transaction.Event, random.IntN(12)+1)
			for i := range batch {
				batch[i] = stormEvent(w, random, names, &sales)
			}
			results, err := w.Program.RecordPartial(t.Context(), batch...)
			require.NoError(t, err)
			for _, r := range results {
				if recorded.Add(1); r.Err != nil {
					refused.Add(1)
					require.ErrorIs(t, r.Err, fault.Invalid)
				}
			}
		}
	})
	t.Logf("%d events, of which %d refused", recorded.Load(), refused.Load())
	require.Less(t, refused.Load(), recorded.Load()/2)
	w.Verify()
	w.Replay()
}

// stormEvent is a sale or deposit of one of a few customers, or a refund of one
// of the sales so far.
func stormEvent(w *scenario.World, random *rand.Rand, names []string, sales *atomic.Int64) transaction.Event {
	amount := decimal.New(random.Int64N(30_000)+1, -2)
	if known := sales.Load(); known > 0 && random.IntN(4) == 0 {
		return transaction.Event{
			Type: transaction.Refund, Amount: decimal.Min(amount, decimal.New(random.Int64N(9_000)+1, -2)),
			ReversesKey: transaction.Key{SourceTable: "orders", OriginalID: fmt.Sprint(random.Int64N(known) + 1)},
			At:          scenario.Now.AddDate(0, 2, 0),
		}
	}
	e := w.Event(names[random.IntN(len(names))], transaction.Sale, "0", scenario.Key(fmt.Sprint(sales.Add(1))),
		scenario.At(scenario.Now.AddDate(0, 0, random.IntN(50))))
	if e.Amount = amount; random.IntN(3) == 0 {
		e.Type = transaction.Deposit
	}
	if random.IntN(5) > 0 {
		e.CustomerID = fmt.Sprint("c", random.IntN(8))
	}
	return e
}
