package commission

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

// Plans are the published plans of a programme, and who has which.
type Plans struct {
	db       pg.DB
	currency *atomic.Pointer[string] // of the programme, once it is fixed for ever
	known    *sync.Map               // uuid.UUID to *Plan: a published version never changes
	asking   *atomic.Bool
}

// NewPlans makes the store of a programme's plans. currency fixes the
// programme's; empty leaves it to the first plan.
func NewPlans(db pg.DB, currency string) *Plans {
	s := &Plans{db: db, currency: new(atomic.Pointer[string]), known: new(sync.Map), asking: new(atomic.Bool)}
	if currency != "" {
		s.currency.Store(&currency)
	}
	return s
}

// WithTx returns a store that works inside tx.
func (s *Plans) WithTx(tx pgx.Tx) *Plans { return s.On(pg.Bind(s.db, tx)) }

// As returns a store for a viewer. Plans are for those who read all: an
// affiliate learns only the currency.
func (s *Plans) As(v affiliate.Viewer) *Plans { return s.On(pg.As(s.db, v)) }

// On is WithTx for a transaction of fature's own.
func (s *Plans) On(db pg.DB) *Plans {
	c := *s
	c.db = db
	return &c
}

// planRow is a published version as it is stored.
type planRow struct {
	ID          uuid.UUID `db:"id"`
	Name        string    `db:"name"`
	Version     int       `db:"version"`
	Document    []byte    `db:"document"`
	PublishedAt time.Time `db:"published_at"`
}

func (r planRow) plan() (*Plan, error) {
	doc, err := Parse(r.Document)
	if err != nil {
		return nil, err
	}
	return NewPlan(r.ID, r.Version, doc)
}

// Publish stores a document as the next version under its name; a published
// version never changes. A document that equals the newest version is not
// stored again: that version is returned. Errors: InvalidError by path, all of
// them at once; a currency other than the programme's, or one whose decimals
// the columns do not hold, is one of "currency".
func (s *Plans) Publish(ctx context.Context, doc Document) (*Plan, error) {
	plan, err := NewPlan(pg.NewID(), 1, doc)
	if err != nil {
		return nil, fail("publish", err)
	}
	if plan.digits > 2 {
		return nil, fail("publish", fault.Field("currency", "%s has %d decimals, and the tables hold 2", doc.Currency, plan.digits))
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fail("publish", err)
	}
	err = pg.InTx(ctx, s.db, func(tx pg.DB) error {
		plan, err = s.publish(ctx, tx, doc, text)
		return err
	})
	return plan, fail("publish", err)
}

func (s *Plans) publish(ctx context.Context, tx pg.DB, doc Document, text []byte) (*Plan, error) {
	// One at a time: versions have no gaps, and the first fixes the currency.
	if _, err := tx.Exec(ctx, lockPlans, pg.Schema(tx)); err != nil {
		return nil, err
	}
	currency, err := s.On(tx).Currency(ctx)
	if err != nil {
		return nil, err
	}
	if currency != "" && currency != doc.Currency {
		return nil, fault.Field("currency", "is %s, but the programme's is %s", doc.Currency, currency)
	}
	newest, err := pg.One[planRow](ctx, tx, selectNewestPlan, doc.Name, text)
	if err == nil {
		return newest.plan()
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	stored, err := pg.One[planRow](ctx, tx, insertPlan, pg.NewID(), doc.Name, doc.Currency, text)
	if err != nil {
		return nil, err
	}
	return stored.plan()
}

// Currency is the programme's: the host's choice, else its first plan's; empty
// while neither is there. It is read until it is fixed, and then once.
func (s *Plans) Currency(ctx context.Context) (string, error) {
	if known := s.currency.Load(); known != nil {
		return *known, nil
	}
	found, err := pg.Column[string](ctx, s.db, selectCurrency)
	if err != nil || len(found) == 0 {
		return "", fail("currency", err)
	}
	if !pg.Inside(s.db) { // there the first plan may still be rolled back
		s.currency.Store(&found[0])
	}
	return found[0], nil
}

// Get finds a published version by its id, or ErrPlanNotFound. A version that
// was read once is not read again.
func (s *Plans) Get(ctx context.Context, id uuid.UUID) (*Plan, error) {
	plans, err := s.GetAll(ctx, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	plan, ok := plans[id]
	if !ok {
		return nil, fail("get plan", ErrPlanNotFound)
	}
	return plan, nil
}

// GetAll finds published versions by their ids; unknown ones are left out. It
// costs a round trip only for versions that this process has not read yet.
func (s *Plans) GetAll(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*Plan, error) {
	if err := pg.MayReadAll(s.db); err != nil {
		return nil, fail("get plans", err)
	}
	plans := make(map[uuid.UUID]*Plan, len(ids))
	var unread []uuid.UUID
	for _, id := range ids {
		if plan, ok := s.known.Load(id); ok {
			plans[id] = plan.(*Plan)
		} else if !slices.Contains(unread, id) {
			unread = append(unread, id)
		}
	}
	if len(unread) == 0 {
		return plans, nil
	}
	rows, err := pg.All[planRow](ctx, s.db, selectPlans, unread)
	if err != nil {
		return nil, fail("get plans", err)
	}
	for _, r := range rows {
		if plans[r.ID], err = r.plan(); err != nil {
			return nil, fail("get plans", err)
		}
		// Inside a transaction the version may still be rolled back, and its
		// id is then never seen again.
		s.known.Store(r.ID, plans[r.ID])
		if plans[r.ID].asks {
			s.asking.Store(true)
		}
	}
	return plans, nil
}

// AskAttribution tells whether some plan that this process has read asks since
// when customers have had an owner.
func (s *Plans) AskAttribution() bool { return s.asking.Load() }

// PlanFilter narrows a list of plans; its zero value does not.
type PlanFilter struct {
	Name  string
	After string // the Next of the page before
	Limit int    // defaults to 50, at most 1,000
}

// List reads a page of published versions, the newest first.
func (s *Plans) List(ctx context.Context, f PlanFilter) (page.Page[*Plan], error) {
	if f.Name != "" {
		if err := checkText(f.Name, maxName); err != nil {
			return page.Page[*Plan]{}, fail("list plans", fault.In("name", err))
		}
	}
	id := func(p *Plan) uuid.UUID { return p.ID }
	list, err := page.Read(f.After, f.Limit, id, func(from uuid.UUID, n int) ([]*Plan, error) {
		rows, err := pg.All[planRow](ctx, s.db, listPlans, from, n, f.Name)
		plans := make([]*Plan, len(rows))
		for i := 0; i < len(rows) && err == nil; i++ {
			plans[i], err = rows[i].plan()
		}
		return plans, err
	})
	return list, fail("list plans", err)
}

// Scope is whom an assignment is for.
type Scope string

// The scopes, the weakest first.
const (
	ScopeDefault   Scope = "default"
	ScopeCategory  Scope = "category"
	ScopeAffiliate Scope = "affiliate"
)

// Assignment says which plan applies to whom from when. An affiliate's own
// comes before its category's, and that before the default; within each the
// last one that began at or before the event's time counts.
type Assignment struct {
	Scope  Scope     `db:"scope"`
	For    string    `db:"scope_id"` // empty, the category, or the affiliate's id
	PlanID uuid.UUID `db:"plan_id"`
	From   time.Time `db:"from_at"` // zero is now
}

// Default assigns a plan to everybody who has no other.
func Default(planID uuid.UUID) Assignment { return Assignment{Scope: ScopeDefault, PlanID: planID} }

// ForCategory assigns a plan to the affiliates of a category.
func ForCategory(c affiliate.Category, planID uuid.UUID) Assignment {
	return Assignment{Scope: ScopeCategory, For: string(c), PlanID: planID}
}

// ForAffiliate assigns a plan to one affiliate.
func ForAffiliate(id, planID uuid.UUID) Assignment {
	return Assignment{Scope: ScopeAffiliate, For: id.String(), PlanID: planID}
}

// Since is the assignment from another time than now on. The past is not rated
// again: events that are recorded later look their time up here.
func (a Assignment) Since(from time.Time) Assignment {
	a.From = from
	return a
}

// Assign puts an assignment into force. Errors: InvalidError by field,
// ErrPlanNotFound, ErrAssigned.
func (s *Plans) Assign(ctx context.Context, a Assignment) error {
	if a.From.IsZero() {
		a.From = time.Now()
	}
	a.From = a.From.UTC().Truncate(time.Microsecond)
	if err := a.check(); err != nil {
		return fail("assign", err)
	}
	var one *uuid.UUID
	if a.Scope == ScopeAffiliate {
		id := uuid.MustParse(a.For)
		one, a.For = &id, id.String() // the form in which it is looked up
	}
	return fail("assign", pg.InTx(ctx, s.db, func(tx pg.DB) error {
		tag, err := tx.Exec(ctx, insertAssignment, pg.NewID(), string(a.Scope), a.For, a.PlanID, a.From, one)
		if err == nil && tag.RowsAffected() == 0 {
			err = fault.Field("for", "%s does not exist", a.For)
		}
		return err
	}))
}

func (a Assignment) check() error {
	var c fault.Check
	switch a.Scope {
	case ScopeDefault:
		c.That(a.For == "", "for", "is given, but the default is for everybody")
	case ScopeCategory:
		c.That(affiliate.Category(a.For).Valid(), "for", "%.40q is not a category", a.For)
	case ScopeAffiliate:
		_, err := uuid.Parse(a.For)
		c.That(err == nil, "for", "%.40q is not an affiliate's id", a.For)
	default:
		c.That(false, "scope", "%.40q is not a scope", string(a.Scope))
	}
	c.That(a.PlanID != uuid.Nil, "plan_id", "is empty")
	c.That(a.From.Year() >= 2000 && a.From.Year() < 10000, "from", "is not between the years 2000 and 9999")
	return c.Done()
}

// Assignments are those that can apply to the affiliates of a batch.
type Assignments map[Assignment][]Assignment // by scope and whom, in order of From

// QueueAssignments reads the assignments that can apply to affiliates: their
// own, the categories' and the default.
func QueueAssignments(b *pgx.Batch, into Assignments, affiliates []uuid.UUID) {
	ids := make([]string, len(affiliates))
	for i, id := range affiliates {
		ids[i] = id.String()
	}
	b.Queue(selectAssignments, ids).Query(into.read)
}

// QueueAssignmentsOf is QueueAssignments for the affiliates of transactions, of
// which only the id and the time are known.
func QueueAssignmentsOf(b *pgx.Batch, into Assignments, transactions []uuid.UUID, at []time.Time) {
	b.Queue(selectAssignmentsOf, transactions, at).Query(into.read)
}

// read takes each scope's assignments for all that are known of it.
func (all Assignments) read(rows pgx.Rows) error {
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Assignment])
	read := Assignments{}
	for _, a := range list {
		whom := Assignment{Scope: a.Scope, For: a.For}
		read[whom] = append(read[whom], a)
	}
	maps.Copy(all, read)
	return err
}

// Plan is the id of the plan that applies to an affiliate at a time: zero
// where none does.
func (all Assignments) Plan(m Member, at time.Time) uuid.UUID {
	for _, whom := range scopes(m) {
		for _, a := range slices.Backward(all[whom]) {
			if !a.From.After(at) {
				return a.PlanID
			}
		}
	}
	return uuid.Nil
}

// During are the ids of the plans that apply to an affiliate in a stretch of
// time, half-open, in order; one may come back.
func (all Assignments) During(m Member, from, to time.Time) []uuid.UUID {
	times := []time.Time{from}
	for _, whom := range scopes(m) {
		for _, a := range all[whom] {
			if a.From.After(from) && a.From.Before(to) {
				times = append(times, a.From)
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	var plans []uuid.UUID
	for _, at := range times {
		if id := all.Plan(m, at); len(plans) == 0 || plans[len(plans)-1] != id {
			plans = append(plans, id)
		}
	}
	return plans
}

// scopes are those that an affiliate is in, the strongest first.
func scopes(m Member) []Assignment {
	return []Assignment{ForAffiliate(m.ID, uuid.Nil), ForCategory(m.Category, uuid.Nil), Default(uuid.Nil)}
}
