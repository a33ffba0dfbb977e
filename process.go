package fature

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// Process rates up to limit of the oldest pending transactions, by the tree
// and the standing of now and the plan of their own time, and tells how many
// it did: 0 is none left. Several processes may call it at once; each takes
// other transactions.
//
// One that cannot be rated, since this program does not know its plan's rules
// or no row could hold its lines, counts too and holds up no other: it becomes
// failed, its Skipped says why, and the Logger is warned.
// Transactions.List finds the failed ones, and Transactions.Requeue makes them
// pending again. An error of Process itself changes nothing.
func (p *Program) Process(ctx context.Context, limit int) (int, error) {
	if limit < 1 || limit > MaxBatch {
		return 0, pg.Fail("fature: process", fault.Field("limit", "%d is not between 1 and %d", limit, MaxBatch), nil)
	}
	done := 0
	var failed []error
	err := pg.InTx(ctx, p.db, func(tx pg.DB) error {
		done, failed = 0, nil
		rows, err := transaction.ClaimPending(ctx, tx, limit)
		if err != nil || len(rows) == 0 {
			return err
		}
		done = len(rows)
		failed, err = p.process(ctx, tx, rows)
		return err
	})
	if err != nil {
		return 0, pg.Fail("fature: process", err, nil)
	}
	p.warn(ctx, failed)
	return done, nil
}

// warn tells the Logger of transactions that could not be rated.
func (p *Program) warn(ctx context.Context, failed []error) {
	if len(failed) > 0 {
		p.log.WarnContext(ctx, "fature: pending transactions failed", "transactions", len(failed), "first", failed[0])
	}
}

// Rate is Process of these transactions, at once, and of failed ones among them
// too. It tells what became of each, in the order of ids: one that was rated
// before stays as it is and is marked as a duplicate; one that cannot be rated is
// failed, and Skipped says why. Errors: InvalidError of ids;
// transaction.ErrNotFound where one of them is not there, and then nothing is
// rated. It probes every month.
func (p *Program) Rate(ctx context.Context, ids ...uuid.UUID) ([]Recorded, error) {
	if len(ids) == 0 || len(ids) > MaxBatch {
		return nil, pg.Fail("fature: rate", fault.Field("ids", "are %d, not from 1 to %d", len(ids), MaxBatch), nil)
	}
	var results []Recorded
	var failed []error
	err := pg.InTx(ctx, p.db, func(tx pg.DB) (err error) {
		results, failed, err = p.rate(ctx, tx, ids)
		return err
	})
	if err != nil {
		return nil, pg.Fail("fature: rate", err, nil)
	}
	p.warn(ctx, failed)
	return results, nil
}

func (p *Program) rate(ctx context.Context, tx pg.DB, ids []uuid.UUID) (results []Recorded, failed []error, err error) {
	found, err := transaction.ClaimForRating(ctx, tx, ids)
	if err != nil {
		return nil, nil, err
	}
	var pending []transaction.Transaction
	claims := make([]transaction.Claim, len(found))
	for i, t := range found {
		claims[i] = transaction.Claim{TransactionID: t.ID, CreatedAt: t.CreatedAt}
		if t.Status == transaction.Pending {
			pending = append(pending, t)
		}
	}
	slices.SortFunc(pending, func(a, b transaction.Transaction) int { // as Process takes them
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.ID[:], b.ID[:]))
	})
	if len(pending) > 0 {
		if failed, err = p.process(ctx, tx, pending); err != nil {
			return nil, nil, err
		}
	}
	var now stored
	var b pgx.Batch
	now.queue(&b, claims)
	if err := pg.Send(ctx, tx, &b); err != nil {
		return nil, nil, err
	}
	known, err := now.results()
	if err != nil {
		return nil, nil, err
	}
	for _, t := range pending {
		one := known[t.ID]
		one.Duplicate = false
		known[t.ID] = one
	}
	for _, id := range ids {
		one, ok := known[id]
		if !ok {
			return nil, nil, fmt.Errorf("%w: %s", transaction.ErrNotFound, id)
		}
		results = append(results, one)
	}
	return results, failed, nil
}

// process rates transactions and stores what became of them. It tells why some
// failed.
func (p *Program) process(ctx context.Context, tx pg.DB, rows []transaction.Transaction) (failed []error, err error) {
	var s standing
	for i := range rows {
		s.rows = append(s.rows, &rows[i])
	}
	var read, mark pgx.Batch
	if p.Plans.AskAttribution() {
		s.lock(&read)
	}
	transaction.QueueRating(&read)
	s.queue(&read, nil)
	s.knownSelves()
	if err := pg.Send(ctx, tx, &read); err != nil {
		return nil, err
	}
	s.index()
	if err := s.recall(ctx, tx, p.Plans.On(tx)); err != nil {
		return nil, err
	}
	post := posting{totals: deltas{}, counters: s.changed}
	for _, t := range s.rows {
		lines, _, err := s.rated(t, p.self, p.instant())
		if unratable(err) {
			failed = append(failed, fault.In("transaction "+t.ID.String(), err))
			err = s.fail(t, err)
		}
		if err != nil {
			return nil, err
		}
		post.add(*t, lines)
	}
	transaction.QueueRated(&mark, rows)
	if err := post.write(ctx, tx, &mark); err != nil {
		return nil, err
	}
	return failed, pg.Send(ctx, tx, &mark)
}

// unratable tells an error that is about a transaction or its plan: of what is
// asked for, and not of the database, which may answer otherwise the next time.
func unratable(err error) bool {
	var server *pgconn.PgError
	return errors.Is(err, fault.Invalid) && !errors.As(err, &server)
}

// fail marks a transaction as failed, and says why as rating says why it posted
// no line. That its customer is its affiliate stays known.
func (s *standing) fail(t *transaction.Transaction, why error) (err error) {
	skipped := []commission.Skip{{Reason: commission.ReasonUnratable, Detail: fmt.Sprintf("%.500s", why.Error())}}
	if s.selves[t.ID] {
		skipped = append(skipped, selfReferred...)
	}
	t.Status, t.PlanID = transaction.Failed, nil
	t.Skipped, err = json.Marshal(skipped)
	return err
}
