package migrate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	tern "github.com/jackc/tern/v2/migrate"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

const childURL = "FATURE_MIGRATE_CHILD"

// TestChild is another process that migrates, with the later indexes of the
// tests; by itself it is nothing.
func TestChild(t *testing.T) {
	url := os.Getenv(childURL)
	if url == "" {
		return
	}
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(t, migrate.UpWith(t.Context(), conn, migrate.Options{}, later))
}

func child(t *testing.T, pool *pgxpool.Pool) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.count=1")
	cmd.Env = append(os.Environ(), childURL+"="+testenv.URL(pool))
	return cmd
}

const processes = 8

func all(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	var wait sync.WaitGroup
	for range processes {
		cmd := child(t, pool)
		wait.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	wait.Wait()
}

// From nothing, from an older version, and where only the indexes lack.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	alone := connect(t, testenv.Empty(t))
	require.NoError(t, migrate.UpWith(t.Context(), alone, migrate.Options{}, later))
	want := catalogue(t, alone, "fature")
	for _, from := range []int32{-1, 0, 5, latest} {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			t.Parallel()
			pool := testenv.Empty(t)
			conn := connect(t, pool)
			if from >= 0 {
				require.NoError(t, migrate.To(t.Context(), conn, from, migrate.Options{}))
			}
			all(t, pool)
			wantState(t, conn, "", latest)
			wantBuilt(t, conn, 1)
			wantSame(t, want, catalogue(t, conn, "fature"))
		})
	}
}

// A host's own terns migrate the same database, and wait for each other on the
// lock that all terns share, each with a snapshot.
func TestManyProcessesBesideAHostsTern(t *testing.T) {
	t.Parallel()
	pool := testenv.Empty(t)
	conn := connect(t, pool)
	require.NoError(t, migrate.Up(t.Context(), conn, migrate.Options{}))
	_, err := conn.Exec(t.Context(), "select fature.ensure_partition('transactions', m) from generate_series(timestamptz '2020-01-01', '2020-12-01', '1 month') m")
	require.NoError(t, err)

	ctx, stop := context.WithCancel(t.Context())
	var hosts sync.WaitGroup
	runs := make([]int, 4)
	errs := make([]error, len(runs))
	for i := range runs {
		host := connect(t, pool)
		hosts.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				errs[i] = hostMigrates(host, fmt.Sprintf("public.version_%d_%d", i, runs[i]))
				runs[i]++
			}
		})
	}
	all(t, pool)
	stop()
	hosts.Wait()
	for i := range runs {
		require.NoError(t, errs[i])
		require.Positive(t, runs[i])
	}
	wantState(t, conn, "", latest)
	wantBuilt(t, conn, 13)
}

func hostMigrates(conn *pgx.Conn, table string) error {
	ctx := context.Background()
	m, err := tern.NewMigrator(ctx, conn, table)
	if err != nil {
		return err
	}
	m.AppendMigration("", "create table "+table+"_orders (); select pg_sleep(0.05)", "select 1")
	m.AppendMigration("", "alter table "+table+"_orders add n int; select pg_sleep(0.05)", "select 1")
	return m.Migrate(ctx)
}

// Killed in the middle of a step, for certain: what the step waits for is held.
func TestKilledInAStep(t *testing.T) {
	t.Parallel()
	pool := testenv.Empty(t)
	conn := connect(t, pool)
	require.NoError(t, migrate.To(t.Context(), conn, 3, migrate.Options{}))
	_, err := conn.Exec(t.Context(), "begin; lock table fature.affiliates in row exclusive mode") // step 4 puts triggers on it
	require.NoError(t, err)
	cmd := child(t, pool)
	require.NoError(t, cmd.Start())
	other := connect(t, pool)
	require.Eventually(t, func() bool {
		return one[int](t, other, "select count(*) from pg_locks where relation = 'fature.affiliates'::regclass and not granted") == 1
	}, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	wantState(t, other, "", 3)
	require.Equal(t, 0, one[int](t, other, "select count(*) from pg_class where oid = to_regclass('fature.affiliate_hierarchy')"), "nothing half done")

	_, err = conn.Exec(t.Context(), "rollback")
	require.NoError(t, err)
	require.NoError(t, migrate.UpWith(t.Context(), other, migrate.Options{}, later))
	wantState(t, other, "", latest)
	wantBuilt(t, other, 1)
}

// Killed while an index is built: an invalid one stays, until the next Up.
func TestKilledInAnIndex(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	conn, other := connect(t, pool), connect(t, pool)
	_, err := conn.Exec(t.Context(), "begin; lock table fature.users in row exclusive mode; select pg_current_xact_id()")
	require.NoError(t, err)
	cmd := child(t, pool)
	require.NoError(t, cmd.Start())
	invalid := "select count(*) from pg_index where not indisvalid"
	require.Eventually(t, func() bool { return one[int](t, other, invalid) == 1 }, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	// The server does not see that the client is gone while it waits; an
	// administrator, or a restart, ends the session.
	_, err = other.Exec(t.Context(), `
		select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and query like 'create unique index concurrently%' and pid <> pg_backend_pid()`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "rollback")
	require.NoError(t, err)
	require.Equal(t, 1, one[int](t, other, invalid))
	require.NoError(t, migrate.UpWith(t.Context(), other, migrate.Options{}, later))
	wantBuilt(t, other, 4)
}

// Killed anywhere.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	pool := testenv.Empty(t)
	conn := connect(t, pool)
	for range 12 {
		cmd := child(t, pool)
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	require.NoError(t, migrate.UpWith(t.Context(), conn, migrate.Options{}, later))
	wantState(t, conn, "", latest)
	wantBuilt(t, conn, 1)
}
