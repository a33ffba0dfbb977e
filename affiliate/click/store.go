package click

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/partition"
	"github.com/fature/fature/internal/pg"
)

// ErrNoMonth is returned by Record inside a host's transaction where the
// clicks' month has no table: outside one it is made.
var ErrNoMonth = fault.New(fault.Unavailable, "clicks of that month have no table yet: record them outside the transaction, which makes it")

func fail(op string, err error) error {
	return pg.Fail("click: "+op, err, pg.Constraints{"customer_owners_affiliate_id_fkey": affiliate.ErrNotFound})
}

// DefaultDuplicateWithin is how near to each other two clicks of one visitor
// are one, where Options does not say.
const DefaultDuplicateWithin = 30 * time.Second

// Options are how clicks are recorded and what they attribute.
type Options struct {
	Policy Policy
	// DuplicateWithin is how near two clicks of one visitor, code and sub-id are
	// to be the same click; exactly so far apart they are two. Defaults to 30
	// seconds, at most a day.
	DuplicateWithin time.Duration
	// Clock tells the time of what does not say its own. Defaults to time.Now.
	Clock func() time.Time
}

// Validate tells every problem of the options.
func (o Options) Validate() error {
	var c fault.Check
	c.Err("policy", o.Policy.Validate())
	c.That(o.DuplicateWithin >= 0 && o.DuplicateWithin <= 24*time.Hour, "duplicate_within", "is negative or longer than a day")
	return c.Done()
}

// Store is the clicks of a programme.
type Store struct {
	db     pg.DB
	months *partition.Months
	policy Policy
	near   time.Duration
	now    func() time.Time
}

// New makes the store of a programme's clicks. Options must be valid.
func New(db pg.DB, o Options) *Store {
	s := &Store{db: db, months: partition.Clicks(db), policy: o.Policy, near: cmp.Or(o.DuplicateWithin, DefaultDuplicateWithin), now: o.Clock}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// WithTx returns a store that works inside tx.
func (s *Store) WithTx(tx pgx.Tx) *Store {
	c := *s
	c.db = pg.Bind(s.db, tx)
	return &c
}

// As returns a store that shows only what a viewer may see.
func (s *Store) As(v affiliate.Viewer) *Store {
	c := *s
	c.db = pg.As(s.db, v)
	return &c
}

// Policy is what decides.
func (s *Store) Policy() Policy { return s.policy }

// Recorded is what became of a click.
type Recorded struct {
	ID          uuid.UUID // zero where the code leads to nobody: nothing was stored
	AffiliateID uuid.UUID
	Mark        Mark
}

// MaxBatch is the most clicks of one call.
const MaxBatch = 10_000

// Record stores clicks at once, all or none, in the same number of round trips
// as one. A retired code still finds its owner; a click whose code leads to
// nobody is left out, which is not an error. Of clicks that repeat each other,
// in one call or in many processes, the one written first counts, and of one
// call the earliest.
//
// Inside the host's transaction other writers wait, until it ends, with the
// clicks of the same visitors and of the sixty-fourth part of the others. Errors:
// InvalidError by place and field; ErrNoMonth in a host's transaction.
func (s *Store) Record(ctx context.Context, clicks ...Click) ([]Recorded, error) {
	if err := pg.MayWrite(s.db); err != nil {
		return nil, err
	}
	rows := make([]row, len(clicks))
	now := s.now()
	var c fault.Check
	c.That(len(clicks) <= MaxBatch, "clicks", "are %d, more than %d in one call", len(clicks), MaxBatch)
	for i := 0; i < len(clicks) && i < MaxBatch; i++ {
		one := clicks[i].normal(now)
		c.Err(fmt.Sprintf("clicks[%d]", i), one.check(now))
		rows[i] = newRow(one)
	}
	if err := c.Done(); err != nil {
		return nil, fail("record", err)
	}
	if err := s.write(ctx, rows); err != nil {
		return nil, fail("record", err)
	}
	results := make([]Recorded, len(rows))
	for i, r := range rows {
		if r.affiliateID != uuid.Nil {
			results[i] = Recorded{r.id, r.affiliateID, r.mark}
		}
	}
	return results, nil
}

// row is a click on its way.
type row struct {
	Click
	id          uuid.UUID
	agent       string
	bot         bool
	affiliateID uuid.UUID // zero: the code leads to nobody
	mark        Mark
}

func newRow(c Click) row {
	r := row{Click: c, id: pg.NewID()}
	r.Code = strings.ToLower(c.Code)
	r.agent, r.bot = agentOf(c.UserAgent)
	r.bot = r.bot || c.Prefetch
	return r
}

// key is what the clicks that repeat each other have in common.
func (r *row) key() [3]string { return [3]string{r.Visitor, r.Code, r.SubID} }

// may tells a click that could be a repetition.
func (r *row) may() bool { return !r.bot && r.Visitor != "" }

// write finds whose the clicks are, marks and stores them. It may be called
// again with the same rows where an earlier call's outcome is unknown: what is
// stored already stays as it is.
func (s *Store) write(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	if err := s.readyMonths(ctx, rows); err != nil {
		return err
	}
	err := s.writeOnce(ctx, rows)
	if errors.Is(err, pg.ErrOutcomeUnknown) {
		err = s.writeOnce(ctx, rows)
	}
	if isCode(err, "23514") { // a month that was there is not
		s.months.Forget()
	}
	return err
}

func (s *Store) writeOnce(ctx context.Context, rows []row) error {
	before := slices.Clone(rows)
	err := pg.InTx(ctx, s.db, func(tx pg.DB) error {
		if err := s.look(ctx, tx, rows); err != nil {
			return err
		}
		return copyRows(ctx, tx, rows)
	})
	if err != nil && !errors.Is(err, pg.ErrOutcomeUnknown) {
		copy(rows, before) // as an earlier call marked them, which may have stored them
	}
	if isCode(err, "23505") { // only by the ids, which are ours: it has
		return nil
	}
	return err
}

func isCode(err error, code string) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == code
}

func (s *Store) readyMonths(ctx context.Context, rows []row) error {
	var months []time.Time
	for i := range rows {
		if month := partition.Of(rows[i].At); !slices.Contains(months, month) {
			months = append(months, month)
		}
	}
	missing, err := s.months.Missing(ctx, s.db, months)
	if err != nil || len(missing) == 0 {
		return err
	}
	if pg.Inside(s.db) {
		return fmt.Errorf("%w (%s)", ErrNoMonth, missing[0].Format("2006-01"))
	}
	return s.months.Ensure(ctx, missing)
}

// look finds whose the clicks are and which are repetitions, in one round trip.
func (s *Store) look(ctx context.Context, tx pg.DB, rows []row) error {
	codes, asked := affiliate.Referrers{}, map[string]bool{}
	var names []string
	var d struct {
		visitors, codes, subIDs []string
		at                      []time.Time
		rows                    []int
	}
	parts := map[int64]bool{}
	var from, to time.Time
	for i := range rows {
		r := &rows[i]
		if !asked[r.Code] {
			asked[r.Code], names = true, append(names, r.Code)
		}
		if !r.may() {
			continue
		}
		d.visitors, d.codes, d.subIDs = append(d.visitors, r.Visitor), append(d.codes, r.Code), append(d.subIDs, r.SubID)
		d.at, d.rows = append(d.at, r.At), append(d.rows, i)
		parts[partOf(r.Visitor)] = true
		if from.IsZero() || r.At.Before(from) {
			from = r.At
		}
		if r.At.After(to) {
			to = r.At
		}
	}
	var near []int64
	var b pgx.Batch
	affiliate.QueueReferrers(&b, codes, names)
	if len(d.rows) > 0 {
		b.Queue(lockVisitors, sorted(parts))
		pg.QueueColumn(&b, &near, selectNear, d.visitors, d.codes, d.subIDs, d.at, s.near, from.Add(-s.near), to.Add(s.near))
	}
	if err := pg.Send(ctx, tx, &b); err != nil {
		return err
	}
	for i := range rows {
		r := &rows[i]
		r.affiliateID, r.mark = codes.By(r.Code), ""
		if r.bot {
			r.mark = Bot
		}
	}
	for _, n := range near {
		rows[d.rows[n-1]].mark = Duplicate
	}
	s.markWithin(rows, d.rows)
	return nil
}

// markWithin marks what repeats an earlier click of the same rows.
func (s *Store) markWithin(rows []row, may []int) {
	slices.SortStableFunc(may, func(a, b int) int { return rows[a].At.Compare(rows[b].At) })
	last := make(map[[3]string]time.Time, len(may))
	for _, i := range may {
		r := &rows[i]
		if r.mark != "" {
			continue
		}
		if kept, ok := last[r.key()]; ok && r.At.Sub(kept) < s.near {
			r.mark = Duplicate
			continue
		}
		last[r.key()] = r.At
	}
}

// visitorParts are into how many parts the locks divide the visitors.
const visitorParts = 64

// partOf is the same in every process.
func partOf(visitor string) int64 {
	sum := uint32(2166136261) // FNV-1a
	for i := range len(visitor) {
		sum = (sum ^ uint32(visitor[i])) * 16777619
	}
	return int64(sum % visitorParts)
}

func sorted(parts map[int64]bool) []int64 {
	list := make([]int64, 0, len(parts))
	for part := range parts {
		list = append(list, part)
	}
	slices.Sort(list)
	return list
}

var columns = []string{"id", "affiliate_id", "code", "visitor", "sub_id", "landing", "source", "country", "agent", "mark", "at"}

func copyRows(ctx context.Context, tx pg.DB, rows []row) error {
	next := 0
	_, err := tx.CopyFrom(ctx, pg.Table(tx, "clicks"), columns, pgx.CopyFromFunc(func() ([]any, error) {
		for next < len(rows) && rows[next].affiliateID == uuid.Nil {
			next++
		}
		if next == len(rows) {
			return nil, nil
		}
		r := &rows[next]
		next++
		return []any{
			pg.ID(r.id), pg.ID(r.affiliateID), r.Code, none(r.Visitor), r.SubID, none(r.Landing), none(r.Source), none(r.Country),
			r.agent, string(r.mark), r.At,
		}, nil
	}))
	return err
}

// none is the NULL of a text that is empty.
func none(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
