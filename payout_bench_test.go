package fature_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
)

// BenchmarkPayoutRun pays every affiliate what the lines of 5,000 events come to,
// beside one UPDATE of the same lines: bare, and with its audit, which keeps an
// image of each line before and after.
func BenchmarkPayoutRun(b *testing.B) {
	m := newMarket(b, testenv.Clone(b), benchSize("FATURE_BENCH_AFFILIATES", 2_000, 100_000))
	for range benchSize("FATURE_BENCH_EVENTS", 5_000, 100_000) / 1000 {
		_, err := m.Record(b.Context(), m.events(1000)...)
		require.NoError(b, err)
	}
	const update = "update fature.commissions set payout_id = gen_random_uuid() where status = 'approved' and payout_id is null"
	raw := func(b *testing.B) {
		for b.Loop() {
			m.unpay(b)
			_, err := m.pool.Exec(b.Context(), update)
			require.NoError(b, err)
		}
		m.rateLines(b)
	}
	b.Run("limit=update", func(b *testing.B) {
		m.triggers(b, "disable")
		defer m.triggers(b, "enable")
		raw(b)
	})
	b.Run("audited_update", raw)
	b.Run("run", func(b *testing.B) {
		for b.Loop() {
			m.unpay(b)
			result, err := m.Payouts.Run(b.Context(), commission.PayoutRun{})
			require.NoError(b, err)
			require.Positive(b, result.Payouts)
		}
		m.rateLines(b)
	})
}

// unpay makes all as it was before a run, outside the clock.
func (m *market) unpay(b *testing.B) {
	b.StopTimer()
	for _, sql := range []string{
		"set session_replication_role = replica; update fature.commissions set payout_id = null where payout_id is not null; truncate fature.payouts; reset session_replication_role",
		"vacuum analyze fature.commissions",
	} {
		_, err := m.pool.Exec(b.Context(), sql)
		require.NoError(b, err)
	}
	b.StartTimer()
}

func (m *market) rateLines(b *testing.B) {
	b.Helper()
	var lines int
	require.NoError(b, m.pool.QueryRow(b.Context(), "select count(*) from fature.commissions").Scan(&lines))
	b.ReportMetric(float64(b.N*lines)/b.Elapsed().Seconds(), "lines/s")
}
