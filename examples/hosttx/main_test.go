package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/testenv"
)

// TestMain lets the test binary be the program itself, which the tests run.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_PROGRAM") != "" {
		main()
		return
	}
	m.Run()
}

func TestHosttx(t *testing.T) {
	t.Parallel()
	program := exec.CommandContext(t.Context(), os.Args[0])
	program.Env = append(os.Environ(), "BE_THE_PROGRAM=1", "FATURE_BACKEND=url", "FATURE_DATABASE_URL="+testenv.URL(testenv.Empty(t)))
	program.Stderr = os.Stderr
	output, err := program.Output()
	require.NoError(t, err)
	require.Equal(t, `  order A-1: Level 0 earns 10 % of a sale of 120.00 BRL = 12.00 BRL.
  order A-1: Level 1 earns 5 % of a sale of 120.00 BRL = 6.00 BRL.
the card was declined: rolled back
  0 orders, 0 commissions
  order A-1: Level 0 earns 10 % of a sale of 120.00 BRL = 12.00 BRL.
  order A-1: Level 1 earns 5 % of a sale of 120.00 BRL = 6.00 BRL.
paid: committed
  1 orders, 2 commissions
`, string(output))
}
