package commission_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
)

// Another version of the plan may take advances off where the affiliate's own
// does not: for that one nothing has happened.
func TestAdvanceWithoutRecoup(t *testing.T) {
	t.Parallel()
	doc, err := commission.Parse([]byte(`{"name": "p", "currency": "BRL", "rules": [
		{"id": "rev", "period": "month", "base": {"plus": ["bet"]}, "pay": {"percent": "10"}, "carry": "none"}]}`))
	require.NoError(t, err)
	plan, err := commission.NewPlan(uuid.New(), 1, doc)
	require.NoError(t, err)
	june, err := commission.ParseInterval("2025-06", time.UTC)
	require.NoError(t, err)

	_, ok, err := commission.Settle(commission.Account{
		Rule: "rev", Interval: june, Versions: []*commission.Plan{plan}, Upline: []commission.Member{{ID: uuid.New(), Active: true}},
		Advance: decimal.NewFromInt(5),
	}, nil)

	require.NoError(t, err)
	require.False(t, ok)
}
