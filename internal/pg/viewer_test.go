package pg_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/access"
	"github.com/fature/fature/internal/pg"
)

// newShelf is a table of books: ana's, of whom she sees and of whom she does not.
func newShelf(t *testing.T) (pool *pgxpool.Pool, sent *statements, ana access.Viewer) {
	t.Helper()
	n := newNotebook(t)
	ana = access.Viewer{UserID: uuid.New(), Role: access.RoleAffiliate, AffiliateID: uuid.New()}
	bia, biaUser := uuid.New(), uuid.New()
	_, err := n.pool.Exec(t.Context(), `
		create table fature.books (title text, id uuid, person uuid);
		create table fature.sight (viewer uuid, id uuid, person uuid);
		create function fature.seen(viewer uuid) returns setof uuid language sql stable as $$
			select s.id from fature.sight s where s.viewer = seen.viewer $$;
		create function fature.seen_users(viewer uuid) returns setof uuid language sql stable as $$
			select s.person from fature.sight s where s.viewer = seen_users.viewer $$`)
	require.NoError(t, err)
	_, err = n.pool.Exec(t.Context(), `insert into fature.books values ('own', $1, $2), ('below', $3, $4), ('hidden', gen_random_uuid(), gen_random_uuid())`,
		ana.AffiliateID, ana.UserID, bia, biaUser)
	require.NoError(t, err)
	_, err = n.pool.Exec(t.Context(), `insert into fature.sight values ($1, $1, $2), ($1, $3, $4)`, ana.AffiliateID, ana.UserID, bia, biaUser)
	require.NoError(t, err)
	config := n.pool.Config().Copy()
	sent = watch(config.ConnConfig)
	pool, err = pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool, sent, ana
}

// What a statement says of viewers, and what each then sees of it.
func TestMarks(t *testing.T) {
	t.Parallel()
	pool, _, ana := newShelf(t)
	free := pg.In(pool, "")
	lone := access.Viewer{UserID: ana.UserID, Role: access.RoleAffiliate}
	nobody := access.Viewer{UserID: ana.UserID, AffiliateID: ana.AffiliateID, Role: "owner"}
	const all = "below hidden own"
	for mark, want := range map[string]struct{ ana, lone, nobody string }{
		"/*sees id*/":               {"below own", "", ""},
		"/*lists id*/":              {"below own", "", ""},
		"/*sees b.id*/":             {"below own", "", ""},
		"/*owns id*/":               {"own", "", ""},
		"/*sees user person*/":      {"below own", "own", ""},
		"/*lists user person*/":     {"below own", "own", ""},
		"/*is person*/":             {"own", "own", ""},
		"/*everybody*/":             {all, all, all},
		"/*sees id*/ /*is person*/": {"own", "", ""},
	} {
		sql := `select title from fature.books b where title <> $1 ` + mark + ` order by title`
		titles := func(db pg.DB) string {
			list, err := pg.Column[string](t.Context(), db, sql, "none")
			require.NoError(t, err, mark)
			var b pgx.Batch
			var again []string
			pg.QueueColumn(&b, &again, sql, "none")
			require.NoError(t, pg.Send(t.Context(), db, &b))
			require.Equal(t, len(list), len(again))
			return strings.Join(list, " ")
		}
		require.Equal(t, all, titles(free), mark)
		require.Equal(t, all, titles(pg.As(free, access.Viewer{Role: access.RoleAdmin})), mark)
		require.Equal(t, all, titles(pg.As(free, access.Viewer{Role: access.RoleManager})), mark)
		require.Equal(t, want.ana, titles(pg.As(free, ana)), mark)
		require.Equal(t, want.lone, titles(pg.As(free, lone)), mark)
		require.Equal(t, want.nobody, titles(pg.As(free, nobody)), mark)
		require.Equal(t, want.ana, titles(pg.As(pg.As(free, nobody), ana)), "the last one counts")
		require.Equal(t, all, titles(pg.Unbound(pg.As(free, ana))))
		require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			require.Equal(t, want.ana, titles(pg.Bind(pg.As(free, ana), tx)), "a viewer stays in a transaction")
			return nil
		}))
	}
	id, err := pg.Column[uuid.UUID](t.Context(), pg.As(free, ana), `select @viewer::uuid`)
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{ana.AffiliateID}, id)
}

// A host may do without the cache that lists of viewers are planned with.
func TestListsWithoutDescriptions(t *testing.T) {
	t.Parallel()
	from, _, ana := newShelf(t)
	for _, capacity := range []int{0, 512} {
		pool := connect(t, from, func(c *pgxpool.Config) { c.ConnConfig.DescriptionCacheCapacity = capacity })
		list, err := pg.Column[string](t.Context(), pg.As(pg.In(pool, ""), ana), `select title from fature.books where true /*lists id*/`)
		require.NoError(t, err)
		require.Len(t, list, 2)
	}
}

// What a statement does not say is refused, and so is what changes something:
// nothing is sent.
func TestViewersAreRefused(t *testing.T) {
	t.Parallel()
	pool, sent, ana := newShelf(t)
	ctx := t.Context()
	const read, marked = `select title from fature.books`, `select title from fature.books where true /*sees id*/`
	for _, v := range []access.Viewer{ana, {}, {Role: access.RoleManager}} {
		db := pg.As(pg.In(pool, ""), v)
		refused := func(err error) {
			t.Helper()
			require.ErrorIs(t, err, access.ErrRole)
		}
		texts := []string{
			`insert into fature.books values ('x') returning title /*everybody*/`, `with gone as (delete from fature.books returning title) select * from gone /*everybody*/`,
			`update fature.books set title = 'x' where true /*sees id*/ returning title`, `select title from fature.books where true /*sees id*/ for no key update`,
		}
		if !v.ReadsAll() {
			texts = append(texts, read, `select title from fature.books /* sees id */`, `select title from fature.books /*see id*/`)
		}
		for _, text := range texts {
			_, err := pg.Column[string](ctx, db, text)
			refused(err)
			var title string
			refused(db.QueryRow(ctx, text).Scan(&title))
			var b pgx.Batch
			b.Queue(marked)
			b.Queue(text)
			refused(pg.Send(ctx, db, &b))
		}
		_, err := db.Exec(ctx, marked)
		refused(err)
		_, err = db.CopyFrom(ctx, pg.Table(db, "books"), []string{"title"}, pgx.CopyFromRows([][]any{{"x"}}))
		refused(err)
		_, err = db.Begin(ctx)
		refused(err)
		_, err = pg.Open(ctx, db)
		refused(err)
		refused(pg.InTx(ctx, db, func(pg.DB) error { return nil }))
		refused(pg.MayWrite(db))
	}
	require.Empty(t, sent.seen)
	require.NoError(t, pg.InTx(ctx, pg.As(pg.In(pool, ""), access.Viewer{Role: access.RoleAdmin}), func(tx pg.DB) error {
		require.Equal(t, access.RoleAdmin, pg.Viewer(tx).Role)
		_, err := tx.Exec(ctx, `insert into fature.books values ('new')`)
		return err
	}))
}
