package fature_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// everyPeriod is a plan of all that period rules can ask for. Its cap makes what
// an affiliate is paid depend on who is settled before.
const everyPeriod = `{"timezone": "America/Sao_Paulo", "hold": "10d", "rules": [
	{"id": "cpa", "on": ["deposit"], "pay": {"flat": "20.00"}},
	{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win"]}, "carry": "base", "carry_cap": "3000.00", "split_by": "brand",
	 "pay": {"tiers": {"mode": "marginal", "steps": [{"up_to": "500.00", "percent": "25"}, {"percent": "35", "min_active": 2}]}},
	 "high_roller": {"mode": "quarantine", "player_max": "300.00"},
	 "overrides": {"of": "commission", "inactive": "compress", "steps": [{"percent": "10"}, {"percent": "5"}]}},
	{"id": "all", "period": "month", "base": {"plus": ["bet", "deposit"], "minus": ["win", "bonus"]}, "carry": "commission", "pay": {"percent": "10"}, "recoup": ["cpa"],
	 "overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "1"}]}}],
	"caps": [{"per": "affiliate", "period": "month", "max": "150.00"}]}`

// crowd is a casino of so many affiliates that has had two months, always the
// same ones.
func crowd(t testing.TB, n int) *scenario.World {
	t.Helper()
	w := scenario.New(t)
	w.Plan(everyPeriod)
	w.SetNow(time.Date(2025, 8, 20, 0, 0, 0, 0, time.UTC))
	w.Affiliate("aff0")
	for i := 1; i < n; i++ {
		w.Affiliate(fmt.Sprint("aff", i), scenario.Under(fmt.Sprint("aff", i/3)))
	}
	_, err := w.Program.Affiliates.Update(t.Context(), w.ID("aff1"), affiliate.Change{Status: affiliate.Suspended})
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // always the same
	var events []transaction.Event
	for range 20 * n {
		events = append(events, played(w, random, fmt.Sprint("aff", random.IntN(n)), time.Month(6+random.IntN(2))))
	}
	w.Record(events...)
	return w
}

// played is what a customer does in a month.
func played(w *scenario.World, random *rand.Rand, name string, month time.Month) transaction.Event {
	of := []transaction.Type{transaction.Bet, transaction.Bet, transaction.Win, transaction.Bonus, transaction.Deposit}[random.IntN(5)]
	e := w.Event(name, of, "0", on(month, 1+random.IntN(28)), scenario.Customer(fmt.Sprint(name, "-", random.IntN(4))))
	e.Amount = decimal.New(1+random.Int64N(40_000), -2)
	e.Metadata = map[string]any{"brand": []any{"red", "blue", nil}[random.IntN(3)]}
	return e
}

// books are the statements, what they carry and what they pay, in words.
func books(t *testing.T, w *scenario.World) []string {
	t.Helper()
	return list[string](t, w.Pool, `
		select format('%s %s %s/%s %s + %s = %s pays %s carries %s and %s: %s %s %s', a.referral_code, name, rule, split,
			opening, base, commission, payable, closing, unrecouped, footing, skipped,
			(select string_agg(customer_id || ' ' || balance, ', ' order by customer_id) from fature.statement_carries where statement_id = s.id))
		from fature.statements s join fature.affiliates a on a.id = s.affiliate_id
		union all
		select format('%s gets %s of %s %s/%s %s: %s %s %s', a.referral_code, o.referral_code, s.name, s.split, c.rule, c.level, c.amount, c.final_amount, c.available_at)
		from fature.commissions c join fature.affiliates a on a.id = c.affiliate_id
		join fature.statements s on s.id = c.statement_id join fature.affiliates o on o.id = s.affiliate_id
		order by 1`)
}

// However a close is disturbed, it comes to the same statements and lines.
func TestCloseDisturbed(t *testing.T) {
	t.Parallel()
	const n = 30
	calm := crowd(t, n)
	calm.Close("2025-06")
	calm.Close("2025-07")
	want := books(t, calm)
	require.Greater(t, len(want), 6*n)
	calm.Verify()
	for name, disturbed := range map[string]func(t *testing.T, w *scenario.World, period string){
		"in lots":               func(_ *testing.T, w *scenario.World, period string) { w.Close(period) },
		"cancelled after a lot": closeCancelled,
		"by four at once":       closeAtOnce,
		"terminated in a lot":   closeTerminated,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := crowd(t, n)
			fature.SetLot(w.Program, 7)
			for _, period := range []string{"2025-06", "2025-07"} {
				disturbed(t, w, period)
				require.Zero(t, w.Pool.Stat().AcquiredConns())
				rows := w.Rows()
				wantProgress(t, w, period, n)
				require.Equal(t, rows, w.Rows())
			}
			require.Equal(t, want, books(t, w))
			w.Verify()
		})
	}
}

// wantProgress closes a period, and says that its progress comes to the end,
// whoever has done the first of it.
func wantProgress(t *testing.T, w *scenario.World, period string, n int) {
	t.Helper()
	last := 0
	_, err := w.Program.ClosePeriod(t.Context(), period, func(done, total int) {
		require.Equal(t, n, total)
		require.GreaterOrEqual(t, done, last)
		last = done
	})
	require.NoError(t, err)
	if last > 0 {
		require.Equal(t, n, last)
	}
}

func closeCancelled(t *testing.T, w *scenario.World, period string) {
	for lots := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := w.Program.ClosePeriod(ctx, period, func(done, _ int) {
			require.Equal(t, 7*(lots+1), done, "the lots of the calls before count")
			cancel()
		})
		require.ErrorIs(t, err, context.Canceled)
		_, err = w.Program.PreviewPeriod(t.Context(), period, nil)
		require.ErrorIs(t, err, commission.ErrPeriodClosed)
		_, err = w.Program.ClosePeriod(t.Context(), "2025-08", nil)
		require.ErrorIs(t, err, commission.ErrPeriodNotOver)
	}
	wantProgress(t, w, period, 30)
}

func closeAtOnce(t *testing.T, w *scenario.World, period string) {
	var sums [4][]fature.ClosedPlan
	atOnce(len(sums), func(i int) {
		last := 0
		var err error
		sums[i], err = w.Program.ClosePeriod(t.Context(), period, func(done, _ int) { last = done })
		isNil(t, err)
		if last > 0 && last != 30 {
			t.Errorf("the progress ended at %d", last)
		}
	})
	for _, s := range sums[1:] {
		require.Equal(t, fmt.Sprint(sums[0]), fmt.Sprint(s))
	}
}

// closeTerminated ends the session that closes when its second lot waits to
// write its statements.
func closeTerminated(t *testing.T, w *scenario.World, period string) {
	conn, err := pgx.Connect(t.Context(), testenv.URL(w.Pool))
	require.NoError(t, err)
	defer conn.Close(context.Background())
	hold := func() {
		_, err := conn.Exec(t.Context(), "begin; lock table fature.statements in share mode")
		require.NoError(t, err)
	}
	struck := make(chan int)
	var once atomic.Bool
	_, err = w.Program.ClosePeriod(t.Context(), period, func(int, int) {
		if once.Swap(true) {
			return
		}
		hold()
		go func() { struck <- strike(t, conn) }()
	})
	require.Equal(t, 1, <-struck)
	for err != nil {
		require.NotErrorIs(t, err, fature.ErrConflict)
		require.NotErrorIs(t, err, fature.ErrInvalid)
		_, err = w.Program.ClosePeriod(t.Context(), period, nil)
	}
}

// strike terminates who waits for a lock of conn's, and gives that up.
func strike(t *testing.T, conn *pgx.Conn) (struck int) {
	for struck == 0 && t.Context().Err() == nil {
		err := conn.QueryRow(t.Context(), `select count(*) filter (where pg_terminate_backend(pid, 5000)) from pg_stat_activity
			where datname = current_database() and pg_backend_pid() = any(pg_blocking_pids(pid))`).Scan(&struck)
		if !isNil(t, err) {
			break
		}
	}
	_, err := conn.Exec(t.Context(), "rollback")
	isNil(t, err)
	return struck
}

// A lot costs the same round trips however large it is.
func TestRoundTripsOfAClose(t *testing.T) {
	t.Parallel()
	w := crowd(t, 24)
	config := w.Pool.Config().Copy()
	config.MaxConns = 1 // which is enough to close and to preview
	trips := testenv.CountTrips(config.ConnConfig)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	now := time.Date(2025, 9, 20, 0, 0, 0, 0, time.UTC)
	p, err := fature.New(t.Context(), fature.Config{Pool: pool, Clock: func() time.Time { return now }})
	require.NoError(t, err)
	// Each lot is as far from the one before.
	lots := func(period string, size int) (each []int) {
		fature.SetLot(p, size)
		before := 0
		_, err := p.ClosePeriod(t.Context(), period, func(int, int) {
			each = append(each, trips.Count()-before)
			before = trips.Count()
		})
		require.NoError(t, err)
		return each[1 : len(each)-1] // the first begins the close, and the last ends it
	}
	_, err = p.PreviewPeriod(t.Context(), "2025-06", nil)
	require.NoError(t, err)
	// Some less where a statement is prepared, or nobody's losses are carried
	// alone.
	require.LessOrEqual(t, slices.Max(lots("2025-06", 3)), 16)
	require.LessOrEqual(t, slices.Max(lots("2025-07", 8)), 16)
}

// Six writers record events of the month that is being closed, and of the next.
// Each transaction is in one statement, of this close or of the next.
func TestRecordingWhileAPeriodCloses(t *testing.T) {
	t.Parallel()
	const n = 24
	w := crowd(t, n)
	w.Close("2025-06")
	w.SetNow(time.Date(2025, 8, 29, 0, 0, 0, 0, time.UTC))
	fature.SetLot(w.Program, 3)
	var stop atomic.Bool
	var recorded atomic.Int64
	closed := make(chan error, 1)
	go func() {
		time.Sleep(50 * time.Millisecond)
		_, err := w.Program.ClosePeriod(t.Context(), "2025-07", func(int, int) { time.Sleep(10 * time.Millisecond) })
		time.Sleep(50 * time.Millisecond)
		stop.Store(true)
		closed <- err
	}()
	atOnce(6, func(writer int) {
		random := rand.New(rand.NewPCG(7, uint64(writer))) //nolint:gosec // a test
		for !stop.Load() {
			var batch []transaction.Event
			for range 1 + random.IntN(5) {
				batch = append(batch, played(w, random, fmt.Sprint("aff", random.IntN(n)), time.Month(7+random.IntN(2))))
			}
			if _, err := w.Program.Record(t.Context(), batch...); !isNil(t, err) {
				return
			}
			recorded.Add(int64(len(batch)))
		}
	})
	require.NoError(t, <-closed)
	w.Verify()
	wantCounted(t, w, "2025-06", "2025-07")
	w.SetNow(time.Date(2025, 9, 20, 0, 0, 0, 0, time.UTC))
	w.Close("2025-08")
	w.Verify()
	wantCounted(t, w, "2025-06", "2025-07", "2025-08")
	t.Logf("%d recorded meanwhile, of which %d late", recorded.Load(), one[int](t, w.Pool,
		"select count(*) from fature.transactions where created_at < '2025-08-01 03:00+00' and rated_seq >= (select seq from fature.closings where name = '2025-07')"))
}

// wantCounted says that the items of the statements of all closes are the sums
// of the transactions that they are about, by affiliate and type, each counted
// once by each rule.
func wantCounted(t *testing.T, w *scenario.World, closes ...string) {
	t.Helper()
	type sum struct {
		AffiliateID uuid.UUID
		Type        string
		Amount      decimal.Decimal
	}
	read := func(sql string, args ...any) map[string]string {
		rows, err := w.Pool.Query(t.Context(), sql, args...)
		require.NoError(t, err)
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sum])
		require.NoError(t, err)
		sums := map[string]string{}
		for _, s := range all {
			sums[s.AffiliateID.String()+" "+s.Type] = s.Amount.StringFixed(2)
		}
		return sums
	}
	for rule, types := range map[string][]string{"rev": {"bet", "win"}, "all": {"bet", "deposit", "win", "bonus"}} {
		counted := read(`
			select s.affiliate_id, i->>'type', sum((i->>'amount')::numeric) from fature.statements s,
				jsonb_array_elements(s.footing->'parts') p, jsonb_array_elements(p->'items') i
			where s.rule = $1 and s.name = any($2) group by 1, 2`, rule, closes)
		there := read(`
			select t.affiliate_id, t.type::text, sum(t.amount) from fature.transactions t, fature.closings c
			where t.type::text = any($1) and c.name = any($2) and t.status = 'processed'
				and (t.created_at >= c.period_start and t.created_at < c.period_end and t.rated_seq < c.seq
					or t.created_at < c.period_start and t.rated_seq >= c.late_seq and t.rated_seq < c.seq)
			group by 1, 2`, types, closes)
		require.Equal(t, there, counted, rule)
		if last := closes[len(closes)-1]; one[bool](t, w.Pool, "select not exists (select from fature.transactions t, fature.closings c where c.name = $1 and t.created_at >= c.period_end)", last) {
			all := read("select affiliate_id, type::text, sum(amount) from fature.transactions where type::text = any($1) group by 1, 2", types)
			require.Equal(t, all, counted, rule)
		}
	}
}
