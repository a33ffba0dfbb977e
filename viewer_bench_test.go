package fature_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// The reads of viewers beside those of the host. Top stands above all others,
// the owner asks for its own.
func BenchmarkAs(b *testing.B) {
	m := newMarket(b, testenv.Clone(b), benchSize("FATURE_BENCH_AFFILIATES", 2_000, 100_000))
	for range benchSize("FATURE_BENCH_EVENTS", 5_000, 100_000) / 1000 {
		_, err := m.Record(b.Context(), m.events(1000)...)
		require.NoError(b, err)
	}
	_, err := m.pool.Exec(b.Context(), "vacuum analyze")
	require.NoError(b, err)
	list, err := m.Transactions.List(b.Context(), transaction.Filter{})
	require.NoError(b, err)
	one := list.Items[0]
	lines, err := m.Commissions.List(b.Context(), commission.Filter{TransactionID: one.ID})
	require.NoError(b, err)
	of := func(id uuid.UUID) *fature.Program {
		a, err := m.Affiliates.Get(b.Context(), id)
		require.NoError(b, err)
		return m.As(affiliate.Viewer{UserID: a.UserID, Role: affiliate.RoleAffiliate, AffiliateID: id})
	}
	as := []struct {
		name    string
		program *fature.Program
	}{
		{"limit=unbound", m.Program}, {"manager", m.As(affiliate.Viewer{Role: affiliate.RoleManager})},
		{"top", of(m.ids[0])}, {"owner", of(one.AffiliateID)},
	}
	for _, c := range []struct {
		name string
		do   func(p *fature.Program) error
	}{
		{"affiliate", func(p *fature.Program) error { return only(p.Affiliates.Get(b.Context(), one.AffiliateID)) }},
		{"transaction", func(p *fature.Program) error { return only(p.Transactions.Get(b.Context(), one.ID)) }},
		{"line", func(p *fature.Program) error { return only(p.Commissions.Get(b.Context(), lines.Items[0].ID)) }},
		{"downline", func(p *fature.Program) error {
			return only(p.Hierarchy.Downline(b.Context(), one.AffiliateID, hierarchy.Filter{}))
		}},
		{"page_of_one", func(p *fature.Program) error {
			return only(p.Transactions.List(b.Context(), transaction.Filter{AffiliateID: one.AffiliateID}))
		}},
		{"page_of_all", func(p *fature.Program) error { return only(p.Transactions.List(b.Context(), transaction.Filter{})) }},
		{"page_of_affiliates", func(p *fature.Program) error { return only(p.Affiliates.List(b.Context(), affiliate.Filter{})) }},
		{"page_of_lines", func(p *fature.Program) error {
			return only(p.Commissions.List(b.Context(), commission.Filter{TransactionID: one.ID}))
		}},
	} {
		for _, v := range as {
			if c.name == "line" && v.name == "owner" && lines.Items[0].AffiliateID != one.AffiliateID {
				continue // it is of one above
			}
			b.Run(c.name+"/"+v.name, func(b *testing.B) {
				for b.Loop() {
					require.NoError(b, c.do(v.program))
				}
			})
		}
	}
}
