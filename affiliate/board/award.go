package board

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/period"
	"github.com/fature/fature/internal/pg"
)

// Award is an achievement of an affiliate. It is never taken back: not by a
// refund, nor when the achievement is given to nobody any more.
type Award struct {
	ID          uuid.UUID `db:"id"`
	AffiliateID uuid.UUID `db:"affiliate_id"`
	Code        string    `db:"code"` // of the achievement
	Name        string    `db:"name"`
	Points      int       `db:"points"` // at the time of the award
	AwardedAt   time.Time `db:"awarded_at"`
}

// Evaluate awards the active achievements to those active affiliates who have
// reached them, and returns what is new: of several evaluations at once, each
// award is returned by one. It works in sets, by one query for each kind of
// rule whatever the number of affiliates.
//
// Given affiliates, it looks at them and at all that they ever did. Without any
// it looks at everybody, for streaks only at those who sold something since the
// evaluation before (and, so that no transaction is missed that was under way,
// in the hour before that); whose transaction was under way for longer is looked
// at after their next sale. That is for a job; the one to tell affiliates what
// is new is the caller. Errors: the server's.
func (s *Achievements) Evaluate(ctx context.Context, affiliates ...uuid.UUID) ([]Award, error) {
	var awards []Award
	err := pg.InTx(ctx, s.db, func(tx pg.DB) (err error) {
		awards, err = s.evaluate(ctx, tx, affiliates)
		return err
	})
	if err != nil {
		return nil, fail("evaluate", err)
	}
	return awards, nil
}

// overlap is how long a transaction may be under way and be seen all the same.
const overlap = time.Hour

// mark is how far an evaluation has looked, in the order of rating.
type mark struct {
	Seq int64     `db:"seq"`
	At  time.Time `db:"at"`
}

func (s *Achievements) evaluate(ctx context.Context, tx pg.DB, affiliates []uuid.UUID) ([]Award, error) {
	var all []Achievement
	var marks []mark
	var first pgx.Batch
	pg.Queue(&first, &all, selectAchievements)
	pg.Queue(&first, &marks, selectMark, overlap)
	if err := pg.Send(ctx, tx, &first); err != nil {
		return nil, err
	}
	var b pgx.Batch
	into := make([][]Award, 0, 8) // each query has its own, in the order in which all do it
	queue := func(rules []Achievement, sql string, args ...any) {
		if len(rules) > 0 {
			into = append(into, nil)
			pg.Queue(&b, &into[len(into)-1], sql, append(columns(rules), args...)...)
		}
	}
	of := func(k Kind, every Period) (rules []Achievement) {
		for _, a := range all {
			if a.Active && a.Rule.Kind == k && a.Rule.Every == every {
				rules = append(rules, a)
			}
		}
		return rules
	}
	only := affiliates
	if len(only) == 0 {
		only = nil
		b.Queue(dropMarks, overlap)
		b.Queue(insertMark)
	}
	queue(of(FirstSale, ""), awardFirstSale, only)
	queue(of(ByRecruits, ""), awardRecruits, only)
	queue(of(ByVolume, ""), awardVolume, only)
	queue(of(ByEarnings, ""), awardEarnings, only)
	for _, every := range []Period{Day, Week, Month} {
		if rules := of(Streak, every); len(rules) > 0 {
			queue(rules, awardStreak, only, s.starts(every), since(marks, rules, only))
		}
	}
	if err := pg.Send(ctx, tx, &b); err != nil {
		return nil, err
	}
	return slices.Concat(into...), nil
}

// columns are the ids, points, counts and amounts of rules for unnest.
func columns(rules []Achievement) []any {
	var ids []uuid.UUID
	var points, counts []int
	var amounts []decimal.Decimal
	for _, a := range rules {
		ids, points = append(ids, a.ID), append(points, a.Points)
		counts, amounts = append(counts, a.Rule.Count), append(amounts, a.Rule.Amount)
	}
	return []any{ids, points, counts, amounts}
}

// since is from which place in the order of rating on a sale makes its
// affiliate be looked at; nil is everybody.
func since(marks []mark, rules []Achievement, only []uuid.UUID) *int64 {
	if only != nil || len(marks) == 0 {
		return nil
	}
	for _, a := range rules {
		if !a.ActiveAt.Before(marks[0].At) {
			return nil
		}
	}
	return &marks[0].Seq
}

// starts are the beginnings of all periods since 2000, so that a moment's place
// among them numbers the periods on end, whatever the clocks of the zone do.
func (s *Achievements) starts(every Period) []time.Time {
	return period.Starts(period.Unit(every), period.Date(1999, time.December, 1), s.now().AddDate(0, 0, 2), s.zone)
}

// AwardFilter narrows a list of awards; its zero value does not.
type AwardFilter struct {
	AffiliateID uuid.UUID
	After       string // the Next of the page before
	Limit       int    // defaults to 50, at most 1,000
}

// Awards reads a page of awards, the newest first.
func (s *Achievements) Awards(ctx context.Context, f AwardFilter) (page.Page[Award], error) {
	list, err := page.Read(f.After, f.Limit, func(a Award) page.Moment { return page.Moment{At: a.AwardedAt.UTC(), ID: a.ID} },
		func(from page.Moment, rows int) ([]Award, error) {
			return pg.All[Award](ctx, s.db, selectAwards, noID(f.AffiliateID), noTime(from.At), from.ID, rows)
		})
	return list, fail("awards", err)
}

// Points are the sums of the points of affiliates; who has none is not in it.
func (s *Achievements) Points(ctx context.Context, affiliates ...uuid.UUID) (map[uuid.UUID]int64, error) {
	type sum struct {
		ID     uuid.UUID `db:"affiliate_id"`
		Points int64     `db:"points"`
	}
	sums, err := pg.All[sum](ctx, s.db, selectPoints, affiliates)
	if err != nil {
		return nil, fail("points", err)
	}
	points := make(map[uuid.UUID]int64, len(sums))
	for _, s := range sums {
		points[s.ID] = s.Points
	}
	return points, nil
}

func noID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

func noTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
