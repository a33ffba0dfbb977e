// Package fature is an affiliate programme inside a Go application, on the
// application's own PostgreSQL: affiliates in a tree without a limit of
// levels, the events that earn them commissions, and the plans that say how
// much.
//
// Every write can join a transaction that the host already has: an order and
// its commissions are committed together or not at all. No daemon is needed.
// Money is exact: decimals and NUMERIC throughout, every line explained, and
// nothing that was posted is ever rewritten.
//
//	program, err := fature.New(ctx, fature.Config{Pool: pool})
//	ana, err := program.Affiliates.Create(ctx, affiliate.Draft{Email: "ana@example.com", Name: "Ana"})
//	results, err := program.Record(ctx, transaction.Event{
//		AffiliateID: ana.ID, Type: transaction.Sale, Amount: order.Total,
//		SourceTable: "orders", OriginalID: order.ID,
//	})
package fature

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/affiliate/session"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/internal/partition"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/migrate"
	"github.com/fature/fature/transaction"
)

// Config says what a programme works with. Only Pool is needed.
type Config struct {
	// Pool is the host's own; fature never closes it.
	Pool *pgxpool.Pool
	// Schema holds the programme's tables. Defaults to "fature".
	Schema string
	// Currency fixes the programme's, by ISO 4217. Defaults to that of its
	// first plan.
	Currency string
	// SelfReferral is what becomes of an event whose customer is the affiliate
	// itself. Defaults to BlockSelfReferral.
	SelfReferral SelfReferral
	// Attribution says whose a customer's event is where clicks and coupons lead
	// to one affiliate and the customer is another's. Defaults to the last click
	// of 30 days.
	Attribution click.Policy
	// MaxDepth is the deepest level of the tree. Defaults to 255.
	MaxDepth int
	// Zone is where the days, weeks and months of reports, rankings, streaks and promotions
	// begin. Defaults to UTC.
	Zone *time.Location
	// Promotion is from which volume on an affiliate is of a higher category.
	// Defaults to never.
	Promotion board.Policy
	// Redis is the host's own client: what programmes keep there begins with the
	// schema's name and a colon. It must heed the time of contexts, by
	// ContextTimeoutEnabled, unless TrustRedis says that it may be slow.
	// Without a Redis reads are kept in the process for Cache.Near.
	//
	// Every process of a programme that writes must be given the same Redis: one
	// without cannot tell the others what has changed.
	Redis      redis.UniversalClient
	TrustRedis bool
	// RedisOptions, instead, are of a Redis to which the programme connects by
	// itself, with a small client for each of six databases; Close ends them. A
	// cluster has one database for all.
	RedisOptions *redis.UniversalOptions
	// Cache is how values are kept in the process, and waited for.
	Cache cache.Options
	// Sessions say how users are let in.
	Sessions session.Options
	// Logger is told of background work and of retries. Defaults to silence.
	Logger *slog.Logger
	// Clock tells the time of events that do not say theirs. Defaults to
	// time.Now.
	Clock func() time.Time
}

// Validate tells every problem of the configuration at once.
func (c Config) Validate() error {
	var check fault.Check
	check.That(c.Pool != nil, "Pool", "is nil")
	if c.Schema != "" {
		check.Err("Schema", pg.CheckSchema(c.Schema))
	}
	if c.Currency != "" {
		check.Err("Currency", checkCurrency(c.Currency))
	}
	check.That(c.SelfReferral.valid(), "SelfReferral", "%.40q is not block, hold or allow", string(c.SelfReferral))
	check.Err("Attribution", c.Attribution.Validate())
	check.That(c.MaxDepth >= 0, "MaxDepth", "is negative")
	check.Err("Promotion", c.Promotion.Validate())
	check.That(c.Redis == nil || c.RedisOptions == nil, "RedisOptions", "is set, and so is Redis: choose one")
	check.Err("Sessions", c.Sessions.Validate())
	return check.Done()
}

// checkCurrency refuses currencies whose decimals the columns do not hold.
func checkCurrency(code string) error {
	digits, err := money.Digits(code)
	if err == nil && digits > 2 {
		err = fmt.Errorf("%s has %d decimals, and the tables hold 2", code, digits)
	}
	return err
}

// Program is one affiliate programme. It is safe for concurrent use.
type Program struct {
	Users        *affiliate.Users
	Sessions     *session.Store
	Affiliates   *affiliate.Store
	Customers    *affiliate.Customers
	Statistics   *affiliate.Statistics
	Clicks       *click.Store
	Hierarchy    *hierarchy.Store
	Transactions *transaction.Store
	Plans        *commission.Plans
	Commissions  *commission.Store
	Statements   *commission.Statements
	Payouts      *commission.Payouts
	Reports      *Reports
	Audit        *Audit
	Settings     *Settings
	Boards       *board.Boards
	Achievements *board.Achievements
	Promotions   *board.Promotions

	db     pg.DB // the pool, or the host's transaction
	home   pg.DB // the pool, for nobody in particular
	pool   *pgxpool.Pool
	caches *caches
	months *partition.Months
	log    *slog.Logger
	now    func() time.Time
	self   SelfReferral
	owned  *pgxpool.Pool // what Close closes
	copied bool          // by WithTx or As
	lot    int           // affiliates that a transaction of a close settles
}

// New makes a programme over the host's pool. The database must have been
// migrated: ErrNotMigrated. It makes the partitions of this month and the next
// three.
func New(ctx context.Context, c Config) (*Program, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("fature: %w", err)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if err := checkMigrated(ctx, c); err != nil {
		return nil, fmt.Errorf("fature: %w", err)
	}
	caches, err := openCaches(c)
	if err != nil {
		return nil, fmt.Errorf("fature: %w", err)
	}
	db := pg.Watched(pg.In(c.Pool, c.Schema), caches.watch())
	p := &Program{
		db: db, home: db, pool: c.Pool, caches: caches, log: c.Logger, now: c.Clock, self: cmp.Or(c.SelfReferral, BlockSelfReferral),
		months: partition.New(db), lot: lotSize,
	}
	p.Hierarchy = hierarchy.New(db, hierarchy.Options{MaxDepth: c.MaxDepth})
	p.Users, p.Customers = affiliate.NewUsers(db), affiliate.NewCustomers(db)
	if p.Sessions, err = session.New(p.Users, db, caches.redis, c.Sessions); err != nil {
		caches.close()
		return nil, fmt.Errorf("fature: %w", err)
	}
	p.Affiliates = affiliate.New(db, p.Hierarchy)
	p.Clicks = click.New(db, click.Options{Policy: c.Attribution, Clock: c.Clock})
	p.Transactions = transaction.New(db)
	p.Plans, p.Commissions, p.Statements = commission.NewPlans(db, c.Currency), commission.New(db, caches.space(cache.Commissions)), commission.NewStatements(db)
	p.Payouts, p.Audit = commission.NewPayouts(db, c.Clock), &Audit{db}
	p.keep(cmp.Or(c.Zone, time.UTC), caches.space)
	game := board.Options{Zone: c.Zone, Clock: c.Clock, Redis: caches.redis}
	p.Boards, p.Achievements = board.New(db, game), board.NewAchievements(db, game)
	p.Promotions = board.NewPromotions(p.Affiliates, c.Promotion, game)
	caches.serve(p)
	if err := p.months.Ahead(ctx, p.now(), monthsAhead); err != nil {
		p.caches.close()
		return nil, pg.Fail("fature: make the months ahead", err, nil)
	}
	return p, nil
}

// keep makes the stores whose reads are kept, each in a space of its own.
func (p *Program) keep(zone *time.Location, space func(cache.Namespace) *cache.Space) {
	p.Statistics = affiliate.NewStatistics(p.db, space(cache.AffiliateStats))
	p.Reports = newReports(p.db, zone, p.now, space(cache.Reports))
	p.Settings = newSettings(p.db, space(cache.General))
}

func checkMigrated(ctx context.Context, c Config) error {
	conn, err := c.Pool.Acquire(ctx)
	if err != nil {
		return pg.Fail("connect", err, nil)
	}
	defer conn.Release()
	state, err := migrate.Status(ctx, conn.Conn(), migrate.Options{Schema: c.Schema})
	if err != nil {
		return err
	}
	if state.Version < state.Latest {
		return fmt.Errorf("%w (it is at version %d, not %d)", ErrNotMigrated, state.Version, state.Latest)
	}
	return nil
}

// Open connects to a database of the program's own, migrates it, and makes the
// programme; Close ends the connections. A host that has a pool, or roles of
// its own for migrations, calls migrate.Up and New.
func Open(ctx context.Context, url string, c Config) (*Program, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("fature: open: %w", err)
	}
	c.Pool = pool
	p, err := open(ctx, c)
	if err != nil {
		pool.Close()
		return nil, err
	}
	p.owned = pool
	return p, nil
}

func open(ctx context.Context, c Config) (*Program, error) {
	conn, err := c.Pool.Acquire(ctx)
	if err != nil {
		return nil, pg.Fail("fature: open", err, nil)
	}
	err = migrate.Up(ctx, conn.Conn(), migrate.Options{Schema: c.Schema, Logger: c.Logger})
	conn.Release()
	if err != nil {
		return nil, fmt.Errorf("fature: open: %w", err)
	}
	return New(ctx, c)
}

// Close ends what New and Open began: connections of RedisOptions, refreshes
// under way, and the pool that Open made. The host's own stay open.
// What WithTx and As made ends nothing.
func (p *Program) Close() {
	if p.copied {
		return
	}
	p.caches.close()
	if p.owned != nil {
		p.owned.Close()
	}
}

// WithTx returns the programme inside the host's transaction: what it does is
// committed or rolled back with it, and a call that fails leaves the
// transaction as it was. It takes no other connection.
func (p *Program) WithTx(tx pgx.Tx) *Program {
	c := *p
	c.db, c.owned, c.copied = pg.Bind(p.db, tx), nil, true
	c.Sessions = p.Sessions.WithTx(tx)
	c.Users, c.Affiliates, c.Customers = p.Users.WithTx(tx), p.Affiliates.WithTx(tx), p.Customers.WithTx(tx)
	c.Statistics = p.Statistics.WithTx(tx)
	c.Clicks = p.Clicks.WithTx(tx)
	c.Hierarchy, c.Transactions = p.Hierarchy.WithTx(tx), p.Transactions.WithTx(tx)
	c.Plans, c.Commissions, c.Statements = p.Plans.WithTx(tx), p.Commissions.WithTx(tx), p.Statements.WithTx(tx)
	c.Payouts, c.Reports, c.Settings, c.Audit = p.Payouts.WithTx(tx), p.Reports.WithTx(tx), p.Settings.WithTx(tx), p.Audit.WithTx(tx)
	c.Boards, c.Achievements, c.Promotions = p.Boards.WithTx(tx), p.Achievements.WithTx(tx), p.Promotions.WithTx(tx)
	return &c
}

// As returns the programme for a viewer, in every store: an affiliate sees itself
// and its downline, a manager reads all, an admin writes all. What is hidden is
// ErrNotFound, or not in the list, as if it were not there. ErrForbidden is only
// for what the role never does, and comes before anything is read: a write by
// another than an admin; and by an affiliate what is for those who read all, such
// as plans, previews and Verify. What an affiliate is paid is its own alone to
// see.
//
// The programme itself is the trusted host, from whom nothing is hidden. As says
// who asks and does not ask who says so; a second As takes the place of the
// first. The audit names the actor of the context, whoever is bound.
func (p *Program) As(v affiliate.Viewer) *Program {
	c := *p
	c.db, c.owned, c.copied = pg.As(p.db, v), nil, true
	c.Users, c.Affiliates, c.Customers = p.Users.As(v), p.Affiliates.As(v), p.Customers.As(v)
	c.Hierarchy, c.Transactions = p.Hierarchy.As(v), p.Transactions.As(v)
	c.Plans, c.Commissions, c.Statements = p.Plans.As(v), p.Commissions.As(v), p.Statements.As(v)
	c.Payouts, c.Statistics, c.Reports, c.Settings = p.Payouts.As(v), p.Statistics.As(v), p.Reports.As(v), p.Settings.As(v)
	c.Boards, c.Achievements, c.Promotions, c.Clicks = p.Boards.As(v), p.Achievements.As(v), p.Promotions.As(v), p.Clicks.As(v)
	c.Audit = p.Audit.As(v)
	return &c
}

// Viewer is a user as As takes it, as it is now: by one query, so that one who
// is suspended is out at once. Errors: affiliate.ErrUserNotFound,
// affiliate.ErrUserInactive.
func (p *Program) Viewer(ctx context.Context, userID uuid.UUID) (affiliate.Viewer, error) {
	return p.Users.Viewer(ctx, userID)
}

// Actor is who the audit names for a change, and the request it came by.
type Actor = pg.Actor

// WithActor puts the actor of what is done with the context into it. It is
// what the application says of itself, not authentication.
func WithActor(ctx context.Context, a Actor) context.Context { return pg.WithActor(ctx, a) }

// instant is now as it is stored: in UTC, to the microsecond.
func (p *Program) instant() time.Time { return p.now().UTC().Truncate(time.Microsecond) }
