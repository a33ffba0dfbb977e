package board

import (
	"time"

	"github.com/fature/fature/internal/pg"
)

// Hurry shortens how long things last.
func (s *Boards) Hurry(life, lease, wait time.Duration) {
	s.times = times{life: life, lease: lease, wait: wait, poll: 5 * time.Millisecond}
}

// Over is the boards over another handle.
func (s *Boards) Over(db pg.DB) { s.db = db }

// Kept is how many boards the process keeps.
func (s *Boards) Kept() int {
	s.near.mu.Lock()
	defer s.near.mu.Unlock()
	return len(s.near.kept)
}

// Key is the name of a board in Redis, and of the lease to build it.
func (s *Boards) Key(b Board) (key, lease string) {
	of, err := s.bounds(b)
	if err != nil {
		panic(err)
	}
	key = s.key(of)
	return key, beside(key, "lease")
}

// Beside is the name beside a board's.
func Beside(key, what string) string { return beside(key, what) }

// The query of a board, for benchmarks.
var SelectVolume = selectScores[Volume]

// MaxScore is the largest score.
const MaxScore = maxScore
