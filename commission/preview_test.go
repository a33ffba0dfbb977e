package commission_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/transaction"
)

// trial is a plan with a limit and a cap, replaced by another in July; three
// affiliates; and a sale, its refund, and one of July before them in the list.
const trial = `{
	"plans": [
		{"document": {"name": "p", "currency": "BRL", "rules": [
			{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}, "overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "5"}, {"percent": "1"}]}},
			{"id": "first", "on": ["sale"], "when": {"within": "10d"}, "limit": {"count": 1}, "pay": {"flat": "3.00"}}],
			"caps": [{"per": "affiliate", "period": "month", "max": "20.00"}]}},
		{"document": {"name": "p", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "20"}}]}, "from": "2025-07-01T00:00:00Z"}],
	"affiliates": [{"id": "bia", "parent": "ana"}, {"id": "ana", "status": "suspended"}, {"id": "caio", "parent": "bia", "category": "vip"}],
	"customers": [{"id": "c1", "attributed_at": "2025-06-01T00:00:00Z"}],
	"events": [
		{"id": "july", "at": "2025-07-01T00:00:00Z", "affiliate": "bia", "customer": "c1", "type": "sale", "amount": "10.00"},
		{"id": "sale", "at": "2025-06-10T00:00:00Z", "affiliate": "caio", "customer": "c1", "type": "sale", "amount": "190.00"},
		{"id": "back", "at": "2025-07-02T00:00:00Z", "affiliate": "", "type": "refund", "amount": "95.00", "reverses": "sale"}]}`

func TestPreview(t *testing.T) {
	t.Parallel()
	var s commission.Sample
	require.NoError(t, json.Unmarshal([]byte(trial), &s))
	out, err := commission.Preview(s)
	require.NoError(t, err)
	var lines, skipped []string
	for _, l := range out.Lines {
		lines = append(lines, fmt.Sprint(l.Event, " ", l.Affiliate, " ", l.Customer, " ", l.Rule, "/", l.Level, " ", l.Kind, " ", l.Base, " ", l.Rate, " ", l.Amount, " ", l.Final))
	}
	for _, s := range out.Skipped {
		skipped = append(skipped, strings.TrimSpace(fmt.Sprint(s.Event, " ", s.Rule, "/", s.Level, " ", s.Reason, " ", s.Breakage, s.Capped)))
	}
	require.Equal(t, []string{
		"sale caio c1 sale/0 earning 190.00 10 19.00 19.00",
		"sale bia c1 sale/1 earning 190.00 5 9.50 9.50",
		"sale caio c1 first/0 earning 190.00 3 3.00 1.00", // 20.00 less 19.00
		"july bia c1 sale/0 earning 10.00 20 2.00 2.00",
		"back caio c1 sale/0 reversal 95.00 10 -9.50 -9.50",
		"back bia c1 sale/1 reversal 95.00 5 -4.75 -4.75",
		"back caio c1 first/0 reversal 95.00 3 -1.50 -0.50",
	}, lines)
	require.Equal(t, []string{"sale sale/2 affiliate_inactive 1.90", "back sale/2 affiliate_inactive -0.95"}, skipped)
	require.Equal(t, commission.Decimal("0.95"), out.Breakage)
	require.Equal(t, map[string]commission.Decimal{"caio": "10.00", "bia": "6.75"}, out.Totals)
}

func TestPreviewRefuses(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		`"parent": "ana"}, {"id": "ana" -> "parent": "ana"}, {"id": "ana", "parent": "caio"`: "affiliates[0].parent: leads in a circle",
		`"parent": "ana" -> "parent": "eva"`:                                                 `affiliates[0].parent: "eva" is not one of the affiliates`,
		`"id": "ana" -> "id": "bia"`:                                                         `affiliates[1].id: "bia" stands twice`,
		`"vip" -> "gold"`:                                                                    `affiliates[2].category: "gold" is not a category`,
		`suspended -> asleep`:                                                                `affiliates[1].status: "asleep" is not a status`,
		`"percent": "20" -> "percent": "-20"`:                                                `plans[1].document.rules[0].pay.percent: is negative`,
		`"affiliate": "caio" -> "affiliate": "eva"`:                                          `events[1].affiliate: "eva" is not one of the affiliates`,
		`"amount": "190.00" -> "amount": "1e9"`:                                              `events[1].amount: "1e9" is not a decimal number`,
		`"amount": "190.00" -> "amount": "0.001"`:                                            `events[1].amount: 0.001 has more than 2 decimals`,
		`"amount": "95.00" -> "amount": "190.01"`:                                            `events[2].amount: is 190.01, more than the 190 left`,
		`"reverses": "sale" -> "reverses": "eva"`:                                            `events[2].reverses: "eva" is not an earlier event`,
		`"id": "july", "at": "2025-07-01T00:00:00Z" -> "id": "july"`:                         `events[0].at: is missing`,
		`"type": "refund" -> "type": "gift"`:                                                 `events[2].type: "gift" is not a type of event`,
		`"id": "july" -> "id": "sale"`:                                                       `events[1].id: "sale" stands twice`,
	} {
		from, to, _ := strings.Cut(change, " -> ")
		require.Contains(t, trial, from)
		var s commission.Sample
		err := json.Unmarshal([]byte(strings.Replace(trial, from, to, 1)), &s)
		if err == nil {
			_, err = commission.Preview(s)
		} else {
			err = fault.In("plans[1].document", err) // as a decoder of the host's would say it
		}
		require.ErrorIs(t, err, fault.Invalid, change)
		require.ErrorContains(t, err, want, change)
	}
	_, err := commission.Preview(commission.Sample{})
	require.EqualError(t, err, "plans: are missing")
}

// A sample is small, and what it comes to is bounded all the same.
func TestPreviewIsBounded(t *testing.T) {
	t.Parallel()
	s := commission.Sample{
		Plans:      []commission.SamplePlan{{Document: commission.Document{Name: "p", Currency: "BRL"}}},
		Affiliates: []commission.SampleAffiliate{{ID: "ana"}},
	}
	for i := range 100 {
		s.Plans[0].Document.Rules = append(s.Plans[0].Document.Rules, commission.Rule{
			ID: fmt.Sprint("r", i), On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: "1"},
		})
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 10_000 {
		s.Events = append(s.Events, commission.SampleEvent{ID: fmt.Sprint(i), At: at, Affiliate: "ana", Type: transaction.Sale, Amount: "10.00"})
	}
	_, err := commission.Preview(s)
	require.ErrorContains(t, err, "events: come to more than 100000 lines, skips and statements")
	s.Events = s.Events[:1000]
	_, err = commission.Preview(s)
	require.NoError(t, err)
}
