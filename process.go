package fature

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// Process rates up to limit of the oldest pending transactions, by the tree
// and the standing of now and the plan of their own time, and tells how many
// it did: 0 is none left. Several processes may call it at once; each takes
// other transactions.
func (p *Program) Process(ctx context.Context, limit int) (int, error) {
	if limit < 1 || limit > MaxBatch {
		return 0, pg.Fail("fature: process", fault.Field("limit", "%d is not between 1 and %d", limit, MaxBatch), nil)
	}
	done := 0
	err := pg.InTx(ctx, p.db, func(tx pg.DB) error {
		rows, err := transaction.ClaimPending(ctx, tx, limit)
		if err != nil || len(rows) == 0 {
			done = 0
			return err
		}
		done = len(rows)
		return p.process(ctx, tx, rows)
	})
	return done, pg.Fail("fature: process", err, nil)
}

func (p *Program) process(ctx context.Context, tx pg.DB, rows []transaction.Transaction) error {
	var s standing
	for i := range rows {
		s.rows = append(s.rows, &rows[i])
	}
	var read, mark pgx.Batch
	s.queue(&read, nil)
	s.knownSelves()
	if err := pg.Send(ctx, tx, &read); err != nil {
		return err
	}
	s.index()
	if err := s.recall(ctx, tx, p.Plans.On(tx)); err != nil {
		return err
	}
	post := posting{totals: deltas{}, counters: s.changed}
	for _, t := range s.rows {
		lines, _, err := s.rated(t, p.self, p.instant())
		if err != nil {
			return fault.In("transaction "+t.ID.String(), err)
		}
		post.add(*t, lines)
	}
	transaction.QueueProcessed(&mark, rows)
	if err := post.write(ctx, tx, &mark); err != nil {
		return err
	}
	return pg.Send(ctx, tx, &mark)
}
