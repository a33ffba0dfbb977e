package migrate_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

// Later indexes for tests: production has none yet.
var (
	onUsers        = migrate.Index{Name: "later_users", Table: "users", On: "(created_at, id)", Unique: true}
	onTransactions = migrate.Index{Name: "later_transactions", Table: "transactions", On: "(currency, created_at) where amount > 100"}
	later          = []migrate.Index{onUsers, onTransactions}
)

// wantBuilt holds that the later indexes are whole: one of users, one of
// transactions with one for each of its months; and none is invalid.
func wantBuilt(t *testing.T, conn *pgx.Conn, months int) {
	t.Helper()
	require.Empty(t, column[string](t, conn, `select indexrelid::regclass::text from pg_index where not indisvalid`))
	want := []string{
		"later_transactions ON ONLY fature.transactions USING btree (currency, created_at) WHERE (amount > (100)::numeric)",
		"later_users ON fature.users USING btree (created_at, id)",
	}
	require.Equal(t, want, column[string](t, conn, `
		select regexp_replace(pg_get_indexdef(indexrelid), '^CREATE (UNIQUE )?INDEX ', '') from pg_index
		where indexrelid in (to_regclass('fature.later_users'), to_regclass('fature.later_transactions')) order by 1`))
	require.Equal(t, months, one[int](t, conn, `select count(*) from pg_inherits where inhparent = 'fature.later_transactions'::regclass`))
	require.Equal(t, months, one[int](t, conn, `select count(*) from pg_inherits where inhparent = 'fature.transactions'::regclass`))
}

func TestLaterIndexes(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Clone(t))
	require.NoError(t, migrate.UpWith(t.Context(), conn, migrate.Options{}, later))
	wantBuilt(t, conn, 4)
	built := catalogue(t, conn, "fature")
	require.NoError(t, migrate.UpWith(t.Context(), conn, migrate.Options{}, later))
	wantSame(t, built, catalogue(t, conn, "fature"))
	require.Equal(t, "0", one[string](t, conn, "show lock_timeout"), "the session is as it was")

	// A month that is made later has its part.
	_, err := conn.Exec(t.Context(), "select fature.ensure_partition('transactions', '2020-01-15')")
	require.NoError(t, err)
	wantBuilt(t, conn, 5)
	require.NoError(t, migrate.UpWith(t.Context(), conn, migrate.Options{}, later))
	wantBuilt(t, conn, 5)

	require.NoError(t, migrate.Down(t.Context(), conn, migrate.Options{}))
	require.NoError(t, migrate.UpWith(t.Context(), conn, migrate.Options{}, later))
	wantBuilt(t, conn, 1)
}

// Whatever an interrupted build left, the next Up goes on.
func TestLaterIndexesResumed(t *testing.T) {
	t.Parallel()
	for what, left := range map[string]string{
		"an invalid index": `
			create index later_users on fature.users (created_at, id);
			update pg_index set indisvalid = false where indexrelid = 'fature.later_users'::regclass`,
		"one that takes no writes yet": `
			create index later_users on fature.users (created_at, id);
			update pg_index set indisvalid = false, indisready = false where indexrelid = 'fature.later_users'::regclass`,
		"the parent's only": `
			create index later_transactions on only fature.transactions (currency, created_at) where amount > 100`,
		"a month's that is not attached": `
			create index later_transactions on only fature.transactions (currency, created_at) where amount > 100;
			do $$ declare part text := (select min(partition_name) from fature.partitions where table_name = 'transactions'); begin
				execute format('create index later_%1$s on fature.%1$s (currency, created_at) where amount > 100', part);
			end $$`,
		"a month's that is invalid": `
			create index later_transactions on only fature.transactions (currency, created_at) where amount > 100;
			do $$ declare part text := (select max(partition_name) from fature.partitions where table_name = 'transactions'); begin
				execute format('create index later_%1$s on fature.%1$s (currency, created_at) where amount > 100', part);
				update pg_index set indisvalid = false where indexrelid = ('fature.later_' || part)::regclass;
			end $$`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, testenv.Clone(t))
			_, err := conn.Exec(t.Context(), left)
			require.NoError(t, err)
			require.NoError(t, migrate.UpWith(t.Context(), conn, migrate.Options{}, later))
			wantBuilt(t, conn, 4)
		})
	}
}

// A build that really is interrupted: it waits for a transaction when its
// context ends, and leaves an invalid index. The version is the newest all the
// same, and writers were never kept waiting.
func TestLaterIndexInterrupted(t *testing.T) {
	t.Parallel()
	for _, x := range later {
		t.Run(x.Table, func(t *testing.T) {
			t.Parallel()
			pool := testenv.Clone(t)
			conn, writer := connect(t, pool), connect(t, pool)
			part := x.Table
			if x.Table == "transactions" {
				part = one[string](t, conn, "select min(partition_name) from fature.partitions where table_name = 'transactions'")
			}
			tx, err := writer.Begin(t.Context())
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), "lock table fature."+part+" in row exclusive mode") // as a write does
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), "select pg_current_xact_id()")
			require.NoError(t, err)

			ctx, cancel := context.WithCancel(t.Context())
			up := make(chan error, 1)
			go func() { up <- migrate.UpWith(ctx, conn, migrate.Options{}, []migrate.Index{x}) }()
			other := connect(t, pool)
			own := x.Name + strings.TrimPrefix(part, x.Table)
			require.Eventually(t, func() bool {
				return one[int](t, other, `select count(*) from pg_index where indexrelid = to_regclass('fature.' || $1::text) and not indisvalid`, own) == 1
			}, 10*time.Second, 20*time.Millisecond)
			_, err = other.Exec(t.Context(), "update fature."+x.Table+" set created_at = created_at where false")
			require.NoError(t, err, "another writer goes on")
			cancel()
			require.ErrorContains(t, <-up, "index "+x.Name)
			require.NoError(t, tx.Rollback(t.Context()))
			wantState(t, other, "", latest)

			require.NoError(t, migrate.UpWith(t.Context(), other, migrate.Options{}, later))
			wantBuilt(t, other, 4)
		})
	}
}

// While a lock is held that the parent's index needs, the build gives up soon,
// so that nobody queues up behind it, and tries again.
func TestLaterIndexWaitsInTurns(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	conn, writer := connect(t, pool), connect(t, pool)
	tx, err := writer.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "lock table fature.transactions in row exclusive mode")
	require.NoError(t, err)
	up := make(chan error, 1)
	go func() { up <- migrate.UpWith(t.Context(), conn, migrate.Options{}, later) }()
	time.Sleep(2500 * time.Millisecond) // past the first wait
	select {
	case err := <-up:
		t.Fatalf("Up did not wait: %v", err)
	default:
	}
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, <-up)
	wantBuilt(t, writer, 4)
}

func TestLaterIndexThatCannotBe(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Clone(t))
	began := time.Now()
	err := migrate.UpWith(t.Context(), conn, migrate.Options{}, []migrate.Index{{Name: "wrong", Table: "users", On: "(no_such_column)"}})
	require.ErrorContains(t, err, "migrate: index wrong: ")
	require.ErrorContains(t, err, "no_such_column")
	require.Less(t, time.Since(began), 5*time.Second, "an error that stays is not tried again")
	wantState(t, conn, "", latest)
	require.NoError(t, migrate.UpWith(t.Context(), conn, migrate.Options{}, later))
	require.Equal(t, 0, one[int](t, conn, fmt.Sprintf("select count(*) from pg_index where indexrelid = to_regclass('fature.%s')", "wrong")))
}
