package fature

import "context"

// Settled is what a close waits for.
func (p *Program) Settled(ctx context.Context) (int64, error) { return p.settled(ctx, p.db) }

// SetLot has a programme close so many affiliates at once.
func SetLot(p *Program, n int) { p.lot = n }
