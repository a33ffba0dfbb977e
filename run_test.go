package fature_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
	"github.com/fature/fature/transaction"
)

// Recording, folding and folding again at once: nothing is added twice or lost.
func TestFoldWhileRecording(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	const writers, each = 4, 25
	var recording, folding sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		folding.Go(func() {
			for {
				_, err := s.Fold(t.Context())
				if !isNil(t, err) {
					return
				}
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	for w := range writers {
		recording.Go(func() {
			for i := range each {
				_, err := s.Record(t.Context(), s.sale(s.caio, "10.00", fmt.Sprint(w, "/", i)))
				isNil(t, err)
			}
		})
	}
	recording.Wait()
	close(done)
	folding.Wait()
	_, err := s.Fold(t.Context())
	require.NoError(t, err)
	require.Zero(t, s.count("affiliate_deltas"))
	caio, err := s.Affiliates.Get(t.Context(), s.caio.ID)
	require.NoError(t, err)
	require.Equal(t, "1000.00 100.00", caio.LifetimeVolume.StringFixed(2)+" "+caio.LifetimeCommissions.StringFixed(2))
	s.holds()
}

// Two processes run the background: one works, and when it ends the other
// takes over. The statistics are fresh by then, and the totals folded.
func TestRun(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	s.record(s.sale(s.caio, "120.00", "1"))
	other, err := fature.New(t.Context(), fature.Config{Pool: s.pool})
	require.NoError(t, err)

	first, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(first) }()
	holder := func() (holder string, term int) {
		err := s.pool.QueryRow(t.Context(), "select holder, term from fature.leases where name = 'jobs' and expires_at > clock_timestamp()").Scan(&holder, &term)
		if err != nil {
			require.ErrorIs(t, err, pgx.ErrNoRows)
		}
		return holder, term
	}
	require.Eventually(t, func() bool { _, term := holder(); return term == 1 }, 10*time.Second, 20*time.Millisecond)
	require.Eventually(t, func() bool { return s.count("affiliate_deltas") == 0 }, 10*time.Second, 20*time.Millisecond)
	require.Eventually(t, func() bool {
		var volume string
		err := s.pool.QueryRow(t.Context(), "select total_volume::text from fature.affiliate_stats where id = $1", s.caio.ID).Scan(&volume)
		return err == nil && volume == "120.00"
	}, 10*time.Second, 50*time.Millisecond)
	one, _ := holder()

	second, halt := context.WithCancel(t.Context())
	ended2 := make(chan error, 1)
	go func() { ended2 <- other.Run(second) }()
	stop()
	require.NoError(t, <-ended)
	require.Eventually(t, func() bool { two, term := holder(); return two != one && term == 2 }, 20*time.Second, 50*time.Millisecond)
	halt()
	require.NoError(t, <-ended2)
	s.holds()
}

func TestConfig(t *testing.T) {
	t.Parallel()
	err := fature.Config{Schema: "Fature", Currency: "KWD", MaxDepth: -1}.Validate()
	fields := []string{}
	for _, p := range fature.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{"Pool", "Schema", "Currency", "MaxDepth"}, fields)
	require.ErrorContains(t, err, "KWD has 3 decimals")

	_, err = fature.New(t.Context(), fature.Config{Pool: testenv.Empty(t)})
	require.ErrorIs(t, err, fature.ErrNotMigrated)
}

// Open brings an empty database to work in one call, under any schema name;
// two programmes live side by side in one database.
func TestOpenTwoProgrammes(t *testing.T) {
	t.Parallel()
	url := testenv.URL(testenv.Empty(t))
	for _, schema := range []string{"", "acme"} {
		p, err := fature.Open(t.Context(), url, fature.Config{Schema: schema})
		require.NoError(t, err)
		p.Close()
	}
	pool := testenv.Clone(t)
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	require.NoError(t, migrate.Up(t.Context(), conn.Conn(), migrate.Options{Schema: "acme"}))
	conn.Release()
	def := newShop(t, pool)
	acme, err := fature.New(t.Context(), fature.Config{Pool: pool, Schema: "acme", Currency: "EUR"})
	require.NoError(t, err)
	def.record(def.sale(def.caio, "1.00", "1"))
	page, err := acme.Transactions.List(t.Context(), transaction.Filter{})
	require.NoError(t, err)
	require.Empty(t, page.Items)
	report, err := acme.Verify(t.Context())
	require.NoError(t, err)
	require.True(t, report.OK())
	def.holds()
}
