package click_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/internal/verify"
)

const day = 24 * time.Hour

// A click counts at its own moment and until its window has passed.
func TestWindow(t *testing.T) {
	t.Parallel()
	for _, model := range []click.Model{"", click.LastClick, click.FirstClick} {
		for _, window := range []time.Duration{0, us, time.Hour, 30 * day, 366 * day} {
			w := shared(t, click.Policy{Model: model, Window: window})
			if window == 0 {
				window = click.DefaultWindow
			}
			at := noon.Add(-window)
			w.record(w.by("v", w.ana, at))
			for i, c := range []struct {
				at   time.Time
				want string
			}{
				{at.Add(-us), "nobody by ; owner nobody"},
				{at, "ana by click; owner ana"},
				{at.Add(window - us), "ana by click; owner ana"},
				{at.Add(window), "nobody by ; owner nobody"},
			} {
				require.Equal(t, c.want, w.told(w.attribute(w.touch(fmt.Sprint("c", i), "v", c.at))), "%s %s %d", model, window, i)
			}
		}
	}
}

// Thirty days are 720 hours also where the clocks change meanwhile.
func TestWindowOverAChangeOfClocks(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	pool, _ := narrow(t, w.pool)
	_, err := pool.Exec(t.Context(), "set timezone to 'America/New_York'")
	require.NoError(t, err)
	w.clicks = click.New(pg.In(pool, ""), click.Options{Clock: func() time.Time { return noon }})
	newYork, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	at := time.Date(2025, 2, 20, 12, 0, 0, 0, newYork) // summer time begins on 9 March
	w.record(w.by("v", w.ana, at))
	require.Equal(t, "ana by click; owner ana", w.told(w.attribute(w.touch("c1", "v", at.Add(720*time.Hour-us)))))
	require.Equal(t, "nobody by ; owner nobody", w.told(w.attribute(w.touch("c2", "v", at.Add(720*time.Hour)))))
}

func TestFirstAndLastClick(t *testing.T) {
	t.Parallel()
	for model, want := range map[click.Model]string{click.FirstClick: "ana", click.LastClick: "bia", "": "bia"} {
		w := shared(t, click.Policy{Model: model, Window: 30 * day})
		// In another order than they happened; the last one lies after the touch.
		w.record(w.by("v", w.bia, noon.Add(-1*day)))
		w.record(w.by("v", w.ana, noon.Add(-20*day)), w.by("v", w.bia, noon.Add(-30*day)), w.by("other", w.ana, noon))
		w.record(w.by("v", w.ana, noon.Add(us)))
		bot := w.by("v", w.ana, noon.Add(-10*day))
		bot.UserAgent = "Googlebot/2.1"
		w.record(bot)
		credit := w.attribute(w.touch("carla", "v", noon))
		require.Equal(t, want+" by click; owner "+want, w.told(credit), string(model))
		require.Equal(t, map[string]time.Time{"ana": noon.Add(-20 * day), "bia": noon.Add(-1 * day)}[want], credit.Click.At)
		require.Equal(t, w.ana.ID == credit.AffiliateID, credit.Click.Code == w.ana.ReferralCode)
	}
}

// Of two clicks in one microsecond the one written first is the first.
func TestTies(t *testing.T) {
	t.Parallel()
	for model, want := range map[click.Model]string{click.FirstClick: "ana", click.LastClick: "bia"} {
		w := shared(t, click.Policy{Model: model})
		w.record(w.by("v", w.ana, noon), w.by("v", w.bia, noon))
		require.Equal(t, want+" by click; owner "+want, w.told(w.attribute(w.touch("c1", "v", noon))))
		w.record(w.by("w", w.ana, noon))
		w.record(w.by("w", w.bia, noon))
		require.Equal(t, want+" by click; owner "+want, w.told(w.attribute(w.touch("c2", "w", noon))))
	}
}

// Marked clicks attribute nothing, whichever is asked for.
func TestMarkedClicksAttributeNothing(t *testing.T) {
	t.Parallel()
	for _, model := range []click.Model{click.FirstClick, click.LastClick} {
		w := shared(t, click.Policy{Model: model, Window: time.Minute})
		head := w.by("v", w.ana, noon)
		head.Prefetch = true
		require.Equal(t, "bot", w.record(head))
		require.Equal(t, "nobody by ; owner nobody", w.told(w.attribute(w.touch("c", "v", noon))))
		// The repetition does not make the window longer.
		require.Equal(t, "ok duplicate", w.record(w.by("w", w.ana, noon), w.by("w", w.ana, noon.Add(29*time.Second))))
		require.Equal(t, "ana by click; owner ana", w.told(w.attribute(w.touch("d", "w", noon.Add(time.Minute-us)))))
		require.Equal(t, "nobody by ; owner nobody", w.told(w.attribute(w.touch("e", "w", noon.Add(time.Minute)))))
	}
}

// Whose an occasion is, by what there is: carla is ana's for life, or nobody's;
// she comes with bia's coupon or code, or by ana's or bia's click.
func TestCouponClickLifetime(t *testing.T) {
	t.Parallel()
	type want struct{ yields, holds, moves string }
	for name, c := range map[string]struct {
		owned               bool
		coupon, code, click bool // bia's; and then ana's click where both
		want                want
	}{
		"nothing":                     {want: want{yields: "nobody by ; owner nobody"}},
		"an owner":                    {owned: true, want: want{yields: "ana by lifetime; owner ana"}},
		"a click":                     {click: true, want: want{yields: "bia by click; owner bia"}},
		"a code":                      {code: true, want: want{yields: "bia by code; owner bia"}},
		"a coupon":                    {coupon: true, want: want{yields: "bia by coupon; owner bia"}},
		"a coupon and a click of ana": {coupon: true, click: true, want: want{yields: "bia by coupon, not ana by click; owner bia"}},
		"a code and a click of ana":   {code: true, click: true, want: want{yields: "ana by click, not bia by code; owner ana"}},
		"a code and an owner":         {owned: true, code: true, want: want{yields: "ana by lifetime, not bia by code; owner ana"}},
		"a click and an owner": {owned: true, click: true, want: want{
			"bia by click, not ana by lifetime; owner ana", "ana by lifetime, not bia by click; owner ana", "bia by click, not ana by lifetime; owner bia"}},
		"a coupon and an owner": {owned: true, coupon: true, want: want{
			"bia by coupon, not ana by lifetime; owner ana", "bia by coupon, not ana by lifetime; owner ana", "bia by coupon, not ana by lifetime; owner bia"}},
		"everything": {owned: true, coupon: true, click: true, want: want{
			"bia by coupon, not ana by click, not ana by lifetime; owner ana", "bia by coupon, not ana by lifetime, not ana by click; owner ana",
			"bia by coupon, not ana by click, not ana by lifetime; owner bia"}},
	} {
		if c.want.holds == "" {
			c.want.holds, c.want.moves = c.want.yields, c.want.yields
		}
		for lifetime, want := range map[click.Lifetime]string{"": c.want.yields, click.Yields: c.want.yields, click.Holds: c.want.holds, click.Moves: c.want.moves} {
			w := shared(t, click.Policy{Lifetime: lifetime})
			touch := w.touch("carla", "v", noon)
			if c.owned {
				_, err := w.customers.Attribute(t.Context(), affiliate.Attribution{CustomerID: touch.CustomerID, AffiliateID: w.ana.ID, At: noon.Add(-90 * day)})
				require.NoError(t, err)
			}
			if c.coupon {
				touch.Code = strings.ToUpper(w.coupon(w.bia, "save"))
			}
			if c.code {
				touch.Code = w.bia.ReferralCode
			}
			if c.click {
				on := w.bia
				if touch.Code != "" {
					on = w.ana
				}
				w.record(w.by("v", on, noon.Add(-day)))
			}
			require.Equal(t, want, w.told(w.attribute(touch)), "%s, %s", name, lifetime)
			if c.owned && lifetime == click.Moves && strings.HasSuffix(want, "owner bia") {
				require.Equal(t, []string{"ana", "bia"}, w.owners("carla"), "from then on")
			}
			again := w.attribute(touch)
			require.Equal(t, want[strings.Index(want, "owner"):], "owner "+w.name(deref(again.Owner.AffiliateID)), "%s: a repetition changes nothing", name)
		}
	}
}

func deref(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}

// A retired code and a retired coupon lead where they led.
func TestRetiredCodes(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	old := w.ana
	_, err := w.affiliates.ChangeCode(t.Context(), w.ana.ID, "new-"+w.tag)
	require.NoError(t, err)
	require.Equal(t, "ok", w.record(w.by("v", old, noon)))
	require.Equal(t, "ana by click; owner ana", w.told(w.attribute(w.touch("c1", "v", noon))))
	touch := w.touch("c2", "", noon)
	touch.Code = w.coupon(w.bia, "gone")
	retired, err := w.affiliates.RetireCoupon(t.Context(), w.bia.ID, touch.Code)
	require.NoError(t, err)
	require.NotNil(t, retired.RetiredAt)
	require.Equal(t, "bia by coupon; owner bia", w.told(w.attribute(touch)))
}

// The owner keeps what brought the customer, as the figures count it.
func TestOwnerSaysWhatBroughtIt(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	c := w.by("v", w.ana, noon)
	c.SubID = "june"
	w.record(c)
	credit := w.attribute(w.touch("carla", "v", noon.Add(999)))
	require.Equal(t, w.ana.ReferralCode, *credit.Owner.Code)
	require.Equal(t, "june", *credit.Owner.SubID)
	require.True(t, credit.Owner.From.Equal(noon))
	require.Equal(t, click.Hit{AffiliateID: w.ana.ID, Code: w.ana.ReferralCode, SubID: "june", At: noon}, credit.Click)
}

func TestBadTouches(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	for field, change := range map[string][]func(*click.Touch){
		"customer_id": {
			func(c *click.Touch) { c.CustomerID = "" }, func(c *click.Touch) { c.CustomerID = "a\x00" },
			func(c *click.Touch) { c.CustomerID = strings.Repeat("c", 256) }, func(c *click.Touch) { c.CustomerID = "\xff" },
		},
		"code": {
			func(c *click.Touch) { c.Code = "nobody-" + w.tag }, func(c *click.Touch) { c.Code = "a b" },
			func(c *click.Touch) { c.Code = strings.Repeat("c", 1<<20) }, func(c *click.Touch) { c.Code = "abc\x00" },
		},
		"visitor": {func(c *click.Touch) { c.Visitor = "short" }, func(c *click.Touch) { c.Visitor = strings.Repeat("\x00", 30) }},
		"at":      {func(c *click.Touch) { c.At = noon.Add(day + us) }, func(c *click.Touch) { c.At = time.Unix(0, 0) }},
	} {
		for i, apply := range change {
			bad := w.touch("carla", "v", noon)
			apply(&bad)
			_, err := w.clicks.Attribute(t.Context(), bad)
			require.ErrorIs(t, err, fault.Invalid, "%s %d", field, i)
			require.Equal(t, []string{field}, fieldsOf(err), "%s %d", field, i)
			_, err = w.clicks.AttributeAll(t.Context(), []click.Touch{w.touch("dora", "v", noon), bad})
			require.Equal(t, []string{"touches[1]." + field}, fieldsOf(err), "%s %d", field, i)
		}
	}
	_, err := w.clicks.Attribute(t.Context(), click.Touch{CustomerID: "x", Code: "nobody-" + w.tag})
	require.ErrorIs(t, err, affiliate.ErrCodeNotFound)
	_, err = w.clicks.AttributeAll(t.Context(), make([]click.Touch, click.MaxBatch+1))
	require.Equal(t, "touches", fieldsOf(err)[0])
	none, err := w.clicks.AttributeAll(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
	require.Empty(t, w.owners("dora"))
}

// Many touches in one call are the same as one after another, and cost the same
// round trips as one.
func TestAttributeAll(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{Lifetime: click.Moves})
	w.record(w.by("a", w.ana, noon.Add(-day)), w.by("b", w.bia, noon.Add(-day)))
	touches := []click.Touch{
		w.touch("carla", "a", noon.Add(-time.Hour)), w.touch("dora", "b", noon.Add(-time.Hour)),
		w.touch("carla", "b", noon), w.touch("dora", "", noon), w.touch("edu", "", noon), w.touch("carla", "a", noon.Add(-2*time.Hour)),
	}
	credits, err := w.clicks.AttributeAll(t.Context(), touches)
	require.NoError(t, err)
	var told []string
	for _, c := range credits {
		told = append(told, w.told(c))
	}
	require.Equal(t, []string{
		"ana by click; owner ana", "bia by click; owner bia",
		"bia by click, not ana by lifetime; owner bia", "bia by lifetime; owner bia", "nobody by ; owner nobody", "ana by click; owner ana",
	}, told)
	require.Equal(t, []string{"ana", "ana", "bia"}, w.owners("carla"))
	require.NotNil(t, credits[3].Owner.Code, "as it is stored")

	pool, trips := narrow(t, w.pool)
	clicks := click.New(pg.In(pool, ""), click.Options{Clock: func() time.Time { return noon }})
	of := func(n int, prefix string) int {
		var list []click.Touch
		for i := range n {
			list = append(list, w.touch(fmt.Sprint(prefix, i), "a", noon))
		}
		return trips.Of(func() {
			_, err := clicks.AttributeAll(t.Context(), list)
			require.NoError(t, err)
		})
	}
	of(1, "x")
	of(1, "y")
	require.Equal(t, 4, of(1, "one"), "begin, look, bind, commit")
	require.Equal(t, 4, of(500, "many"))
	require.Equal(t, 3, of(500, "many"), "nothing to bind")
}

// However many processes attribute one customer at once, to different
// affiliates: it has one owner, and every one of them says who.
func TestAttributeAtOnce(t *testing.T) {
	t.Parallel()
	for _, lifetime := range []click.Lifetime{click.Yields, click.Holds, click.Moves} {
		w := over(t, testenv.Clone(t), "", click.Options{Policy: click.Policy{Lifetime: lifetime}})
		w.record(w.by("a", w.ana, noon), w.by("b", w.bia, noon))
		const processes, customers = 8, 20
		credits := make([][]click.Credit, processes)
		for _, err := range testenv.AtOnce(processes, func(i int) (err error) {
			var list []click.Touch
			for c := range customers {
				list = append(list, w.touch(fmt.Sprint("c", c), []string{"a", "b"}[i%2], noon))
			}
			if i%4 > 1 {
				slices.Reverse(list)
			}
			credits[i], err = w.clicks.AttributeAll(context.Background(), list)
			return err
		}) {
			require.NoError(t, err)
		}
		for c := range customers {
			owners := w.owners(fmt.Sprint("c", c))
			require.Len(t, owners, 1)
			for i := range credits {
				at := c
				if i%4 > 1 {
					at = customers - 1 - c
				}
				credit := credits[i][at]
				require.Equal(t, owners[0], w.name(*credit.Owner.AffiliateID))
				won := []string{"ana", "bia"}[i%2]
				if lifetime == click.Holds && owners[0] != won {
					require.Equal(t, click.Claim{By: click.ByLifetime, AffiliateID: *credit.Owner.AffiliateID}, credit.Claim)
				} else if lifetime != click.Holds {
					require.Equal(t, won, w.name(credit.AffiliateID))
				}
			}
		}
		found, err := verify.Run(t.Context(), w.pool, affiliate.Checks())
		require.NoError(t, err)
		require.Empty(t, found)
	}
}

// The host's clock goes back: what was attributed stays, and the click of the
// future does not count yet.
func TestClockMoved(t *testing.T) {
	t.Parallel()
	now := noon
	w := over(t, testenv.Pool(t), "", click.Options{Clock: func() time.Time { return now }})
	w.record(w.by("v", w.ana, time.Time{}))
	require.Equal(t, "ana by click; owner ana", w.told(w.attribute(w.touch("c1", "v", time.Time{}))))
	now = noon.Add(-time.Hour)
	require.Equal(t, "nobody by ; owner nobody", w.told(w.attribute(w.touch("c2", "v", time.Time{}))))
	require.Equal(t, "ok", w.record(w.by("v", w.bia, time.Time{})))
	require.Equal(t, "bia by click; owner bia", w.told(w.attribute(w.touch("c2", "v", time.Time{}))))
	require.Equal(t, "ana by click, not ana by lifetime; owner ana", w.told(w.attribute(w.touch("c1", "v", noon))))
	require.Equal(t, "bia by click; owner bia", w.told(w.attribute(w.touch("c1", "v", time.Time{}))), "before ana had her")
}

// Credit by itself: every set of candidates, in both orders.
func TestCredit(t *testing.T) {
	t.Parallel()
	ids := [5]uuid.UUID{}
	for i := range ids {
		ids[i] = uuid.New()
	}
	for set := range 32 {
		var c click.Candidates
		fields := []*uuid.UUID{&c.Given, &c.Coupon, &c.Click, &c.Owner, &c.Code}
		for i, f := range fields {
			if set&(1<<i) != 0 {
				*f = ids[i]
			}
		}
		for lifetime, order := range map[click.Lifetime][]click.By{
			click.Yields: {click.ByGiven, click.ByCoupon, click.ByClick, click.ByLifetime, click.ByCode},
			click.Moves:  {click.ByGiven, click.ByCoupon, click.ByClick, click.ByLifetime, click.ByCode},
			click.Holds:  {click.ByGiven, click.ByCoupon, click.ByLifetime, click.ByClick, click.ByCode},
		} {
			of := map[click.By]uuid.UUID{click.ByGiven: c.Given, click.ByCoupon: c.Coupon, click.ByClick: c.Click, click.ByLifetime: c.Owner, click.ByCode: c.Code}
			var want []click.Claim
			for _, by := range order {
				if of[by] != uuid.Nil {
					want = append(want, click.Claim{By: by, AffiliateID: of[by]})
				}
			}
			won, lost := click.Policy{Lifetime: lifetime}.Credit(c)
			if len(want) == 0 {
				require.Zero(t, won)
				require.Empty(t, lost)
				continue
			}
			require.Equal(t, want, append([]click.Claim{won}, lost...))
		}
	}
}
