package affiliate

import (
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/pg"
)

// Person is the user that an affiliate is, as far as a customer can be compared
// with it.
type Person struct {
	AffiliateID uuid.UUID `db:"id"`
	UserID      uuid.UUID `db:"user_id"`
	Email       string    `db:"email_canon"`
	OriginalID  string    `db:"original_id"`
}

// QueuePeople reads who affiliates are.
func QueuePeople(b *pgx.Batch, into *[]Person, ids []uuid.UUID) { pg.Queue(b, into, selectPeople, ids) }

// Is tells whether a customer is the affiliate itself: its user by id, by the id
// that it had before an import, or by its e-mail address without regard to case
// and to what stands after a plus.
func (p Person) Is(customerID, email string) bool {
	if customerID != "" && (strings.EqualFold(customerID, p.UserID.String()) || customerID == p.OriginalID) {
		return true
	}
	canonical, err := CanonicalEmail(email)
	return err == nil && mailbox(canonical) == mailbox(p.Email)
}

// mailbox is an address without its tag.
func mailbox(canonical string) string {
	at := strings.LastIndexByte(canonical, '@')
	local, _, _ := strings.Cut(canonical[:max(at, 0)], "+")
	return local + canonical[max(at, 0):]
}
