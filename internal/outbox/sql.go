package outbox

const (
	insert = `insert into fature.outbox (payload) values ($1)`

	take = `
		delete from fature.outbox
		where id = any(array(select id from fature.outbox limit $1 for update skip locked))
		returning payload`

	expire = `delete from fature.outbox where created_at < clock_timestamp() - $1::interval`
)
