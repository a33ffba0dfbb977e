package cache_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/cache"
)

// slowRead is a backend that does something before it reads.
type slowRead struct {
	cache.Backend
	before func(ctx context.Context) error
}

func (s *slowRead) Read(ctx context.Context, keys []string) ([][]byte, error) {
	if err := s.before(ctx); err != nil {
		return nil, err
	}
	return s.Backend.Read(ctx, keys)
}

// The one that asks the backend for all may leave while it does; those who wait
// get the value, and the backend is not blamed.
func TestViewCallerMayLeaveTheBackend(t *testing.T) {
	t.Parallel()
	truth := newTruth("a", "1")
	var reads atomic.Int64
	asked := make(chan struct{})
	slow := &slowRead{Backend: cache.Memory(100)}
	slow.before = func(ctx context.Context) error {
		if reads.Add(1) > 1 {
			return nil
		}
		close(asked)
		<-ctx.Done()
		return ctx.Err()
	}
	space := cache.NewSpace(cache.Reports, slow, cache.Options{Near: -1})
	v := cache.Aside(space, truth.config())
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	left, waited := make(chan error, 1), make(chan error, 1)
	go func() { _, err := v.Get(ctx, "a"); left <- err }()
	<-asked
	go func() {
		got, err := v.Get(t.Context(), "a")
		if err == nil && got != "1" {
			err = errors.New(got)
		}
		waited <- err
	}()
	time.Sleep(10 * time.Millisecond) // for the second to wait; it is right either way
	cancel(gone)
	require.ErrorIs(t, <-left, gone)
	require.NoError(t, <-waited)
	require.EqualValues(t, 1, truth.loads.Load())
	require.Zero(t, space.Figures().Errors)
}

// A backend that hangs holds a read for LoadTime, all calls of it together.
func TestViewBackendThatHangs(t *testing.T) {
	t.Parallel()
	slow := &slowRead{Backend: cache.Memory(100), before: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	space := cache.NewSpace(cache.Reports, slow, cache.Options{Near: -1, LoadTime: 50 * time.Millisecond})
	v := cache.Aside(space, cache.Config[string, string]{
		Load: func(ctx context.Context, _ string) (string, error) { return "", ctx.Err() },
	})
	_, err := v.Get(t.Context(), "a")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualValues(t, 1, space.Figures().Errors)
}

// panics is a codec that cannot read what it wrote.
type panics struct{ cache.CBOR[string] }

func (panics) Decode([]byte) (string, error) { panic("oh") }

// What panics in a codec is the caller's, as any call's; nobody waits for it
// afterwards.
func TestViewCodecThatPanics(t *testing.T) {
	t.Parallel()
	space := cache.NewSpace(cache.Reports, cache.Memory(100), cache.Options{Near: -1})
	config := newTruth("a", "1").config()
	config.Codec = panics{}
	v := cache.Aside(space, config)
	_, err := v.Get(t.Context(), "a") // stores it
	require.NoError(t, err)
	for range 2 {
		require.PanicsWithValue(t, "oh", func() { _, _ = v.Get(t.Context(), "a") })
	}
}
