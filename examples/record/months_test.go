package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Three months with a bonus on what BIA sold less refunds: May's is 1 % of
// 2000.00, June's loss of 300.00 is carried into July's. ANA's 36.00 roll over
// once. Started again, it changes nothing.
func TestRecordClosesAndPays(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	transfers := filepath.Join(t.TempDir(), "transfers.csv")
	file := write(t, "events.csv", `original_id,customer_id,code,type,amount,created_at,reverses
A-1,c-1,BIA,sale,2000.00,2025-05-10T10:00:00Z,
A-2,c-1,BIA,sale,500.00,2025-06-10T10:00:00Z,
R-1,c-1,BIA,refund,800.00,2025-06-12T10:00:00Z,A-1
A-3,c-1,BIA,sale,4000.00,2025-07-10T10:00:00Z,
`)
	args := []string{"-plan", "", "-close", "-pay", transfers, "-minimum", "50.00", file}
	output := s.record(t, args...)
	require.Contains(t, output, "3 months closed: 3 statements, with 2 lines of 57.00 (")
	require.Contains(t, output, "4 payouts of 684.00 written to "+transfers+", 0 affiliates roll over (")
	require.Contains(t, output, "  pending 0.00, available 0.00, paid 684.00\n")
	require.Regexp(t, `verified: all \d+ invariants hold`, output)
	written, err := os.ReadFile(transfers)
	require.NoError(t, err)
	for _, amount := range []string{"116.00", "51.00", "397.00", "120.00"} {
		require.Contains(t, string(written), ","+amount+",GBP\n")
	}
	require.Equal(t, 5, strings.Count(string(written), "\n"), "with the head")

	output = s.record(t, args...)
	require.Contains(t, output, "3 months closed: 3 statements, with 2 lines of 57.00 (")
	require.Contains(t, output, "0 payouts of 0.00 written to ")
	again, err := os.ReadFile(transfers)
	require.NoError(t, err)
	require.Equal(t, string(written), string(again))
}

// A plan that pays by no month has none to be closed.
func TestRecordClosesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	output, err := s.program(t.Context(), "-close", write(t, "events.csv", head+sales(1, 1))).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(output), "no plan in force pays by 2026-06")
}
