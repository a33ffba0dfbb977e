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
		found, err := w.users.Credentials(ctx, ana.ID)
		require.NoError(t, err)
		require.Equal(t, ana.Email, found.Email)
		return found.PasswordHash
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
	_, err := w.users.Credentials(ctx, uuid.New())
	require.ErrorIs(t, err, affiliate.ErrUserNotFound)
	_, err = w.users.CredentialsByEmail(ctx, w.email("nobody"))
	require.ErrorIs(t, err, affiliate.ErrUserNotFound)
	require.ErrorIs(t, w.users.EndSessions(ctx, uuid.New()), affiliate.ErrUserNotFound)
}

// What ends the sessions of a user counts its epoch on, whoever writes it, and
// nothing else does.
func TestEpoch(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ctx := t.Context()
	ana, bia := w.user("ana"), w.user("bia")
	epoch := func() int64 {
		found, err := w.users.CredentialsByEmail(ctx, strings.ToUpper(ana.Email))
		require.NoError(t, err)
		require.Equal(t, ana.ID, found.ID)
		return found.Epoch
	}
	update := func(change affiliate.UserChange) error {
		_, err := w.users.Update(ctx, ana.ID, change)
		return err
	}
	sql := func(text string) error {
		_, err := w.pool.Exec(ctx, text, ana.ID)
		return err
	}
	for _, c := range []struct {
		what string
		do   func() error
		more int64
	}{
		{"a first password", func() error { return w.users.SetPassword(ctx, ana.ID, "$2a$10$first") }, 1},
		{"the same hash", func() error { return w.users.SetPassword(ctx, ana.ID, "$2a$10$first") }, 0},
		{"a rehash", func() error { return w.users.Rehash(ctx, ana.ID, "$2a$10$first", "$2a$12$first") }, 0},
		{"a rehash of what was there", func() error { return w.users.Rehash(ctx, ana.ID, "$2a$10$first", "$2a$12$other") }, 0},
		{"another password", func() error { return w.users.SetPassword(ctx, ana.ID, "$2a$10$second") }, 1},
		{"another name", func() error { return update(affiliate.UserChange{Name: "Ana Maria", Role: affiliate.RoleManager}) }, 0},
		{"a suspension", func() error { return update(affiliate.UserChange{Status: affiliate.Suspended}) }, 1},
		{"its end", func() error { return update(affiliate.UserChange{Status: affiliate.Active}) }, 0},
		{"an end of all", func() error { return w.users.EndSessions(ctx, ana.ID) }, 1},
		{"a password by hand", func() error { return sql("update fature.users set password_hash = '$2a$10$third' where id = $1") }, 1},
		{"no password", func() error { return w.users.SetPassword(ctx, ana.ID, "") }, 1},
		{"a closure by hand", func() error { return sql("update fature.users set status = 'closed' where id = $1") }, 1},
		{"another's", func() error { return w.users.SetPassword(ctx, bia.ID, "$2a$10$first") }, 0},
	} {
		before := epoch()
		require.NoError(t, c.do(), c.what)
		require.Equal(t, before+c.more, epoch(), c.what)
	}
	tx, err := w.pool.Begin(ctx)
	require.NoError(t, err)
	before := epoch()
	require.NoError(t, w.within(tx).users.SetPassword(ctx, ana.ID, "$2a$10$fourth"))
	require.NoError(t, tx.Rollback(ctx))
	require.Equal(t, before, epoch(), "undone with its transaction")
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
