package hierarchy

import (
	"context"
	"iter"
	"math"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

// Relative is an affiliate seen from another of its tree: Level steps above it
// in an upline, below it in a downline.
type Relative struct {
	ID    uuid.UUID
	Level int
}

// Upline is who stands above an affiliate, nearest first; a root has none. To an
// affiliate as viewer it ends with the viewer itself.
// ErrNotFound for an affiliate that is not in the tree. One round trip.
func (s *Store) Upline(ctx context.Context, id uuid.UUID) ([]Relative, error) {
	lines, err := s.lines(ctx, id)
	if err != nil {
		return nil, fail("upline", err)
	}
	return lines[id][1:], nil
}

// Uplines is Upline of many affiliates. Those that are not in the tree are not
// in the map. One round trip.
func (s *Store) Uplines(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID][]Relative, error) {
	links, err := pg.All[link](ctx, s.db, selectUplines, ids)
	if err != nil {
		return nil, fail("uplines", err)
	}
	lines := linesOf(links)
	for id, line := range lines {
		lines[id] = line[1:]
	}
	return lines, nil
}

// lines are the uplines of affiliates that must be there, each beginning with
// the affiliate itself.
func (s *Store) lines(ctx context.Context, ids ...uuid.UUID) (map[uuid.UUID][]Relative, error) {
	links, err := pg.All[link](ctx, s.db, selectUplines, ids)
	if err != nil {
		return nil, err
	}
	lines := linesOf(links)
	for _, id := range ids {
		if len(lines[id]) == 0 {
			return nil, missing(id)
		}
	}
	return lines, nil
}

func linesOf(links []link) map[uuid.UUID][]Relative {
	lines := make(map[uuid.UUID][]Relative)
	for _, l := range links {
		lines[l.DescendantID] = append(lines[l.DescendantID], Relative{ID: l.AncestorID, Level: l.Level})
	}
	return lines
}

// Uplines are who stands above affiliates, with what a rating asks about them,
// at one moment.
type Uplines struct {
	// Seen is the newest seq of the history at that moment, by which Past gives
	// the same uplines later.
	Seen int64

	lines  map[uuid.UUID][]byte // ids one after the other: the affiliate's own, then its ancestors', nearest first
	others map[uuid.UUID]Standing
}

// Standing is the status and the category of an affiliate.
type Standing struct {
	Status, Category string
}

// Of is an affiliate and its ancestors, nearest first: empty where it is not
// there.
func (u *Uplines) Of(id uuid.UUID) []uuid.UUID {
	line := u.lines[id]
	ids := make([]uuid.UUID, len(line)/len(id))
	for i := range ids {
		ids[i] = uuid.UUID(line[i*len(id):])
	}
	return ids
}

// Standing is that of an affiliate of one of the uplines.
func (u *Uplines) Standing(id uuid.UUID) Standing {
	if s, ok := u.others[id]; ok {
		return s
	}
	return Standing{Status: "active", Category: "standard"}
}

// QueueUplines queues the read of the uplines of many affiliates into into. The
// batch is to be sent through the schema's pg.DB.
//
// A batch of recording reads 10,000 ids here: a row for each line, and a status
// only where it is not the common one, take a third of the time of a row for
// each id.
func QueueUplines(b *pgx.Batch, into *Uplines, ids []uuid.UUID) {
	*into = Uplines{lines: make(map[uuid.UUID][]byte, len(ids)), others: map[uuid.UUID]Standing{}}
	b.Queue(selectLines, ids).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var line []byte
		var s Standing
		var seen int64
		_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&id), &line, &s.Status, &s.Category, &seen}, func() error {
			switch {
			case id == uuid.Nil:
				into.Seen = seen
			case len(line) > 0:
				into.lines[id] = line
			default:
				into.others[id] = s
			}
			return nil
		})
		return err
	})
}

// Filter says which part of a downline to read; the zero value is all of it.
type Filter struct {
	Depth int    // as many levels down; 0 is all
	After string // the Next of the page before; empty is the first page
	Limit int    // items of a page, at most 1,000; 0 is 50
}

// Children is the page of those directly under an affiliate. It is Downline at
// a depth of 1.
func (s *Store) Children(ctx context.Context, id uuid.UUID, f Filter) (page.Page[Relative], error) {
	f.Depth = 1
	return s.Downline(ctx, id, f)
}

// Downline is a page of those under an affiliate, nearest first, and by id on
// each level. ErrNotFound for an affiliate that is not in the tree, and a
// problem of one of the fields depth, cursor and limit. One round trip, which
// costs by the size of the page, not by what lies below.
func (s *Store) Downline(ctx context.Context, id uuid.UUID, f Filter) (page.Page[Relative], error) {
	p, err := s.downline(ctx, id, f)
	return p, fail("downline", err)
}

// AllDownline ranges over a whole downline in the order of Downline, a page at
// a time. The pages are of 1,000 unless the filter has a limit.
func (s *Store) AllDownline(ctx context.Context, id uuid.UUID, f Filter) iter.Seq2[Relative, error] {
	first := f.After
	if f.Limit == 0 {
		f.Limit = page.MaxLimit
	}
	return page.All(func(cursor string) (page.Page[Relative], error) {
		if f.After = cursor; cursor == "" {
			f.After = first
		}
		return s.Downline(ctx, id, f)
	})
}

// step is the key of a downline.
type step struct {
	Level int32     `json:"l"`
	ID    uuid.UUID `json:"i"`
}

func (s *Store) downline(ctx context.Context, id uuid.UUID, f Filter) (p page.Page[Relative], err error) {
	limit, err := page.Limit(f.Limit)
	if err != nil {
		return p, err
	}
	if f.Depth < 0 {
		return p, fault.Field("depth", "is negative")
	}
	if f.Depth == 0 || f.Depth > math.MaxInt32 {
		f.Depth = math.MaxInt32
	}
	if f.After != "" {
		after, err := page.Parse[step](f.After)
		if err != nil {
			return p, err
		}
		rows, err := pg.All[Relative](ctx, s.db, selectDownline, id, after.Level, after.ID, f.Depth, limit+1)
		return cut(rows, limit), err
	}
	// The first page begins with the affiliate itself, which tells one without
	// a downline from one that is not there.
	rows, err := pg.All[Relative](ctx, s.db, selectDownline, id, -1, uuid.Nil, f.Depth, limit+2)
	if err == nil && len(rows) == 0 {
		err = missing(id)
	}
	if err != nil {
		return p, err
	}
	return cut(rows[1:], limit), nil
}

func cut(rows []Relative, limit int) page.Page[Relative] {
	return page.Cut(rows, limit, func(r Relative) step { return step{int32(r.Level), r.ID} }) //nolint:gosec // an integer column
}

// Path is the way from one affiliate to another, both included: up to the
// nearest who stands above both, and down again. ErrNotFound for one that is
// not in the tree, ErrApart for two in different trees. One round trip.
func (s *Store) Path(ctx context.Context, from, to uuid.UUID) ([]uuid.UUID, error) {
	up, down, err := s.meet(ctx, from, to)
	if err != nil {
		return nil, fail("path", err)
	}
	slices.Reverse(down)
	return append(up, down[1:]...), nil
}

// CommonAncestor is the nearest affiliate above both; it may be one of them.
// Errors and cost are those of Path.
func (s *Store) CommonAncestor(ctx context.Context, a, b uuid.UUID) (uuid.UUID, error) {
	up, _, err := s.meet(ctx, a, b)
	if err != nil {
		return uuid.Nil, fail("common ancestor", err)
	}
	return up[len(up)-1], nil
}

// meet is the way up from each of two affiliates to where the ways meet.
func (s *Store) meet(ctx context.Context, a, b uuid.UUID) (fromA, fromB []uuid.UUID, err error) {
	lines, err := s.lines(ctx, a, b)
	if err != nil {
		return nil, nil, err
	}
	height := make(map[uuid.UUID]int)
	for _, r := range lines[b] {
		height[r.ID] = r.Level
		fromB = append(fromB, r.ID)
	}
	for _, r := range lines[a] {
		fromA = append(fromA, r.ID)
		if level, ok := height[r.ID]; ok {
			return fromA, fromB[:level+1], nil
		}
	}
	return nil, nil, ErrApart
}

// LevelSize is how many affiliates stand Level steps below another.
type LevelSize struct {
	Level int
	Count int
}

// Size counts the downline of an affiliate level by level, from 1 on.
// ErrNotFound for an affiliate that is not in the tree. One round trip, which
// reads an index entry for each of the downline.
func (s *Store) Size(ctx context.Context, id uuid.UUID) ([]LevelSize, error) {
	sizes, err := pg.All[LevelSize](ctx, s.db, selectSizes, id)
	if err == nil && len(sizes) == 0 {
		err = missing(id)
	}
	if err != nil {
		return nil, fail("size", err)
	}
	return sizes[1:], nil
}

// Contains tells whether an affiliate is another or stands above it. It is
// false for affiliates that are not in the tree. One round trip.
func (s *Store) Contains(ctx context.Context, ancestor, descendant uuid.UUID) (bool, error) {
	var yes bool
	err := s.db.QueryRow(ctx, selectContains, ancestor, descendant).Scan(&yes)
	return yes, fail("contains", err)
}
