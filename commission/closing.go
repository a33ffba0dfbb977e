package commission

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// What follows is the half of closing that fature.Program.ClosePeriod composes.

// Due is a period of a plan.
type Due struct {
	Plan string
	Interval
	Versions []*Plan // that pay by such periods and were ever in force, the earliest first
}

// Closing is a period of a plan that is closed, or being closed: affiliates up
// to DoneTo are.
type Closing struct {
	ID        uuid.UUID  `db:"id"`
	Plan      string     `db:"plan"`
	Period    Period     `db:"period"`
	Name      string     `db:"name"`
	From      time.Time  `db:"period_start"`
	To        time.Time  `db:"period_end"`
	LateSeq   int64      `db:"late_seq"`
	Seq       int64      `db:"seq"`
	Late      bool       `db:"late"`
	DoneTo    uuid.UUID  `db:"done_to"`
	StartedAt time.Time  `db:"started_at"`
	ClosedAt  *time.Time `db:"closed_at"`
}

// The refusals of a close.
var (
	// ErrPeriodNotOver is returned for a period that has not ended.
	ErrPeriodNotOver = fault.New(fault.Conflict, "the period is not over")
	// ErrPeriodOpen is returned for a period before which another has to be
	// closed: the InvalidError beside it names that one.
	ErrPeriodOpen = fault.New(fault.Conflict, "an earlier period is not closed")
	// ErrPeriodPassed is returned for a period that was never closed, when a
	// later one is: its transactions count there as late.
	ErrPeriodPassed = fault.New(fault.Conflict, "a later period is closed")
	// ErrPeriodClosed is returned for the preview of a period that is closed or
	// being closed: its statements say what it came to.
	ErrPeriodClosed = fault.New(fault.Conflict, "the period is closed")
)

// inForce is a version with when it was first assigned to anybody.
type inForce struct {
	ID   uuid.UUID `db:"plan_id"`
	From time.Time `db:"from_at"`
}

// Due finds the plans that pay by a period, by the name of that: each in the
// zone of its last version that came into force before the end.
func (s *Plans) Due(ctx context.Context, name string) ([]Due, error) {
	like, err := ParseInterval(name, time.UTC)
	if err != nil {
		return nil, err
	}
	rows, err := pg.All[inForce](ctx, s.db, selectInForce)
	if err != nil {
		return nil, fail("due", err)
	}
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	plans, err := s.GetAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	var due []Due
	for _, r := range rows {
		if p := plans[r.ID]; slices.Contains(p.Periods(), like.Period) {
			due = put(due, p, name, r.From)
		}
	}
	return due, nil
}

// put adds a version to its plan, which the last one in force gives its zone.
func put(due []Due, p *Plan, name string, from time.Time) []Due {
	at := slices.IndexFunc(due, func(d Due) bool { return d.Plan == p.Name })
	iv, err := ParseInterval(name, p.zone)
	if err != nil || !from.Before(iv.To) {
		return due
	}
	if at < 0 {
		due, at = append(due, Due{Plan: p.Name}), len(due)
	}
	due[at].Interval, due[at].Versions = iv, append(due[at].Versions, p)
	return due
}

// versionIDs are those of the versions.
func (d *Due) versionIDs() []uuid.UUID {
	ids := make([]uuid.UUID, len(d.Versions))
	for i, p := range d.Versions {
		ids[i] = p.ID
	}
	return ids
}

func (d *Due) zone() *time.Location { return d.Versions[len(d.Versions)-1].zone }

// FindClosing finds the close of a period; nil where it has not begun. It also
// gives the last one of the same kind, or nil.
func FindClosing(ctx context.Context, db pg.DB, d Due) (found, last *Closing, err error) {
	var own, latest []Closing
	var b pgx.Batch
	pg.Queue(&b, &own, selectClosing, d.Plan, string(d.Period), d.Name)
	pg.Queue(&b, &latest, selectLastClosing, d.Plan, string(d.Period))
	if err := pg.Send(ctx, db, &b); err != nil {
		return nil, nil, err
	}
	if len(own) > 0 {
		found = &own[0]
	}
	if len(latest) > 0 {
		last = &latest[0]
	}
	return found, last, nil
}

// Follow makes the close of a period that follows on the last one. It begins
// where that ends, and counts what was rated before seq.
func (d *Due) Follow(last *Closing, seq int64, now time.Time) (Closing, error) {
	c := Closing{
		ID: pg.NewID(), Plan: d.Plan, Period: d.Period, Name: d.Name, From: d.From, To: d.To, Seq: seq, StartedAt: now,
	}
	if last == nil {
		return c, nil
	}
	zone := d.zone()
	before, err := ParseInterval(last.Name, zone)
	if err != nil {
		return c, err
	}
	switch next := before.next(zone); {
	case last.ClosedAt == nil:
		return c, errors.Join(ErrPeriodOpen, fault.Field("period", "%s of plan %s is being closed: finish that first", last.Name, d.Plan))
	case d.To.Before(next.To):
		return c, errors.Join(ErrPeriodPassed, fault.Field("period", "%s of plan %s was not closed, and %s is", d.Name, d.Plan, last.Name))
	case next.Name != d.Name:
		return c, errors.Join(ErrPeriodOpen, fault.Field("period", "%s of plan %s is not closed", next.Name, d.Plan))
	}
	c.From, c.LateSeq = last.To, last.Seq
	return c, nil
}

// Look tells whether transactions are late for the period, and refuses a first
// close that others have to precede.
func (d *Due) Look(ctx context.Context, db pg.DB, c *Closing, first bool) error {
	earliest, err := pg.Column[time.Time](ctx, db, selectEarliest, d.versionIDs(), c.From, c.LateSeq, c.Seq)
	if err != nil {
		return err
	}
	c.Late = len(earliest) > 0
	if c.Late && first {
		open := IntervalAt(d.Period, earliest[0], d.zone())
		return errors.Join(ErrPeriodOpen, fault.Field("period", "%s of plan %s is not closed", open.Name, d.Plan))
	}
	return nil
}

// InsertClosing begins a close, unless another process has: the one that is
// stored is returned.
func InsertClosing(ctx context.Context, db pg.DB, c Closing) (Closing, error) {
	made, err := pg.One[Closing](ctx, db, insertClosing, c.ID, c.Plan, string(c.Period), c.Name, c.From, c.To, c.LateSeq, c.Seq, c.Late, c.StartedAt)
	if errors.Is(err, pgx.ErrNoRows) { // another began it a moment ago
		made, err = pg.One[Closing](ctx, db, selectClosing, c.Plan, string(c.Period), c.Name)
	}
	return made, err
}

// LockClosing locks a close until the transaction ends, and reads how far it is.
func LockClosing(ctx context.Context, tx pg.DB, id uuid.UUID) (Closing, error) {
	return pg.One[Closing](ctx, tx, lockClosing, id)
}

// Sums are what the statements of a close come to.
type Sums struct {
	Statements int             `db:"statements"`
	Lines      int             `db:"lines"`   // that they pay, overrides included
	Payable    decimal.Decimal `db:"payable"` // before caps
	Final      decimal.Decimal `db:"final"`   // of the lines
}

// Add adds an account.
func (s *Sums) Add(a *Settled) {
	s.Statements++
	s.Lines += len(a.Lines)
	s.Payable = s.Payable.Add(a.Payable)
	for _, l := range a.Lines {
		s.Final = s.Final.Add(l.FinalAmount)
	}
}

// SumClosing adds up what is stored of a close.
func SumClosing(ctx context.Context, db pg.DB, c Closing) (Sums, error) {
	return pg.One[Sums](ctx, db, sumClosing, c.ID, c.To)
}

// FinishClosing marks a close as done.
func FinishClosing(ctx context.Context, tx pg.DB, id uuid.UUID, now time.Time) error {
	_, err := tx.Exec(ctx, finishClosing, id, now)
	return err
}
