package fature

import (
	"errors"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// The kinds of errors. Every error that a caller can act on is one of them by
// errors.Is, and often a sentinel of its package besides.
var (
	ErrNotFound    = fault.NotFound
	ErrConflict    = fault.Conflict
	ErrInvalid     = fault.Invalid
	ErrForbidden   = fault.Forbidden
	ErrUnavailable = fault.Unavailable
)

// ErrOutcomeUnknown is returned when the connection was lost during COMMIT and
// the answer cannot be had: what was asked for may be stored or not. Record
// finds out by itself for events with keys.
var ErrOutcomeUnknown = pg.ErrOutcomeUnknown

// ErrNoPartition is returned inside a host's transaction for an event of a
// month that has no partition yet.
var ErrNoPartition = transaction.ErrNoPartition

// ErrNotMigrated is returned by New for a database without the tables that
// this version works with.
var ErrNotMigrated = fault.New(fault.Unavailable, "the database is not migrated to this version: call migrate.Up")

// InvalidError is a problem with one field of an input. Its Field is a path
// such as "events[3].amount". Problems lists those within an error.
type InvalidError = fault.InvalidError

// Problems lists every InvalidError within err, in order.
func Problems(err error) []*InvalidError { return fault.Fields(err) }

// Retryable tells whether a host may run its own transaction again: the server
// ended it for a reason that passes, or the connection was lost before COMMIT
// was sent.
func Retryable(err error) bool {
	var marked interface{ Retryable() bool }
	if errors.As(err, &marked) {
		return marked.Retryable()
	}
	return pg.Retryable(err)
}
