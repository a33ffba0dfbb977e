package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Changes are what a transaction has made old elsewhere: ids by topic.
type Changes map[string][]string

// Watch is told what transactions change.
type Watch struct {
	// Inside queues what is to be committed together with the host's
	// transaction; it is called before the savepoint is released.
	Inside func(b *pgx.Batch, c Changes)
	// After is called when an own transaction is committed, or may be, and its
	// connection is given back.
	After func(ctx context.Context, c Changes)
}

// Watched is db, with somebody to be told of what Changed says.
func Watched(db DB, w *Watch) DB {
	h := of(db)
	h.watch = w
	return h
}

// Changed notes, in a transaction of InTx or Open, that something is not any
// more what others may have read of it. Where nobody watches it does nothing.
func Changed[T any](tx DB, topic string, ids ...T) {
	changes := of(tx).changes
	if changes == nil {
		return
	}
	for _, id := range ids {
		changes[topic] = append(changes[topic], fmt.Sprint(id))
	}
}
