package migrate

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

func TestLineOf(t *testing.T) {
	t.Parallel()
	const sql = "select 1;\n-- Olá, são é ü\nselect nonsense\nfrom t"
	for _, c := range []struct {
		position int32 // in characters, from 1
		line     int
	}{
		{1, 1},
		{9, 1},
		{11, 2},
		{int32(len([]rune(sql[:strings.Index(sql, "nonsense")]))) + 1, 3},
		{int32(len([]rune(sql))), 4},
		{0, 0},
		{-1, 0},
		{int32(len(sql)) + 1, 0},
	} {
		require.Equal(t, c.line, lineOf(sql, &pgconn.PgError{Position: c.position}), "position %d", c.position)
	}
}

// A line of either part is a line of its file; every step goes both ways, in a
// transaction.
func TestSteps(t *testing.T) {
	t.Parallel()
	all := steps()
	require.NotEmpty(t, all)
	for _, s := range all {
		text, err := files.ReadFile("sql/" + s.name)
		require.NoError(t, err)
		lines := strings.Split(string(text), "\n")
		for part, sql := range map[string]string{"up": s.up, "down": s.down} {
			require.NotEmpty(t, strings.TrimSpace(sql), "%s %s", s.name, part)
			for i, line := range strings.Split(sql, "\n") {
				if line != "" {
					require.Equal(t, lines[i], line, "%s %s, line %d", s.name, part, i+1)
				}
			}
		}
		require.NotContains(t, strings.ToLower(string(text)), "disable-tx", s.name)
		require.NotContains(t, strings.ToLower(string(text)), "concurrently on", s.name)
	}
}
