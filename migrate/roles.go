package migrate

import (
	"context"
	_ "embed" // roles.sql
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// ErrRights is returned where the connection's role lacks a right that Roles
// needs; the error names it.
var ErrRights = fault.New(fault.Forbidden, "the connection's role lacks a right")

// ErrOlder is returned by Roles where the database is not at the newest version
// yet: Up comes first.
var ErrOlder = fault.New(fault.Conflict, "the database is older than this program")

// Rights is what Roles saw to: four roles that do not log in. A host makes its
// login roles members of them.
type Rights struct {
	// Owner owns the schema and all in it; Up works as this role from then on.
	Owner string
	// App is for the application: all that the library does, no DDL, and no
	// change of what was posted.
	App string
	// ReadOnly is for reports: it reads all but secrets.
	ReadOnly string
	// Jobs is for maintenance, as a member of Owner.
	Jobs string
	// Created are those that were not there.
	Created []string
	// Unmoved says what Owner does not own, and why; empty is that it owns all.
	Unmoved string
}

// Roles makes the roles of a schema, named after it (fature_owner, fature_app,
// fature_readonly, fature_jobs), and gives each its rights and no more. It is
// run after every Up that had something to do; repeating it changes nothing.
//
// Roles belong to the whole server: they are never dropped, and two databases
// with the same schema share them. A right that was given to App or ReadOnly
// by hand within the schema is taken back; a host gives such a right to a role
// of its own.
//
// It needs the roles to be there or CREATEROLE, and the schema's objects to be
// the connection's own; a superuser has both. Without CREATEROLE, ErrRights
// tells what an administrator has to run once: create the four roles, and grant
// Owner to Jobs and to the connection's role. The objects are given to Owner
// where the connection's role is its member or may become it, as whoever
// created it may, and the schema itself where it may create in the database;
// else Unmoved says so and what to run, as does the Logger, and Jobs can do
// nothing with what stays.
//
// It is one transaction: an error leaves everything as it was. It waits for
// locks two seconds at most and tries again, five times in all; the first time
// it locks each table for a moment. Errors: ErrRights, ErrOlder, ErrNewer.
func Roles(ctx context.Context, conn *pgx.Conn, o Options) (Rights, error) {
	r, err := o.roles(ctx, conn)
	return r, pg.Fail("migrate: roles", err, nil)
}

func (o *Options) roles(ctx context.Context, conn *pgx.Conn) (Rights, error) {
	state, err := Status(ctx, conn, *o)
	if err != nil {
		return Rights{}, err
	}
	if !state.Current() {
		return Rights{}, fmt.Errorf("%w: it is at version %d, the program knows %d", map[bool]error{
			true: ErrOlder, false: ErrNewer}[state.Version < state.Latest], state.Version, state.Latest)
	}
	if err := o.check(ctx, conn); err != nil {
		return Rights{}, err
	}
	// Two who grant at once would fail by each other.
	unlock, err := lock(ctx, conn, lockOf(o.Schema))
	if err != nil {
		return Rights{}, err
	}
	defer unlock()
	var w roleWork
	err = pg.Retry(ctx, conn, func() error {
		w = roleWork{Rights: Rights{
			Owner: o.Schema + "_owner", App: o.Schema + "_app", ReadOnly: o.Schema + "_readonly", Jobs: o.Schema + "_jobs",
		}, schema: o.Schema}
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { w.tx = tx; return w.do(ctx) })
	})
	if err != nil {
		return Rights{}, err
	}
	if w.Unmoved != "" && o.Logger != nil {
		o.Logger.WarnContext(ctx, "migrate: the owner role does not own everything", "role", w.Owner, "why", w.Unmoved)
	}
	return w.Rights, nil
}

// roleWork is one run of Roles.
type roleWork struct {
	Rights
	schema string
	tx     pgx.Tx
	me     struct {
		Name                  string // as SQL writes it
		Super, Creates, Makes bool
		Fully                 string // what makes a grant one of all that a member can have
	}
}

func (w *roleWork) do(ctx context.Context) error {
	if _, err := w.tx.Exec(ctx, "set local lock_timeout = '2s'"); err != nil {
		return err
	}
	err := w.tx.QueryRow(ctx, selectMe).Scan(&w.me.Name, &w.me.Super, &w.me.Creates, &w.me.Makes, &w.me.Fully)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{w.create, w.checkHarmless, w.join, w.checkOwned, w.move} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return w.may(ctx, "own the schema "+w.schema, ownNames.ReplaceAllString(rolesSQL, w.schema+"$1"))
}

// create makes the roles that are not there. Another database's Roles may make
// them at the same time: the server's refusal is then tried again.
func (w *roleWork) create(ctx context.Context) error {
	missing, err := pg.Column[string](ctx, w.tx, selectMissing, []string{w.Owner, w.App, w.ReadOnly, w.Jobs})
	if err != nil || len(missing) == 0 {
		return err
	}
	if !w.me.Creates {
		return fmt.Errorf("%w: %s needs CREATEROLE, or an administrator runs: create role %s nologin; grant %s to %s; %s",
			ErrRights, w.me.Name, strings.Join(missing, " nologin; create role "), w.Owner, w.Jobs, w.membership())
	}
	for _, role := range missing {
		_, err := w.tx.Exec(ctx, "create role "+role+" nologin")
		if code := codeOf(err); code == "42710" || code == "23505" {
			return &pgconn.PgError{Severity: "ERROR", Code: "40001", Message: "another process creates the role " + role}
		}
		if err != nil {
			return err
		}
	}
	w.Created = missing
	return nil
}

// checkHarmless refuses roles that were there and are above every grant.
func (w *roleWork) checkHarmless(ctx context.Context) error {
	mighty, err := pg.Column[string](ctx, w.tx, selectMighty, []string{w.App, w.ReadOnly}, w.Owner)
	if err != nil || len(mighty) == 0 {
		return err
	}
	return fmt.Errorf("%w: %s is a superuser or a member of %s: no grant would limit it",
		fault.Conflict, strings.Join(mighty, ", "), w.Owner)
}

// join makes Jobs a member of Owner, and so the connection's role where it may.
func (w *roleWork) join(ctx context.Context) error {
	jobs, self, err := w.members(ctx)
	if err != nil {
		return err
	}
	if !jobs {
		if err := w.may(ctx, "grant "+w.Owner, "grant "+w.Owner+" to "+w.Jobs); err != nil {
			return fmt.Errorf("%w; an administrator runs: grant %s to %s; %s", err, w.Owner, w.Jobs, w.membership())
		}
	}
	if self || w.me.Super {
		return nil
	}
	err = w.may(ctx, "be a member of "+w.Owner, "grant "+w.Owner+" to current_user"+w.me.Fully)
	if err != nil && !errors.Is(err, ErrRights) {
		return err
	}
	if _, self, err = w.members(ctx); err == nil && !self {
		w.Unmoved = "all: " + w.me.Name + " has not what " + w.Owner + " has; an administrator runs: " + w.membership()
	}
	return err
}

// members tells whether Jobs can become Owner, and whether the connection's
// role can and has its rights besides.
func (w *roleWork) members(ctx context.Context) (jobs, self bool, err error) {
	err = w.tx.QueryRow(ctx, selectMembers, w.Owner, w.Jobs).Scan(&jobs, &self)
	return jobs, self, err
}

// membership is the SQL that makes the connection's role a member of Owner that
// has all its rights; before 16 that is up to the role.
func (w *roleWork) membership() string {
	grant := "grant " + w.Owner + " to " + w.me.Name + w.me.Fully
	if w.me.Fully == "" {
		return grant + "; alter role " + w.me.Name + " inherit"
	}
	return grant
}

func (w *roleWork) checkOwned(ctx context.Context) error {
	others, err := pg.Column[string](ctx, w.tx, selectOthers, w.schema)
	if err != nil || len(others) == 0 {
		return err
	}
	err = fmt.Errorf("%w: %s does not own %s", ErrRights, w.me.Name, strings.Join(others, ", "))
	if w.Unmoved != "" { // Owner may
		err = fmt.Errorf("%w; an administrator runs: %s", err, w.membership())
	}
	return err
}

// move gives the schema's objects to Owner. The schema goes first, since its
// owner may create in it, which an owner of tables must.
func (w *roleWork) move(ctx context.Context) error {
	if w.Unmoved != "" {
		return nil
	}
	var owned bool
	if err := w.tx.QueryRow(ctx, selectSchemaOwned, w.schema, w.Owner).Scan(&owned); err != nil {
		return err
	}
	switch {
	case owned:
	case w.me.Makes:
		if err := w.may(ctx, "own the schema "+w.schema, "alter schema "+w.schema+" owner to "+w.Owner); err != nil {
			return err
		}
	default:
		w.Unmoved = "the schema itself: " + w.me.Name + " may not create in the database"
		if err := w.may(ctx, "own the schema "+w.schema, "grant usage, create on schema "+w.schema+" to "+w.Owner); err != nil {
			return err
		}
	}
	moves, err := pg.Column[string](ctx, w.tx, selectMoves, w.schema, w.Owner)
	if err != nil || len(moves) == 0 {
		return err
	}
	return w.may(ctx, "be a member of "+w.Owner, strings.Join(moves, ";\n"))
}

// may runs statements in a savepoint and tells a refusal by what is missing.
func (w *roleWork) may(ctx context.Context, right, sql string) error {
	err := pgx.BeginFunc(ctx, w.tx, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, sql); return err })
	if codeOf(err) == "42501" {
		return fmt.Errorf("%w: %s must %s (%w)", ErrRights, w.me.Name, right, err)
	}
	return err
}

func codeOf(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return ""
}

//go:embed roles.sql
var rolesSQL string

// ownNames are the schema, alone and before its objects, and its roles.
var ownNames = regexp.MustCompile(`\bfature(_app|_readonly)?\b`)

// memberRight is the right to become a role: before 16 every member had it.
const memberRight = `case when current_setting('server_version_num')::int < 160000 then 'MEMBER' else 'SET' end`

// selectObjects is all that the schema $1 holds and can change hands by itself,
// with the statement that would give it away.
const selectObjects = `
	select c.oid, relowner as owner, relname::text as name, format('alter table %s.%I owner to', $1::text, relname) as give
	from pg_class c
	where relnamespace = to_regnamespace($1) and relkind in ('r', 'p', 'v', 'm', 'S', 'f')
	union all
	select oid, proowner, proname, format('alter routine %s.%I(%s) owner to', $1, proname, pg_get_function_identity_arguments(oid))
	from pg_proc where pronamespace = to_regnamespace($1)
	union all
	select oid, typowner, typname, format('alter type %s.%I owner to', $1, typname)
	from pg_type where typnamespace = to_regnamespace($1) and typrelid = 0 and typtype <> 'b' and typtype <> 'm'`

const (
	selectMe = `
		select quote_ident(rolname), rolsuper, rolsuper or rolcreaterole, has_database_privilege(current_database(), 'create'),
			case when current_setting('server_version_num')::int < 160000 then '' else ' with inherit true, set true' end
		from pg_roles where rolname = current_user`

	selectMissing = `
		select n from unnest($1::text[]) with ordinality u (n, i)
		where not exists (select from pg_roles where rolname = n) order by i`

	selectMighty = `
		select rolname::text from pg_roles where rolname = any($1) and (rolsuper or pg_has_role(oid, $2, 'MEMBER')) order by 1`

	selectOthers = `
		select name from (` + selectObjects + `) o
		where not pg_has_role(owner, 'USAGE') and not exists (select from pg_depend d where d.objid = o.oid and d.deptype = 'e')
		order by 1 limit 10`

	// Since 16 whoever creates a role administers it, and becomes it or has its
	// rights only where createrole_self_grant says so.
	selectMembers = `
		select pg_has_role($2, $1, ` + memberRight + `), pg_has_role($1, ` + memberRight + `) and pg_has_role($1, 'USAGE')`

	selectSchemaOwned = `select nspowner = to_regrole($2) from pg_namespace where nspname = $1`

	// A sequence of a column goes with its table. (A partition hangs on its
	// table as well, but changes hands by itself.)
	selectMoves = `
		select give || ' ' || $2 from (` + selectObjects + `) o
		where owner <> to_regrole($2)::oid
			and not exists (
				select from pg_depend d left join pg_class s on s.oid = d.objid and d.classid = 'pg_class'::regclass
				where d.objid = o.oid and (d.deptype = 'e' or s.relkind = 'S' and d.deptype in ('a', 'i')))`

	// The owner role of the schema, where it owns what is there and the
	// connection's role may become it.
	selectOwnerRole = `
		select r.rolname::text from pg_class c join pg_roles r on r.oid = c.relowner
		where c.oid = to_regclass($1::text || '.schema_version') and r.rolname = $1 || '_owner'
			and r.rolname <> current_user and pg_has_role(r.oid, ` + memberRight + `)`
)

// become makes what follows the owner role's doing, where Roles gave it the
// schema: so that what Up makes is its own too.
func (o *Options) become(ctx context.Context, conn *pgx.Conn) (back func(), err error) {
	var owner, before string
	err = conn.QueryRow(ctx, selectOwnerRole, o.Schema).Scan(&owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return func() {}, nil
	}
	if err == nil {
		err = conn.QueryRow(ctx, "select current_setting('role')").Scan(&before)
	}
	if err == nil {
		_, err = conn.Exec(ctx, "set role "+owner)
	}
	if err != nil {
		return nil, err
	}
	return func() {
		ctx, cancel := cleanup(ctx)
		defer cancel()
		// 'none' is whoever logged in. Where it fails the session is gone.
		_, _ = conn.Exec(ctx, "select set_config('role', $1, false)", before)
	}, nil
}
