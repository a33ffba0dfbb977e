package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
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

// shop is a database, and the files of a shop with two affiliates, BIA under
// ANA, who earn 10 % and 5 % of a sale.
type shop struct {
	pool *pgxpool.Pool
	args []string
}

func newShop(t *testing.T) shop {
	t.Helper()
	pool := testenv.Clone(t)
	tree := write(t, "tree.csv", "code,name,email,referred_by\nANA,Ana,ana@example.com,\nBIA,Bia,bia@example.com,ANA\n")
	plan := write(t, "plan.json", `{
		"name": "shop", "currency": "BRL",
		"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
		           "overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "5"}]}}]
	}`)
	return shop{pool, []string{"-database", testenv.URL(pool), "-tree", tree, "-plan", plan, "-batch", "20"}}
}

func write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// program is the program with the shop's flags and others.
func (s shop) program(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Args[0], append(s.args, args...)...)
	c.Env = append(os.Environ(), "BE_THE_PROGRAM=1")
	return c
}

func (s shop) record(t *testing.T, args ...string) (output string) {
	t.Helper()
	text, err := s.program(t.Context(), args...).CombinedOutput()
	require.NoError(t, err, string(text))
	return string(text)
}

// totals are what came of a file, whatever the way there.
func (s shop) totals(t *testing.T) (lines []string) {
	t.Helper()
	rows, _ := s.pool.Query(t.Context(), `
		select format('%s: %s sold, %s earned', referral_code, lifetime_volume, lifetime_commissions) from fature.affiliates
		union all select format('%s transactions of %s', count(*), sum(amount)) from fature.transactions
		union all select format('level %s: %s lines of %s', level, count(*), sum(final_amount)) from fature.commissions group by level
		union all select format('%s keys', count(*)) from fature.transaction_keys
		order by 1`)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return lines
}

const head = "original_id,customer_id,code,type,amount,created_at,channel\n"

// sales are rows of which each is a sale of 0.20 more than the one before, so
// that 10 % and 5 % of it are whole.
func sales(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		at := time.Date(2026, 6, 30, 21, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Minute) // over two months
		fmt.Fprintf(&b, "A-%d,c-%d,BIA,sale,%d.%02d,%s,web\n", i, i%7, i/5, i%5*20, at.Format(time.RFC3339))
	}
	return b.String()
}

var wholeFile = []string{
	"200 keys",
	"200 transactions of 4020.00",
	"ANA: 0.00 sold, 201.00 earned",
	"BIA: 4020.00 sold, 402.00 earned",
	"level 0: 200 lines of 402.00",
	"level 1: 200 lines of 201.00",
}

// Every row is told, once, and a second run changes nothing.
func TestRecordTwice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := write(t, "events.csv", head+sales(1, 150)+
		`B-1,c-1,BIA,sale,"12,90",2026-07-01T10:00:00Z,web`+"\n"+ // row 152
		`B-2,c-"1",BIA,sale,12.90,2026-07-01T10:00:00Z,web`+"\n"+
		`B-3,c-1,BIA,sale,12.90,2026-07-01T10:00:00Z`+"\n"+
		`B-4,c-1,BIA,sell,12.90,2026-07-01T10:00:00Z,web`+"\n"+
		`B-5,c-1,BIA,sale,12.90,yesterday,web`+"\n"+
		`B-6,c-1,BIA,sale,12.905,2026-07-01T10:00:00Z,web`+"\n"+
		`B-7,,,sale,12.90,2026-07-01T10:00:00Z,web`+"\n"+ // nobody's
		sales(150, 150)+ // once more
		sales(151, 200))

	first := s.record(t, file)
	require.Contains(t, first, `
       200 recorded, of 4020.00, with 400 lines of 603.00; breakage 0.00
         1 recorded before
         1 of nobody
         6 refused
    row 152: amount: "12,90" cannot be read
    row 153: bare " in non-quoted-field
    row 154: wrong number of fields
    row 156: created_at: "yesterday" cannot be read
`)
	require.Contains(t, first, "row 155: events[10].type: \"sell\" is not a type of event\n")
	require.Contains(t, first, "row 157: events[11].amount: 12.905 has more than 2 decimals\n")
	require.Contains(t, first, "208 rows in ")
	require.Regexp(t, `verified: all \d+ invariants hold`, first)
	require.Equal(t, wholeFile, s.totals(t))

	second := s.record(t, file)
	require.Contains(t, second, `
         0 recorded, of 0.00, with 0 lines of 0.00; breakage 0.00
       201 recorded before
         1 of nobody
         6 refused
`)
	require.Equal(t, wholeFile, s.totals(t))
}

// As a spreadsheet saves it, with a byte order mark.
func TestRecordOneType(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := write(t, "events.csv", "\ufeff"+head+sales(1, 2)+"D-1,c-1,BIA,deposit,50.00,2026-07-01T10:00:00Z,web\n")
	output := s.record(t, "-only", "deposit", file)
	require.Contains(t, output, "         1 recorded, of 50.00, with 0 lines of 0.00; breakage 0.00\n")
	require.Contains(t, output, "         2 of other types left out\n")
}

// Ended in the middle, politely or not, it goes on where it was: what is there
// then is what one run would have left.
func TestRecordIsStoppedAndStartedAgain(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Kill, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			// The program waits for rows that do not come, so it is in the middle.
			program := s.program(t.Context(), "/dev/stdin")
			rows, err := program.StdinPipe()
			require.NoError(t, err)
			var said strings.Builder
			program.Stderr = &said
			require.NoError(t, program.Start())
			_, err = io.WriteString(rows, head+sales(1, 130))
			require.NoError(t, err)
			recorded := func() (n int) {
				require.NoError(t, s.pool.QueryRow(t.Context(), "select count(*) from fature.transactions").Scan(&n))
				return n
			}
			require.Eventually(t, func() bool { return recorded() >= 40 }, time.Minute, 10*time.Millisecond)
			require.NoError(t, program.Process.Signal(signal))
			if signal == os.Interrupt {
				// Nothing ends a read: it sees the signal at the next batch, which
				// comes of rows that it has.
				for range 10_000 {
					if _, err := io.WriteString(rows, sales(130, 130)); err != nil {
						break // it has ended
					}
					time.Sleep(5 * time.Millisecond)
				}
			}
			_ = rows.Close()
			require.Error(t, program.Wait())
			n := recorded()
			if signal == os.Interrupt {
				require.Contains(t, said.String(), "start again: what is recorded stays")
			} else {
				require.Zero(t, n%20, "whole batches")
			}
			require.Less(t, n, 200)

			output := s.record(t, write(t, "events.csv", head+sales(1, 200)))
			require.Contains(t, output, fmt.Sprintf("\n  %8d recorded, of ", 200-n))
			require.Contains(t, output, fmt.Sprintf("\n  %8d recorded before\n", n))
			require.Equal(t, wholeFile, s.totals(t))
		})
	}
}

func TestRecordSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for want, args := range map[string][]string{
		"no such file":                      {"none.csv"},
		"the head of the file: EOF":         {write(t, "empty.csv", "")},
		`the file has no column "amount"`:   {write(t, "few.csv", "original_id,type,created_at\n")},
		"-batch is not between 1 and 10000": {"-batch", "0", write(t, "events.csv", head)},
		"-minimum is not an amount":         {"-minimum", "ten", write(t, "events.csv", head)},
		"Usage of ":                         {},
	} {
		output, err := s.program(t.Context(), args...).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(output), want)
	}
}
