package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate/session"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/internal/testenv/faulty"
)

// brittle is a world whose Redis can be cut off.
func brittle(t *testing.T, o session.Options) (*world, *faulty.Wire) {
	t.Helper()
	address, err := url.Parse(testenv.NewRedis(t))
	require.NoError(t, err)
	wire := faulty.ToAddress(t, address.Host)
	return over(t, testenv.Pool(t), connect(t, "redis://"+wire.Address, uuid.NewString()+":"), o), wire
}

// wantAway holds that nobody is told to be logged out, nor let in.
func (w *world) wantAway(token string, user, id uuid.UUID) {
	w.Helper()
	got, err := w.store.Get(w.Context(), token)
	require.ErrorIs(w, err, fault.Unavailable)
	require.NotErrorIs(w, err, session.ErrNotFound)
	require.Zero(w, got)
	_, err = w.store.List(w.Context(), user)
	require.ErrorIs(w, err, fault.Unavailable)
	require.ErrorIs(w, w.store.Revoke(w.Context(), user, id), fault.Unavailable)
	require.ErrorIs(w, w.store.Logout(w.Context(), token), fault.Unavailable)
	_, made, err := w.store.Login(w.Context(), w.attempt("ana"))
	require.ErrorIs(w, err, fault.Unavailable)
	require.Empty(w, made)
	require.NotContains(w, err.Error(), token)
}

// Redis goes and comes back: sessions are unavailable meanwhile, and then as
// they were, but for those that were ended.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what     string
		away, up func(*faulty.Wire)
	}{
		{"down", (*faulty.Wire).Down, (*faulty.Wire).Up},
		{"frozen", (*faulty.Wire).Freeze, (*faulty.Wire).Thaw},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			w, wire := brittle(t, session.Options{})
			ana, bia := w.user("ana"), w.user("bia")
			made, token := w.login("ana")
			_, other := w.login("bia")
			c.away(wire)
			w.wantAway(token, ana.ID, made.ID)
			start := time.Now()
			for range 20 {
				_, err := w.store.Get(t.Context(), token)
				require.ErrorIs(t, err, fault.Unavailable)
			}
			require.Less(t, time.Since(start), 5*time.Second, "after a while it is not asked")
			require.NoError(t, w.store.RevokeAll(t.Context(), bia.ID), "needs no Redis")
			_, _, err := w.store.Login(t.Context(), session.Attempt{Email: ana.Email, Password: "wrong-horse", Address: address(7)})
			require.ErrorIs(t, err, session.ErrBadLogin)
			c.up(wire)
			require.Eventually(t, func() bool { _, err := w.store.Get(t.Context(), token); return err == nil }, 20*time.Second, 50*time.Millisecond)
			w.wantOut(other, "revoked while Redis was away")
			require.NoError(t, w.store.Logout(t.Context(), token))
			w.wantOut(token, "")
		})
	}
}

// A Redis that takes no writes, or has none of ours left.
func TestRedisThatRefuses(t *testing.T) {
	t.Parallel()
	w := over(t, testenv.Pool(t), connect(t, testenv.NewRedis(t), ""), session.Options{})
	ana := w.user("ana")
	made, token := w.login("ana")
	require.Contains(t, w.keys("*"), w.key(token))
	require.NoError(t, w.client().ConfigSet(t.Context(), "maxmemory", "1").Err())
	_, _, err := w.store.Login(t.Context(), w.attempt("ana"))
	require.ErrorIs(t, err, fault.Unavailable, "out of memory")
	w.wantIn(token, "reading goes on")
	require.NoError(t, w.client().ConfigSet(t.Context(), "maxmemory", "0").Err())
	require.NoError(t, w.client().Do(t.Context(), "replicaof", "127.0.0.1", "1").Err())
	_, _, err = w.store.Login(t.Context(), w.attempt("ana"))
	require.ErrorIs(t, err, fault.Unavailable, "a replica")
	require.ErrorIs(t, w.store.Logout(t.Context(), token), fault.Unavailable, "not ended, and not said to be")
	require.ErrorIs(t, w.store.Revoke(t.Context(), ana.ID, made.ID), fault.Unavailable)
	require.NoError(t, w.client().Do(t.Context(), "replicaof", "no", "one").Err())
	w.wantIn(token, "")
	require.NoError(t, w.client().FlushAll(t.Context()).Err())
	w.wantOut(token, "flushed")
	require.Empty(t, w.ids(ana.ID))
	_, again := w.login("ana")
	w.wantIn(again, "")
}

// PostgreSQL away is no log-out either.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	for _, w := range []*world{without(t), with(t)} {
		w.user("ana")
		_, token := w.login("ana")
		line := faulty.To(t, w.pool, nil)
		broken := over(t, line.Pool, w.redis, session.Options{})
		line.Cut()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := broken.store.Get(ctx, token)
		require.Error(t, err)
		require.NotErrorIs(t, err, session.ErrNotFound)
		_, _, err = broken.store.Login(ctx, w.attempt("ana"))
		require.Error(t, err)
		require.NotErrorIs(t, err, session.ErrBadLogin)
		w.wantIn(token, "by who has a line")
	}
}

// What is not a session of this version is none; what is in the way of one
// gives way.
func TestGarbageInRedis(t *testing.T) {
	t.Parallel()
	w := with(t)
	ana := w.user("ana")
	made, token := w.login("ana")
	key, client := w.key(token), w.client()
	good, err := client.Get(t.Context(), key).Result()
	require.NoError(t, err)
	for _, bad := range []string{
		"", "x", "null", "[]", "{}", `"` + token + `"`, good[:len(good)-1], good + good, strings.Replace(good, `"v":1`, `"v":0`, 1),
		strings.Replace(good, `"v":1`, `"v":2`, 1), strings.Replace(good, ana.ID.String(), "", 1),
		strings.Replace(good, ana.ID.String(), uuid.Nil.String(), 1), strings.Replace(good, ana.ID.String(), uuid.NewString(), 1),
		strings.Replace(good, `"epoch":1`, `"epoch":0`, 1), strings.Replace(good, `"epoch":1`, `"epoch":2`, 1),
		strings.Replace(good, made.ExpiresAt.UTC().Format("2006-"), "1999-", 1) + " ", strings.Repeat("[", 10_000), "\x00\xff",
	} {
		if strings.Contains(bad, "1999-") {
			bad = strings.Replace(good, made.ExpiresAt.UTC().Format(`"expires_at":"2006`), `"expires_at":"1999`, 1)
		}
		require.NotEqual(t, good, bad)
		require.NoError(t, client.Set(t.Context(), key, bad, time.Hour).Err())
		w.wantOut(token, bad[:min(len(bad), 200)])
		require.Empty(t, w.ids(ana.ID))
	}
	require.NoError(t, client.Set(t.Context(), key, good, time.Hour).Err())
	w.wantIn(token, "the good one")
	for _, value := range []func(key string) error{
		func(key string) error { return client.LPush(t.Context(), key, good).Err() },
		func(key string) error { return client.HSet(t.Context(), key, "v", "1").Err() },
	} {
		require.NoError(t, client.Del(t.Context(), key).Err())
		require.NoError(t, value(key))
		w.wantOut(token, "of another type")
		require.NoError(t, w.store.Logout(t.Context(), token))

		index := w.redis.Key(cache.Sessions, "user", ana.ID.String())
		require.NoError(t, client.Del(t.Context(), index).Err())
		require.NoError(t, value(index))
		require.Empty(t, w.ids(ana.ID), "no index")
		require.ErrorIs(t, w.store.Revoke(t.Context(), ana.ID, made.ID), session.ErrNotFound)
		again, fresh := w.login("ana")
		w.wantIn(fresh, "what was in the way has gone")
		require.Equal(t, []uuid.UUID{again.ID}, w.ids(ana.ID))

		known := w.keys("session:known:*")
		require.Len(t, known, 1)
		require.NoError(t, client.Del(t.Context(), known[0]).Err())
		require.NoError(t, value(known[0]))
		_, fresh = w.login("ana")
		w.wantIn(fresh, "")
		require.Equal(t, "zset", client.Type(t.Context(), known[0]).Val())
	}
	index := w.redis.Key(cache.Sessions, "user", ana.ID.String())
	for _, member := range []string{"", "x", " ", uuid.NewString() + " x", made.ID.String()} {
		require.NoError(t, client.ZAdd(t.Context(), index, redis.Z{Score: 1e15, Member: member}).Err())
	}
	require.Len(t, w.ids(ana.ID), 2)
	require.ErrorIs(t, w.store.Revoke(t.Context(), ana.ID, made.ID), session.ErrNotFound)
	bia := w.user("bia")
	_, bias := w.login("bia")
	require.NoError(t, client.ZAdd(t.Context(), index, redis.Z{Score: 1e15, Member: uuid.NewString() + " " + strings.TrimPrefix(w.key(bias), w.redis.Key(cache.Sessions)+":")}).Err())
	require.Len(t, w.ids(ana.ID), 2, "an index does not make another's session one's own")
	require.Len(t, w.ids(bia.ID), 1)
}

// Nothing that lets anybody in is written down anywhere.
func TestNothingSecretIsKept(t *testing.T) {
	t.Parallel()
	const password = "a-very-secret-horse"
	for _, w := range []*world{over(t, testenv.Clone(t), nil, session.Options{}), over(t, testenv.Clone(t), connect(t, testenv.Redis(t), uuid.NewString()+":"), session.Options{})} {
		ana := w.user("ana")
		require.NoError(t, w.store.SetPassword(t.Context(), ana.ID, password))
		a := w.attempt("ana")
		a.Password = password
		var tokens, said []string
		for range 3 {
			_, token, err := w.store.Login(t.Context(), a)
			require.NoError(t, err)
			tokens = append(tokens, token)
			w.wantIn(token, "")
		}
		wrong := a
		wrong.Password += "!"
		for range 7 {
			_, _, err := w.store.Login(t.Context(), wrong)
			require.Error(t, err)
			said = append(said, err.Error())
		}
		w.store.Costing(5)
		a.Address = address(99)
		_, token, err := w.store.Login(t.Context(), a)
		if err == nil {
			tokens = append(tokens, token)
		}
		list, err := w.store.List(t.Context(), ana.ID)
		require.NoError(t, err)
		said = append(said, fmt.Sprintf("%+v %#v", list, list))
		dump := said
		var tables []string
		require.NoError(t, w.pool.QueryRow(t.Context(), `select array_agg(c.relname) from pg_class c
			where relnamespace = 'fature'::regnamespace and relkind in ('r', 'p')`).Scan(&tables))
		require.Contains(t, tables, "sessions")
		for _, table := range tables {
			var text *string
			require.NoError(t, w.pool.QueryRow(t.Context(), `select string_agg(x::text, E'\n') from fature.`+table+` x`).Scan(&text))
			if text != nil {
				dump = append(dump, *text)
			}
		}
		if w.redis != nil {
			inRedis := w.dump()
			require.NotContains(t, strings.ToLower(strings.Join(inRedis, "\n")), w.tag, "nor an e-mail address in Redis")
			require.Greater(t, len(inRedis), 6)
			dump = append(dump, inRedis...)
		}
		for _, text := range dump {
			for _, token := range tokens {
				require.NotContains(t, text, token)
			}
			require.NotContains(t, text, password)
			require.NotContains(t, text, password[:12])
		}
	}
}

// dump is every key and value of this world in Redis.
func (w *world) dump() (all []string) {
	w.Helper()
	for _, key := range w.keys("*") {
		all = append(all, key)
		switch kind := w.client().Type(w.Context(), key).Val(); kind {
		case "string":
			all = append(all, w.client().Get(w.Context(), key).Val())
		case "zset":
			all = append(all, w.client().ZRange(w.Context(), key, 0, -1).Val()...)
		default:
			require.Fail(w, "a key of another type", "%s: %s", key, kind)
		}
		left := w.client().PTTL(w.Context(), key).Val()
		require.Positive(w, left, "%s goes by itself", key)
	}
	return all
}

// An attempt that is logged does not tell its password.
func TestAttemptInLogs(t *testing.T) {
	t.Parallel()
	a := session.Attempt{Email: "ana@example.com", Password: secret, Address: address(1), UserAgent: "test"}
	var b strings.Builder
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		log := slog.New(h)
		log.Info("x", "attempt", a, "pointer", &a)
		log.Info(fmt.Sprint(a, &a))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		_, _ = fmt.Fprintf(&b, verb+verb, a, &a)
	}
	_, _ = fmt.Fprint(&b, fmt.Errorf("login %v", a), []session.Attempt{a}, struct{ A session.Attempt }{a})
	require.NotContains(t, b.String(), secret)
	require.NotContains(t, b.String(), fmt.Sprintf("%x", secret))
	require.Contains(t, b.String(), "198.0.0.1")
	text, err := json.Marshal(session.Session{})
	require.NoError(t, err)
	require.NotContains(t, string(text), "oken")
}

// tries are how many attempts a smoke makes, and all of them.
func tries() int {
	if os.Getenv("FATURE_LONG") != "" {
		return 10_000
	}
	return 300
}

// guess counts what wrong passwords are compared, and holds the rest to be
// refused.
func (w *world) guess(n int, a func(i int) session.Attempt) (through int) {
	w.Helper()
	for i := range n {
		try := a(i)
		try.Password = "wrong-horse"
		_, _, err := w.store.Login(w.Context(), try)
		var many *session.TooManyError
		switch {
		case errors.Is(err, session.ErrBadLogin):
			through++
		case errors.As(err, &many):
			require.ErrorIs(w, err, fault.Unavailable)
			require.Greater(w, many.RetryAfter, time.Duration(0))
			require.LessOrEqual(w, many.RetryAfter, time.Minute)
		default:
			require.NoError(w, err)
		}
	}
	return through
}

// allowed is what limits let through in so long a time.
func allowed(free int, each, took time.Duration) int { return free + 1 + int(took/each) + 7 }

// Guessing slows down, whether or not there is Redis, and whatever it becomes.
func TestBruteForce(t *testing.T) {
	both(t, func(w *world) {
		ana := w.user("ana")
		w.user("bia")
		w.login("ana") // from address 1
		n := tries()
		start := time.Now()
		through := w.guess(n, func(i int) session.Attempt { return session.Attempt{Email: ana.Email, Address: address(1000 + i)} })
		w.Logf("one account from everywhere: %d of %d", through, n)
		require.LessOrEqual(w, through, allowed(5, time.Minute, time.Since(start)))
		require.GreaterOrEqual(w, through, 5)
		_, _, err := w.store.Login(w.Context(), session.Attempt{Email: ana.Email, Password: secret, Address: address(3)})
		require.ErrorAs(w, err, new(*session.TooManyError), "the right password does not get through either")
		w.login("ana") // from where it is known
		w.login("bia")

		start = time.Now()
		through = w.guess(n, func(i int) session.Attempt {
			return session.Attempt{Email: w.email(fmt.Sprint("u", i)), Address: address(2)}
		})
		w.Logf("one password over many accounts, from one address: %d of %d", through, n)
		require.LessOrEqual(w, through, allowed(50, 30*time.Second, time.Since(start)))
		require.GreaterOrEqual(w, through, 50)

		free := 500
		if n < free { // a smoke
			free = 100
			w.store.Narrow(free)
		}
		start = time.Now()
		through = w.guess(n, func(i int) session.Attempt {
			return session.Attempt{Email: w.email(fmt.Sprint("v", i)), Address: address(100_000 + i)}
		})
		w.Logf("many accounts from everywhere: %d of %d", through, n)
		require.LessOrEqual(w, through, allowed(free, 200*time.Millisecond, time.Since(start)))
		w.login("ana")
	})
}

// Many attempts at once are counted before any is compared.
func TestBruteForceAtOnce(t *testing.T) {
	both(t, func(w *world) {
		ana := w.user("ana")
		errs := testenv.AtOnce(200, func(i int) error {
			_, _, err := w.store.Login(w.Context(), session.Attempt{Email: ana.Email, Password: "wrong-horse", Address: address(i)})
			return err
		})
		through := slices.DeleteFunc(errs, func(err error) bool { return errors.As(err, new(*session.TooManyError)) })
		require.LessOrEqual(w, len(through), 6)
		require.NotEmpty(w, through)
		for _, err := range through {
			require.ErrorIs(w, err, session.ErrBadLogin)
		}
	})
}

// Processes count together in Redis, and apart without.
func TestProcessesCountTogether(t *testing.T) {
	both(t, func(w *world) {
		ana := w.user("ana")
		all := []*world{w, w.twin(), w.twin()}
		through := 0
		for i := range 60 {
			through += all[i%3].guess(1, func(int) session.Attempt { return session.Attempt{Email: ana.Email, Address: address(i)} })
		}
		if w.redis == nil {
			require.GreaterOrEqual(w, through, 15)
			require.LessOrEqual(w, through, 18)
			return
		}
		require.GreaterOrEqual(w, through, 5)
		require.LessOrEqual(w, through, 6)
	})
}

// Redis dies in the middle of an attack: what each process has counted holds,
// and who knows the password gets in where sessions are in PostgreSQL.
func TestBruteForceWhileRedisDies(t *testing.T) {
	t.Parallel()
	w, wire := brittle(t, session.Options{InPostgreSQL: true})
	ana := w.user("ana")
	w.user("bia")
	w.login("ana")
	attack := func(i int) session.Attempt { return session.Attempt{Email: ana.Email, Address: address(1000 + i)} }
	start := time.Now()
	through := w.guess(100, attack)
	wire.Down()
	through += w.guess(100, attack)
	_, token := w.login("bia")
	w.wantIn(token, "")
	w.login("ana")
	twin := w.twin()
	require.LessOrEqual(t, twin.guess(100, attack), 6, "a process that had seen none of it")
	wire.Up()
	through += w.guess(100, attack)
	t.Logf("%d of 300", through)
	require.LessOrEqual(t, through, allowed(5, time.Minute, time.Since(start)))
}
