package affiliate

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/partition"
	"github.com/fature/fature/internal/pg"
)

// Figures are what affiliates brought and earned: transactions that are
// processed or reversed, their distinct customers, their volume, and lines that
// are not void, all in the programme's currency.
type Figures struct {
	Transactions     int64           `db:"transactions"`
	UniqueCustomers  int64           `db:"unique_customers"`
	TotalVolume      decimal.Decimal `db:"total_volume"`
	TotalCommissions decimal.Decimal `db:"total_commissions"`
}

// Stats are an affiliate's own figures, and the size of its team. They are
// exact as of a moment: Run folds every thirty seconds what was recorded, and
// who joined or moved.
type Stats struct {
	AffiliateID uuid.UUID `db:"affiliate_id"`
	Figures
	DirectReferrals int64     `db:"direct_referrals"` // level 1 of its downline
	TeamSize        int64     `db:"team_size"`        // its whole downline, without itself
	AsOf            time.Time `db:"as_of"`            // what was committed before is in the figures
}

// Month is an affiliate's own figures of a UTC month: of when the transactions
// happened. A customer counts in the month of its first transaction with the
// affiliate, so that the months add up to Stats.
type Month struct {
	Month time.Time `db:"month"` // its first instant, in UTC
	Figures
}

// TeamFigures are the figures of so many affiliates together. A customer counts
// once, also where it was of several of them.
type TeamFigures struct {
	Members int64 `db:"members"`
	Figures
}

// TeamStats are the figures of an affiliate with those below it.
type TeamStats struct {
	AffiliateID uuid.UUID
	Own         TeamFigures // the affiliate alone
	Direct      TeamFigures // level 1 of its downline
	Downline    TeamFigures // all of it, without the affiliate
	Team        TeamFigures // the affiliate and its downline
	AsOf        time.Time   // what was committed before is in the figures
}

// Statistics are what the affiliates of a programme brought and earned. They
// are read from months that the fold keeps, and cost by these, not by the
// transactions; and what was read is kept for half an hour, under keys such as
// affiliate:stats:{id} and affiliate:stats:team:{id}. A fold ends what is kept
// of an affiliate itself when it changes that.
type Statistics struct {
	db   pg.DB
	own  *cache.View[uuid.UUID, Stats]
	team *cache.View[uuid.UUID, TeamStats]
}

// NewStatistics makes the statistics of a programme's affiliates, which are kept
// in space.
func NewStatistics(db pg.DB, space *cache.Space) *Statistics {
	s := &Statistics{db: db}
	s.own = cache.RefreshAhead(space, cache.Config[uuid.UUID, Stats]{Load: s.load, Absent: ErrNotFound}, refreshedAt)
	s.team = cache.RefreshAhead(space, cache.Config[uuid.UUID, TeamStats]{Name: "team", Load: s.loadTeam, Absent: ErrNotFound}, refreshedAt)
	return s
}

// refreshedAt is the part of their life after which statistics that are read are
// loaded again.
const refreshedAt = 0.8

// WithTx returns statistics that are read inside tx, past the cache.
func (s *Statistics) WithTx(tx pgx.Tx) *Statistics {
	return NewStatistics(pg.Bind(s.db, tx), cache.Off(cache.AffiliateStats))
}

// As returns statistics that show only what a viewer may see. They are kept
// for all alike; whether it may see them is asked each time.
func (s *Statistics) As(v Viewer) *Statistics {
	c := *s
	c.db = pg.As(s.db, v)
	return &c
}

// see asks whether an affiliate may be seen; it answers as if it were not there.
// Itself everybody may.
func (s *Statistics) see(ctx context.Context, id uuid.UUID) error {
	if !pg.Narrow(s.db) || id == pg.Viewer(s.db).AffiliateID {
		return nil
	}
	_, err := pg.One[struct {
		ID uuid.UUID `db:"id"`
	}](ctx, s.db, selectSeen, id)
	return missing(err, ErrNotFound)
}

// Get reads an affiliate's statistics, or ErrNotFound; Stats.AsOf says of when
// they are. Loading them costs by the affiliate's months.
func (s *Statistics) Get(ctx context.Context, id uuid.UUID) (Stats, error) {
	value, err := s.Read(ctx, id)
	return value.V, err
}

// Read is Get that also tells whether the statistics were at hand.
func (s *Statistics) Read(ctx context.Context, id uuid.UUID) (value cache.Value[Stats], err error) {
	if err = s.see(ctx, id); err == nil {
		value, err = s.own.Read(ctx, id)
	}
	return value, fail("statistics", err)
}

func (s *Statistics) load(ctx context.Context, id uuid.UUID) (Stats, error) {
	stats, err := pg.One[Stats](ctx, pg.Unbound(s.db), selectStats, id)
	stats.AsOf = stats.AsOf.UTC()
	return stats, missing(err, ErrNotFound)
}

// StatisticsChanged is the topic of affiliates whose own figures, or the size of
// whose team, a fold has changed.
const StatisticsChanged = "statistics"

// Forget makes the next Get of affiliates read anew. The programme does it by
// itself after each fold. What is kept of teams stays: those cost by all their
// customers, and a fold touches nearly every team near the root.
func (s *Statistics) Forget(ctx context.Context, ids ...uuid.UUID) error {
	if err := pg.MayWrite(s.db); err != nil {
		return fail("forget statistics", err)
	}
	return fail("forget statistics", s.own.Delete(ctx, ids...))
}

// Months reads an affiliate's months from the one that from lies in up to the
// one that to lies in, both included, the first first; a zero from or to is no
// bound. A month without anything is left out. Errors: InvalidError of to. Of
// an affiliate that is not there it is empty.
func (s *Statistics) Months(ctx context.Context, id uuid.UUID, from, to time.Time) ([]Month, error) {
	if !to.IsZero() && to.Before(from) {
		return nil, fail("months", fault.Field("to", "is before from"))
	}
	switch err := s.see(ctx, id); {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fail("months", err)
	}
	months, err := pg.All[Month](ctx, pg.Unbound(s.db), selectMonths, id, bound(from), bound(to))
	return months, fail("months", err)
}

// bound is the UTC month of a time; of zero there is none.
func bound(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	month := partition.Of(t)
	return &month
}

// Team reads the statistics of an affiliate and its downline as the tree is
// when they are loaded, or ErrNotFound. That costs by the months and customers of
// all of them.
func (s *Statistics) Team(ctx context.Context, id uuid.UUID) (team TeamStats, err error) {
	err = s.see(ctx, id)
	if err == nil {
		team, err = s.team.Get(ctx, id)
	}
	return team, fail("team statistics", err)
}

// teamPart is the figures of the levels of a team from one up to another.
type teamPart struct {
	TeamFigures
	Part string    `db:"part"`
	AsOf time.Time `db:"as_of"`
}

func (s *Statistics) loadTeam(ctx context.Context, id uuid.UUID) (TeamStats, error) {
	parts, err := pg.All[teamPart](ctx, pg.Unbound(s.db), selectTeam, id)
	if err == nil && len(parts) == 0 {
		err = ErrNotFound
	}
	team := TeamStats{AffiliateID: id}
	for _, p := range parts {
		team.AsOf = p.AsOf.UTC()
		switch p.Part {
		case "own":
			team.Own = p.TeamFigures
		case "direct":
			team.Direct = p.TeamFigures
		case "downline":
			team.Downline = p.TeamFigures
		case "team":
			team.Team = p.TeamFigures
		}
	}
	return team, err
}
