package fature

import (
	"context"
	"time"

	"github.com/fature/fature/cache"
)

// Settled is what a close waits for.
func (p *Program) Settled(ctx context.Context) (int64, error) { return p.settled(ctx, p.db) }

// FoldedFacts is the SQL of what the months of affiliates should hold, less what
// is to be folded.
const FoldedFacts = foldedFacts

// SetLot has a programme close so many affiliates at once.
func SetLot(p *Program, n int) { p.lot = n }

// Keep has a programme keep what it reads in these spaces.
func Keep(p *Program, zone *time.Location, space func(cache.Namespace) *cache.Space) {
	p.keep(zone, space)
}
