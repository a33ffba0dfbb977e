package board_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/scenario"
)

var month = board.Board{Metric: board.Volume, Period: board.Month}

// Equal scores share the rank, also where a page ends between them.
func TestTies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia", "caio", "davi", "eva", "fabio")
	for name, amount := range map[string]string{"ana": "5", "bia": "7.50", "caio": "7.50", "davi": "7.50", "eva": "90", "fabio": "0.01"} {
		w.sell(name, amount, noon)
	}
	w.ways(t, func(t *testing.T, s *board.Boards) {
		ctx := t.Context()
		whole, err := s.List(ctx, board.Filter{Board: month})
		require.NoError(t, err)
		require.Equal(t, "1 eva 9000, 2 davi 750, 2 caio 750, 2 bia 750, 5 ana 500, 6 fabio 1", told(whole.Items))
		require.Equal(t, 6, whole.Of)
		require.Equal(t, noon, whole.AsOf)
		require.Empty(t, whole.Next)
		for size := 1; size <= 7; size++ {
			var all []board.Entry
			for after := ""; ; {
				p, err := s.List(ctx, board.Filter{Board: month, After: after, Limit: size})
				require.NoError(t, err)
				require.LessOrEqual(t, len(p.Items), size)
				all = append(all, p.Items...)
				if after = p.Next; after == "" {
					break
				}
			}
			require.Equal(t, whole.Items, all, "pages of %d", size)
		}
		var walked []board.Entry
		for e, err := range s.All(ctx, month) {
			require.NoError(t, err)
			walked = append(walked, e)
		}
		require.Equal(t, whole.Items, walked)

		for name, want := range map[string]string{
			"eva": "1 eva 9000, 2 davi 750", "davi": "1 eva 9000, 2 davi 750, 2 caio 750", "caio": "2 davi 750, 2 caio 750, 2 bia 750",
			"bia": "2 caio 750, 2 bia 750, 5 ana 500", "ana": "2 bia 750, 5 ana 500, 6 fabio 1", "fabio": "5 ana 500, 6 fabio 1",
		} {
			p, err := s.Around(ctx, month, w.ids[name], 1)
			require.NoError(t, err)
			require.Equal(t, want, told(p.Items))
			require.Equal(t, 6, p.Of)
			at, err := s.Rank(ctx, month, w.ids[name])
			require.NoError(t, err)
			i := slices.IndexFunc(whole.Items, func(e board.Entry) bool { return e.Name == name })
			require.Equal(t, board.Standing{Rank: whole.Items[i].Rank, Score: whole.Items[i].Score, Of: 6, AsOf: noon, From: at.From}, at)
		}
		p, err := s.Around(ctx, month, w.ids["caio"], 100)
		require.NoError(t, err)
		require.Equal(t, whole.Items, p.Items)
		p, err = s.Around(ctx, month, w.ids["caio"], 0)
		require.NoError(t, err)
		require.Equal(t, "2 caio 750", told(p.Items))
	})
}

func TestEmptyBoardAndOneEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia")
	empty := func(t *testing.T, s *board.Boards, b board.Board) {
		p, err := s.List(t.Context(), board.Filter{Board: b})
		require.NoError(t, err)
		require.Empty(t, p.Items)
		require.Empty(t, p.Next)
		require.Zero(t, p.Of)
		require.Equal(t, noon, p.AsOf)
		at, err := s.Rank(t.Context(), b, w.ids["ana"])
		require.NoError(t, err)
		require.Equal(t, board.Standing{AsOf: noon, From: at.From}, at)
		p, err = s.Around(t.Context(), b, w.ids["ana"], 3)
		require.NoError(t, err)
		require.Empty(t, p.Items)
	}
	w.ways(t, func(t *testing.T, s *board.Boards) {
		for _, m := range []board.Metric{board.Volume, board.Commissions, board.Customers, board.Recruits} {
			for _, p := range []board.Period{board.Day, board.Week, board.Month, board.All} {
				empty(t, s, board.Board{Metric: m, Period: p})
			}
		}
	})
	w.sell("ana", "12.34", noon)
	w.earn("bia", "-5", noon)
	w.ways(t, func(t *testing.T, s *board.Boards) {
		for _, p := range []board.Period{board.Day, board.Week, board.Month, board.All} {
			b := board.Board{Metric: board.Volume, Period: p}
			list, err := s.List(t.Context(), board.Filter{Board: b, Limit: 1})
			require.NoError(t, err)
			require.Equal(t, "1 ana 1234", told(list.Items))
			require.Empty(t, list.Next)
			around, err := s.Around(t.Context(), b, w.ids["ana"], 2)
			require.NoError(t, err)
			require.Equal(t, list.Items, around.Items)
			for _, other := range []uuid.UUID{w.ids["bia"], uuid.New(), uuid.Nil} {
				at, err := s.Rank(t.Context(), b, other)
				require.NoError(t, err)
				require.Equal(t, board.Standing{Of: 1, AsOf: noon, From: at.From}, at)
			}
			empty(t, s, board.Board{Metric: board.Commissions, Period: p}) // what is below zero is not on it
		}
	})
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ways(t, func(t *testing.T, s *board.Boards) {
		for want, call := range map[string]func() error{
			`board: list: metric: "lines" is not volume, commissions, customers or recruits`: func() error {
				_, err := s.List(t.Context(), board.Filter{Board: board.Board{Metric: "lines", Period: board.Day}})
				return err
			},
			"board: rank: metric: \"\" is not volume, commissions, customers or recruits\nperiod: \"year\" is not day, week, month or all\nat: is before the year 2000 or more than 24 hours ahead": func() error {
				_, err := s.Rank(t.Context(), board.Board{Period: "year", At: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}, uuid.New())
				return err
			},
			"board: around: at: is before the year 2000 or more than 24 hours ahead": func() error {
				_, err := s.Around(t.Context(), board.Board{Metric: board.Volume, Period: board.Day, At: noon.Add(25 * time.Hour)}, uuid.New(), 1)
				return err
			},
			"board: around: n: -1 is not between 0 and 100":      func() error { _, err := s.Around(t.Context(), month, uuid.New(), -1); return err },
			"board: around: n: 101 is not between 0 and 100":     func() error { _, err := s.Around(t.Context(), month, uuid.New(), 101); return err },
			"board: list: limit: 1001 is not between 1 and 1000": func() error { _, err := s.List(t.Context(), board.Filter{Board: month, Limit: 1001}); return err },
			"board: list: cursor: is not one that a page gave":   func() error { _, err := s.List(t.Context(), board.Filter{Board: month, After: "x"}); return err },
		} {
			err := call()
			require.EqualError(t, err, want)
			require.ErrorIs(t, err, fault.Invalid)
		}
	})
}

// What Redis could not hold exactly is refused on every way, and what it just
// can is exact.
func TestLargeScores(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia", "caio")
	w.exec("update fature.affiliates set lifetime_volume = 90071992547409.92 where id = $1", w.ids["ana"])
	w.exec("update fature.affiliates set lifetime_volume = 90071992547409.91 where id = $1", w.ids["bia"])
	w.exec("update fature.affiliates set lifetime_volume = 90071992547409.90 where id = $1", w.ids["caio"])
	b := board.Board{Metric: board.Volume, Period: board.All}
	w.ways(t, func(t *testing.T, s *board.Boards) {
		p, err := s.List(t.Context(), board.Filter{Board: b})
		require.NoError(t, err)
		require.Equal(t, "1 ana 9007199254740992, 2 bia 9007199254740991, 3 caio 9007199254740990", told(p.Items))
		require.Equal(t, "90071992547409.91", board.Volume.Amount(p.Items[1].Score).StringFixed(2))
		require.Equal(t, "7", board.Recruits.Amount(7).String())
		p, err = s.List(t.Context(), board.Filter{Board: b, Limit: 1, After: must(s.List(t.Context(), board.Filter{Board: b, Limit: 1})).Next})
		require.NoError(t, err)
		require.Equal(t, "2 bia 9007199254740991", told(p.Items))
	})
	for _, amount := range []string{"90071992547409.93", "999999999999999999.99"} {
		w.exec("update fature.affiliates set lifetime_volume = $2::numeric where id = $1", w.ids["bia"], amount)
		w.ways(t, func(t *testing.T, s *board.Boards) {
			for range 2 {
				_, err := s.Rank(t.Context(), b, w.ids["ana"])
				require.ErrorIs(t, err, board.ErrScoreTooLarge)
				require.ErrorContains(t, err, w.ids["bia"].String())
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A month is the zone's, with its changes of clocks, and a day may begin at 1:00.
func TestZones(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia")
	w.exec(`select fature.ensure_partition('transactions', month) from unnest(array['2018-10-01 00:00+00', '2018-11-01 00:00+00', '2018-12-01 00:00+00']::timestamptz[]) month`)
	in := func(zone string) *board.Boards {
		z, err := time.LoadLocation(zone)
		require.NoError(t, err)
		o := w.options()
		o.Zone = z
		return board.New(pg.In(w.db, ""), o)
	}
	instant := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		return at
	}
	for _, at := range []string{"2018-11-01T02:59:59.999999Z", "2018-11-01T03:00:00Z", "2018-11-04T02:59:59.999999Z", "2018-11-04T03:00:00Z", "2018-11-05T01:59:59.999999Z", "2018-11-05T02:00:00Z", "2018-12-01T01:59:59.999999Z", "2018-12-01T02:00:00Z"} {
		w.sell("ana", "1", instant(at))
	}
	score := func(s *board.Boards, p board.Period, at string) int64 {
		t.Helper()
		where, err := s.Rank(t.Context(), board.Board{Metric: board.Volume, Period: p, At: instant(at)}, w.ids["ana"])
		require.NoError(t, err)
		return where.Score
	}
	s := in("America/Sao_Paulo")
	require.EqualValues(t, 600, score(s, board.Month, "2018-11-15T12:00:00Z"))
	require.EqualValues(t, 200, score(s, board.Day, "2018-11-04T12:00:00Z"), "23 hours from 1:00")
	require.EqualValues(t, 100, score(s, board.Day, "2018-11-03T12:00:00Z"))
	require.EqualValues(t, 100, score(s, board.Day, "2018-11-05T12:00:00Z"))
	require.EqualValues(t, 500, score(s, board.Week, "2018-11-04T12:00:00Z"), "29 October to 4 November, with what October's last instant brought")
	require.EqualValues(t, 800, score(in("UTC"), board.All, "2018-11-04T12:00:00Z"))

	// A day of Kathmandu begins at a quarter past six in the evening.
	w.sell("bia", "1", instant("2025-06-14T18:14:59.999999Z"))
	w.sell("bia", "2", instant("2025-06-14T18:15:00Z"))
	w.sell("bia", "4", instant("2025-06-15T18:14:59.999999Z"))
	w.sell("bia", "8", instant("2025-06-15T18:15:00Z"))
	p, err := in("Asia/Kathmandu").List(t.Context(), board.Filter{Board: board.Board{Metric: board.Volume, Period: board.Day, At: noon}})
	require.NoError(t, err)
	require.Equal(t, "1 bia 600", told(p.Items))
}

// A story of all metrics, through the programme's own pipeline.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	ctx := t.Context()
	w.Affiliate("ana")
	w.Affiliate("bia", scenario.Under("ana"))
	w.Affiliate("caio", scenario.Under("ana"))
	w.Affiliate("davi", scenario.Status(affiliate.Suspended))
	w.Plan(`{"rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
		"overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "5"}]}}]}`)
	at := func(day int) scenario.Detail { return scenario.At(time.Date(2025, 6, day, 9, 0, 0, 0, time.UTC)) }
	sold := w.Sale("bia", "100.00", at(15), scenario.Customer("c1"))
	w.Sale("bia", "50.00", at(9), scenario.Customer("c2"))
	w.Sale("bia", "20.00", at(8), scenario.Customer("c2"))
	w.Sale("caio", "80.00", at(2), scenario.Customer("c3"))
	w.Sale("davi", "1000.00", at(15))
	refund := w.Event("bia", "refund", "30.00", at(15))
	refund.Reverses = sold.Transaction.ID
	w.Record(refund)

	list := func(m board.Metric, p board.Period) string {
		t.Helper()
		tx, err := w.Pool.Begin(ctx)
		require.NoError(t, err)
		defer func() { _ = tx.Rollback(ctx) }()
		got, err := w.Program.WithTx(tx).Boards.List(ctx, board.Filter{Board: board.Board{Metric: m, Period: p}})
		require.NoError(t, err)
		return told(got.Items)
	}
	require.Equal(t, "1 bia 7000", list(board.Volume, board.Day))
	require.Equal(t, "1 bia 12000", list(board.Volume, board.Week), "from Monday the 9th")
	require.Equal(t, "1 bia 14000, 2 caio 8000", list(board.Volume, board.Month), "davi is suspended")
	require.Equal(t, list(board.Volume, board.Month), list(board.Volume, board.All), "of what is not folded yet")
	require.Equal(t, "1 bia 1400, 2 ana 1100, 3 caio 800", list(board.Commissions, board.Month), "the refund's reversals included")
	require.Equal(t, "1 bia 700, 2 ana 350", list(board.Commissions, board.Day))
	_, err := w.Program.Fold(ctx)
	require.NoError(t, err)
	require.Equal(t, "1 bia 14000, 2 caio 8000", list(board.Volume, board.All), "folded")
	require.Equal(t, list(board.Commissions, board.Month), list(board.Commissions, board.All))

	require.Equal(t, "1 bia 2, 2 caio 1", list(board.Customers, board.Month))
	require.Equal(t, "1 bia 1", list(board.Customers, board.Day))
	_, err = w.Program.Customers.Transfer(ctx, "c3", w.ID("bia"), noon)
	require.NoError(t, err)
	_, err = w.Program.Customers.Transfer(ctx, "c3", w.ID("caio"), noon.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, "1 bia 3, 2 caio 1", list(board.Customers, board.Month), "who comes back counts no second time")
	require.Equal(t, "1 bia 2", list(board.Customers, board.Day))
	require.Equal(t, list(board.Customers, board.Month), list(board.Customers, board.All))

	require.Empty(t, list(board.Recruits, board.Month), "they joined at the database's time")
	w.SetNow(time.Now())
	require.Equal(t, "1 ana 2", list(board.Recruits, board.Day))
	require.Equal(t, "1 ana 2", list(board.Recruits, board.All))
	require.NoError(t, w.Program.Hierarchy.Move(ctx, w.ID("caio"), w.ID("bia")))
	require.Equal(t, "1 bia 1, 1 ana 1", list(board.Recruits, board.Day))
	require.Equal(t, list(board.Recruits, board.Day), list(board.Recruits, board.All))
	require.NoError(t, w.Program.Hierarchy.Move(ctx, w.ID("caio"), w.ID("ana")))
	require.Equal(t, "1 ana 2", list(board.Recruits, board.Day))
	w.SetNow(noon)

	// Names follow at once, who is suspended when the board is built anew.
	s := w.Program.Boards
	b := board.Board{Metric: board.Volume, Period: board.Month}
	_, err = s.List(ctx, board.Filter{Board: b})
	require.NoError(t, err)
	bia, err := w.Program.Affiliates.Get(ctx, w.ID("bia"))
	require.NoError(t, err)
	_, err = w.Program.Users.Update(ctx, bia.UserID, affiliate.UserChange{Name: "Beatriz"})
	require.NoError(t, err)
	_, err = w.Program.Affiliates.Update(ctx, w.ID("caio"), affiliate.Change{Status: affiliate.Closed})
	require.NoError(t, err)
	got, err := s.List(ctx, board.Filter{Board: b})
	require.NoError(t, err)
	require.Equal(t, "1 Beatriz 14000, 2 caio 8000", told(got.Items))
	w.SetNow(noon.Add(15 * time.Minute))
	got, err = s.List(ctx, board.Filter{Board: b})
	require.NoError(t, err)
	require.Equal(t, "1 Beatriz 14000", told(got.Items))
	require.Equal(t, noon.Add(15*time.Minute), got.AsOf)
	w.Verify()
}

// Whatever the scores, all ways give what sorting them gives.
func TestAllWaysAgree(t *testing.T) {
	t.Parallel()
	names := strings.Split("abcdefghijklmnopqrst", "")
	w := newWorld(t, names...)
	connections := newFar(t).connect(t)
	rapid.Check(t, func(r *rapid.T) {
		scores := map[string]int64{}
		w.exec("update fature.affiliates set lifetime_commissions = 0")
		var sums []string
		var ids []uuid.UUID
		for _, name := range names {
			score := rapid.OneOf(rapid.Int64Range(-2, 4), rapid.Int64Range(0, board.MaxScore)).Draw(r, name)
			ids, sums = append(ids, w.ids[name]), append(sums, board.Volume.Amount(score).String())
			if score > 0 {
				scores[name] = score
			}
		}
		w.exec(`update fature.affiliates a set lifetime_commissions = d.sum::numeric from unnest($1::uuid[], $2::text[]) as d (id, sum) where a.id = d.id`, ids, sums)
		b := board.Board{Metric: board.Commissions, Period: board.All}
		var order []string
		for name := range scores {
			order = append(order, name)
		}
		slices.SortFunc(order, func(a, b string) int { // the newest first among equals
			if scores[a] != scores[b] {
				return -compare(scores[a], scores[b])
			}
			return strings.Compare(b, a)
		})
		rank := func(name string) int {
			n := 1
			for _, s := range scores {
				if s > scores[name] {
					n++
				}
			}
			return n
		}
		own := w.boards()
		shared, client := w.over(connections)
		require.NoError(r, client.Del(t.Context(), first(shared.Key(b))).Err())
		size := rapid.IntRange(1, 7).Draw(r, "size")
		for _, s := range []*board.Boards{own, shared} {
			var got []string
			for after := ""; ; {
				p, err := s.List(t.Context(), board.Filter{Board: b, After: after, Limit: size})
				require.NoError(r, err)
				require.Equal(r, len(order), p.Of)
				for _, e := range p.Items {
					got = append(got, e.Name)
					require.Equal(r, scores[e.Name], e.Score)
					require.Equal(r, rank(e.Name), e.Rank, e.Name)
				}
				if after = p.Next; after == "" {
					break
				}
			}
			require.Equal(r, order, got)
		}
		who, n := rapid.SampledFrom(names).Draw(r, "who"), rapid.IntRange(0, 5).Draw(r, "n")
		for _, s := range []*board.Boards{own, shared} {
			at, err := s.Rank(t.Context(), b, w.ids[who])
			require.NoError(r, err)
			p, err := s.Around(t.Context(), b, w.ids[who], n)
			require.NoError(r, err)
			i := slices.Index(order, who)
			if i < 0 {
				require.Zero(r, at.Rank)
				require.Empty(r, p.Items)
				continue
			}
			require.Equal(r, rank(who), at.Rank)
			require.Equal(r, scores[who], at.Score)
			var near []string
			for _, e := range p.Items {
				near = append(near, e.Name)
				require.Equal(r, rank(e.Name), e.Rank)
			}
			require.Equal(r, order[max(0, i-n):min(len(order), i+n+1)], near)
		}
	})
}

func compare(a, b int64) int {
	if a < b {
		return -1
	}
	return 1
}
