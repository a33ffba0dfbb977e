package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/internal/verify"
)

func TestRun(t *testing.T) {
	t.Parallel()
	db := pg.In(testenv.Pool(t), "")
	found, err := verify.Run(t.Context(), db, []verify.Check{
		{Name: "V1", Meaning: "holds", SQL: `select 1 where false`},
		{Name: "V2", Meaning: "many", SQL: `select n as what, 'and more' from generate_series(10, 99) n`},
		{Name: "V3", Meaning: "recursive, one id twice", SQL: `
			with recursive r as (select 1 as n union all select n + 1 from r where n < 2) select 'same' from r`},
		{Name: "V4", Meaning: "a row of nobody", SQL: `select null::uuid`},
	})
	require.NoError(t, err)
	require.Equal(t, []verify.Finding{
		{Name: "V2", Meaning: "many", Count: 90, IDs: []string{"10", "11", "12", "13", "14", "15", "16", "17", "18", "19"}},
		{Name: "V3", Meaning: "recursive, one id twice", Count: 2, IDs: []string{"same"}},
		{Name: "V4", Meaning: "a row of nobody", Count: 1, IDs: []string{}},
	}, found)
}

func TestRunNamesTheBrokenCheck(t *testing.T) {
	t.Parallel()
	_, err := verify.Run(t.Context(), testenv.Pool(t), []verify.Check{{Name: "V9", SQL: `select nonsense`}})
	require.ErrorContains(t, err, "V9")
}
