package affiliate_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
)

func TestPassword(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ctx := t.Context()
	ana := w.user("ana")
	kept := func() string {
		hash, err := w.users.PasswordHash(ctx, ana.ID)
		require.NoError(t, err)
		return hash
	}
	require.Empty(t, kept())
	for _, hash := range []string{"$2a$10$first", "$argon2id$v=19$second", ""} {
		require.NoError(t, w.users.SetPassword(ctx, ana.ID, hash))
		require.Equal(t, hash, kept())
	}
	for _, bad := range []string{"secret", "$2a$\x00", "$2a$\xff", "$" + strings.Repeat("x", 512)} {
		err := w.users.SetPassword(ctx, ana.ID, bad)
		require.NotEmpty(t, w.problems(err), bad)
		require.NotContains(t, err.Error(), bad)
	}
	require.ErrorIs(t, w.users.SetPassword(ctx, uuid.New(), "$2a$10$x"), affiliate.ErrUserNotFound)
	_, err := w.users.PasswordHash(ctx, uuid.New())
	require.ErrorIs(t, err, affiliate.ErrUserNotFound)
}

// The audit sees that a password changed, and not to what.
func TestPasswordIsNotAudited(t *testing.T) {
	t.Parallel()
	w := own(t)
	require.NoError(t, w.users.SetPassword(t.Context(), w.user("ana").ID, "$2a$10$very-secret"))
	var rows, telling int
	require.NoError(t, w.pool.QueryRow(t.Context(), `
		select count(*), count(*) filter (where old_values::text || new_values::text like '%very-secret%')
		from fature.data_audit where table_name = 'users' and operation = 'UPDATE'`).Scan(&rows, &telling))
	require.Equal(t, 1, rows)
	require.Zero(t, telling)
}
