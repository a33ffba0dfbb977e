package fature

import (
	"context"
	"slices"
	"time"

	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

const (
	settlePoll = 15 * time.Millisecond
	settleTell = 2 * time.Second
)

// settled draws a place in the order of rating and waits until no transaction
// is under way that has drawn one before it: what is rated before seq is
// committed by then, and seen by every statement that begins later, or rolled
// back; what is rated from now on comes after it.
//
// Whoever draws has taken a lock that it shares with all others and keeps until
// its transaction ends. Those who held it just after the draw are waited for,
// without asking for the lock: nobody who records ever waits for this. A host's
// transaction that has recorded and stays open holds it up, which is logged.
//
// db is not in a transaction: that would be open all the while, and whoever
// waits for its locks would be waited for.
func (p *Program) settled(ctx context.Context, db pg.DB) (seq int64, err error) {
	if seq, err = transaction.DrawSeq(ctx, db); err != nil {
		return 0, err
	}
	waiting, err := transaction.Raters(ctx, db)
	if err != nil {
		return 0, err
	}
	tick, tell := time.NewTicker(settlePoll), time.NewTicker(settleTell)
	defer tick.Stop()
	defer tell.Stop()
	for len(waiting) > 0 {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tell.C:
			p.log.WarnContext(ctx, "fature: transactions that record hold up the closing",
				"transactions", len(waiting), "pid", waiting[0].PID)
		case <-tick.C:
			now, err := transaction.Raters(ctx, db)
			if err != nil {
				return 0, err
			}
			waiting = left(waiting, now)
		}
	}
	return seq, nil
}

// left are those of before that are still there. A transaction that was
// prepared meanwhile has another name than before: any such may be one of them.
func left(before, now []transaction.Rater) []transaction.Rater {
	return slices.DeleteFunc(now, func(r transaction.Rater) bool { return r.PID != 0 && !slices.Contains(before, r) })
}
