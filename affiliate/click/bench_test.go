package click_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

// benchClicks is a store in a database of its own, and a code.
func benchClicks(b *testing.B) (pg.DB, *click.Store, affiliate.Affiliate) {
	b.Helper()
	db := pg.In(testenv.Clone(b), "")
	ana, err := affiliate.New(db, hierarchy.New(db, hierarchy.Options{})).Create(b.Context(),
		affiliate.Draft{Email: "ana@example.com", Name: "Ana", ReferralCode: "ana"})
	require.NoError(b, err)
	return db, click.New(db, click.Options{}), ana
}

// benchBatch is how many clicks are written together.
const benchBatch = 1000

// Writing a batch, with the codes looked up and the repetitions marked, beside
// the COPY of ready-made rows into the same table.
func BenchmarkRecord(b *testing.B) {
	db, clicks, ana := benchClicks(b)
	list := make([]click.Click, benchBatch)
	b.Run("limit=copy", func(b *testing.B) {
		for b.Loop() {
			_, err := db.CopyFrom(b.Context(), pg.Table(db, "clicks"),
				[]string{"id", "affiliate_id", "code", "visitor", "sub_id", "landing", "agent", "mark", "at"},
				pgx.CopyFromSlice(benchBatch, func(int) ([]any, error) {
					return []any{pg.ID(pg.NewID()), pg.ID(ana.ID), "ana", click.NewVisitor(), "june", "https://shop.example/p", "desktop", "", time.Now()}, nil
				}))
			require.NoError(b, err)
		}
	})
	record := func(b *testing.B, visitor func(i int) string) {
		for b.Loop() {
			for i := range list {
				list[i] = click.Click{Code: "ana", Visitor: visitor(i), SubID: "june", Landing: "https://shop.example/p", UserAgent: browser}
			}
			_, err := clicks.Record(b.Context(), list...)
			require.NoError(b, err)
		}
	}
	b.Run("new-visitors", func(b *testing.B) { record(b, func(int) string { return click.NewVisitor() }) })
	known := make([]string, benchBatch)
	for i := range known {
		known[i] = uuid.NewString()
	}
	b.Run("known-visitors", func(b *testing.B) { record(b, func(i int) string { return known[i] }) })
	b.Run("bots", func(b *testing.B) { record(b, func(int) string { return "" }) })
}

// What a request pays for its click.
func BenchmarkAdd(b *testing.B) {
	_, clicks, _ := benchClicks(b)
	c := click.Click{
		Code: "ana", Visitor: click.NewVisitor(), SubID: "june", Landing: "https://shop.example/p?utm_source=x", Source: "blog.example",
		Country: "BR", UserAgent: browser,
	}
	b.Run("taken", func(b *testing.B) {
		r, err := click.NewRecorder(clicks, click.RecorderOptions{Queue: 1 << 20})
		require.NoError(b, err)
		b.ReportAllocs()
		var dropped atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if r.Add(c) != nil {
					dropped.Add(1)
				}
			}
		})
		b.ReportMetric(float64(dropped.Load())/float64(b.N), "dropped/op")
	})
	b.Run("dropped", func(b *testing.B) {
		r, err := click.NewRecorder(clicks, click.RecorderOptions{Queue: 1})
		require.NoError(b, err)
		b.ReportAllocs()
		for b.Loop() {
			_ = r.Add(c)
		}
	})
	b.Run("taken-and-written", func(b *testing.B) {
		r, err := click.NewRecorder(clicks, click.RecorderOptions{})
		require.NoError(b, err)
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		b.ReportAllocs()
		for b.Loop() {
			_ = r.Add(c)
		}
		b.ReportMetric(float64(r.Counts().Dropped)/float64(b.N), "dropped/op")
		cancel()
		require.NoError(b, <-done)
	})
}
