package hierarchy

import (
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/pg"
)

// DefaultMaxDepth is the deepest level unless Options say otherwise.
const DefaultMaxDepth = 255

// Options of a Store; the zero value is right for most programmes.
type Options struct {
	// MaxDepth is the deepest level an affiliate can be placed at. A chain of
	// n affiliates takes n²/2 rows. Defaults to DefaultMaxDepth.
	MaxDepth int
}

// Store reads and changes the tree.
type Store struct {
	db       pg.DB
	maxDepth int
}

// New makes a Store over db.
func New(db pg.DB, o Options) *Store {
	if o.MaxDepth <= 0 {
		o.MaxDepth = DefaultMaxDepth
	}
	return &Store{db: db, maxDepth: o.MaxDepth}
}

// WithTx returns a Store that works inside the host's transaction.
func (s *Store) WithTx(tx pgx.Tx) *Store {
	c := *s
	c.db = pg.Bind(s.db, tx)
	return &c
}

// On is WithTx for a transaction of fature's own.
func (s *Store) On(db pg.DB) *Store {
	c := *s
	c.db = db
	return &c
}
