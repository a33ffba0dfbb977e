package outbox

const (
	insert = `insert into fature.outbox (payload) values ($1)`

	take = `
		delete from fature.outbox
		where id = any(array(select id from fature.outbox limit $1 for update skip locked))
		returning payload`

	// The order of the ids is nearly that of the times.
	state = `
		select count(*), coalesce(clock_timestamp() - min(created_at), '0')
		from (select created_at from fature.outbox order by id limit $1) o`

	expire = `delete from fature.outbox where created_at < clock_timestamp() - $1::interval`
)
