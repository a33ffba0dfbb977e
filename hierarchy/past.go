package hierarchy

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/pg"
)

// Past is the tree and the standing of everybody as of any entry in their
// history, in memory: some 150 bytes for an affiliate that never changed.
type Past struct {
	first map[uuid.UUID]version
	later map[uuid.UUID][]version // in order; of those that changed
}

// version is an affiliate from an entry of the history on.
type version struct {
	seq    int64
	parent uuid.UUID // zero at a root
	Standing
}

// LoadPast reads the history of all affiliates.
func LoadPast(ctx context.Context, db pg.DB) (*Past, error) {
	rows, err := db.Query(ctx, selectPast)
	if err != nil {
		return nil, fail("load past", err)
	}
	p := &Past{first: map[uuid.UUID]version{}, later: map[uuid.UUID][]version{}}
	words := map[string]string{} // a handful, each kept once
	var id uuid.UUID
	var parent *uuid.UUID
	var v version
	_, err = pgx.ForEachRow(rows, []any{&v.seq, &id, &parent, &v.Status, &v.Category}, func() error {
		v.parent = uuid.Nil
		if parent != nil {
			v.parent = *parent
		}
		v.Status, v.Category = once(words, v.Status), once(words, v.Category)
		p.add(id, v)
		return nil
	})
	return p, fail("load past", err)
}

func once(words map[string]string, word string) string {
	if known, ok := words[word]; ok {
		return known
	}
	words[word] = word
	return word
}

func (p *Past) add(id uuid.UUID, v version) {
	if _, known := p.first[id]; !known {
		p.first[id] = v
		return
	}
	p.later[id] = append(p.later[id], v)
}

// at is an affiliate as of an entry of the history. Before its own first entry
// it is as that: who rated by it had seen it, whichever number was drawn first.
func (p *Past) at(id uuid.UUID, seen int64) (version, bool) {
	v, ok := p.first[id]
	for _, next := range p.later[id] {
		if next.seq > seen {
			break
		}
		v = next
	}
	return v, ok
}

// Upline walks an affiliate and its ancestors, nearest first, as of an entry of
// the history.
func (p *Past) Upline(id uuid.UUID, seen int64, visit func(id uuid.UUID, s Standing)) {
	for id != uuid.Nil {
		v, ok := p.at(id, seen)
		if !ok {
			return
		}
		visit(id, v.Standing)
		id = v.parent
	}
}
