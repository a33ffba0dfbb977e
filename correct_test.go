package fature_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/scenario"
)

// commissions is what an affiliate has earned in all, once folded.
func commissions(t *testing.T, w *scenario.World, name string) string {
	t.Helper()
	_, err := w.Program.Fold(t.Context())
	require.NoError(t, err)
	a, err := w.Program.Affiliates.Get(t.Context(), w.ID(name))
	require.NoError(t, err)
	return a.LifetimeCommissions.StringFixed(2)
}

func TestVoid(t *testing.T) {
	t.Parallel()
	w := team(t)
	sale := w.Sale("bia", "100.00", scenario.Key("1"))
	w.Record(refund(order, "40.00", "r-1"))
	own := sale.Lines[0].ID
	gone, err := w.Program.Void(t.Context(), "a test order", own)
	require.NoError(t, err)
	require.Len(t, gone, 2, "the line and what was taken of it")
	for _, l := range gone {
		require.Equal(t, []any{commission.Void, "a test order"}, []any{l.Status, l.Note})
	}
	require.Equal(t, []string{"0.00", "3.00"}, []string{commissions(t, w, "bia"), commissions(t, w, "ana")})

	// What is void is reversed no more; the upline's line is.
	w.Record(refund(order, "60.00", "r-2"))
	w.WantLines("ana sale/1 -3.00")
	w.WantSkipped("sale/0 void", "sale/2 no_upline -0.60")
	require.Equal(t, []string{"0.00", "0.00"}, []string{commissions(t, w, "bia"), commissions(t, w, "ana")})

	for why, c := range map[string]struct {
		reason string
		id     uuid.UUID
		want   error
	}{
		"void already":  {"twice", own, commission.ErrSettled},
		"unknown":       {"unknown", uuid.New(), commission.ErrNotFound},
		"a reversal":    {"reversal", gone[1].ID, fault.Invalid},
		"no reason":     {"  ", own, fault.Invalid},
		"a long reason": {strings.Repeat("x", 501), own, fault.Invalid},
	} {
		_, err := w.Program.Void(t.Context(), c.reason, c.id)
		require.ErrorIs(t, err, c.want, why)
	}
	w.Verify()
}

// A line is voided and reversed at once, many times over: whichever comes
// first, the books close.
func TestVoidAndRefundAtOnce(t *testing.T) {
	t.Parallel()
	w := team(t)
	for i := range 20 {
		key := uuid.NewString()
		sale := w.Sale("bia", "10.00", scenario.Key(key))
		of := order
		of.OriginalID = key
		atOnce(2, func(who int) {
			if who == 0 {
				_, err := w.Program.Void(t.Context(), "fraud", sale.Lines[0].ID)
				require.NoError(t, err)
			} else {
				_, err := w.Program.Record(t.Context(), refund(of, "10.00", key))
				require.NoError(t, err)
			}
		})
		require.Zero(t, one[int](t, w.Pool, `select count(*) from fature.commissions where rule = 'sale' and level = 0 and status <> 'void'`), i)
	}
	w.Verify()
}

func TestAdjust(t *testing.T) {
	t.Parallel()
	w := team(t)
	give := commission.Correction{
		AffiliateID: w.ID("ana"), Amount: decimal.RequireFromString("25.00"), Reason: "a lost cookie", Key: "ticket-7",
	}
	first, err := w.Program.Adjust(t.Context(), give)
	require.NoError(t, err)
	require.Equal(t, []any{commission.Adjustment, "25.00", "a lost cookie", commission.Approved},
		[]any{first.Kind, first.FinalAmount.StringFixed(2), first.Note, first.Status})
	w.SetNow(scenario.Now.Add(time.Hour))
	again, err := w.Program.Adjust(t.Context(), give)
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)

	take := give
	take.Amount = take.Amount.Neg()
	_, err = w.Program.Adjust(t.Context(), take)
	require.ErrorIs(t, err, commission.ErrKeyConflict)
	take.Key = ""
	_, err = w.Program.Adjust(t.Context(), take)
	require.NoError(t, err)
	require.Equal(t, "0.00", commissions(t, w, "ana"))

	e, err := w.Program.Commissions.Explain(t.Context(), first.ID)
	require.NoError(t, err)
	require.Equal(t, "Adjusted by hand by 25.00 BRL: a lost cookie.", e.Sentence)

	for problem, change := range map[string]func(*commission.Correction){
		"affiliate_id": func(c *commission.Correction) { c.AffiliateID = uuid.New() },
		"amount":       func(c *commission.Correction) { c.Amount = decimal.Zero },
		"amount: 0.00": func(c *commission.Correction) { c.Amount = decimal.RequireFromString("0.001") },
		"reason":       func(c *commission.Correction) { c.Reason = "\x00" },
	} {
		bad := give
		bad.Key = ""
		change(&bad)
		_, err := w.Program.Adjust(t.Context(), bad)
		require.ErrorContains(t, err, problem)
	}
	w.Verify()
}

// The same key at once is one correction.
func TestAdjustAtOnce(t *testing.T) {
	t.Parallel()
	w := team(t)
	atOnce(16, func(int) {
		_, err := w.Program.Adjust(t.Context(), commission.Correction{
			AffiliateID: w.ID("ana"), Amount: decimal.NewFromInt(5), Reason: "once", Key: "k",
		})
		require.NoError(t, err)
	})
	require.Equal(t, "5.00", commissions(t, w, "ana"))
	w.Verify()
}

func TestResolve(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana", scenario.Category(affiliate.VIP))
	publish := func(name, percent string) uuid.UUID {
		return w.Publish(`{"name": "` + name + `", "rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "` + percent + `"}}]}`).ID
	}
	day := func(n int) time.Time { return time.Date(2025, 6, n, 0, 0, 0, 0, time.UTC) }
	everyone, vips, own := publish("everyone", "5"), publish("vips", "8"), publish("own", "9")
	for _, a := range []commission.Assignment{
		commission.Default(everyone).Since(day(1)), commission.ForCategory(affiliate.VIP, vips).Since(day(2)),
		commission.ForCategory(affiliate.VIP, publish("vips", "8.5")).Since(day(3)), commission.ForAffiliate(w.ID("ana"), own).Since(day(20)),
	} {
		require.NoError(t, w.Program.Plans.Assign(t.Context(), a))
	}
	r, err := w.Program.Plans.Resolve(t.Context(), w.ID("ana"), scenario.Now)
	require.NoError(t, err)
	var told []string
	for _, c := range r.Candidates {
		told = append(told, c.Name+" "+c.Reason)
	}
	require.Equal(t, []string{
		"own begins later", "vips its category's", "vips a later one of the same scope has begun", "everyone the category one comes first",
	}, told)
	require.Equal(t, 2, r.Plan.Version)
	r, err = w.Program.Plans.Resolve(t.Context(), w.ID("ana"), day(1).Add(-time.Second))
	require.NoError(t, err)
	require.Nil(t, r.Plan)
	_, err = w.Program.Plans.Resolve(t.Context(), uuid.New(), scenario.Now)
	require.ErrorIs(t, err, affiliate.ErrNotFound)
}
