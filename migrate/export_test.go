package migrate

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Index is one that Up makes later, for tests that bring a list of their own.
type Index = index

// UpWith is Up with another list of later indexes.
func UpWith(ctx context.Context, conn *pgx.Conn, o Options, later []Index) error {
	return fail(o.to(ctx, conn, Latest(), later))
}

// SQLWith is SQL with another list of later indexes.
func SQLWith(o Options, after int32, later []Index) (string, error) { return o.plain(after, later) }
