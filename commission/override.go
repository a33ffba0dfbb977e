package commission

import "slices"

// overridden is what overrides are paid on.
type overridden struct {
	base Term
	own  *Term // the level-0 commission of an event, where they are paid on that
	flat bool  // whether flat amounts fall due
}

// override adds what the upline earns by a rule beside level 0, whether or not
// level 0 is active and whatever it earned.
func (r *rating) override(rule *rule, on overridden) {
	climb := climb{upline: r.Upline, inactive: rule.inactive}
	for i := range rule.steps {
		step := &rule.steps[i]
		claim := claim{rule: rule.id, level: i + 1, own: on.own}
		claim.place, claim.lost = climb.take(claim.level)
		if step.kind == kindFlat && !on.flat {
			continue // and whoever would have taken it has taken the level
		}
		claim.term = r.Plan.term(&step.share, on.base)
		if claim.lost == "" && !step.admits(r.Upline[claim.place]) {
			claim.lost = ReasonCategory
		}
		r.post(&claim)
	}
}

// admits tells whether a receiver is within the categories of the step.
func (s *step) admits(m Member) bool {
	return s.categories == nil || slices.Contains(s.categories, m.Category)
}

// climb goes up an upline, level by level, and finds who takes each.
type climb struct {
	upline   []Member
	inactive Inactive
	reached  int // with Compress: the place of the last who took a level
}

// take is the place of him who takes the level, or why nobody does. Categories
// are not asked here, so that they never shift the levels.
func (c *climb) take(level int) (place int, lost Reason) {
	if c.inactive == Compress {
		c.reached = c.active(c.reached + 1)
		if c.reached >= len(c.upline) {
			return 0, ReasonNoUpline
		}
		return c.reached, ""
	}
	if level >= len(c.upline) {
		return 0, ReasonNoUpline
	}
	if place = level; c.inactive == RollUp {
		place = c.active(level)
	}
	if place >= len(c.upline) || !c.upline[place].Active {
		return 0, ReasonInactive
	}
	return place, ""
}

// active is the nearest active place from the given one up, or the end of the
// upline.
func (c *climb) active(place int) int {
	for place < len(c.upline) && !c.upline[place].Active {
		place++
	}
	return place
}
