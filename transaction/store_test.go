package transaction_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// history is six events: three of one moment, with one before and two after.
type history struct {
	*scenario.World
	ids []uuid.UUID // the latest first, and of one moment the last recorded first
}

func newHistory(t *testing.T) history {
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Affiliate("bia")
	hour := func(n int) scenario.Detail { return scenario.At(scenario.Now.Add(time.Duration(n) * time.Hour)) }
	recorded := w.Record(
		w.Event("ana", transaction.Sale, "1.00", hour(-5), scenario.Customer("carla")),
		w.Event("ana", transaction.Deposit, "2.00", hour(-3)),
		w.Event("bia", transaction.Sale, "3.00", hour(-3), scenario.Customer("carla")),
		w.Event("bia", transaction.Sale, "4.00", hour(-3), scenario.Key("4")),
		w.Event("bia", transaction.Bet, "5.00", hour(-2), pending),
		w.Event("ana", transaction.Sale, "6.00", hour(0), pending),
	)
	h := history{World: w}
	for _, r := range recorded {
		h.ids = append(h.ids, r.Transaction.ID)
	}
	slices.Reverse(h.ids)
	return h
}

func pending(e *transaction.Event) { e.Pending = true }

func ids(list []transaction.Transaction) []uuid.UUID {
	all := []uuid.UUID{}
	for _, one := range list {
		all = append(all, one.ID)
	}
	return all
}

func TestList(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	ctx := t.Context()
	store := h.Program.Transactions
	pick := func(places ...int) []uuid.UUID {
		some := []uuid.UUID{}
		for _, i := range places {
			some = append(some, h.ids[i])
		}
		return some
	}
	at := func(n int) time.Time { return scenario.Now.Add(time.Duration(n) * time.Hour) }
	for name, c := range map[string]struct {
		filter transaction.Filter
		want   []uuid.UUID
	}{
		"all":              {transaction.Filter{}, h.ids},
		"affiliate":        {transaction.Filter{AffiliateID: h.ID("ana")}, pick(0, 4, 5)},
		"customer":         {transaction.Filter{CustomerID: "carla"}, pick(3, 5)},
		"type":             {transaction.Filter{Type: transaction.Sale}, pick(0, 2, 3, 5)},
		"status":           {transaction.Filter{Status: transaction.Pending}, pick(0, 1)},
		"from, included":   {transaction.Filter{From: at(-3)}, pick(0, 1, 2, 3, 4)},
		"to, not included": {transaction.Filter{To: at(-3)}, pick(5)},
		"a moment":         {transaction.Filter{From: at(-3), To: at(-3).Add(time.Microsecond)}, pick(2, 3, 4)},
		"in another zone":  {transaction.Filter{From: at(-2).In(time.FixedZone("", -3*3600))}, pick(0, 1)},
		"all together": {transaction.Filter{
			AffiliateID: h.ID("bia"), CustomerID: "carla", Type: transaction.Sale,
			Status: transaction.Processed, From: at(-9), To: at(9),
		}, pick(3)},
		"nothing": {transaction.Filter{AffiliateID: uuid.New()}, pick()},
	} {
		for limit := range 8 { // each cuts the three of one moment elsewhere
			c.filter.Limit = limit
			var list []transaction.Transaction
			for one, err := range store.All(ctx, c.filter) {
				require.NoError(t, err)
				list = append(list, one)
			}
			require.Equal(t, c.want, ids(list), "%s, %d a page", name, limit)
		}
	}

	// What comes meanwhile is neither told twice nor pushes another out, even
	// in the moment where the page ended.
	first, err := store.List(ctx, transaction.Filter{Limit: 3})
	require.NoError(t, err)
	require.Equal(t, pick(0, 1, 2), ids(first.Items))
	h.Sale("ana", "7.00")
	h.Sale("ana", "8.00", scenario.At(at(-3)))
	rest, err := store.List(ctx, transaction.Filter{Limit: 3, After: first.Next})
	require.NoError(t, err)
	require.Equal(t, pick(3, 4, 5), ids(rest.Items))
	require.Empty(t, rest.Next)
}

func TestListRefuses(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	host, err := w.Pool.Begin(t.Context())
	require.NoError(t, err)
	store := w.Program.Transactions.WithTx(host)
	for want, f := range map[string]transaction.Filter{
		"cursor: is not one that a page gave":            {After: "x"},
		"cursor: is not one that a page gave ":           {After: page.Cursor(uuid.New())},
		"limit: -1 is not between 1 and 1000":            {Limit: -1},
		"limit: 1001 is not between 1 and 1000":          {Limit: 1001},
		`type: "x\x00" is not a type of event`:           {Type: "x\x00"},
		`status: "gone" is not a status`:                 {Status: "gone"},
		"customer_id: is not valid UTF-8 or holds a NUL": {CustomerID: "\xff"},
		"customer_id: is longer than 255 characters":     {CustomerID: strings.Repeat("c", 256)},
	} {
		_, err := store.List(t.Context(), f)
		require.ErrorIs(t, err, fault.Invalid)
		require.Equal(t, []string{strings.TrimSpace(want)}, problems(err))
	}
	none, err := store.List(t.Context(), transaction.Filter{})
	require.NoError(t, err, "the host goes on")
	require.Empty(t, none.Items)
	require.NoError(t, host.Commit(t.Context()))
}

func TestGet(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`)
	ctx := t.Context()
	at := scenario.Now.Add(-time.Hour)
	given := w.Event("ana", transaction.Sale, "12.50", scenario.Key("1"), scenario.Customer("carla"), scenario.At(at))
	given.Metadata = map[string]any{"brand": "é", "items": 3.0}
	recorded := w.Record(given)[0].Transaction

	got, err := w.Program.Transactions.Get(ctx, recorded.ID)
	require.NoError(t, err)
	require.True(t, got.CreatedAt.Equal(at))
	require.True(t, got.RecordedAt.Equal(scenario.Now) && got.RatedAt.Equal(scenario.Now))
	require.Equal(t, recorded.RatedSeq, got.RatedSeq)
	require.Equal(t, "12.50 12.50", got.Amount.StringFixed(2)+" "+got.Volume.StringFixed(2))
	require.Nil(t, got.Skipped)
	require.Equal(t,
		fmt.Sprint(w.ID("ana"), " carla sale BRL processed orders 1 ", given.Metadata),
		fmt.Sprint(got.AffiliateID, " ", got.CustomerID, " ", got.Type, " ", got.Currency, " ", got.Status, " ",
			got.SourceTable, " ", got.OriginalID, " ", got.Metadata))

	bet := w.Record(w.Event("ana", transaction.Win, "3.00"))[0].Transaction
	got, err = w.Program.Transactions.Get(ctx, bet.ID)
	require.NoError(t, err)
	require.Empty(t, got.CustomerID+got.SourceTable+got.OriginalID)
	require.True(t, got.Volume.IsZero())
	require.JSONEq(t, `[{"rule": "sale", "level": 0, "reason": "type"}]`, string(got.Skipped))

	_, err = w.Program.Transactions.Get(ctx, uuid.New())
	require.ErrorIs(t, err, transaction.ErrNotFound)
	require.ErrorIs(t, err, fault.NotFound)

	require.ErrorIs(t, pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		mine, err := w.Program.WithTx(tx).Record(ctx, w.Event("ana", transaction.Sale, "1.00"))
		require.NoError(t, err)
		_, err = w.Program.Transactions.WithTx(tx).Get(ctx, mine[0].Transaction.ID)
		require.NoError(t, err)
		_, err = w.Program.Transactions.Get(ctx, mine[0].Transaction.ID)
		require.ErrorIs(t, err, transaction.ErrNotFound, "nobody else sees it yet")
		return errRollback
	}), errRollback)
	w.Verify()
}

var errRollback = fmt.Errorf("the host changed its mind")

// What happened stays as it was recorded.
func TestRecordedForEver(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Sale("ana", "1.00", scenario.Key("1"))
	for _, sql := range []string{
		"update fature.transactions set amount = 2",
		"update fature.transactions set metadata = '{}'",
		"update fature.transactions set created_at = created_at + interval '1 second'",
		"update fature.transactions set original_id = '2'",
		"update fature.transactions set seen_seq = 1",
		"update fature.transactions set rated_seq = null, seen_seq = null, status = 'failed'",
		"delete from fature.transactions",
		"truncate fature.transactions",
		"update fature.transaction_keys set digest = ''",
	} {
		_, err := w.Pool.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "is refused", sql)
	}
	for sql, constraint := range map[string]string{
		"update fature.transactions set status = 'pending'": "transactions_rated_check",
		`insert into fature.transactions (affiliate_id, type, amount, volume, currency, status, created_at)
			select affiliate_id, type, 'NaN', 0, currency, 'failed', created_at from fature.transactions`: "transactions_amount_check",
		`insert into fature.transactions (affiliate_id, type, amount, volume, currency, status, created_at)
			select affiliate_id, type, -1, 0, currency, 'failed', created_at from fature.transactions`: "transactions_amount_check",
		`insert into fature.transactions (affiliate_id, type, amount, volume, currency, status, created_at, rated_seq)
			select affiliate_id, type, 1, 0, currency, 'processed', created_at, 1 from fature.transactions`: "transactions_rated_check",
		`insert into fature.transactions (affiliate_id, type, amount, volume, currency, status, created_at, seen_seq)
			select affiliate_id, type, 1, 0, currency, 'failed', created_at, 1 from fature.transactions`: "transactions_rated_check",
	} {
		_, err := w.Pool.Exec(t.Context(), sql)
		require.ErrorContains(t, err, constraint, sql)
	}
	w.Verify()
}
