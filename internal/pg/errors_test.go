package pg_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// What the server says, and what a host reads.
func TestFail(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	require.NoError(t, write(t.Context(), n.pool, "taken"))
	ours := fault.New(fault.Conflict, "the note is taken")
	constraints := pg.Constraints{"notes_pkey": ours, "notes_of_fkey": fault.Field("of", "does not exist")}

	exec := func(sql string, args ...any) error {
		_, err := n.pool.Exec(t.Context(), sql, args...)
		return err
	}
	coded := func(code string) error { return raise(t.Context(), n.pool, code) }
	kinds := []error{fault.NotFound, fault.Conflict, fault.Invalid, fault.Forbidden, fault.Unavailable}
	_, none := pg.One[struct{ Note string }](t.Context(), n.pool, `select note from fature.notes where note = 'x'`)

	for _, c := range []struct {
		name      string
		err       error
		kind      error // nil: none of the five
		says      string
		retryable bool
	}{
		{"a constraint of the package", exec(`insert into fature.notes (note) values ('taken')`), ours, "store: the note is taken (ERROR: duplicate key", false},
		{"a constraint of the package's field", exec(`insert into fature.notes (note, of) values ('x', 'y')`), fault.Invalid, "store: of: does not exist (", false},
		{"a unique key of nobody", coded("23505"), fault.Conflict, "store: conflict (ERROR: as the test wishes (SQLSTATE 23505))", false},
		{"an exclusion", coded("23P01"), fault.Conflict, "conflict", false},
		{"a foreign key of nobody", coded("23503"), fault.Invalid, "invalid", false},
		{"a check", coded("23514"), fault.Invalid, "invalid", false},
		{"not null", exec(`insert into fature.notes default values`), fault.Invalid, "23502", false},
		{"a text that is no number", exec(`select 'x'::text::int`), fault.Invalid, "22P02", false},
		{"a number out of range", exec(`select 10000000000::bigint::int`), fault.Invalid, "22003", false},
		{"no right", coded("42501"), fault.Forbidden, "forbidden", false},
		{"the server goes down", coded("57P01"), fault.Unavailable, "unavailable", true},
		{"a serialization failure", coded("40001"), fault.Unavailable, "unavailable", true},
		{"a lock timeout", coded("55P03"), fault.Unavailable, "unavailable", true},
		{"a full disk", coded("53100"), fault.Unavailable, "unavailable", false},
		{"a broken connection", io.ErrUnexpectedEOF, fault.Unavailable, "unavailable (unexpected EOF)", true},
		{"a mistake of ours", exec(`select nonsense`), nil, "store: ERROR: column", false},
		{"a trigger's text", coded("P0001"), nil, "as the test wishes", false},
		{"no rows", none, fault.NotFound, "store: not found", false},
		{"a kind already", fmt.Errorf("outer: %w", ours), ours, "store: outer: the note is taken", false},
		{"several kinds joined", errors.Join(fault.Field("a", "is bad"), fault.Field("b", "is worse")), fault.Invalid, "a: is bad\nb: is worse", false},
		{"the caller's time", fmt.Errorf("%w: %w", context.DeadlineExceeded, io.EOF), nil, "deadline exceeded", false},
		{"anything else", errors.New("anything"), nil, "store: anything", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := pg.Fail("store", c.err, constraints)
			require.ErrorContains(t, err, c.says)
			if c.kind != nil {
				require.ErrorIs(t, err, c.kind)
			}
			for _, kind := range kinds {
				require.Equal(t, c.kind != nil && errors.Is(c.kind, kind), errors.Is(err, kind), "%v", kind)
			}
			require.Equal(t, c.retryable, pg.Retryable(err))
			require.NotErrorIs(t, err, pgx.ErrNoRows, "pgx's own word is kept out of it")
			if server := new(pgconn.PgError); errors.As(c.err, &server) {
				require.ErrorAs(t, err, &server, "what the server said stays within reach")
			}
			if marked := interface{ Retryable() bool }(nil); errors.As(err, &marked) {
				require.Equal(t, c.retryable, marked.Retryable())
			}
		})
	}
	require.NoError(t, pg.Fail("store", nil, constraints))
}
