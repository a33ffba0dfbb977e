package session_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/session"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

const secret = "correct-horse"

// world is the users of a programme and their sessions.
type world struct {
	*testing.T
	pool   *pgxpool.Pool
	users  *affiliate.Users
	store  *session.Store
	redis  *cache.Redis // nil for none
	prefix string       // of its keys
	tag    string       // of its addresses
	hash   string       // of secret
}

// without is a world that has no Redis; with keeps its sessions in one.
func without(t *testing.T) *world {
	t.Helper()
	return over(t, testenv.Pool(t), nil, session.Options{})
}

func with(t *testing.T) *world {
	t.Helper()
	return over(t, testenv.Pool(t), connect(t, testenv.Redis(t), uuid.NewString()+":"), session.Options{})
}

func over(t *testing.T, pool *pgxpool.Pool, r *cache.Redis, o session.Options) *world {
	t.Helper()
	db := pg.In(pool, "")
	w := &world{T: t, pool: pool, users: affiliate.NewUsers(db), redis: r, tag: uuid.NewString()}
	if r != nil {
		w.prefix = strings.TrimSuffix(r.Key(cache.Sessions), cache.Sessions.Name)
	}
	store, err := session.New(w.users, db, r, o)
	require.NoError(t, err)
	w.store = store.Cheap()
	w.hash, err = w.store.Hash(t.Context(), secret)
	require.NoError(t, err)
	return w
}

func connect(t *testing.T, url, prefix string) *cache.Redis {
	t.Helper()
	o, err := cache.ParseURL(url)
	require.NoError(t, err)
	r, err := cache.Connect(o, prefix)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// twin is another process of the same programme.
func (w *world) twin() *world {
	c := *w
	store, err := session.New(w.users, pg.In(w.pool, ""), w.redis, session.Options{})
	require.NoError(w, err)
	c.store = store.Cheap()
	return &c
}

func (w *world) email(name string) string { return name + "@" + w.tag + ".example" }

// user makes one with a password, without hashing it anew each time.
func (w *world) user(name string) affiliate.User {
	w.Helper()
	u, err := w.users.Create(w.Context(), affiliate.UserDraft{Email: w.email(name), Name: name})
	require.NoError(w, err)
	require.NoError(w, w.users.SetPassword(w.Context(), u.ID, w.hash))
	return u
}

func (w *world) attempt(name string) session.Attempt {
	return session.Attempt{Email: w.email(name), Password: secret, Address: address(1), UserAgent: "test"}
}

// address is one of many networks.
func address(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, byte(n >> 16), byte(n >> 8), byte(n)})
}

func (w *world) login(name string) (session.Session, string) {
	w.Helper()
	s, token, err := w.store.Login(w.Context(), w.attempt(name))
	require.NoError(w, err)
	return s, token
}

// wantIn and wantOut say what a token is good for.
func (w *world) wantIn(token, because string) session.Session {
	w.Helper()
	s, err := w.store.Get(w.Context(), token)
	require.NoError(w, err, because)
	return s
}

func (w *world) wantOut(token, because string) {
	w.Helper()
	_, err := w.store.Get(w.Context(), token)
	require.ErrorIs(w, err, session.ErrNotFound, because)
}

func (w *world) ids(user uuid.UUID) []uuid.UUID {
	w.Helper()
	list, err := w.store.List(w.Context(), user)
	require.NoError(w, err)
	ids := []uuid.UUID{}
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

func (w *world) client() redis.UniversalClient { return w.redis.Client(cache.Sessions) }

// keys are the names that this world has in Redis.
func (w *world) keys(pattern string) []string {
	w.Helper()
	var keys []string
	for all := w.client().Scan(w.Context(), 0, w.prefix+pattern, 1000).Iterator(); all.Next(w.Context()); {
		keys = append(keys, all.Val())
	}
	return keys
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	_, err := w.pool.Exec(w.Context(), sql, args...)
	require.NoError(w, err)
}

// both runs a test where sessions are in PostgreSQL and where they are in Redis.
func both(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	t.Run("postgresql", func(t *testing.T) { t.Parallel(); test(without(t)) })
	t.Run("redis", func(t *testing.T) { t.Parallel(); test(with(t)) })
}
