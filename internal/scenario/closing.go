package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
)

// Close closes a period.
func (w *World) Close(period string) {
	w.t.Helper()
	_, err := w.Program.ClosePeriod(w.t.Context(), period, nil)
	require.NoError(w.t, err)
}

// WantStatements says what the statements of a period came to, sorted:
// "ana rev -100.00 + 600.00 = 150.00, pays 150.00, carries 0.00" is an opening
// and a base, what they were rated to, what is payable and the closing. The
// value of a split follows the rule after a slash.
func (w *World) WantStatements(period string, want ...string) {
	w.t.Helper()
	var got []string
	for s, err := range w.Program.Statements.All(w.t.Context(), commission.StatementFilter{Name: period}) {
		require.NoError(w.t, err)
		got = append(got, w.statement(s))
	}
	slices.Sort(got)
	require.Equal(w.t, want, got)
}

func (w *World) statement(s commission.Statement) string {
	return fmt.Sprintf("%s %s %s + %s = %s, pays %s, carries %s", w.names[s.AffiliateID], strings.TrimSuffix(s.Rule+"/"+s.Split, "/"),
		s.Opening.StringFixed(2), s.Base.StringFixed(2), s.Commission.StringFixed(2), s.Payable.StringFixed(2), s.Closing.StringFixed(2))
}

// Preview is what closing a period would come to, in the words of
// WantStatements and of WantLines, sorted.
func (w *World) Preview(period string) (statements, lines []string) {
	w.t.Helper()
	_, err := w.Program.PreviewPeriod(w.t.Context(), period, func(s commission.Settled) error {
		statements = append(statements, w.statement(s.Statement))
		for _, l := range s.Lines {
			lines = append(lines, w.line(l))
		}
		return nil
	})
	require.NoError(w.t, err)
	slices.Sort(statements)
	slices.Sort(lines)
	return statements, lines
}

// WantPaid says what the statements of a period pay, in the words of WantLines,
// sorted.
func (w *World) WantPaid(period string, want ...string) {
	w.t.Helper()
	var got []string
	for s, err := range w.Program.Statements.All(w.t.Context(), commission.StatementFilter{Name: period}) {
		require.NoError(w.t, err)
		lines, err := w.Program.Statements.Lines(w.t.Context(), s.ID)
		require.NoError(w.t, err)
		for _, l := range lines {
			got = append(got, w.line(l))
		}
	}
	slices.Sort(got)
	require.Equal(w.t, want, got)
}

func (w *World) line(l commission.Commission) string {
	return fmt.Sprintf("%s %s/%d %s", w.names[l.AffiliateID], l.Rule, l.Level, l.FinalAmount.StringFixed(2))
}
