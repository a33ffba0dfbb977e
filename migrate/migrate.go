// Package migrate brings fature's schema to a PostgreSQL database, and back.
//
// The schema stands in tern files, one per owner and step, in a schema of its
// own: beside a host's own tables, whatever their names, and beside a host's
// own tern, which keeps a version table of its own. Any number of processes
// may migrate at once: one works, the others wait and find it done.
//
// A migration needs a direct connection: its lock belongs to the session, and
// a pooler in transaction mode would lose it.
package migrate

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	tern "github.com/jackc/tern/v2/migrate"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// ErrNewer is returned where the database was migrated by a newer version of
// this module, and does not say that this one still works with it.
var ErrNewer = fault.New(fault.Conflict, "the database is newer than this program")

//go:embed sql/*.sql
var files embed.FS

// divider separates the way up from the way down in a tern file.
const divider = "---- create above / drop below ----"

// Options say how to migrate; the zero value is right for most hosts.
type Options struct {
	// Schema holds everything. Defaults to "fature".
	Schema string
	// Logger is told of each step, and warned of a database that is newer than
	// the program. Defaults to silence.
	Logger *slog.Logger
}

// State is where a database stands.
type State struct {
	Version int32 // 0 where there is nothing yet
	Latest  int32 // the newest that this program knows
	// Oldest is the oldest program, by its Latest, that the database says it
	// works with; 0 where it does not say.
	Oldest int32
}

// Current tells whether the database is what this program was made for.
func (s State) Current() bool { return s.Version == s.Latest }

// Compatible tells whether the database is newer than this program and says
// that it works with it all the same: during a rolling deployment, or after a
// program was rolled back.
func (s State) Compatible() bool {
	return s.Version > s.Latest && s.Oldest > 0 && s.Oldest <= s.Latest
}

// Up brings the schema to the newest version, making it where it is not there,
// and then makes the indexes that are built beside the work of others. It does
// nothing where all is there, and goes on where it was interrupted. The
// schema's owner is the connection's role, or the owner role where Roles gave
// the schema to it.
//
// Any number of processes may call it at once: each waits for those before it
// until ctx ends. A database that is newer is ErrNewer, or where it says that
// it works with this program, a warning to the Logger and no error.
func Up(ctx context.Context, conn *pgx.Conn, o Options) error {
	return To(ctx, conn, Latest(), o)
}

// Down takes everything away again: all of fature's data is lost. The empty
// schema and its version table remain.
func Down(ctx context.Context, conn *pgx.Conn, o Options) error {
	return To(ctx, conn, 0, o)
}

// To goes up or down to a version. Each step is a transaction of its own: what
// fails leaves the version before it.
func To(ctx context.Context, conn *pgx.Conn, version int32, o Options) error {
	return fail(o.to(ctx, conn, version, laterIndexes))
}

func (o *Options) to(ctx context.Context, conn *pgx.Conn, version int32, later []index) error {
	if err := o.check(ctx, conn); err != nil {
		return err
	}
	if version < 0 || version > Latest() {
		return fault.Field("version", "%d is not between 0 and %d", version, Latest())
	}
	unlock, err := lock(ctx, conn, lockOf(o.Schema))
	if err != nil {
		return err
	}
	defer unlock()
	state, err := Status(ctx, conn, *o)
	if err != nil {
		return err
	}
	if state.Version > Latest() {
		return o.newer(ctx, state, version)
	}
	// Where there is nothing to do, tern's lock is left to those who have: a
	// poll is never served while others queue for it.
	if state.Version != version || version == 0 {
		if err := o.steps(ctx, conn, version); err != nil {
			return err
		}
	}
	if version < Latest() {
		return nil
	}
	back, err := o.become(ctx, conn)
	if err != nil {
		return err
	}
	defer back()
	return buildIndexes(ctx, conn, o, later)
}

// newer is what becomes of a wish to go somewhere in a newer database: nothing,
// which is right for Up where the database works with this program.
func (o *Options) newer(ctx context.Context, s State, version int32) error {
	if version < Latest() || !s.Compatible() {
		return fmt.Errorf("%w: it is at version %d, the program knows %d", ErrNewer, s.Version, s.Latest)
	}
	if o.Logger != nil {
		o.Logger.WarnContext(ctx, "migrate: the database is newer than this program, and works with it",
			"schema", o.Schema, "version", s.Version, "latest", s.Latest)
	}
	return nil
}

// steps does tern's part, under tern's lock.
func (o *Options) steps(ctx context.Context, conn *pgx.Conn, version int32) error {
	unlock, err := lock(ctx, conn, ternLock)
	if err != nil {
		return err
	}
	defer unlock()
	if err := makeSchema(ctx, conn, o.Schema); err != nil {
		return err
	}
	back, err := o.become(ctx, conn)
	if err != nil {
		return err
	}
	defer back()
	m, err := o.migrator(ctx, conn)
	if err != nil {
		return err
	}
	return m.MigrateTo(ctx, version)
}

// Status tells where the database stands. It changes nothing and waits for
// nobody.
func Status(ctx context.Context, conn *pgx.Conn, o Options) (State, error) {
	s := State{Latest: Latest()}
	if err := o.check(ctx, conn); err != nil {
		return s, fail(err)
	}
	var there bool
	err := conn.QueryRow(ctx, "select to_regclass($1) is not null", o.Schema+".schema_version").Scan(&there)
	if err != nil || !there {
		return s, fail(err)
	}
	if err := conn.QueryRow(ctx, "select version from "+o.Schema+".schema_version").Scan(&s.Version); err != nil {
		return s, fail(err)
	}
	if s.Version > s.Latest {
		s.Oldest, err = oldest(ctx, conn, o.Schema, s.Version)
	}
	return s, fail(err)
}

// oldest reads what a newer database says of older programs. A migration whose
// tables the programs before it still work with says so in its file, by its
// own number and that of the oldest such program:
//
//	comment on table fature.schema_version is 'version 9 works with programs from version 8';
//
// What is said of another version than the database's does not count: a step
// that says nothing is compatible with none, whatever the step before it said.
func oldest(ctx context.Context, conn *pgx.Conn, schema string, version int32) (int32, error) {
	var said string
	err := conn.QueryRow(ctx, "select coalesce(obj_description(to_regclass($1), 'pg_class'), '')", schema+".schema_version").Scan(&said)
	if err != nil {
		return 0, err
	}
	var of, from int32
	if n, _ := fmt.Sscanf(said, "version %d works with programs from version %d", &of, &from); n < 2 || of != version {
		return 0, nil
	}
	return from, nil
}

// Latest is the newest version that this program knows.
func Latest() int32 { return int32(len(steps())) } //nolint:gosec // a handful

// Fingerprint tells one set of migrations from another.
func Fingerprint() string {
	h := sha256.New()
	for _, s := range steps() {
		fmt.Fprintf(h, "%s\x00%s\x00%s\x00", s.name, s.up, s.down)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

type step struct{ name, up, down string }

func steps() []step {
	names, err := fs.Glob(files, "sql/*.sql")
	if err != nil {
		panic(err) // a malformed pattern
	}
	all := make([]step, len(names))
	for i, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			panic(err) // embedded
		}
		up, down, _ := strings.Cut(string(text), divider)
		// Errors name the line of the file.
		down = strings.Repeat("\n", strings.Count(up, "\n")) + down
		all[i] = step{strings.TrimPrefix(name, "sql/"), up, down}
	}
	return all
}

func (o *Options) check(ctx context.Context, conn *pgx.Conn) error {
	if o.Schema == "" {
		o.Schema = pg.DefaultSchema
	}
	if err := pg.CheckSchema(o.Schema); err != nil {
		return fault.In("schema", err)
	}
	var plain bool
	if err := conn.QueryRow(ctx, "select quote_ident($1) = $1", o.Schema).Scan(&plain); err != nil {
		return err
	}
	if !plain {
		return fault.Field("schema", "%q is a reserved word of SQL", o.Schema)
	}
	return nil
}

// makeSchema asks first: creating needs a right on the database that an owner
// of the schema may lack.
func makeSchema(ctx context.Context, conn *pgx.Conn, schema string) error {
	var there bool
	err := conn.QueryRow(ctx, "select to_regnamespace($1) is not null", schema).Scan(&there)
	if err != nil || there {
		return err
	}
	_, err = conn.Exec(ctx, "create schema "+schema)
	return err
}

func (o *Options) migrator(ctx context.Context, conn *pgx.Conn) (*tern.Migrator, error) {
	m, err := tern.NewMigrator(ctx, conn, o.Schema+".schema_version")
	if err != nil {
		return nil, err
	}
	for _, s := range steps() {
		m.AppendMigration(s.name, pg.Rename(s.up, o.Schema), pg.Rename(s.down, o.Schema))
	}
	if o.Logger != nil {
		m.OnStart = func(_ int32, name, direction, _ string) {
			o.Logger.InfoContext(ctx, "migrate", "schema", o.Schema, "step", name, "direction", direction)
		}
	}
	return m, nil
}

// ternLock is the advisory lock of every tern in a database, the host's own
// included. tern takes it again, in the same session.
const ternLock = 9628173550095224

// lockOf is the advisory lock of those who migrate a schema.
func lockOf(schema string) int64 {
	h := fnv.New64a()
	h.Write([]byte("fature migrate " + schema))
	return int64(h.Sum64()) //nolint:gosec // any number will do
}

// lock keeps other processes out. It polls: tern's own way of waiting holds a
// snapshot, on which a concurrent index build of a host's tern, which waits for
// snapshots, and the waiter would deadlock.
func lock(ctx context.Context, conn *pgx.Conn, key int64) (unlock func(), err error) {
	for {
		var got bool
		if err := conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", key).Scan(&got); err != nil {
			return nil, err
		}
		if got {
			return func() {
				ctx, cancel := cleanup(ctx)
				defer cancel()
				// Where it fails the session is gone, and the lock with it.
				_, _ = conn.Exec(ctx, "select pg_advisory_unlock($1)", key)
			}, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another process that migrates: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// cleanup is a context for what must still be done when the caller's has ended.
func cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}

// fail names the place in the file that the server refused.
func fail(err error) error {
	var refused tern.MigrationPgError
	if errors.As(err, &refused) {
		where := refused.MigrationName
		if line := lineOf(refused.Sql, refused.PgError); line > 0 {
			where = fmt.Sprintf("%s:%d", where, line)
		}
		return fmt.Errorf("migrate: %s: %w", where, refused.PgError)
	}
	return pg.Fail("migrate", err, nil)
}

// lineOf is where the server points to, counted in characters; 0 is nowhere.
func lineOf(sql string, err *pgconn.PgError) int {
	text := []rune(sql)
	if err.Position <= 0 || int(err.Position) > len(text) {
		return 0
	}
	return 1 + strings.Count(string(text[:err.Position-1]), "\n")
}
