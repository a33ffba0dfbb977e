package commission

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/pg"
)

// Member is one place in the upline of an event, as it is at rating.
type Member struct {
	ID       uuid.UUID          `db:"id"`
	Active   bool               `db:"active"`
	Category affiliate.Category `db:"category"`
}

// QueueEarners reads the affiliates of transactions, each alone, as they are.
func QueueEarners(b *pgx.Batch, into *[]Member, transactions []uuid.UUID, at []time.Time) {
	pg.Queue(b, into, selectEarners, transactions, at)
}

// Members are an affiliate and its ancestors, nearest first, as they were read.
func Members(lines *hierarchy.Uplines, id uuid.UUID) []Member {
	ids := lines.Of(id)
	upline := make([]Member, len(ids))
	for i, id := range ids {
		upline[i] = member(id, lines.Standing(id))
	}
	return upline
}

// AppendMembers appends to upline an affiliate and its ancestors, nearest first,
// as a rating saw them that knew the changes of the tree up to seen.
func AppendMembers(upline []Member, past *hierarchy.Past, id uuid.UUID, seen int64) []Member {
	for id, standing := range past.Upline(id, seen) {
		upline = append(upline, member(id, standing))
	}
	return upline
}

func member(id uuid.UUID, s hierarchy.Standing) Member {
	return Member{ID: id, Active: s.Status == string(affiliate.Active), Category: affiliate.Category(s.Category)}
}
