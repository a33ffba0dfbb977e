package pg_test

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

// notebook is a table of the test's own, in the schema that SQL names.
type notebook struct {
	t    *testing.T
	pool *pgxpool.Pool
}

func newNotebook(t *testing.T) *notebook {
	t.Helper()
	pool := testenv.Empty(t)
	_, err := pool.Exec(t.Context(), `
		create schema fature;
		create table fature.notes (note text constraint notes_pkey primary key, of text constraint notes_of_fkey references fature.notes);
		create function fature.raise(code text) returns void language plpgsql as $$
		begin
			raise exception 'as the test wishes' using errcode = code;
		end $$`)
	require.NoError(t, err)
	return &notebook{t, pool}
}

func (n *notebook) want(notes ...string) {
	n.t.Helper()
	there, err := pg.Column[string](n.t.Context(), n.pool, `select note from fature.notes order by note`)
	require.NoError(n.t, err)
	require.ElementsMatch(n.t, notes, there)
}

func write(ctx context.Context, db pg.DB, note string) error {
	_, err := db.Exec(ctx, `insert into fature.notes (note) values ($1)`, note)
	return err
}

func raise(ctx context.Context, db pg.DB, code string) error {
	_, err := db.Exec(ctx, `select fature.raise($1)`, code)
	return err
}

// statements are what was sent on the connections of a config, batches
// statement by statement.
type statements struct {
	lock sync.Mutex
	seen []string
}

func watch(config *pgx.ConnConfig) *statements {
	s := new(statements)
	config.Tracer = s
	return s
}

func (s *statements) add(sql string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.seen = append(s.seen, sql)
}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	s.add(d.SQL)
	return ctx
}
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	for _, q := range d.Batch.QueuedQueries {
		s.add(q.SQL)
	}
	return ctx
}
func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// connect makes a pool of its own to a database.
func connect(t *testing.T, to *pgxpool.Pool, change func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(testenv.URL(to))
	require.NoError(t, err)
	change(config)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}
