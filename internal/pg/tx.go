package pg

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fature/fature/internal/fault"
)

// ErrOutcomeUnknown is returned when the connection was lost after COMMIT was
// sent: the transaction may be stored or not. pgx's SafeToRetry must not be
// asked there; it says true for commits that were applied.
var ErrOutcomeUnknown = fault.New(fault.Unavailable, "the connection was lost during commit: the outcome is unknown")

// Tx is a transaction under way: an own one on a connection of the pool, or a
// savepoint inside the host's. Its first and last statements can travel with
// the work's own batches, so that they cost no round trip.
type Tx struct {
	DB      // the work happens here; nested InTx join it
	own     bool
	actor   bool // one was set, in the host's transaction
	opened  bool
	closed  bool
	stored  bool // it is committed, or may be
	release func()
}

// Open begins a transaction on db. Nothing is sent until Start's statement is.
func Open(ctx context.Context, db DB) (*Tx, error) {
	h := of(db)
	t := &Tx{own: !h.inside, release: func() {}}
	if t.own {
		conn, release, err := acquire(ctx, h.DB)
		if err != nil {
			return nil, err
		}
		h.DB, t.release = conn, release
	}
	h.joined = true
	if h.watch != nil {
		h.changes = Changes{}
	}
	t.DB = h
	return t, nil
}

// Start queues the first statement, and who does what follows.
func (t *Tx) Start(ctx context.Context, b *pgx.Batch) {
	t.opened = true
	if t.own {
		b.Queue("begin isolation level read committed")
	} else {
		b.Queue("savepoint fature")
	}
	t.actor = queueActor(ctx, b) && !t.own
}

// Finish queues the last statement. After it only Done may follow.
func (t *Tx) Finish(b *pgx.Batch) {
	if t.actor {
		b.Queue(restoreActor)
	}
	if t.own {
		b.Queue("commit")
		return
	}
	if h := of(t.DB); len(h.changes) > 0 {
		h.watch.Inside(b, h.changes)
	}
	b.Queue("release savepoint fature")
}

// Finished runs the batch that Finish was queued in. Where the server's answer
// did not come, an own transaction's outcome is unknown.
func (t *Tx) Finished(ctx context.Context, b *pgx.Batch) error {
	err := Send(ctx, t.DB, b)
	if err == nil {
		t.closed, t.stored = true, true
		return nil
	}
	if t.own && !fromServer(err) && !t.underWay() {
		t.closed, t.stored = true, true // nothing to roll back
		return errors.Join(ErrOutcomeUnknown, err)
	}
	return err
}

// underWay tells that the server is still inside an own transaction: what
// failed did so before COMMIT, on this side or on that.
func (t *Tx) underWay() bool {
	var conn *pgx.Conn
	switch db := of(t.DB).DB.(type) {
	case *pgxpool.Conn:
		conn = db.Conn()
	case *pgx.Conn:
		conn = db
	default:
		return false
	}
	return !conn.IsClosed() && conn.PgConn().TxStatus() != 'I'
}

// Done ends the transaction: what is not finished is undone. It is safe to
// defer at once, and to call twice.
func (t *Tx) Done(ctx context.Context) {
	defer t.leave(ctx)
	if !t.opened || t.closed {
		return
	}
	t.closed = true
	// The caller's context may be the reason for the end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if t.own {
		_, _ = t.Exec(ctx, "rollback")
		return
	}
	// The host's transaction goes on as if the call had not been made. One text
	// of both statements: the server would not prepare a RELEASE while the
	// transaction is aborted.
	_, _ = t.Exec(ctx, "rollback to savepoint fature; release savepoint fature")
}

// leave gives the connection back, and then tells what has changed.
func (t *Tx) leave(ctx context.Context) {
	t.release()
	t.release = func() {}
	if h := of(t.DB); t.own && t.stored && len(h.changes) > 0 {
		t.stored = false
		h.watch.After(context.WithoutCancel(ctx), h.changes)
	}
}

// InTx runs fn in a transaction: an own one where db is a pool or connection,
// a savepoint inside the host's, and nothing more where db is a transaction of
// ours already. An own transaction is tried again when the server ends it for
// a reason that passes, so fn must be safe to run twice.
func InTx(ctx context.Context, db DB, fn func(tx DB) error) error {
	if of(db).joined {
		return fn(db)
	}
	return Retry(ctx, db, func() error {
		tx, err := Open(ctx, db)
		if err != nil {
			return err
		}
		defer tx.Done(ctx)
		var first, last pgx.Batch
		tx.Start(ctx, &first)
		if err := Send(ctx, tx.DB, &first); err != nil {
			return err
		}
		if err := fn(tx.DB); err != nil {
			return err
		}
		tx.Finish(&last)
		return tx.Finished(ctx, &last)
	})
}

const tries = 5

// Retry runs fn, and again while it fails for a passing reason, at most five
// times in all, with jitter and inside the caller's deadline. In the host's
// transaction it never runs it again: only the host can repeat the whole.
func Retry(ctx context.Context, db DB, fn func() error) error {
	for try := 1; ; try++ {
		err := fn()
		if err == nil || Inside(db) || try == tries || !Retryable(err) {
			return err
		}
		wait := time.Duration(rand.Int64N(int64(10*time.Millisecond) << try)) //nolint:gosec // jitter
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// Retryable tells whether the whole transaction may be run again: the server
// ended it for a reason that passes, or the connection was lost before COMMIT
// was sent. An unknown outcome is not retryable.
func Retryable(err error) bool {
	if err == nil || errors.Is(err, ErrOutcomeUnknown) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		switch server.Code {
		case "40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300", "25006":
			return true
		}
		return false
	}
	return lost(err)
}

// lost tells an error of the connection itself.
func lost(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || pgconn.SafeToRetry(err) || isNetwork(err)
}

func fromServer(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code[:2] != "57" && server.Code[:2] != "08"
}
