package session

import (
	"context"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/fature/fature/internal/fault"
)

func TestHash(t *testing.T) {
	t.Parallel()
	p := newPasswords(bcrypt.MinCost)
	for _, good := range []string{
		"12345679012345", "correct-horse", strings.Repeat("x", 72), strings.Repeat("ã", 36), "pass word", "        x", "ação-são", "日本語日本語日本",
		"password\n12345678", "ssword12",
	} {
		hash, err := p.hash(t.Context(), good)
		require.NoError(t, err, good)
		fits, err := p.fits(t.Context(), hash, good)
		require.NoError(t, err)
		require.True(t, fits, good)
		fits, err = p.fits(t.Context(), hash, good[:len(good)-1]+"!")
		require.NoError(t, err)
		require.False(t, fits, good)
	}
	for bad, why := range map[string]string{
		"": "shorter than 8", "1234567": "shorter than 8", "ããããããã": "shorter than 8", "a\u0303a\u0303a\u0303a\u0303": "shorter than 8",
		strings.Repeat("x", 73): "longer than 72", strings.Repeat("ã", 37): "longer than 72", strings.Repeat("x", 1<<24): "longer than 72",
		"secret\x00secret": "NUL", "secret\xffsecret": "UTF-8",
		"password": "common", "PassWord": "common", "12345678": "common", "senha123": "common", "contrasen\u0303a": "common",
	} {
		_, err := p.hash(t.Context(), bad)
		require.ErrorIs(t, err, fault.Invalid, "%.20q", bad)
		require.Equal(t, "password", fault.Fields(err)[0].Field)
		require.ErrorContains(t, err, why)
		if len(bad) > shortest {
			require.NotContains(t, err.Error(), bad)
		}
	}
}

// bcrypt would take what is longer than 72 bytes, or repeats after a NUL.
func TestFitsRefusesWhatHashRefuses(t *testing.T) {
	t.Parallel()
	p := newPasswords(bcrypt.MinCost)
	long := strings.Repeat("x", 72)
	hash, err := p.hash(t.Context(), long)
	require.NoError(t, err)
	require.NoError(t, bcrypt.CompareHashAndPassword([]byte(hash), []byte(long+"y")), "which is why")
	for _, given := range []string{long + "y", long + "\x00", strings.Repeat("x", 1<<20)} {
		fits, err := p.fits(t.Context(), hash, given)
		require.NoError(t, err)
		require.False(t, fits)
	}
	short, err := bcrypt.GenerateFromPassword([]byte("short"), bcrypt.MinCost)
	require.NoError(t, err)
	fits, err := p.fits(t.Context(), string(short), "short")
	require.NoError(t, err)
	require.False(t, fits)
	for _, none := range []string{"", "$", "$2a$", "$2a$04$", "$argon2id$v=19$m=1$x", "x", strings.Repeat("$", 60)} {
		fits, err := p.fits(t.Context(), none, "correct-horse")
		require.NoError(t, err)
		require.False(t, fits, none)
	}
}

// The list is what it says: passwords that would otherwise do, each once, and
// few.
func TestCommon(t *testing.T) {
	t.Parallel()
	require.Less(t, len(common), 4096)
	lines := strings.Split(strings.TrimSuffix(common, "\n"), "\n")
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(lines))), len(lines))
	for _, line := range lines {
		got, err := readable(line)
		require.NoError(t, err, line)
		require.Equal(t, line, strings.ToLower(got))
		require.True(t, isCommon(line))
		require.False(t, isCommon(line[1:]+"\n"+line))
	}
}

func TestDummy(t *testing.T) {
	t.Parallel()
	for cost := 4; cost <= 14; cost++ {
		got, err := bcrypt.Cost(dummy(cost))
		require.NoError(t, err)
		require.Equal(t, cost, got)
	}
	require.ErrorIs(t, bcrypt.CompareHashAndPassword(dummy(4), []byte("correct-horse")), bcrypt.ErrMismatchedHashAndPassword)
	require.NotEqual(t, dummy(4), dummy(4))
}

// As many at once as there are processors, and who gives up waiting is let go.
func TestHashingIsBounded(t *testing.T) {
	t.Parallel()
	p := newPasswords(bcrypt.MinCost)
	require.Equal(t, runtime.GOMAXPROCS(0), cap(p.slots))
	var now, most atomic.Int32
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			_ = p.alone(t.Context(), func() {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Millisecond)
				now.Add(-1)
			})
		})
	}
	all.Wait()
	require.LessOrEqual(t, int(most.Load()), cap(p.slots))

	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := p.hash(ctx, "correct-horse")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = p.fits(ctx, "", "correct-horse")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	gone, leave := context.WithCancel(t.Context())
	leave()
	<-p.slots
	_, err = p.fits(gone, "", "correct-horse")
	require.ErrorIs(t, err, context.Canceled, "although there is room")
}

// What a password is compared with does not show in the time it takes: a hash
// of today's cost, a cheaper one of before, or none.
func TestTimeOfComparing(t *testing.T) {
	t.Parallel()
	cost, rounds, within := 6, 25, 4.0 // loose: other tests run beside it, and a comparison left out is a factor of thousands
	if os.Getenv("FATURE_LONG") != "" {
		cost, rounds, within = 10, 50, 1.1
	}
	p := newPasswords(cost)
	hash := func(cost int) string {
		h, err := newPasswords(cost).hash(t.Context(), "correct-horse")
		require.NoError(t, err)
		return h
	}
	against := []struct{ what, hash, password string }{
		{"of today", hash(cost), "wrong-horse"}, {"none", "", "wrong-horse"}, {"of another scheme", "$argon2id$v=19$x", "wrong-horse"},
		{"cheaper", hash(cost - 1), "wrong-horse"}, {"much cheaper", hash(cost - 2), "wrong-horse"}, {"cheaper, and it fits", hash(cost - 2), "correct-horse"},
		{"the right one", hash(cost), "correct-horse"},
	}
	took := make([][]time.Duration, len(against))
	for range rounds {
		for i, a := range against { // in turn, so that what else is going on falls on all
			start := time.Now()
			_, err := p.fits(t.Context(), a.hash, a.password)
			took[i] = append(took[i], time.Since(start))
			require.NoError(t, err)
		}
	}
	for i, a := range against {
		ratio := float64(median(took[i])) / float64(median(took[0]))
		t.Logf("%s: %.3f of the first", a.what, ratio)
		require.Less(t, ratio, within, a.what)
		require.Greater(t, ratio, 1/within, a.what)
	}
}

func median(d []time.Duration) time.Duration { return slices.Sorted(slices.Values(d))[len(d)/2] }

// Tokens are 256 bits of which each is as often set as not.
func TestTokens(t *testing.T) {
	t.Parallel()
	const n = 2000
	seen := map[string]bool{}
	var set [256]int
	for range n {
		token := newToken()
		require.True(t, isToken(token))
		require.False(t, seen[token])
		seen[token] = true
		for i, c := range bytesOf(t, token) {
			for bit := range 8 {
				set[8*i+bit] += int(c>>bit) & 1
			}
		}
	}
	for _, ones := range set {
		require.InDelta(t, n/2, ones, 150, "6.7 standard deviations") // one in 10^8 runs
	}
}
