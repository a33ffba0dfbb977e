package cache_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/cache"
)

// A hit in the process beside the same look-up in otter alone.
func BenchmarkNear(b *testing.B) {
	ids := make([]uuid.UUID, 1000)
	for i := range ids {
		ids[i] = uuid.New()
	}
	value := &record{Name: "x"}
	bare := otter.Must(&otter.Options[uuid.UUID, *record]{
		MaximumSize: 10_000, ExpiryCalculator: otter.ExpiryWriting[uuid.UUID, *record](time.Hour),
	})
	v := cache.Aside(cache.NewSpace(cache.Reports, nil, cache.Options{Near: time.Hour}), cache.Config[uuid.UUID, *record]{
		Load: func(context.Context, uuid.UUID) (*record, error) { return value, nil },
	})
	ctx := b.Context()
	for _, id := range ids {
		bare.Set(id, value)
		_, _ = v.Get(ctx, id)
	}
	b.Run("limit=otter", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_, _ = bare.GetIfPresent(ids[i%len(ids)])
		}
	})
	b.Run("view", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_, _ = v.Get(ctx, ids[i%len(ids)])
		}
	})
}

// A hit in Redis beside a bare GET and the decoding of its value.
func BenchmarkFar(b *testing.B) {
	r := connect(b)
	ctx := b.Context()
	value := &record{ID: uuid.New(), Amount: decimal.RequireFromString("12.34"), Name: "x", Parts: map[string]decimal.Decimal{"a": decimal.New(1, 0)}}
	v := cache.Aside(cache.NewSpace(cache.Reports, r.Backend(cache.Reports), cache.Options{Near: -1}), cache.Config[string, *record]{
		Load: func(context.Context, string) (*record, error) { return value, nil },
	})
	_, err := v.Get(ctx, "a")
	require.NoError(b, err)
	data, err := cache.CBOR[*record]{}.Encode(value)
	require.NoError(b, err)
	client := r.Client(cache.Reports)
	key := r.Key(cache.Reports, "bare")
	require.NoError(b, client.Set(ctx, key, data, time.Minute).Err())
	b.Run("limit=get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			raw, err := client.Get(ctx, key).Bytes()
			require.NoError(b, err)
			_, err = cache.CBOR[*record]{}.Decode(raw)
			require.NoError(b, err)
		}
	})
	b.Run("view", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := v.Get(ctx, "a")
			require.NoError(b, err)
		}
	})
}
