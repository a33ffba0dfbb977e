package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// sessionLife is how long a token is good for.
const sessionLife = 24 * time.Hour

// sessions are who is logged in. Only hashes of tokens are kept, so that a copy
// of the memory logs nobody in.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]session
}

type session struct {
	user uuid.UUID
	ends time.Time
}

func newSessions() *sessions { return &sessions{all: map[[sha256.Size]byte]session{}} }

// open makes a token of 256 random bits.
func (s *sessions) open(user uuid.UUID, now time.Time) (token string, ends time.Time) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	token, ends = base64.RawURLEncoding.EncodeToString(random[:]), now.Add(sessionLife)
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.all, func(_ [sha256.Size]byte, old session) bool { return !now.Before(old.ends) })
	s.all[sha256.Sum256([]byte(token))] = session{user, ends}
	return token, ends
}

func (s *sessions) user(token string, now time.Time) (uuid.UUID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.all[sha256.Sum256([]byte(token))]
	return found.user, ok && now.Before(found.ends)
}

func (s *sessions) end(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(token)))
}

// tokenOf is the bearer token of a request, or empty.
func tokenOf(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
