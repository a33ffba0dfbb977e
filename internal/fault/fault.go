// Package fault has the five kinds of errors that fature returns, and the
// collector that tells every problem of an input at once.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// The kinds. Every error that a caller can act on is one of them by errors.Is.
var (
	NotFound    = errors.New("not found")
	Conflict    = errors.New("conflict")
	Invalid     = errors.New("invalid")
	Forbidden   = errors.New("forbidden")
	Unavailable = errors.New("unavailable")
)

// sentinel is a package's own error of a kind.
type sentinel struct {
	kind error
	text string
}

func (s *sentinel) Error() string { return s.text }
func (s *sentinel) Unwrap() error { return s.kind }

// New makes a sentinel that is of the kind by errors.Is.
func New(kind error, text string) error { return &sentinel{kind, text} }

// InvalidError says what is wrong with one field of an input. It is of the
// kind Invalid.
type InvalidError struct {
	Field   string // a path such as "events[3].amount"
	Problem string
	Cause   error // nil, or what refused the value
}

// Error is "field: problem".
func (e *InvalidError) Error() string {
	if e.Field == "" {
		return e.Problem
	}
	return e.Field + ": " + e.Problem
}

// Unwrap makes the error one of the kind Invalid, and of its cause.
func (e *InvalidError) Unwrap() []error {
	if e.Cause == nil {
		return []error{Invalid}
	}
	return []error{Invalid, e.Cause}
}

// Field makes an InvalidError.
func Field(field, format string, args ...any) error {
	return &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// Check collects the problems of an input.
type Check struct{ problems []error }

// That notes a problem with a field unless ok.
func (c *Check) That(ok bool, field, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, Field(field, format, args...))
	}
}

// Err notes err as a problem of the field; nil is none.
func (c *Check) Err(field string, err error) {
	if err != nil {
		c.problems = append(c.problems, In(field, err))
	}
}

// Done is nil, or all problems joined.
func (c *Check) Done() error { return errors.Join(c.problems...) }

// In puts a field's path before every InvalidError within err; an error
// without one becomes the problem of that field.
func In(path string, err error) error {
	if err == nil {
		return nil
	}
	found := Fields(err)
	if len(found) == 0 {
		return &InvalidError{Field: path, Problem: err.Error(), Cause: err}
	}
	if len(found) == 1 {
		// What wraps the one problem stays within reach of errors.As.
		return &InvalidError{Field: join(path, found[0].Field), Problem: found[0].Problem, Cause: err}
	}
	problems := make([]error, len(found))
	for i, f := range found {
		problems[i] = &InvalidError{Field: join(path, f.Field), Problem: f.Problem, Cause: f.Cause}
	}
	return errors.Join(problems...)
}

// Fields lists the InvalidErrors within err, in order.
func Fields(err error) []*InvalidError {
	switch e := err.(type) { //nolint:errorlint // the tree is walked by hand
	case nil:
		return nil
	case *InvalidError:
		return []*InvalidError{e}
	case interface{ Unwrap() []error }:
		var all []*InvalidError
		for _, inner := range e.Unwrap() {
			all = append(all, Fields(inner)...)
		}
		return all
	case interface{ Unwrap() error }:
		return Fields(e.Unwrap())
	}
	return nil
}

func join(path, field string) string {
	switch {
	case path == "":
		return field
	case field == "" || strings.HasPrefix(field, "["):
		return path + field
	}
	return path + "." + field
}
