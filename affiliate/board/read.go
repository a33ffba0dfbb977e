package board

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

// Entry is one affiliate's place on a board.
type Entry struct {
	Rank        int // from 1; equal scores share it
	AffiliateID uuid.UUID
	Name        string // of its user, as it is now
	Score       int64  // hundredths of an amount, or a number: Metric.Amount
}

// Page is a part of a board.
type Page struct {
	page.Page[Entry]
	Of   int        // how many are on the board
	AsOf time.Time  // when it was built
	From cache.From // whether it was at hand
}

// Filter says which part of which board.
type Filter struct {
	Board
	After string // the Next of the page before
	Limit int    // defaults to 50, at most 1,000
}

// place is the key of a page: a score and an id, so that the next page goes on
// at the right place on a board that was built anew meanwhile, also if the
// affiliate has left it.
type place struct {
	Score int64     `json:"s"`
	ID    uuid.UUID `json:"i"`
}

// List reads a page of a board from the top, without After the first. Who
// moves between two pages over the place where they meet, because the board was
// built anew, is on both or on neither. Errors: InvalidError by field,
// ErrScoreTooLarge.
func (s *Boards) List(ctx context.Context, f Filter) (Page, error) {
	var p part
	items, err := page.Read(f.After, f.Limit, func(e Entry) place { return place{e.Score, e.AffiliateID} },
		func(from place, rows int) (_ []Entry, err error) {
			if p, err = s.part(ctx, f.Board, after(from, rows)); err != nil {
				return nil, err
			}
			return s.entries(ctx, p)
		})
	return Page{items, p.size, p.asOf, p.from}, fail("list", err)
}

// All walks a board from the top, page by page.
func (s *Boards) All(ctx context.Context, b Board) iter.Seq2[Entry, error] {
	return page.All(func(cursor string) (page.Page[Entry], error) {
		p, err := s.List(ctx, Filter{Board: b, After: cursor, Limit: page.MaxLimit})
		return p.Page, err
	})
}

// Standing is where one affiliate stands.
type Standing struct {
	Rank  int // 0: it is not on the board
	Score int64
	Of    int       // how many are on the board
	AsOf  time.Time // when it was built
	From  cache.From
}

// Rank tells where an affiliate stands; of one that is not on the board, or of
// nobody, the rank is 0. Errors: InvalidError by field, ErrScoreTooLarge.
func (s *Boards) Rank(ctx context.Context, b Board, affiliate uuid.UUID) (Standing, error) {
	p, err := s.part(ctx, b, around(affiliate, 0))
	if err != nil {
		return Standing{}, fail("rank", err)
	}
	at := Standing{Of: p.size, AsOf: p.asOf, From: p.from}
	if len(p.rows) > 0 {
		at.Rank, at.Score = p.above+1, p.rows[0].score
	}
	return at, nil
}

// maxAround is how many neighbours there can be on either side.
const maxAround = 100

// Around reads an affiliate's place with up to n others before it and as many
// after it; at an end of the board there are fewer. Of one that is not on the
// board there are no items. Errors: InvalidError by field, ErrScoreTooLarge.
func (s *Boards) Around(ctx context.Context, b Board, affiliate uuid.UUID, n int) (Page, error) {
	if n < 0 || n > maxAround {
		return Page{}, fail("around", fault.Field("n", "%d is not between 0 and %d", n, maxAround))
	}
	p, err := s.part(ctx, b, around(affiliate, n))
	if err != nil {
		return Page{}, fail("around", err)
	}
	items, err := s.entries(ctx, p)
	return Page{page.Page[Entry]{Items: items}, p.size, p.asOf, p.from}, fail("around", err)
}

// entries puts ranks and names to the rows of a part.
func (s *Boards) entries(ctx context.Context, p part) ([]Entry, error) {
	if len(p.rows) == 0 {
		return nil, nil
	}
	ids := make([]uuid.UUID, len(p.rows))
	for i, r := range p.rows {
		ids[i] = r.id
	}
	type named struct {
		ID   uuid.UUID `db:"id"`
		Name string    `db:"name"`
	}
	list, err := pg.All[named](ctx, s.db, selectNames, ids)
	if err != nil {
		return nil, err
	}
	names := make(map[uuid.UUID]string, len(list))
	for _, n := range list {
		names[n.ID] = n.Name
	}
	entries := make([]Entry, len(p.rows))
	rank := p.above + 1
	for i, r := range p.rows {
		if i > 0 && r.score != p.rows[i-1].score {
			rank = p.start + i + 1
		}
		entries[i] = Entry{rank, r.id, names[r.id], r.score}
	}
	return entries, nil
}

// part reads a part of a board from Redis, or from what the process keeps.
func (s *Boards) part(ctx context.Context, b Board, w wanted) (part, error) {
	of, err := s.bounds(b)
	if err != nil {
		return part{}, err
	}
	p, err := s.find(ctx, of, w)
	if err != nil {
		return part{}, fmt.Errorf("%s: %w", of, err)
	}
	return p, nil
}
