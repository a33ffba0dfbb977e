package migrate_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/affiliate/session"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
	"github.com/fature/fature/transaction"
)

// guarded is a schema with roles of its own: roles belong to the whole server,
// which other tests use too.
var guarded = migrate.Options{Schema: "guarded"}

// as is a pool of sessions that work as a role and are not superusers.
func as(t *testing.T, pool *pgxpool.Pool, role string) *pgxpool.Pool {
	t.Helper()
	_, err := pool.Exec(t.Context(), fmt.Sprintf(`
		do $$ begin create role %[1]s_login login in role %[1]s; exception when duplicate_object or unique_violation then null; end $$`, role))
	require.NoError(t, err)
	config := pool.Config()
	config.ConnConfig.User = role + "_login"
	limited, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(limited.Close)
	return limited
}

// roled is a migrated schema with its roles.
func roled(t *testing.T) (*pgxpool.Pool, migrate.Rights) {
	t.Helper()
	pool := testenv.Empty(t)
	conn := connect(t, pool)
	require.NoError(t, migrate.Up(t.Context(), conn, guarded))
	rights, err := migrate.Roles(t.Context(), conn, guarded)
	require.NoError(t, err)
	require.Empty(t, rights.Unmoved)
	again, err := migrate.Roles(t.Context(), conn, guarded)
	require.NoError(t, err)
	require.Empty(t, again.Created, "repeating it makes nothing")
	require.NoError(t, migrate.Up(t.Context(), conn, guarded), "and Up goes on")
	return pool, rights
}

// The application's role can do all that the library does, and none of what it
// must not.
func TestTheApplicationsRole(t *testing.T) {
	t.Parallel()
	pool, rights := roled(t)
	app := as(t, pool, rights.App)
	ctx := t.Context()
	p, err := fature.New(ctx, fature.Config{
		Pool: app, Schema: "guarded", Currency: "BRL", Promotion: board.Policy{Premium: decimal.NewFromInt(600)},
	})
	require.NoError(t, err)
	people, err := p.Affiliates.CreateAll(ctx, []affiliate.Draft{
		{Email: "ana@example.com", Name: "Ana", ReferralCode: "ANA"},
		{Email: "bia@example.com", Name: "Bia", ReferredBy: "ANA"},
		{Email: "caio@example.com", Name: "Caio"},
	})
	require.NoError(t, err)
	require.NoError(t, p.Hierarchy.Move(ctx, people[2].ID, people[1].ID))
	_, err = p.Affiliates.ChangeCode(ctx, people[0].ID, "ANA2")
	require.NoError(t, err)
	_, err = p.Affiliates.AddCoupon(ctx, people[0].ID, "SUMMER")
	require.NoError(t, err)
	_, err = p.Affiliates.RetireCoupon(ctx, people[0].ID, "SUMMER")
	require.NoError(t, err)
	visitor := click.NewVisitor()
	_, err = p.Clicks.Record(ctx, click.Click{Code: "ANA", Visitor: visitor, UserAgent: "Firefox", At: time.Now().AddDate(-2, 0, 0)})
	require.NoError(t, err, "in a month that is made for it")
	_, err = p.Clicks.Attribute(ctx, click.Touch{CustomerID: "d", Code: "SUMMER", Visitor: visitor})
	require.NoError(t, err)
	_, err = p.Clicks.Figures(ctx, people[0].ID, time.Now().AddDate(-3, 0, 0), time.Now())
	require.NoError(t, err)
	_, err = p.Affiliates.Update(ctx, people[0].ID, affiliate.Change{Category: affiliate.VIP})
	require.NoError(t, err)
	plan, err := p.Plans.Publish(ctx, commission.Document{
		Name: "p", Currency: "BRL", Rules: []commission.Rule{{
			ID: "sale", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: "10"},
		}},
	})
	require.NoError(t, err)
	require.NoError(t, p.Plans.Assign(ctx, commission.Default(plan.ID).Since(time.Now().AddDate(-2, 0, 0))))
	var batch []transaction.Event
	for i := range 60 { // by COPY, in a month that is made for it
		batch = append(batch, transaction.Event{
			AffiliateID: people[2].ID, CustomerID: "c", Type: transaction.Sale, Amount: decimal.NewFromInt(10), Pending: i == 59,
			At: time.Now().AddDate(-1, 0, 0), SourceTable: "orders", OriginalID: fmt.Sprint(i),
		})
	}
	for _, events := range [][]transaction.Event{batch, batch[:1]} {
		_, err = p.Record(ctx, events...)
		require.NoError(t, err)
	}
	n, err := p.Process(ctx, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = p.Fold(ctx)
	require.NoError(t, err)
	run, err := p.Payouts.Run(ctx, commission.PayoutRun{})
	require.NoError(t, err)
	require.Equal(t, 1, run.Payouts)
	payouts, err := p.Payouts.List(ctx, commission.PayoutFilter{})
	require.NoError(t, err)
	require.NoError(t, p.Payouts.Approve(ctx, payouts.Items[0].ID))
	require.NoError(t, p.Payouts.MarkSent(ctx, "E-1", payouts.Items[0].ID))
	require.NoError(t, p.Payouts.MarkPaid(ctx, payouts.Items[0].ID))
	bia, err := p.Viewer(ctx, people[1].UserID)
	require.NoError(t, err)
	seen, err := p.As(bia).Users.List(ctx, affiliate.UserFilter{})
	require.NoError(t, err)
	require.Len(t, seen.Items, 2, "of a viewer, by functions of its own")
	_, err = p.As(bia).Affiliates.Get(ctx, people[2].ID)
	require.NoError(t, err)
	_, err = app.Exec(ctx, "select guarded.refresh_affiliate_stats()")
	require.NoError(t, err)
	stats, err := p.Statistics.Get(ctx, people[2].ID)
	require.NoError(t, err)
	require.EqualValues(t, 60, stats.Transactions)
	for _, sql := range []string{
		"update guarded.affiliate_rollups set customers = 7", "update guarded.affiliates set lifetime_volume = 7",
		"insert into guarded.affiliate_customers select id, 'nobody', '2020-01-01' from guarded.affiliates",
	} {
		_, err = pool.Exec(ctx, sql)
		require.NoError(t, err)
	}
	repaired, err := p.RebuildStats(ctx)
	require.NoError(t, err)
	require.Positive(t, repaired.Count)
	games(t, p, people[2])
	logins(t, p, pool, people[0])
	_, err = p.Reports.TopProducts(ctx, time.Now().AddDate(-1, 0, 0), time.Now(), 10)
	require.NoError(t, err)
	require.NoError(t, p.Settings.Set(ctx, "x", 1))
	require.NoError(t, p.Settings.Set(ctx, "x", 2))
	require.NoError(t, p.Settings.Delete(ctx, "x"))
	require.NoError(t, p.EnsureMonths(ctx, time.Now().AddDate(-3, 0, 0), time.Now().AddDate(-3, 0, 0)))
	report, err := p.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, report.Findings)

	refuses(t, app,
		"create table guarded.mine ()",
		"alter table guarded.transactions disable trigger all",
		"drop table guarded.commissions",
		"set session_replication_role = replica",
		"update guarded.commissions set final_amount = 0",
		"update guarded.transactions set amount = 0",
		"delete from guarded.transactions",
		"delete from guarded.commissions",
		"delete from guarded.transaction_keys",
		"update guarded.payouts set amount = 0",
		"delete from guarded.payouts",
		"update guarded.clicks set mark = ''",
		"delete from guarded.clicks",
		"truncate guarded.clicks",
		"delete from guarded.users",
		"truncate guarded.transactions",
		"truncate guarded.affiliate_deltas",
		"delete from guarded.affiliate_rollups",
		"insert into guarded.fold (as_of) values (now())",
		"update guarded.settings set name = 'y'",
		"insert into guarded.data_audit (table_name, record_id, operation) values ('x', 'x', 'INSERT')",
		"update guarded.data_audit set changed_by = 'nobody'",
		"delete from guarded.audit_personal",
		"select salt from guarded.audit_personal",
		"update guarded.audit_policy set mode = 'off'",
		"update guarded.affiliate_history set status = 'active'",
		"set role guarded_owner",
	)
}

// games ranks, awards and promotes an affiliate of 60 sales of 10 a year ago.
func games(t *testing.T, p *fature.Program, of affiliate.Affiliate) {
	t.Helper()
	ctx := t.Context()
	at, err := p.Boards.Rank(ctx, board.Board{Metric: board.Volume, Period: board.All}, of.ID)
	require.NoError(t, err)
	require.EqualValues(t, 60_000, at.Score)
	for range 2 { // made, and changed
		_, err = p.Achievements.Define(ctx,
			board.Draft{Code: "first", Name: "First", Rule: board.Rule{Kind: board.FirstSale}, Points: 10},
			board.Draft{Code: "days", Name: "Days", Rule: board.Rule{Kind: board.Streak, Every: board.Day, Count: 1}, Points: 10})
		require.NoError(t, err)
	}
	awards, err := p.Achievements.Evaluate(ctx)
	require.NoError(t, err)
	require.Len(t, awards, 2)
	awards, err = p.Achievements.Evaluate(ctx)
	require.NoError(t, err)
	require.Empty(t, awards)
	promoted, err := p.Promotions.Promote(ctx)
	require.NoError(t, err)
	require.Len(t, promoted, 1)
	require.Equal(t, of.ID, promoted[0].AffiliateID)
}

// logins has an affiliate's user log in and out.
func logins(t *testing.T, p *fature.Program, owner *pgxpool.Pool, who affiliate.Affiliate) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, p.Sessions.SetPassword(ctx, who.UserID, "correct-horse"))
	attempt := session.Attempt{Email: "ana@example.com", Password: "wrong", Address: netip.MustParseAddr("198.51.100.1")}
	_, _, err := p.Sessions.Login(ctx, attempt)
	require.ErrorIs(t, err, session.ErrBadLogin)
	attempt.Password = "correct-horse"
	made, token, err := p.Sessions.Login(ctx, attempt)
	require.NoError(t, err)
	_, err = p.Sessions.Get(ctx, token)
	require.NoError(t, err)
	require.NoError(t, p.Sessions.Revoke(ctx, who.UserID, made.ID))
	_, err = p.Sessions.Get(ctx, token)
	require.ErrorIs(t, err, session.ErrNotFound)
	_, token, err = p.Sessions.Login(ctx, attempt)
	require.NoError(t, err)
	_, err = owner.Exec(ctx, "update guarded.sessions set expires_at = now() - interval '1 hour', created_at = now() - interval '2 days'")
	require.NoError(t, err)
	pruned, err := p.Sessions.Prune(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 1, pruned)
	_, err = p.Sessions.Get(ctx, token)
	require.ErrorIs(t, err, session.ErrNotFound)
	require.NoError(t, p.Sessions.RevokeAll(ctx, who.UserID))
}

func TestTheReportsRole(t *testing.T) {
	t.Parallel()
	pool, rights := roled(t)
	reader := as(t, pool, rights.ReadOnly)
	for _, sql := range []string{
		"select id, email from guarded.users", "table guarded.commissions", "table guarded.payouts", "table guarded.affiliate_stats", "table guarded.system_performance",
	} {
		_, err := reader.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	refuses(t, reader,
		"select password_hash from guarded.users",
		"table guarded.users",
		"table guarded.audit_personal",
		"insert into guarded.leases values ('x', 'x', 1, now())",
		"update guarded.affiliates set status = 'active'",
		"select guarded.ensure_partition('transactions', now())",
		"select nextval('guarded.rated_seq')",
	)
}

// refuses runs statements that the role has no right to.
func refuses(t *testing.T, pool *pgxpool.Pool, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		_, err := pool.Exec(t.Context(), sql)
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused, sql)
		require.Contains(t, []string{"42501", "42P01", "42703"}, refused.Code, "%s: %v", sql, err)
		if refused.Code != "42501" {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// earnOnce has a plan, and a sale that pays by it.
func earnOnce(t *testing.T, p *fature.Program) {
	t.Helper()
	plan, err := p.Plans.Publish(t.Context(), commission.Document{
		Name: "p", Currency: "BRL", Rules: []commission.Rule{{
			ID: "sale", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: "10"},
		}},
	})
	require.NoError(t, err)
	err = p.Plans.Assign(t.Context(), commission.Default(plan.ID).Since(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.True(t, err == nil || errors.Is(err, commission.ErrAssigned), err)
	n := time.Now().UnixNano()
	a, err := p.Affiliates.Create(t.Context(), affiliate.Draft{Name: "A", Email: fmt.Sprintf("a%d@example.com", n)})
	require.NoError(t, err)
	got, err := p.Record(t.Context(), transaction.Event{AffiliateID: a.ID, Type: transaction.Sale, Amount: decimal.NewFromInt(10)})
	require.NoError(t, err)
	require.Len(t, got[0].Lines, 1)
}
