package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// two months of ana and bia, who is below her, and of a customer who wins a lot.
func (w *world) months(admin string) (anaID, ana, biaID, bia string) {
	w.Helper()
	w.sharePlan(admin)
	anaID, ana = w.affiliate(admin, "ana", "null")
	biaID, bia = w.affiliate(admin, "bia", `"`+anaID+`"`)
	for _, e := range []string{"c1 bet 1000.00 06-02", "c1 win 400.00 06-03", "high win 5000.00 06-04", "c1 bet 200.00 07-02"} {
		w.play(admin, biaID, e)
	}
	return anaID, ana, biaID, bia
}

// play records "customer type amount month-day".
func (w *world) play(admin, affiliate, event string) {
	w.Helper()
	var customer, kind, sum, day string
	_, err := fmt.Sscan(event, &customer, &kind, &sum, &day)
	require.NoError(w, err)
	w.want(201, admin, "POST /v1/transactions", fmt.Sprintf(
		`{"affiliate_id": %q, "customer_id": %q, "type": %q, "amount": %q, "created_at": "2025-%sT12:00:00Z"}`, affiliate, customer, kind, sum, day))
}

// From what was played to the money: preview, close, statement, payout.
func TestPeriodStory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	anaID, ana, biaID, bia := w.months(admin)

	previewed := w.want(200, admin, "GET /v1/periods/2025-06/preview", "")
	require.Equal(t, []any{map[string]any{
		"plan": "share", "from": "2025-06-01T00:00:00Z", "to": "2025-07-01T00:00:00Z",
		"statements": 1.0, "lines": 2.0, "payable": "150.00", "final_amount": "165.00",
	}}, previewed.has("plans"))
	require.Nil(t, previewed.has("statements.0.id"))
	require.Nil(t, previewed.has("statements.0.lines.0.id"))
	require.Nil(t, previewed.has("statements.0.lines.0.statement_id"))
	require.Equal(t, "15.00", previewed.has("statements.0.lines.1.final_amount"))
	require.Empty(t, w.want(200, admin, "GET /v1/affiliates/"+biaID+"/statements", "").has("items"), "a preview writes nothing")

	closed := w.want(200, admin, "POST /v1/periods/2025-06/close", "")
	require.Equal(t, previewed.has("plans"), closed.has("plans"))
	require.Equal(t, closed.body, w.want(200, admin, "POST /v1/periods/2025-06/close", "").body)

	list := w.want(200, bia, "GET /v1/affiliates/"+biaID+"/statements?rule=rev&period=2025-06", "")
	require.Nil(t, list.has("next"))
	at := "GET /v1/statements/" + list.id("items.0.id")
	r := w.want(200, admin, at, "")
	for path, want := range map[string]any{
		"affiliate_id": biaID, "plan": "share", "rule": "rev", "period": "2025-06", "carry": "base", "currency": "BRL",
		"opening": "0.00", "base": "600.00", "commission": "150.00", "payable": "150.00", "closing": "0.00", "unrecouped": "0.00",
		"items": map[string]any{"bet": "1000.00", "win": "5400.00"}, "customers": map[string]any{"high": "-5000.00"},
		"lines.0.affiliate_id": biaID, "lines.0.final_amount": "150.00", "lines.1.affiliate_id": anaID, "lines.1.final_amount": "15.00",
		"lines.0.statement_id": r.has("id"), "lines.0.transaction_id": nil,
		"skipped.0.reason": "no_upline", "skipped.0.level": 2.0, "skipped.0.breakage": "7.50",
	} {
		require.Equal(t, want, r.has(path), path)
	}
	require.Equal(t, "bia", w.seesOf(at, bia, anaID, biaID), "not what ana earns of it")
	require.Equal(t, "bia ana", w.seesOf(at, ana, anaID, biaID))

	require.Equal(t, "150.00", w.want(200, bia, "GET /v1/affiliates/"+biaID+"/balance", "").has("available"))
	require.Equal(t, "150.00", w.want(201, admin, "POST /v1/payouts", `{"minimum": "50.00"}`).has("total"))
	payout := "POST /v1/payouts/" + w.want(200, bia, "GET /v1/payouts", "").id("items.0.id")
	w.want(200, admin, payout+"/approve", "")
	w.want(200, admin, payout+"/sent", `{"external_id": "E-1"}`)
	require.Equal(t, "150.00", w.want(200, bia, "GET /v1/affiliates/"+biaID+"/balance", "").has("in_payout"))
	w.want(200, admin, payout+"/paid", "")
	require.Equal(t, map[string]any{"pending": "0.00", "available": "0.00", "in_payout": "0.00", "paid": "150.00", "currency": "BRL"},
		w.want(200, bia, "GET /v1/affiliates/"+biaID+"/balance", "").body)

	// What comes late counts in the next month, which says so.
	w.play(admin, biaID, "c1 win 50.00 06-30")
	w.want(200, admin, "POST /v1/periods/2025-07/close", "")
	list = w.want(200, bia, "GET /v1/affiliates/"+biaID+"/statements?limit=1", "")
	require.Equal(t, "2025-07", list.has("items.0.period"))
	require.NotNil(t, list.has("next"))
	r = w.want(200, bia, "GET /v1/statements/"+list.id("items.0.id"), "")
	require.Equal(t, map[string]any{"bet": "200.00"}, r.has("items"))
	require.Equal(t, map[string]any{"2025-06": map[string]any{"win": "50.00"}}, r.has("late"))
	require.Equal(t, "37.50", r.has("payable"))
	report, err := w.program.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Findings)
}

// seesOf is whose lines of a statement an affiliate sees.
func (w *world) seesOf(statement, token, anaID, biaID string) (names string) {
	w.Helper()
	r := w.want(200, token, statement, "")
	require.Nil(w, r.has("customers"))
	require.Nil(w, r.has("skipped"))
	lines, _ := r.has("lines").([]any)
	for i := range lines {
		switch r.id(fmt.Sprintf("lines.%d.affiliate_id", i)) {
		case biaID:
			names += "bia"
		case anaID:
			names += " ana"
		}
	}
	return names
}

// A period that is not to be closed is a conflict that names it.
func TestPeriodRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.login("admin@example.com")
	_, _, biaID, _ := w.months(admin)
	month := time.Now().UTC().Format("2006-01")
	for call, want := range map[string]string{
		"POST /v1/periods/" + month + "/close": "the period is not over",
		"POST /v1/periods/2025-07/close":       "an earlier period is not closed",
		"GET /v1/periods/2025-07/preview":      "an earlier period is not closed",
	} {
		w.wantConflict(admin, call, want)
	}
	w.want(200, admin, "POST /v1/periods/2025-06/close", "")
	w.wantConflict(admin, "GET /v1/periods/2025-06/preview", "the period is closed")
	w.wantConflict(admin, "POST /v1/periods/2025-05/close", "a later period is closed")

	w.want(422, admin, "GET /v1/periods/2025-07/preview?limit=0", "")
	anaID, _ := w.affiliate(admin, "eva", "null")
	w.play(admin, anaID, "c9 bet 10.00 07-09")
	w.play(admin, biaID, "c1 bet 10.00 07-09")
	r := w.want(200, admin, "GET /v1/periods/2025-07/preview?limit=1", "")
	require.Len(t, r.has("statements"), 1)
	require.Equal(t, 2.0, r.has("plans.0.statements"), "the sums are of all")
}

func (w *world) wantConflict(admin, call, detail string) {
	w.Helper()
	r := w.want(409, admin, call, "")
	require.Equal(w, []any{detail, "period"}, []any{r.has("detail"), r.has("errors.0.field")}, call)
}

// A preview of plans closes the periods that it names.
func TestPreviewCloses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := `{
		"plans": [{"document": ` + share + `}],
		"affiliates": [{"id": "ana"}, {"id": "bia", "parent": "ana"}],
		"events": [
			{"id": "e1", "at": "2025-06-10T00:00:00Z", "affiliate": "bia", "customer": "c1", "type": "bet", "amount": "100.00"},
			{"id": "e2", "at": "2025-06-11T00:00:00Z", "affiliate": "bia", "customer": "c1", "type": "win", "amount": "140.00"},
			{"id": "e3", "at": "2025-07-11T00:00:00Z", "affiliate": "bia", "customer": "c1", "type": "bet", "amount": "120.00"}],
		"close": ["2025-06", "2025-07"]}`
	r := w.want(200, w.manager(), "POST /v1/plans/preview", in)
	for path, want := range map[string]any{
		"statements.0.period": "2025-06", "statements.0.affiliate": "bia", "statements.0.rule": "rev", "statements.0.base": "-40.00",
		"statements.0.items": map[string]any{"bet": "100.00", "win": "140.00"}, "statements.0.closing": "-40.00",
		"statements.1.opening": "-40.00", "statements.1.base": "120.00", "statements.1.commission": "20.00", "statements.1.payable": "20.00",
		"lines.0.period": "2025-07", "lines.0.affiliate": "bia", "lines.0.final_amount": "20.00", "lines.1.final_amount": "2.00",
		"totals": map[string]any{"bia": "20.00", "ana": "2.00"}, "breakage": "1.00",
	} {
		require.Equal(t, want, r.has(path), path)
	}
}
