package click_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/internal/pg"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	w := shared(t, click.Policy{})
	coupon := w.coupon(w.ana, "SAVE")
	sub := func(c click.Click, id string) click.Click { c.SubID = id; return c }
	bot := w.by("v1", w.ana, noon)
	bot.UserAgent = "curl/8"
	w.record(
		w.by("v1", w.ana, noon), w.by("v1", w.ana, noon.Add(us)), w.by("v1", w.ana, noon.Add(time.Hour)), w.by("v2", w.ana, noon), bot,
		sub(w.by("v1", w.ana, noon), "june"), sub(w.by("v3", w.ana, noon.Add(-us)), "june"), sub(w.by("v4", w.ana, noon.Add(day)), "june"),
		click.Click{Code: w.ana.ReferralCode, UserAgent: browser, At: noon}, // a visitor without a cookie
		w.by("v1", w.bia, noon),
	)
	for _, touch := range []click.Touch{w.touch("c1", "v2", noon.Add(time.Minute)), w.touch("c2", "v2", noon.Add(2*time.Minute)), w.touch("c3", "v4", noon.Add(day))} {
		w.attribute(touch)
	}
	given := w.touch("c4", "", noon)
	given.Code = coupon
	w.attribute(given)
	_, err := w.customers.Attribute(t.Context(), affiliate.Attribution{CustomerID: "c5-" + w.tag, AffiliateID: w.ana.ID, At: noon})
	require.NoError(t, err)

	figures := func(from, to time.Time) (told []string) {
		t.Helper()
		list, err := w.clicks.Figures(t.Context(), w.ana.ID, from, to)
		require.NoError(t, err)
		for _, f := range list {
			told = append(told, f.Code[:len(f.Code)-len(w.tag)]+" "+string(f.Kind)+" "+f.SubID+": "+
				join(f.Clicks, f.Visitors, f.Bots, f.Duplicates, f.Customers)+" "+f.Rate().StringFixed(click.RatePlaces))
		}
		return told
	}
	require.Equal(t, []string{"ana- link : 4 2 1 1 2 0.5000", "ana- link june: 1 1 0 0 0 0.0000", "SAVE- coupon : 0 0 0 0 1 0.0000"},
		figures(noon, noon.Add(day)))
	require.Equal(t, []string{"ana- link june: 1 1 0 0 0 0.0000"}, figures(noon.Add(-us), noon), "half-open")
	require.Equal(t, []string{"ana- link june: 1 1 0 0 1 1.0000"}, figures(noon.Add(day), noon.Add(day+us)))
	require.Empty(t, figures(noon.Add(-2*day), noon.Add(-day)))

	// The code in another case, and another code: what the old one did stays its.
	_, err = w.affiliates.ChangeCode(t.Context(), w.ana.ID, "ANA-"+w.tag)
	require.NoError(t, err)
	_, err = w.affiliates.ChangeCode(t.Context(), w.ana.ID, "other-"+w.tag)
	require.NoError(t, err)
	require.Equal(t, "ANA- link : 4 2 1 1 2 0.5000", figures(noon, noon.Add(day))[0])

	pool, trips := narrow(t, w.pool)
	clicks := click.New(pg.In(pool, ""), click.Options{})
	ask := func() {
		_, err := clicks.Figures(t.Context(), w.ana.ID, noon, noon.Add(day))
		require.NoError(t, err)
	}
	ask()
	require.Equal(t, 1, trips.Of(ask))
	none, err := clicks.Figures(t.Context(), uuid.New(), noon, noon.Add(day))
	require.NoError(t, err)
	require.Empty(t, none)
	for _, to := range []time.Time{noon, noon.Add(-us), {}} {
		_, err := clicks.Figures(t.Context(), w.ana.ID, noon, to)
		require.Equal(t, "to", fieldsOf(err)[0])
	}
}

func join(numbers ...int64) (text string) {
	for i, n := range numbers {
		if i > 0 {
			text += " "
		}
		text += string(rune('0' + n))
	}
	return text
}

func TestRate(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]click.Figure{
		"0":      {},
		"0.0125": {Clicks: 80, Customers: 1},
		"0.3333": {Clicks: 3, Customers: 1},
		"0.6667": {Clicks: 3, Customers: 2},
		"0.0001": {Clicks: 20_000, Customers: 1}, // 0.00005
		"2":      {Clicks: 1, Customers: 2},
	} {
		require.Equal(t, want, f.Rate().String())
	}
}
