// Package pg is what every store stands on: one handle over the host's pool,
// connection or transaction; transactions that nest; reads that scan by name;
// and errors told by SQLSTATE and constraint name.
package pg

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fature/fature/internal/fault"
)

// DefaultSchema is the schema that SQL in this module names literally.
const DefaultSchema = "fature"

// DB is what pgxpool.Pool, pgx.Conn and pgx.Tx have in common.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error)
	Begin(ctx context.Context) (pgx.Tx, error)
}

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

// CheckSchema refuses a schema name that would need quoting, or that leaves no
// room for the names made of it.
func CheckSchema(name string) error {
	if !schemaName.MatchString(name) {
		return fault.Field("", "%.60q is not a name of small letters, digits and _ of at most 40 characters", name)
	}
	if strings.HasPrefix(name, "pg_") || name == "information_schema" {
		return fault.Field("", "%q is a name of PostgreSQL's own", name)
	}
	return nil
}

// literal finds the schema in SQL; the same word leads the names of the
// settings that the audit reads, so that two programmes never share an actor.
var literal = regexp.MustCompile(`\bfature\.`)

// Rename puts another schema's name into SQL that says "fature.".
func Rename(sql, schema string) string {
	if schema == "" || schema == DefaultSchema {
		return sql
	}
	return literal.ReplaceAllLiteralString(sql, schema+".")
}

// handle is a DB that knows its schema and whether it is inside a transaction.
type handle struct {
	DB
	schema  string
	renamed *sync.Map // SQL to SQL; nil for the default schema
	inside  bool      // a host's transaction
	joined  bool      // a transaction of ours: nested InTx run inside it
	watch   *Watch
	changes Changes // of the transaction of ours; nil where nobody watches
}

// In makes the handle of a schema over db. An empty schema is DefaultSchema.
func In(db DB, schema string) DB {
	h := handle{DB: db, schema: schema}
	if schema == "" {
		h.schema = DefaultSchema
	}
	if h.schema != DefaultSchema {
		h.renamed = new(sync.Map)
	}
	_, h.inside = db.(pgx.Tx)
	return h
}

// Bind is db's schema inside the host's transaction.
func Bind(db DB, tx pgx.Tx) DB {
	h := of(db)
	h.DB, h.inside, h.joined, h.changes = tx, true, false, nil
	return h
}

// Inside tells whether db is a transaction, the host's or our own.
func Inside(db DB) bool { h := of(db); return h.inside || h.joined }

// Schema is the schema that db works in.
func Schema(db DB) string { return of(db).schema }

// Table names a table of db's schema for CopyFrom.
func Table(db DB, name string) pgx.Identifier { return pgx.Identifier{Schema(db), name} }

func of(db DB) handle {
	if h, ok := db.(handle); ok {
		return h
	}
	return In(db, "").(handle)
}

func (h handle) sql(text string) string {
	if h.renamed == nil {
		return text
	}
	if known, ok := h.renamed.Load(text); ok {
		return known.(string)
	}
	renamed := Rename(text, h.schema)
	h.renamed.Store(text, renamed)
	return renamed
}

func (h handle) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return h.DB.Exec(ctx, h.sql(sql), args...)
}

func (h handle) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return h.DB.Query(ctx, h.sql(sql), args...)
}

func (h handle) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return h.DB.QueryRow(ctx, h.sql(sql), args...)
}

func (h handle) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	for _, q := range b.QueuedQueries {
		q.SQL = h.sql(q.SQL)
	}
	return h.DB.SendBatch(ctx, b)
}

// Send runs a batch to its end; the functions of its queries have been called
// when it returns.
func Send(ctx context.Context, db DB, b *pgx.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	return db.SendBatch(ctx, b).Close()
}

// One reads the one row of a query into a T by column name; no row is
// pgx.ErrNoRows, which Fail tells as fault.NotFound.
func One[T any](ctx context.Context, db DB, sql string, args ...any) (T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		var zero T
		return zero, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
}

// All reads every row of a query into a T by column name.
func All[T any](ctx context.Context, db DB, sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[T])
}

// Column reads every row of a query with one column.
func Column[T any](ctx context.Context, db DB, sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}

// Queue queues a query whose rows are read into into by column name.
func Queue[T any](b *pgx.Batch, into *[]T, sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, pgx.RowToStructByName[T])
		return err
	})
}

// QueueColumn is Queue for a query with one column.
func QueueColumn[T any](b *pgx.Batch, into *[]T, sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, pgx.RowTo[T])
		return err
	})
}

// acquire takes a connection of the host's pool; a host that gave a single
// connection has it already.
func acquire(ctx context.Context, db DB) (DB, func(), error) {
	switch db := db.(type) {
	case *pgxpool.Pool:
		conn, err := db.Acquire(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("acquire a connection: %w", err)
		}
		return conn, conn.Release, nil
	default:
		return db, func() {}, nil
	}
}

// Columns turns rows of values into one slice for each column, which is what
// unnest takes: the values of the first row decide the slices' types. Of no
// rows the columns are NULL, which unnest takes for no rows too.
func Columns(width, rows int, row func(i int) ([]any, error)) ([]any, error) {
	if rows == 0 {
		return make([]any, width), nil
	}
	columns := make([]reflect.Value, width)
	for i := range rows {
		values, err := row(i)
		if err != nil {
			return nil, err
		}
		for j, v := range values {
			if i == 0 {
				columns[j] = reflect.MakeSlice(reflect.SliceOf(reflect.TypeOf(v)), 0, rows)
			}
			columns[j] = reflect.Append(columns[j], reflect.ValueOf(v))
		}
	}
	slices := make([]any, width)
	for j, c := range columns {
		slices[j] = c.Interface()
	}
	return slices, nil
}
