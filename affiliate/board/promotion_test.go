package board_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/internal/fault"
)

// promoted is what a promotion changed, as "ana standard→vip 12".
func (w *world) promoted(p board.Policy) string {
	w.t.Helper()
	changed, err := board.NewPromotions(w.affiliates(), p, w.options()).Promote(w.t.Context())
	require.NoError(w.t, err)
	var all []string
	for _, c := range changed {
		all = append(all, fmt.Sprintf("%s %s→%s %s", w.names[c.AffiliateID], c.From, c.To, c.Volume))
	}
	return strings.Join(all, ", ")
}

func (w *world) lifetime(name, volume string) {
	w.exec("update fature.affiliates set lifetime_volume = $2::numeric where id = $1", w.ids[name], volume)
}

// history is an affiliate's categories and who gave them.
func (w *world) history(name string) string {
	w.t.Helper()
	rows, err := w.pool.Query(w.t.Context(), `select category::text || coalesce(' by ' || "by", '') from fature.affiliate_history where affiliate_id = $1 order by seq`, w.ids[name])
	require.NoError(w.t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(w.t, err)
	return strings.Join(list, ", ")
}

func TestPromotion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia", "caio", "davi", "eva")
	policy := board.Policy{Premium: amount("100"), VIP: amount("1000")}
	require.Empty(t, w.promoted(board.Policy{}), "nobody by default")
	w.lifetime("ana", "99.99")
	w.lifetime("bia", "100")
	w.lifetime("caio", "5000")
	w.lifetime("davi", "5000")
	w.exec("update fature.affiliates set status = 'suspended' where id = $1", w.ids["davi"])
	_, err := w.affiliates().Update(t.Context(), w.ids["eva"], affiliate.Change{Category: affiliate.VIP})
	require.NoError(t, err)

	require.Equal(t, "bia standard→premium 100, caio standard→vip 5000", w.promoted(policy))
	require.Empty(t, w.promoted(policy), "once")
	require.Equal(t, "standard, premium by fature:promotion", w.history("bia"))
	w.lifetime("bia", "1000")
	w.lifetime("caio", "100")
	require.Equal(t, "bia premium→vip 1000", w.promoted(policy), "up only")
	require.Equal(t, "standard, premium by fature:promotion, vip by fature:promotion", w.history("bia"))

	// Down goes only what a promotion gave.
	policy.Downgrade = true
	w.lifetime("bia", "0")
	require.Equal(t, "bia vip→standard 0, caio vip→premium 100", w.promoted(policy))
	require.Empty(t, w.promoted(policy))
	require.Equal(t, "standard, vip", w.history("eva"), "given by hand")
	_, err = w.affiliates().Update(t.Context(), w.ids["bia"], affiliate.Change{Category: affiliate.Premium})
	require.NoError(t, err)
	w.lifetime("bia", "1000")
	require.Equal(t, "bia premium→vip 1000", w.promoted(policy))
	w.lifetime("bia", "0")
	require.Equal(t, "bia vip→premium 0", w.promoted(policy), "down to what was given by hand")
	require.Empty(t, w.promoted(policy))

	// One threshold alone.
	w.lifetime("ana", "50")
	require.Equal(t, "ana standard→vip 50, caio premium→vip 100", w.promoted(board.Policy{VIP: amount("50")}))
	var n int
	require.NoError(t, w.pool.QueryRow(t.Context(), "select count(*) from fature.data_audit where table_name = 'affiliates' and operation = 'UPDATE' and changed_by = $1", affiliate.PromotedBy).Scan(&n))
	require.Equal(t, 9, n)
}

// Over a period the better of the present one and the one before counts, in
// the programme's zone.
func TestPromotionOverPeriods(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia")
	policy := board.Policy{Premium: amount("100"), Over: board.Month, Downgrade: true}
	w.sell("ana", "60", time.Date(2025, 5, 31, 23, 59, 59, 0, time.UTC))
	w.sell("ana", "60", time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC))
	require.Empty(t, w.promoted(policy), "not in one month")
	w.sell("ana", "40", time.Date(2025, 6, 30, 23, 59, 59, 0, time.UTC))
	w.sell("bia", "1000", time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC))
	require.Equal(t, "ana standard→premium 100", w.promoted(policy))
	w.at(time.Date(2025, 7, 31, 23, 59, 0, 0, time.UTC))
	require.Equal(t, "bia standard→premium 1000", w.promoted(policy), "ana has it until the end of July")
	w.at(time.Date(2025, 8, 1, 0, 0, 0, 0, time.UTC))
	require.Equal(t, "ana premium→standard 0", w.promoted(policy))
	w.at(time.Date(2025, 9, 1, 0, 0, 0, 0, time.UTC))
	require.Equal(t, "bia premium→standard 0", w.promoted(policy))
}

// Two promotions at once, and one beside somebody who does it by hand.
func TestPromotionWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "ana", "bia")
	w.lifetime("ana", "100")
	w.lifetime("bia", "100")
	tx, err := w.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = w.affiliates().WithTx(tx).Update(t.Context(), w.ids["ana"], affiliate.Change{Category: affiliate.VIP})
	require.NoError(t, err)
	done := make(chan string)
	go func() { done <- w.promoted(board.Policy{Premium: amount("100"), Downgrade: true}) }()
	require.Never(t, func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}, 100*time.Millisecond, 10*time.Millisecond)
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, "bia standard→premium 100", <-done)
	require.Equal(t, "standard, vip", w.history("ana"))
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	require.NoError(t, board.Policy{}.Validate())
	err := board.Policy{Premium: amount("-1"), VIP: amount("-2"), Over: "year"}.Validate()
	require.ErrorIs(t, err, fault.Invalid)
	var all []string
	for _, p := range fault.Fields(err) {
		all = append(all, p.Error())
	}
	require.Equal(t, []string{`over: "year" is not day, week, month or all`, "premium: is negative", "vip: is negative", "vip: is not above premium"}, all)
	require.True(t, slices.Contains(all, "vip: is not above premium"))
	require.ErrorContains(t, board.Policy{Premium: amount("5"), VIP: amount("5")}.Validate(), "vip: is not above premium")
}
