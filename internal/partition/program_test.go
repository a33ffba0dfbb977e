package partition_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// How the program uses months: on the pool it makes what is missing, in a
// host's transaction it never does.

func TestRecordMakesAMissingMonth(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`)
	last := month(2021, 7).Add(-time.Microsecond)
	w.Sale("ana", "100.00", scenario.At(last))
	w.WantLines("ana sale/0 10.00")
	w.Sale("ana", "100.00", scenario.At(last.Add(time.Microsecond)))
	names, err := w.Pool.Query(t.Context(), `
		select tableoid::regclass::text from fature.transactions union all
		select tableoid::regclass::text from fature.commissions order by 1`)
	require.NoError(t, err)
	got, err := pgx.CollectRows(names, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{
		"fature.commissions_2021_06", "fature.commissions_2021_07",
		"fature.transactions_2021_06", "fature.transactions_2021_07",
	}, got)
	w.Verify()
}

func TestRecordInAHostsTransactionMakesNone(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`)
	_, err := w.Pool.Exec(t.Context(), `create table public.orders (id text)`)
	require.NoError(t, err)
	past := w.Event("ana", transaction.Sale, "100.00", scenario.At(june))

	require.NoError(t, pgx.BeginFunc(t.Context(), w.Pool, func(host pgx.Tx) error {
		_, err := host.Exec(t.Context(), `insert into public.orders values ('1')`)
		require.NoError(t, err)
		program := w.Program.WithTx(host)

		_, err = program.Record(t.Context(), past)
		require.ErrorIs(t, err, fature.ErrNoPartition)
		require.ErrorIs(t, err, fature.ErrUnavailable)
		require.ErrorContains(t, err, "2021-06")
		require.ErrorContains(t, err, "EnsureMonths")
		missing := new(transaction.NoPartitionError)
		require.ErrorAs(t, err, &missing)
		require.Equal(t, june, missing.Month)

		// The transaction is as it was; the month may be made outside, meanwhile.
		require.NoError(t, w.Program.EnsureMonths(t.Context(), june, june))
		_, err = program.Record(t.Context(), past)
		require.NoError(t, err)
		_, err = program.Record(t.Context(), w.Event("ana", transaction.Sale, "5.00"))
		return err
	}))
	require.Equal(t, 2, w.Rows()["transactions"])
	require.Equal(t, 1, one[int](t, w.Pool, `select count(*) from public.orders`))
	w.Verify()
}

// A month that the process knows was dropped behind its back.
func TestRecordInADroppedMonth(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	require.NoError(t, w.Program.EnsureMonths(t.Context(), june, june))
	_, err := w.Pool.Exec(t.Context(), `drop table fature.transactions_2021_06, fature.commissions_2021_06`)
	require.NoError(t, err)
	past := w.Event("ana", transaction.Sale, "100.00", scenario.At(june))
	_, err = w.Program.Record(t.Context(), past)
	require.ErrorIs(t, err, fature.ErrNoPartition)
	_, err = w.Program.Record(t.Context(), past)
	require.NoError(t, err, "the next call looks again, and makes it")
}

// While a month is being made, others record in theirs.
func TestRecordingGoesOnMeanwhile(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	w.Sale("ana", "1.00")
	maker, err := w.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = maker.Rollback(context.Background()) }()
	for _, table := range []string{"transactions", "commissions", "data_audit"} {
		_, err = maker.Exec(t.Context(), `select fature.ensure_partition($1, $2)`, table, june)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = w.Program.Record(ctx, w.Event("ana", transaction.Sale, "2.00"))
	require.NoError(t, err)
	_, err = w.Program.Transactions.List(ctx, transaction.Filter{})
	require.NoError(t, err)
}

func TestEnsureMonths(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	made := func() int {
		return one[int](t, w.Pool, `select count(*) from fature.partitions where table_name = 'transactions'`)
	}
	before := made()
	saoPaulo := time.FixedZone("-03", -3*3600)
	require.NoError(t, w.Program.EnsureMonths(t.Context(), time.Date(2021, 1, 31, 23, 0, 0, 0, saoPaulo), month(2021, 5)))
	require.Equal(t, before+4, made(), "from February in UTC to May")
	require.NoError(t, w.Program.EnsureMonths(t.Context(), month(2021, 2), month(2021, 5)))
	require.Equal(t, before+4, made(), "again makes none")

	for _, c := range []struct {
		from, to time.Time
		fields   []string
	}{
		{june, month(2021, 5), []string{"to"}},
		{time.Time{}, june, []string{"from"}},
		{time.Time{}, time.Time{}, []string{"from"}},
		{month(1999, 12), june, []string{"from"}},
		{june, scenario.Now.AddDate(1, 1, 0), []string{"to"}},
		{month(1999, 12), month(9999, 12), []string{"from", "to"}},
		{june, time.Time{}, []string{"to"}},
	} {
		err := w.Program.EnsureMonths(t.Context(), c.from, c.to)
		require.ErrorIs(t, err, fature.ErrInvalid, "%v to %v", c.from, c.to)
		var fields []string
		for _, p := range fature.Problems(err) {
			fields = append(fields, p.Field)
		}
		require.Equal(t, c.fields, fields, "%v to %v", c.from, c.to)
	}
	require.Equal(t, before+4, made(), "what is refused makes none")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, w.Program.EnsureMonths(ctx, month(2020, 1), month(2020, 1)), context.Canceled)
}
