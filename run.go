package fature

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/pg"
)

// Fold adds what recording appended to the totals of the affiliates and to
// their statistics, month by month, and what changes of the tree appended to the
// sizes of their teams. It tells how many entries it took; 0 is none left. Run
// does it by itself, seldom and in lots of up to 200,000, each in a transaction
// of its own: it costs by the affiliates and customers it touches, and a large
// lot names each of them once. What is kept of the statistics of those
// affiliates is forgotten then. One folds at a time; whoever else does waits,
// and recording never.
func (p *Program) Fold(ctx context.Context) (int64, error) {
	var folded int64
	for {
		var n int64
		err := pg.InTx(ctx, p.db, func(tx pg.DB) error {
			var b pgx.Batch
			b.Queue(lockFold)
			var touched []uuid.UUID
			b.Queue(foldDeltas, foldLot).QueryRow(func(row pgx.Row) error { return row.Scan(&n, &touched) })
			err := pg.Send(ctx, tx, &b)
			pg.Changed(tx, affiliate.StatisticsChanged, touched...)
			return err
		})
		folded += n
		if err != nil || n < foldLot {
			return folded, pg.Fail("fature: fold", err, nil)
		}
	}
}

const foldLot = 200_000

// jobsLease is the lease of whoever does the jobs.
const jobsLease = "jobs"

// job is a piece of background work. A process that lost its lease may still
// be at one when the next begins it, so each is right when it runs twice at
// once; one that were not would begin its transaction with the lease's fence.
type job struct {
	name  string
	every time.Duration
	do    func(ctx context.Context) error
}

func (p *Program) jobs() []job {
	return []job{
		{"fold", 30 * time.Second, func(ctx context.Context) error { _, err := p.Fold(ctx); return err }},
		{"outbox", time.Second, func(ctx context.Context) error { _, err := p.drain(ctx); return err }},
		{"evaluate-achievements", 10 * time.Minute, func(ctx context.Context) error { _, err := p.Achievements.Evaluate(ctx); return err }},
		{"promote", time.Hour, func(ctx context.Context) error { _, err := p.Promotions.Promote(ctx); return err }},
		{"approve-holds", time.Minute, func(ctx context.Context) error {
			_, err := p.Commissions.Approve(ctx, p.instant())
			return err
		}},
		{"partitions", time.Hour, func(ctx context.Context) error { return p.months.Ahead(ctx, p.now(), monthsAhead) }},
		{"sessions", time.Hour, func(ctx context.Context) error { _, err := p.Sessions.Prune(ctx); return err }},
		{"refresh-affiliate-stats", time.Hour, func(ctx context.Context) error {
			_, err := p.db.Exec(ctx, refreshStats)
			return err
		}},
	}
}

// Run does the background work until ctx ends, and then returns nil; to a viewer
// who may not write it is ErrForbidden at once. Any
// number of processes may run it: one of them works, by a lease in the
// database and by its clock, and another takes over when that one is gone. A
// job that fails is logged and tried again at its next time.
func (p *Program) Run(ctx context.Context) error {
	if err := pg.MayWrite(p.db); err != nil {
		return pg.Fail("fature: run", err, nil)
	}
	l := lease{db: p.db, log: p.log, name: jobsLease, holder: uuid.NewString()}
	var keeping sync.WaitGroup
	keeping.Go(func() { l.keep(ctx) })
	defer keeping.Wait()
	due := make(map[string]time.Time)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if l.held() {
			p.runDue(ctx, due)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (p *Program) runDue(ctx context.Context, due map[string]time.Time) {
	for _, j := range p.jobs() {
		if ctx.Err() != nil || time.Now().Before(due[j.name]) {
			continue
		}
		due[j.name] = time.Now().Add(j.every)
		start := time.Now()
		if err := j.do(ctx); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "fature: a job failed", "job", j.name, "error", err)
			continue
		}
		p.log.DebugContext(ctx, "fature: a job is done", "job", j.name, "took", time.Since(start))
	}
}
