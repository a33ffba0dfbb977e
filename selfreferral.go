package fature

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
)

// SelfReferral is what becomes of an event whose customer is the affiliate
// itself: its own user by id or e-mail address.
type SelfReferral string

// The policies. Block records the event and pays nobody for it, with the reason
// self_referral; Hold posts its lines on a hold that does not end by itself;
// Allow does not ask.
const (
	BlockSelfReferral SelfReferral = "block"
	HoldSelfReferral  SelfReferral = "hold"
	AllowSelfReferral SelfReferral = "allow"
)

func (s SelfReferral) valid() bool {
	switch s {
	case "", BlockSelfReferral, HoldSelfReferral, AllowSelfReferral:
		return true
	}
	return false
}

// heldForGood is when a line becomes available that waits for somebody's
// decision.
var heldForGood = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

var selfReferred = []commission.Skip{{Reason: commission.ReasonSelfReferral}}

// mayBeSelf tells whether the event's customer is to be compared with its
// affiliate.
func (it *item) mayBeSelf(policy SelfReferral) bool {
	return policy != AllowSelfReferral && it.earner != uuid.Nil && (it.event.CustomerID != "" || it.event.CustomerEmail != "")
}

// findSelves finds the events whose customer is their affiliate. One that is
// rated later says so until then, since its e-mail address is not stored.
func (r *recording) findSelves(s *standing) (err error) {
	people := make(map[uuid.UUID]affiliate.Person, len(s.people))
	for _, p := range s.people {
		people[p.AffiliateID] = p
	}
	s.selves = map[uuid.UUID]bool{}
	for _, it := range r.items {
		p, asked := people[it.earner]
		if !it.stored() || !asked || !p.Is(it.event.CustomerID, it.event.CustomerEmail) {
			continue
		}
		s.selves[it.row.ID] = true
		if it.event.Pending {
			it.skipped = selfReferred
			if it.row.Skipped, err = json.Marshal(selfReferred); err != nil {
				return err
			}
		}
	}
	return nil
}

// knownSelves are the pending transactions that were found to be such when they
// were recorded.
func (s *standing) knownSelves() {
	s.selves = map[uuid.UUID]bool{}
	for _, t := range s.rows {
		s.selves[t.ID] = bytes.Contains(t.Skipped, []byte(commission.ReasonSelfReferral))
		t.Skipped = nil
	}
}
