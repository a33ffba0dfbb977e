package board

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// Kind is what an achievement asks for.
type Kind string

// The kinds. A sale is here what adds to the volume, that is a sale, a deposit
// or a bet; one that was taken back whole before it was looked at is none.
const (
	FirstSale  Kind = "first_sale"  // one sale
	ByRecruits Kind = "recruits"    // Count direct children, whatever their status
	ByVolume   Kind = "volume"      // a lifetime volume of Amount
	ByEarnings Kind = "commissions" // lifetime commissions of Amount
	Streak     Kind = "streak"      // sales in each of Count periods on end, at any time
)

// Rule is when an affiliate is awarded an achievement. What a kind does not
// name stays zero. Steps of volume are an achievement each.
type Rule struct {
	Kind   Kind            `json:"kind"`
	Count  int             `json:"count,omitempty"`
	Amount decimal.Decimal `json:"amount,omitzero"` // in the programme's currency; inclusive
	Every  Period          `json:"every,omitempty"` // Day, Week or Month, of the programme's zone
}

// maxStreak bounds a rule: fature knows no event from before 2000.
const maxStreak = 10_000

func (r Rule) check(c *fault.Check) {
	count, amount, every := false, false, false
	switch r.Kind {
	case FirstSale:
	case ByRecruits:
		count = true
	case ByVolume, ByEarnings:
		amount = true
	case Streak:
		count, every = true, true
		c.That(r.Every == Day || r.Every == Week || r.Every == Month, "rule.every", "%.40q is not day, week or month", string(r.Every))
		c.That(r.Count <= maxStreak, "rule.count", "is more than %d", maxStreak)
	default:
		c.That(false, "rule.kind", "%.40q is not first_sale, recruits, volume, commissions or streak", string(r.Kind))
		return
	}
	c.That(!count || r.Count > 0 && r.Count <= 1<<31-1, "rule.count", "%d is not above zero, or too large", r.Count)
	c.That(count || r.Count == 0, "rule.count", "is of no meaning for %s", r.Kind)
	c.That(every || r.Every == "", "rule.every", "is of no meaning for %s", r.Kind)
	switch exponent := r.Amount.Exponent(); {
	case !amount:
		c.That(r.Amount.IsZero(), "rule.amount", "is of no meaning for %s", r.Kind)
	case exponent < -30 || exponent > 30: // before it is reckoned with
		c.That(false, "rule.amount", "has too many digits")
	default:
		c.That(r.Amount.IsPositive() && r.Amount.LessThan(decimal.New(1, 18)), "rule.amount", "is not above zero, or too large")
		c.That(r.Amount.Equal(r.Amount.Truncate(2)), "rule.amount", "has more than 2 decimals")
	}
}

// Draft is an achievement to be defined.
type Draft struct {
	Code   string // 1 to 60 small letters, digits, - and _
	Name   string
	Rule   Rule
	Points int
}

// Achievement is what affiliates are awarded once.
type Achievement struct {
	ID        uuid.UUID `db:"id"`
	Code      string    `db:"code"`
	Name      string    `db:"name"`
	Rule      Rule      `db:"rule"`
	Points    int       `db:"points"` // of an award from now on
	Active    bool      `db:"active"` // else it is awarded to nobody any more
	CreatedAt time.Time `db:"created_at"`
	ActiveAt  time.Time `db:"active_at"` // since when it is active
}

// Achievements are those of a programme.
type Achievements struct {
	db   pg.DB
	zone *time.Location
	now  func() time.Time
}

// NewAchievements makes the store of a programme's achievements. Of the options
// it takes the zone, for streaks, and the clock.
func NewAchievements(db pg.DB, o Options) *Achievements {
	return &Achievements{db, o.zone(), o.clock()}
}

// WithTx returns a store that works inside tx.
func (s *Achievements) WithTx(tx pgx.Tx) *Achievements {
	c := *s
	c.db = pg.Bind(s.db, tx)
	return &c
}

// As returns a store that shows only what a viewer may see.
func (s *Achievements) As(v affiliate.Viewer) *Achievements {
	c := *s
	c.db = pg.As(s.db, v)
	return &c
}

var codeOf = regexp.MustCompile(`^[a-z0-9_-]{1,60}$`)

// Define makes achievements, all or none. One that is there already, the same
// in all, stays as it is, so a program may define its own at every start. What
// affiliates have reached already counts at the next evaluation. Errors:
// InvalidError by field ("drafts[1].code"), ErrCodeTaken.
func (s *Achievements) Define(ctx context.Context, drafts ...Draft) ([]Achievement, error) {
	if err := checkDrafts(drafts); err != nil {
		return nil, fail("define", err)
	}
	made := make([]Achievement, len(drafts))
	err := pg.InTx(ctx, s.db, func(tx pg.DB) error {
		codes := make([]string, len(drafts))
		columns, err := pg.Columns(5, len(drafts), func(i int) ([]any, error) {
			d := drafts[i]
			rule, err := json.Marshal(d.Rule)
			codes[i] = d.Code
			return []any{pg.NewID(), d.Code, d.Name, string(rule), d.Points}, err
		})
		if err != nil {
			return err
		}
		var found []Achievement
		var b pgx.Batch
		b.Queue(insertAchievements, columns...)
		pg.Queue(&b, &found, selectByCodes, codes)
		if err := pg.Send(ctx, tx, &b); err != nil {
			return err
		}
		for i, d := range drafts {
			at := slices.IndexFunc(found, func(a Achievement) bool { return a.Code == d.Code })
			if at < 0 || !found[at].is(d) {
				return fmt.Errorf("%s: %w", d.Code, ErrCodeTaken)
			}
			made[i] = found[at]
		}
		return nil
	})
	if err != nil {
		return nil, fail("define", err)
	}
	return made, nil
}

func checkDrafts(drafts []Draft) error {
	var c fault.Check
	codes := map[string]bool{}
	for i, d := range drafts {
		var one fault.Check
		one.That(codeOf.MatchString(d.Code), "code", "has not between 1 and 60 small letters, digits, - and _")
		one.That(!codes[d.Code], "code", "is there twice")
		one.Err("name", checkName(d.Name))
		one.That(d.Points >= 0 && d.Points <= 1<<31-1, "points", "%d is negative or too large", d.Points)
		d.Rule.check(&one)
		codes[d.Code] = true
		c.Err(fmt.Sprintf("drafts[%d]", i), one.Done())
	}
	return c.Done()
}

func checkName(name string) error {
	if strings.TrimSpace(name) == "" || len(name) > 200 || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return fault.Field("", "is empty, longer than 200 bytes, not valid UTF-8, or holds a NUL")
	}
	return nil
}

func (a Achievement) is(d Draft) bool {
	return a.Name == d.Name && a.Points == d.Points && a.Rule.Kind == d.Rule.Kind && a.Rule.Count == d.Rule.Count &&
		a.Rule.Every == d.Rule.Every && a.Rule.Amount.Equal(d.Rule.Amount)
}

// List reads all achievements, those that are not active included, in the order
// of their making.
func (s *Achievements) List(ctx context.Context) ([]Achievement, error) {
	list, err := pg.All[Achievement](ctx, s.db, selectAchievements)
	return list, fail("list achievements", err)
}

// GetByCode finds an achievement, or ErrNotFound.
func (s *Achievements) GetByCode(ctx context.Context, code string) (Achievement, error) {
	found, err := pg.All[Achievement](ctx, s.db, selectByCodes, []string{code})
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Achievement{}, fail("get achievement", err)
	}
	return found[0], nil
}

// Change is what to change of an achievement; a nil field stays as it is. Its
// rule never changes: awards stand by it.
type Change struct {
	Name   *string
	Points *int  // of awards from now on
	Active *bool // one that becomes active again is looked at for everybody
}

// Update changes an achievement. Errors: InvalidError by field, ErrNotFound.
func (s *Achievements) Update(ctx context.Context, code string, change Change) (Achievement, error) {
	var c fault.Check
	if change.Name != nil {
		c.Err("name", checkName(*change.Name))
	}
	c.That(change.Points == nil || *change.Points >= 0 && *change.Points <= 1<<31-1, "points", "is negative or too large")
	if err := c.Done(); err != nil {
		return Achievement{}, fail("update achievement", err)
	}
	var changed []Achievement
	err := pg.InTx(ctx, s.db, func(tx pg.DB) (err error) {
		changed, err = pg.All[Achievement](ctx, tx, updateAchievement, code, change.Name, change.Points, change.Active)
		if err == nil && len(changed) == 0 {
			err = ErrNotFound
		}
		return err
	})
	if err != nil {
		return Achievement{}, fail("update achievement", err)
	}
	return changed[0], nil
}
