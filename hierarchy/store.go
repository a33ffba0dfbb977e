package hierarchy

import (
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/access"
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

// As returns a Store that reads for a viewer: an affiliate sees itself and its
// downline, and nothing above itself.
func (s *Store) As(v access.Viewer) *Store {
	c := *s
	c.db = pg.As(s.db, v)
	return &c
}

// On is WithTx for a transaction of fature's own.
func (s *Store) On(db pg.DB) *Store {
	c := *s
	c.db = db
	return &c
}
