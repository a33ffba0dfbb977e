package pg_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

func TestRename(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"select id from fature.users":              "select id from acme.users",
		"fature.a,fature.b(fature.c)":              "acme.a,acme.b(acme.c)",
		"\nfature.users\n":                         "\nacme.users\n",
		`"fature".users`:                           `"fature".users`, // SQL of ours never quotes it
		"select 'fature'":                          "select 'fature'",
		"select current_setting('fature.actor')":   "select current_setting('acme.actor')",
		"select set_config('fature.' || $1, '',x)": "select set_config('acme.' || $1, '',x)",
		"fatures.users":                            "fatures.users",
		"my_fature.users":                          "my_fature.users",
		"myfature.users":                           "myfature.users",
		"fature_x.users":                           "fature_x.users",
		"FATURE.users":                             "FATURE.users",
		"savepoint fature":                         "savepoint fature",
		"":                                         "",
	} {
		require.Equal(t, want, pg.Rename(sql, "acme"), sql)
		require.Equal(t, sql, pg.Rename(sql, "fature"))
		require.Equal(t, sql, pg.Rename(sql, ""))
		require.Equal(t, want, pg.Rename(pg.Rename(sql, "acme"), "acme"), "twice is once")
	}
	require.Equal(t, "x_fature.users", pg.Rename(pg.Rename("fature.users", "x_fature"), "x_fature"))
	require.Equal(t, "a$1.users", pg.Rename("fature.users", "a$1"), "taken literally")
}

// A handle of another schema puts its name into whatever is sent through it.
func TestOtherSchema(t *testing.T) {
	t.Parallel()
	pool := testenv.Empty(t)
	_, err := pool.Exec(t.Context(), `create schema acme; create table acme.notes (note text, n int)`)
	require.NoError(t, err)
	db := pg.In(pool, "acme")
	require.Equal(t, "acme", pg.Schema(db))
	require.Equal(t, pgx.Identifier{"acme", "notes"}, pg.Table(db, "notes"))
	require.Equal(t, "fature", pg.Schema(pg.In(pool, "")))
	require.Equal(t, "fature", pg.Schema(pool), "a bare pool is of the default schema")

	use := func(db pg.DB) {
		_, err := db.Exec(t.Context(), `insert into fature.notes values ('exec', 1)`)
		require.NoError(t, err)
		var b pgx.Batch
		b.Queue(`insert into fature.notes values ('batch', $1)`, 2)
		var notes []struct {
			Note string
			N    int
		}
		var numbers []int
		pg.Queue(&b, &notes, `select note, n from fature.notes order by n`)
		pg.QueueColumn(&b, &numbers, `select n from fature.notes order by n`)
		require.NoError(t, pg.Send(t.Context(), db, &b))
		require.Len(t, notes, 2)
		require.Equal(t, []int{1, 2}, numbers)
		_, err = db.CopyFrom(t.Context(), pg.Table(db, "notes"), []string{"note", "n"}, pgx.CopyFromRows([][]any{{"copy", 3}}))
		require.NoError(t, err)
		var n int
		require.NoError(t, db.QueryRow(t.Context(), `select count(*) from fature.notes`).Scan(&n))
		require.Equal(t, 3, n)
		rows, err := pg.Column[string](t.Context(), db, `select note from fature.notes order by n`)
		require.NoError(t, err)
		require.Equal(t, []string{"exec", "batch", "copy"}, rows)
	}
	require.ErrorIs(t, pg.InTx(t.Context(), db, func(tx pg.DB) error { use(tx); return errRefused }), errRefused)
	require.ErrorIs(t, pgx.BeginFunc(t.Context(), pool, func(host pgx.Tx) error { use(pg.Bind(db, host)); return errRefused }), errRefused)
	use(db)

	var all sync.WaitGroup // the names are kept for every goroutine
	for range 8 {
		all.Go(func() {
			for range 50 {
				_, err := db.Exec(t.Context(), `select from fature.notes where false`)
				require.NoError(t, err)
			}
		})
	}
	all.Wait()
}

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"fature", "a", "_", "x1_y", "pgx", strings.Repeat("z", 40)} {
		require.NoError(t, pg.CheckSchema(name), name)
	}
	for _, name := range []string{
		"", "Fature", "1a", "a-b", "a b", "a.b", `a"b`, "a'b", "a;b", "é", "a\n", "a\x00", "pg_", "pg_x",
		"information_schema", strings.Repeat("z", 41),
	} {
		require.ErrorIs(t, pg.CheckSchema(name), fault.Invalid, "%q", name)
	}
	require.Less(t, len(pg.CheckSchema(strings.Repeat("z", 1<<20)).Error()), 200, "a long name is not told whole")
}

func TestReads(t *testing.T) {
	t.Parallel()
	pool := testenv.Pool(t)
	type row struct {
		N    int
		Name string `db:"what"`
	}
	ctx := t.Context()
	two := `select n, 'row ' || n as what from generate_series(1, $1::int) n`

	one, err := pg.One[row](ctx, pool, two, 1)
	require.NoError(t, err)
	require.Equal(t, row{1, "row 1"}, one)
	_, err = pg.One[row](ctx, pool, two, 0)
	require.ErrorIs(t, err, pgx.ErrNoRows)
	_, err = pg.One[row](ctx, pool, two, 2)
	require.ErrorIs(t, err, pgx.ErrTooManyRows)
	_, err = pg.One[row](ctx, pool, `select 1 as n`)
	require.ErrorContains(t, err, "what", "a column that is missing")
	_, err = pg.One[row](ctx, pool, `select nonsense`)
	require.ErrorContains(t, err, "42703")

	all, err := pg.All[row](ctx, pool, two, 2)
	require.NoError(t, err)
	require.Equal(t, []row{{1, "row 1"}, {2, "row 2"}}, all)
	all, err = pg.All[row](ctx, pool, two, 0)
	require.NoError(t, err)
	require.Empty(t, all)

	names, err := pg.Column[string](ctx, pool, `select 'a' union all select 'b'`)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, names)
	_, err = pg.Column[string](ctx, pool, `select nonsense`)
	require.Error(t, err)

	require.NoError(t, pg.Send(ctx, pool, new(pgx.Batch)), "nothing to send")
}

// Columns makes what unnest takes, whatever the types.
func TestColumns(t *testing.T) {
	t.Parallel()
	pool := testenv.Pool(t)
	x := "x"
	rows := [][]any{{int32(1), &x, "a"}, {int32(2), (*string)(nil), "b"}}
	columns, err := pg.Columns(3, len(rows), func(i int) ([]any, error) { return rows[i], nil })
	require.NoError(t, err)
	require.Equal(t, []any{[]int32{1, 2}, []*string{&x, nil}, []string{"a", "b"}}, columns)
	unnest := `select n || coalesce(x, '-') || c from unnest($1::int[], $2::text[], $3::text[]) as r (n, x, c)`
	texts, err := pg.Column[string](t.Context(), pool, unnest, columns...)
	require.NoError(t, err)
	require.Equal(t, []string{"1xa", "2-b"}, texts)

	columns, err = pg.Columns(3, 0, nil)
	require.NoError(t, err)
	texts, err = pg.Column[string](t.Context(), pool, unnest, columns...)
	require.NoError(t, err)
	require.Empty(t, texts, "no rows are no rows")

	_, err = pg.Columns(1, 2, func(i int) ([]any, error) { return []any{i}, errors.New("no value") })
	require.ErrorContains(t, err, "no value")
}

func TestNewIDIsOrderedByTime(t *testing.T) {
	t.Parallel()
	before := pg.NewID()
	for range 1000 {
		next := pg.NewID()
		require.EqualValues(t, 7, next.Version())
		require.Less(t, before.String(), next.String())
		before = next
	}
}
