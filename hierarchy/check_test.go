package hierarchy_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/verify"
)

// Each damage is found by the checks that should find it, and repaired where
// parent_id still tells the truth.
func TestChecksAndRebuild(t *testing.T) {
	t.Parallel()
	w := own(t)
	ana := w.root()
	line := w.chain(ana, 3)
	other := w.root()
	w.wantSound()

	for name, c := range map[string]struct {
		damage string // $1 the root, $2 the last below it, $3 another root
		want   []string
		repair hierarchy.Repair
	}{
		"row lost": {
			`delete from fature.affiliate_hierarchy where (ancestor_id, descendant_id) = ($1, $2)`,
			[]string{"H1s", "H2r", "H4"},
			hierarchy.Repair{Added: 1},
		},
		"row too many": {
			`insert into fature.affiliate_hierarchy values ($3, $2, 4)`,
			[]string{"H1s", "H4"},
			hierarchy.Repair{Removed: 1},
		},
		"wrong distance": {
			`update fature.affiliate_hierarchy set level_difference = 9 where (ancestor_id, descendant_id) = ($1, $2)`,
			[]string{"H1s", "H4"},
			hierarchy.Repair{Removed: 1, Added: 1},
		},
		"row of nobody": {
			`insert into fature.affiliate_hierarchy select x, x, 0 from gen_random_uuid() x`,
			[]string{"H5"},
			hierarchy.Repair{Removed: 1},
		},
		"not at 0 from itself": {
			`delete from fature.affiliate_hierarchy where ancestor_id = $3 and descendant_id = $3`,
			[]string{"H3", "H4", "H2r"},
			hierarchy.Repair{Added: 1},
		},
		"wrong level": {
			`update fature.affiliates set level = 7 where id = $2`,
			[]string{"H4"},
			hierarchy.Repair{Levels: 1},
		},
		"moved by hand": {
			`update fature.affiliates set parent_id = $3 where id = $2`,
			[]string{"H1s"},
			hierarchy.Repair{Removed: 3, Added: 1, Levels: 1},
		},
		"nothing left": {
			`delete from fature.affiliate_hierarchy`,
			[]string{"H2r", "H3", "H4"},
			hierarchy.Repair{Added: 11},
		},
	} {
		t.Run(name, func(t *testing.T) {
			host := begin(t, w.pool, pgx.TxOptions{})
			inside := *w
			inside.t, inside.db, inside.tree = t, pg.Bind(w.db, host), w.tree.WithTx(host)
			damage(t, host, c.damage, ana, line[2], other)
			requireFound(t, inside.db, c.want...)

			repair, err := inside.tree.Rebuild(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.repair, repair)
			inside.wantSound()
			require.NoError(t, host.Rollback(t.Context()))
		})
	}
}

func TestChecksHistory(t *testing.T) {
	t.Parallel()
	w := own(t)
	ana := w.root()
	bia := w.under(ana)
	w.exec(`alter table fature.affiliates disable trigger fature_history_update`)
	w.exec(`alter table fature.affiliate_history disable trigger fature_append_only`)
	for _, sql := range []string{
		`update fature.affiliates set status = 'closed' where id in ($1, $2, $3) and id = $2`,
		`update fature.affiliates set category = 'vip' where id in ($1, $2, $3) and id = $2`,
		`update fature.affiliates set parent_id = null where id in ($1, $2, $3) and id = $2`,
		`delete from fature.affiliate_history where affiliate_id in ($1, $2, $3) and affiliate_id = $2`,
	} {
		host := begin(t, w.pool, pgx.TxOptions{})
		damage(t, host, sql, ana, bia, uuid.Nil)
		requireFound(t, pg.Bind(w.db, host), "H6")
		require.NoError(t, host.Rollback(t.Context()))
	}
}

func TestRebuildRefusesACycle(t *testing.T) {
	t.Parallel()
	w := own(t)
	ana, sound := w.root(), w.root()
	line := w.chain(ana, 2)
	w.exec(`update fature.affiliates set parent_id = $2 where id = $1`, ana, line[0])
	requireFound(t, w.db, "H1s", "H2r")

	_, err := w.tree.Rebuild(t.Context())

	require.ErrorIs(t, err, hierarchy.ErrCycle)
	for _, id := range append(line, ana) {
		require.ErrorContains(t, err, id.String())
	}
	require.NotContains(t, err.Error(), sound.String())
}

// The checks run where they should: in a transaction that can write nothing.
func TestChecksWriteNothing(t *testing.T) {
	t.Parallel()
	w := own(t)
	w.chain(w.root(), 2)
	host := begin(t, w.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	requireFound(t, pg.Bind(w.db, host))
}

func damage(t *testing.T, host pgx.Tx, sql string, ids ...uuid.UUID) {
	t.Helper()
	_, err := host.Exec(t.Context(), "with args as (select $1::uuid, $2::uuid, $3::uuid) "+sql, ids[0], ids[1], ids[2])
	require.NoError(t, err)
}

// requireFound wants the named checks among those that fail, and none to fail
// where none is named.
func requireFound(t *testing.T, db pg.DB, names ...string) {
	t.Helper()
	findings, err := verify.Run(t.Context(), db, hierarchy.Checks())
	require.NoError(t, err)
	var found []string
	for _, f := range findings {
		require.NotEmpty(t, f.IDs)
		found = append(found, f.Name)
	}
	if len(names) == 0 {
		require.Empty(t, found)
	}
	require.Subset(t, found, names)
}
