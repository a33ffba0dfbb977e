package migrate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/pg"
)

// index is one that a table got after it had rows. It is built beside the work
// of others, which cannot be done in a transaction and so not in a migration:
// a step that fails halfway would leave an invalid index and a version that no
// later start gets past.
type index struct {
	Name, Table string
	On          string // what follows the table's name: "(affiliate_id) where …"
	Unique      bool
}

// laterIndexes are made by Up, in this order, when the steps are done. None yet:
// a table's first indexes stand in the file that creates it.
var laterIndexes []index

// The waits for locks. While a table waits to be locked, all others queue up
// behind, so that is given up soon and tried again. A concurrent build keeps
// nobody waiting; it has to outlast the transactions that are under way.
const (
	briefWait  = 2 * time.Second
	patient    = time.Minute
	indexTries = 10
)

// buildIndexes makes the indexes that are not there, or not valid. It holds the
// lock of those who migrate this schema, and not tern's: whoever waits for that
// holds a snapshot, and a concurrent build waits for every snapshot.
func buildIndexes(ctx context.Context, conn *pgx.Conn, o *Options, all []index) error {
	if len(all) == 0 {
		return nil
	}
	defer func() {
		ctx, cancel := cleanup(ctx)
		defer cancel()
		_, _ = conn.Exec(ctx, "reset lock_timeout")
	}()
	for _, x := range all {
		b := builder{conn: conn, o: o, index: x}
		if err := b.persist(ctx); err != nil {
			return fmt.Errorf("index %s: %w", x.Name, err)
		}
	}
	return nil
}

// builder makes one index.
type builder struct {
	conn *pgx.Conn
	o    *Options
	index
}

// persist builds again while the server ends it for a reason that passes: each
// time it begins where the time before ended.
func (b *builder) persist(ctx context.Context) error {
	for try := 1; ; try++ {
		err := b.build(ctx)
		if err == nil || try == indexTries || !passes(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(rand.Int64N(int64(100 * time.Millisecond << min(try, 6))))): //nolint:gosec // jitter
		}
	}
}

// passes knows, besides what every transaction may meet, a partition that went
// while its index was built.
func passes(err error) bool { return pg.Retryable(err) || codeOf(err) == "42P01" }

func (b *builder) build(ctx context.Context) error {
	var partitioned bool
	err := b.conn.QueryRow(ctx, selectPartitioned, b.o.Schema, b.Table).Scan(&partitioned)
	if err != nil {
		return err
	}
	if !partitioned {
		return b.concurrently(ctx, b.Name, b.Table)
	}
	// Invalid until every partition has its part; partitions made from now on
	// bring theirs.
	if err := b.exec(ctx, briefWait, b.create(b.o.Schema, "if not exists "+b.Name, "only "+b.Table)); err != nil {
		return err
	}
	parts, err := pg.Column[string](ctx, b.conn, selectBare, b.o.Schema, b.Table, b.Name)
	if err != nil {
		return err
	}
	for _, part := range parts {
		own := b.Name + strings.TrimPrefix(part, b.Table)
		if err := b.concurrently(ctx, own, part); err != nil {
			return err
		}
		attach := fmt.Sprintf("alter index %[1]s.%[2]s attach partition %[1]s.%[3]s", b.o.Schema, b.Name, own)
		if err := b.exec(ctx, briefWait, attach); err != nil {
			return err
		}
	}
	return nil
}

// concurrently makes an index of one table. An invalid one is what a build that
// was interrupted left.
func (b *builder) concurrently(ctx context.Context, name, table string) error {
	var there, valid bool
	err := b.conn.QueryRow(ctx, selectIndex, b.o.Schema, name).Scan(&there, &valid)
	if err != nil || valid {
		return err
	}
	if there {
		if err := b.exec(ctx, patient, fmt.Sprintf("drop index concurrently if exists %s.%s", b.o.Schema, name)); err != nil {
			return err
		}
	}
	return b.exec(ctx, patient, b.create(b.o.Schema, "concurrently if not exists "+name, table))
}

// exec runs one statement outside any transaction.
func (b *builder) exec(ctx context.Context, wait time.Duration, sql string) error {
	if _, err := b.conn.Exec(ctx, "select set_config('lock_timeout', $1, false)", strconv.FormatInt(wait.Milliseconds(), 10)); err != nil {
		return err
	}
	if b.o.Logger != nil {
		b.o.Logger.InfoContext(ctx, "migrate", "schema", b.o.Schema, "statement", sql)
	}
	_, err := b.conn.Exec(ctx, sql)
	return err
}

// create is the statement that makes the index; table may begin with "only ".
func (x index) create(schema, name, table string) string {
	kind := "index"
	if x.Unique {
		kind = "unique index"
	}
	only := ""
	if rest, ok := strings.CutPrefix(table, "only "); ok {
		only, table = "only ", rest
	}
	return fmt.Sprintf("create %s %s on %s%s.%s %s", kind, name, only, schema, table, x.On)
}

const (
	selectPartitioned = `select relkind = 'p' from pg_class where oid = to_regclass($1::text || '.' || $2::text)`

	selectIndex = `
		select count(*) > 0, coalesce(bool_and(indisvalid and indisready), false)
		from pg_index where indexrelid = to_regclass($1::text || '.' || $2::text)`

	// The partitions of a table without a part of the index.
	selectBare = `
		select c.relname::text
		from pg_inherits p join pg_class c on c.oid = p.inhrelid
		where p.inhparent = to_regclass($1::text || '.' || $2::text) and not p.inhdetachpending
			and not exists (
				select from pg_inherits x join pg_index i on i.indexrelid = x.inhrelid
				where x.inhparent = to_regclass($1::text || '.' || $3::text) and i.indrelid = c.oid)
		order by c.relname`
)
