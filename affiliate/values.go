package affiliate

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

// none is the NULL of a text that is empty.
func none[T ~string](text T) *string {
	if text == "" {
		return nil
	}
	s := string(text)
	return &s
}

func noID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

// missing tells which thing it was that is not there.
func missing(err, what error) error {
	if errors.Is(pg.Fail("", err, nil), fault.NotFound) {
		return what
	}
	return err
}

// listBy reads a page in the falling order of ids, which are made in the order
// of time. The query's first two parameters are the id to go on below, or
// NULL, and the limit.
func listBy[T any](ctx context.Context, db pg.DB, op, after string, limit int,
	id func(T) uuid.UUID, sql string, filters ...any,
) (page.Page[T], error) {
	list, err := page.Read(after, limit, id, func(from uuid.UUID, rows int) ([]T, error) {
		return pg.All[T](ctx, db, sql, append([]any{noID(from), rows}, filters...)...)
	})
	return list, fail(op, err)
}
