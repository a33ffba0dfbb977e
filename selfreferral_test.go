package fature_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/scenario"
	"github.com/fature/fature/transaction"
)

func TestSelfReferral(t *testing.T) {
	t.Parallel()
	email := func(address string) scenario.Detail { return func(e *transaction.Event) { e.CustomerEmail = address } }
	pending := func(e *transaction.Event) { e.Pending = true }
	for policy, want := range map[fature.SelfReferral]struct {
		lines, skipped []string
		held           bool
	}{
		"":                       {nil, []string{"self_referral"}, false},
		fature.BlockSelfReferral: {nil, []string{"self_referral"}, false},
		fature.HoldSelfReferral:  {[]string{"bia sale/0 1.00", "ana sale/1 0.50"}, []string{"sale/2 no_upline 0.10"}, true},
		fature.AllowSelfReferral: {[]string{"bia sale/0 1.00", "ana sale/1 0.50"}, []string{"sale/2 no_upline 0.10"}, false},
	} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			w := scenario.New(t, func(c *fature.Config) { c.SelfReferral = policy })
			w.Affiliate("ana")
			bia := w.Affiliate("bia", scenario.Under("ana"))
			w.Plan(teamPlan)
			user, err := w.Program.Users.Get(t.Context(), bia.UserID)
			require.NoError(t, err)
			for _, self := range []scenario.Detail{
				scenario.Customer(bia.UserID.String()), email(user.Email), email(" " + strings.ToUpper(user.Email)), email("bia+shop" + user.Email[3:]),
			} {
				key := scenario.Key(uuid.NewString())
				r := w.Sale("bia", "10.00", self, key)
				w.WantLines(want.lines...)
				w.WantSkipped(want.skipped...)
				for _, l := range r.Lines {
					require.Equal(t, want.held, l.AvailableAt.Year() == 9999)
				}
				w.Record(transaction.Event{Type: transaction.Refund, Amount: r.Transaction.Amount, Reverses: r.Transaction.ID})
			}
			w.Sale("bia", "10.00", email("carla@example.com"), scenario.Customer("carla"))
			w.WantLines("bia sale/0 1.00", "ana sale/1 0.50")

			// Rated later, when the address is forgotten.
			r := w.Sale("bia", "10.00", email(user.Email), pending)
			n, err := w.Program.Process(t.Context(), 10)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			lines, err := w.Program.Commissions.List(t.Context(), commission.Filter{TransactionID: r.Transaction.ID})
			require.NoError(t, err)
			require.Len(t, lines.Items, len(want.lines))
			require.Equal(t, transaction.Processed, w.Get(r).Status)
			require.Zero(t, one[int](t, w.Pool, `select count(*) from fature.transactions t where t::text like '%' || $1 || '%'`, user.Email))
			w.Verify()
			w.Replay()
		})
	}
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	w := team(t)
	c1 := scenario.Customer("c-1")
	w.Sale("bia", "10.00", c1)
	day := func(n int) time.Time { return scenario.Now.AddDate(0, 0, n) }
	owner, err := w.Program.Customers.Transfer(t.Context(), "c-1", w.ID("ana"), day(2))
	require.NoError(t, err)
	require.Equal(t, w.ID("ana"), *owner.AffiliateID)
	w.SetNow(day(10))
	event := func(n int) transaction.Event {
		e := w.Event("bia", transaction.Sale, "10.00", c1, scenario.At(day(n)))
		e.AffiliateID = uuid.Nil // whoever owns the customer
		return e
	}
	w.Record(event(1), event(2))
	w.WantLines("bia sale/0 1.00", "ana sale/1 0.50", "ana sale/0 1.00")

	again, err := w.Program.Customers.Transfer(t.Context(), "c-1", w.ID("ana"), day(3))
	require.NoError(t, err)
	require.Equal(t, owner.From, again.From.UTC(), "its own already")
	_, err = w.Program.Customers.Transfer(t.Context(), "c-1", w.ID("bia"), day(2))
	require.ErrorIs(t, err, affiliate.ErrTransferred)
	_, err = w.Program.Customers.Transfer(t.Context(), "nobody's", w.ID("bia"), day(2))
	require.ErrorIs(t, err, affiliate.ErrCustomerNotFound)

	require.NoError(t, w.Program.Customers.Release(t.Context(), "c-1", day(4)))
	require.True(t, w.Record(event(5))[0].Unattributed())
	w.Sale("bia", "10.00", c1, scenario.At(day(6)))
	w.Record(event(7))
	w.WantLines("bia sale/0 1.00", "ana sale/1 0.50")
	w.Verify()
}
