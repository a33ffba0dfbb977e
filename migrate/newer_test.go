package migrate_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

// A database that a newer program migrated says from which version on programs
// work with it; what it says of another version than its own does not count.
func TestNewerDatabaseThatWorks(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		of, from int32
		works    bool
	}{
		"this program and older":             {latest + 2, latest - 1, true},
		"this program is the oldest":         {latest + 2, latest, true},
		"only newer ones":                    {latest + 2, latest + 1, false},
		"said by the step before, not by it": {latest + 1, latest, false},
		"nonsense":                           {latest + 2, 0, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			pool := testenv.Clone(t)
			conn := connect(t, pool)
			_, err := conn.Exec(t.Context(), fmt.Sprintf(`
				update fature.schema_version set version = %d;
				comment on table fature.schema_version is 'version %d works with programs from version %d'`, latest+2, c.of, c.from))
			require.NoError(t, err)
			before := catalogue(t, conn, "fature")

			state, err := migrate.Status(t.Context(), conn, migrate.Options{})
			require.NoError(t, err)
			require.Equal(t, c.works, state.Compatible())
			require.False(t, state.Current())

			var log bytes.Buffer
			o := migrate.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
			err = migrate.Up(t.Context(), conn, o)
			if c.works {
				require.NoError(t, err)
				require.Contains(t, log.String(), fmt.Sprintf("level=WARN msg=\"migrate: the database is newer than this program, and works with it\" schema=fature version=%d latest=%d", latest+2, latest))
				_, err = fature.New(t.Context(), fature.Config{Pool: pool})
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, migrate.ErrNewer)
				require.ErrorIs(t, err, fature.ErrConflict)
				require.Empty(t, log.String())
			}
			require.ErrorIs(t, migrate.Down(t.Context(), conn, o), migrate.ErrNewer, "the way down is not known")
			require.ErrorIs(t, migrate.To(t.Context(), conn, latest-1, o), migrate.ErrNewer)
			_, err = migrate.Roles(t.Context(), conn, o)
			require.ErrorIs(t, err, migrate.ErrNewer, "nor what rights the newer tables want")
			wantSame(t, before, catalogue(t, conn, "fature"))
		})
	}
}
