package hierarchy

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fature/fature/internal/pg"
)

// Past is the tree as any rating saw it, in memory: the whole history, packed.
// It never changes, so any number of goroutines may ask it at once.
//
// A rating keeps the newest change that it could see (transactions.seen_seq),
// and the changes are numbered in the order in which they are made: what it saw
// of an affiliate is the last change up to that number. That holds for each
// affiliate by the lock of its row, and for a tree by the lock of moves. It
// fails in one case: of two changes of one upline that were in flight at once,
// the one numbered first was committed last, and the rating fell in between. It
// saw the second only, and Past gives both.
type Past struct {
	places    map[uuid.UUID]int32
	ids       []uuid.UUID // by place
	begins    []int32     // where the versions of a place begin, and where the last ones end
	versions  []version   // by place, and of each in their order
	standings []Standing  // the few that there are
}

// version is what an affiliate was from a change on.
type version struct {
	seq      int64
	parent   int32 // its place, or noParent
	standing uint8
}

const noParent = -1 // of a root

// LoadPast reads the history. Load it after the last of the ratings that it is
// asked about: it knows no later change.
//
// One round trip, which streams. A million affiliates with 1.1 million changes
// take 80 MB, up to 150 MB while they are read, and about 4 s.
func LoadPast(ctx context.Context, db pg.DB) (*Past, error) {
	rows, err := db.Query(ctx, selectHistory)
	if err != nil {
		return nil, fail("load past", err)
	}
	p := &Past{places: map[uuid.UUID]int32{}}
	var made []change
	var c change
	var id, parent uuid.UUID
	var status, category pgtype.DriverBytes
	_, err = pgx.ForEachRow(rows, []any{&c.seq, (*[16]byte)(&id), (*[16]byte)(&parent), &status, &category}, func() error {
		c.place, c.parent, c.standing = p.place(id), p.place(parent), p.standing(status, category)
		made = append(made, c)
		return nil
	})
	if err != nil {
		return nil, fail("load past", err)
	}
	p.sort(made)
	return p, nil
}

// change is a row of the history.
type change struct {
	version
	place int32
}

// place is that of an affiliate, a new one where it is named for the first time.
func (p *Past) place(id uuid.UUID) int32 {
	if id == uuid.Nil {
		return noParent
	}
	place, known := p.places[id]
	if !known {
		place = int32(len(p.ids)) //nolint:gosec // affiliates are fewer
		p.places[id], p.ids = place, append(p.ids, id)
	}
	return place
}

func (p *Past) standing(status, category []byte) uint8 {
	i := slices.IndexFunc(p.standings, func(s Standing) bool {
		return s.Status == string(status) && s.Category == string(category)
	})
	if i < 0 {
		i = len(p.standings)
		p.standings = append(p.standings, Standing{string(status), string(category)})
	}
	return uint8(i) //nolint:gosec // 4 states of 3 categories
}

// sort puts the versions of each affiliate side by side, in their order.
func (p *Past) sort(made []change) {
	p.begins = make([]int32, len(p.ids)+1)
	for _, c := range made {
		p.begins[c.place+1]++
	}
	for i := range p.ids {
		p.begins[i+1] += p.begins[i]
	}
	next := slices.Clone(p.begins)
	p.versions = make([]version, len(made))
	for _, c := range made {
		p.versions[next[c.place]] = c.version
		next[c.place]++
	}
}

// Upline is an affiliate and who stood above it, nearest first, with their
// standing, for a rating that saw the changes up to seen. It is empty for an
// affiliate that is not there; one that came later is what it was at first, as
// are such above it. No rating saw those: one that sees an affiliate sees how
// it and its upline came.
func (p *Past) Upline(id uuid.UUID, seen int64) iter.Seq2[uuid.UUID, Standing] {
	return func(yield func(uuid.UUID, Standing) bool) {
		place, known := p.places[id]
		for range p.ids { // no cycle is endless
			if !known {
				return
			}
			v := p.version(place, seen)
			if v == nil || !yield(p.ids[place], p.standings[v.standing]) {
				return
			}
			place, known = v.parent, v.parent != noParent
		}
	}
}

func (p *Past) version(place int32, seen int64) *version {
	own := p.versions[p.begins[place]:p.begins[place+1]]
	if len(own) == 0 {
		return nil // named as a parent, but never there
	}
	if own[len(own)-1].seq <= seen {
		return &own[len(own)-1] // most have one
	}
	later, _ := slices.BinarySearchFunc(own, seen+1, func(v version, seq int64) int { return cmp.Compare(v.seq, seq) })
	return &own[max(later-1, 0)]
}
