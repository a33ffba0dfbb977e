package fature_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

// corruptions is what can be wrong, and which invariant says so. The last
// statement returns what its finding must name; triggers do not run.
var corruptions = []struct{ finds, what, sql string }{
	{"H1s", "a row of the closure is lost", `
		delete from fature.affiliate_hierarchy where (ancestor_id, descendant_id) = (pg_temp.of('ana'), pg_temp.of('duda')) returning descendant_id`},
	{"H1s", "a distance is wrong", `
		update fature.affiliate_hierarchy set level_difference = 7
		where (ancestor_id, descendant_id) = (pg_temp.of('ana'), pg_temp.of('duda')) returning descendant_id`},
	{"H1s", "somebody stands under a stranger", `
		insert into fature.affiliate_hierarchy values (pg_temp.of('eva'), pg_temp.of('duda'), 4) returning descendant_id`},
	{"H2r", "parents make a cycle", `update fature.affiliates set parent_id = pg_temp.of('duda') where referral_code = 'ana' returning id`},
	{"H3", "somebody is not at distance 0 from itself", `
		delete from fature.affiliate_hierarchy where (ancestor_id, descendant_id) = (pg_temp.of('duda'), pg_temp.of('duda')) returning descendant_id`},
	{"H4", "a level is wrong", `update fature.affiliates set level = 7 where referral_code = 'duda' returning id`},
	{"H5", "the closure knows a stranger", `
		insert into fature.affiliate_hierarchy select id, id, 0 from gen_random_uuid() id returning descendant_id`},
	{"H6", "a status changed past the history", `update fature.affiliates set status = 'suspended' where referral_code = 'duda' returning id`},
	{"H6", "somebody has no history", `delete from fature.affiliate_history where affiliate_id = pg_temp.of('duda') returning affiliate_id`},

	{"U1", "an address has a decomposed accent", `update fature.users set email_canon = U&'e\0301@example.com' where email = 'duda@example.com' returning id`},
	{"U1", "an address has a space", `update fature.users set email_canon = ' ' || email_canon where email = 'duda@example.com' returning id`},
	{"R1", "the code that is shown is retired", `update fature.referral_codes set retired_at = now() where code = 'duda' returning affiliate_id`},
	{"R1", "the code that is shown leads to another", `
		update fature.referral_codes set affiliate_id = pg_temp.of('ana') where code = 'duda' returning pg_temp.of('duda')`},
	{"O1", "a customer came before its first owner", `update fature.customers set attributed_at = attributed_at - interval '1 s' where id = 'c1' returning id`},

	{"K1", "a click is another's", `
		insert into fature.clicks (affiliate_id, code, at) values (pg_temp.of('ana'), 'duda', now()) returning id`},
	{"K1", "a click's code is nobody's", `
		insert into fature.clicks (affiliate_id, code, at) values (pg_temp.of('ana'), 'nobody', now()) returning id`},

	{"T1", "an amount is not a number", `
		alter table fature.transactions drop constraint transactions_amount_check;
		update fature.transactions set amount = 'NaN' where original_id = '1' returning id`},
	{"T1", "an amount is negative", `
		alter table fature.transactions drop constraint transactions_amount_check;
		update fature.transactions set amount = -1 where original_id = '1' returning id`},
	{"T2", "a key is lost", `delete from fature.transaction_keys where original_id = '1' returning transaction_id`},
	{"T2", "a key stands for nothing", `
		insert into fature.transaction_keys values ('orders', 'none', gen_random_uuid(), now(), '') returning transaction_id`},
	{"T3", "a transaction is there in two months", `
		select fature.ensure_partition('transactions', '2025-05-01+00');
		insert into fature.transactions (id, affiliate_id, type, amount, volume, currency, status, created_at)
		select id, affiliate_id, type, amount, volume, currency, 'pending', '2025-05-01+00' from fature.transactions where original_id = '1' returning id`},
	{"T4", "more is taken back than there was", `
		insert into fature.transactions (affiliate_id, type, amount, volume, currency, status, created_at, rated_seq, seen_seq, reverses_id, reverses_at)
		select affiliate_id, 'refund', amount + 0.01, 0, currency, 'processed', created_at, nextval('fature.rated_seq'), 0, id, created_at
		from fature.transactions where original_id = '1' returning reverses_id`},
	{"T4", "a refund comes before its sale", `
		insert into fature.transactions (affiliate_id, type, amount, volume, currency, status, created_at, reverses_id, reverses_at)
		select affiliate_id, 'refund', 1, 0, currency, 'pending', created_at - interval '1 us', id, created_at
		from fature.transactions where original_id = '1' returning id`},
	{"T5", "a customer belongs to nobody", `
		delete from fature.customer_owners where customer_id = 'c1';
		select id from fature.transactions where customer_id = 'c1' limit 1`},
	{"T6", "two share a place in the order of rating", `
		with two as (select id, min(rated_seq) over () as seq from fature.transactions order by rated_seq limit 2),
		same as (update fature.transactions t set rated_seq = seq from two where t.id = two.id returning t.id)
		select min(id::text) from same`},
	{"T7", "a sale adds nothing", `update fature.transactions set volume = 0 where id = (select id from fature.transactions where type = 'sale' and volume > 0 limit 1) returning id`},

	{"A1", "a plan is in another currency", `update fature.commission_plans set currency = 'USD' where version = 2 returning id`},
	{"C1", "an event earned twice", `
		select fature.ensure_partition('commissions', '2025-05-01+00');
		insert into fature.commissions (transaction_id, transaction_at, created_at, affiliate_id, kind, rule, level, base_amount, rate,
			amount, final_amount, currency, status, available_at, calculation)
		select transaction_id, transaction_at, '2025-05-01+00', affiliate_id, kind, rule, level, base_amount, rate,
			amount, final_amount, currency, status, available_at, calculation from pg_temp.line returning transaction_id`},
	{"C2", "a line has no transaction", `update fature.commissions set transaction_id = gen_random_uuid() where id = (select id from pg_temp.line) returning id`},
	{"C2", "a line's transaction was not processed", `
		update fature.transactions set status = 'failed', rated_seq = null, seen_seq = null where id = (select transaction_id from pg_temp.line);
		select id from pg_temp.line`},
	{"C3", "a line went to a stranger", `
		update fature.commissions set affiliate_id = pg_temp.of('eva') where id = (select id from pg_temp.line) returning id`},
	{"C3", "a line went to a level that is nearer than it says", `
		update fature.commissions set level = 9 where id = (select id from pg_temp.line) returning id`},
	{"C4", "a line pays more than it earned", `
		alter table fature.commissions drop constraint commissions_amount_check;
		update fature.commissions set final_amount = amount + 0.01 where id = (select id from pg_temp.line) returning id`},
	{"C4", "a reversal gives", `insert into fature.commissions select (pg_temp.reversal(+0.01)).* returning id`},
	{"C5", "a reversal takes more than there was", `
		insert into fature.commissions select (pg_temp.reversal(-0.01 - final_amount)).* from pg_temp.line returning reverses_id`},
	{"C6", "a reversal takes from another", `
		insert into fature.commissions select (pg_temp.reversal(-0.01)).*;
		update fature.commissions set affiliate_id = pg_temp.of('eva') where kind = 'reversal' returning id`},
	{"C6", "a reversal takes a reversal back", `
		insert into fature.commissions select (pg_temp.reversal(-0.01)).*;
		update fature.commissions set reverses_id = id where kind = 'reversal' returning id`},
	{"P1", "a payout is a cent off", `update fature.payouts set amount = amount + 0.01 where status = 'created' returning id`},
	{"P1", "a line has left its payout", `
		with line as (select id, payout_id from fature.commissions where status = 'approved' and payout_id is not null limit 1),
		gone as (update fature.commissions c set payout_id = null from line where c.id = line.id)
		select payout_id from line`},
	{"P2", "a cancelled payout holds a line", `
		update fature.commissions set payout_id = (select id from fature.payouts where status = 'cancelled')
		where id = (select id from fature.commissions where status = 'approved' and payout_id is null limit 1) returning id`},
	{"P2", "a line is in another's payout", `
		update fature.commissions set payout_id = (select id from fature.payouts where affiliate_id = pg_temp.of('duda'))
		where id = (select id from pg_temp.line) returning id`},
	{"P2", "a line's payout is not there", `
		update fature.commissions set payout_id = gen_random_uuid() where id = (select id from pg_temp.line) returning id`},
	{"P3", "a line is paid by no payout", `
		update fature.commissions set status = 'paid'
		where id = (select id from fature.commissions where status = 'approved' and payout_id is null limit 1) returning id`},
	{"P3", "a line of a paid payout is not paid", `
		update fature.commissions set status = 'approved' where id = (select id from fature.commissions where status = 'paid' limit 1) returning id`},
	{"P4", "a payout takes money", `
		alter table fature.payouts drop constraint payouts_amount_check;
		update fature.payouts set amount = -amount where status = 'created' returning id`},
	{"P4", "a payout was sent before it was approved", `
		alter table fature.payouts drop constraint payouts_status_check;
		update fature.payouts set sent_at = now() where status = 'created' returning id`},
	{"V2", "a line is not what its calculation gives", `
		update fature.commissions set amount = amount + 1, final_amount = final_amount + 1 where id = (select id from pg_temp.line) returning id`},
	{"V2", "a calculation was changed", `
		update fature.commissions set calculation = replace(calculation::text, '"10"', '"11"')::jsonb where id = (select id from pg_temp.line) returning id`},

	{"S1", "a statement opens with another loss", `
		update fature.statements set opening = opening - 1 where id = pg_temp.statement('2025-07', 'rev/blue') returning id`},
	{"S1", "a statement carries another loss than the next opens with", `
		update fature.statements set closing = closing - 1 where id = pg_temp.statement('2025-06', 'rev/blue');
		select pg_temp.statement('2025-07', 'rev/blue')`},
	{"S2", "a statement pays less than is payable", `
		update fature.statements set payable = payable + 1 where id = pg_temp.statement('2025-07', 'rev/blue') returning id`},
	{"S2", "a statement pays another", `
		update fature.commissions set affiliate_id = pg_temp.of('eva') where id = (select id from pg_temp.paid where level = 0) returning statement_id`},
	{"S2", "a statement's line is gone", `
		delete from fature.commissions where id = (select id from pg_temp.paid where level = 0) returning statement_id`},
	{"S3", "a line is of no statement", `
		update fature.commissions set statement_id = gen_random_uuid() where id = (select id from pg_temp.paid where level = 0) returning id`},
	{"S3", "a line is not of the end of its period", `
		update fature.commissions set created_at = created_at + interval '1 s' where id = (select id from pg_temp.paid where level = 1) returning id`},
	{"S3", "a line is of another rule", `update fature.commissions set rule = 'net' where id = (select id from pg_temp.paid where level = 1) returning id`},
	{"S3", "an override has another base", `
		update fature.commissions set base_amount = base_amount + 1 where id = (select id from pg_temp.paid where level = 1) returning id`},
	{"S3", "a statement pays a level twice", `
		insert into fature.commissions select (jsonb_populate_record(c, jsonb_build_object('id', gen_random_uuid()))).*
		from fature.commissions c where id = (select id from pg_temp.paid where level = 1) returning statement_id`},
	{"S4", "a close leaves a gap after the one before", `
		update fature.closings set period_start = period_start + interval '1 s' where name = '2025-07' returning id`},
	{"S4", "a close counts what the one before did", `update fature.closings set late_seq = late_seq - 1 where name = '2025-07' returning id`},
	{"S4", "a close began before the one before was done", `update fature.closings set closed_at = null where name = '2025-06' returning id`},

	{"V3", "a base is a cent off", `update fature.statements set base = base + 0.01 where id = pg_temp.statement('2025-07', 'rev/red') returning id`},
	{"V3", "an unrecouped rest is not its footing's", `
		update fature.statements set unrecouped = unrecouped + 1 where id = pg_temp.statement('2025-07', 'net/') returning id`},
	{"V3", "an opening is not its footing's", `
		update fature.statements set footing = jsonb_set(footing, '{opening}', '"-1"') where id = pg_temp.statement('2025-07', 'rev/blue') returning id`},
	{"V3", "a footing has another rate", `
		update fature.statements set footing = jsonb_set(footing, '{parts,0,rate}', '"21"') where id = pg_temp.statement('2025-07', 'rev/blue') returning id`},
	{"V3", "an advance is a cent more", `
		update fature.commissions set amount = amount + 0.01, final_amount = final_amount + 0.01 where rule = 'adv';
		select pg_temp.statement('2025-06', 'net/')`},
	{"V3", "an advance is gone", `delete from fature.commissions where rule = 'adv'; select pg_temp.statement('2025-06', 'net/')`},
	{"V3", "what the next statement opens a customer with was changed", `
		update fature.statement_carries set balance = balance - 1 where statement_id = pg_temp.statement('2025-06', 'rev/red');
		select pg_temp.statement('2025-07', 'rev/red')`},
	{"V3", "the latest balance of a customer was changed", `
		update fature.statement_carries set balance = balance - 1 where statement_id = pg_temp.statement('2025-07', 'rev/red') returning statement_id`},
	{"V3", "the latest balance of a customer is gone", `
		delete from fature.statement_carries where statement_id = pg_temp.statement('2025-07', 'rev/red') returning statement_id`},
	{"V3", "a statement is missing", `
		delete from fature.statements where id = pg_temp.statement('2025-07', 'rev/blue') returning affiliate_id`},
	{"V3", "a statement is of nothing", `
		insert into fature.statements select (jsonb_populate_record(s, jsonb_build_object('id', gen_random_uuid(), 'affiliate_id', pg_temp.of('eva')))).*
		from fature.statements s where id = pg_temp.statement('2025-07', 'rev/blue') returning id`},
	{"V3", "a transaction of the period is gone", `
		delete from fature.transactions where original_id = 'july'; select pg_temp.statement('2025-07', 'rev/blue')`},
	{"V3", "a transaction of the period was another amount", `
		update fature.transactions set amount = amount + 1 where original_id = 'july'; select pg_temp.statement('2025-07', 'rev/blue')`},
	{"V3", "a transaction was rated by another plan", `
		update fature.transactions set plan_id = gen_random_uuid() where original_id = 'july'; select pg_temp.statement('2025-07', 'rev/blue')`},
	{"V3", "a late transaction was not late", `
		update fature.transactions set rated_seq = 0 where original_id = 'late'; select pg_temp.statement('2025-06', 'rev/red')`},

	{"B1", "a total is a cent off", `update fature.affiliates set lifetime_commissions = lifetime_commissions + 0.01 where referral_code = 'duda' returning id`},
	{"B1", "a delta was lost", `delete from fature.affiliate_deltas where affiliate_id = pg_temp.of('duda') returning affiliate_id`},
	{"B2", "a month is a cent off", `
		update fature.affiliate_rollups set volume = volume + 0.01 where affiliate_id = pg_temp.of('caio') returning affiliate_id || ' ' || month || ' volume'`},
	{"B2", "a transaction was folded twice", `
		update fature.affiliate_rollups set transactions = transactions + 1 where affiliate_id = pg_temp.of('caio') returning affiliate_id || ' ' || month || ' transactions'`},
	{"B2", "a month is gone", `delete from fature.affiliate_rollups where affiliate_id = pg_temp.of('caio') returning affiliate_id || ' ' || month`},
	{"B2", "a delta is of another month", `
		update fature.affiliate_deltas set month = '2021-02-01' where affiliate_id = pg_temp.of('duda') returning affiliate_id || ' 2021-02-01'`},
	{"B2", "a customer was counted twice", `
		update fature.affiliate_rollups set customers = customers + 1 where affiliate_id = pg_temp.of('caio') returning affiliate_id || ' ' || month || ' customers'`},
	{"B3", "a customer was not counted", `
		delete from fature.affiliate_customers where affiliate_id = pg_temp.of('caio') and customer_id = 'c1' returning affiliate_id || ' c1'`},
	{"B3", "a customer was counted for a stranger", `
		insert into fature.affiliate_customers values (pg_temp.of('eva'), 'c2', '2025-06-01') returning affiliate_id || ' c2'`},
	{"B3", "a customer was counted in another month", `
		update fature.affiliate_customers set month = '2021-02-01' where customer_id = 'c1' returning affiliate_id || ' c1'`},
	{"B4", "one more was counted below an affiliate", `
		update fature.team_sizes set team_size = team_size + 1 where affiliate_id = pg_temp.of('bia') returning affiliate_id || ' team_size'`},
	{"B4", "nobody was counted below an affiliate", `
		delete from fature.team_sizes where affiliate_id = pg_temp.of('caio') returning affiliate_id`},
	{"B4", "one who joined was not counted", `
		insert into fature.team_deltas values (pg_temp.of('eva'), 0, -1) returning affiliate_id || ' team_size'`},
	{"X1", "a month begins at local midnight", `
		create table fature.transactions_2021_02 partition of fature.transactions for values from ('2021-02-01 03:00+00') to ('2021-03-01 03:00+00');
		select 'transactions_2021_02'`},
	{"X1", "a month has the name of another", `
		create table fature.transactions_2021_02 partition of fature.transactions for values from ('2021-03-01+00') to ('2021-04-01+00');
		select 'transactions_2021_02'`},
	{"X1", "the audit has no month in between", `
		select fature.ensure_partition('data_audit', '2021-02-01+00'); select 'data_audit_2021_02'`},
	{"X2", "a partition takes what has no month", `
		create table fature.transactions_rest partition of fature.transactions default; select 'transactions_rest'`},
	{"X2", "a month is half detached", `
		update pg_inherits set inhdetachpending = true where inhrelid = 'fature.transactions_2025_06'::regclass; select 'transactions_2025_06'`},
	{"X2", "an index is invalid", `
		update pg_index set indisvalid = false where indexrelid = 'fature.idx_affiliates_parent'::regclass; select 'idx_affiliates_parent'`},
	{"X3", "a month's trigger is off", `
		alter table fature.transactions_2025_06 disable trigger fature_audit_insert; select 'fature.transactions_2025_06 fature_audit_insert'`},
	{"X3", "a month lost a trigger", `
		drop trigger fature_audit_truncate on fature.commissions_2025_06; select 'fature.commissions_2025_06 fature_audit_truncate'`},
	{"X3", "a month was made by hand", `
		create table fature.transactions_2021_02 partition of fature.transactions for values from ('2021-02-01+00') to ('2021-03-01+00');
		select 'fature.transactions_2021_02 fature_audit_insert'`},
	{"D1", "an affiliate changed past the audit", `
		update fature.affiliates set created_at = created_at - interval '1 s' where referral_code = 'duda' returning id`},
	{"D2", "an image was changed", `
		update fature.data_audit set old_values = old_values || '{"level": 9}' where table_name = 'affiliates' and operation = 'UPDATE'
			and record_id = pg_temp.of('duda')::text returning table_name || ' ' || record_id`},
	{"D2", "a change is missing from the chain", `
		delete from fature.data_audit where table_name = 'users' and operation = 'INSERT'
			and record_id in (select record_id from fature.data_audit where operation = 'UPDATE') returning table_name || ' ' || record_id`},
	{"D2", "the hash of a person was changed", `
		update fature.data_audit set old_values = old_values || '{"personal": "00"}' where table_name = 'users' and operation = 'UPDATE'
			returning table_name || ' ' || record_id`},
	{"D3", "a transaction was not audited", `
		update fature.data_audit set record_ids = array_remove(record_ids, transaction_id) from pg_temp.line
		where transaction_id = any(record_ids) returning transaction_id`},
	{"D3", "a line was audited twice", `
		insert into fature.data_audit (table_name, record_ids, operation) select 'commissions', array[id], 'INSERT' from pg_temp.line returning record_ids[1]`},
	{"D3", "the audit knows a line that is not there", `
		delete from fature.commissions where id = (select id from pg_temp.line);
		select id from fature.data_audit, unnest(record_ids) id where table_name = 'commissions'
			and id not in (select id from fature.commissions)`},
}

// What the corruptions speak of: of('ana') is her id, line is a line of the
// sale 1, reversal(x) one that takes it back by x, statement('2025-06', 'net/')
// is one of gil's, paid are the lines of the one that pays most.
const vocabulary = `
	create function pg_temp.of(name text) returns uuid stable return (select id from fature.affiliates where referral_code = name);
	create view pg_temp.line as
		select c.* from fature.commissions c join fature.transactions t on t.id = c.transaction_id
		where t.original_id = '1' and c.level = 0 and c.kind = 'earning';
	create function pg_temp.reversal(x numeric) returns fature.commissions language sql as $$
		select (jsonb_populate_record(l, jsonb_build_object('id', gen_random_uuid(), 'kind', 'reversal',
			'amount', x, 'final_amount', x, 'reverses_id', id, 'reverses_at', created_at))).*
		from fature.commissions l where id = (select id from pg_temp.line) $$;
	create function pg_temp.statement(period text, account text) returns uuid stable return (
		select id from fature.statements where affiliate_id = pg_temp.of('gil') and name = $1 and rule || '/' || split = $2);
	create view pg_temp.paid as select * from fature.commissions where statement_id = pg_temp.statement('2025-07', 'rev/blue');
	set local session_replication_role = replica`

func TestVerifyFindsEachCorruption(t *testing.T) {
	t.Parallel()
	w := verifiedWorld(t)
	report, err := w.Program.Verify(t.Context())
	require.NoError(t, err)
	require.True(t, report.OK(), "%v", report.Findings)
	var checked, covered []string
	for _, c := range report.Checked {
		checked = append(checked, c.Name)
		require.NotEmpty(t, c.Meaning, c.Name)
	}
	for _, c := range corruptions {
		covered = append(covered, c.finds)
	}
	slices.Sort(covered)
	require.ElementsMatch(t, checked, slices.Compact(covered), "every invariant has a corruption that it finds, and the other way round")

	program, corrupt := undoing(t, w.Pool)
	for _, c := range corruptions {
		t.Run(c.finds+" "+c.what, func(t *testing.T) {
			culprit := corrupt(c.sql)
			report, err := program.Verify(t.Context())
			require.NoError(t, err)
			at := slices.IndexFunc(report.Findings, func(f fature.Finding) bool { return f.Name == c.finds })
			require.GreaterOrEqual(t, at, 0, "found by others only: %v", report.Findings)
			found := report.Findings[at]
			require.Positive(t, found.Count)
			require.True(t, slices.ContainsFunc(found.IDs, func(id string) bool { return strings.HasPrefix(id, *culprit) }),
				"%q is not named: %v", *culprit, found)
		})
	}
	w.Verify()
}

// undoing is a programme whose next transaction begins with a corruption, and
// undoes it by its end. culprit is what the corruption returned.
func undoing(t *testing.T, of *pgxpool.Pool) (p *fature.Program, corrupt func(sql string) (culprit *string)) {
	t.Helper()
	var next, culprit string
	config := of.Config()
	config.MaxConns = 1
	config.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		if next == "" {
			return true, nil
		}
		// Verify's own BEGIN is then a mere warning, and its isolation level the
		// one that there is.
		results, err := conn.PgConn().Exec(ctx, "begin isolation level repeatable read;"+vocabulary+";"+next).ReadAll()
		if err != nil {
			return false, err
		}
		last := results[len(results)-1]
		if len(last.Rows) == 0 {
			return false, errors.New("nothing was corrupted")
		}
		next, culprit = "", string(last.Rows[0][0])
		return true, nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	p, err = fature.New(t.Context(), fature.Config{Pool: pool})
	require.NoError(t, err)
	return p, func(sql string) *string {
		next = sql
		return &culprit
	}
}

// Nothing is found while others write.
func TestVerifyAmongWriters(t *testing.T) {
	t.Parallel()
	w := verifiedWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for i := range 3 {
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				e := w.Event("duda", transaction.Sale, "1.00", scenario.Key(fmt.Sprintf("%d-%d", i, n)), scenario.Customer(fmt.Sprint(n)))
				if _, err := w.Program.Record(ctx, e); ctx.Err() == nil && err != nil {
					t.Error(err)
				}
				if _, err := w.Program.Fold(ctx); ctx.Err() == nil && err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 5 {
		w.Verify()
	}
	cancel()
	writers.Wait()
	w.Verify()
}

func TestVerifyNeedsATransactionOfItsOwn(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	require.ErrorIs(t, pgx.BeginFunc(t.Context(), w.Pool, func(tx pgx.Tx) error {
		_, err := w.Program.WithTx(tx).Verify(t.Context())
		return err
	}), fature.ErrInvalid)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.Program.Verify(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, w.Pool.Stat().AcquiredConns())
}

// verifiedWorld is a small programme that has lived a little: moves, changes,
// two plans, pending events processed, totals partly folded, payouts, and two
// months closed.
//
//	ana ── bia ── caio ── duda      eva ── fabio      hugo ── gil
func verifiedWorld(t *testing.T) *scenario.World {
	t.Helper()
	w := scenario.New(t)
	w.SetNow(time.Now()) // C3 compares ratings with the history, which goes by the database's clock
	plan := `{"rules": [{"id": "sale", "on": ["sale", "deposit"], "pay": {"percent": "10"},
		"overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "5"}, {"percent": "2"}]}}], "caps": [{"per": "transaction", "max": "%s"}]}`
	w.Publish(fmt.Sprintf(plan, "40"))
	w.Plan(fmt.Sprintf(plan, "50"))
	w.Affiliate("ana")
	w.Affiliate("bia", scenario.Under("ana"))
	w.Affiliate("caio", scenario.Under("bia"))
	w.Affiliate("eva")
	w.Affiliate("fabio", scenario.Under("eva"))
	w.Affiliate("duda", scenario.Under("eva"))
	ctx := t.Context()
	require.NoError(t, w.Program.Hierarchy.Move(ctx, w.ID("duda"), w.ID("caio")))
	_, err := w.Program.Affiliates.Update(ctx, w.ID("caio"), affiliate.Change{Category: affiliate.VIP})
	require.NoError(t, err)
	_, err = w.Program.Affiliates.ChangeCode(ctx, w.ID("fabio"), "fabinho")
	require.NoError(t, err)
	duda, err := w.Program.Affiliates.Get(ctx, w.ID("duda"))
	require.NoError(t, err)
	_, err = w.Program.Users.Update(ctx, duda.UserID, affiliate.UserChange{Name: "Duda Lima"})
	require.NoError(t, err)

	w.SetNow(time.Now())
	w.Sale("caio", "100.00", scenario.Key("1"), scenario.Customer("c1"))
	w.Deposit("duda", "33.33", scenario.Customer("c2"))
	w.Sale("duda", "900.00") // capped
	w.Sale("duda", "10.00", scenario.At(scenario.Now))
	var later []transaction.Event
	for i, name := range []string{"ana", "bia", "caio", "duda", "eva", "fabio"} {
		e := w.Event(name, transaction.Sale, "12.34", scenario.Key(fmt.Sprint(10+i)))
		e.Pending = i%2 == 0
		later = append(later, e, w.Event(name, transaction.Withdrawal, "5.00", scenario.Customer("c1")))
	}
	w.Record(later...)
	_, err = w.Program.Fold(ctx)
	require.NoError(t, err)
	done, err := w.Program.Process(ctx, 10)
	require.NoError(t, err)
	require.Equal(t, 3, done)
	payouts(t, w)
	w.Sale("duda", "20.00", scenario.Key("20"), scenario.Customer("c1"))
	closes(t, w)
	return w
}

// closes gives hugo and gil a plan of their own, and closes two months in which
// gil loses by one brand, by a customer, and by an advance; something is late.
func closes(t *testing.T, w *scenario.World) {
	t.Helper()
	w.Affiliate("hugo")
	w.Affiliate("gil", scenario.Under("hugo"))
	plan := w.Publish(`{"name": "casino", "rules": [
		{"id": "adv", "on": ["signup"], "pay": {"flat": "15.00"}},
		{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win"]}, "carry": "base", "split_by": "brand", "pay": {"percent": "20"},
		 "high_roller": {"mode": "quarantine", "player_max": "500.00"}, "overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "1"}]}},
		{"id": "net", "period": "month", "base": {"plus": ["bet"], "minus": ["win"]}, "carry": "commission", "pay": {"percent": "10"}, "recoup": ["adv"],
		 "overrides": {"of": "commission", "inactive": "none", "steps": [{"percent": "10"}]}}]}`)
	for _, name := range []string{"hugo", "gil"} {
		since := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		require.NoError(t, w.Program.Plans.Assign(t.Context(), commission.ForAffiliate(w.ID(name), plan.ID).Since(since)))
	}
	brand := func(name string) scenario.Detail {
		return func(e *transaction.Event) { e.Metadata = map[string]any{"brand": name} }
	}
	bet := func(name, amount string, details ...scenario.Detail) transaction.Event {
		return w.Event(name, transaction.Bet, amount, details...)
	}
	win := func(amount string, details ...scenario.Detail) transaction.Event {
		return w.Event("gil", transaction.Win, amount, details...)
	}
	g1, g2, red, blue := scenario.Customer("g1"), scenario.Customer("g2"), brand("red"), brand("blue")
	w.Record(
		bet("gil", "1000.00", on(6, 3), g1, red), win("2000.00", on(6, 4), g2, red), bet("gil", "100.00", on(6, 5), g1, blue), win("300.00", on(6, 5), blue),
		bet("hugo", "50.00", on(6, 6)), w.Event("gil", transaction.Signup, "0.00", on(6, 7), g1),
	)
	w.Close("2025-06")
	w.Record(
		bet("gil", "800.00", on(7, 3), g2, red), bet("gil", "300.00", on(7, 4), g1, red), bet("gil", "1500.00", on(7, 5), g1, blue, scenario.Key("july")),
		win("10.00", on(6, 30), g1, red, scenario.Key("late")),
	)
	w.Close("2025-07")
}

// payouts pays everybody; caio's has arrived, and ana's is cancelled.
func payouts(t *testing.T, w *scenario.World) {
	t.Helper()
	_, err := w.Program.Payouts.Run(t.Context(), commission.PayoutRun{})
	require.NoError(t, err)
	caio, ana := payoutOf(t, w, "caio"), payoutOf(t, w, "ana")
	require.NoError(t, w.Program.Payouts.Approve(t.Context(), caio.ID, ana.ID))
	require.NoError(t, w.Program.Payouts.MarkSent(t.Context(), "E-1", caio.ID))
	require.NoError(t, w.Program.Payouts.MarkPaid(t.Context(), caio.ID))
	require.NoError(t, w.Program.Payouts.Cancel(t.Context(), "a wrong account", ana.ID))
}
