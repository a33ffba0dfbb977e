package transaction

import (
	"fmt"
	"time"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// What a host can act on.
var (
	ErrNotFound = fault.New(fault.NotFound, "no such transaction")
	// ErrKeyConflict is returned where a key was recorded with other content.
	// The ConflictError beside it names the field.
	ErrKeyConflict = fault.New(fault.Conflict, "the key was recorded with other content")
	// ErrNoPartition is returned inside a host's transaction for an event of a
	// month that has no partition yet. The NoPartitionError beside it names
	// the month and the call that makes it. A transaction that has recorded
	// already does not see a month made meanwhile: it starts over.
	ErrNoPartition = fault.New(fault.Unavailable, "the month has no partition")
)

// ConflictError is an event whose key stands for other content.
type ConflictError struct {
	Key   Key
	Field string // the first that differs
}

// Error names the key and the field.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: %s (%s %s)", e.Field, ErrKeyConflict, e.Key.SourceTable, e.Key.OriginalID)
}

// Unwrap makes it ErrKeyConflict, and a problem of its field.
func (e *ConflictError) Unwrap() []error {
	return []error{ErrKeyConflict, &fault.InvalidError{Field: e.Field, Problem: ErrKeyConflict.Error(), Cause: ErrKeyConflict}}
}

// NoPartitionError names a month without a partition.
type NoPartitionError struct{ Month time.Time }

// Error names the month and what makes it.
func (e *NoPartitionError) Error() string {
	return fmt.Sprintf("%s (%s): call EnsureMonths outside the transaction", ErrNoPartition, e.Month.UTC().Format("2006-01"))
}

// Unwrap makes it ErrNoPartition.
func (e *NoPartitionError) Unwrap() error { return ErrNoPartition }

var constraints = pg.Constraints{
	"transactions_affiliate_id_fkey": fault.Field("affiliate_id", "does not exist"),
}

func fail(op string, err error) error { return pg.Fail("transaction: "+op, err, constraints) }
