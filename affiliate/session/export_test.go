package session

import "golang.org/x/crypto/bcrypt"

// MostSessions is how many a user has.
const MostSessions = mostSessions

// Cheap makes hashing cost next to nothing.
func (s *Store) Cheap() *Store { return s.Costing(bcrypt.MinCost) }

// Narrow lets the programme have so many attempts at once.
func (s *Store) Narrow(free int) { s.limits.programme.free = free }

// Costing makes it cost what New would refuse.
func (s *Store) Costing(cost int) *Store {
	s.passwords.cost = cost
	return s
}
