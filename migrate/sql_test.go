package migrate_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

func TestSQLIsWhatUpDoes(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{"", "partners"} {
		t.Run(schema, func(t *testing.T) {
			t.Parallel()
			o := migrate.Options{Schema: schema}
			up, plain := connect(t, testenv.Empty(t)), connect(t, testenv.Empty(t))
			require.NoError(t, migrate.Up(t.Context(), up, o))
			run(t, plain, o, 0)

			wantState(t, plain, schema, latest)
			name := schema
			if name == "" {
				name = "fature"
			}
			want := catalogue(t, up, name)
			wantSame(t, want, catalogue(t, plain, name))
			log := new(steps)
			require.NoError(t, migrate.Up(t.Context(), plain, migrate.Options{Schema: schema, Logger: slog.New(log)}))
			require.Empty(t, log.seen, "Up finds it done")
			wantSame(t, want, catalogue(t, plain, name))

			// Twice is refused, and changes nothing.
			text, err := migrate.SQL(o, 0)
			require.NoError(t, err)
			_, err = plain.Exec(t.Context(), text, pgx.QueryExecModeSimpleProtocol)
			require.ErrorContains(t, err, "001_partitions.sql is for version 0 of the schema, and it is at 10")
			_, err = plain.Exec(t.Context(), "rollback")
			require.NoError(t, err)
			wantSame(t, want, catalogue(t, plain, name))
		})
	}
}

func TestSQLFromAVersion(t *testing.T) {
	t.Parallel()
	up, plain := connect(t, testenv.Empty(t)), connect(t, testenv.Empty(t))
	require.NoError(t, migrate.Up(t.Context(), up, migrate.Options{}))
	require.NoError(t, migrate.To(t.Context(), plain, 5, migrate.Options{}))
	run(t, plain, migrate.Options{}, 5)
	wantState(t, plain, "", latest)
	wantSame(t, catalogue(t, up, "fature"), catalogue(t, plain, "fature"))
	run(t, plain, migrate.Options{}, latest) // nothing
}

// An owner of no more than the schema can run it, and the later indexes are in
// it.
func TestSQLWithLaterIndexes(t *testing.T) {
	t.Parallel()
	plain := connect(t, testenv.Empty(t))
	later := []migrate.Index{onUsers, onTransactions}
	text, err := migrate.SQLWith(migrate.Options{}, 0, later)
	require.NoError(t, err)
	_, err = plain.Exec(t.Context(), text, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	before := catalogue(t, plain, "fature")
	wantBuilt(t, plain, 1)
	require.NoError(t, migrate.UpWith(t.Context(), plain, migrate.Options{}, later))
	wantSame(t, before, catalogue(t, plain, "fature"))
}

func TestSQLRefuses(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{"Fature", "pg_x", `x; drop schema public`, strings.Repeat("a", 41)} {
		_, err := migrate.SQL(migrate.Options{Schema: schema}, 0)
		require.ErrorIs(t, err, fature.ErrInvalid)
		require.ErrorContains(t, err, "schema: ")
	}
	for _, version := range []int32{-1, latest + 1} {
		_, err := migrate.SQL(migrate.Options{}, version)
		require.ErrorIs(t, err, fature.ErrInvalid)
		require.ErrorContains(t, err, "version: ")
	}
}

func run(t *testing.T, conn *pgx.Conn, o migrate.Options, after int32) {
	t.Helper()
	text, err := migrate.SQL(o, after)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), text, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
}
