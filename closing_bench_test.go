package fature_test

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
)

// BenchmarkClose closes a month of 100,000 transactions of 10,000 affiliates
// (FATURE_LONG=1: 1,000,000 of 100,000), beside what no close can do without:
// the sums by affiliate and type, and COPY of as many ready-made statements and
// lines. Its heap is what the sampled peak adds to what was there.
func BenchmarkClose(b *testing.B) {
	n := benchSize("FATURE_CLOSE_ROWS", 100_000, 1_000_000)
	m := newMarket(b, testenv.Clone(b), n/10)
	m.payByMonth(b)
	next := 0
	month := func() string { // that has been played, and is to be closed
		at := time.Date(2020, time.Month(1+next), 1, 0, 0, 0, 0, time.UTC)
		next++
		m.play(b, at, n)
		return at.Format("2006-01")
	}
	_, err := m.ClosePeriod(b.Context(), month(), nil)
	require.NoError(b, err)
	ready := m.spareRows(b)
	var limit float64
	b.Run("limit=sum_and_copy", func(b *testing.B) {
		for b.Loop() {
			ready.write(b)
		}
		rate(b, n)
		limit = b.Elapsed().Seconds() / float64(b.N)
	})
	b.Run("close", func(b *testing.B) {
		var peak uint64
		for b.Loop() {
			b.StopTimer()
			period, stop := month(), watchHeap()
			b.StartTimer()
			_, err := m.ClosePeriod(b.Context(), period, nil)
			require.NoError(b, err)
			peak = max(peak, stop())
		}
		rate(b, n)
		b.ReportMetric(limit*float64(b.N)/b.Elapsed().Seconds(), "of_limit")
		b.ReportMetric(float64(peak)/(1<<20), "heap_MB")
	})
}

// payByMonth puts a plan with a period rule in the place of the market's.
func (m *market) payByMonth(b *testing.B) {
	b.Helper()
	doc, err := commission.Parse([]byte(`{"name": "casino", "currency": "BRL", "rules": [
		{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win"]}, "carry": "base", "pay": {"percent": "25"},
		 "overrides": {"of": "commission", "inactive": "compress", "steps": [{"percent": "10"}, {"percent": "5"}]}}]}`))
	require.NoError(b, err)
	m.plan, err = m.Plans.Publish(b.Context(), doc)
	require.NoError(b, err)
	since := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(b, m.Plans.Assign(b.Context(), commission.Default(m.plan.ID).Since(since)))
}

// play records n bets and wins in a month, past the library.
func (m *market) play(b *testing.B, month time.Time, n int) {
	b.Helper()
	require.NoError(b, m.EnsureMonths(b.Context(), month, month))
	m.triggers(b, "disable")
	defer m.triggers(b, "enable")
	_, err := m.pool.Exec(b.Context(), `
		insert into fature.transactions (id, affiliate_id, customer_id, type, amount, volume, currency, status, plan_id, created_at, rated_at, rated_seq, seen_seq)
		select gen_random_uuid(), ids[1 + (random() * (array_length(ids, 1) - 1))::int], 'c' || n % 50000,
			case when n % 3 = 0 then 'win' else 'bet' end::fature.transaction_type, 1 + (random() * 10000)::int / 100.0, 0, 'BRL', 'processed', $1,
			$2::timestamptz + random() * interval '27 days', now(), nextval('fature.rated_seq'), 0
		from generate_series(1, $3::int) n, (select array_agg(id) as ids from fature.affiliates) a`, m.plan.ID, month, n)
	require.NoError(b, err)
	_, err = m.pool.Exec(b.Context(), "vacuum analyze fature.transactions")
	require.NoError(b, err)
}

// spare are the rows of a close, ready to be copied again.
type spare struct {
	pool  *pgxpool.Pool
	table []string
	rows  map[string]*bytes.Buffer
}

// spareRows reads what is closed as rows of other statements.
func (m *market) spareRows(b *testing.B) *spare {
	b.Helper()
	r := &spare{m.pool, []string{"statements", "commissions"}, map[string]*bytes.Buffer{}}
	for _, table := range r.table {
		columns := r.columns(b, table)
		columns = strings.Replace(columns, "id,", "gen_random_uuid(),", 1)
		if columns = strings.Replace(columns, " plan,", " 'limit',", 1); table == "commissions" {
			columns = strings.Replace(columns, " plan_id,", " null::uuid,", 1)
		}
		conn, err := m.pool.Acquire(b.Context())
		require.NoError(b, err)
		r.rows[table] = new(bytes.Buffer)
		_, err = conn.Conn().PgConn().CopyTo(b.Context(), r.rows[table], fmt.Sprintf("copy (select %s from fature.%s) to stdout (format binary)", columns, table))
		conn.Release()
		require.NoError(b, err)
	}
	return r
}

// columns are those of a table, its id first.
func (r *spare) columns(b *testing.B, table string) (columns string) {
	b.Helper()
	require.NoError(b, r.pool.QueryRow(b.Context(), `
		select string_agg(attname, ', ' order by attnum) from pg_attribute
		where attrelid = $1::text::regclass and attnum > 0 and not attisdropped`, "fature."+table).Scan(&columns))
	require.True(b, strings.HasPrefix(columns, "id,"))
	return columns
}

// write sums the first month and copies the rows, and then, outside the clock,
// takes them away.
func (r *spare) write(b *testing.B) {
	b.StopTimer()
	ctx := b.Context()
	conn, err := r.pool.Acquire(ctx)
	require.NoError(b, err)
	defer conn.Release()
	run := func(sql string) {
		_, err := conn.Exec(ctx, sql)
		require.NoError(b, err)
	}
	copies := map[string]string{}
	for _, table := range r.table {
		run("alter table fature." + table + " disable trigger user")
		copies[table] = fmt.Sprintf("copy fature.%s (%s) from stdin (format binary)", table, r.columns(b, table))
	}
	b.StartTimer()
	run("begin")
	_, err = conn.Conn().PgConn().CopyTo(ctx, new(bytes.Buffer), `copy (
		select affiliate_id, type, sum(amount) from fature.transactions
		where created_at >= '2020-01-01+00' and created_at < '2020-02-01+00' group by 1, 2) to stdout (format binary)`)
	require.NoError(b, err)
	for _, table := range r.table {
		_, err := conn.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(r.rows[table].Bytes()), copies[table])
		require.NoError(b, err)
	}
	run("commit")
	b.StopTimer()
	run(`set session_replication_role = replica; delete from fature.commissions where statement_id is not null and plan_id is null;
		delete from fature.statements where plan = 'limit'; reset session_replication_role`)
	for _, table := range r.table {
		run("alter table fature." + table + " enable trigger user")
	}
	b.StartTimer()
}

// watchHeap samples the heap until stop, which gives what its peak was above
// its beginning.
func watchHeap() (stop func() uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	first := read()
	var peak atomic.Uint64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			peak.Store(max(peak.Load(), read()))
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(done)
		<-ended
		return peak.Load() - first
	}
}
