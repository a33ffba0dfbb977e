package transaction

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/internal/fault"
)

// Key is what an event is known by for ever.
type Key struct {
	SourceTable string
	OriginalID  string
}

// Key is the event's key; its zero value where it has none.
func (e Event) Key() Key { return Key{e.SourceTable, e.OriginalID} }

// normal is the key with its source table, which defaults to "events".
func (k Key) normal() Key {
	if k.SourceTable == "" && k.OriginalID != "" {
		k.SourceTable = "events"
	}
	return k
}

// Validate tells what keeps k from being the key of an event.
func (k Key) Validate() error {
	var c fault.Check
	c.Err("source_table", checkText(k.SourceTable, maxText))
	c.Err("original_id", checkText(k.OriginalID, maxText))
	c.That(k.SourceTable == "" || k.OriginalID != "", "original_id", "is empty, although source_table is given")
	return c.Done()
}

// digestVersion leads each digest, so that a later form of it does not turn
// every repetition into a conflict.
const digestVersion = 1

// Digest is a hash of the event as it was given: not of what it resolves to,
// since the owner of a customer may change between two tries. An event without
// a time digests as such, and not at the time it got.
func (e Event) Digest(at time.Time) []byte {
	h := sha256.New()
	h.Write([]byte{digestVersion})
	text := func(s string) {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(s))) //nolint:gosec // bounded by Validate
		h.Write(size[:])
		h.Write([]byte(s))
	}
	text(string(e.Type))
	text(canonicalAmount(e))
	text(e.Currency)
	text(e.AffiliateID.String())
	text(e.Code)
	text(e.CustomerID)
	if at.IsZero() {
		text("")
	} else {
		text(at.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano))
	}
	if e.Reverses != uuid.Nil {
		text(e.Reverses.String())
	}
	if e.ReversesKey != (Key{}) {
		text(e.ReversesKey.SourceTable)
		text(e.ReversesKey.OriginalID)
	}
	if e.Visitor != "" {
		text("\x00visitor") // no name of a table
		text(e.Visitor)
	}
	if len(e.Metadata) > 0 {
		// Marshal sorts the keys, and Validate has seen that it succeeds.
		metadata, _ := json.Marshal(e.Metadata)
		text(string(metadata))
	}
	return append([]byte{digestVersion}, h.Sum(nil)...)
}

// canonicalAmount has no trailing zeros: 12.5 and 12.50 are the same event.
func canonicalAmount(e Event) string {
	units := e.Amount.Shift(2)
	if units.IsInteger() {
		return units.BigInt().String()
	}
	return e.Amount.String()
}
