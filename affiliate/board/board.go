package board

import (
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/period"
	"github.com/fature/fature/internal/pg"
)

// Metric is what a board ranks by.
type Metric string

// The metrics; the package's comment says what each counts.
const (
	Volume      Metric = "volume"
	Commissions Metric = "commissions"
	Customers   Metric = "customers"
	Recruits    Metric = "recruits"
)

// Valid tells whether m is one of the metrics.
func (m Metric) Valid() bool {
	switch m {
	case Volume, Commissions, Customers, Recruits:
		return true
	}
	return false
}

// Amount is what a score stands for: an amount of the programme's currency, of
// which a score counts the hundredths, or a number.
func (m Metric) Amount(score int64) decimal.Decimal {
	if m == Volume || m == Commissions {
		return decimal.New(score, -2)
	}
	return decimal.NewFromInt(score)
}

// Period is over what time a board ranks.
type Period string

// The periods. A week begins on Monday.
const (
	Day   Period = "day"
	Week  Period = "week"
	Month Period = "month"
	All   Period = "all"
)

// Valid tells whether p is one of the periods.
func (p Period) Valid() bool {
	switch p {
	case Day, Week, Month, All:
		return true
	}
	return false
}

// Bounds are the half-open period in UTC that a moment lies in, by the dates of
// a zone: a day may have 23 or 25 hours, and begin later than midnight. Both
// are zero for All.
func (p Period) Bounds(at time.Time, zone *time.Location) (from, to time.Time) {
	if p == All {
		return time.Time{}, time.Time{}
	}
	return period.At(period.Unit(p), at, zone)
}

// Board is one ranking.
type Board struct {
	Metric Metric
	Period Period
	At     time.Time // any moment of the period; zero is now. Of no meaning for All.
}

// Options of Boards; the zero value is right for a programme in UTC without
// Redis.
type Options struct {
	// Zone is where days, weeks and months begin. Defaults to UTC.
	Zone *time.Location
	// Redis keeps the boards for all processes. nil: each keeps its own.
	Redis *cache.Redis
	// Clock tells which period is the present one. Defaults to time.Now.
	Clock func() time.Time
}

func (o Options) zone() *time.Location {
	if o.Zone == nil {
		return time.UTC
	}
	return o.Zone
}

func (o Options) clock() func() time.Time {
	if o.Clock == nil {
		return time.Now
	}
	return o.Clock
}

// Boards are the rankings of a programme. They are safe for concurrent use.
type Boards struct {
	db    pg.DB
	redis *cache.Redis // nil: none
	near  *near        // nil in the host's transaction
	zone  *time.Location
	now   func() time.Time
	times times
}

// times are how long things last; tests shorten them.
type times struct {
	life  time.Duration // of a board
	lease time.Duration // in which whoever builds a board has to be done
	wait  time.Duration // for another process that builds it
	poll  time.Duration // how often is asked meanwhile
}

// New makes the boards of a programme.
func New(db pg.DB, o Options) *Boards {
	return &Boards{
		db: db, redis: o.Redis, near: newNear(), zone: o.zone(), now: o.clock(),
		times: times{life: cache.Rankings.TTL, lease: 30 * time.Second, wait: time.Second, poll: 20 * time.Millisecond},
	}
}

// WithTx returns boards that are read from the host's transaction, past Redis
// and what the process keeps: each call builds the board anew.
func (s *Boards) WithTx(tx pgx.Tx) *Boards {
	c := *s
	c.db, c.redis, c.near = pg.Bind(s.db, tx), nil, nil
	return &c
}

// As returns the boards for a viewer: a board is for all to see.
func (s *Boards) As(affiliate.Viewer) *Boards {
	c := *s
	return &c
}

// bounded is a board with its period.
type bounded struct {
	metric   Metric
	from, to time.Time // zero for all time
	name     string    // metric:period:start
}

func (s *Boards) bounds(b Board) (bounded, error) {
	var c fault.Check
	c.That(b.Metric.Valid(), "metric", "%.40q is not volume, commissions, customers or recruits", string(b.Metric))
	c.That(b.Period.Valid(), "period", "%.40q is not day, week, month or all", string(b.Period))
	at, now := b.At, s.now()
	if at.IsZero() {
		at = now
	}
	c.That(at.Year() >= 2000 && !at.After(now.Add(24*time.Hour)), "at", "is before the year 2000 or more than 24 hours ahead")
	if err := c.Done(); err != nil {
		return bounded{}, err
	}
	from, to := b.Period.Bounds(at, s.zone)
	// The start as an instant, so that a board of another zone is another.
	start := "all"
	if b.Period != All {
		start = from.Format("20060102T150405Z")
	}
	return bounded{b.Metric, from, to, strings.Join([]string{string(b.Metric), string(b.Period), start}, ":")}, nil
}

func (b bounded) String() string { return fmt.Sprintf("the board %s", b.name) }
