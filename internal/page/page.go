// Package page cuts long answers into pages by key. A cursor holds the key of
// the last item, so a page costs the same wherever it lies, and what is added
// or removed meanwhile neither repeats an item nor leaves one out.
package page

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/internal/fault"
)

// DefaultLimit is the size of a page that asks for none; MaxLimit is the
// largest there is.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
)

// maxCursor bounds what is decoded; a key is a time, a number and an id.
const maxCursor = 512

// Page is one part of a long answer.
type Page[T any] struct {
	Items []T
	Next  string // the cursor of the next page; empty on the last
}

// Limit is the size of a page that was asked for as n: 0 is DefaultLimit.
func Limit(n int) (int, error) {
	if n < 0 || n > MaxLimit {
		return 0, fault.Field("limit", "%d is not between 1 and %d", n, MaxLimit)
	}
	if n == 0 {
		return DefaultLimit, nil
	}
	return n, nil
}

// Cut makes a page of what a query with limit+1 rows found: the row too many
// says that there is a next page, which begins after the last item's key.
func Cut[T, K any](rows []T, limit int, key func(T) K) Page[T] {
	if len(rows) <= limit {
		return Page[T]{Items: rows}
	}
	rows = rows[:limit:limit]
	return Page[T]{Items: rows, Next: Cursor(key(rows[limit-1]))}
}

// Cursor writes a key as an opaque text. The key must be a value that JSON
// brings back as it was.
func Cursor[K any](key K) string {
	text, err := json.Marshal(key)
	if err != nil {
		panic(fmt.Sprintf("page: a key of type %T: %v", key, err)) // a programmer's error, never input
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// Parse reads the key that Cursor wrote, and refuses every other text.
func Parse[K any](cursor string) (K, error) {
	var key K
	if len(cursor) <= maxCursor {
		text, err := base64.RawURLEncoding.DecodeString(cursor)
		if err == nil && json.Unmarshal(text, &key) == nil && Cursor(key) == cursor {
			return key, nil
		}
	}
	var zero K
	return zero, fault.Field("cursor", "is not one that a page gave")
}

// Moment is the key of lists in the order of time.
type Moment struct {
	At time.Time `json:"t"`
	ID uuid.UUID `json:"i"`
}

// Read makes the page of at most limit items after a cursor: query gets the key
// to go on from, zero at the beginning, and how many rows to read.
func Read[T, K any](after string, limit int, key func(T) K, query func(from K, rows int) ([]T, error)) (Page[T], error) {
	var from K
	var err error
	if after != "" {
		if from, err = Parse[K](after); err != nil {
			return Page[T]{}, err
		}
	}
	size, err := Limit(limit)
	if err != nil {
		return Page[T]{}, err
	}
	rows, err := query(from, size+1)
	if err != nil {
		return Page[T]{}, err
	}
	return Cut(rows, size, key), nil
}

// All ranges over the items of all pages. It asks for the next page when the
// last one is used up, and ends with the first error.
func All[T any](fetch func(cursor string) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for cursor := ""; ; {
			p, err := fetch(cursor)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
			if cursor = p.Next; cursor == "" {
				return
			}
		}
	}
}
