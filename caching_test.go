package fature_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/affiliate/session"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
)

// cached is a shop whose programme has a Redis of its own, and a second process
// of it that keeps nothing near.
type cached struct {
	*shop
	other *fature.Program
	open  func(near time.Duration) *fature.Program
	bare  func(db int) *redis.Client
}

func newCached(t *testing.T) *cached {
	t.Helper()
	s := &cached{shop: newShop(t, testenv.Clone(t))}
	address := strings.TrimPrefix(testenv.NewRedis(t), "redis://")
	s.open = func(near time.Duration) *fature.Program {
		p, err := fature.New(t.Context(), fature.Config{
			Pool: s.pool, Currency: "BRL", RedisOptions: &redis.UniversalOptions{Addrs: []string{address}},
			Cache: cache.Options{Near: near},
		})
		require.NoError(t, err)
		t.Cleanup(p.Close)
		return p
	}
	s.Program, s.other = s.open(time.Minute), s.open(-1)
	s.bare = func(db int) *redis.Client {
		client := redis.NewClient(&redis.Options{Addr: address, DB: db})
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		return client
	}
	return s
}

// shows is what each process shows of an affiliate's available money.
func (s *cached) shows(id uuid.UUID) (here, there string) {
	s.t.Helper()
	b, err := s.Commissions.CachedBalance(s.t.Context(), id)
	require.NoError(s.t, err)
	o, err := s.other.Commissions.CachedBalance(s.t.Context(), id)
	require.NoError(s.t, err)
	return b.V.Available.String(), o.V.Available.String()
}

func TestCachesForgetAfterOwnCommits(t *testing.T) {
	t.Parallel()
	s := newCached(t)
	ctx := t.Context()
	for i, want := range []string{"10", "20", "30"} {
		_, err := s.Record(ctx, s.sale(s.bia, "100", want))
		require.NoError(t, err, i)
		for range 2 {
			here, there := s.shows(s.bia.ID)
			require.Equal(t, want, here)
			require.Equal(t, want, there)
		}
	}
	// By hand, and by a payout.
	line, err := s.Adjust(ctx, commission.Correction{AffiliateID: s.bia.ID, Amount: decimal.NewFromInt(5), Reason: "x"})
	require.NoError(t, err)
	here, there := s.shows(s.bia.ID)
	require.Equal(t, []string{"35", "35"}, []string{here, there})
	_, err = s.Void(ctx, "x", line.ID)
	require.NoError(t, err)
	here, there = s.shows(s.bia.ID)
	require.Equal(t, []string{"30", "30"}, []string{here, there})
	_, err = s.Payouts.Run(ctx, commission.PayoutRun{})
	require.NoError(t, err)
	here, there = s.shows(s.bia.ID)
	require.Equal(t, []string{"0", "0"}, []string{here, there})
	require.Positive(t, s.CacheFigures()["commission"].Near)
	require.Positive(t, s.other.CacheFigures()["commission"].Far)
}

// A host's transaction is told of when it is committed: by AfterCommit, or by
// whoever drains the outbox; and not at all when it rolls back.
func TestCachesAndTheHostsTransaction(t *testing.T) {
	t.Parallel()
	s := newCached(t)
	ctx := t.Context()
	rolledBack := errors.New("the order is off")
	for _, end := range []error{rolledBack, nil} {
		_, _ = s.shows(s.bia.ID)
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			in := s.WithTx(tx)
			if _, err := in.Record(ctx, s.sale(s.bia, "100", "1")); err != nil {
				return err
			}
			inside, err := in.Commissions.CachedBalance(ctx, s.bia.ID)
			require.NoError(t, err)
			require.Equal(t, cache.Bypassed, inside.From, "what reads inside the transaction sees what it did")
			require.Equal(t, "10", inside.V.Available.String())
			here, there := s.shows(s.bia.ID)
			require.Equal(t, []string{"0", "0"}, []string{here, there}, "nobody else does")
			return end
		})
		require.ErrorIs(t, err, end)
		require.NoError(t, s.other.AfterCommit(ctx))
		_, there := s.shows(s.bia.ID)
		if end != nil {
			require.Equal(t, "0", there)
			continue
		}
		require.Equal(t, "10", there)
	}
	var left int
	require.NoError(t, s.pool.QueryRow(ctx, "select count(*) from fature.outbox").Scan(&left))
	require.Zero(t, left)
}

// What Redis cannot be told waits in the outbox until it can.
func TestCachesAreToldLater(t *testing.T) {
	t.Parallel()
	s := newCached(t)
	ctx := t.Context()
	_, _ = s.shows(s.bia.ID)
	server := s.bare(0)
	require.NoError(t, server.ReplicaOf(ctx, "127.0.0.1", "1").Err()) // read-only
	_, err := s.Record(ctx, s.sale(s.bia, "100", "1"))
	require.NoError(t, err, "recording does without")
	require.Error(t, s.AfterCommit(ctx))
	_, there := s.shows(s.bia.ID)
	require.Equal(t, "0", there, "it is still there to be read, as the table of the docs says")
	require.NoError(t, server.ReplicaOf(ctx, "no", "one").Err())
	require.Eventually(t, func() bool { return s.AfterCommit(ctx) == nil }, 20*time.Second, 20*time.Millisecond)
	_, there = s.shows(s.bia.ID)
	require.Equal(t, "10", there)
}

// A Redis that holds wrong figures under the right keys changes what is shown,
// and not one cent of what is paid.
func TestPoisonedRedisPaysNothing(t *testing.T) {
	t.Parallel()
	s := newCached(t)
	ctx := t.Context()
	newPoison(t, "redis://"+s.bare(0).Options().Addr).pour(t, s.other, s.ana.ID, s.bia.ID, s.caio.ID)
	run, err := s.Payouts.Run(ctx, commission.PayoutRun{})
	require.NoError(t, err)
	require.Zero(t, run.Payouts)
	got, err := s.Record(ctx, s.sale(s.caio, "100", "1"))
	require.NoError(t, err)
	require.Len(t, got[0].Lines, 3)
	for i, want := range []string{"10", "5", "2"} {
		require.Equal(t, want, got[0].Lines[i].FinalAmount.String())
	}
	run, err = s.Payouts.Run(ctx, commission.PayoutRun{})
	require.NoError(t, err)
	require.Equal(t, "17", run.Total.String())
}

// The names, databases and lives of the design, read back from a Redis.
func TestKeysInRedis(t *testing.T) {
	t.Parallel()
	s := newCached(t)
	ctx := t.Context()
	_, err := s.Record(ctx, s.sale(s.bia, "100", "1"))
	require.NoError(t, err)
	_, err = s.Fold(ctx)
	require.NoError(t, err)
	began := time.Now()
	from, to := began.AddDate(0, 0, -1), began
	read := func(p *fature.Program) {
		_, err := p.Statistics.Get(ctx, s.bia.ID)
		require.NoError(t, err)
		_, err = p.Statistics.Team(ctx, s.bia.ID)
		require.NoError(t, err)
		_, err = p.Commissions.CachedBalance(ctx, s.bia.ID)
		require.NoError(t, err)
		_, err = p.Reports.Daily(ctx, from, to)
		require.NoError(t, err)
		_, err = p.Boards.List(ctx, board.Filter{Board: board.Board{Metric: board.Volume, Period: board.All}})
		require.NoError(t, err)
		require.NoError(t, p.Settings.Set(ctx, "shop.name", "A"))
	}
	read(s.other)
	require.NoError(t, s.other.Sessions.SetPassword(ctx, s.bia.UserID, "correct-horse"))
	_, token, err := s.other.Sessions.Login(ctx, session.Attempt{Email: "bia@example.com", Password: "correct-horse"})
	require.NoError(t, err)
	hash := sha256.Sum256([]byte(token))
	id := s.bia.ID.String()
	for prefix, want := range map[string]struct {
		db   int
		life time.Duration
	}{
		"config:shop.name":                       {0, 24 * time.Hour},
		"session:" + hex.EncodeToString(hash[:]): {1, 24 * time.Hour},
		"affiliate:stats:" + id:                  {2, 30 * time.Minute},
		"affiliate:stats:team:" + id:             {2, 30 * time.Minute},
		"ranking:volume:all:all":                 {3, 15 * time.Minute},
		"commission:balance:" + id:               {4, 30 * time.Minute},
		"report:daily:":                          {5, time.Hour},
	} {
		keys, err := s.bare(want.db).Keys(ctx, prefix+"*").Result()
		require.NoError(t, err)
		for until := time.Now().Add(time.Minute); len(keys) == 0 && time.Now().Before(until); { // a crowded machine did without
			read(s.open(-1))
			keys, err = s.bare(want.db).Keys(ctx, prefix+"*").Result()
			require.NoError(t, err)
		}
		require.Len(t, keys, 1, prefix)
		life, err := s.bare(want.db).PTTL(ctx, keys[0]).Result()
		require.NoError(t, err)
		require.LessOrEqual(t, life, want.life*11/10, prefix)
		require.GreaterOrEqual(t, life+time.Since(began)+time.Second, want.life*9/10, prefix)
	}
}
