package testenv

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Killed, or with its disk full, it keeps what it has acknowledged, and nothing
// stays of it after the test.
func TestMortal(t *testing.T) {
	for _, backend := range []string{"docker", "local"} {
		t.Run(backend, func(t *testing.T) {
			startable(t, backend)
			t.Setenv("FATURE_BACKEND", backend)
			var address string
			t.Run("server", func(t *testing.T) {
				m := NewMortal(t, 192)
				address = m.url
				_, err := m.Pool.Exec(t.Context(), "create table kept as select 1 n")
				require.NoError(t, err)
				before := started(t, m)
				m.Kill()
				m.Await()
				require.NotEqual(t, before, started(t, m), "it is another one")
				if m.NoSmallDisk != nil {
					t.Skip(m.NoSmallDisk)
				}
				m.FillDisk()
				_, err = m.Pool.Exec(t.Context(), "create table lost as select repeat('x', 1000) from generate_series(1, 100000)")
				require.Error(t, err)
				m.FreeDisk()
				m.Await()
				_, err = m.Pool.Exec(t.Context(), "insert into kept values (2)")
				require.NoError(t, err)
				require.Equal(t, "2 on on on", one(t, m, `select count(*) || format(' %s %s %s', current_setting('fsync'),
					current_setting('synchronous_commit'), current_setting('full_page_writes')) from kept`))
			})
			assert.Error(t, pingPostgres(t.Context(), address))
		})
	}
}

func started(t *testing.T, m *Mortal) string {
	t.Helper()
	return one(t, m, "select pg_postmaster_start_time()::text")
}

// one is asked over a connection of its own: those of the pool may be dead.
func one(t *testing.T, m *Mortal, sql string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), m.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&text))
	return text
}
