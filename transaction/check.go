package transaction

import (
	"strings"

	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/verify"
)

// Checks are the invariants of transactions and their keys.
func Checks() []verify.Check {
	return []verify.Check{
		{Name: "T1", Meaning: "amounts are finite and not negative", SQL: `
			select id from fature.transactions where amount = 'NaN' or amount < 0 or volume = 'NaN'`},
		{Name: "T2", Meaning: "a keyed transaction has its key, and a key its transaction", SQL: `
			select t.id from fature.transactions t
			left join fature.transaction_keys k on (k.source_table, k.original_id) = (t.source_table, t.original_id)
			where t.original_id is not null and (k.transaction_id, k.created_at) is distinct from (t.id, t.created_at)
			union all
			select k.transaction_id from fature.transaction_keys k
			left join fature.transactions t on (t.id, t.created_at) = (k.transaction_id, k.created_at)
			where (t.source_table, t.original_id) is distinct from (k.source_table, k.original_id)`},
		{Name: "T3", Meaning: "a transaction is there once, in one month", SQL: `
			select id from fature.transactions group by id having count(*) > 1`},
		{Name: "T4", Meaning: "a transaction is not taken back beyond its amount, nor before it happened", SQL: `
			select r.id from fature.transactions r
			left join fature.transactions t on (t.id, t.created_at) = (r.reverses_id, r.reverses_at)
			where r.reverses_id is not null and (t.id is null or t.reverses_id is not null
				or t.customer_id is distinct from r.customer_id or t.affiliate_id <> r.affiliate_id or t.currency <> r.currency or r.created_at < t.created_at)
			union all
			select t.id from fature.transactions t
			join fature.transactions r on (r.reverses_id, r.reverses_at) = (t.id, t.created_at)
			where r.status = 'processed' group by t.id, t.amount, t.status
			having sum(r.amount) > t.amount or (sum(r.amount) = t.amount) <> (t.status = 'reversed')`},
		{Name: "T5", Meaning: "a customer's event falls under an owner", SQL: `
			select t.id from fature.transactions t
			where t.customer_id is not null and not exists (
				select from fature.customer_owners o where o.customer_id = t.customer_id and o.from_at <= t.created_at)`},
		{Name: "T6", Meaning: "no two transactions share a place in the order of rating", SQL: `
			select min(id::text) from fature.transactions where rated_seq is not null
			group by rated_seq having count(*) > 1`},
		{Name: "T7", Meaning: "an event adds to the volume what its type says", SQL: `
			select r.id from fature.transactions r
			left join fature.transactions t on (t.id, t.created_at) = (r.reverses_id, r.reverses_at)
			where r.volume <> case when coalesce(t.type, r.type)::text not in (` + volumeTypes() + `) then 0
				when t.id is null then r.amount else -r.amount end`},
	}
}

// volumeTypes are the types whose amount is volume, as a list in SQL.
func volumeTypes() string {
	var list []string
	for _, t := range Types() {
		if t.Volume(decimal.NewFromInt(1)).IsPositive() {
			list = append(list, "'"+string(t)+"'")
		}
	}
	return strings.Join(list, ", ")
}
