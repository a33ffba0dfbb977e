package pg_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv/faulty"
)

// The reply to COMMIT is lost: the transaction is stored, and nobody on this
// side can know. It is not run again. (pgx itself calls it safe to retry.)
func TestLostReplyToCommit(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	line := faulty.To(t, n.pool, nil)
	db := pg.In(line.Pool, "")
	require.NoError(t, pg.InTx(t.Context(), db, func(tx pg.DB) error { return write(t.Context(), tx, "prepares") }))

	tries := 0
	err := pg.InTx(t.Context(), db, func(tx pg.DB) error {
		tries++
		if err := write(t.Context(), tx, "stored"); err != nil {
			return err
		}
		line.Cut() // COMMIT is the next that is sent
		return nil
	})
	require.ErrorIs(t, err, pg.ErrOutcomeUnknown)
	require.ErrorIs(t, err, fault.Unavailable)
	require.False(t, pg.Retryable(err))
	require.ErrorIs(t, pg.Fail("op", err, nil), pg.ErrOutcomeUnknown)
	require.Equal(t, 1, tries)
	n.want("prepares", "stored")

	line.Heal()
	require.NoError(t, pg.InTx(t.Context(), db, func(tx pg.DB) error { return write(t.Context(), tx, "later") }))
	n.want("prepares", "stored", "later")
}

// The line is cut earlier, before COMMIT was sent: nothing is stored, which is
// known, and it is tried again.
func TestLostReplyBeforeCommit(t *testing.T) {
	t.Parallel()
	n := newNotebook(t)
	line := faulty.To(t, n.pool, nil)
	tries := 0
	err := pg.InTx(t.Context(), pg.In(line.Pool, ""), func(tx pg.DB) error {
		if tries++; tries == 1 {
			line.Cut()
			defer line.Heal()
		}
		return write(t.Context(), tx, "try "+strconv.Itoa(tries))
	})
	require.NoError(t, err)
	require.Equal(t, 2, tries)
	n.want("try 2")
}
