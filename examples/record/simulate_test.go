package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What the file would have come to with 20 % for BIA and nothing for ANA.
func TestRecordSimulates(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	other := write(t, "other.json", `{"name": "other", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "20"}}]}`)
	output := s.record(t, "-simulate", other, write(t, "events.csv", head+sales(1, 200)))
	require.Contains(t, output, "under "+other+", 200 transactions and 0 statements come to 804.00, not 603.00: a difference of 201.00; breakage 0.00 (")
	require.Contains(t, output, `
  affiliate                     old          new   difference
  BIA                        402.00       804.00       402.00
  ANA                        201.00         0.00      -201.00
`)
	require.Equal(t, wholeFile, s.totals(t), "nothing is posted")
}
