package testenv

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDatabasesAreSeparate(t *testing.T) {
	shared, clone, empty := Pool(t), Clone(t), Empty(t)
	assert.Same(t, shared, Pool(t), "one per test binary")
	assert.True(t, has(t, shared, "schema"), "migrated")
	assert.True(t, has(t, clone, "schema"), "migrated")
	assert.False(t, has(t, empty, "schema"), "not migrated")

	_, err := clone.Exec(t.Context(), "create table public.mine ()")
	require.NoError(t, err)
	assert.False(t, has(t, shared, "table"))
	assert.False(t, has(t, Clone(t), "table"))

	second, err := pgxpool.New(t.Context(), URL(clone))
	require.NoError(t, err)
	defer second.Close()
	assert.True(t, has(t, second, "table"), "URL leads to the same database")
}

// has tells whether there is the schema of fature, or the table of the test.
func has(t *testing.T, pool *pgxpool.Pool, what string) bool {
	t.Helper()
	query := map[string]string{
		"schema": "select to_regnamespace('fature') is not null",
		"table":  "select to_regclass('public.mine') is not null",
	}[what]
	var there bool
	require.NoError(t, pool.QueryRow(t.Context(), query).Scan(&there))
	return there
}

// ended is a test that is over.
type ended struct {
	failed bool
	output string
}

func (e *ended) Failed() bool            { return e.failed }
func (e *ended) Name() string            { return "TestO'Brien" }
func (e *ended) Logf(f string, a ...any) { e.output += fmt.Sprintf(f, a...) }

func TestFailedTestLeavesItsDatabase(t *testing.T) {
	s := serversOf(t)
	for _, failed := range []bool{false, true} {
		pool, err := s.databases.open(t.Context(), false)
		require.NoError(t, err)
		test := &ended{failed: failed}
		s.release(test, pool)

		// Nor does it go when the next test binary cleans up.
		require.NoError(t, s.databases.dropAbandoned(t.Context()))
		name := pool.Config().ConnConfig.Database
		assert.Equal(t, failed, exists(t, s, name))
		if failed {
			assert.Contains(t, test.output, "psql '"+URL(pool)+"'")
			s.databases.drop(t.Context(), name)
			_ = os.Remove(s.servers.lease.path("kept")) // for it did not really fail
		}
	}
}

func TestDatabasesOfKilledTestsAreDropped(t *testing.T) {
	s := serversOf(t)
	killed, err := openDatabases(t.Context(), s.servers)
	require.NoError(t, err)
	name, err := killed.create(t.Context(), false)
	require.NoError(t, err)

	require.NoError(t, s.databases.dropAbandoned(t.Context()))
	assert.True(t, exists(t, s, name), "its maker lives")
	killed.admin.Close()
	require.Eventually(t, func() bool {
		return s.databases.dropAbandoned(t.Context()) == nil && !exists(t, s, name)
	}, 10*time.Second, 50*time.Millisecond)
}

func exists(t *testing.T, s *suite, database string) bool {
	t.Helper()
	var there bool
	err := s.databases.admin.QueryRow(t.Context(), "select exists (select from pg_database where datname = $1)", database).Scan(&there)
	require.NoError(t, err)
	return there
}

// TestTemplates uses templates of its own, as the real one is in use.
func TestTemplates(t *testing.T) {
	s := serversOf(t)
	d, err := openDatabases(t.Context(), s.servers)
	require.NoError(t, err)
	defer d.admin.Close()
	run := func(sql string) {
		_, err := d.admin.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	found := func(made string) string {
		name := templatePrefix + newLease("").name[len("fature-"):]
		run("create database " + name)
		t.Cleanup(func() { s.databases.drop(context.Background(), name) })
		if made != "" {
			run("comment on database " + name + " is '" + made + "'")
			run("alter database " + name + " allow_connections false")
		}
		return name
	}
	young := found(time.Now().Format(time.RFC3339))
	old := found("2001-01-01T00:00:00Z")
	d.template = found("") // its maker was killed on the way

	name, err := d.create(t.Context(), true)
	require.NoError(t, err)
	defer d.drop(t.Context(), name)
	assert.True(t, exists(t, s, young), "another checkout may use it")
	assert.False(t, exists(t, s, old))
	ready, err := d.templateReady(t.Context(), d.admin)
	require.NoError(t, err)
	assert.True(t, ready, "made anew")
}
