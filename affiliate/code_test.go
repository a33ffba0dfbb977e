package affiliate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/testenv"
)

// Generated codes have 8 letters and digits, none of which looks like another,
// and all of which come up.
func TestGeneratedCodes(t *testing.T) {
	t.Parallel()
	w := shared(t)
	drafts := make([]affiliate.Draft, 500)
	for i := range drafts {
		drafts[i] = w.draft(fmt.Sprint("a", i))
		drafts[i].ReferralCode = ""
	}
	made, err := w.affiliates.CreateAll(t.Context(), drafts)
	require.NoError(t, err)
	codes, letters := map[string]bool{}, map[rune]bool{}
	for _, a := range made {
		require.Len(t, a.ReferralCode, 8)
		codes[a.ReferralCode] = true
		for _, letter := range a.ReferralCode {
			letters[letter] = true
		}
	}
	require.Len(t, codes, len(drafts), "each its own")
	for letter := range letters {
		require.Contains(t, "23456789ABCDEFGHJKMNPQRSTUVWXYZ", string(letter))
	}
	require.Len(t, letters, 31)
}

// ana changes her code, hands the old ones out for ever, and comes back to the
// first one in other letters.
func TestChangeCode(t *testing.T) {
	t.Parallel()
	w := own(t)
	ctx := t.Context()
	first := w.affiliate("ana")
	wantCodes := func(current string, retired ...string) {
		t.Helper()
		var in, out []string
		codes, err := w.affiliates.Codes(ctx, first.ID)
		require.NoError(t, err)
		for _, c := range codes {
			require.Equal(t, first.ID, c.AffiliateID)
			if c.RetiredAt == nil {
				in = append(in, c.Code)
			} else {
				out = append(out, c.Code)
			}
		}
		require.Equal(t, []string{current}, in)
		require.ElementsMatch(t, retired, out)
		for _, code := range append(retired, current) {
			for _, typed := range []string{code, strings.ToUpper(code), strings.ToLower(code)} {
				found, err := w.affiliates.GetByCode(ctx, typed)
				require.NoError(t, err, typed)
				require.Equal(t, current, found.ReferralCode)
			}
		}
		w.wantSound()
	}
	wantCodes(first.ReferralCode)

	ana, err := w.affiliates.ChangeCode(ctx, first.ID, "SUMMER")
	require.NoError(t, err)
	require.Equal(t, "SUMMER", ana.ReferralCode)
	wantCodes("SUMMER", first.ReferralCode)

	again, err := w.affiliates.ChangeCode(ctx, first.ID, "SUMMER")
	require.NoError(t, err, "the code that it has")
	require.Equal(t, "SUMMER", again.ReferralCode)
	wantCodes("SUMMER", first.ReferralCode)

	ana, err = w.affiliates.ChangeCode(ctx, first.ID, "")
	require.NoError(t, err)
	require.Len(t, ana.ReferralCode, 8, "generated")
	wantCodes(ana.ReferralCode, "SUMMER", first.ReferralCode)

	_, err = w.affiliates.ChangeCode(ctx, first.ID, "Summer")
	require.NoError(t, err, "back to a retired one")
	wantCodes("Summer", ana.ReferralCode, first.ReferralCode)

	bia := w.affiliate("bia")
	for _, taken := range []string{"summer", first.ReferralCode} {
		_, err = w.affiliates.ChangeCode(ctx, bia.ID, taken)
		require.ErrorIs(t, err, affiliate.ErrCodeTaken, "what is ana's stays hers, retired or not")
		require.ErrorIs(t, err, fault.Conflict)
	}
	kept, err := w.affiliates.Get(ctx, bia.ID)
	require.NoError(t, err)
	require.Equal(t, bia, kept)
	wantCodes("Summer", ana.ReferralCode, first.ReferralCode)
}

func TestChangeCodeRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana := w.affiliate("ana")
	for code, want := range map[string]string{
		"ab":                    "code: has not between 3 and 20 characters",
		strings.Repeat("a", 21): "code: has not between 3 and 20 characters",
		"a b c":                 `code: "a b c" has characters other than letters, digits, - and _`,
		"abc\x00":               `code: "abc\x00" has characters other than letters, digits, - and _`,
	} {
		_, err := w.affiliates.ChangeCode(t.Context(), ana.ID, code)
		w.wantProblem(t, err, want, nil)
	}
	_, err := w.affiliates.ChangeCode(t.Context(), uuid.New(), w.code("nobody"))
	require.ErrorIs(t, err, affiliate.ErrNotFound)
}

// Eight affiliates want one code at the same time.
func TestChangeCodeAtOnce(t *testing.T) {
	t.Parallel()
	w := own(t)
	var all []affiliate.Affiliate
	for i := range 8 {
		all = append(all, w.affiliate(fmt.Sprint("a", i)))
	}
	for round := range 5 {
		got := 0
		for _, err := range testenv.AtOnce(len(all), func(i int) error {
			_, err := w.affiliates.ChangeCode(soon(t), all[i].ID, fmt.Sprint("same", round))
			return err
		}) {
			if err == nil {
				got++
				continue
			}
			require.ErrorIs(t, err, affiliate.ErrCodeTaken)
		}
		require.Equal(t, 1, got)
	}
	w.wantSound()
}

// What can be no code leads to nobody, and does no harm to the host's
// transaction.
func TestNoSuchCode(t *testing.T) {
	t.Parallel()
	w := shared(t)
	tx, err := w.pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context())
	for _, code := range []string{"", "nobody", "a b", "abc\x00", "jos\xe9", strings.Repeat("a", 1<<20)} {
		_, err := w.within(tx).affiliates.GetByCode(t.Context(), code)
		require.ErrorIs(t, err, affiliate.ErrNotFound)
	}
	_, err = tx.Exec(t.Context(), "select")
	require.NoError(t, err)
}

// Coupons are codes of another kind: any number of them, unlike every code in
// any case, and nobody takes another's.
func TestCoupons(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ctx := t.Context()
	ana, bia := w.affiliate("ana"), w.affiliate("bia")
	first, err := w.affiliates.AddCoupon(ctx, ana.ID, w.code("Save"))
	require.NoError(t, err)
	require.Equal(t, affiliate.Coupon, first.Kind)
	require.Equal(t, ana.ID, first.AffiliateID)
	require.Nil(t, first.RetiredAt)
	made, err := w.affiliates.AddCoupon(ctx, ana.ID, "")
	require.NoError(t, err)
	require.Len(t, made.Code, 8)

	found, err := w.affiliates.GetByCode(ctx, strings.ToUpper(first.Code))
	require.NoError(t, err)
	require.Equal(t, ana.ID, found.ID)
	require.Equal(t, ana.ReferralCode, found.ReferralCode, "the link's code stays")

	for _, taken := range []string{strings.ToLower(first.Code), ana.ReferralCode} {
		_, err = w.affiliates.AddCoupon(ctx, bia.ID, taken)
		require.ErrorIs(t, err, affiliate.ErrCodeTaken)
		_, err = w.affiliates.ChangeCode(ctx, bia.ID, taken)
		require.ErrorIs(t, err, affiliate.ErrCodeTaken)
	}
	_, err = w.affiliates.AddCoupon(ctx, ana.ID, ana.ReferralCode)
	require.ErrorIs(t, err, affiliate.ErrCodeTaken, "her own link's code is no coupon")
	_, err = w.affiliates.ChangeCode(ctx, ana.ID, first.Code)
	require.ErrorIs(t, err, affiliate.ErrCodeTaken, "nor the other way round")
	d := w.draft("caio")
	d.ReferralCode = first.Code
	_, err = w.affiliates.Create(ctx, d)
	require.ErrorIs(t, err, affiliate.ErrCodeTaken)
	d.ReferralCode, d.ReferredBy = "", first.Code
	caio, err := w.affiliates.Create(ctx, d)
	require.NoError(t, err)
	require.Equal(t, ana.ID, *caio.ParentID, "it leads to her like a code")

	// A new code of hers retires no coupon.
	_, err = w.affiliates.ChangeCode(ctx, ana.ID, w.code("ana2"))
	require.NoError(t, err)
	retired, err := w.affiliates.RetireCoupon(ctx, ana.ID, strings.ToUpper(first.Code))
	require.NoError(t, err)
	require.NotNil(t, retired.RetiredAt)
	again, err := w.affiliates.RetireCoupon(ctx, ana.ID, first.Code)
	require.NoError(t, err)
	require.Equal(t, retired, again)
	codes, err := w.affiliates.Codes(ctx, ana.ID)
	require.NoError(t, err)
	var told []string
	for _, c := range codes {
		told = append(told, fmt.Sprintf("%s %s %t", strings.TrimSuffix(c.Code, w.tag), c.Kind, c.RetiredAt == nil))
	}
	require.Equal(t, []string{"ana2- link true", made.Code + " coupon true", "Save- coupon false", "ana- link false"}, told)
	found, err = w.affiliates.GetByCode(ctx, first.Code)
	require.NoError(t, err)
	require.Equal(t, ana.ID, found.ID, "a retired one still finds its owner")
	back, err := w.affiliates.AddCoupon(ctx, ana.ID, strings.ToUpper(first.Code))
	require.NoError(t, err)
	require.Nil(t, back.RetiredAt)
	require.Equal(t, strings.ToUpper(first.Code), back.Code)

	for _, of := range []struct {
		id   uuid.UUID
		code string
	}{{bia.ID, first.Code}, {ana.ID, ana.ReferralCode}, {ana.ID, w.code("none")}, {ana.ID, "a b"}, {uuid.New(), first.Code}} {
		_, err = w.affiliates.RetireCoupon(ctx, of.id, of.code)
		require.ErrorIs(t, err, affiliate.ErrCouponNotFound)
	}
	_, err = w.affiliates.AddCoupon(ctx, uuid.New(), w.code("x"))
	require.ErrorIs(t, err, affiliate.ErrNotFound)
	for _, bad := range []string{"ab", "a b c", "abc\x00", strings.Repeat("c", 21), "\xff\xff\xff"} {
		_, err = w.affiliates.AddCoupon(ctx, ana.ID, bad)
		require.ErrorIs(t, err, fault.Invalid)
	}
	w.wantSound()
}

// Two affiliates want one coupon at once: one has it.
func TestCouponAtOnce(t *testing.T) {
	t.Parallel()
	w := shared(t)
	ana, bia := w.affiliate("ana"), w.affiliate("bia")
	got := 0
	for _, err := range testenv.AtOnce(8, func(i int) error {
		_, err := w.affiliates.AddCoupon(t.Context(), []uuid.UUID{ana.ID, bia.ID}[i%2], w.code("one"))
		return err
	}) {
		if err == nil {
			got++
		} else {
			require.ErrorIs(t, err, affiliate.ErrCodeTaken)
		}
	}
	require.Equal(t, 4, got, "hers, however often she asks")
}
