package migrate

import (
	"fmt"
	"strings"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// SQL is what Up would do, as plain SQL for a host that migrates with a tool of
// its own: the steps after a version, 0 for all of them with the schema and the
// version table. A later Up, and New, find it done.
//
// Each step is a transaction of its own, so the text must not be run inside
// one. Running it again, or at another version than it is for, is an error of
// the server that changes nothing. The text contains no psql commands. It does
// not ask the server whether the schema's name is a reserved word: such a name
// is a syntax error when it runs. Errors: InvalidError for the schema's name
// or the version.
func SQL(o Options, after int32) (string, error) {
	text, err := o.plain(after, laterIndexes)
	return text, pg.Fail("migrate: sql", err, nil)
}

func (o Options) plain(after int32, later []index) (string, error) {
	if o.Schema == "" {
		o.Schema = pg.DefaultSchema
	}
	if err := pg.CheckSchema(o.Schema); err != nil {
		return "", fault.In("schema", err)
	}
	if after < 0 || after > Latest() {
		return "", fault.Field("version", "%d is not between 0 and %d", after, Latest())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "-- fature: the schema %s from version %d to %d, fingerprint %s.\n", o.Schema, after, Latest(), Fingerprint())
	if after == 0 {
		fmt.Fprintf(&b, "\nbegin;\n%s\ncommit;\n", pg.Rename(fmt.Sprintf(plainStart, o.Schema), o.Schema))
	}
	for i, s := range steps()[after:] {
		version := after + int32(i) //nolint:gosec // a handful
		text := fmt.Sprintf(plainStep, s.name, ternLock, version, strings.TrimSpace(s.up), version+1)
		b.WriteString(pg.Rename(text, o.Schema))
	}
	for _, x := range later {
		fmt.Fprintf(&b, "\n%s;\n", x.create(o.Schema, "if not exists "+x.Name, x.Table))
	}
	return b.String(), nil
}

const (
	// Creating a schema "if not exists" would ask for a right on the database
	// even where it does.
	plainStart = `do $$ begin
	if to_regnamespace('%[1]s') is null then
		create schema %[1]s;
	end if;
end $$;
create table if not exists fature.schema_version (version int4 not null);
insert into fature.schema_version (version) select 0 where not exists (select from fature.schema_version);`

	// The lock is tern's: what uses it waits.
	plainStep = `
-- %[1]s
begin;
select pg_advisory_xact_lock(%[2]d);
do $$ begin
	if (select version from fature.schema_version) is distinct from %[3]d then
		raise exception '%[1]s is for version %[3]d of the schema, and it is at %%', (select version from fature.schema_version);
	end if;
end $$;
%[4]s
update fature.schema_version set version = %[5]d;
commit;
`
)
