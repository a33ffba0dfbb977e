package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate/session"
)

// problem is an error as RFC 9457 writes it.
type problem struct {
	Type   string       `json:"type"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail,omitempty"`
	Errors []fieldError `json:"errors,omitempty"`

	retryAfter int // seconds
}

type fieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// tooLarge is a body over the limit of its route.
type tooLarge = http.MaxBytesError

// What goes wrong before the library is asked.
var (
	errNoToken     = errors.New("log in, and send the token as Authorization: Bearer")
	errNotYourVerb = errors.New("your role never does this")
	errNoRoute     = errors.New("there is nothing at this path")
	errNoMethod    = errors.New("the path does not take this method")
)

func newProblem(status int, detail string) problem {
	return problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

// problemOf is the one place that says which error is which answer. It tells
// what the library says of the input, and nothing that a server said.
func problemOf(err error) problem {
	fields := fieldsOf(err)
	large := new(tooLarge)
	var many *session.TooManyError
	switch {
	case errors.Is(err, errNoToken):
		return newProblem(http.StatusUnauthorized, err.Error())
	case errors.Is(err, session.ErrBadLogin):
		return newProblem(http.StatusUnauthorized, session.ErrBadLogin.Error())
	case errors.As(err, &many):
		p := newProblem(http.StatusTooManyRequests, "too many attempts to log in")
		p.retryAfter = int((many.RetryAfter + time.Second - 1) / time.Second)
		return p
	case errors.Is(err, errNotYourVerb):
		return newProblem(http.StatusForbidden, err.Error())
	case errors.Is(err, errVerifying):
		return newProblem(http.StatusConflict, err.Error())
	case errors.Is(err, errVerifyLong):
		return newProblem(http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, errNoRoute):
		return newProblem(http.StatusNotFound, err.Error())
	case errors.Is(err, errNoMethod):
		return newProblem(http.StatusMethodNotAllowed, err.Error())
	case errors.As(err, &large):
		return newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", large.Limit))
	case errors.As(err, new(malformed)):
		return newProblem(http.StatusBadRequest, summary(fields, err.Error())).with(fields)
	case errors.Is(err, errBusy):
		return newProblem(http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, fature.ErrOutcomeUnknown):
		return newProblem(http.StatusServiceUnavailable, "the outcome is unknown: ask again with the same key")
	case errors.Is(err, fature.ErrUnavailable), fature.Retryable(err), errors.Is(err, context.DeadlineExceeded):
		return newProblem(http.StatusServiceUnavailable, "the database is away: try again")
	case errors.Is(err, fature.ErrConflict):
		return newProblem(http.StatusConflict, meaning(err, fature.ErrConflict)).with(fields)
	case errors.Is(err, fature.ErrInvalid):
		return newProblem(http.StatusUnprocessableEntity, summary(fields, "the input is refused")).with(fields)
	case errors.Is(err, fature.ErrNotFound):
		return newProblem(http.StatusNotFound, "it is not there, or not yours to see")
	case errors.Is(err, fature.ErrForbidden):
		return newProblem(http.StatusForbidden, "forbidden")
	}
	return newProblem(http.StatusInternalServerError, "something went wrong here; the log has it by X-Request-Id")
}

// mostErrors are as many as an answer tells of; its detail counts all.
const mostErrors = 200

func (p problem) with(fields []fieldError) problem {
	p.Errors = fields[:min(len(fields), mostErrors)]
	return p
}

// renamed is an error of the library whose fields have other names in the body.
type renamed struct {
	error
	field func(string) string
}

func (r renamed) Unwrap() error { return r.error }

func fieldsOf(err error) (list []fieldError) {
	var names renamed
	if !errors.As(err, &names) {
		names.field = func(field string) string { return field }
	}
	for _, p := range fature.Problems(err) {
		message := p.Problem
		if errors.As(p.Cause, new(*pgconn.PgError)) {
			message = "is refused"
		}
		list = append(list, fieldError{names.field(p.Field), message})
	}
	return list
}

func summary(fields []fieldError, otherwise string) string {
	switch len(fields) {
	case 0:
		return otherwise
	case 1:
		if fields[0].Field == "" {
			return fields[0].Message
		}
		return fields[0].Field + " " + fields[0].Message
	}
	return fmt.Sprintf("%d problems with the input", len(fields))
}

// meaning is what the library calls the error: the text of its sentinel of the
// kind, without what it wraps around it.
func meaning(err, kind error) string {
	switch e := err.(type) { //nolint:errorlint // the tree is walked by hand
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if errors.Is(inner, kind) {
				return meaning(inner, kind)
			}
		}
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != kind && errors.Is(inner, kind) { //nolint:errorlint // the kind itself
			return meaning(inner, kind)
		}
	}
	return err.Error()
}
