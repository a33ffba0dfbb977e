package scenario

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// Replay rates all that is recorded once more, in the order in which it was
// rated and with nothing remembered at its beginning, and says that it comes to
// the lines that were posted and to the counters that are stored.
func (w *World) Replay() {
	w.t.Helper()
	var rated []transaction.Transaction
	for row, err := range w.Program.Transactions.All(w.t.Context(), transaction.Filter{Limit: 1000}) {
		require.NoError(w.t, err)
		if row.RatedSeq != nil {
			rated = append(rated, row)
		}
	}
	slices.SortFunc(rated, func(a, b transaction.Transaction) int { return int(*a.RatedSeq - *b.RatedSeq) })
	past, err := hierarchy.LoadPast(w.t.Context(), pg.In(w.Pool, ""))
	require.NoError(w.t, err)
	r := replay{w, past, w.posted(), commission.Facts{}, map[uuid.UUID]*commission.Original{}}
	for _, row := range rated {
		r.rate(row)
	}
	stored := w.counters(slices.Collect(maps.Keys(r.memory)))
	for need, counter := range r.memory {
		require.Equal(w.t, show(counter), show(stored[need]), "%v", need)
	}
}

type replay struct {
	*World
	past      *hierarchy.Past
	posted    map[uuid.UUID][]commission.Commission
	memory    commission.Facts
	originals map[uuid.UUID]*commission.Original
}

func (r *replay) rate(row transaction.Transaction) {
	in := commission.Input{Event: row.Event(), Upline: commission.AppendMembers(nil, r.past, row.AffiliateID, *row.SeenSeq)}
	if row.PlanID != nil && row.ReversesID == nil {
		var err error
		in.Plan, err = r.Program.Plans.Get(r.t.Context(), *row.PlanID)
		require.NoError(r.t, err)
	}
	if row.CustomerID != "" {
		require.NoError(r.t, r.Pool.QueryRow(r.t.Context(), "select min(from_at) from fature.customer_owners where customer_id = $1 and seq < $2",
			row.CustomerID, row.RatedSeq).Scan(&in.AttributedAt))
	}
	if row.ReversesID != nil {
		in.Original = r.originals[*row.ReversesID]
	}
	out, err := commission.Rate(in, r.memory)
	require.NoError(r.t, err)
	require.Equal(r.t, tell(r.posted[row.ID]), tell(again(out, row)), "%s %s", row.Type, row.OriginalID)
	maps.Copy(r.memory, out.Counters)
	if in.Original != nil {
		in.Original.Took(row.Amount)
	}
	r.originals[row.ID] = &commission.Original{
		Plan: in.Plan, Event: in.Event, AttributedAt: in.AttributedAt, Lines: r.posted[row.ID], Skipped: out.Skipped,
	}
}

func again(out commission.Outcome, row transaction.Transaction) []commission.Commission {
	var lines []commission.Commission
	for _, l := range out.Lines {
		lines = append(lines, commission.Post(l, row.ID, row.CreatedAt, row.RecordedAt))
	}
	return lines
}

func tell(lines []commission.Commission) []string {
	var told []string
	for _, l := range lines {
		told = append(told, fmt.Sprintf("%s %s %s/%d %s %s", l.Kind, l.AffiliateID, l.Rule, l.Level, l.Amount.StringFixed(2), l.FinalAmount.StringFixed(2)))
	}
	return told
}

func show(c commission.Counter) string {
	return fmt.Sprint(c.Count, c.First.UTC(), c.Total.StringFixed(2), c.Posted.StringFixed(2))
}

// posted are all lines by their transactions.
func (w *World) posted() map[uuid.UUID][]commission.Commission {
	all := map[uuid.UUID][]commission.Commission{}
	for line, err := range w.Program.Commissions.All(w.t.Context(), commission.Filter{Limit: 1000}) {
		require.NoError(w.t, err)
		all[*line.TransactionID] = append(all[*line.TransactionID], line)
	}
	for _, lines := range all { // as they were posted
		slices.SortFunc(lines, func(a, b commission.Commission) int { return slices.Compare(a.ID[:], b.ID[:]) })
	}
	return all
}

func (w *World) counters(needs []commission.Need) commission.Facts {
	stored := commission.Facts{}
	var b pgx.Batch
	commission.QueueCounters(&b, stored, needs)
	require.NoError(w.t, pg.Send(w.t.Context(), pg.In(w.Pool, ""), &b))
	return stored
}

// Get reads a recorded transaction again.
func (w *World) Get(r fature.Recorded) transaction.Transaction {
	w.t.Helper()
	row, err := w.Program.Transactions.Get(w.t.Context(), r.Transaction.ID)
	require.NoError(w.t, err)
	return row
}
