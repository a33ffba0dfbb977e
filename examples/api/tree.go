package main

import (
	"context"
	"math"

	"github.com/google/uuid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
)

// relativeJSON is an affiliate as one of the tree sees it from another place.
type relativeJSON struct {
	ID              uuid.UUID          `json:"id"`
	ParentID        *uuid.UUID         `json:"parent_id"`
	Name            string             `json:"name"`
	ReferralCode    string             `json:"referral_code"`
	Category        affiliate.Category `json:"category"`
	Status          affiliate.Status   `json:"status"`
	LevelDifference int                `json:"level_difference"`
}

func relativeReply(one affiliate.Named, level int) relativeJSON {
	return relativeJSON{one.ID, one.ParentID, one.Name, one.ReferralCode, one.Category, one.Status, level}
}

// relatives are affiliates of a tree in their order, by one query for all. Who
// has gone out of sight since the tree was read is left out.
func relatives[T, J any](ctx context.Context, a *affiliate.Store, list []T, id func(T) uuid.UUID, write func(affiliate.Named, T) J) ([]J, error) {
	found, err := a.GetAll(ctx, written(list, id))
	if err != nil {
		return nil, err
	}
	items := make([]J, 0, len(list))
	for _, item := range list {
		if one, ok := found[id(item)]; ok {
			items = append(items, write(one, item))
		}
	}
	return items, nil
}

func (a *api) relativePage(c *call, list page.Page[hierarchy.Relative]) (reply, error) {
	items, err := relatives(c.Context(), c.program.Affiliates, list.Items, func(r hierarchy.Relative) uuid.UUID { return r.ID },
		func(one affiliate.Named, r hierarchy.Relative) relativeJSON { return relativeReply(one, r.Level) })
	if err != nil {
		return reply{}, err
	}
	body := pageJSON[relativeJSON]{Items: items}
	if list.Next != "" {
		body.Next = &list.Next
	}
	return ok(body)
}

// listUpline is all who stand above, the parent first, on one page.
func (a *api) listUpline(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	if err := queryOf(c).done(); err != nil {
		return reply{}, err
	}
	up, err := c.program.Hierarchy.Upline(c.Context(), id)
	if err != nil {
		return reply{}, err
	}
	return a.relativePage(c, page.Page[hierarchy.Relative]{Items: up})
}

// listDownline is a page of those below, the nearest first.
func (a *api) listDownline(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	q := queryOf(c)
	f := hierarchy.Filter{Depth: q.number("depth", 0, math.MaxInt32)}
	f.Limit, f.After = q.page()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	list, err := c.program.Hierarchy.Downline(c.Context(), id, f)
	if err != nil {
		return reply{}, err
	}
	return a.relativePage(c, list)
}

func (a *api) listChildren(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	q := queryOf(c)
	var f hierarchy.Filter
	f.Limit, f.After = q.page()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	list, err := c.program.Hierarchy.Children(c.Context(), id, f)
	if err != nil {
		return reply{}, err
	}
	return a.relativePage(c, list)
}

// How much of a tree one document shows: whatever its size, not more than about
// 50 KB.
const (
	deepestTree = 10
	widestTree  = 50
	largestTree = 100
)

// branchJSON is an affiliate in a tree. Of its direct referrals, LeftOut are not
// in the document: GET its children or its tree to go on.
type branchJSON struct {
	relativeJSON
	DirectReferrals int `json:"direct_referrals"`
	TeamSize        int `json:"team_size"`
	LeftOut         int `json:"left_out"`
}

// tree is the top of the tree under an affiliate, level by level, of each the
// first children in the order of GET children: at most 100 affiliates.
func (a *api) tree(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	q := queryOf(c)
	shape := hierarchy.Shape{Depth: q.number("depth", 3, deepestTree), Children: q.number("children", 5, widestTree), Branches: largestTree}
	if err := q.done(); err != nil {
		return reply{}, err
	}
	branches, err := c.program.Hierarchy.Outline(c.Context(), id, shape)
	if err != nil {
		return reply{}, err
	}
	shown := map[uuid.UUID]int{}
	for _, b := range branches {
		shown[b.ParentID.UUID]++
	}
	items, err := relatives(c.Context(), c.program.Affiliates, branches, func(b hierarchy.Branch) uuid.UUID { return b.ID },
		func(one affiliate.Named, b hierarchy.Branch) branchJSON {
			return branchJSON{relativeReply(one, b.Level), b.Children, b.Size, b.Children - shown[b.ID]}
		})
	if err != nil {
		return reply{}, err
	}
	return ok(struct {
		Depth    int          `json:"depth"`
		Children int          `json:"children"`
		Items    []branchJSON `json:"items"`
	}{shape.Depth, shape.Children, items})
}

// move places an affiliate with its downline under another, or by null makes it
// a root.
func (a *api) move(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	in, err := bodyOf[struct {
		ParentID mayBeNull `json:"parent_id"`
	}](c)
	if err != nil {
		return reply{}, err
	}
	parent := in.ParentID
	switch {
	case !parent.given || parent.id != nil && *parent.id == uuid.Nil:
		return reply{}, fault.Field("parent_id", "is missing; null makes a root")
	case parent.id == nil:
		err = c.program.Hierarchy.Detach(c.Context(), id)
	default:
		err = c.program.Hierarchy.Move(c.Context(), id, *parent.id)
	}
	if err != nil {
		return reply{}, err
	}
	return a.getAffiliate(c)
}
