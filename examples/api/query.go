package main

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/internal/fault"
)

// largestPage is the most items of a list in one answer.
const largestPage = 200

// query reads the parameters of a list. One that it was not asked for is
// refused, since a filter with a typing mistake would answer everything.
type query struct {
	fault.Check
	values url.Values
	known  []string
}

func queryOf(c *call) *query {
	q := &query{}
	var err error
	q.values, err = url.ParseQuery(c.URL.RawQuery)
	q.That(err == nil, "query", "is not readable")
	return q
}

func (q *query) text(name string) string {
	q.known = append(q.known, name)
	q.That(len(q.values[name]) <= 1, name, "is given twice")
	return q.values.Get(name)
}

func (q *query) id(name string) uuid.UUID   { return read(q, name, parseID) }
func (q *query) time(name string) time.Time { return read(q, name, parseTime) }

func read[T any](q *query, name string, parse func(string) (T, error)) (value T) {
	if text := q.text(name); text != "" {
		var err error
		value, err = parse(text)
		q.Err(name, err)
	}
	return value
}

// page is the limit and the cursor.
func (q *query) page() (limit int, cursor string) { return q.limit(), q.text("cursor") }

// limit is never 0.
func (q *query) limit() int {
	return q.number("limit", 50, largestPage)
}

// number is one from 1 on.
func (q *query) number(name string, otherwise, largest int) int {
	n := otherwise
	if text := q.text(name); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		q.That(err == nil && n >= 1 && n <= largest, name, "%.20q is not between 1 and %d", text, largest)
	}
	return n
}

// level is nil where it is not asked for.
func (q *query) level(name string) *int {
	return read(q, name, func(text string) (*int, error) {
		level, err := strconv.Atoi(text)
		if err != nil {
			return nil, fault.Field("", "%.20q is not a number", text)
		}
		return &level, nil
	})
}

func (q *query) done() error {
	for name := range q.values {
		q.That(slices.Contains(q.known, name), clip(name), "is not a parameter here")
	}
	return q.Done()
}
