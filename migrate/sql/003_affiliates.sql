-- People: users, the affiliates among them, their codes, their customers.

create type fature.user_status as enum ('pending', 'active', 'suspended', 'closed');
create type fature.user_role as enum ('affiliate', 'manager', 'admin');
create type fature.affiliate_category as enum ('standard', 'premium', 'vip');

create table fature.users (
	id            uuid not null default gen_random_uuid() constraint users_pkey primary key,
	email         text not null,
	email_canon   text not null constraint users_email_canon_key unique,
	name          text not null,
	status        fature.user_status not null default 'active',
	role          fature.user_role not null default 'affiliate',
	password_hash text,
	original_id   text,
	migrated_from text,
	created_at    timestamptz not null default now(),
	updated_at    timestamptz not null default now(),
	constraint users_origin_key unique (migrated_from, original_id)
);
call fature.audit_table('users');

create table fature.affiliates (
	id                   uuid not null default gen_random_uuid() constraint affiliates_pkey primary key,
	user_id              uuid not null constraint affiliates_user_id_key unique
	                     constraint affiliates_user_id_fkey references fature.users,
	parent_id            uuid constraint affiliates_parent_id_fkey references fature.affiliates,
	referral_code        varchar(20) not null,
	category             fature.affiliate_category not null default 'standard',
	status               fature.user_status not null default 'active',
	level                integer not null default 0 constraint affiliates_level_check check (level >= 0),
	lifetime_volume      numeric(20,2) not null default 0,
	lifetime_commissions numeric(20,2) not null default 0,
	created_at           timestamptz not null default now(),
	updated_at           timestamptz not null default now(),
	constraint affiliates_parent_id_check check (parent_id <> id),
	constraint affiliates_lifetime_check check ('NaN' not in (lifetime_volume, lifetime_commissions))
) with (fillfactor = 85);
create index idx_affiliates_performance on fature.affiliates (status, category, level) where status = 'active';
-- Of those whom rating must ask about; the others are as most are.
create index idx_affiliates_standing on fature.affiliates (id) include (status, category)
	where status <> 'active' or category <> 'standard';
create index idx_affiliates_parent on fature.affiliates (parent_id);
call fature.audit_table('affiliates');
create trigger fature_keep before delete on fature.affiliates
	for each row execute function fature.refuse('an affiliate is closed, never deleted: its lines remain');

create table fature.referral_codes (
	id           uuid not null default gen_random_uuid() constraint referral_codes_pkey primary key,
	code         varchar(20) not null,
	affiliate_id uuid not null constraint referral_codes_affiliate_id_fkey references fature.affiliates,
	kind         text not null default 'link' constraint referral_codes_kind_check check (kind in ('link', 'coupon')),
	created_at   timestamptz not null default now(),
	retired_at   timestamptz
);
create unique index referral_codes_code_key on fature.referral_codes (lower(code collate "C"));
create index idx_referral_codes_affiliate on fature.referral_codes (affiliate_id);
call fature.audit_table('referral_codes');

create table fature.customers (
	id            text not null constraint customers_pkey primary key,
	attributed_at timestamptz not null,
	created_at    timestamptz not null default now()
);
call fature.audit_table('customers');

-- The owner of a customer is the last row whose from_at is not after the time
-- asked for; a row without an affiliate ends an ownership. So two owners at
-- once cannot be written down.
-- The order in which events were rated; drawn after the locks of rating.
create sequence fature.rated_seq;

create table fature.customer_owners (
	id           uuid not null default gen_random_uuid() constraint customer_owners_pkey primary key,
	customer_id  text not null constraint customer_owners_customer_id_fkey references fature.customers,
	affiliate_id uuid constraint customer_owners_affiliate_id_fkey references fature.affiliates,
	code         varchar(20),
	sub_id       text, -- of the click that brought the customer
	from_at      timestamptz not null,
	created_at   timestamptz not null default now(),
	-- Its place in the order of rating: what was rated before did not know it.
	seq          bigint not null default nextval('fature.rated_seq'),
	constraint customer_owners_from_key unique (customer_id, from_at)
);
create index idx_customer_owners_affiliate on fature.customer_owners (affiliate_id);
call fature.audit_table('customer_owners');
call fature.append_only('customer_owners');

---- create above / drop below ----

drop table fature.customer_owners;
drop sequence fature.rated_seq;
drop table fature.customers, fature.referral_codes, fature.affiliates, fature.users;
drop type fature.affiliate_category, fature.user_role, fature.user_status;
