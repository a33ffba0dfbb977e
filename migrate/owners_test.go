package migrate_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

// ordinary is a database whose owner is no superuser, migrated by that owner
// into a schema of a name that nobody had before: roles outlive databases.
type ordinary struct {
	t     *testing.T
	admin *pgxpool.Pool
	conn  *pgx.Conn // the owner's
	login string
	migrate.Options
}

func newOrdinary(t *testing.T, attributes string) *ordinary {
	t.Helper()
	schema := "o" + strings.ToLower(rand.Text()[:12])
	o := &ordinary{t: t, admin: testenv.Empty(t), login: schema + "_deployer", Options: migrate.Options{Schema: schema}}
	t.Cleanup(o.forget)
	o.administrator("create role %[2]s login "+attributes, "alter database %[3]s owner to %[2]s")
	o.connect()
	_, err := migrate.Roles(t.Context(), o.conn, o.Options)
	require.ErrorIs(t, err, migrate.ErrOlder, "Up comes first")
	require.NoError(t, migrate.Up(t.Context(), o.conn, o.Options))
	return o
}

// connect begins a session of the owner: settings of a role count from there.
func (o *ordinary) connect() {
	o.t.Helper()
	config := o.admin.Config().ConnConfig
	config.User = o.login
	conn, err := pgx.ConnectConfig(o.t.Context(), config)
	require.NoError(o.t, err)
	o.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	o.conn = conn
}

// administrator runs statements as the superuser: %[1]s is the schema, %[2]s
// the owner, %[3]s the database.
func (o *ordinary) administrator(statements ...string) {
	o.t.Helper()
	for _, sql := range statements {
		_, err := o.admin.Exec(o.t.Context(), o.fill(sql))
		require.NoError(o.t, err, sql)
	}
}

func (o *ordinary) fill(sql string) string {
	return fmt.Sprintf(sql+"%.0[1]s", o.Schema, o.login, o.admin.Config().ConnConfig.Database)
}

// forget leaves the server without the roles of the test.
func (o *ordinary) forget() {
	if o.t.Failed() {
		return
	}
	ctx := context.Background()
	roles, err := pgx.CollectRows(must(o.admin.Query(ctx, "select rolname::text from pg_roles where starts_with(rolname, $1)", o.Schema)), pgx.RowTo[string])
	require.NoError(o.t, err)
	all := strings.Join(roles, ", ")
	for _, sql := range []string{"alter database %[3]s owner to current_user", "drop schema %[1]s cascade", "drop owned by " + all, "drop role " + all} {
		_, err := o.admin.Exec(ctx, o.fill(sql))
		require.NoError(o.t, err, sql)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// roles runs Roles, twice and with a step of Up in between, and tells what the
// first time said.
func (o *ordinary) roles() migrate.Rights {
	o.t.Helper()
	rights, err := migrate.Roles(o.t.Context(), o.conn, o.Options)
	require.NoError(o.t, err)
	require.NoError(o.t, migrate.To(o.t.Context(), o.conn, latest-1, o.Options))
	require.NoError(o.t, migrate.Up(o.t.Context(), o.conn, o.Options))
	again, err := migrate.Roles(o.t.Context(), o.conn, o.Options)
	require.NoError(o.t, err)
	require.Empty(o.t, again.Created)
	require.Equal(o.t, rights.Unmoved, again.Unmoved)
	return rights
}

// owners are those who own something of the schema.
func (o *ordinary) owners() []string {
	o.t.Helper()
	rows, err := o.admin.Query(o.t.Context(), `
		select distinct pg_get_userbyid(owner)::text from (
			select nspowner as owner from pg_namespace where nspname = $1
			union all select relowner from pg_class where relnamespace = to_regnamespace($1)
			union all select proowner from pg_proc where pronamespace = to_regnamespace($1)
			union all select typowner from pg_type where typnamespace = to_regnamespace($1)) o order by 1`, o.Schema)
	require.NoError(o.t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(o.t, err)
	return all
}

// works shows that the application's role and the one for reports are of use,
// and no more than that.
func (o *ordinary) works(rights migrate.Rights) {
	o.t.Helper()
	app, reader := as(o.t, o.admin, rights.App), as(o.t, o.admin, rights.ReadOnly)
	p, err := fature.New(o.t.Context(), fature.Config{Pool: app, Schema: o.Schema, Currency: "BRL"})
	require.NoError(o.t, err)
	earnOnce(o.t, p)
	_, err = reader.Exec(o.t.Context(), "table "+o.Schema+".commissions")
	require.NoError(o.t, err)
	refuses(o.t, app, o.fill("create table %[1]s.mine ()"), o.fill("update %[1]s.commissions set final_amount = 0"),
		o.fill("set role %[1]s_owner"), o.fill("set role %[2]s"))
	refuses(o.t, reader, o.fill("table %[1]s.users"), o.fill("update %[1]s.affiliates set status = 'active'"))
}

// What PostgreSQL 16 lets a role do with the roles that it created is a matter
// of createrole_self_grant; before, CREATEROLE did all.
func TestRolesByAnOwnerWithCreateRole(t *testing.T) {
	t.Parallel()
	for _, grants := range []string{"", "set", "inherit", "set, inherit"} {
		t.Run("createrole_self_grant="+grants, func(t *testing.T) {
			t.Parallel()
			o := newOrdinary(t, "createrole")
			if grants != "" {
				_, err := o.admin.Exec(t.Context(), o.fill("alter role %[2]s set createrole_self_grant = '"+grants+"'"))
				if refused := new(pgconn.PgError); err != nil {
					require.ErrorAs(t, err, &refused)
					require.Equal(t, "42704", refused.Code, "only a server before 16 does not know it")
				}
				o.connect()
			}
			rights := o.roles()
			require.Equal(t, []string{rights.Owner, rights.App, rights.ReadOnly, rights.Jobs}, rights.Created)
			require.Empty(t, rights.Unmoved)
			require.Equal(t, []string{rights.Owner}, o.owners())
			o.works(rights)
			_, err := o.conn.Exec(t.Context(), o.fill("create role %[1]s_web login; grant %[1]s_app to %[1]s_web"))
			require.NoError(t, err, "the owner makes the host's login roles members")
		})
	}
}

// Without CREATEROLE the roles are an administrator's to make. How much of the
// schema changes hands depends on what else was granted.
func TestRolesByAnOwnerWithRolesMade(t *testing.T) {
	t.Parallel()
	made := []string{
		"create role %[1]s_owner nologin", "create role %[1]s_app nologin", "create role %[1]s_readonly nologin",
		"create role %[1]s_jobs nologin", "grant %[1]s_owner to %[1]s_jobs",
	}
	t.Run("member of the owner role", func(t *testing.T) {
		t.Parallel()
		o := newOrdinary(t, "")
		o.administrator(append(made, "grant %[1]s_owner to %[2]s")...)
		rights := o.roles()
		require.Empty(t, rights.Created)
		require.Empty(t, rights.Unmoved)
		require.Equal(t, []string{rights.Owner}, o.owners())
		o.works(rights)
	})
	t.Run("no member of it", func(t *testing.T) {
		t.Parallel()
		o := newOrdinary(t, "")
		o.administrator(made...)
		rights := o.roles()
		require.Equal(t, []string{o.login}, o.owners())
		o.works(rights)
		o.administrator(wish(t, rights.Unmoved))
		require.Empty(t, o.roles().Unmoved, "what was missing is made up for")
		require.Equal(t, []string{rights.Owner}, o.owners())
		o.works(rights)
	})
	t.Run("no right to create in the database", func(t *testing.T) {
		t.Parallel()
		o := newOrdinary(t, "")
		o.administrator(append(made, "grant %[1]s_owner to %[2]s", "alter database %[3]s owner to current_user")...)
		rights := o.roles()
		require.Contains(t, rights.Unmoved, "the schema itself")
		require.ElementsMatch(t, []string{o.login, rights.Owner}, o.owners())
		o.works(rights)
	})
	t.Run("a member that does not inherit", func(t *testing.T) {
		t.Parallel()
		o := newOrdinary(t, "noinherit")
		o.administrator(append(made, "grant %[1]s_owner to %[2]s")...)
		rights := o.roles()
		require.Equal(t, []string{o.login}, o.owners())
		o.administrator(wish(t, rights.Unmoved))
		require.Empty(t, o.roles().Unmoved)
		o.works(rights)
	})
	t.Run("somebody else's", func(t *testing.T) {
		t.Parallel()
		o := newOrdinary(t, "")
		superuser := connect(t, o.admin)
		_, err := migrate.Roles(t.Context(), superuser, o.Options)
		require.NoError(t, err)
		require.Equal(t, []string{o.Schema + "_owner"}, o.owners())
		o.administrator("grant usage on schema %[1]s to %[2]s", "grant select on %[1]s.schema_version to %[2]s")
		_, err = migrate.Roles(t.Context(), o.conn, o.Options)
		require.ErrorIs(t, err, migrate.ErrRights)
		o.administrator(wish(t, err.Error()))
		rights := o.roles()
		require.Empty(t, rights.Unmoved)
		o.works(rights)
	})
}

// wish is what the library wants an administrator to run.
func wish(t *testing.T, text string) string {
	t.Helper()
	_, sql, found := strings.Cut(text, "an administrator runs: ")
	require.True(t, found, text)
	return sql
}

// Where roles are missing, or a grant, the error is what an administrator can
// run, and nothing is done. Then all goes well.
func TestRolesTellTheAdministrator(t *testing.T) {
	t.Parallel()
	for name, before := range map[string][]string{
		"nothing made":       nil,
		"two made":           {"create role %[1]s_owner", "create role %[1]s_app"},
		"made, not granted":  {"create role %[1]s_owner", "create role %[1]s_app", "create role %[1]s_readonly", "create role %[1]s_jobs"},
		"granted to oneself": {"create role %[1]s_owner", "create role %[1]s_app", "grant %[1]s_owner to %[2]s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrdinary(t, "")
			o.administrator(before...)
			roles := "select count(*) from pg_roles where starts_with(rolname, '" + o.Schema + "')"
			there, stands := one[int](t, o.conn, roles), catalogue(t, o.conn, o.Schema)
			_, err := migrate.Roles(t.Context(), o.conn, o.Options)
			require.ErrorIs(t, err, migrate.ErrRights)
			require.ErrorIs(t, err, fature.ErrForbidden)
			require.ErrorContains(t, err, o.login)
			require.Equal(t, there, one[int](t, o.conn, roles))
			wantSame(t, stands, catalogue(t, o.conn, o.Schema))
			require.Equal(t, []string{o.login}, o.owners())

			o.administrator(wish(t, err.Error()))
			rights := o.roles()
			require.Empty(t, rights.Created)
			require.Empty(t, rights.Unmoved)
			o.works(rights)
		})
	}
}
