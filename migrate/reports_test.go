package migrate_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/testenv"
)

// The seed joined transactions with commissions and summed both, so that each
// side is counted as often as the other has rows. Ours sums each side first.
//
//	ana                 sells 100 and 50 to one customer; earns 10 + 5, and 1 + 2 + 3 of bia's
//	├── bia             takes deposits of 10, 20 and 30 from two customers; earns 4, and 9 that are void
//	│   └── duda        has a fee of 7, which is no volume, and a sale of 5 that is pending
//	└── caio            nothing
func TestStatisticsAreNotMultiplied(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Clone(t))
	_, err := conn.Exec(t.Context(), `
		create function pg_temp.id(name text) returns uuid return md5(name)::uuid;

		insert into fature.users (id, email, email_canon, name)
		select pg_temp.id(n), n, n || '@example.com', n from unnest('{ana,bia,caio,duda}'::text[]) n;
		insert into fature.affiliates (id, user_id, parent_id, level, referral_code)
		select pg_temp.id(n), pg_temp.id(n), pg_temp.id(parent), level, n
		from (values ('ana', null, 0), ('bia', 'ana', 1), ('caio', 'ana', 1), ('duda', 'bia', 2)) v (n, parent, level);
		insert into fature.affiliate_hierarchy (ancestor_id, descendant_id, level_difference)
		select pg_temp.id(a), pg_temp.id(d), n
		from (values ('ana', 'ana', 0), ('bia', 'bia', 0), ('caio', 'caio', 0), ('duda', 'duda', 0),
			('ana', 'bia', 1), ('ana', 'caio', 1), ('bia', 'duda', 1), ('ana', 'duda', 2)) v (a, d, n);

		insert into fature.transactions (affiliate_id, customer_id, type, amount, volume, currency, status, created_at, rated_seq, seen_seq)
		select pg_temp.id(n), customer, type::fature.transaction_type, amount, volume, 'BRL',
			status::fature.transaction_status, now(), case status when 'processed' then row_number() over () end, case status when 'processed' then 0 end
		from (values
			('ana', 'c1', 'sale', 100, 100, 'processed'), ('ana', 'c1', 'sale', 50, 50, 'processed'),
			('bia', 'c2', 'deposit', 10, 10, 'processed'), ('bia', 'c2', 'deposit', 20, 20, 'processed'),
			('bia', 'c3', 'deposit', 30, 30, 'processed'),
			('duda', null, 'fee', 7, 0, 'processed'), ('duda', 'c4', 'sale', 5, 5, 'pending')
		) v (n, customer, type, amount, volume, status);

		insert into fature.commissions (transaction_id, transaction_at, affiliate_id, kind, rule, level, base_amount, rate,
			amount, final_amount, currency, status, available_at, calculation, created_at)
		select gen_random_uuid(), now(), pg_temp.id(n), 'earning', 'r', 0, 0, 0, amount, amount, 'BRL',
			status::fature.commission_status, now(), '{}', now()
		from (values ('ana', 10, 'pending'), ('ana', 5, 'pending'), ('ana', 1, 'approved'), ('ana', 2, 'paid'),
			('ana', 3, 'pending'), ('bia', 4, 'pending'), ('bia', 9, 'void')) v (n, amount, status)`)
	require.NoError(t, err)

	type sums struct {
		Name                string
		Customers           int64
		Volume, Commissions string
	}
	seeds := `
		select a.referral_code as name, count(distinct t.customer_id) as customers,
			coalesce(sum(t.amount), 0)::text as volume, coalesce(sum(c.amount), 0)::text as commissions
		from fature.affiliates a
		left join fature.transactions t on t.affiliate_id = a.id
		left join fature.commissions c on c.affiliate_id = a.id
		group by a.id order by 1`
	require.Equal(t, []sums{
		{"ana", 1, "750.00", "42.00"}, // 150 times 5 lines; 21 times 2 sales
		{"bia", 2, "120.00", "39.00"}, // 60 times 2 lines; 4 + 9 times 3 deposits
		{"caio", 0, "0", "0"},         // nothing to multiply
		{"duda", 1, "12.00", "0"},     // the fee and what is pending counted in
	}, rows[sums](t, conn, seeds))

	require.Zero(t, one[int](t, conn, `select count(*) from fature.affiliate_stats`), "as of the migration")
	_, err = conn.Exec(t.Context(), `select fature.refresh_affiliate_stats()`)
	require.NoError(t, err)
	require.Equal(t, []sums{
		{"ana", 1, "150.00", "21.00"},
		{"bia", 2, "60.00", "4.00"},
		{"caio", 0, "0.00", "0.00"},
		{"duda", 0, "0.00", "0.00"},
	}, rows[sums](t, conn, `
		select a.referral_code as name, s.unique_customers as customers,
			s.total_volume::text as volume, s.total_commissions::text as commissions
		from fature.affiliate_stats s join fature.affiliates a using (id) order by 1`))

	type team struct {
		Name                       string
		Transactions, Direct, Team int64
	}
	require.Equal(t, []team{{"ana", 2, 2, 3}, {"bia", 3, 1, 1}, {"caio", 0, 0, 0}, {"duda", 1, 0, 0}}, rows[team](t, conn, `
		select a.referral_code as name, s.transactions, s.direct_referrals as direct, s.team_size as team
		from fature.affiliate_stats s join fature.affiliates a using (id) order by 1`))
}

func rows[T any](t *testing.T, conn *pgx.Conn, sql string) []T {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	require.NoError(t, err)
	return all
}
