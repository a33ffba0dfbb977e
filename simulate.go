package fature

import (
	"context"

	"github.com/google/uuid"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// Simulate rates the recorded past again, under another plan or under those
// that were in force, and says who would have got what: with the tree, the
// status and the category of each rating, refunds and late transactions as they
// came, and the closes where they were. A plan that never closed periods of its
// kind closes each after all its transactions. It writes nothing, and needs a
// transaction of its own.
//
// It begins with the first month that is still there, whatever From says, for
// counters and carries reach back. Memory grows with the affiliates, with the
// counters of the plan and with what is still to be refunded, not with the
// transactions.
//
// Errors: InvalidError by field; commission.ErrPlanNotFound;
// commission.ErrArchived, with the month, where one between From and To was
// dropped.
func (p *Program) Simulate(ctx context.Context, s commission.Simulation) (commission.Simulated, error) {
	simulated, err := p.simulate(ctx, s)
	return simulated, pg.Fail("fature: simulate", err, nil)
}

func (p *Program) simulate(ctx context.Context, s commission.Simulation) (simulated commission.Simulated, err error) {
	if err := pg.MayReadAll(p.db); err != nil {
		return simulated, err
	}
	if pg.Inside(p.db) {
		return simulated, fault.Field("", "a simulation needs a transaction of its own, outside the host's")
	}
	err = p.snapshot(ctx, func(db pg.DB) error {
		past, err := hierarchy.LoadPast(ctx, db)
		if err != nil {
			return err
		}
		upline := func(id uuid.UUID, seen int64) []commission.Member {
			return commission.AppendMembers(make([]commission.Member, 0, 16), past, id, seen)
		}
		simulated, err = p.Plans.Simulate(ctx, db, upline, s)
		return err
	})
	return simulated, err
}
