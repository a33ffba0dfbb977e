package migrate_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// catalogue is everything that a schema holds, one line each: relations with
// their rights and options, columns, constraints, indexes, triggers, routines
// with their source, types, sequences and views; and the rows of the audit's
// policy, which a migration inserts.
func catalogue(t *testing.T, conn *pgx.Conn, schema string) []string {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), "set local search_path = ''") // so that every name is told with its schema
	require.NoError(t, err)
	rows, err := tx.Query(t.Context(), selectCatalogue, schema)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	var policy bool
	require.NoError(t, tx.QueryRow(t.Context(), "select to_regclass($1) is not null", schema+".audit_policy").Scan(&policy))
	if policy {
		rows, err := tx.Query(t.Context(), "select 'policy ' || to_jsonb(p)::text from "+schema+".audit_policy p order by 1")
		require.NoError(t, err)
		more, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		lines = append(lines, more...)
	}
	return lines
}

// wantSame compares two catalogues and shows only what differs.
func wantSame(t *testing.T, want, got []string) {
	t.Helper()
	require.Empty(t, without(want, got), "missing")
	require.Empty(t, without(got, want), "left over")
}

func without(from, what []string) []string {
	return slices.DeleteFunc(slices.Clone(from), func(line string) bool { return slices.Contains(what, line) })
}

const selectCatalogue = `
	with c as (select c.* from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace where nspname = $1)
	select concat_ws(' ', 'relation', relname, relkind, reloptions, relacl,
		pg_catalog.pg_get_expr(relpartbound, oid), case when relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(oid) end)
	from c where relkind not in ('i', 'I')
	union all
	select concat_ws(' ', 'column', relname || '.' || attname, pg_catalog.format_type(atttypid, atttypmod),
		case when attnotnull then 'not null' end, nullif(attidentity::text, ''), nullif(attgenerated::text, ''),
		'default ' || pg_catalog.pg_get_expr(adbin, adrelid), attacl)
	from c join pg_catalog.pg_attribute on attrelid = c.oid and attnum > 0 and not attisdropped
	left join pg_catalog.pg_attrdef on adrelid = attrelid and adnum = attnum
	where relkind not in ('i', 'I', 'S')
	union all
	select concat_ws(' ', 'constraint', relname, conname, pg_catalog.pg_get_constraintdef(k.oid), convalidated)
	from c join pg_catalog.pg_constraint k on conrelid = c.oid
	union all
	select concat_ws(' ', 'index', pg_catalog.pg_get_indexdef(indexrelid), indisvalid, indisprimary)
	from c join pg_catalog.pg_index on indrelid = c.oid
	union all
	select concat_ws(' ', 'trigger', pg_catalog.pg_get_triggerdef(t.oid), tgenabled)
	from c join pg_catalog.pg_trigger t on tgrelid = c.oid where not tgisinternal
	union all
	select concat_ws(' ', 'routine', pg_catalog.pg_get_functiondef(p.oid), proacl)
	from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = pronamespace where nspname = $1
	union all
	select concat_ws(' ', 'type', typname, typtype, (select string_agg(enumlabel, ',' order by enumsortorder)
		from pg_catalog.pg_enum where enumtypid = t.oid))
	from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = typnamespace
	where nspname = $1 and typrelid = 0 and typelem = 0
	union all
	select concat_ws(' ', 'sequence', sequencename, data_type, start_value, increment_by, max_value, cycle)
	from pg_catalog.pg_sequences where schemaname = $1
	order by 1`
