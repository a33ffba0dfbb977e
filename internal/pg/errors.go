package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fature/fature/internal/fault"
)

// Constraints maps the name of a constraint to what its violation means.
type Constraints map[string]error

// Fail names the operation that failed and tells what the error means: by its
// constraint, else by its SQLSTATE. nil stays nil.
func Fail(op string, err error, constraints Constraints) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, translate(err, constraints))
}

func translate(err error, constraints Constraints) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.NotFound
	}
	for _, kind := range []error{fault.NotFound, fault.Conflict, fault.Invalid, fault.Forbidden, fault.Unavailable} {
		if errors.Is(err, kind) {
			return err
		}
	}
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		if lost(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return &both{fault.Unavailable, err}
		}
		return err
	}
	if meaning, ok := constraints[server.ConstraintName]; ok {
		return &both{meaning, err}
	}
	if kind := kindOf(server.Code); kind != nil {
		return &both{kind, err}
	}
	return err
}

func kindOf(code string) error {
	switch {
	case code == "23505", code == "23P01":
		return fault.Conflict
	case code == "23503", strings.HasPrefix(code, "22"), strings.HasPrefix(code, "23"):
		return fault.Invalid
	case code == "42501":
		return fault.Forbidden
	case Retryable(&pgconn.PgError{Code: code}), strings.HasPrefix(code, "53"), strings.HasPrefix(code, "08"):
		return fault.Unavailable
	}
	return nil
}

// both is an error of a known meaning that keeps what the server said.
type both struct{ meaning, cause error }

func (b *both) Error() string   { return b.meaning.Error() + " (" + b.cause.Error() + ")" }
func (b *both) Unwrap() []error { return []error{b.meaning, b.cause} }

// Retryable lets a host ask whether it may run its own transaction again.
func (b *both) Retryable() bool { return Retryable(b.cause) }

func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
