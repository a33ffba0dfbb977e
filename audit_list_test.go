package fature_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

func entries(t *testing.T, p *fature.Program, f fature.AuditFilter) (all []fature.AuditEntry) {
	t.Helper()
	for e, err := range p.Audit.All(t.Context(), f) {
		require.NoError(t, err)
		all = append(all, e)
	}
	return all
}

// What was changed is found by table, record, actor and time, the latest first,
// a record also in the lists of statements.
func TestAuditIsRead(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`)
	ana := w.Affiliate("ana")
	sales := w.Record(w.Event("ana", transaction.Sale, "1.00"), w.Event("ana", transaction.Sale, "2.00"), w.Event("ana", transaction.Sale, "3.00"))
	ctx := fature.WithActor(t.Context(), fature.Actor{ID: "carla", Request: "r-1"})
	_, err := w.Program.Affiliates.Update(ctx, ana.ID, affiliate.Change{Category: affiliate.VIP})
	require.NoError(t, err)
	_, err = w.Program.Users.Update(ctx, ana.UserID, affiliate.UserChange{Name: "Ana Lima"})
	require.NoError(t, err)

	all := entries(t, w.Program, fature.AuditFilter{})
	require.NotEmpty(t, all)
	for i := 1; i < len(all); i++ {
		require.Greater(t, all[i-1].Seq, all[i].Seq)
	}
	require.Equal(t, one[int](t, w.Pool, `select count(*) from fature.data_audit`), len(all))
	require.Equal(t, all, entries(t, w.Program, fature.AuditFilter{Limit: 1}), "page by page")

	of := entries(t, w.Program, fature.AuditFilter{Table: "affiliates", RecordID: strings.ToUpper(ana.ID.String())})
	require.Len(t, of, 2)
	require.Equal(t, []string{"UPDATE", "INSERT"}, []string{of[0].Operation, of[1].Operation})
	require.Contains(t, string(of[0].Old), `"category": "standard"`)
	require.Contains(t, string(of[0].New), `"category": "vip"`)
	require.Equal(t, []any{"carla", "r-1", 1}, []any{of[0].Actor, of[0].Request, of[0].Records})
	require.Empty(t, of[0].RecordIDs)
	require.WithinDuration(t, time.Now(), of[0].At, time.Hour)
	require.NotEmpty(t, of[0].SessionUser)
	require.NotEmpty(t, of[0].TxID)
	require.Nil(t, of[1].Old)

	// Nothing of a person is in it.
	for _, e := range entries(t, w.Program, fature.AuditFilter{Table: "users"}) {
		for _, secret := range []string{"Lima", "@example", `"name"`, `"email"`} {
			require.NotContains(t, string(e.Old)+string(e.New), secret)
		}
	}

	for i := range sales {
		of = entries(t, w.Program, fature.AuditFilter{Table: "transactions", RecordID: sales[i].Transaction.ID.String()})
		require.Len(t, of, 1)
		require.Empty(t, of[0].RecordID)
		require.Equal(t, 3, of[0].Records)
		require.Contains(t, of[0].RecordIDs, sales[i].Transaction.ID)
	}
	require.Empty(t, entries(t, w.Program, fature.AuditFilter{Table: "transactions", RecordID: uuid.NewString()}))
	require.Empty(t, entries(t, w.Program, fature.AuditFilter{Table: "transactions", RecordID: "no id"}))
	require.Empty(t, entries(t, w.Program, fature.AuditFilter{Table: "commissions", RecordID: sales[0].Transaction.ID.String()}))
	line := sales[0].Lines[0].ID
	_, err = w.Program.Void(ctx, "a test", line)
	require.NoError(t, err)
	of = entries(t, w.Program, fature.AuditFilter{Table: "commissions", RecordID: line.String(), Limit: 1})
	require.Len(t, of, 2, "in a list, and by itself")
	require.Equal(t, line.String(), of[0].RecordID)
	require.Len(t, of[1].RecordIDs, 3)

	require.Len(t, entries(t, w.Program, fature.AuditFilter{Actor: "carla"}), 3)
	require.Empty(t, entries(t, w.Program, fature.AuditFilter{Actor: "carl"}))
	now := time.Now()
	require.Empty(t, entries(t, w.Program, fature.AuditFilter{From: now.Add(time.Hour)}))
	require.Empty(t, entries(t, w.Program, fature.AuditFilter{To: now.Add(-time.Hour)}))
	at := all[1].At
	for _, e := range entries(t, w.Program, fature.AuditFilter{From: at, To: at.Add(time.Microsecond)}) {
		require.True(t, e.At.Equal(at), "half-open")
	}
	require.NoError(t, pgx.BeginFunc(t.Context(), w.Pool, func(tx pgx.Tx) error {
		_, err := w.Program.WithTx(tx).Users.Update(ctx, ana.UserID, affiliate.UserChange{Name: "Ana"})
		require.NoError(t, err)
		list, err := w.Program.WithTx(tx).Audit.List(t.Context(), fature.AuditFilter{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, "users", list.Items[0].Table, "also what is not committed")
		return nil
	}))

	// A statement of many rows names the first of them.
	events := make([]transaction.Event, 150)
	for i := range events {
		events[i] = w.Event("ana", transaction.Sale, "1.00")
	}
	last := w.Record(events...)[149].Transaction.ID
	list, err := w.Program.Audit.List(t.Context(), fature.AuditFilter{Table: "transactions", RecordID: last.String()})
	require.NoError(t, err)
	require.Equal(t, 150, list.Items[0].Records)
	require.Len(t, list.Items[0].RecordIDs, 100)
}

func TestAuditRefusesWhatItCannotFind(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	now := time.Now()
	for field, f := range map[string]fature.AuditFilter{
		"record_id": {RecordID: uuid.NewString()},
		"table":     {Table: "a\x00"},
		"actor":     {Actor: strings.Repeat("x", 201)},
		"to":        {From: now, To: now},
		"limit":     {Limit: 1001},
		"cursor":    {After: "x"},
	} {
		_, err := w.Program.Audit.List(t.Context(), f)
		require.ErrorIs(t, err, fature.ErrInvalid)
		require.Equal(t, field, fature.Problems(err)[0].Field)
	}
}

// A record is found by the index, and a month outside the range is not opened.
func TestAuditOfARecordIsQuick(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	ana := w.Affiliate("ana")
	_, err := w.Pool.Exec(t.Context(), `
		select fature.ensure_partition('data_audit', '2020-01-01+00');
		insert into fature.data_audit (table_name, record_id, operation, changed_at)
			select 'users', gen_random_uuid()::text, 'INSERT', '2020-01-15+00' from generate_series(1, 5000);
		analyze fature.data_audit`)
	require.NoError(t, err)
	tx, err := w.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	read := func(f fature.AuditFilter) (n int) {
		_, err := w.Program.WithTx(tx).Audit.List(t.Context(), f)
		require.NoError(t, err)
		require.NoError(t, tx.QueryRow(t.Context(), `
			select coalesce(sum(pg_stat_get_xact_tuples_returned(i.indexrelid)), 0) + pg_stat_get_xact_tuples_returned('fature.data_audit_2020_01'::regclass)
			from pg_index i where i.indrelid = 'fature.data_audit_2020_01'::regclass`).Scan(&n))
		return n
	}
	for range 8 { // the server settles for one plan after the fifth time
		// The planner looks at the ends of indexes.
		require.Less(t, read(fature.AuditFilter{Table: "users", RecordID: ana.UserID.String()}), 100)
		require.Less(t, read(fature.AuditFilter{Actor: "nobody", From: time.Now().AddDate(0, -1, 0)}), 100)
	}
	require.GreaterOrEqual(t, read(fature.AuditFilter{Actor: "nobody"}), 5000, "and without a range it is")
}
