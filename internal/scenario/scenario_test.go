package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// The story of the package's documentation, and what else one can say.
func TestStory(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Affiliate("bia", scenario.Under("ana"), scenario.Category(affiliate.Premium))
	w.Affiliate("caio", scenario.Under("bia"), scenario.Status(affiliate.Suspended))
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
		"overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "5"}]}}]}`)

	w.Sale("bia", "100.00")
	w.WantLines("bia sale/0 10.00", "ana sale/1 5.00")
	w.WantSkipped()

	again := scenario.Key("1")
	first := w.Sale("caio", "100.00", again, scenario.Customer("carla"), scenario.At(scenario.Now.Add(-time.Hour)))
	w.WantLines("bia sale/1 5.00")
	w.WantSkipped("sale/0 affiliate_inactive 10.00")
	require.Equal(t, "carla", first.Transaction.CustomerID)
	require.Equal(t, 11, first.Transaction.CreatedAt.UTC().Hour())

	w.SetNow(scenario.Now.AddDate(0, 0, 1))
	require.Equal(t, 16, w.Deposit("ana", "1.00").Transaction.CreatedAt.Day())
	w.WantSkipped("sale/0 type")

	w.Record(transaction.Event{Code: "nobody", Type: transaction.Sale})
	w.WantSkipped("unattributed")

	require.Equal(t, map[string]int{
		"transactions": 3, "transaction_keys": 1, "commissions": 3, "affiliate_deltas": 5, "customers": 1, "customer_owners": 1,
	}, w.Rows())
	w.Verify()

	other := w.Publish(commission.Document{Rules: []commission.Rule{
		{ID: "r", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: "1"}},
	}})
	require.Equal(t, "plan 2 BRL", other.Name+" 2 "+other.Currency)
	require.Equal(t, 2, other.Version)
}
