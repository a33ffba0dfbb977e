-- The rights of each role, anew: what an earlier version gave and this one does
-- not is taken back. Access through a partitioned table asks for rights on that
-- table only, so months that are made later need none, and none are given.

revoke all on all tables in schema fature from fature_app, fature_readonly;
revoke all on all sequences in schema fature from fature_app, fature_readonly;
revoke all on all routines in schema fature from fature_app, fature_readonly;
revoke all on schema fature from fature_app, fature_readonly;
grant usage on schema fature to fature_app, fature_readonly;

-- The application: inserts, changes only the columns that may change, deletes
-- only what is an index, a queue or a setting. A lock of rows needs a column that
-- may be updated, so outbox has one.
grant select on
	fature.schema_version, fature.audit_policy, fature.data_audit, fature.users, fature.affiliates,
	fature.referral_codes, fature.customers, fature.customer_owners, fature.affiliate_hierarchy,
	fature.affiliate_history, fature.transactions, fature.transaction_keys, fature.commission_plans,
	fature.plan_assignments, fature.commissions, fature.rule_counters, fature.closings, fature.statements, fature.payouts,
	fature.statement_carries, fature.affiliate_deltas, fature.affiliate_rollups, fature.affiliate_customers,
	fature.team_deltas, fature.team_sizes, fature.fold, fature.settings, fature.leases, fature.outbox, fature.sessions, fature.clicks,
	fature.achievements, fature.affiliate_achievements, fature.achievement_evaluations,
	fature.partitions, fature.affiliate_stats, fature.system_performance to fature_app;
grant insert on
	fature.users, fature.affiliates, fature.referral_codes, fature.customers, fature.customer_owners,
	fature.affiliate_hierarchy, fature.transactions, fature.transaction_keys, fature.commission_plans,
	fature.plan_assignments, fature.commissions, fature.rule_counters, fature.closings, fature.statements, fature.payouts,
	fature.statement_carries, fature.affiliate_deltas, fature.affiliate_rollups, fature.affiliate_customers, fature.team_sizes,
	fature.settings, fature.leases, fature.outbox, fature.sessions, fature.clicks,
	fature.achievements, fature.affiliate_achievements, fature.achievement_evaluations to fature_app;
grant delete on fature.affiliate_hierarchy, fature.affiliate_deltas, fature.team_deltas, fature.affiliate_customers, fature.settings,
	fature.outbox, fature.sessions, fature.achievement_evaluations to fature_app;
-- Verify looks for the hashes; what they stand for is for the owner.
grant select (table_name, record_id, hash, recorded_at) on fature.audit_personal to fature_app, fature_readonly;
grant update (email, email_canon, name, status, role, password_hash, session_epoch, updated_at)
	on fature.users to fature_app;
grant update (parent_id, referral_code, category, status, level, lifetime_volume, lifetime_commissions, updated_at)
	on fature.affiliates to fature_app;
grant update (code, retired_at) on fature.referral_codes to fature_app;
grant update (attributed_at) on fature.customers to fature_app;
grant update (status, plan_id, skipped, rated_at, rated_seq, seen_seq) on fature.transactions to fature_app;
grant update (status, available_at, payout_id, note) on fature.commissions to fature_app;
grant update (status, external_id, reason, approved_at, sent_at, paid_at, ended_at) on fature.payouts to fature_app;
grant update (count, first_at, total, posted) on fature.rule_counters to fature_app;
grant update (done_to, closed_at) on fature.closings to fature_app;
grant update (transactions, customers, volume, commissions) on fature.affiliate_rollups to fature_app;
grant update (month) on fature.affiliate_customers to fature_app;
grant update (direct_referrals, team_size) on fature.team_sizes to fature_app;
grant update (as_of) on fature.fold to fature_app;
grant update (value, updated_at) on fature.settings to fature_app;
grant update (payload) on fature.outbox to fature_app;
grant update (holder, term, expires_at) on fature.leases to fature_app;
grant update (seen_at) on fature.sessions to fature_app;
grant update (name, points, active, active_at) on fature.achievements to fature_app;
grant usage on sequence fature.rated_seq, fature.outbox_seq to fature_app;
grant execute on function fature.ensure_partition, fature.refresh_affiliate_stats, fature.scalar, fature.seen, fature.seen_users to fature_app;

-- Reports: everything but secrets.
grant select (id, email, email_canon, name, status, role, original_id, migrated_from, created_at, updated_at)
	on fature.users to fature_readonly;
grant select (id, user_id, address, user_agent, created_at, expires_at, seen_at) on fature.sessions to fature_readonly;
grant select on
	fature.schema_version, fature.audit_policy, fature.data_audit, fature.affiliates, fature.referral_codes,
	fature.customers, fature.customer_owners, fature.affiliate_hierarchy, fature.affiliate_history,
	fature.transactions, fature.transaction_keys, fature.commission_plans, fature.plan_assignments,
	fature.commissions, fature.rule_counters, fature.closings, fature.statements, fature.payouts, fature.statement_carries,
	fature.affiliate_deltas, fature.affiliate_rollups, fature.affiliate_customers, fature.team_deltas, fature.team_sizes, fature.fold,
	fature.settings, fature.leases, fature.outbox, fature.clicks, fature.achievements, fature.affiliate_achievements, fature.achievement_evaluations,
	fature.partitions, fature.affiliate_stats, fature.system_performance to fature_readonly;
