package scenario

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// Play lives a sample: its events are recorded in the order of their time, and
// its periods closed in between. It says that the lines and the statements that
// are stored are those of the sample's preview, and that each close was what
// the programme previewed.
func Play(t testing.TB, s commission.Sample, change ...func(*fature.Config)) *World {
	t.Helper()
	return PlayBetween(t, s, func(*World) {}, change...)
}

// PlayBetween is Play with something that is done before each event and each
// close.
func PlayBetween(t testing.TB, s commission.Sample, before func(*World), change ...func(*fature.Config)) *World {
	t.Helper()
	previewed, err := commission.Preview(s)
	require.NoError(t, err)
	p := &play{Sample: s, events: map[string]int{}}
	p.World = New(t, append(change, func(c *fature.Config) { c.Currency = s.Plans[0].Document.Currency })...)
	p.publish()
	p.populate()
	turns := p.turns()
	for i := range turns {
		p.SetNow(turns[i].at)
		before(p.World)
		turns[i].do()
	}
	p.want(previewed)
	p.Verify()
	return p.World
}

// play is a sample that is lived.
type play struct {
	*World
	commission.Sample
	events map[string]int // the places of the sample's, by their ids
	lines  []string       // as they were posted
	closed []string
	skips  []string
}

func (p *play) publish() {
	for _, v := range p.Plans {
		plan, err := p.Program.Plans.Publish(p.t.Context(), v.Document)
		require.NoError(p.t, err)
		if v.From.IsZero() {
			v.From = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		require.NoError(p.t, p.Program.Plans.Assign(p.t.Context(), commission.Default(plan.ID).Since(v.From)))
	}
}

// populate makes the affiliates, whose ids are in the order of the sample, and
// whose parents come before them.
func (p *play) populate() {
	drafts := make([]affiliate.Draft, len(p.Affiliates))
	for i, a := range p.Affiliates {
		id := uuid.UUID{6: 0x70, 8: 0x80, 14: byte(i >> 8), 15: byte(i + 1)}
		p.ids[a.ID], p.names[id] = id, a.ID
		drafts[i] = affiliate.Draft{ID: id, Name: "A", Email: fmt.Sprintf("a%d@example.com", i), Category: a.Category, Status: a.Status}
	}
	depth := map[uuid.UUID]int{}
	for i, a := range p.Affiliates {
		drafts[i].ParentID = p.ids[a.Parent]
		for at := a; at.Parent != ""; depth[drafts[i].ID]++ {
			at = p.Affiliates[slices.IndexFunc(p.Affiliates, func(b commission.SampleAffiliate) bool { return b.ID == at.Parent })]
		}
	}
	slices.SortStableFunc(drafts, func(a, b affiliate.Draft) int { return depth[a.ID] - depth[b.ID] })
	_, err := p.Program.Affiliates.CreateAll(p.t.Context(), drafts)
	require.NoError(p.t, err)
}

// turn is an event or a close.
type turn struct {
	at time.Time
	do func()
}

// turns are in order of time; a close precedes the events of its moment.
func (p *play) turns() []turn {
	var turns []turn
	for _, name := range p.Sample.Close {
		due, err := p.Program.Plans.Due(p.t.Context(), name)
		require.NoError(p.t, err)
		var last time.Time
		for _, d := range due {
			if d.To.After(last) {
				last = d.To
			}
		}
		turns = append(turns, turn{last, func() { p.close(name) }})
	}
	for i, e := range p.Events {
		p.events[e.ID] = i
		turns = append(turns, turn{e.At, func() { p.record(e) }})
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return a.at.Compare(b.at) })
	return turns
}

func (p *play) record(e commission.SampleEvent) {
	event := transaction.Event{
		AffiliateID: p.ids[e.Affiliate], CustomerID: e.Customer, Type: e.Type, Amount: decimal.RequireFromString(string(e.Amount)),
		At: e.At, Metadata: e.Metadata, SourceTable: "events", OriginalID: fmt.Sprint(p.events[e.ID]),
	}
	if e.Reverses != "" {
		event.ReversesKey = transaction.Key{SourceTable: "events", OriginalID: fmt.Sprint(p.events[e.Reverses])}
	}
	for _, l := range p.Record(event)[0].Lines {
		p.lines = append(p.lines, p.storedLine(e.ID, l))
	}
}

// close previews a period, and closes it.
func (p *play) close(name string) {
	statements, lines := p.Preview(name)
	p.World.Close(name)
	p.WantStatements(name, statements...)
	p.WantPaid(name, lines...)
	var list []commission.Statement
	for s, err := range p.Program.Statements.All(p.t.Context(), commission.StatementFilter{Name: name}) {
		require.NoError(p.t, err)
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b commission.Statement) int { return int(a.Seq - b.Seq) })
	for _, s := range list {
		p.read(s)
	}
}

// read takes a statement down, with its lines and what it skips.
func (p *play) read(listed commission.Statement) {
	s, err := p.Program.Statements.Get(p.t.Context(), listed.ID)
	require.NoError(p.t, err)
	p.closed = append(p.closed, p.told(map[string]any{
		"period": s.Name, "affiliate": p.names[s.AffiliateID], "plan": s.Plan, "rule": s.Rule, "split": s.Split,
		"opening": s.Opening, "base": s.Base, "commission": s.Commission, "payable": s.Payable, "closing": s.Closing,
		"unrecouped": s.Unrecouped, "customers": s.Customers, "footing": &s.Footing,
	}))
	lines, err := p.Program.Statements.Lines(p.t.Context(), s.ID)
	require.NoError(p.t, err)
	for _, l := range lines {
		p.lines = append(p.lines, p.storedLine(s.Name, l))
	}
	var skipped []commission.Skip
	if len(s.Skipped) > 0 {
		require.NoError(p.t, json.Unmarshal(s.Skipped, &skipped))
	}
	for _, skip := range skipped {
		p.skips = append(p.skips, fmt.Sprint(s.Name, " ", p.names[s.AffiliateID], " ", p.told(skip)))
	}
}

func (p *play) storedLine(of string, l commission.Commission) string {
	return p.told(map[string]any{
		"of": of, "affiliate": p.names[l.AffiliateID], "rule": l.Rule, "level": l.Level, "kind": l.Kind, "base": l.BaseAmount, "rate": l.Rate,
		"amount": l.Amount, "final_amount": l.FinalAmount, "available_at": l.AvailableAt.UTC(), "calculation": l.Calculation,
	})
}

// want says that the preview tells the same.
func (p *play) want(previewed commission.Previewed) {
	p.t.Helper()
	var lines, statements, skips []string
	for _, l := range previewed.Lines {
		lines = append(lines, p.told(map[string]any{
			"of": l.Event + l.Period, "affiliate": l.Affiliate, "rule": l.Rule, "level": l.Level, "kind": l.Kind, "base": l.Base,
			"rate":   decimal.RequireFromString(string(l.Rate)).Round(6), // as the column holds it; the calculation has all of it
			"amount": l.Amount, "final_amount": l.Final, "available_at": l.AvailableAt.UTC().Truncate(time.Microsecond), "calculation": l.Calculation,
		}))
	}
	for _, s := range previewed.Statements {
		if s.Unrecouped == "" {
			s.Unrecouped = "0"
		}
		statements = append(statements, p.told(map[string]any{
			"period": s.Period, "affiliate": s.Affiliate, "plan": s.Plan, "rule": s.Rule, "split": s.Split,
			"opening": s.Opening, "base": s.Base, "commission": s.Commission, "payable": s.Payable, "closing": s.Closing,
			"unrecouped": s.Unrecouped, "customers": s.Customers, "footing": &s.Footing,
		}))
	}
	for _, s := range previewed.Skipped {
		if s.Period == "" {
			continue
		}
		skip := commission.Skip{Rule: s.Rule, Level: s.Level, Reason: s.Reason}
		skip.Breakage, _ = decimal.NewFromString(string(s.Breakage))
		skip.Capped, _ = decimal.NewFromString(string(s.Capped))
		skips = append(skips, fmt.Sprint(s.Period, " ", s.Affiliate, " ", p.told(skip)))
	}
	p.same("statement", statements, p.closed)
	p.same("line", lines, p.lines)
	p.same("skip", skips, p.skips)
}

// same shows the first difference.
func (p *play) same(what string, previewed, stored []string) {
	p.t.Helper()
	for i := range min(len(previewed), len(stored)) {
		require.Equal(p.t, previewed[i], stored[i], "%s %d", what, i)
	}
	require.Len(p.t, stored, len(previewed), "%ss", what)
}

// told is JSON in which a number is the same however it is written, without
// what only a database gives.
func (p *play) told(v any) string {
	text, err := json.Marshal(v)
	require.NoError(p.t, err)
	var read any
	require.NoError(p.t, json.Unmarshal(text, &read))
	text, err = json.Marshal(alike(read))
	require.NoError(p.t, err)
	return string(text)
}

func alike(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, of := range v {
			v[key] = alike(of)
		}
		for _, key := range []string{"version", "plan_id", "line"} {
			delete(v, key)
		}
	case []any:
		for i := range v {
			v[i] = alike(v[i])
		}
	case string:
		if number, err := decimal.NewFromString(v); err == nil {
			return number.String()
		}
	}
	return v
}
