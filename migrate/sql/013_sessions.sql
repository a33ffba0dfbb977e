-- Who is logged in, where there is no Redis; and what ends a user's sessions
-- wherever they are kept.

-- A session holds the epoch that its user had at login, and is good for as long
-- as it is the same. It stands beside the password, so that whatever changes
-- that ends the sessions with it, in the same transaction.
alter table fature.users add column session_epoch bigint not null default 0;
update fature.audit_policy set ignored = ignored || '{session_epoch}' where table_name = 'users';

-- The same password hashed anew (rehash names its user) ends none.
create function fature.end_sessions() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if (new.password_hash is distinct from old.password_hash and new.id::text is distinct from fature.context('rehash'))
		or (old.status = 'active' and new.status <> 'active') then
		new.session_epoch := old.session_epoch + 1;
	end if;
	return new;
end $$;
create trigger fature_end_sessions before update of password_hash, status on fature.users
	for each row execute function fature.end_sessions();

-- Not audited: a session is no business, and its row says who was where.
create table fature.sessions (
	token_hash bytea not null constraint sessions_pkey primary key
	           constraint sessions_token_hash_check check (octet_length(token_hash) = 32),
	id         uuid not null default gen_random_uuid() constraint sessions_id_key unique,
	user_id    uuid not null constraint sessions_user_id_fkey references fature.users,
	epoch      bigint not null,
	address    inet,
	user_agent text not null constraint sessions_user_agent_check check (octet_length(user_agent) <= 256),
	created_at timestamptz not null,
	expires_at timestamptz not null,
	seen_at    timestamptz not null,
	constraint sessions_expires_check check (expires_at > created_at)
);
create index idx_sessions_user on fature.sessions (user_id, created_at);
create index idx_sessions_expires on fature.sessions (expires_at);

---- create above / drop below ----

drop table fature.sessions;
drop trigger fature_end_sessions on fature.users;
drop function fature.end_sessions;
update fature.audit_policy set ignored = array_remove(ignored, 'session_epoch') where table_name = 'users';
alter table fature.users drop column session_epoch;
