package session

// The SQL of sessions, in the order of the methods of inPostgres.
const (
	columns = "id, user_id, epoch, address, user_agent, created_at, expires_at, seen_at"

	// What has run out of the user's goes on the way, and the oldest that are too
	// many; another login of the same user at once may take them instead.
	insertSession = `
		with old as (
			delete from fature.sessions where token_hash in (
				select token_hash from fature.sessions
				where user_id = $3 and (expires_at <= clock_timestamp() or id in (
					select id from fature.sessions where user_id = $3 order by created_at desc, id offset $9))
				for update skip locked))
		insert into fature.sessions (token_hash, id, user_id, epoch, address, user_agent, created_at, expires_at, seen_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $7)`

	selectSession = `select ` + columns + ` from fature.sessions where token_hash = $1 and expires_at > clock_timestamp()`

	touchSession = `update fature.sessions set seen_at = $2 where token_hash = $1 and seen_at < $2`

	listSessions = `select ` + columns + ` from fature.sessions where user_id = $1 and expires_at > clock_timestamp()`

	deleteSession = `delete from fature.sessions where token_hash = $1`

	revokeSession = `delete from fature.sessions where user_id = $1 and id = $2 and expires_at > clock_timestamp()`

	pruneSessions = `
		delete from fature.sessions where token_hash in (
			select token_hash from fature.sessions where expires_at <= clock_timestamp()
			order by expires_at limit $1 for update skip locked)`
)
