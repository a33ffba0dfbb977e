package fature_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// However a row is written, the audit sees it once.
func TestAuditSeesEachChangeOnce(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Affiliate("ana")
	audit := newTrail(t, w.Pool)
	copyInto := func(table string) func() error {
		return func() error {
			_, err := w.Pool.CopyFrom(t.Context(), pgx.Identifier{"fature", table},
				[]string{"id", "affiliate_id", "type", "amount", "volume", "currency", "status", "created_at"},
				pgx.CopyFromSlice(2, func(int) ([]any, error) {
					return []any{uuid.New(), w.ID("ana"), "sale", 1, 1, "BRL", "pending", scenario.Now}, nil
				}))
			return err
		}
	}
	sql := func(text string) func() error {
		return func() error { _, err := w.Pool.Exec(t.Context(), text); return err }
	}
	user := func(names ...string) string {
		rows := make([]string, len(names))
		for i, n := range names {
			rows[i] = fmt.Sprintf("(md5('%[1]s')::uuid, '%[1]s', '%[1]s@example.com', '%[1]s')", n)
		}
		return `insert into fature.users (id, email, email_canon, name) values ` + strings.Join(rows, ", ")
	}
	event := func(table string) string {
		return `insert into fature.` + table + ` (affiliate_id, type, amount, volume, currency, status, created_at)
			select id, 'sale', 1, 1, 'BRL', 'pending', '2025-06-15+00' from fature.affiliates`
	}
	line := `insert into fature.commissions (transaction_id, transaction_at, affiliate_id, kind, rule, level, base_amount, rate,
			amount, final_amount, currency, status, available_at, calculation, created_at)
		select '00000000-0000-7000-8000-000000000001', '2025-06-15+00', id, 'earning', r, 0, 1, 1, 1, 1, 'BRL', 'pending', now(), '{}', '2025-06-15+00'
		from fature.affiliates, unnest('{a,b}'::text[]) r `

	for _, c := range []struct {
		name string
		do   func() error
		want string
	}{
		{"insert", sql(user("u1")), "INSERT users"},
		{"insert many", sql(user("u2", "u3", "u4")), "3 INSERT users"},
		{"two inserts of one statement", sql(`with first as (` + user("u5") + ` returning id) ` + user("u6")), "2 INSERT users"},
		{"update", sql(`update fature.users set name = 'x' where name in ('u1', 'u2')`), "2 UPDATE users"},
		{"update to the same", sql(`update fature.users set name = name`), ""},
		{"update of an ignored column", sql(`update fature.users set updated_at = now() + interval '1 h'`), ""},
		{"upsert", sql(user("u6", "u7") + ` on conflict (email_canon) do update set name = 'y'`), "INSERT users, UPDATE users"},
		{"upsert that does nothing", sql(user("u6") + ` on conflict do nothing`), ""},
		{
			"merge", sql(`
			merge into fature.users u using unnest('{u3,u4,u8}'::text[]) n on u.email = n
			when matched and n = 'u3' then delete
			when matched then update set name = 'z'
			when not matched then insert (email, email_canon, name) values (n, n || '@example.com', n)`),
			"DELETE users, INSERT users, UPDATE users",
		},
		{"delete", sql(`delete from fature.users where email in ('u1', 'u5')`), "2 DELETE users"},
		{"delete of nothing", sql(`delete from fature.users where email = 'nobody'`), ""},
		{"what is rolled back", func() error {
			return pgx.BeginFunc(t.Context(), w.Pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), user("u9"))
				return errors.Join(err, tx.Rollback(t.Context()))
			})
		}, ""},

		{"insert through the parent", sql(event("transactions")), "INSERT transactions"},
		{"insert into a partition", sql(event("transactions_2025_06")), "INSERT transactions"},
		{"copy through the parent", copyInto("transactions"), "2 INSERT transactions"},
		{"copy into a partition", copyInto("transactions_2025_06"), "2 INSERT transactions"},
		{"update through the parent", sql(`update fature.transactions set status = 'failed' where status = 'pending'`), "6 UPDATE transactions"},
		{"update of a partition", sql(`update fature.transactions_2025_06 set status = 'pending' where status = 'failed'`), "6 UPDATE transactions"},
		{"upsert of lines", sql(line + `on conflict (transaction_id, created_at, rule, level, kind) do update set status = 'approved'`), "2 INSERT commissions"},
		{"and again", sql(line + `on conflict (transaction_id, created_at, rule, level, kind) do update set status = 'approved'`), "2 UPDATE commissions"},
	} {
		err := c.do()
		if c.name != "what is rolled back" {
			require.NoError(t, err, c.name)
		}
		require.Equal(t, c.want, summary(audit.news()), c.name)
	}
}

// What the library does, as the audit tells it.
func TestAuditOfTheLibrary(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
		"overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "5"}]}}]}`)
	w.Affiliate("ana")
	audit := newTrail(t, w.Pool)

	w.Affiliate("bia", scenario.Under("ana"))
	require.Equal(t, "INSERT affiliates, INSERT referral_codes, INSERT users", summary(audit.news()))
	w.Sale("bia", "100.00", scenario.Key("1"), scenario.Customer("c1"))
	require.Equal(t, "2 INSERT commissions, INSERT customer_owners, INSERT customers, INSERT transactions", summary(audit.news()))
	w.Sale("bia", "100.00", scenario.Key("1"), scenario.Customer("c1"))
	require.Empty(t, audit.news(), "a repetition writes nothing")
	many := make([]transaction.Event, 100)
	for i := range many {
		many[i] = w.Event("bia", transaction.Sale, "1.00")
	}
	w.Record(many...)
	require.Equal(t, "200 INSERT commissions, 100 INSERT transactions", summary(audit.news()))

	folded, err := w.Program.Fold(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 5, folded, "four totals, and that bia stands under ana")
	require.Empty(t, audit.news(), "totals are derived: the fold makes no row")
	a, err := w.Program.Affiliates.Get(t.Context(), w.ID("bia"))
	require.NoError(t, err)
	require.Equal(t, "200", a.LifetimeVolume.String())

	require.NoError(t, w.Program.Hierarchy.Detach(t.Context(), w.ID("bia")))
	_, err = w.Program.Affiliates.Update(t.Context(), w.ID("bia"), affiliate.Change{Category: affiliate.VIP})
	require.NoError(t, err)
	changes := audit.news()
	require.Equal(t, "2 UPDATE affiliates", summary(changes))
	require.Equal(t, []string{"level", "parent_id"}, changes[0].changed())
	require.Equal(t, []string{"category"}, changes[1].changed())
	_, err = w.Program.Affiliates.Update(t.Context(), w.ID("bia"), affiliate.Change{Category: affiliate.VIP})
	require.NoError(t, err)
	require.Empty(t, audit.news(), "it was that already")
}

// Rows that never change are their own record; the others are told in full,
// less what is derived and what is secret.
func TestAuditImages(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`)
	audit := newTrail(t, w.Pool)
	ana := w.Affiliate("ana")
	sale := w.Sale("ana", "100.00")

	by := map[string]entry{}
	for _, e := range audit.news() {
		by[e.Table] = e
	}
	require.Equal(t, entry{Table: "transactions", Record: sale.Transaction.ID.String(), Operation: "INSERT", By: "-", Request: "-", seq: by["transactions"].seq}, by["transactions"])
	require.Equal(t, entry{Table: "commissions", Record: sale.Lines[0].ID.String(), Operation: "INSERT", By: "-", Request: "-", seq: by["commissions"].seq}, by["commissions"])
	require.Equal(t, ana.ID.String(), by["affiliates"].Record)
	require.Equal(t,
		[]string{"category", "created_at", "id", "level", "parent_id", "referral_code", "status", "user_id"},
		slices.Sorted(maps.Keys(by["affiliates"].New)), "no totals, no updated_at")
	require.Equal(t, "ana", by["affiliates"].New["referral_code"])
	require.Nil(t, by["affiliates"].Old)
}

// Of a person the audit holds a salted hash; the values stand beside it, and
// can be erased there.
func TestAuditOfPeople(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	id := w.Affiliate("ana").UserID.String()
	audit := newTrail(t, w.Pool)
	update := func(set string, args ...any) entry {
		t.Helper()
		_, err := w.Pool.Exec(t.Context(), `update fature.users set `+set+` where id = $1`, append([]any{id}, args...)...)
		require.NoError(t, err)
		news := audit.news()
		require.Equal(t, "UPDATE users", summary(news))
		return news[0]
	}

	first := update(`password_hash = '$2a$12$secret'`)
	require.Nil(t, first.Old["password_hash"])
	require.Equal(t, "***", first.New["password_hash"])
	require.Equal(t, first.Old["personal"], first.New["personal"], "the same person, the same hash")
	second := update(`password_hash = '$2a$12$another'`)
	require.Equal(t, "***", second.Old["password_hash"])
	require.Equal(t, "***", second.New["password_hash"], "that it changed is told, not from what to what")
	moved := update(`name = 'Ana Lima', email = 'ana.lima@example.com', email_canon = 'ana.lima@example.com'`)
	require.NotEqual(t, moved.Old["personal"], moved.New["personal"])
	require.Equal(t, []string{"personal"}, moved.changed())

	var whole string
	require.NoError(t, w.Pool.QueryRow(t.Context(), `
		select string_agg(coalesce(old_values::text, '') || coalesce(new_values::text, ''), '') from fature.data_audit where table_name = 'users'`).Scan(&whole))
	for _, secret := range []string{"ana@example", "Lima", "lima", `"name"`, `"email`, "$2a$"} {
		require.NotContains(t, whole, secret)
	}

	// The values can be shown to be those that were hashed.
	rows, err := w.Pool.Query(t.Context(), `
		select hash, salt, "values"::text, "values"->>'email' from fature.audit_personal where table_name = 'users' and record_id = $1`, id)
	require.NoError(t, err)
	var hash, salt []byte
	var values, email string
	emails, hashes := []string{}, []string{}
	_, err = pgx.ForEachRow(rows, []any{&hash, &salt, &values, &email}, func() error {
		sum := sha256.Sum256(append(slices.Clone(salt), values...))
		require.Equal(t, sum[:], hash)
		require.Len(t, salt, 32)
		emails, hashes = append(emails, email), append(hashes, hex.EncodeToString(hash))
		return nil
	})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"ana@example.com", "ana.lima@example.com"}, emails)
	require.ElementsMatch(t, []any{moved.Old["personal"], moved.New["personal"]}, []any{hashes[0], hashes[1]})

	// Erasing: the person is made anonymous, and the side rows go. Nothing in
	// data_audit changes, what is done later is audited, and the chain holds.
	before := one[string](t, w.Pool, `select md5(string_agg(d::text, '' order by seq)) from fature.data_audit d`)
	update(`name = 'erased', email = 'erased@invalid', email_canon = 'erased@invalid'`)
	_, err = w.Pool.Exec(t.Context(), `delete from fature.audit_personal where record_id = $1`, id)
	require.NoError(t, err)
	require.Empty(t, audit.news())
	require.Equal(t, before, one[string](t, w.Pool, `
		select md5(string_agg(d::text, '' order by seq)) from fature.data_audit d where seq <= $1`, moved.seq))
	w.Verify()
	update(`status = 'closed'`)
	require.Equal(t, []string{"erased@invalid"}, list[string](t, w.Pool, `
		select distinct "values"->>'email' from fature.audit_personal where record_id = $1`, id))
	w.Verify()
}

// The policy can be another, and Verify holds the audit to the one there is.
func TestAuditPolicy(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`)
	_, err := w.Pool.Exec(t.Context(), `
		update fature.audit_policy set mode = 'full', masked = '{customer_id}' where table_name = 'transactions';
		update fature.audit_policy set mode = 'off' where table_name in ('commissions', 'affiliates');
		update fature.audit_policy set mode = 'ids' where table_name = 'users'`)
	require.NoError(t, err)
	audit := newTrail(t, w.Pool)
	ana := w.Affiliate("ana")
	w.Sale("ana", "100.00", scenario.Customer("c1"))
	_, err = w.Program.Affiliates.Update(t.Context(), ana.ID, affiliate.Change{Category: affiliate.VIP})
	require.NoError(t, err)
	_, err = w.Program.Users.Update(t.Context(), ana.UserID, affiliate.UserChange{Name: "Ana Lima"})
	require.NoError(t, err)

	news := audit.news()
	require.Equal(t, "INSERT customer_owners, INSERT customers, INSERT referral_codes, INSERT transactions, INSERT users, UPDATE users", summary(news))
	for _, e := range news {
		switch e.Operation + " " + e.Table {
		case "INSERT users":
			require.Nil(t, e.New)
		case "INSERT transactions":
			require.EqualValues(t, 100, e.New["amount"])
			require.Equal(t, "***", e.New["customer_id"])
		}
	}
	w.Verify()
}

func TestAuditNamesTheActor(t *testing.T) {
	t.Parallel()
	clone := testenv.Clone(t)
	config := clone.Config()
	config.MaxConns = 1 // whatever stays behind on a connection would show
	config.ConnConfig.RuntimeParams["application_name"] = "the shop"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer pool.Close()
	program, err := fature.New(t.Context(), fature.Config{Pool: pool, Currency: "BRL"})
	require.NoError(t, err)
	audit := newTrail(t, pool)
	n := 0
	create := func(p *fature.Program, a *fature.Actor) error {
		ctx := t.Context()
		if a != nil {
			ctx = fature.WithActor(ctx, *a)
		}
		n++
		_, err := p.Users.Create(ctx, affiliate.UserDraft{Email: fmt.Sprintf("u%d@example.com", n), Name: "U"})
		return err
	}
	want := func(actors ...string) {
		t.Helper()
		var got []string
		for _, e := range audit.news() {
			got = append(got, e.By+"/"+e.Request)
		}
		require.Equal(t, actors, got)
	}
	carla := &fature.Actor{ID: "carla", Request: "r-1"}

	require.NoError(t, create(program, carla))
	require.NoError(t, create(program, nil))
	require.NoError(t, create(program, &fature.Actor{ID: "davi"}))
	require.NoError(t, create(program, &fature.Actor{}))
	want("carla/r-1", "-/-", "davi/-", "-/-")

	// In the host's transaction, which has set an actor for its own changes:
	// ours names ours, and the host's is back after it, also when ours failed.
	hosts := func(tx pgx.Tx) error {
		n++
		_, err := tx.Exec(t.Context(), fmt.Sprintf(
			`insert into fature.users (email, email_canon, name) values ('u%[1]d', 'u%[1]d@example.com', 'U')`, n))
		return err
	}
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `select set_config('fature.actor', 'host', true), set_config('fature.request', 'h-1', true)`)
		require.NoError(t, err)
		in := program.WithTx(tx)
		require.NoError(t, hosts(tx))
		require.NoError(t, create(in, carla))
		require.NoError(t, hosts(tx))
		require.NoError(t, create(in, nil))
		require.NoError(t, create(in, &fature.Actor{}))
		require.NoError(t, hosts(tx))
		n = 0
		require.ErrorIs(t, create(in, carla), affiliate.ErrEmailTaken)
		n = 100
		return hosts(tx)
	}))
	want("host/h-1", "carla/r-1", "host/h-1", "host/h-1", "-/-", "host/h-1", "host/h-1")

	// Nor is anything left where the host has set none.
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		require.NoError(t, create(program.WithTx(tx), carla))
		return hosts(tx)
	}))
	require.NoError(t, create(program, nil))
	want("carla/r-1", "-/-", "-/-")

	var session, application string
	var transactions int
	require.NoError(t, pool.QueryRow(t.Context(), `
		select min(session_user_name), min(application_name), count(distinct txid) from fature.data_audit`).
		Scan(&session, &application, &transactions))
	require.Equal(t, one[string](t, pool, `select session_user::text`), session)
	require.Equal(t, "the shop", application)
	require.Equal(t, 4+1+2, transactions)
}

// What is written once cannot be changed, removed or emptied, through the
// table or through a partition.
func TestAppendOnly(t *testing.T) {
	t.Parallel()
	w := busyWorld(t)
	for table, column := range map[string]string{
		"data_audit": "changed_by", "affiliate_history": `"by"`, "customer_owners": "code",
		"commission_plans": "document", "plan_assignments": "from_at",
		partitionOf(t, w.Pool, "data_audit"): "changed_by",
	} {
		require.Positive(t, one[int](t, w.Pool, `select count(*) from fature.`+table), table)
		for _, statement := range []string{
			`update fature.` + table + ` set ` + column + ` = ` + column,
			`delete from fature.` + table,
			`truncate fature.` + table + ` cascade`,
		} {
			refused(t, w.Pool, statement)
		}
	}
	refused(t, w.Pool, `delete from fature.affiliates`)
	refused(t, w.Pool, `update fature.transaction_keys set digest = digest`)
}

// Every column of what was recorded and posted is for ever, but for those that
// say what has become of it.
func TestImmutable(t *testing.T) {
	t.Parallel()
	w := busyWorld(t)
	for table, mutable := range map[string][]string{
		"transactions": {"status"},
		"commissions":  {"status", "available_at", "payout_id", "note"},
	} {
		columns := list[string](t, w.Pool, `
			select attname::text from pg_attribute where attrelid = ('fature.' || $1)::regclass and attnum > 0 and not attisdropped`, table)
		require.Subset(t, columns, mutable)
		for _, name := range []string{table, table + "_2025_06"} {
			for _, column := range columns {
				statement := fmt.Sprintf(`update fature.%s set %[2]s = %[2]s`, name, column)
				if slices.Contains(mutable, column) {
					_, err := w.Pool.Exec(t.Context(), statement)
					require.NoError(t, err, statement)
				} else {
					refused(t, w.Pool, statement)
				}
			}
			refused(t, w.Pool, `delete from fature.`+name)
		}
	}
	for _, table := range list[string](t, w.Pool, `
		select relname::text from pg_class join pg_trigger on tgrelid = pg_class.oid and tgname = 'fature_keep_id'
		where not relispartition`) {
		if one[int](t, w.Pool, `select count(*) from fature.`+table) > 0 {
			refused(t, w.Pool, `update fature.`+table+` set id = id`)
		}
	}
	w.Verify()
}

// TRUNCATE would go past the audit: no table or partition that is audited
// allows it, one made later included.
func TestTruncateIsRefused(t *testing.T) {
	t.Parallel()
	w := busyWorld(t)
	audited := list[string](t, w.Pool, `
		select distinct tgrelid::regclass::text from pg_trigger where tgname like 'fature\_%' and not tgisinternal order by 1`)
	require.Greater(t, len(audited), 15)
	derived := []string{"fature.transaction_keys", "fature.affiliate_hierarchy"} // no audit: transactions and parents are the truth
	for _, table := range audited {
		if !slices.Contains(derived, table) {
			refused(t, w.Pool, `truncate `+table+` cascade`)
		}
	}
}

// A month made later has every trigger of its table, and they work.
func TestNewPartitionsAreAudited(t *testing.T) {
	t.Parallel()
	w := busyWorld(t)
	triggers := func(table string) []string {
		return list[string](t, w.Pool, `
			select replace(pg_get_triggerdef(oid), ' ON fature.'||$1||' ', ' ON it ') || tgenabled::text from pg_trigger
			where tgrelid = ('fature.' || $1)::regclass and not tgisinternal order by 1`, table)
	}
	for _, table := range []string{"data_audit", "transactions", "commissions"} {
		require.True(t, one[bool](t, w.Pool, `select fature.ensure_partition($1, '2030-02-28 12:00+00')`, table))
		require.NotEmpty(t, triggers(table))
		require.Equal(t, triggers(table), triggers(table+"_2030_02"), table)
		refused(t, w.Pool, `truncate fature.`+table+`_2030_02`)
	}
	audit := newTrail(t, w.Pool)
	_, err := w.Pool.Exec(t.Context(), `
		insert into fature.transactions_2030_02 (affiliate_id, type, amount, volume, currency, status, created_at)
		select id, 'sale', 1, 1, 'BRL', 'pending', '2030-02-01+00' from fature.affiliates`)
	require.NoError(t, err)
	require.Equal(t, "INSERT transactions", summary(audit.news()))
	refused(t, w.Pool, `update fature.transactions_2030_02 set amount = 2`)
}

// busyWorld has a row in every table that recording writes.
func busyWorld(t *testing.T) *scenario.World {
	t.Helper()
	w := scenario.New(t)
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`)
	w.Affiliate("ana")
	w.Sale("ana", "100.00", scenario.Key("1"), scenario.Customer("c1"))
	return w
}

// trail reads what the audit has recorded since it was last asked.
type trail struct {
	t    *testing.T
	pool *pgxpool.Pool
	last int64
}

type entry struct {
	Table, Record, Operation string
	Old, New                 map[string]any
	By, Request              string // "-" is NULL
	seq                      int64
}

func newTrail(t *testing.T, pool *pgxpool.Pool) *trail {
	a := &trail{t: t, pool: pool}
	a.news()
	return a
}

func (a *trail) news() (all []entry) {
	a.t.Helper()
	rows, err := a.pool.Query(a.t.Context(), `
		select seq, table_name, coalesce(record_id, id::text), operation, old_values, new_values, coalesce(changed_by, '-'), coalesce(request_id, '-')
		from fature.data_audit left join lateral unnest(record_ids) id on true where seq > $1 order by seq`, a.last)
	require.NoError(a.t, err)
	for rows.Next() {
		var e entry
		require.NoError(a.t, rows.Scan(&a.last, &e.Table, &e.Record, &e.Operation, &e.Old, &e.New, &e.By, &e.Request))
		e.seq = a.last
		all = append(all, e)
	}
	require.NoError(a.t, rows.Err())
	return all
}

// changed is the fields that an update changed.
func (e entry) changed() (fields []string) {
	for field := range e.New {
		if fmt.Sprint(e.New[field]) != fmt.Sprint(e.Old[field]) {
			fields = append(fields, field)
		}
	}
	slices.Sort(fields)
	return fields
}

// summary is "2 INSERT users, UPDATE affiliates".
func summary(all []entry) string {
	count := map[string]int{}
	for _, e := range all {
		count[e.Operation+" "+e.Table]++
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(count)) {
		if n := count[what]; n > 1 {
			what = fmt.Sprintf("%d %s", n, what)
		}
		parts = append(parts, what)
	}
	return strings.Join(parts, ", ")
}

// refused says that a guard of ours stops a statement.
func refused(t *testing.T, pool *pgxpool.Pool, statement string) {
	t.Helper()
	_, err := pool.Exec(t.Context(), statement)
	why := new(pgconn.PgError)
	require.ErrorAs(t, err, &why, statement)
	require.Equal(t, []string{"23000", "fature_guard"}, []string{why.Code, why.ConstraintName}, statement)
}

func partitionOf(t *testing.T, pool *pgxpool.Pool, table string) string {
	return one[string](t, pool, `select max(tableoid::regclass::text) from fature.`+table)[len("fature."):]
}

func one[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (v T) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), sql, args...).Scan(&v))
	return v
}

func list[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) []T {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return all
}
