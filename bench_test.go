package fature_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
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
	"github.com/fature/fature/internal/partition"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// The benchmarks stand beside their limits: what PostgreSQL does at best with
// the same rows, in the same tables, in the same run. Read the ratios (make
// bench prints them); the figures themselves are the machine's.
//
// FATURE_BENCH_AFFILIATES and FATURE_BENCH_ROWS size the world: as many
// affiliates in one deep tree, and as many transactions in the tables before
// anything is measured. FATURE_LONG=1 makes them 100,000 and 1,000,000.

func benchSize(name string, short, long int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return shortOrLong(short, long)
}

// market is a large programme to measure in.
type market struct {
	*fature.Program
	pool  *pgxpool.Pool
	plan  *commission.Plan
	ids   []uuid.UUID
	lines [][]commission.Member // the upline of each, itself first
	order atomic.Int64
}

var (
	marketOnce sync.Once
	theMarket  *market
)

// openMarket is made once for all benchmarks of the run.
func openMarket(b *testing.B) *market {
	b.Helper()
	marketOnce.Do(func() {
		m := newMarket(b, testenv.Pool(b), benchSize("FATURE_BENCH_AFFILIATES", 2_000, 100_000))
		m.fill(b, benchSize("FATURE_BENCH_ROWS", 0, 1_000_000))
		theMarket = m
	})
	if theMarket == nil {
		b.Fatal("the market could not be made")
	}
	return theMarket
}

func newMarket(b testing.TB, pool *pgxpool.Pool, affiliates int) *market {
	b.Helper()
	p, err := fature.New(b.Context(), fature.Config{Pool: pool, Currency: "BRL"})
	require.NoError(b, err)
	m := &market{Program: p, pool: pool}
	m.publish(b)
	m.grow(b, affiliates)
	return m
}

// publish puts a plan of level 0 and nine overrides into force.
func (m *market) publish(b testing.TB) {
	b.Helper()
	doc := commission.Document{
		Name: "market", Currency: "BRL", Rules: []commission.Rule{{
			ID: "sale", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: "10"},
			Overrides: commission.Overrides{Of: commission.OfAmount, Inactive: commission.Compress},
		}},
	}
	for _, percent := range []commission.Decimal{"5", "4", "3", "2", "1", "0.5", "0.4", "0.3", "0.2"} {
		steps := &doc.Rules[0].Overrides.Steps
		*steps = append(*steps, commission.OverrideStep{Percent: percent})
	}
	var err error
	m.plan, err = m.Plans.Publish(b.Context(), doc)
	require.NoError(b, err)
	ever := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(b, m.Plans.Assign(b.Context(), commission.Default(m.plan.ID).Since(ever)))
}

// grow makes a random recursive tree, each under one made before it: its depth
// grows with the logarithm, and is ten in the mean at 100,000.
func (m *market) grow(b testing.TB, n int) {
	b.Helper()
	start := time.Now()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // always the same tree
	m.ids, m.lines = make([]uuid.UUID, n), make([][]commission.Member, n)
	drafts := make([]affiliate.Draft, n)
	for i := range drafts {
		m.ids[i] = uuid.Must(uuid.NewV7())
		drafts[i] = affiliate.Draft{ID: m.ids[i], Name: "A", Email: fmt.Sprintf("a%d@example.com", i)}
		m.lines[i] = []commission.Member{{ID: m.ids[i], Active: true, Category: affiliate.Standard}}
		if i > 0 {
			parent := random.IntN(i)
			drafts[i].ParentID = m.ids[parent]
			m.lines[i] = append(m.lines[i], m.lines[parent]...)
		}
	}
	for lot := range slices.Chunk(drafts, 5_000) {
		_, err := m.Affiliates.CreateAll(b.Context(), lot)
		require.NoError(b, err)
	}
	b.Logf("%d affiliates in %.1f s", n, time.Since(start).Seconds())
}

// fill records n transactions before anything is measured.
func (m *market) fill(b *testing.B, n int) {
	start := time.Now()
	for done := 0; done < n; done += 1000 {
		rows, lines := m.ready(1000)
		m.copy(b, m.pool, rows, lines)
	}
	_, err := m.pool.Exec(b.Context(), deltasOfAll)
	require.NoError(b, err)
	_, err = m.Fold(b.Context())
	require.NoError(b, err)
	_, err = m.pool.Exec(b.Context(), "analyze")
	require.NoError(b, err)
	b.Logf("%d transactions, folded, in %.1f s", n, time.Since(start).Seconds())
}

// deltasOfAll are those that recording would have appended, for the copied rows.
const deltasOfAll = `
	insert into fature.affiliate_deltas (affiliate_id, month, customer_id, transactions, volume, commissions)
	select * from (` + fature.FoldedFacts + `) f`

// events are n sales of random affiliates.
func (m *market) events(n int) []transaction.Event {
	events := make([]transaction.Event, n)
	for i := range events {
		events[i] = transaction.Event{
			AffiliateID: m.ids[rand.IntN(len(m.ids))], Type: transaction.Sale, //nolint:gosec // a benchmark
			Amount: decimal.New(rand.Int64N(100_000)+1, -2), Currency: "BRL", //nolint:gosec // a benchmark
			At: time.Now(), SourceTable: "orders", OriginalID: fmt.Sprint(m.order.Add(1)),
		}
	}
	return events
}

// The columns of the raw limit.
var (
	rawTransaction = []string{
		"id", "affiliate_id", "type", "amount", "volume", "currency", "status",
		"source_table", "original_id", "created_at", "recorded_at", "rated_at", "rated_seq", "seen_seq",
	}
	rawCommission = []string{
		"id", "transaction_id", "transaction_at", "affiliate_id", "kind", "plan_id", "rule", "level",
		"base_amount", "rate", "amount", "final_amount", "currency", "status", "available_at", "calculation", "created_at", "recorded_at",
	}
)

// ready are the rows that n events make, ready to be copied.
func (m *market) ready(n int) (rows, lines [][]any) {
	upline := make(map[uuid.UUID][]commission.Member, len(m.ids))
	for _, l := range m.lines {
		upline[l[0].ID] = l
	}
	for _, e := range m.events(n) {
		id, at := uuid.Must(uuid.NewV7()), e.At.UTC().Truncate(time.Microsecond)
		rows = append(rows, []any{
			pg.ID(id), pg.ID(e.AffiliateID), string(e.Type), pg.Numeric(e.Amount), pg.Numeric(e.Amount), e.Currency, "processed",
			e.SourceTable, e.OriginalID, at, at, at, m.order.Add(1), int64(1),
		})
		outcome, err := commission.Rate(commission.Input{Plan: m.plan, Event: e, Upline: upline[e.AffiliateID]}, nil)
		if err != nil {
			panic(err)
		}
		for _, l := range outcome.Lines {
			lines = append(lines, []any{
				pg.ID(uuid.Must(uuid.NewV7())), pg.ID(id), at, pg.ID(l.AffiliateID), "earning", pg.ID(m.plan.ID), l.Rule, int32(l.Level), //nolint:gosec // a depth
				pg.Numeric(l.Base), pg.Numeric(l.Rate), pg.Numeric(l.Amount), pg.Numeric(l.Final), e.Currency, "approved", at, string(l.Calculation.AppendJSON(nil)), at, at,
			})
		}
	}
	return rows, lines
}

// copier is a pool or a transaction.
type copier interface {
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error)
}

func (m *market) copy(b *testing.B, to copier, rows, lines [][]any) {
	_, err := to.CopyFrom(b.Context(), pgx.Identifier{"fature", "transactions"}, rawTransaction, pgx.CopyFromRows(rows))
	require.NoError(b, err)
	_, err = to.CopyFrom(b.Context(), pgx.Identifier{"fature", "commissions"}, rawCommission, pgx.CopyFromRows(lines))
	require.NoError(b, err)
}

// audited sets how the inserts of transactions and lines are audited, until
// the benchmark ends.
func (m *market) audited(b testing.TB, mode string) {
	b.Helper()
	set := func(mode string) {
		_, err := m.pool.Exec(context.Background(),
			"update fature.audit_policy set mode = $1 where table_name in ('transactions', 'commissions')", mode)
		require.NoError(b, err)
	}
	set(mode)
	b.Cleanup(func() { set("ids") })
}

// triggers turns the audit's triggers on or off, for what is the limit.
func (m *market) triggers(b *testing.B, how string) {
	for _, table := range []string{"transactions", "commissions"} {
		_, err := m.pool.Exec(context.Background(), fmt.Sprintf("alter table fature.%s %s trigger user", table, how))
		require.NoError(b, err)
	}
}

// BenchmarkRecord is a batch of 1,000 events, each paying a line for each of
// up to ten levels. Its fold comes once at the end: -benchtime 80x is the thirty
// seconds after which Run folds, at some 2,700 events a second.
func BenchmarkRecord(b *testing.B) {
	m := openMarket(b)
	const batch = 1000
	b.Run("limit=copy", func(b *testing.B) {
		m.triggers(b, "disable")
		defer m.triggers(b, "enable")
		for b.Loop() {
			b.StopTimer()
			rows, lines := m.ready(batch)
			b.StartTimer()
			require.NoError(b, pgx.BeginFunc(b.Context(), m.pool, func(tx pgx.Tx) error { m.copy(b, tx, rows, lines); return nil }))
		}
		rate(b, batch)
	})
	for _, audit := range []string{"off", "ids"} {
		b.Run("audit="+audit, func(b *testing.B) {
			m.audited(b, audit)
			for b.Loop() {
				b.StopTimer()
				events := m.events(batch)
				b.StartTimer()
				_, err := m.Record(b.Context(), events...)
				require.NoError(b, err)
			}
			rate(b, batch)
		})
		b.Run("audit="+audit+",fold", func(b *testing.B) {
			m.audited(b, audit)
			_, err := m.Fold(b.Context())
			require.NoError(b, err)
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				events := m.events(batch)
				b.StartTimer()
				_, err := m.Record(b.Context(), events...)
				require.NoError(b, err)
			}
			_, err = m.Fold(b.Context())
			require.NoError(b, err)
			rate(b, batch)
		})
	}
}

// BenchmarkRecordMemory is what plans cost that remember: a customer's limit and
// an affiliate's tiers are two counters an event, a cap per affiliate one for
// each of its lines.
func BenchmarkRecordMemory(b *testing.B) {
	m := openMarket(b)
	const batch = 1000
	from := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, memory := range []string{"limit=none", "two_counters", "affiliate_caps"} {
		doc := m.plan.Document
		sale, first := doc.Rules[0], commission.Rule{ID: "first", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Flat: "1.00"}}
		switch doc.Name = memory; memory {
		case "two_counters":
			first.Limit.Count = 1
			sale.Pay = commission.Pay{Tiers: commission.Tiers{Mode: commission.Marginal, Scope: commission.Month, Steps: []commission.TierStep{
				{UpTo: "1000.00", Percent: "10"}, {Percent: "12"},
			}}}
		case "affiliate_caps":
			doc.Caps = []commission.Cap{{Per: commission.PerAffiliate, Period: commission.Month, Max: "1000000.00"}}
		}
		doc.Rules = []commission.Rule{sale, first}
		plan, err := m.Plans.Publish(b.Context(), doc)
		require.NoError(b, err)
		from = from.AddDate(0, 0, 1)
		require.NoError(b, m.Plans.Assign(b.Context(), commission.ForCategory(affiliate.Standard, plan.ID).Since(from)))
		b.Run(memory, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				events := m.events(batch)
				for i := range events {
					events[i].CustomerID = fmt.Sprint("c", m.order.Add(1))
				}
				b.StartTimer()
				_, err := m.Record(b.Context(), events...)
				require.NoError(b, err)
			}
			rate(b, batch)
		})
	}
	require.NoError(b, m.Plans.Assign(b.Context(), commission.ForCategory(affiliate.Standard, m.plan.ID).Since(from.AddDate(0, 0, 1))))
}

// BenchmarkRecordWriters is the same by several at once.
func BenchmarkRecordWriters(b *testing.B) {
	m := openMarket(b)
	const batch = 1000
	for _, writers := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := m.Record(b.Context(), m.events(batch)...); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			rate(b, batch)
		})
	}
}

// BenchmarkRecordDuplicates is a batch of which a share was recorded before.
func BenchmarkRecordDuplicates(b *testing.B) {
	m := openMarket(b)
	const batch = 1000
	known := m.events(batch)
	_, err := m.Record(b.Context(), known...)
	require.NoError(b, err)
	for _, share := range []int{0, 10, 100} {
		b.Run(fmt.Sprint("percent=", share), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				events := append(m.events(batch*(100-share)/100), known[:batch*share/100]...)
				b.StartTimer()
				_, err := m.Record(b.Context(), events...)
				require.NoError(b, err)
			}
			rate(b, batch)
		})
	}
}

// BenchmarkRecordOne is one event in the host's transaction, against an INSERT
// of one row there.
func BenchmarkRecordOne(b *testing.B) {
	m := openMarket(b)
	_, err := m.pool.Exec(b.Context(), "create table if not exists orders (id bigserial primary key, total numeric)")
	require.NoError(b, err)
	order := func(b *testing.B, more func(tx pgx.Tx) error) {
		for b.Loop() {
			require.NoError(b, pgx.BeginFunc(b.Context(), m.pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(b.Context(), "insert into orders (total) values (12.34)"); err != nil {
					return err
				}
				return more(tx)
			}))
		}
	}
	b.Run("limit=insert", func(b *testing.B) { order(b, func(pgx.Tx) error { return nil }) })
	b.Run("with_record", func(b *testing.B) {
		order(b, func(tx pgx.Tx) error {
			_, err := m.WithTx(tx).Record(b.Context(), m.events(1)...)
			return err
		})
	})
}

// BenchmarkRating is the part of a batch that is rating: the engine alone, of
// the same events.
func BenchmarkRating(b *testing.B) {
	m := openMarket(b)
	const batch = 1000
	upline := make(map[uuid.UUID][]commission.Member, len(m.ids))
	for _, l := range m.lines {
		upline[l[0].ID] = l
	}
	b.Run("limit=record", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			events := m.events(batch)
			b.StartTimer()
			_, err := m.Record(b.Context(), events...)
			require.NoError(b, err)
		}
		rate(b, batch)
	})
	b.Run("rate", func(b *testing.B) {
		events := m.events(batch)
		for b.Loop() {
			for _, e := range events {
				if _, err := commission.Rate(commission.Input{Plan: m.plan, Event: e, Upline: upline[e.AffiliateID]}, nil); err != nil {
					b.Fatal(err)
				}
			}
		}
		rate(b, batch)
	})
}

// BenchmarkSimulate rates all that is recorded again, from the database, beside
// the engine alone on as many events. heap-MB is the most that lived meanwhile.
func BenchmarkSimulate(b *testing.B) {
	m := openMarket(b)
	for range 20 {
		_, err := m.Record(b.Context(), m.events(1000)...)
		require.NoError(b, err)
	}
	var rows int
	require.NoError(b, m.pool.QueryRow(b.Context(), "select count(*) from fature.transactions where rated_seq is not null").Scan(&rows))
	upline := make(map[uuid.UUID][]commission.Member, len(m.ids))
	for _, l := range m.lines {
		upline[l[0].ID] = l
	}
	events := m.events(10_000)
	b.Run("limit=rate", func(b *testing.B) {
		for b.Loop() {
			for i := range rows {
				e := &events[i%len(events)]
				if _, err := commission.Rate(commission.Input{Plan: m.plan, Event: *e, Upline: upline[e.AffiliateID]}, nil); err != nil {
					b.Fatal(err)
				}
			}
		}
		rate(b, rows)
	})
	b.Run("simulate", func(b *testing.B) {
		var most uint64
		var now runtime.MemStats
		for b.Loop() {
			s, err := m.Simulate(b.Context(), commission.Simulation{
				PlanID: m.plan.ID, From: time.Now().AddDate(-1, 0, 0), To: time.Now().AddDate(0, 1, 0),
				Progress: func(int, int) {
					runtime.ReadMemStats(&now)
					most = max(most, now.HeapAlloc)
				},
			})
			require.NoError(b, err)
			require.Equal(b, rows, s.Transactions)
		}
		rate(b, rows)
		b.ReportMetric(float64(most)/(1<<20), "heap-MB")
	})
}

// BenchmarkFold is a lot of 50,000 deltas of as many affiliates as there are,
// beside the same sums added to the affiliates alone, which is the least that a
// fold does; of each fifth the customer is told, a new one half of the time.
func BenchmarkFold(b *testing.B) {
	m := openMarket(b)
	month := partition.Of(time.Now())
	for _, name := range []string{"limit=totals", "fold"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				rows := make([][]any, 50_000)
				for i := range rows {
					rows[i] = []any{m.ids[rand.IntN(len(m.ids))], month, int32(0), decimal.New(1, 0), decimal.New(1, -1), nil} //nolint:gosec // a benchmark
					if i%5 == 0 {
						customer := m.order.Add(1)
						rows[i][2], rows[i][5] = int32(1), fmt.Sprint("c", customer-customer%2)
					}
				}
				_, err := m.pool.CopyFrom(b.Context(), pgx.Identifier{"fature", "affiliate_deltas"},
					[]string{"affiliate_id", "month", "transactions", "volume", "commissions", "customer_id"}, pgx.CopyFromRows(rows))
				require.NoError(b, err)
				b.StartTimer()
				if name == "fold" {
					_, err = m.Fold(b.Context())
				} else {
					_, err = m.pool.Exec(b.Context(), foldTotals)
				}
				require.NoError(b, err)
			}
			rate(b, 50_000)
		})
	}
}

// foldTotals is a fold without statistics.
const foldTotals = `
	with gone as (
		delete from fature.affiliate_deltas returning affiliate_id, volume, commissions
	), sums as (
		select affiliate_id, sum(volume) as volume, sum(commissions) as commissions from gone group by affiliate_id
	), locked as materialized (
		select a.id, s.volume, s.commissions from fature.affiliates a join sums s on s.affiliate_id = a.id order by a.id for no key update of a
	)
	update fature.affiliates a
	set lifetime_volume = a.lifetime_volume + l.volume, lifetime_commissions = a.lifetime_commissions + l.commissions, updated_at = now()
	from locked l where a.id = l.id`

// BenchmarkFoldSteady is recording by two writers, with a fold every two
// seconds as Run has one every thirty, and the deltas that are left at the end
// folded too: what a programme keeps up. folded/s is of the deltas, while it
// folds.
func BenchmarkFoldSteady(b *testing.B) {
	m := openMarket(b)
	const batch = 1000
	for _, name := range []string{"limit=unfolded", "folded"} {
		b.Run(name, func(b *testing.B) {
			_, err := m.Fold(b.Context())
			require.NoError(b, err)
			var left, deltas atomic.Int64
			left.Store(int64(b.N))
			var folding time.Duration
			var writers sync.WaitGroup
			b.ResetTimer()
			for range 2 {
				writers.Go(func() {
					for left.Add(-1) >= 0 {
						events := m.events(batch)
						for i := range events {
							events[i].CustomerID = fmt.Sprint("s", rand.IntN(100_000)) //nolint:gosec // a benchmark
						}
						if _, err := m.Record(b.Context(), events...); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			fold := func() {
				start := time.Now()
				n, err := m.Fold(b.Context())
				require.NoError(b, err)
				folding += time.Since(start)
				deltas.Add(n)
			}
			done := make(chan struct{})
			go func() { writers.Wait(); close(done) }()
			tick := time.NewTicker(2 * time.Second)
			defer tick.Stop()
			for going := true; going; {
				select {
				case <-done:
					going = false
				case <-tick.C:
				}
				if name == "folded" {
					fold()
				}
			}
			rate(b, batch)
			if folding > 0 {
				b.ReportMetric(float64(deltas.Load())/folding.Seconds(), "folded/s")
			}
		})
	}
}

// BenchmarkStatistics loads statistics past the cache: of the root, which earns
// from all there is and counts all others as its team, and of the affiliate with
// the most transactions of its own; beside the same sums over their rows.
func BenchmarkStatistics(b *testing.B) {
	m := openMarket(b)
	if benchSize("FATURE_BENCH_ROWS", 0, 1_000_000) == 0 {
		_, err := m.Record(b.Context(), m.events(1000)...)
		require.NoError(b, err)
	}
	_, err := m.Fold(b.Context())
	require.NoError(b, err)
	tx, err := m.pool.BeginTx(b.Context(), pgx.TxOptions{AccessMode: pgx.ReadOnly})
	require.NoError(b, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	loaded := m.Statistics.WithTx(tx)
	var busiest uuid.UUID
	require.NoError(b, tx.QueryRow(b.Context(),
		`select affiliate_id from fature.affiliate_rollups group by 1 order by sum(transactions) desc, 1 limit 1`).Scan(&busiest))
	raw := `
		select (select count(*) from fature.transactions where affiliate_id = $1 and status in ('processed', 'reversed')),
			(select count(distinct customer_id) from fature.transactions where affiliate_id = $1 and status in ('processed', 'reversed')),
			(select sum(volume) from fature.transactions where affiliate_id = $1 and status in ('processed', 'reversed')),
			(select sum(final_amount) from fature.commissions where affiliate_id = $1 and status <> 'void')`
	for name, id := range map[string]uuid.UUID{"root": m.ids[0], "busiest": busiest} {
		each := func(what string, read func() error) {
			b.Run(name+"/"+what, func(b *testing.B) {
				for b.Loop() {
					require.NoError(b, read())
				}
			})
		}
		each("limit=raw_sums", func() error {
			var n, customers int64
			var volume, commissions *decimal.Decimal
			return tx.QueryRow(b.Context(), raw, id).Scan(&n, &customers, &volume, &commissions)
		})
		each("get", func() error { _, err := loaded.Get(b.Context(), id); return err })
		each("months", func() error { _, err := loaded.Months(b.Context(), id, time.Time{}, time.Time{}); return err })
		each("team", func() error { _, err := loaded.Team(b.Context(), id); return err })
	}
}

// BenchmarkRebuildStats finds nothing in all that is there.
func BenchmarkRebuildStats(b *testing.B) {
	m := openMarket(b)
	_, err := m.RebuildStats(b.Context())
	require.NoError(b, err)
	for b.Loop() {
		_, err := m.RebuildStats(b.Context())
		require.NoError(b, err)
	}
}

// BenchmarkReports sums up a month of all that is there.
func BenchmarkReports(b *testing.B) {
	m := openMarket(b)
	from, to := time.Now().AddDate(0, 0, -15), time.Now().AddDate(0, 0, 15)
	for name, read := range map[string]func() error{
		"daily":          func() error { _, err := m.Reports.Daily(b.Context(), from, to); return err },
		"cohorts":        func() error { _, err := m.Reports.Cohorts(b.Context(), from, to); return err },
		"commissions":    func() error { _, err := m.Reports.Commissions(b.Context(), from, to); return err },
		"top_affiliates": func() error { _, err := m.Reports.TopAffiliates(b.Context(), from, to, 100); return err },
		"top_products":   func() error { _, err := m.Reports.TopProducts(b.Context(), from, to, 100); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, read())
			}
		})
	}
}

// rate reports how many events a second that is.
func rate(b *testing.B, batch int) {
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "events/s")
}
