-- Achievements and whom they were awarded; promotion needs no table, since the
-- history of affiliates has it.

create table fature.achievements (
	id         uuid not null default gen_random_uuid() constraint achievements_pkey primary key,
	code       text not null constraint achievements_code_key unique,
	name       text not null,
	rule       jsonb not null,
	points     integer not null constraint achievements_points_check check (points >= 0),
	active     boolean not null default true,
	created_at timestamptz not null default clock_timestamp(),
	-- What happened before it became active counts too, so everybody is looked at once.
	active_at  timestamptz not null default clock_timestamp()
);
call fature.audit_table('achievements');

-- Awarded once, and kept whatever is refunded later.
create table fature.affiliate_achievements (
	id             uuid not null default gen_random_uuid() constraint affiliate_achievements_pkey primary key,
	achievement_id uuid not null constraint affiliate_achievements_achievement_id_fkey references fature.achievements,
	affiliate_id   uuid not null constraint affiliate_achievements_affiliate_id_fkey references fature.affiliates,
	points         integer not null constraint affiliate_achievements_points_check check (points >= 0),
	awarded_at     timestamptz not null default clock_timestamp(),
	constraint affiliate_achievements_once_key unique (affiliate_id, achievement_id)
);
create index idx_affiliate_achievements_achievement on fature.affiliate_achievements (achievement_id);
call fature.audit_table('affiliate_achievements');
call fature.append_only('affiliate_achievements');

-- How far everybody was looked at, in the order of rating.
create table fature.achievement_evaluations (
	at  timestamptz not null constraint achievement_evaluations_pkey primary key,
	seq bigint not null
);

---- create above / drop below ----

drop table fature.achievement_evaluations, fature.affiliate_achievements, fature.achievements;
