package session

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/testenv"
)

func bytesOf(t *testing.T, token string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	return b
}

// guard is limits whose time is a test's.
type guard struct {
	*testing.T
	*limits
	at time.Time
}

func newGuard(t *testing.T) *guard {
	g := &guard{t, newLimits(nil), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	g.local.now = func() time.Time { return g.at }
	return g
}

func from(account string, n int) Attempt {
	return Attempt{Email: account + "@example.com", Address: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}.normalize()
}

// fail is an attempt with a wrong password; it tells how long to wait where it
// is not let through.
func (g *guard) fail(a Attempt) time.Duration {
	g.Helper()
	_, wait := g.try(a)
	return wait
}

func (g *guard) try(a Attempt) (*attempt, time.Duration) {
	g.Helper()
	got, err := g.take(g.Context(), a)
	var many *TooManyError
	if errors.As(err, &many) {
		require.Positive(g, many.RetryAfter)
		require.LessOrEqual(g, many.RetryAfter, time.Minute)
		return nil, many.RetryAfter
	}
	require.NoError(g, err)
	return got, 0
}

// succeed is an attempt that must get through, with the right password.
func (g *guard) succeed(a Attempt) {
	g.Helper()
	got, wait := g.try(a)
	require.Zero(g, wait)
	got.succeeded(g.Context())
}

// hammer tries every step for so long and counts what is let through.
func (g *guard) hammer(d, step time.Duration, a func(i int) Attempt) (through int) {
	for i, end := 0, g.at.Add(d); g.at.Before(end); i++ {
		if g.fail(a(i)) == 0 {
			through++
		}
		g.at = g.at.Add(step)
	}
	return through
}

// Five at once, then twice as long each time, a minute at most.
func TestAccountSlowsDown(t *testing.T) {
	t.Parallel()
	g := newGuard(t)
	for range 5 {
		require.Zero(t, g.fail(from("ana", 1)))
	}
	for _, wait := range []int{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		want := time.Duration(wait) * time.Second
		require.Equal(t, want, g.fail(from("ana", 1)))
		require.Equal(t, want, g.fail(from("ANA", 2)), "nor from elsewhere, and asking prolongs nothing")
		require.Zero(t, g.fail(from("bia", 1)), "another account")
		g.at = g.at.Add(want - time.Millisecond)
		require.Equal(t, time.Millisecond, g.fail(from("ana", 1)))
		g.at = g.at.Add(time.Millisecond)
		require.Zero(t, g.fail(from("ana", 1)))
		g.local.reset("limit:account:" + digest(from("bia", 1)))
	}
	g.at = g.at.Add(time.Hour)
	for range 5 {
		require.Zero(t, g.fail(from("ana", 1)), "an hour later all is forgotten")
	}
	require.NotZero(t, g.fail(from("ana", 1)))
}

func digest(a Attempt) string {
	got, _ := newLimits(nil).take(context.Background(), a)
	return got.account
}

// What the documentation promises of a day of attack.
func TestWhatIsLetThroughInADay(t *testing.T) {
	t.Parallel()
	anywhere := func(account string) func(i int) Attempt {
		return func(i int) Attempt { return from(account, i) }
	}
	t.Run("one account from everywhere", func(t *testing.T) {
		t.Parallel()
		g := newGuard(t)
		first := g.hammer(time.Hour, time.Second, anywhere("ana"))
		require.InDelta(t, 70, first, 2)
		require.LessOrEqual(t, first, 72)
		day := g.hammer(23*time.Hour, 10*time.Second, anywhere("ana"))
		t.Logf("of 1e4 tries in a day %d", first+day)
		require.LessOrEqual(t, day, 23*60)
		require.Greater(t, day, 23*50, "it never locks")
	})
	t.Run("one password over many accounts, from one address", func(t *testing.T) {
		t.Parallel()
		g := newGuard(t)
		hour := g.hammer(time.Hour, time.Second, func(i int) Attempt { return from(fmt.Sprint("u", i), 1) })
		t.Logf("%d of 3600", hour)
		require.LessOrEqual(t, hour, 50+7+120+60)
		require.Greater(t, hour, 60)
	})
	t.Run("many accounts from everywhere", func(t *testing.T) {
		t.Parallel()
		g := newGuard(t)
		minute := g.hammer(time.Minute, 10*time.Millisecond, func(i int) Attempt { return from(fmt.Sprint("u", i), i) })
		t.Logf("%d of 6000", minute)
		require.InDelta(t, 500+5*60, minute, 10)
	})
	t.Run("a /64 is one address", func(t *testing.T) {
		t.Parallel()
		g := newGuard(t)
		through := g.hammer(time.Second, time.Millisecond, func(i int) Attempt {
			return Attempt{Email: fmt.Sprintf("u%d@example.com", i), Address: netip.MustParseAddr(fmt.Sprintf("2001:db8::%x:%x", i, i))}.normalize()
		})
		require.InDelta(t, 50, through, 1)
	})
}

// Nobody is locked out: not by an attack from elsewhere, where the owner is
// known; for a minute at most where not; and not by clocks that jump.
func TestOwnerGetsIn(t *testing.T) {
	t.Parallel()
	g := newGuard(t)
	g.succeed(from("ana", 1))
	attack := func(i int) Attempt { return from("ana", 1000+i) }
	g.hammer(time.Hour, time.Second, attack)
	require.NotZero(t, g.fail(attack(1)))
	require.Zero(t, g.fail(from("ana", 1)), "a slip of the owner's own")
	g.succeed(from("ana", 1))
	require.NotZero(t, g.fail(attack(1)), "which gives the attacker nothing")
	for g.fail(from("u", 5)) == 0 { // the programme's limit
		for i := range 600 {
			g.fail(from(fmt.Sprint("u", i), 5000+i))
		}
	}
	g.succeed(from("ana", 1))

	wait := g.fail(from("ana", 2))
	require.LessOrEqual(t, wait, time.Minute)
	g.at = g.at.Add(wait)
	g.succeed(from("ana", 2))
	require.Zero(t, g.fail(attack(1)), "a right password resets the account")

	for range 20 {
		g.fail(attack(1))
	}
	g.at = g.at.Add(-1000 * time.Hour)
	require.Zero(t, g.fail(attack(1)), "a clock that was set back")
	require.Equal(t, time.Minute, g.fail(attack(1)), "and goes on from there")
	g.at = g.at.Add(time.Minute)
	require.Zero(t, g.fail(attack(1)))

	g.at = g.at.Add(2 * 1000 * time.Hour)
	g.hammer(time.Minute, time.Second, attack)
	require.NotZero(t, g.fail(from("ana", 1)), "known for 30 days")
}

// The addresses of an account that are known are the last ten.
func TestKnownAddresses(t *testing.T) {
	t.Parallel()
	g := newGuard(t)
	for i := range 12 {
		g.succeed(from("ana", i))
		g.at = g.at.Add(time.Second)
	}
	account := digest(from("ana", 0))
	require.Len(t, g.local.known[account], mostKnown)
	require.False(t, g.local.knows(account, "10.0.0.1"))
	require.True(t, g.local.knows(account, "10.0.0.2"))
	for i := range mostAccounts + 10 {
		g.local.know(fmt.Sprint(i), "10.0.0.1")
	}
	require.Len(t, g.local.known, mostAccounts)
}

// What is forgotten takes no memory.
func TestSweep(t *testing.T) {
	t.Parallel()
	g := newGuard(t)
	for i := range 400 {
		g.fail(from(fmt.Sprint("u", i), i))
	}
	require.Len(t, g.local.counts, 801)
	g.at = g.at.Add(2 * time.Hour)
	g.fail(from("ana", 1))
	require.Len(t, g.local.counts, 3)
}

// The script counts as the process does.
func TestScriptIsTheRule(t *testing.T) {
	t.Parallel()
	o, err := cache.ParseURL(testenv.Redis(t))
	require.NoError(t, err)
	r, err := cache.Connect(o, uuid.NewString()+":")
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	l := newLimits(r.WithBudget(10 * time.Second))
	key := l.key("limit:account:x")
	client := r.Client(cache.Sessions)
	in := []lane{{"limit:account:x", rule{3, []time.Duration{time.Hour, 2 * time.Hour, 4 * time.Hour}, 24 * time.Hour}}}

	for range 3 {
		require.Zero(t, l.takeShared(t.Context(), in))
	}
	near := func(want, got time.Duration) {
		t.Helper()
		require.InDelta(t, want, got, float64(time.Minute))
	}
	for n, want := range []time.Duration{1, 2, 4, 4, 4} {
		near(want*time.Hour, l.takeShared(t.Context(), in))
		near(want*time.Hour, l.takeShared(t.Context(), in))
		left, err := client.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		near(min(time.Duration(n)+3, 6)*24*time.Hour, left)
		// As if so long had passed.
		var clear, at int64
		_, err = fmt.Sscan(client.Get(t.Context(), key).Val(), &clear, &at)
		require.NoError(t, err)
		require.NoError(t, client.Set(t.Context(), key, fmt.Sprintf("%d %d", clear, at-(want*time.Hour).Milliseconds()), 0).Err())
		require.Zero(t, l.takeShared(t.Context(), in))
	}
	near(4*time.Hour, l.takeShared(t.Context(), in))
	for range 3 {
		l.giveShared(t.Context(), in)
	}
	near(time.Hour, l.takeShared(t.Context(), in))
	l.giveShared(t.Context(), in)
	require.Zero(t, l.takeShared(t.Context(), in))
	for range 9 {
		l.giveShared(t.Context(), in)
	}
	require.Zero(t, client.Exists(t.Context(), key).Val(), "nothing is left to forget")

	for _, garbage := range []string{"", "x", "1", "1 2 3", "-1 -1", "99999999999999999 99999999999999999", "nan nan", "\x00"} {
		require.NoError(t, client.Set(t.Context(), key, garbage, 0).Err())
		require.LessOrEqual(t, l.takeShared(t.Context(), in), 4*time.Hour, "%q", garbage)
	}
	require.NoError(t, client.Del(t.Context(), key).Err())
	require.NoError(t, client.LPush(t.Context(), key, "of another type").Err())
	for range 3 {
		require.Zero(t, l.takeShared(t.Context(), in))
	}
	near(time.Hour, l.takeShared(t.Context(), in))
}
