package affiliate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
)

func TestCreateWithANewUser(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.create(affiliate.Draft{
		Email: " Ana@" + w.tag + ".example ", Name: " Ana ", OriginalID: "17", MigratedFrom: w.tag,
	})
	require.Equal(t, affiliate.Standard, ana.Category)
	require.Equal(t, affiliate.Active, ana.Status)
	require.Nil(t, ana.ParentID)
	require.Zero(t, ana.Level)
	require.True(t, ana.LifetimeVolume.IsZero() && ana.LifetimeCommissions.IsZero())

	user, err := w.users.Get(t.Context(), ana.UserID)
	require.NoError(t, err)
	require.Equal(t, "Ana@"+w.tag+".example", user.Email, "as it was given")
	require.Equal(t, "Ana", user.Name)
	require.Equal(t, affiliate.RoleAffiliate, user.Role)
	for find, get := range map[string]func() (affiliate.Affiliate, error){
		"id":   func() (affiliate.Affiliate, error) { return w.affiliates.Get(t.Context(), ana.ID) },
		"user": func() (affiliate.Affiliate, error) { return w.affiliates.GetByUser(t.Context(), ana.UserID) },
		"code": func() (affiliate.Affiliate, error) { return w.affiliates.GetByCode(t.Context(), ana.ReferralCode) },
	} {
		found, err := get()
		require.NoError(t, err, find)
		require.Equal(t, ana, found, find)
	}
}

func TestCreateOfAnExistingUser(t *testing.T) {
	t.Parallel()
	w := shared(t)
	user := w.user("ana")
	id := uuid.New()
	ana := w.create(affiliate.Draft{ID: id, UserID: user.ID, Category: affiliate.VIP, Status: affiliate.Pending})
	require.Equal(t, id, ana.ID)
	require.Equal(t, user.ID, ana.UserID)
	require.Equal(t, affiliate.VIP, ana.Category)
	require.Equal(t, affiliate.Pending, ana.Status)
}

// The parent is named by its id or by a code: chosen, generated, retired, in
// any case.
func TestCreateUnderAParent(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.affiliate("ana")
	bia := w.create(affiliate.Draft{Email: w.email("bia"), Name: "bia", ReferredBy: strings.ToUpper(w.code("ana"))})
	require.Equal(t, ana.ID, *bia.ParentID)
	require.Equal(t, 1, bia.Level)

	caio := w.create(affiliate.Draft{Email: w.email("caio"), Name: "caio", ReferredBy: strings.ToLower(bia.ReferralCode)})
	require.Equal(t, bia.ID, *caio.ParentID)
	require.Equal(t, 2, caio.Level)

	_, err := w.affiliates.ChangeCode(t.Context(), bia.ID, w.code("bia"))
	require.NoError(t, err)
	for i, code := range []string{bia.ReferralCode, w.code("bia")} {
		late := w.draft(fmt.Sprint("late", i))
		late.ReferredBy = code
		require.Equal(t, bia.ID, *w.create(late).ParentID, code)
	}
}

// A whole team in one call: of new users and of one who is there, under each
// other by id and by code.
func TestCreateAll(t *testing.T) {
	t.Parallel()
	w := shared(t)
	user := w.user("caio")
	boss := w.affiliate("boss")
	drafts := []affiliate.Draft{w.draft("ana"), w.draft("bia"), {UserID: user.ID}, w.draft("davi")}
	drafts[0].ID = uuid.New()
	drafts[1].ParentID = drafts[0].ID
	drafts[2].ReferredBy = strings.ToUpper(drafts[1].ReferralCode)
	drafts[3].ParentID = boss.ID

	made, err := w.affiliates.CreateAll(t.Context(), drafts)
	require.NoError(t, err)
	require.Len(t, made, 4)
	require.Equal(t, drafts[0].ID, made[0].ID)
	require.Equal(t, made[0].ID, *made[1].ParentID)
	require.Equal(t, made[1].ID, *made[2].ParentID)
	require.Equal(t, user.ID, made[2].UserID)
	require.Equal(t, boss.ID, *made[3].ParentID)
	require.Equal(t, []int{0, 1, 2, 1}, []int{made[0].Level, made[1].Level, made[2].Level, made[3].Level})
	require.Equal(t, [4]int{5, 5, 5, 1 + 1 + 2 + 3 + 2}, w.people())

	none, err := w.affiliates.CreateAll(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
	w.wantSound()
}

// Each bad draft is refused alone, and as the second of three inside a host's
// transaction, which goes on and leaves nothing of them.
func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana, deep := w.affiliate("ana"), w.affiliate("deep")
	for i := range 3 {
		deep = w.under(deep, fmt.Sprint("deep", i))
	}
	free := w.user("free")
	_, err := w.users.Create(t.Context(), affiliate.UserDraft{
		Email: w.email("old"), Name: "old", OriginalID: "17", MigratedFrom: w.tag,
	})
	require.NoError(t, err)
	before := w.people()
	type draft = affiliate.Draft
	for name, c := range map[string]struct {
		change func(d *draft)
		want   string
		is     error
	}{
		"no e-mail":           {func(d *draft) { d.Email = " " }, "email: is empty", nil},
		"no @":                {func(d *draft) { d.Email = "ana" }, `email: "ana" is not an e-mail address such as ana@example.com`, nil},
		"two @":               {func(d *draft) { d.Email = "a@b@c.example" }, `email: "a@b@c.example" is not an e-mail address such as ana@example.com`, nil},
		"spaces":              {func(d *draft) { d.Email = "a b@c.example" }, `email: "a b@c.example" is not an e-mail address such as ana@example.com`, nil},
		"line end":            {func(d *draft) { d.Email = "a@c.example\r\nBcc: x@y.example" }, `email: "a@c.example\r\nBcc: x@y.example" is not an e-mail address such as ana@example.com`, nil},
		"display name":        {func(d *draft) { d.Email = "Ana <a@c.example>" }, `email: "Ana <a@c.example>" is not an e-mail address such as ana@example.com`, nil},
		"comment":             {func(d *draft) { d.Email = "a@c.example (Ana)" }, `email: "a@c.example (Ana)" is not an e-mail address such as ana@example.com`, nil},
		"no domain":           {func(d *draft) { d.Email = "a@-c.example" }, `email: "a@-c.example" does not end in a domain`, nil},
		"address of 255":      {func(d *draft) { d.Email = strings.Repeat("a", 245) + "@c.example" }, "email: is longer than 254 bytes", nil},
		"address with NUL":    {func(d *draft) { d.Email = "a\x00@c.example" }, "email: is not valid UTF-8 or holds a NUL", nil},
		"address in Latin-1":  {func(d *draft) { d.Email = "jos\xe9@c.example" }, "email: is not valid UTF-8 or holds a NUL", nil},
		"address taken":       {func(d *draft) { d.Email = strings.ToUpper(w.email("ana")) }, "email: belongs to another user", affiliate.ErrEmailTaken},
		"no name":             {func(d *draft) { d.Name = "\t" }, "name: is empty", nil},
		"name of 201":         {func(d *draft) { d.Name = strings.Repeat("é", 201) }, "name: is longer than 200 characters", nil},
		"name with NUL":       {func(d *draft) { d.Name = "a\x00" }, "name: is not valid UTF-8 or holds a NUL", nil},
		"half an origin":      {func(d *draft) { d.OriginalID = "18" }, "original_id: goes with migrated_from: both or neither", nil},
		"long origin":         {func(d *draft) { d.OriginalID, d.MigratedFrom = strings.Repeat("1", 256), "x" }, "original_id: is longer than 255 bytes", nil},
		"origin with NUL":     {func(d *draft) { d.OriginalID, d.MigratedFrom = "1", "x\x00" }, "migrated_from: is not valid UTF-8 or holds a NUL", nil},
		"origin taken":        {func(d *draft) { d.OriginalID, d.MigratedFrom = "17", w.tag }, "original_id: was made a user already", affiliate.ErrOriginTaken},
		"unknown user":        {func(d *draft) { *d = draft{UserID: uuid.New()} }, "user_id: does not exist", affiliate.ErrUserNotFound},
		"user twice":          {func(d *draft) { *d = draft{UserID: ana.UserID} }, "user_id: is an affiliate already", affiliate.ErrUserTaken},
		"user and e-mail":     {func(d *draft) { *d = draft{UserID: free.ID, Email: "x"} }, "email: is for a new user, and user_id names an existing one", nil},
		"user and origin":     {func(d *draft) { *d = draft{UserID: free.ID, MigratedFrom: "x"} }, "original_id: is for a new user, and user_id names an existing one", nil},
		"id taken":            {func(d *draft) { d.ID = ana.ID }, "id: is taken", affiliate.ErrIDTaken},
		"unknown parent":      {func(d *draft) { d.ParentID = uuid.New() }, "parent_id: does not exist", affiliate.ErrParentNotFound},
		"under itself":        {func(d *draft) { d.ID = uuid.New(); d.ParentID = d.ID }, "parent_id: is the affiliate itself", nil},
		"unknown code":        {func(d *draft) { d.ReferredBy = "nobody" }, "referred_by: is not a referral code", affiliate.ErrCodeNotFound},
		"its own code":        {func(d *draft) { d.ReferredBy = d.ReferralCode }, "referred_by: is not a referral code", affiliate.ErrCodeNotFound},
		"code and parent":     {func(d *draft) { d.ReferredBy, d.ParentID = ana.ReferralCode, ana.ID }, "referred_by: goes without parent_id: one of them names the parent", nil},
		"referred by no code": {func(d *draft) { d.ReferredBy = "a b" }, `referred_by: "a b" has characters other than letters, digits, - and _`, nil},
		"short code":          {func(d *draft) { d.ReferralCode = "ab" }, "referral_code: has not between 3 and 20 characters", nil},
		"long code":           {func(d *draft) { d.ReferralCode = strings.Repeat("a", 21) }, "referral_code: has not between 3 and 20 characters", nil},
		"code with é":         {func(d *draft) { d.ReferralCode = "josé" }, `referral_code: "josé" has characters other than letters, digits, - and _`, nil},
		"code with NUL":       {func(d *draft) { d.ReferralCode = "abc\x00" }, `referral_code: "abc\x00" has characters other than letters, digits, - and _`, nil},
		"code taken":          {func(d *draft) { d.ReferralCode = strings.ToUpper(ana.ReferralCode) }, "referral_code: is taken", affiliate.ErrCodeTaken},
		"category":            {func(d *draft) { d.Category = "gold" }, `category: "gold" is not a category`, nil},
		"status":              {func(d *draft) { d.Status = "gone" }, `status: "gone" is not a status`, nil},
		"too deep":            {func(d *draft) { d.ParentID = deep.ID }, "parent_id: " + deep.ID.String() + ": level 4 would be deeper than 3", &hierarchy.DepthError{Depth: 4, Max: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			bad := w.draft("bad")
			c.change(&bad)
			_, err := w.affiliates.Create(t.Context(), bad)
			w.wantProblem(t, err, c.want, c.is)

			require.NoError(t, pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
				_, err := w.within(tx).affiliates.CreateAll(t.Context(), []affiliate.Draft{w.draft("one"), bad, w.draft("two")})
				w.wantProblem(t, err, "drafts[1]."+c.want, c.is)
				return nil
			}), "the host goes on")
			require.Equal(t, before, w.people(), "nothing is left")
		})
	}
	w.wantSound()
}

func (w *world) wantProblem(t *testing.T, err error, want string, is error) {
	t.Helper()
	require.ErrorIs(t, err, fault.Invalid)
	require.Equal(t, []string{want}, w.problems(err))
	switch is := is.(type) { //nolint:errorlint // what the table says
	case nil:
	case *hierarchy.DepthError:
		var depth *hierarchy.DepthError
		require.ErrorAs(t, err, &depth)
		require.Equal(t, is, depth)
	default:
		require.ErrorIs(t, err, is)
	}
}

// Every problem is told at once, by place.
func TestCreateTellsAllProblems(t *testing.T) {
	t.Parallel()
	w := shared(t)
	_, err := w.affiliates.CreateAll(t.Context(), []affiliate.Draft{
		{Email: "x", Category: "gold"}, w.draft("ana"), {Email: w.email("bia"), Name: "bia", Status: "gone"},
	})
	require.Equal(t, []string{
		`drafts[0].email: "x" is not an e-mail address such as ana@example.com`,
		"drafts[0].name: is empty",
		`drafts[0].category: "gold" is not a category`,
		`drafts[2].status: "gone" is not a status`,
	}, w.problems(err))

	bia, caio := w.draft("bia"), w.draft("caio")
	bia.ParentID, caio.ReferredBy = uuid.New(), "nobody"
	_, err = w.affiliates.CreateAll(t.Context(), []affiliate.Draft{bia, w.draft("ana"), caio})
	require.Equal(t, []string{"drafts[0].parent_id: does not exist", "drafts[2].referred_by: is not a referral code"}, w.problems(err))
	require.Equal(t, [4]int{}, w.people())
}

func TestDraftsThatCollide(t *testing.T) {
	t.Parallel()
	w := shared(t)
	id, user := uuid.New(), w.user("user")
	for name, c := range map[string]struct {
		first, second func(d *affiliate.Draft)
		want          string
		is            error
	}{
		"e-mail": {func(d *affiliate.Draft) {}, func(d *affiliate.Draft) { d.Email = strings.ToUpper(w.email("ana")) }, "email", affiliate.ErrEmailTaken},
		"code":   {func(d *affiliate.Draft) {}, func(d *affiliate.Draft) { d.ReferralCode = strings.ToUpper(w.code("ana")) }, "referral_code", affiliate.ErrCodeTaken},
		"id":     {func(d *affiliate.Draft) { d.ID = id }, func(d *affiliate.Draft) { d.ID = id }, "id", affiliate.ErrIDTaken},
		"user": {
			func(d *affiliate.Draft) { *d = affiliate.Draft{UserID: user.ID} },
			func(d *affiliate.Draft) { *d = affiliate.Draft{UserID: user.ID} }, "user_id", affiliate.ErrUserTaken,
		},
		"origin": {
			func(d *affiliate.Draft) { d.OriginalID, d.MigratedFrom = "1", w.tag },
			func(d *affiliate.Draft) { d.OriginalID, d.MigratedFrom = "1", w.tag }, "original_id", affiliate.ErrOriginTaken,
		},
	} {
		ana, bia := w.draft("ana"), w.draft("bia")
		c.first(&ana)
		c.second(&bia)
		_, err := w.affiliates.CreateAll(t.Context(), []affiliate.Draft{w.draft("zoe"), ana, bia})
		w.wantProblem(t, err, "drafts[2]."+c.want+": is the same as drafts[1]."+c.want, c.is)
		require.ErrorIs(t, err, fault.Conflict, name)
	}

	// A parent comes before its children.
	ana, bia := w.draft("ana"), w.draft("bia")
	bia.ID = id
	ana.ParentID = id
	_, err := w.affiliates.CreateAll(t.Context(), []affiliate.Draft{ana, bia})
	w.wantProblem(t, err, "drafts[0].parent_id: does not exist", affiliate.ErrParentNotFound)
	ana.ParentID, ana.ReferredBy = uuid.Nil, bia.ReferralCode
	_, err = w.affiliates.CreateAll(t.Context(), []affiliate.Draft{ana, bia})
	w.wantProblem(t, err, "drafts[0].referred_by: is not a referral code", affiliate.ErrCodeNotFound)
	require.Equal(t, [4]int{1, 0, 0, 0}, w.people())
}

// What the look before the write could not see, the constraints refuse.
func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	w := shared(t)
	id, user := uuid.New(), w.user("caio")
	for name, c := range map[string]struct {
		draft func(i int) affiliate.Draft
		is    error
	}{
		"one address": {func(i int) affiliate.Draft {
			d := w.draft("ana")
			d.ReferralCode = w.code(fmt.Sprint("a", i))
			return d
		}, affiliate.ErrEmailTaken},
		"one code": {func(i int) affiliate.Draft {
			d := w.draft(fmt.Sprint("b", i))
			d.ReferralCode = w.code("same")
			return d
		}, affiliate.ErrCodeTaken},
		"one id": {func(i int) affiliate.Draft {
			d := w.draft(fmt.Sprint("c", i))
			d.ID = id
			return d
		}, affiliate.ErrIDTaken},
		"one user": {func(int) affiliate.Draft { return affiliate.Draft{UserID: user.ID} }, affiliate.ErrUserTaken},
	} {
		made := 0
		for _, err := range testenv.AtOnce(8, func(i int) error {
			_, err := w.affiliates.Create(soon(t), c.draft(i))
			return err
		}) {
			if err == nil {
				made++
				continue
			}
			require.ErrorIs(t, err, c.is, name)
			require.ErrorIs(t, err, fault.Conflict, name)
		}
		require.Equal(t, 1, made, name)
	}
	require.Equal(t, [4]int{4, 4, 4, 4}, w.people())
	w.wantSound()
}

// In the host's transaction everything is seen, and with it gone; no call asks
// for a second connection.
func TestHostTransaction(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.affiliate("ana")
	pool, _ := w.narrow()
	ctx := soon(t)
	tx, err := pool.Begin(ctx)
	require.NoError(t, err)
	in := w.within(tx)

	_, err = in.affiliates.Create(ctx, w.draft("ana"))
	require.ErrorIs(t, err, affiliate.ErrEmailTaken, "refused, and the transaction goes on")
	bia := in.under(ana, "bia")
	user := in.user("caio")
	caio := in.create(affiliate.Draft{UserID: user.ID, ReferredBy: bia.ReferralCode})
	require.Equal(t, 2, caio.Level)
	_, err = in.affiliates.ChangeCode(ctx, bia.ID, "")
	require.NoError(t, err)
	_, err = in.affiliates.ChangeCode(ctx, bia.ID, ana.ReferralCode)
	require.ErrorIs(t, err, affiliate.ErrCodeTaken)
	_, err = in.affiliates.Update(ctx, bia.ID, affiliate.Change{Category: affiliate.Premium})
	require.NoError(t, err)
	_, err = in.users.Update(ctx, user.ID, affiliate.UserChange{Email: w.email("ana")})
	require.ErrorIs(t, err, affiliate.ErrEmailTaken)
	owner, err := in.customers.Attribute(ctx, affiliate.Attribution{CustomerID: w.code("carla"), Code: bia.ReferralCode})
	require.NoError(t, err)
	require.Equal(t, bia.ID, *owner.AffiliateID)
	_, err = in.customers.Attribute(ctx, affiliate.Attribution{CustomerID: w.code("dora"), AffiliateID: uuid.New()})
	require.ErrorIs(t, err, affiliate.ErrNotFound)
	require.Equal(t, [4]int{1, 1, 1, 1}, w.people(), "nobody else sees it")

	require.NoError(t, tx.Commit(ctx))
	require.Equal(t, [4]int{3, 3, 4, 1 + 2 + 3}, w.people())
	w.wantSound()

	tx, err = pool.Begin(ctx)
	require.NoError(t, err)
	w.within(tx).under(caio, "davi")
	require.NoError(t, tx.Rollback(ctx))
	_, err = w.affiliates.GetByCode(ctx, w.code("davi"))
	require.ErrorIs(t, err, affiliate.ErrNotFound)
}

// The third time is counted: pgx has prepared the statements by then.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	w := shared(t)
	pool, trips := w.narrow()
	db := pg.In(pool, "")
	affiliates := affiliate.New(db, hierarchy.New(db, hierarchy.Options{}))
	n := 0
	third := func(of func() []affiliate.Draft) (count int) {
		for range 3 {
			drafts := of()
			count = trips.Of(func() {
				_, err := affiliates.CreateAll(t.Context(), drafts)
				require.NoError(t, err)
			})
		}
		return count
	}
	many := func(drafts int, parent uuid.UUID) func() []affiliate.Draft {
		return func() []affiliate.Draft {
			all := make([]affiliate.Draft, drafts)
			for i := range all {
				n++
				all[i] = w.draft(fmt.Sprint("a", n))
				all[i].ParentID = parent
			}
			return all
		}
	}
	chain := many(50, uuid.Nil)()
	for i := range chain {
		chain[i].ID = uuid.New()
		if i > 0 {
			chain[i].ParentID = chain[i-1].ID
		}
	}
	_, err := affiliates.CreateAll(t.Context(), chain)
	require.NoError(t, err)

	require.Equal(t, 7, third(many(1, uuid.Nil)), "five, begin and commit")
	require.Equal(t, 7, third(many(1, chain[0].ID)))
	require.Equal(t, 7, third(many(1, chain[49].ID)), "at level 50")
	require.Equal(t, 7, third(many(20, chain[0].ID)))
}

// Another schema's people are others.
func TestSchema(t *testing.T) {
	t.Parallel()
	w := over(t, testenv.Pool(t))
	other := affiliate.NewUsers(pg.In(w.pool, "elsewhere"))
	_, err := other.Get(t.Context(), uuid.New())
	require.ErrorContains(t, err, `relation "elsewhere.users" does not exist`)
}
