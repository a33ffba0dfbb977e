package partition_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/partition"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

// june is a month that no migration makes.
var june = month(2021, 6)

func month(y int, m time.Month) time.Time { return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC) }

func TestOf(t *testing.T) {
	t.Parallel()
	saoPaulo := time.FixedZone("-03", -3*3600)
	for _, c := range []struct{ given, want time.Time }{
		{june, june},
		{time.Date(2021, 6, 30, 20, 59, 59, 999_999_999, saoPaulo), june},
		{time.Date(2021, 6, 30, 21, 0, 0, 0, saoPaulo), month(2021, 7)},
		{time.Date(2021, 5, 31, 23, 59, 0, 0, time.UTC), month(2021, 5)},
		{time.Date(2021, 12, 31, 22, 0, 0, 0, saoPaulo), month(2022, 1)},
	} {
		require.Equal(t, c.want, partition.Of(c.given), "%v", c.given)
	}
}

// Whatever the session says of time, a partition is a whole month of UTC, and
// is told as such.
func TestBoundsAreUTC(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	utc := sessionOf(t, pool, "UTC", "ISO")
	year := 2000
	for _, session := range [][2]string{
		{"UTC", "ISO"},
		{"America/Sao_Paulo", "ISO"},
		{"Asia/Kolkata", "ISO"},
		{"Pacific/Kiritimati", "ISO"},
		{"America/Sao_Paulo", "SQL, DMY"},
		{"Asia/Kolkata", "SQL, DMY"},
		{"Asia/Kolkata", "German"},
		{"Asia/Kolkata", "Postgres, MDY"},
	} {
		year++
		december, january := month(year, 12), month(year+1, 1)
		conn := sessionOf(t, pool, session[0], session[1])
		require.True(t, ensure(t, conn, "transactions", january.Add(-time.Microsecond)), session)
		require.False(t, ensure(t, conn, "transactions", december), session)

		name := fmt.Sprintf("transactions_%d_12", year)
		var bounds string
		require.NoError(t, utc.QueryRow(t.Context(), `
			select pg_get_expr(relpartbound, oid) from pg_class where oid = ('fature.' || $1)::regclass`, name).Scan(&bounds), session)
		require.Equal(t, fmt.Sprintf("FOR VALUES FROM ('%d-12-01 00:00:00+00') TO ('%d-01-01 00:00:00+00')", year, year+1), bounds, session)

		var from, until time.Time
		require.NoError(t, conn.QueryRow(t.Context(), `
			select month, until from fature.partitions where partition_name = $1`, name).Scan(&from, &until), session)
		require.Equal(t, []time.Time{december, january}, []time.Time{from.UTC(), until.UTC()}, session)
	}
}

func TestEnsureRefuses(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	tables := `select count(*) from pg_class where relnamespace = 'fature'::regnamespace`
	before := one[int](t, pool, tables)
	for _, table := range []string{
		"nothing", "", "affiliates", "transactions_2025_01", "partitions", "public.transactions", "Transactions",
		"transactions; drop table fature.users", `transactions" (like fature.users); --`, "x' || pg_sleep(9) || '",
	} {
		_, err := pool.Exec(t.Context(), `select fature.ensure_partition($1, now())`, table)
		wantCode(t, "22023", err)
	}
	for _, when := range []any{nil, "infinity", "-infinity", "1999-12-31 23:59:59+00", "0044-03-15 BC", "10000-01-01+00"} {
		_, err := pool.Exec(t.Context(), `select fature.ensure_partition('transactions', $1::text::timestamptz)`, when)
		wantCode(t, "22023", err)
	}
	// A month that was detached is a table of its own, and not taken for one.
	_, err := pool.Exec(t.Context(), `
		select fature.ensure_partition('transactions', '2021-06-01+00');
		alter table fature.transactions detach partition fature.transactions_2021_06`)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `select fature.ensure_partition('transactions', '2021-06-01+00')`)
	wantCode(t, "42P07", err)
	require.ErrorContains(t, err, "transactions_2021_06")
	_, err = pool.Exec(t.Context(), `drop table fature.transactions_2021_06`)
	require.NoError(t, err)
	require.Equal(t, before, one[int](t, pool, tables))
}

func TestConcurrentMakers(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	var all sync.WaitGroup
	made, errs := make([]bool, 8), make([]error, 8)
	for i := range made {
		all.Go(func() {
			errs[i] = pool.QueryRow(t.Context(), `select fature.ensure_partition('transactions', $1)`, june).Scan(&made[i])
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	n := 0
	for _, m := range made {
		if m {
			n++
		}
	}
	require.Equal(t, 1, n, "one made it: %v", made)

	for i := range errs { // and by the library, for every table
		all.Go(func() {
			errs[i] = partition.New(pg.In(pool, "")).Ensure(t.Context(), []time.Time{june, month(2021, 7)})
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, 4, one[int](t, pool, `select count(*) from fature.partitions where extract(year from month) = 2021`))
}

func TestMissing(t *testing.T) {
	t.Parallel()
	clone := testenv.Clone(t)
	config, err := pgxpool.ParseConfig(testenv.URL(clone))
	require.NoError(t, err)
	trips := testenv.CountTrips(config.ConnConfig)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer pool.Close()
	db := pg.In(pool, "")
	months := partition.New(db)
	july, now := month(2021, 7), partition.Of(time.Now())

	missing := func(wantTrips bool, of ...time.Time) (found []time.Time) {
		t.Helper()
		n := trips.Of(func() {
			found, err = months.Missing(t.Context(), db, of)
			require.NoError(t, err)
		})
		require.Equal(t, wantTrips, n > 0, "%d round trips", n)
		return found
	}
	require.Equal(t, []time.Time{june, july}, missing(true, june, now, july))
	require.Empty(t, missing(false, now), "what is there is known")
	require.Equal(t, []time.Time{june}, missing(true, june), "what is not is asked for again")

	// A month is there when every table of events has it.
	require.True(t, ensure(t, clone, "transactions", june))
	require.Equal(t, []time.Time{june}, missing(true, june))
	require.NoError(t, months.Ensure(t.Context(), []time.Time{june}))
	require.Empty(t, missing(false, june, now), "what was made is known")
	require.Empty(t, missing(false))

	// Another process drops it; Forget is for when that shows.
	_, err = clone.Exec(t.Context(), `drop table fature.commissions_2021_06`)
	require.NoError(t, err)
	require.Empty(t, missing(false, june))
	months.Forget()
	require.Equal(t, []time.Time{june}, missing(true, june, now))

	// What a host's transaction made is asked for inside it.
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(host pgx.Tx) error {
		_, err := host.Exec(t.Context(), `select fature.ensure_partition('commissions', $1)`, june)
		require.NoError(t, err)
		found, err := partition.New(db).Missing(t.Context(), pg.Bind(db, host), []time.Time{june})
		require.NoError(t, err)
		require.Empty(t, found)
		return nil
	}))
}

// The months of events go by the caller's clock, those of the audit by the
// database's, which says when a change was made.
func TestAhead(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	months := partition.New(pg.In(pool, ""))
	require.NoError(t, months.Ahead(t.Context(), time.Date(2021, 11, 30, 23, 0, 0, 0, time.UTC), 5))
	want := []string{}
	for _, month := range []string{"_2021_11", "_2021_12", "_2022_01", "_2022_02", "_2022_03", "_2022_04"} {
		want = append(want, "clicks"+month, "commissions"+month, "transactions"+month)
	}
	slices.Sort(want)
	names := `select partition_name from fature.partitions where month between '2021-01-01+00' and '2022-12-01+00' order by 1`
	got, err := pg.Column[string](t.Context(), pool, names)
	require.NoError(t, err)
	require.Equal(t, want, got)
	last, err := pg.Column[time.Time](t.Context(), pool, `select max(month) from fature.partitions where table_name = 'data_audit'`)
	require.NoError(t, err)
	require.Equal(t, partition.Of(time.Now()).AddDate(0, 5, 0), last[0].UTC())
}

// A lock that a host holds: two seconds a try, and no longer than that; the
// next try finds it free.
func TestWaitsForLocks(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	host, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = host.Rollback(context.Background()) }()
	_, err = host.Exec(t.Context(), `lock table fature.affiliates in row exclusive mode`) // it registers somebody
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	began := time.Now()
	_, err = pool.Exec(ctx, `select fature.ensure_partition('transactions', $1)`, june)
	wantCode(t, "55P03", err)
	require.WithinRange(t, time.Now(), began.Add(1900*time.Millisecond), began.Add(4*time.Second))

	done := make(chan error, 1)
	began = time.Now()
	go func() { done <- partition.New(pg.In(pool, "")).Ensure(t.Context(), []time.Time{june}) }()
	time.Sleep(2200 * time.Millisecond) // the first try is over
	require.NoError(t, host.Commit(t.Context()))
	require.NoError(t, <-done)
	require.WithinRange(t, time.Now(), began.Add(2*time.Second), began.Add(6*time.Second))
}

func sessionOf(t *testing.T, pool *pgxpool.Pool, zone, style string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(testenv.URL(pool))
	require.NoError(t, err)
	config.RuntimeParams["timezone"], config.RuntimeParams["datestyle"] = zone, style
	conn, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func ensure(t *testing.T, db pg.DB, table string, at time.Time) (made bool) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), `select fature.ensure_partition($1, $2)`, table, at).Scan(&made))
	return made
}

func one[T any](t *testing.T, db pg.DB, sql string) (v T) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), sql).Scan(&v))
	return v
}

func wantCode(t *testing.T, code string, err error) {
	t.Helper()
	refused := new(pgconn.PgError)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, code, refused.Code, "%v", err)
}
