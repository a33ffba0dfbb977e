package affiliate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
)

// Two spellings of one address are one user.
func TestSameAddress(t *testing.T) {
	t.Parallel()
	w := shared(t)
	domain := "@" + w.tag + ".example"
	for name, same := range map[string][]string{
		"case":                      {"Ana" + domain, "ANA" + strings.ToUpper(domain), "  ana" + domain + "\t"},
		"é composed and decomposed": {"jos\u00e9" + domain, "jose\u0301" + domain, "JOSE\u0301" + domain},
		"dotted I":                  {"\u0130vo" + domain, "I\u0307vo" + domain, "ivo" + domain},
		"Greek":                     {"\u03a3\u03a9" + domain, "\u03c3\u03c9" + domain},
		"domain in punycode":        {"bia@b\u00fccher-" + w.tag + ".example", "bia@B\u00dcCHER-" + w.tag + ".EXAMPLE", "bia@" + punycode(t, w, "bücher-"+w.tag+".example")},
	} {
		made, err := w.users.Create(t.Context(), affiliate.UserDraft{Email: same[0], Name: name})
		require.NoError(t, err, name)
		require.Equal(t, strings.TrimSpace(same[0]), made.Email)
		for _, email := range same {
			_, err = w.users.Create(t.Context(), affiliate.UserDraft{Email: email, Name: "another"})
			require.ErrorIs(t, err, affiliate.ErrEmailTaken, "%s: %q", name, email)
			require.ErrorIs(t, err, fault.Conflict)
			found, err := w.users.GetByEmail(t.Context(), email)
			require.NoError(t, err, "%s: %q", name, email)
			require.Equal(t, made, found)
		}
	}
}

// punycode asks the database what a domain was stored as.
func punycode(t *testing.T, w *world, domain string) (ascii string) {
	t.Helper()
	_, err := w.users.Create(t.Context(), affiliate.UserDraft{Email: "x@" + domain, Name: "x"})
	require.NoError(t, err)
	require.NoError(t, w.pool.QueryRow(t.Context(),
		"select split_part(email_canon, '@', 2) from fature.users where email = $1", "x@"+domain).Scan(&ascii))
	require.True(t, strings.HasPrefix(ascii, "xn--"), ascii)
	return ascii
}

func TestOtherAddresses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	for _, email := range []string{"jose", "josé", "jose+shop", "j.ose", "joses", "jose_"} {
		w.user(email)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ctx := t.Context()
	id := uuid.New()
	ana, err := w.users.Create(ctx, affiliate.UserDraft{
		ID: id, Email: w.email("ana"), Name: "Ana", Status: affiliate.Pending, Role: affiliate.RoleManager,
		OriginalID: "1", MigratedFrom: w.tag,
	})
	require.NoError(t, err)
	require.Equal(t, id, ana.ID)

	_, err = w.users.Create(ctx, affiliate.UserDraft{ID: id, Email: w.email("bia"), Name: "Bia"})
	require.ErrorIs(t, err, affiliate.ErrIDTaken)
	_, err = w.users.Create(ctx, affiliate.UserDraft{Email: w.email("bia"), Name: "Bia", OriginalID: "1", MigratedFrom: w.tag})
	require.ErrorIs(t, err, affiliate.ErrOriginTaken)
	_, err = w.users.Create(ctx, affiliate.UserDraft{Email: "x", Status: "gone", Role: "root", OriginalID: "1"})
	require.Equal(t, []string{
		`email: "x" is not an e-mail address such as ana@example.com`, "name: is empty",
		`status: "gone" is not a status`, `role: "root" is not a role`,
		"original_id: goes with migrated_from: both or neither",
	}, w.problems(err))

	changed, err := w.users.Update(ctx, id, affiliate.UserChange{Status: affiliate.Active})
	require.NoError(t, err)
	require.Equal(t, ana.Email, changed.Email, "a zero field stays as it is")
	require.Equal(t, affiliate.RoleManager, changed.Role)
	require.Equal(t, affiliate.Active, changed.Status)
	changed, err = w.users.Update(ctx, id, affiliate.UserChange{Email: " " + w.email("Anna"), Name: "Anna ", Role: affiliate.RoleAdmin})
	require.NoError(t, err)
	require.Equal(t, "Anna", changed.Name)
	found, err := w.users.GetByEmail(ctx, w.email("anna"))
	require.NoError(t, err)
	require.Equal(t, changed, found)
	_, err = w.users.GetByEmail(ctx, w.email("ana"))
	require.ErrorIs(t, err, affiliate.ErrUserNotFound, "the old address is free")
	bia := w.user("ana")

	_, err = w.users.Update(ctx, bia.ID, affiliate.UserChange{Email: w.email("ANNA")})
	require.ErrorIs(t, err, affiliate.ErrEmailTaken)
	_, err = w.users.Update(ctx, bia.ID, affiliate.UserChange{Email: "x", Name: "a\x00", Status: "gone", Role: "root"})
	require.Equal(t, []string{
		`email: "x" is not an e-mail address such as ana@example.com`, "name: is not valid UTF-8 or holds a NUL",
		`status: "gone" is not a status`, `role: "root" is not a role`,
	}, w.problems(err))
	_, err = w.users.Update(ctx, uuid.New(), affiliate.UserChange{Name: "x"})
	require.ErrorIs(t, err, affiliate.ErrUserNotFound)
	_, err = w.users.Get(ctx, uuid.New())
	require.ErrorIs(t, err, affiliate.ErrUserNotFound)
	require.ErrorIs(t, err, fault.NotFound)
	_, err = w.users.GetByEmail(ctx, "a\x00@c.example")
	w.wantProblem(t, err, "email: is not valid UTF-8 or holds a NUL", nil)
}

// Every user is on one page, the newest first, whatever comes meanwhile.
func TestListUsers(t *testing.T) {
	t.Parallel()
	w := own(t)
	ctx := t.Context()
	roles := []affiliate.Role{affiliate.RoleAffiliate, affiliate.RoleManager, affiliate.RoleAdmin}
	var made []affiliate.User
	for i := range 5 {
		d := affiliate.UserDraft{Email: w.email(fmt.Sprint("u", i)), Name: "u", Role: roles[i%3]}
		if i == 4 {
			d.Status = affiliate.Closed
		}
		u, err := w.users.Create(ctx, d)
		require.NoError(t, err)
		made = append([]affiliate.User{u}, made...)
	}

	var pages [][]affiliate.User
	f := affiliate.UserFilter{Limit: 2}
	for {
		p, err := w.users.List(ctx, f)
		require.NoError(t, err)
		pages = append(pages, p.Items)
		if f.After = p.Next; f.After == "" {
			break
		}
		w.user(fmt.Sprint("late", len(pages)))
	}
	require.Equal(t, [][]affiliate.User{made[:2], made[2:4], made[4:]}, pages)

	for name, c := range map[string]struct {
		filter affiliate.UserFilter
		want   []affiliate.User
	}{
		"role":            {affiliate.UserFilter{Role: affiliate.RoleManager}, []affiliate.User{made[0], made[3]}},
		"status":          {affiliate.UserFilter{Status: affiliate.Closed}, made[:1]},
		"role and status": {affiliate.UserFilter{Status: affiliate.Active, Role: affiliate.RoleManager}, made[3:4]},
		"nobody":          {affiliate.UserFilter{Status: affiliate.Suspended}, []affiliate.User{}},
	} {
		p, err := w.users.List(ctx, c.filter)
		require.NoError(t, err)
		require.Equal(t, c.want, p.Items, name)
		require.Empty(t, p.Next)
	}
	for want, f := range map[string]affiliate.UserFilter{
		"cursor: is not one that a page gave":   {After: "x"},
		"limit: -1 is not between 1 and 1000":   {Limit: -1},
		"limit: 1001 is not between 1 and 1000": {Limit: 1001},
		`status: "gone" is not a status`:        {Status: "gone"},
		`role: "a\x00" is not a role`:           {Role: "a\x00"},
	} {
		_, err := w.users.List(ctx, f)
		w.wantProblem(t, err, want, nil)
	}
}
