package board

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/cache"
)

// maxScore is up to where every whole number is a float64, which is what Redis
// has for scores.
const maxScore = 1 << 53

// row is an affiliate on a board.
type row struct {
	id    uuid.UUID
	score int64
}

// beats tells the order of a board: by score, and among equals by id, both
// falling, as ZREVRANGE has them.
func (r row) beats(o row) bool {
	if r.score != o.score {
		return r.score > o.score
	}
	return bytes.Compare(r.id[:], o.id[:]) > 0
}

// wanted says which part of a board: around an affiliate, or after a place.
type wanted struct {
	around bool
	place  place // of which around has the id only; zero is before the first
	n      int   // rows, or neighbours on either side
}

func around(id uuid.UUID, n int) wanted { return wanted{around: true, place: place{ID: id}, n: n} }
func after(from place, rows int) wanted { return wanted{place: from, n: rows} }
func (w wanted) beginning() bool        { return !w.around && w.place == place{} }

// part is some rows of a board, and what to reckon their ranks with.
type part struct {
	size  int // of the board
	asOf  time.Time
	start int // how many are before the first row
	above int // how many have a higher score than it
	rows  []row
	from  cache.From
}

// ranking is a whole board in memory, in order: 24 bytes an affiliate, and 4
// more once one is looked for by its id.
type ranking struct {
	rows []row
	asOf time.Time

	byID func() []int32
}

func newRanking(rows []row, asOf time.Time) *ranking {
	return &ranking{rows, asOf, sync.OnceValue(func() []int32 {
		places := make([]int32, len(rows))
		for i := range places {
			places[i] = int32(i) //nolint:gosec // a board has fewer
		}
		slices.SortFunc(places, func(a, b int32) int { return bytes.Compare(rows[a].id[:], rows[b].id[:]) })
		return places
	})}
}

func (r *ranking) part(w wanted, came cache.From) part {
	p := part{size: len(r.rows), asOf: r.asOf, from: came}
	from, to := 0, 0
	switch {
	case w.around:
		if at, ok := r.find(w.place.ID); ok {
			from, to = max(0, at-w.n), min(len(r.rows), at+w.n+1)
		}
	case w.beginning():
		to = min(len(r.rows), w.n)
	default:
		last := row{w.place.ID, w.place.Score}
		from = sort.Search(len(r.rows), func(i int) bool { return last.beats(r.rows[i]) })
		to = min(len(r.rows), from+w.n)
	}
	if from < to {
		p.start, p.rows = from, r.rows[from:to:to]
		p.above = sort.Search(len(r.rows), func(i int) bool { return r.rows[i].score <= r.rows[from].score })
	}
	return p
}

// find is where an affiliate is.
func (r *ranking) find(id uuid.UUID) (int, bool) {
	places := r.byID()
	i := sort.Search(len(places), func(i int) bool { return bytes.Compare(r.rows[places[i]].id[:], id[:]) >= 0 })
	if i == len(places) || r.rows[places[i]].id != id {
		return 0, false
	}
	return int(places[i]), true
}

// load builds a board from PostgreSQL, by one query.
func (s *Boards) load(ctx context.Context, of bounded) (*ranking, error) {
	asOf := s.now().UTC().Truncate(time.Microsecond)
	sql, args := selectScores[of.metric], []any{of.from, of.to}
	if of.from.IsZero() {
		sql, args = selectAllScores[of.metric], nil
	}
	found, err := s.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var rows []row
	var r row
	_, err = pgx.ForEachRow(found, []any{(*[16]byte)(&r.id), &r.score}, func() error {
		if r.score > maxScore {
			return fmt.Errorf("affiliate %s: %w", r.id, ErrScoreTooLarge)
		}
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b row) int {
		if a.beats(b) {
			return -1
		}
		return 1
	})
	return newRanking(rows, asOf), nil
}
