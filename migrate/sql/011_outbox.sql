-- What is to be told outside the database once a transaction is committed, such
-- as what caches hold too long. The order of the ids is not that of commits.

create sequence fature.outbox_seq;
create table fature.outbox (
	id         bigint not null default nextval('fature.outbox_seq') constraint outbox_pkey primary key,
	payload    jsonb not null,
	txid       xid8 not null default pg_current_xact_id(),
	created_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0.05);

---- create above / drop below ----

drop table fature.outbox;
drop sequence fature.outbox_seq;
