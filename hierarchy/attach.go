package hierarchy

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// Node is a new affiliate and the place it takes.
type Node struct {
	ID       uuid.UUID
	ParentID uuid.UUID // uuid.Nil makes it a root
}

const (
	// maxShared is the largest batch that locks its trees only.
	maxShared = 1000
	// copyFrom is the number of rows from which COPY beats one INSERT. Measured:
	// equal at 1,500 of these narrow rows, and COPY takes two more round trips.
	copyFrom = 2000
)

// Attach places new affiliates and returns the level of each, in their order.
// A parent may be a node earlier in the batch. All are placed, or none.
//
// It writes the closure only: the caller inserts the affiliates' rows, with
// these parents and levels, in the same transaction. A second Attach of the
// same affiliate is refused with ErrAttached.
//
// What is wrong with the batch is told at once, as problems of fields such as
// [2].parent_id: an id that is nil or there twice, a parent later in the batch,
// ErrParentNotFound, ErrCycle for an affiliate under itself, DepthError. Beyond
// that it fails with ErrIsolation.
//
// Three round trips however many nodes and levels, a few more from 2,000 rows of
// the closure, and two for a transaction or savepoint of its own. A batch of
// more than 1,000 nodes, or under more than 64 roots, waits for all changes of
// the tree and holds them up.
func (s *Store) Attach(ctx context.Context, nodes ...Node) ([]int, error) {
	if len(nodes) == 0 {
		return nil, nil
	}
	outside, err := checkNodes(nodes)
	if err != nil {
		return nil, fail("attach", err)
	}
	var levels []int
	err = pg.InTx(ctx, s.db, func(tx pg.DB) (err error) {
		levels, err = s.attach(ctx, tx, nodes, outside)
		return err
	})
	return levels, fail("attach", err)
}

// checkNodes finds what is wrong with a batch in itself, and the parents that
// must be in the tree already.
func checkNodes(nodes []Node) (outside []uuid.UUID, err error) {
	var v fault.Check
	at := make(map[uuid.UUID]int, len(nodes))
	for i, n := range nodes {
		first, twice := at[n.ID]
		v.That(n.ID != uuid.Nil, field(i, "id"), "is empty")
		v.That(!twice, field(i, "id"), "%s is that of [%d] too", n.ID, first)
		if !twice {
			at[n.ID] = i
		}
	}
	seen := make(map[uuid.UUID]bool)
	for i, n := range nodes {
		j, inside := at[n.ParentID]
		switch {
		case n.ParentID == uuid.Nil:
		case n.ParentID == n.ID:
			v.Err(field(i, "parent_id"), ErrCycle)
		case inside:
			v.That(j < i, field(i, "parent_id"), "%s is [%d], which comes later", n.ParentID, j)
		case !seen[n.ParentID]:
			seen[n.ParentID] = true
			outside = append(outside, n.ParentID)
		}
	}
	return outside, v.Done()
}

func field(i int, name string) string { return fmt.Sprintf("[%d].%s", i, name) }

func (s *Store) attach(ctx context.Context, tx pg.DB, nodes []Node, outside []uuid.UUID) ([]int, error) {
	ids := make([]uuid.UUID, len(nodes))
	for i, n := range nodes {
		ids[i] = n.ID
	}
	var known []link
	var placed []uuid.UUID
	trees := claim{of: outside, shared: true, all: len(nodes) > maxShared}
	_, err := trees.hold(ctx, tx, func(b *pgx.Batch) {
		pg.Queue(b, &known, selectUplines, outside)
		pg.QueueColumn(b, &placed, selectPlaced, ids)
	})
	if err != nil {
		return nil, err
	}
	if len(placed) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrAttached, placed[0])
	}
	links, levels, err := s.grow(nodes, linesOf(known))
	if err != nil {
		return nil, err
	}
	return levels, insert(ctx, tx, links)
}

// link is a row of the closure.
type link struct {
	DescendantID uuid.UUID
	AncestorID   uuid.UUID
	Level        int
}

// grow makes the links of the nodes out of the lines of their parents, which
// begin with the parent itself.
func (s *Store) grow(nodes []Node, lines map[uuid.UUID][]Relative) (links []link, levels []int, err error) {
	var v fault.Check
	levels = make([]int, len(nodes))
	for i, n := range nodes {
		parents, ok := lines[n.ParentID]
		switch {
		case n.ParentID != uuid.Nil && !ok:
			v.Err(fmt.Sprintf("[%d]", i), badParent(n.ParentID, ErrParentNotFound))
		case len(parents) > s.maxDepth:
			v.Err(fmt.Sprintf("[%d]", i), badParent(n.ParentID, &DepthError{Depth: len(parents), Max: s.maxDepth}))
			parents = nil // or an endless chain would fill the memory
		}
		line := make([]Relative, 0, len(parents)+1)
		line = append(line, Relative{ID: n.ID})
		for _, p := range parents {
			line = append(line, Relative{ID: p.ID, Level: p.Level + 1})
		}
		for _, r := range line {
			links = append(links, link{DescendantID: n.ID, AncestorID: r.ID, Level: r.Level})
		}
		lines[n.ID], levels[i] = line, len(parents)
	}
	return links, levels, v.Done()
}

// insert writes links in the order of their descendants, so that two batches
// of the same affiliates meet at the first and not crosswise.
func insert(ctx context.Context, tx pg.DB, links []link) error {
	slices.SortFunc(links, func(a, b link) int {
		if c := bytes.Compare(a.DescendantID[:], b.DescendantID[:]); c != 0 {
			return c
		}
		return a.Level - b.Level
	})
	if len(links) < copyFrom {
		ancestors, descendants, levels := columns(links)
		var b pgx.Batch
		b.Queue(release)
		b.Queue(insertLinks, ancestors, descendants, levels)
		return pg.Send(ctx, tx, &b)
	}
	if _, err := tx.Exec(ctx, release); err != nil {
		return err
	}
	_, err := tx.CopyFrom(ctx, pg.Table(tx, "affiliate_hierarchy"),
		[]string{"ancestor_id", "descendant_id", "level_difference"},
		pgx.CopyFromSlice(len(links), func(i int) ([]any, error) {
			return []any{pg.ID(links[i].AncestorID), pg.ID(links[i].DescendantID), links[i].Level}, nil
		}))
	return err
}

func columns(links []link) (ancestors, descendants []uuid.UUID, levels []int) {
	for _, l := range links {
		ancestors = append(ancestors, l.AncestorID)
		descendants = append(descendants, l.DescendantID)
		levels = append(levels, l.Level)
	}
	return ancestors, descendants, levels
}
