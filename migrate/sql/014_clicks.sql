-- Clicks on the links of affiliates, by the UTC month in which they happened.
-- They come in batches by COPY, are never changed, and are not audited. Neither
-- an address nor a user agent is kept: a visitor is known by its cookie alone.

create table fature.clicks (
	id           uuid not null default gen_random_uuid(),
	affiliate_id uuid not null, -- of one that is there: affiliates are never deleted
	code         text collate "C" not null, -- in small letters
	visitor      text collate "C", -- null where it showed no cookie
	sub_id       text collate "C" not null default '',
	landing      text,
	source       text,
	country      text,
	agent        text not null default 'other'
	             constraint clicks_agent_check check (agent in ('desktop', 'mobile', 'tablet', 'bot', 'other')),
	mark         text not null default '' constraint clicks_mark_check check (mark in ('', 'bot', 'duplicate')),
	at           timestamptz not null constraint clicks_at_check check (isfinite(at)),
	-- What is copied twice, since the first COMMIT got no answer, is refused.
	constraint clicks_pkey primary key (id, at)
) partition by range (at);
-- Which click counts for a visitor, and whether one is a repetition.
create index idx_clicks_visitor on fature.clicks (visitor, at) where mark = '' and visitor is not null;
-- The figures of a code.
create index idx_clicks_code on fature.clicks (code, at);

select fature.ensure_partition('clicks', now());

---- create above / drop below ----

drop table fature.clicks;
