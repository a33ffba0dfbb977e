// Package outbox keeps what is to be told outside the database once a
// transaction is committed: a row that is written in the transaction, and taken
// by whoever tells.
package outbox

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/pg"
)

// Lot is how many rows are taken at a time.
const Lot = 1000

// Queue writes a row in a batch of the transaction that it belongs to.
func Queue(b *pgx.Batch, payload any) { b.Queue(insert, payload) }

// Put writes a row in a transaction of its own.
func Put(ctx context.Context, db pg.DB, payload any) error {
	return pg.InTx(ctx, db, func(tx pg.DB) error {
		_, err := tx.Exec(ctx, insert, payload)
		return err
	})
}

// Drain takes rows that nobody else is at, in no order, and hands them to tell,
// lot by lot; where that fails they stay. It tells how many it took.
func Drain[T any](ctx context.Context, db pg.DB, tell func(ctx context.Context, payloads []T) error) (int, error) {
	for total := 0; ; {
		n := 0
		err := pg.InTx(ctx, db, func(tx pg.DB) error {
			payloads, err := pg.Column[T](ctx, tx, take, Lot)
			if n = len(payloads); err != nil || n == 0 {
				return err
			}
			return tell(ctx, payloads)
		})
		if total += n; err != nil || n < Lot {
			return total, err
		}
	}
}

// QueueState queues how many rows there are, up to most, and how old the oldest
// is.
func QueueState(b *pgx.Batch, most int, rows *int64, age *time.Duration) {
	b.Queue(state, most).QueryRow(func(row pgx.Row) error { return row.Scan(rows, age) })
}

// Expire drops rows that are too old to matter to anybody.
func Expire(ctx context.Context, db pg.DB, age time.Duration) error {
	return pg.InTx(ctx, db, func(tx pg.DB) error {
		_, err := tx.Exec(ctx, expire, age)
		return err
	})
}
