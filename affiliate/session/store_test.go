package session_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/session"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

// Who logs in has a session, which is what it was made of.
func TestLogin(t *testing.T) {
	both(t, func(w *world) {
		ana := w.user("ana")
		a := w.attempt("ANA")
		a.Address = netip.MustParseAddr("::ffff:192.0.2.7%eth0")
		a.UserAgent = "Fire\xfffox\x00\n" + strings.Repeat("ã", 200)
		before := time.Now().Add(-time.Minute)
		made, token, err := w.store.Login(w.Context(), a)
		require.NoError(w, err)
		require.Regexp(w, `^[A-Za-z0-9_-]{43}$`, token)

		got := w.wantIn(token, "at once")
		require.Equal(w, ana.ID, got.User.ID)
		require.Equal(w, ana.Email, got.User.Email)
		require.Equal(w, affiliate.RoleAffiliate, got.User.Role)
		require.Equal(w, netip.MustParseAddr("192.0.2.7"), got.Address)
		require.Equal(w, "Firefox"+strings.Repeat("ã", 124), got.UserAgent)
		require.Equal(w, 24*time.Hour, got.ExpiresAt.Sub(got.CreatedAt))
		require.True(w, got.CreatedAt.After(before) && !got.SeenAt.Before(got.CreatedAt))
		for _, s := range []*session.Session{&made, &got} { // but for zones
			s.CreatedAt, s.ExpiresAt, s.SeenAt = s.CreatedAt.UTC(), s.ExpiresAt.UTC(), s.SeenAt.UTC()
			s.User.CreatedAt, s.User.UpdatedAt = s.User.CreatedAt.UTC(), s.User.UpdatedAt.UTC()
		}
		require.Equal(w, made, got)
		require.NotContains(w, token, made.ID.String())

		a.Address, a.UserAgent = netip.Addr{}, ""
		nowhere, other, err := w.store.Login(w.Context(), a)
		require.NoError(w, err)
		require.False(w, w.wantIn(other, "from nowhere").Address.IsValid())
		a.Address = netip.MustParseAddr("2001:db8::1")
		_, six, err := w.store.Login(w.Context(), a)
		require.NoError(w, err)
		require.Equal(w, a.Address, w.wantIn(six, "by IPv6").Address)
		require.Len(w, w.ids(ana.ID), 3)
		require.Contains(w, w.ids(ana.ID), nowhere.ID)
	})
}

// Nobody learns what was wrong.
func TestBadLogin(t *testing.T) {
	both(t, func(w *world) {
		ana := w.user("ana")
		for _, status := range []affiliate.Status{affiliate.Pending, affiliate.Suspended, affiliate.Closed} {
			u := w.user(string(status))
			_, err := w.users.Update(w.Context(), u.ID, affiliate.UserChange{Status: status})
			require.NoError(w, err)
		}
		_, err := w.users.Create(w.Context(), affiliate.UserDraft{Email: w.email("mute"), Name: "Mute"})
		require.NoError(w, err)
		argon := w.user("argon")
		require.NoError(w, w.users.SetPassword(w.Context(), argon.ID, "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaA"))
		with := func(email, password string) session.Attempt {
			return session.Attempt{Email: email, Password: password}
		}
		for i, a := range []session.Attempt{
			with(w.email("ana"), "wrong-horse"), with(w.email("ana"), ""), with(w.email("ana"), "short"),
			with(w.email("ana"), secret+"\x00"), with(w.email("ana"), strings.Repeat("x", 73)), with(w.email("ana"), strings.Repeat("x", 1<<20)),
			with(w.email("ana"), "\xff\xff\xff\xff\xff\xff\xff\xff"), with(w.email("ana"), strings.ToUpper(secret)),
			with(w.email("nobody"), secret), with("", secret), with("no address", secret), with("a\x00@b.c", secret),
			with(w.email("pending"), secret), with(w.email("suspended"), secret), with(w.email("closed"), secret),
			with(w.email("mute"), secret), with(w.email("argon"), secret), with(strings.Repeat("a", 300)+"@b.c", secret), {},
		} {
			a.Address = address(i)
			got, token, err := w.store.Login(w.Context(), a)
			require.ErrorIs(w, err, session.ErrBadLogin, "%d", i)
			require.EqualError(w, err, "session: login: the e-mail address or the password is wrong")
			require.ErrorIs(w, err, fault.Forbidden)
			require.Empty(w, token)
			require.Zero(w, got)
		}
		require.Empty(w, w.ids(ana.ID))
	})
}

// What is no token is asked of nobody; what is none of ours is not found.
func TestTokensThatAreNone(t *testing.T) {
	both(t, func(w *world) {
		w.user("ana")
		made, token := w.login("ana")
		hash := sha256.Sum256([]byte(token))
		for _, bad := range []string{
			"", " ", token + "=", token[:42], token + "A", " " + token, strings.ToLower(token) + "!", strings.Repeat("A", 43), strings.Repeat("A", 42) + "B",
			strings.Repeat("*", 43), "' or 1=1 --", made.ID.String(), hex.EncodeToString(hash[:]), "user:" + made.User.ID.String(),
			token[:42] + "\x00", strings.Repeat("\xff", 43), strings.Repeat("x", 1<<20), "Bearer " + token,
		} {
			w.wantOut(bad, bad[:min(len(bad), 60)])
			require.NoError(w, w.store.Logout(w.Context(), bad))
		}
		w.wantIn(token, "none of them ended it")
	})
}

// A token is new at each login, and nothing that was sent before it is taken.
func TestFixation(t *testing.T) {
	both(t, func(w *world) {
		w.user("ana")
		fixed := strings.Repeat("A", 43)
		w.wantOut(fixed, "before")
		_, first := w.login("ana")
		_, second := w.login("ana")
		require.NotEqual(w, first, second)
		w.wantOut(fixed, "after")
		require.NoError(w, w.store.Logout(w.Context(), first))
		require.NoError(w, w.store.Logout(w.Context(), first))
		w.wantOut(first, "logged out")
		w.wantIn(second, "another session goes on")
	})
}

// Everybody sees and ends their own.
func TestListAndRevoke(t *testing.T) {
	both(t, func(w *world) {
		ana, bia := w.user("ana"), w.user("bia")
		require.Empty(w, w.ids(ana.ID))
		require.Empty(w, w.ids(uuid.New()), "of nobody")
		var made []uuid.UUID
		var tokens []string
		for range 3 {
			s, token := w.login("ana")
			made, tokens = append(made, s.ID), append(tokens, token)
		}
		bias, biasToken := w.login("bia")
		newest := slices.Clone(made)
		slices.Reverse(newest)
		require.Equal(w, newest, w.ids(ana.ID))
		require.Equal(w, []uuid.UUID{bias.ID}, w.ids(bia.ID))
		list, err := w.store.List(w.Context(), ana.ID)
		require.NoError(w, err)
		require.Equal(w, ana.Email, list[0].User.Email)
		require.Equal(w, "test", list[0].UserAgent)

		for _, c := range []struct{ user, id uuid.UUID }{
			{bia.ID, made[0]}, {ana.ID, bias.ID}, {ana.ID, uuid.New()}, {ana.ID, uuid.Nil}, {uuid.New(), made[0]}, {ana.ID, ana.ID},
		} {
			err := w.store.Revoke(w.Context(), c.user, c.id)
			require.ErrorIs(w, err, session.ErrNotFound)
		}
		w.wantIn(tokens[0], "another cannot end it")
		w.wantIn(biasToken, "another cannot end it")
		require.NoError(w, w.store.Revoke(w.Context(), ana.ID, made[1]))
		require.ErrorIs(w, w.store.Revoke(w.Context(), ana.ID, made[1]), session.ErrNotFound, "twice")
		w.wantOut(tokens[1], "revoked")
		require.Equal(w, []uuid.UUID{made[2], made[0]}, w.ids(ana.ID))

		require.NoError(w, w.store.RevokeAll(w.Context(), ana.ID))
		require.Empty(w, w.ids(ana.ID))
		w.wantOut(tokens[0], "all are revoked")
		w.wantOut(tokens[2], "all are revoked")
		w.wantIn(biasToken, "another's")
		require.ErrorIs(w, w.store.RevokeAll(w.Context(), uuid.New()), affiliate.ErrUserNotFound)
		_, again := w.login("ana")
		w.wantIn(again, "a new one")
	})
}

// However the password or the status changes, sessions end with it, and with
// its transaction.
func TestWhatEndsSessions(t *testing.T) {
	both(t, func(w *world) {
		ctx := w.Context()
		update := func(change affiliate.UserChange) func(id uuid.UUID) error {
			return func(id uuid.UUID) error { _, err := w.users.Update(ctx, id, change); return err }
		}
		sql := func(text string) func(id uuid.UUID) error {
			return func(id uuid.UUID) error { _, err := w.pool.Exec(ctx, text, id); return err }
		}
		for i, c := range []struct {
			what string
			do   func(id uuid.UUID) error
			ends bool
		}{
			{"another password", func(id uuid.UUID) error { return w.store.SetPassword(ctx, id, "another-horse") }, true},
			{"the same password, set anew", func(id uuid.UUID) error { return w.store.SetPassword(ctx, id, secret) }, true},
			{"another hash", func(id uuid.UUID) error { return w.users.SetPassword(ctx, id, "$2a$10$x") }, true},
			{"no password", func(id uuid.UUID) error { return w.users.SetPassword(ctx, id, "") }, true},
			{"a suspension", update(affiliate.UserChange{Status: affiliate.Suspended}), true},
			{"a closure", update(affiliate.UserChange{Status: affiliate.Closed}), true},
			{"a suspension by hand", sql("update fature.users set status = 'suspended' where id = $1"), true},
			{"a password by hand", sql("update fature.users set password_hash = 'x' where id = $1"), true},
			{"another name", update(affiliate.UserChange{Name: "Other", Role: affiliate.RoleManager}), false},
			{"a weak password", func(id uuid.UUID) error {
				require.ErrorIs(w, w.store.SetPassword(ctx, id, "password"), fault.Invalid)
				return nil
			}, false},
			{"a rollback", func(id uuid.UUID) error {
				tx, err := w.pool.Begin(ctx)
				require.NoError(w, err)
				require.NoError(w, w.store.WithTx(tx).SetPassword(ctx, id, "another-horse"))
				require.NoError(w, w.store.WithTx(tx).RevokeAll(ctx, id))
				require.Empty(w, func() []session.Session {
					l, err := w.store.WithTx(tx).List(ctx, id)
					require.NoError(w, err)
					return l
				}())
				return tx.Rollback(ctx)
			}, false},
		} {
			name := "u" + string(rune('a'+i))
			u := w.user(name)
			_, token := w.login(name)
			require.NoError(w, c.do(u.ID), c.what)
			if !c.ends {
				w.wantIn(token, c.what)
				continue
			}
			w.wantOut(token, c.what)
			require.Empty(w, w.ids(u.ID), c.what)
			require.NoError(w, w.users.SetPassword(ctx, u.ID, "$2a$10$y"))
			require.NoError(w, update(affiliate.UserChange{Status: affiliate.Active})(u.ID))
			w.wantOut(token, "active again, after "+c.what)
		}
	})
}

// A login that began with the old password ends with it.
func TestLoginWhileThePasswordChanges(t *testing.T) {
	both(t, func(w *world) {
		ana := w.user("ana")
		w.store.Costing(6)
		for range 5 {
			require.NoError(w, w.store.SetPassword(w.Context(), ana.ID, secret))
			var token string
			errs := testenv.AtOnce(2, func(i int) (err error) {
				if i == 0 {
					_, token, err = w.store.Login(w.Context(), w.attempt("ana"))
					return err
				}
				return w.users.SetPassword(w.Context(), ana.ID, "$2a$10$x")
			})
			require.NoError(w, errs[1])
			if errs[0] == nil {
				w.wantOut(token, "the password is another")
			} else {
				require.ErrorIs(w, errs[0], session.ErrBadLogin)
			}
		}
	})
}

// The cost was raised: the next login hashes anew, and ends nothing.
func TestRehash(t *testing.T) {
	both(t, func(w *world) {
		ana := w.user("ana")
		_, before := w.login("ana")
		hash := func() string {
			c, err := w.users.Credentials(w.Context(), ana.ID)
			require.NoError(w, err)
			return c.PasswordHash
		}
		old := hash()
		require.Contains(w, old, "$04$")
		w.store.Costing(5)
		_, _, err := w.store.Login(w.Context(), session.Attempt{Email: ana.Email, Password: "wrong-horse"})
		require.ErrorIs(w, err, session.ErrBadLogin)
		require.Equal(w, old, hash(), "not by a wrong one")
		_, token := w.login("ana")
		require.Contains(w, hash(), "$05$")
		w.wantIn(before, "the same password")
		w.wantIn(token, "the same password")
		now := hash()
		w.store.Costing(4)
		w.login("ana")
		require.Equal(w, now, hash(), "never made cheaper")
	})
}

// The same letters are the same password, however they were typed.
func TestPasswordsInUnicode(t *testing.T) {
	t.Parallel()
	w := without(t)
	ana := w.user("ana")
	require.NoError(t, w.store.SetPassword(t.Context(), ana.ID, "coração-são"))
	_, _, err := w.store.Login(t.Context(), session.Attempt{Email: ana.Email, Password: "corac\u0327a\u0303o-sa\u0303o"})
	require.NoError(t, err)
}

// A session runs out by the clock of where it is, and by the database's.
func TestExpiry(t *testing.T) {
	both(t, func(w *world) {
		ana := w.user("ana")
		_, token := w.login("ana")
		if w.redis == nil {
			other, _ := w.login("ana")
			w.exec(`update fature.sessions set created_at = created_at - interval '1 day', expires_at = clock_timestamp() + interval '1 minute' where user_id = $1`, ana.ID)
			w.wantIn(token, "a minute before")
			w.exec(`update fature.sessions set expires_at = clock_timestamp() where user_id = $1`, ana.ID)
			w.wantOut(token, "at the time")
			require.Empty(w, w.ids(ana.ID))
			require.ErrorIs(w, w.store.Revoke(w.Context(), ana.ID, other.ID), session.ErrNotFound)
			n, err := w.store.Prune(w.Context())
			require.NoError(w, err)
			require.GreaterOrEqual(w, n, int64(2))
			return
		}
		key := w.key(token)
		left, err := w.client().PTTL(w.Context(), key).Result()
		require.NoError(w, err)
		require.InDelta(w, 24*time.Hour, left, float64(time.Minute))
		left, err = w.client().PTTL(w.Context(), w.keys("session:user:*")[0]).Result()
		require.NoError(w, err)
		require.InDelta(w, 24*time.Hour, left, float64(time.Minute))
		require.NoError(w, w.client().PExpire(w.Context(), key, time.Millisecond).Err())
		time.Sleep(5 * time.Millisecond)
		w.wantOut(token, "Redis has let it go")
		require.Empty(w, w.ids(ana.ID))

		// A key that somebody made last for ever ends by the database's clock.
		made, other := w.login("ana")
		text, err := w.client().Get(w.Context(), w.key(other)).Result()
		require.NoError(w, err)
		text = strings.Replace(text, made.ExpiresAt.UTC().Format(`"expires_at":"2006-01-02T15`), time.Now().UTC().Add(-2*time.Hour).Format(`"expires_at":"2006-01-02T15`), 1)
		require.NoError(w, w.client().Set(w.Context(), w.key(other), text, 0).Err())
		w.wantOut(other, "its time is over")
		require.Empty(w, w.ids(ana.ID))
	})
}

// key is where Redis has the session of a token.
func (w *world) key(token string) string {
	hash := sha256.Sum256([]byte(token))
	return w.redis.Key(cache.Sessions, hex.EncodeToString(hash[:]))
}

// When a session was last seen is kept now and then, without making it live
// longer or come back.
func TestSeen(t *testing.T) {
	both(t, func(w *world) {
		ana := w.user("ana")
		made, token := w.login("ana")
		require.True(w, w.wantIn(token, "").SeenAt.Equal(made.SeenAt), "not at each use")
		if w.redis == nil {
			w.exec(`update fature.sessions set seen_at = seen_at - interval '1 hour' where user_id = $1`, ana.ID)
		} else {
			text, err := w.client().Get(w.Context(), w.key(token)).Result()
			require.NoError(w, err)
			seen := made.SeenAt.UTC()
			text = strings.Replace(text, seen.Format(`"seen_at":"2006-01-02T15`), seen.Add(-time.Hour).Format(`"seen_at":"2006-01-02T15`), 1)
			require.NoError(w, w.client().Set(w.Context(), w.key(token), text, time.Hour).Err())
		}
		require.False(w, w.wantIn(token, "").SeenAt.Before(made.SeenAt))
		list, err := w.store.List(w.Context(), ana.ID)
		require.NoError(w, err)
		require.False(w, list[0].SeenAt.Before(made.SeenAt), "it was kept")
		require.True(w, list[0].ExpiresAt.Equal(made.ExpiresAt))
		if w.redis != nil {
			left, err := w.client().PTTL(w.Context(), w.key(token)).Result()
			require.NoError(w, err)
			require.LessOrEqual(w, left, time.Hour)
			require.Greater(w, left, 50*time.Minute)
		}
	})
}

// A user has a hundred sessions; the oldest gives way.
func TestMostSessions(t *testing.T) {
	both(t, func(w *world) {
		ana := w.user("ana")
		first, token := w.login("ana")
		second, other := w.login("ana")
		for range session.MostSessions - 1 {
			w.login("ana")
		}
		ids := w.ids(ana.ID)
		require.Len(w, ids, session.MostSessions)
		require.NotContains(w, ids, first.ID)
		require.Contains(w, ids, second.ID)
		w.wantOut(token, "the oldest")
		w.wantIn(other, "the one after it")
	})
}

// A hundred logins at once all get through, of different users and of one.
func TestManyLoginsAtOnce(t *testing.T) {
	both(t, func(w *world) {
		const n = 100
		tokens := make([]string, n)
		names := make([]string, n)
		for i := range names {
			names[i] = uuid.NewString()[:13]
			w.user(names[i])
		}
		for _, err := range testenv.AtOnce(n, func(i int) (err error) {
			a := w.attempt(names[i])
			a.Address = address(i)
			_, tokens[i], err = w.store.Login(w.Context(), a)
			return err
		}) {
			require.NoError(w, err)
		}
		slices.Sort(tokens)
		require.Len(w, slices.Compact(tokens), n)

		ana := w.user("ana")
		errs := testenv.AtOnce(8, func(int) error {
			for {
				_, _, err := w.store.Login(w.Context(), w.attempt("ana"))
				if !errors.As(err, new(*session.TooManyError)) { // five at a time, a second later
					return err
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		for _, err := range errs {
			require.NoError(w, err)
		}
		require.Len(w, w.ids(ana.ID), 8)
	})
}

// Inside the host's transaction there is one connection, and the session is
// undone with it.
func TestWithTx(t *testing.T) {
	t.Parallel()
	w := without(t)
	ana := w.user("ana")
	config := w.pool.Config()
	config.MaxConns = 1
	narrow, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(narrow.Close)
	db := pg.In(narrow, "")
	store, err := session.New(affiliate.NewUsers(db), db, nil, session.Options{})
	require.NoError(t, err)
	store.Cheap()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var token string
	errUndo := errors.New("undo")
	require.ErrorIs(t, pgx.BeginFunc(ctx, narrow, func(tx pgx.Tx) error {
		within := store.WithTx(tx)
		var made session.Session
		made, token, err = within.Login(ctx, w.attempt("ana"))
		require.NoError(t, err)
		_, err = within.Get(ctx, token)
		require.NoError(t, err)
		list, err := within.List(ctx, ana.ID)
		require.NoError(t, err)
		require.Len(t, list, 1)
		_, other, err := within.Login(ctx, w.attempt("ana"))
		require.NoError(t, err)
		require.NoError(t, within.Logout(ctx, other))
		require.ErrorIs(t, within.Revoke(ctx, ana.ID, uuid.New()), session.ErrNotFound)
		require.NoError(t, within.Revoke(ctx, ana.ID, made.ID))
		_, err = within.Prune(ctx)
		require.NoError(t, err)
		_, token, err = within.Login(ctx, w.attempt("ana"))
		require.NoError(t, err)
		return errUndo
	}), errUndo)
	_, err = store.Get(ctx, token)
	require.ErrorIs(t, err, session.ErrNotFound)
}

// Another schema has users and sessions of its own.
func TestAnotherSchema(t *testing.T) {
	t.Parallel()
	pool := testenv.Empty(t)
	require.NoError(t, pool.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
		return migrate.Up(t.Context(), conn.Conn(), migrate.Options{Schema: "casino"})
	}))
	db := pg.In(pool, "casino")
	users := affiliate.NewUsers(db)
	store, err := session.New(users, db, nil, session.Options{})
	require.NoError(t, err)
	store.Cheap()
	ana, err := users.Create(t.Context(), affiliate.UserDraft{Email: "ana@example.com", Name: "Ana"})
	require.NoError(t, err)
	require.NoError(t, store.SetPassword(t.Context(), ana.ID, secret))
	_, token, err := store.Login(t.Context(), session.Attempt{Email: "ana@example.com", Password: secret})
	require.NoError(t, err)
	store.Costing(5)
	_, _, err = store.Login(t.Context(), session.Attempt{Email: "ana@example.com", Password: secret})
	require.NoError(t, err)
	_, err = store.Get(t.Context(), token)
	require.NoError(t, err, "hashed anew, under the schema's own setting")
	require.NoError(t, store.RevokeAll(t.Context(), ana.ID))
	_, err = store.Get(t.Context(), token)
	require.ErrorIs(t, err, session.ErrNotFound)
}

// Where there is a Redis, PostgreSQL can be asked for all the same.
func TestInPostgreSQL(t *testing.T) {
	t.Parallel()
	w := over(t, testenv.Pool(t), connect(t, testenv.Redis(t), uuid.NewString()+":"), session.Options{InPostgreSQL: true})
	ana := w.user("ana")
	_, token := w.login("ana")
	w.wantIn(token, "")
	require.Len(t, w.ids(ana.ID), 1)
	for _, key := range w.keys("*") {
		require.Regexp(t, `session:(limit|known):`, key, "attempts are counted there, and no session kept")
	}
	require.NotEmpty(t, w.keys("session:known:*"))
}

// A process that trusts what it has seen asks nobody again for so long; a logout
// ends that at once, and a transaction never has it.
func TestTrust(t *testing.T) {
	t.Parallel()
	w := with(t)
	w.user("ana")
	strict := *w
	trusting := over(t, w.pool, w.redis, session.Options{Trust: time.Minute})
	_, token := w.login("ana")
	who := trusting.wantIn(token, "it is asked for the first time").User

	_, err := w.users.Update(t.Context(), who.ID, affiliate.UserChange{Status: affiliate.Suspended})
	require.NoError(t, err)
	strict.wantOut(token, "the user is suspended")
	trusting.wantIn(token, "it is trusted")
	require.NoError(t, pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		_, err := trusting.store.WithTx(tx).Get(t.Context(), token)
		require.ErrorIs(t, err, session.ErrNotFound)
		return nil
	}))
	require.NoError(t, trusting.store.Logout(t.Context(), token))
	trusting.wantOut(token, "it has logged out")

	_, err = w.users.Update(t.Context(), who.ID, affiliate.UserChange{Status: affiliate.Active})
	require.NoError(t, err)
	_, token = w.login("ana")
	short := over(t, w.pool, w.redis, session.Options{Trust: 50 * time.Millisecond})
	short.wantIn(token, "it has just logged in")
	require.NoError(t, w.store.RevokeAll(t.Context(), who.ID))
	require.Eventually(t, func() bool {
		_, err := short.store.Get(t.Context(), token)
		return errors.Is(err, session.ErrNotFound)
	}, 5*time.Second, 10*time.Millisecond)
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, cost := range []int{-1, 1, 4, 9, 15, 31} {
		_, err := session.New(nil, nil, nil, session.Options{Cost: cost})
		require.ErrorIs(t, err, fault.Invalid)
		require.ErrorContains(t, err, "Cost: ")
	}
	for _, cost := range []int{0, 10, 12, 14} {
		_, err := session.New(nil, nil, nil, session.Options{Cost: cost})
		require.NoError(t, err)
	}
	for _, trust := range []time.Duration{-1, time.Minute + 1} {
		_, err := session.New(nil, nil, nil, session.Options{Trust: trust})
		require.ErrorIs(t, err, fault.Invalid)
		require.ErrorContains(t, err, "Trust: ")
	}
}

// What has run out is deleted in lots, and on the way.
func TestPrune(t *testing.T) {
	t.Parallel()
	w := over(t, testenv.Clone(t), nil, session.Options{})
	ana := w.user("ana")
	w.exec(`insert into fature.sessions (token_hash, id, user_id, epoch, user_agent, created_at, expires_at, seen_at)
		select sha256(n::text::bytea), gen_random_uuid(), $1, 1, '', now() - interval '2 days', now() - interval '1 day', now()
		from generate_series(1, 20001) n`, ana.ID)
	_, token := w.login("ana")
	count := func() (n int) {
		require.NoError(t, w.pool.QueryRow(t.Context(), "select count(*) from fature.sessions").Scan(&n))
		return n
	}
	require.Equal(t, 1, count(), "a login takes the user's own")
	w.exec(`insert into fature.sessions (token_hash, id, user_id, epoch, user_agent, created_at, expires_at, seen_at)
		select sha256(n::text::bytea), gen_random_uuid(), $1, 1, '', now() - interval '2 days', now() - interval '1 day', now()
		from generate_series(1, 20001) n`, ana.ID)
	n, err := w.store.Prune(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 20001, n)
	w.wantIn(token, "it has not run out")
	n, err = w.store.Prune(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
}
