package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	tern "github.com/jackc/tern/v2/migrate"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

var latest = migrate.Latest()

func TestUpDownUp(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Empty(t))
	wantState(t, conn, "", 0)

	require.NoError(t, migrate.Up(t.Context(), conn, migrate.Options{}))
	wantState(t, conn, "", latest)
	first := catalogue(t, conn, "fature")
	require.Greater(t, len(first), 200)

	t.Run("a second Up does nothing", func(t *testing.T) {
		log := new(steps)
		require.NoError(t, migrate.Up(t.Context(), conn, migrate.Options{Logger: slog.New(log)}))
		require.Empty(t, log.seen)
		wantSame(t, first, catalogue(t, conn, "fature"))
	})

	require.NoError(t, migrate.Down(t.Context(), conn, migrate.Options{}))
	wantState(t, conn, "", 0)
	require.Equal(t, []string{
		"column schema_version.version integer not null",
		"relation schema_version r",
	}, catalogue(t, conn, "fature"), "only the version table remains")

	require.NoError(t, migrate.Up(t.Context(), conn, migrate.Options{}))
	wantState(t, conn, "", latest)
	wantSame(t, first, catalogue(t, conn, "fature"))
}

func TestEachStepIsUndone(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Empty(t))
	require.NoError(t, migrate.To(t.Context(), conn, 0, migrate.Options{}))
	before := [][]string{catalogue(t, conn, "fature")}
	for v := range latest {
		require.NoError(t, migrate.To(t.Context(), conn, v+1, migrate.Options{}))
		wantState(t, conn, "", v+1)
		before = append(before, catalogue(t, conn, "fature"))
		require.NotEqual(t, before[v], before[v+1], "step %d changes something", v+1)
	}
	for v := latest - 1; v >= 0; v-- {
		require.NoError(t, migrate.To(t.Context(), conn, v, migrate.Options{}), "down to %d", v)
		wantState(t, conn, "", v)
		wantSame(t, before[v], catalogue(t, conn, "fature"))
	}
	for _, v := range []int32{-1, latest + 1} {
		err := migrate.To(t.Context(), conn, v, migrate.Options{})
		require.ErrorIs(t, err, fature.ErrInvalid)
		require.ErrorContains(t, err, "version")
	}
}

// Two programmes in one database: the same schema under two names, and nothing
// of the one's in the other.
func TestTwoSchemas(t *testing.T) {
	t.Parallel()
	pool := testenv.Empty(t)
	conn := connect(t, pool)
	acme := migrate.Options{Schema: "acme"}
	require.NoError(t, migrate.Up(t.Context(), conn, acme))
	wantState(t, conn, "acme", latest)
	wantState(t, conn, "", 0)
	require.Equal(t, 0, one[int](t, conn, `select count(*) from pg_namespace where nspname = 'fature'`))

	require.NoError(t, migrate.Up(t.Context(), conn, migrate.Options{}))
	inAcme, inFature := catalogue(t, conn, "acme"), catalogue(t, conn, "fature")
	for i, line := range inAcme {
		inAcme[i] = strings.ReplaceAll(line, "acme.", "fature.")
	}
	wantSame(t, inFature, inAcme)

	ctx := fature.WithActor(t.Context(), fature.Actor{ID: "root"})
	for schema, email := range map[string]string{"acme": "ana@acme.example", "fature": "ana@example.com"} {
		program, err := fature.New(ctx, fature.Config{Pool: pool, Schema: schema})
		require.NoError(t, err)
		made, err := program.Affiliates.Create(ctx, affiliate.Draft{Email: email, Name: "Ana", ReferralCode: "ana"})
		require.NoError(t, err)
		require.Equal(t, []uuid.UUID{made.ID}, column[uuid.UUID](t, conn, "select id from "+schema+".affiliates"))
		require.Equal(t, []string{email}, column[string](t, conn, "select email from "+schema+".users"))
		require.Equal(t, []string{"affiliates root", "referral_codes root", "users root"}, column[string](t, conn,
			"select table_name || ' ' || changed_by from "+schema+".data_audit order by 1"))
		report, err := program.Verify(ctx)
		require.NoError(t, err)
		require.Empty(t, report.Findings)
		_, err = conn.Exec(ctx, "select "+schema+".refresh_affiliate_stats()")
		require.NoError(t, err)
		require.Equal(t, 1, one[int](t, conn, "select count(*) from "+schema+".affiliate_stats"))
		require.Equal(t, []string{schema}, column[string](t, conn, `
			select distinct n.nspname from `+schema+`.system_performance p join pg_class c on c.relname = p.table_name
			join pg_namespace n on n.oid = c.relnamespace and n.nspname = '`+schema+`'`))
	}

	inFature = catalogue(t, conn, "fature") // New has made months
	require.NoError(t, migrate.Down(t.Context(), conn, acme))
	wantSame(t, inFature, catalogue(t, conn, "fature"))
	require.Equal(t, []string{"ana@example.com"}, column[string](t, conn, "select email from fature.users"))
}

// A host has tables of the same names, and a tern of its own.
func TestBesideTheHost(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Empty(t))
	_, err := conn.Exec(t.Context(), `
		create table public.users (id serial primary key, name text);
		insert into public.users (name) values ('the host''s');
		create type public.user_status as enum ('on', 'off')`)
	require.NoError(t, err)
	hosts, err := tern.NewMigrator(t.Context(), conn, "public.schema_version")
	require.NoError(t, err)
	for i := range 20 {
		hosts.AppendMigration("", fmt.Sprintf("create table public.affiliates_%d ()", i), "select 1")
	}
	require.NoError(t, hosts.Migrate(t.Context()))
	before := catalogue(t, conn, "public")

	require.NoError(t, migrate.Up(t.Context(), conn, migrate.Options{}))
	wantState(t, conn, "", latest)
	wantSame(t, before, catalogue(t, conn, "public"))
	require.NoError(t, migrate.Down(t.Context(), conn, migrate.Options{}))
	wantSame(t, before, catalogue(t, conn, "public"))
	require.Equal(t, []string{"the host's"}, column[string](t, conn, "select name from public.users"))
	require.Equal(t, 20, one[int](t, conn, "select version from public.schema_version"))
}

func TestSchemaNames(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Empty(t))
	schemas := `select nspname::text from pg_namespace order by 1`
	before := column[string](t, conn, schemas)
	for _, name := range []string{
		"Fature", "pg_x", "pg_", "a-b", "1a", "a.b", "é", " ", "fature ", "select", "user", "information_schema",
		strings.Repeat("a", 41), strings.Repeat("a", 60),
		`x; drop schema public cascade; --`, `x"; drop schema public cascade; --`, "x\x00", "a\nb",
	} {
		o := migrate.Options{Schema: name}
		_, err := migrate.Status(t.Context(), conn, o)
		for what, err := range map[string]error{
			"Up": migrate.Up(t.Context(), conn, o), "Down": migrate.Down(t.Context(), conn, o), "Status": err,
		} {
			require.ErrorIs(t, err, fature.ErrInvalid, "%s %q", what, name)
			require.ErrorContains(t, err, "migrate: schema: ", "%s %q", what, name)
		}
	}
	require.Equal(t, before, column[string](t, conn, schemas))

	for _, name := range []string{"a", "_", "x1_y", strings.Repeat("z", 40)} {
		require.NoError(t, migrate.To(t.Context(), conn, 2, migrate.Options{Schema: name}), name)
		wantState(t, conn, name, 2)
	}
}

func TestNewerDatabase(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Clone(t))
	_, err := conn.Exec(t.Context(), `update fature.schema_version set version = $1`, latest+1)
	require.NoError(t, err)
	before := catalogue(t, conn, "fature")
	for what, err := range map[string]error{
		"Up": migrate.Up(t.Context(), conn, migrate.Options{}), "Down": migrate.Down(t.Context(), conn, migrate.Options{}),
	} {
		require.ErrorIs(t, err, migrate.ErrNewer, what)
		require.ErrorIs(t, err, fature.ErrConflict, what)
	}
	state, err := migrate.Status(t.Context(), conn, migrate.Options{})
	require.NoError(t, err)
	require.Equal(t, migrate.State{Version: latest + 1, Latest: latest}, state)
	require.False(t, state.Current())
	wantSame(t, before, catalogue(t, conn, "fature"))
}

func TestConcurrentUps(t *testing.T) {
	t.Parallel()
	pool := testenv.Empty(t)
	log := new(steps)
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		conn := connect(t, pool)
		all.Go(func() { errs[i] = migrate.Up(t.Context(), conn, migrate.Options{Logger: slog.New(log)}) })
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Len(t, log.seen, int(latest), "each step was made once")
	wantState(t, connect(t, pool), "", latest)
}

// Who owns the database, or no more than the schema, needs no other right.
func TestUpByAPlainOwner(t *testing.T) {
	t.Parallel()
	for what, give := range map[string]string{
		"database": "alter database %[2]s owner to %[1]s", "schema": "create schema fature authorization %[1]s",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			pool := testenv.Empty(t)
			conn := connect(t, pool)
			role := strings.ReplaceAll("fature_test_"+uuid.NewString(), "-", "")
			exec := func(sql string) {
				t.Helper()
				_, err := conn.Exec(context.Background(), fmt.Sprintf(sql, role, pool.Config().ConnConfig.Database))
				require.NoError(t, err)
			}
			exec("create role %[1]s nologin nosuperuser nocreaterole nocreatedb")
			t.Cleanup(func() { // the database goes, the role would stay
				exec("reset role; reassign owned by %[1]s to current_user; drop owned by %[1]s; drop role %[1]s")
			})
			exec(give)
			exec("set role %[1]s")
			require.NoError(t, migrate.Up(t.Context(), conn, migrate.Options{}))
			wantState(t, conn, "", latest)
			require.Equal(t, []string{role}, column[string](t, conn, `
				select distinct pg_get_userbyid(relowner)::text from pg_class where relnamespace = 'fature'::regnamespace`))
			require.NoError(t, migrate.Down(t.Context(), conn, migrate.Options{}))
		})
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	pool := testenv.Empty(t)
	host := connect(t, pool)
	require.NoError(t, migrate.To(t.Context(), host, 1, migrate.Options{}))
	_, err := host.Exec(t.Context(), "select pg_advisory_lock(9628173550095224)") // its tern's
	require.NoError(t, err)

	// One waits for the host, the other for the first.
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	var all sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		conn := connect(t, pool)
		all.Go(func() { errs[i] = migrate.Up(ctx, conn, migrate.Options{}) })
	}
	all.Wait()
	for _, err := range errs {
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.Less(t, time.Since(began), 3*time.Second)
	wantState(t, host, "", 1)

	_, err = host.Exec(t.Context(), "select pg_advisory_unlock_all()")
	require.NoError(t, err)
	require.NoError(t, migrate.Up(t.Context(), connect(t, pool), migrate.Options{}), "the waits left no lock behind")
}

// A host's tern builds an index concurrently while we wait for it. A waiter
// with a snapshot would deadlock with it.
func TestWaitsForAHostsIndexBuild(t *testing.T) {
	t.Parallel()
	pool := testenv.Empty(t)
	host, other := connect(t, pool), connect(t, pool)
	_, err := host.Exec(t.Context(), "create table public.orders as select n from generate_series(1, 10) n")
	require.NoError(t, err)
	_, err = host.Exec(t.Context(), "select pg_advisory_lock(9628173550095224)")
	require.NoError(t, err)
	up := make(chan error, 1)
	go func() { up <- migrate.Up(t.Context(), other, migrate.Options{}) }()
	time.Sleep(300 * time.Millisecond) // until it waits
	_, err = host.Exec(t.Context(), "create index concurrently on public.orders (n)")
	require.NoError(t, err)
	_, err = host.Exec(t.Context(), "select pg_advisory_unlock_all()")
	require.NoError(t, err)
	require.NoError(t, <-up)
	wantState(t, host, "", latest)
}

// What fails leaves the version before it, and says where.
func TestFailureNamesFileAndLine(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Empty(t))
	require.NoError(t, migrate.To(t.Context(), conn, 7, migrate.Options{}))
	_, err := conn.Exec(t.Context(), "alter table fature.transactions rename column volume to turnover")
	require.NoError(t, err)
	before := catalogue(t, conn, "fature")

	err = migrate.Up(t.Context(), conn, migrate.Options{})
	require.ErrorContains(t, err, `migrate: 008_reports.sql:7: ERROR: column "volume" does not exist`)
	refused := new(pgconn.PgError)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "42703", refused.Code)
	wantState(t, conn, "", 7)
	wantSame(t, before, catalogue(t, conn, "fature"))

	_, err = conn.Exec(t.Context(), "alter table fature.transactions rename column turnover to volume")
	require.NoError(t, err)
	require.NoError(t, migrate.Up(t.Context(), conn, migrate.Options{}))
	wantState(t, conn, "", latest)
}

// steps is the names that the log told.
type steps struct {
	slog.Handler
	lock sync.Mutex
	seen []string
}

func (s *steps) Enabled(context.Context, slog.Level) bool { return true }
func (s *steps) Handle(_ context.Context, r slog.Record) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "step" {
			s.seen = append(s.seen, a.Value.String())
		}
		return true
	})
	return nil
}

func connect(t *testing.T, pool *pgxpool.Pool) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), testenv.URL(pool))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func wantState(t *testing.T, conn *pgx.Conn, schema string, version int32) {
	t.Helper()
	state, err := migrate.Status(t.Context(), conn, migrate.Options{Schema: schema})
	require.NoError(t, err)
	require.Equal(t, migrate.State{Version: version, Latest: latest}, state)
	require.Equal(t, version == latest, state.Current())
}

func one[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	all := column[T](t, conn, sql, args...)
	require.Len(t, all, 1)
	return all[0]
}

func column[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) []T {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return all
}
