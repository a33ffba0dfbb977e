package fature_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
)

// An affiliate that is not active any more is not paid; what has been sent may
// arrive.
func TestPayoutsOfTheInactive(t *testing.T) {
	t.Parallel()
	for _, status := range []affiliate.Status{affiliate.Suspended, affiliate.Closed} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			names := []string{"ana", "bia", "caio"}
			w := payroll(t, names...)
			for _, name := range names {
				w.Sale(name, "100.00")
			}
			require.Len(t, pay(t, w, commission.PayoutRun{}, names...), 3)
			created, approved, sent := payoutOf(t, w, "ana").ID, payoutOf(t, w, "bia").ID, payoutOf(t, w, "caio").ID
			require.NoError(t, w.Program.Payouts.Approve(t.Context(), approved, sent))
			require.NoError(t, w.Program.Payouts.MarkSent(t.Context(), "E-1", sent))
			for _, name := range names {
				_, err := w.Program.Affiliates.Update(t.Context(), w.ID(name), affiliate.Change{Status: status})
				require.NoError(t, err)
			}
			err := w.Program.Payouts.Approve(t.Context(), created)
			require.ErrorIs(t, err, commission.ErrAffiliateInactive)
			require.ErrorContains(t, err, created.String())
			require.ErrorIs(t, w.Program.Payouts.MarkSent(t.Context(), "", approved), commission.ErrAffiliateInactive)
			bank := newBank()
			n, err := w.Program.Payouts.Send(t.Context(), bank)
			require.Zero(t, n)
			require.ErrorIs(t, err, commission.ErrAffiliateInactive)
			require.Empty(t, bank.calls)
			require.NoError(t, w.Program.Payouts.MarkPaid(t.Context(), sent), "the money has left")
			require.NoError(t, w.Program.Payouts.Cancel(t.Context(), "closed", created, approved))
			w.Verify()
		})
	}
}

// The states and the verbs: each does what it may, and says of the rest why not.
func TestPayoutStates(t *testing.T) {
	t.Parallel()
	w := payroll(t, "bia")
	ctx, payouts := t.Context(), w.Program.Payouts
	verbs := []struct {
		to commission.PayoutStatus
		do func(id uuid.UUID) error
	}{
		{commission.PayoutApproved, func(id uuid.UUID) error { return payouts.Approve(ctx, id) }},
		{commission.PayoutSent, func(id uuid.UUID) error { return payouts.MarkSent(ctx, "E-1", id) }},
		{commission.PayoutPaid, func(id uuid.UUID) error { return payouts.MarkPaid(ctx, id) }},
		{commission.PayoutFailed, func(id uuid.UUID) error { return payouts.Fail(ctx, "returned", id) }},
		{commission.PayoutCancelled, func(id uuid.UUID) error { return payouts.Cancel(ctx, "a mistake", id) }},
	}
	reach := func(status commission.PayoutStatus) uuid.UUID {
		give(t, w, "bia", "1.00")
		pay(t, w, commission.PayoutRun{}, "bia")
		id := payoutOf(t, w, "bia").ID
		path := map[commission.PayoutStatus][]int{
			commission.PayoutApproved: {0}, commission.PayoutSent: {0, 1}, commission.PayoutPaid: {0, 1, 2},
			commission.PayoutFailed: {0, 3}, commission.PayoutCancelled: {4},
		}
		for _, verb := range path[status] {
			require.NoError(t, verbs[verb].do(id))
		}
		return id
	}
	for _, c := range []struct {
		status commission.PayoutStatus
		may    string // for the verbs in their order
	}{
		{commission.PayoutCreated, "yes no no no yes"},
		{commission.PayoutApproved, "no yes no yes yes"},
		{commission.PayoutSent, "no no yes yes no"},
		{commission.PayoutPaid, "no no no no no"},
		{commission.PayoutFailed, "no no no no no"},
		{commission.PayoutCancelled, "no no no no no"},
	} {
		may := strings.Fields(c.may)
		for i, verb := range verbs {
			id := reach(c.status)
			err := verb.do(id)
			got, getErr := payouts.Get(ctx, id)
			require.NoError(t, getErr)
			if may[i] == "yes" {
				require.NoError(t, err, "%s to %s", c.status, verb.to)
				require.Equal(t, verb.to, got.Status)
			} else {
				var refused *commission.StateError
				require.ErrorAs(t, err, &refused, "%s to %s", c.status, verb.to)
				require.Equal(t, commission.StateError{PayoutID: id, Status: c.status, Asked: verb.to}, *refused)
				require.ErrorIs(t, err, fault.Conflict)
				require.ErrorContains(t, err, id.String())
				require.Equal(t, c.status, got.Status)
			}
			held := one[int](t, w.Pool, "select count(*) from fature.commissions where payout_id = $1", id)
			ended := got.Status == commission.PayoutFailed || got.Status == commission.PayoutCancelled
			require.Equal(t, ended, held == 0, "%s holds %d lines", got.Status, held)
		}
	}
	paid := reach(commission.PayoutPaid)
	require.EqualError(t, payouts.MarkPaid(ctx, paid), "commission: mark payouts paid: payout "+paid.String()+" is paid already")

	// All of several or none, and each problem told.
	fresh := reach(commission.PayoutCreated)
	err := payouts.Approve(ctx, paid, fresh, reach(commission.PayoutCancelled), fresh)
	require.Equal(t, 2, strings.Count(err.Error(), "which does not become approved"))
	got, err := payouts.Get(ctx, fresh)
	require.NoError(t, err)
	require.Equal(t, commission.PayoutCreated, got.Status)

	for want, err := range map[string]error{
		"ids: are 0, not from 1 to 1000":                        payouts.Approve(ctx),
		"ids: are 1001, not from 1 to 1000":                     payouts.MarkPaid(ctx, make([]uuid.UUID, 1001)...),
		"reason: is missing":                                    payouts.Fail(ctx, " ", fresh),
		"reason: is longer than 500 characters":                 payouts.Cancel(ctx, strings.Repeat("x", 501), fresh),
		"external_id: holds a control character":                payouts.MarkSent(ctx, "\x00", fresh),
		"commission: approve payouts: no such payout":           payouts.Approve(ctx, uuid.New()),
		"commission: get payout: no such payout":                payouts.Export(ctx, new(bytes.Buffer), uuid.New()),
		"commission: cancel payouts: no such payout":            payouts.Cancel(ctx, "x", fresh, uuid.New()),
		"external_id: is longer than 200 characters":            payouts.MarkSent(ctx, strings.Repeat("x", 201), fresh),
		"reason: holds a control character":                     payouts.Fail(ctx, "\n.", fresh),
		"commission: list payouts: status: \"gone\" is not a s": listed(payouts.List(ctx, commission.PayoutFilter{Status: "gone"})),
	} {
		require.ErrorContains(t, err, want)
	}
	w.Verify()
}

func listed(_ any, err error) error { return err }

// The database itself keeps a payout as it was made, and an ended one as it
// ended.
func TestPayoutsAreKept(t *testing.T) {
	t.Parallel()
	w := payroll(t, "ana", "bia")
	give(t, w, "ana", "1.00")
	give(t, w, "bia", "1.00")
	pay(t, w, commission.PayoutRun{}, "ana", "bia")
	require.NoError(t, w.Program.Payouts.Cancel(t.Context(), "a mistake", payoutOf(t, w, "bia").ID))
	for sql, why := range map[string]string{
		"update fature.payouts set amount = 2 where status = 'created'":             "a payout is what was made",
		"update fature.payouts set affiliate_id = run_id":                           "a payout is what was made",
		"update fature.payouts set currency = 'USD'":                                "a payout is what was made",
		"update fature.payouts set reason = 'another' where status = 'cancelled'":   "the payout has ended",
		"update fature.payouts set status = 'paid' where status = 'created'":        "payouts_status_check",
		"update fature.commissions set status = 'void' where payout_id is not null": "commissions_payout_check",
		"delete from fature.payouts":                                                "never deleted",
		"truncate fature.payouts":                                                   "rows leave one by one",
		"insert into fature.payouts (affiliate_id, run_id, amount, currency, lines) select affiliate_id, run_id, 'NaN', currency, 1 from fature.payouts": "payouts_amount_check",
		"insert into fature.payouts (affiliate_id, run_id, amount, currency, lines) select affiliate_id, run_id, 0, currency, 1 from fature.payouts":     "payouts_amount_check",
		"insert into fature.payouts (affiliate_id, run_id, amount, currency, lines) select affiliate_id, run_id, 1, currency, 0 from fature.payouts":     "payouts_lines_check",
		"insert into fature.payouts (affiliate_id, run_id, amount, currency, lines) select run_id, run_id, 1, currency, 1 from fature.payouts":           "payouts_affiliate_id_fkey",
	} {
		_, err := w.Pool.Exec(t.Context(), sql)
		require.ErrorContains(t, err, why, sql)
	}
	w.Verify()
}
