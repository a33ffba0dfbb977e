package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRatios(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, run(strings.NewReader(`goos: linux
BenchmarkRecord/limit=copy-2         	      20	 100000000 ns/op	      6199 events/s
BenchmarkRecord/audit=off-2          	      20	 125000000 ns/op	      2470 events/s
BenchmarkFold-2                      	      20	 348105556 ns/op
PASS
`), &out))
	require.Contains(t, out.String(), "BenchmarkFold-2", "what is read is passed on")
	_, table, _ := strings.Cut(out.String(), "of limit\n")
	require.Equal(t, []string{
		"Record", "limit=copy", "100.000", "1.00",
		"Record", "audit=off", "125.000", "0.80",
	}, strings.Fields(table))
}
