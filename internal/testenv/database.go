package testenv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fature/fature/migrate"
)

// databases makes and drops the test databases of one server.
//
// Every database carries the name of the process that made it, and that process
// keeps a session open under the same name. So a database without a session of
// its maker was left by a process that was killed, and may be dropped; unless
// it has a comment, which only a failed test gives it.
type databases struct {
	admin *pgxpool.Pool // on the maintenance database
	url   string
	owner string // prefix of the databases and name of our sessions
	made  atomic.Int64

	template string // the database to clone
}

const (
	databasePrefix = "fature_test_"
	templatePrefix = "fature_template_"
)

// makingTemplate is the advisory lock under which templates come and go. Those
// who clone share it, so that nobody drops the template under them.
const makingTemplate = 0x66617475 // "fatu"

// openDatabases connects to the maintenance database: for servers of ours not
// the named one, which is pg_cron's and always has a session of it.
func openDatabases(ctx context.Context, s *Servers) (*databases, error) {
	adminURL := s.DatabaseURL
	if s.Backend != "url" {
		var err error
		if adminURL, err = withDatabase(adminURL, "postgres"); err != nil {
			return nil, err
		}
	}
	config, err := pgxpool.ParseConfig(adminURL)
	if err != nil {
		return nil, err
	}
	d := &databases{
		url:      adminURL,
		owner:    databasePrefix + strings.ToLower(rand.Text()[:10]),
		template: templatePrefix + migrate.Fingerprint() + time.Now().UTC().Format("_0601"), // the months ahead are this month's
	}
	config.ConnConfig.RuntimeParams["application_name"] = d.owner
	config.MinConns = 1 // the session that says we live
	if d.admin, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, err
	}
	if _, err := d.admin.Exec(ctx, "select"); err != nil {
		return nil, err
	}
	return d, d.dropAbandoned(ctx)
}

func (d *databases) dropAbandoned(ctx context.Context) error {
	rows, _ := d.admin.Query(ctx, `
		select d.datname from pg_database d
		where starts_with(d.datname, $1) and d.datdba = current_user::regrole
		  and shobj_description(d.oid, 'pg_database') is null
		  and not exists (select from pg_stat_activity a
		                  where starts_with(d.datname, a.application_name || '_'))`,
		databasePrefix)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		d.drop(ctx, name) // another process may be dropping it just now
	}
	return nil
}

// drop ignores errors: what it leaves, dropAbandoned finds.
func (d *databases) drop(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, _ = d.admin.Exec(ctx, "drop database if exists "+name+" with (force)")
}

// create makes a database, empty or a clone of the migrated template, and
// returns its name.
func (d *databases) create(ctx context.Context, migrated bool) (string, error) {
	name := fmt.Sprintf("%s_%d", d.owner, d.made.Add(1))
	if !migrated {
		_, err := d.admin.Exec(ctx, "create database "+name+" template template0")
		return name, err
	}
	// Twice would do, were it not for test binaries with other migrations,
	// which may drop this template as an old one.
	for range 5 {
		if err := d.ensureTemplate(ctx); err != nil {
			return "", err
		}
		if done, err := d.clone(ctx, name); done || err != nil {
			return name, err
		}
	}
	return "", errors.New("testenv: the template database keeps disappearing")
}

// clone reports false if the template is gone. Copying files takes half the
// time of the default strategy, which writes them to the log.
func (d *databases) clone(ctx context.Context, name string) (done bool, err error) {
	err = d.locked(ctx, "pg_advisory_lock_shared", func(conn *pgx.Conn) error {
		ready, err := d.templateReady(ctx, conn)
		if err != nil || !ready {
			return err
		}
		done = true
		_, err = conn.Exec(ctx, "create database "+name+" template "+d.template+" strategy file_copy")
		return err
	})
	return done, err
}

// ensureTemplate makes the template of these migrations if it is not there.
func (d *databases) ensureTemplate(ctx context.Context) error {
	if ready, err := d.templateReady(ctx, d.admin); err != nil || ready {
		return err
	}
	return d.locked(ctx, "pg_advisory_lock", func(conn *pgx.Conn) error {
		if ready, err := d.templateReady(ctx, conn); err != nil || ready {
			return err
		}
		if err := dropTemplates(ctx, conn); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "create database "+d.template+" template template0"); err != nil {
			return err
		}
		if err := d.migrate(ctx, d.template); err != nil {
			return fmt.Errorf("testenv: migrating the template database: %w", err)
		}
		now := time.Now().UTC().Format(time.RFC3339)
		if _, err := conn.Exec(ctx, "comment on database "+d.template+" is '"+now+"'"); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "alter database "+d.template+" allow_connections false")
		return err
	})
}

func (d *databases) migrate(ctx context.Context, name string) error {
	address, err := withDatabase(d.url, name)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if err := migrate.Up(ctx, conn, migrate.Options{}); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, monthsAhead)
	return err
}

// monthsAhead makes once the partitions that fature.New would make in each
// clone.
const monthsAhead = `
	select fature.ensure_partition(name, (date_trunc('month', now() at time zone 'UTC') + make_interval(months => n)) at time zone 'UTC')
	from unnest(array['transactions', 'commissions', 'data_audit', 'clicks']) name, generate_series(0, 3) n`

// locked runs fn on one session that holds an advisory lock.
func (d *databases) locked(ctx context.Context, lock string, fn func(*pgx.Conn) error) error {
	conn, err := d.admin.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "select "+lock+"($1)", makingTemplate); err != nil {
		return err
	}
	defer conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock_all()")
	return fn(conn.Conn())
}

type queryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// templateReady reports whether the template is there and complete: closing it
// to connections is the last step of making it.
func (d *databases) templateReady(ctx context.Context, q queryer) (ready bool, err error) {
	err = q.QueryRow(ctx, `
		select exists (select from pg_database where datname = $1 and not datallowconn)`, d.template).Scan(&ready)
	return ready, err
}

// dropTemplates drops those whose maker was killed, and those of other
// migrations that are older than a day; younger ones may be another checkout's.
func dropTemplates(ctx context.Context, conn *pgx.Conn) error {
	rows, _ := conn.Query(ctx, `
		select datname from pg_database
		where starts_with(datname, $1) and datdba = current_user::regrole
		  and (datallowconn or shobj_description(oid, 'pg_database')::timestamptz < now() - interval '1 day')`,
		templatePrefix)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		if _, err := conn.Exec(ctx, "drop database if exists "+name+" with (force)"); err != nil {
			return err
		}
	}
	return err
}

// open makes a database and connects to it. The limit of connections is above
// pgxpool's default of 4 on a small machine, where tests that hold one and ask
// for another would wait for each other.
func (d *databases) open(ctx context.Context, migrated bool) (*pgxpool.Pool, error) {
	name, err := d.create(ctx, migrated)
	if err != nil {
		return nil, err
	}
	address, err := withDatabase(d.url, name)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 16
	return pgxpool.NewWithConfig(ctx, config)
}

// keep marks a database so that dropAbandoned lets it live.
func (d *databases) keep(ctx context.Context, name, reason string) error {
	_, err := d.admin.Exec(ctx, "comment on database "+name+" is '"+strings.ReplaceAll(reason, "'", "''")+"'")
	return err
}

// closePool waits for connections that are out, but not for ever: a test that
// leaks one shall not hang, and its database is dropped by force.
func closePool(pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() { pool.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
	}
}
