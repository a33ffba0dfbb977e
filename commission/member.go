package commission

import (
	"github.com/google/uuid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/hierarchy"
)

// Member is one place in the upline of an event, as it is at rating.
type Member struct {
	ID       uuid.UUID
	Active   bool
	Category affiliate.Category
}

// Members are an affiliate and its ancestors, nearest first, as they were read.
func Members(lines *hierarchy.Uplines, id uuid.UUID) []Member {
	ids := lines.Of(id)
	upline := make([]Member, len(ids))
	for i, id := range ids {
		standing := lines.Standing(id)
		upline[i] = Member{
			ID: id, Active: standing.Status == string(affiliate.Active), Category: affiliate.Category(standing.Category),
		}
	}
	return upline
}
