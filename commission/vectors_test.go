package commission_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// vector is a case of testdata/vectors; the README there says what each field
// means.
type vector struct {
	Name     string          `json:"name"`
	Why      string          `json:"why"`
	Plan     json.RawMessage `json:"plan"`
	Versions []vectorVersion `json:"versions"`
	Upline   []vectorMember  `json:"upline"`
	Events   []vectorEvent   `json:"events"`

	Customers map[string]time.Time `json:"customers"`

	Lines    []vectorLine `json:"lines"`
	Skipped  []vectorSkip `json:"skipped"`
	Breakage string       `json:"breakage"`
}

type vectorVersion struct {
	From time.Time       `json:"from"`
	Plan json.RawMessage `json:"plan"`
}

type vectorMember struct {
	ID       string             `json:"id"`
	Active   *bool              `json:"active"`
	Category affiliate.Category `json:"category"`
}

type vectorEvent struct {
	ID       string           `json:"id"`
	Type     transaction.Type `json:"type"`
	Amount   string           `json:"amount"`
	At       time.Time        `json:"at"`
	Customer string           `json:"customer"`
	Reverses string           `json:"reverses"`
	Metadata map[string]any   `json:"metadata"`
	Upline   []vectorMember   `json:"upline"`
	Refused  []string         `json:"refused"`
}

type vectorLine struct {
	Event       string `json:"event"`
	Affiliate   string `json:"affiliate"`
	Rule        string `json:"rule"`
	Level       int    `json:"level"`
	Base        string `json:"base"`
	Rate        string `json:"rate"`
	Amount      string `json:"amount"`
	Final       string `json:"final"`
	AvailableAt string `json:"available_at"`
}

type vectorSkip struct {
	Event    string            `json:"event"`
	Rule     string            `json:"rule"`
	Level    int               `json:"level"`
	Reason   commission.Reason `json:"reason"`
	Breakage string            `json:"breakage"`
	Capped   string            `json:"capped"`
}

func TestVectors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/vectors/*.json")
	require.NoError(t, err)
	cases := 0
	for _, file := range files {
		for _, v := range readVectors(t, file) {
			cases++
			t.Run(filepath.Base(file)+"/"+v.Name, func(t *testing.T) {
				t.Parallel()
				v.run(t)
			})
		}
	}
	require.GreaterOrEqual(t, cases, 250)
}

func readVectors(t *testing.T, file string) []vector {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // so that metadata keeps numbers as they are written
	dec.DisallowUnknownFields()
	var vectors []vector
	require.NoError(t, dec.Decode(&vectors), file)
	return vectors
}

func (v vector) run(t *testing.T) {
	var lines []vectorLine
	var skipped []vectorSkip
	breakage := decimal.Zero
	memory, originals := commission.Facts{}, map[string]*commission.Original{}
	versions := v.versions(t)
	for _, e := range v.Events {
		in := v.input(e, versions, originals)
		out, err := commission.Rate(in, memory)
		require.Equal(t, e.Refused, problems(err), v.Why)
		if err != nil {
			continue
		}
		requireSound(t, in, memory, out)
		remember(e, in, out, memory, originals)
		lines = append(lines, told(e, out, v.timed())...)
		for _, s := range out.Skipped {
			skipped = append(skipped, vectorSkip{
				Event: cmp.Or(e.ID, "e1"), Rule: s.Rule, Level: s.Level, Reason: s.Reason,
				Breakage: s.Breakage.String(), Capped: s.Capped.String(),
			})
		}
		breakage = breakage.Add(out.Breakage())
	}
	require.Equal(t, normalLines(v.Lines), lines, v.Why)
	require.Equal(t, normalSkips(v.Skipped), skipped, v.Why)
	require.Equal(t, number(v.Breakage), breakage.String(), v.Why)
}

// input is an event as it is rated after those before it.
func (v vector) input(e vectorEvent, versions []dated, originals map[string]*commission.Original) commission.Input {
	event := e.event()
	in := commission.Input{Event: event, Upline: members(e.Upline), Original: originals[e.Reverses]}
	if e.Upline == nil {
		in.Upline = members(v.Upline)
	}
	for _, version := range versions {
		if !event.At.Before(version.from) {
			in.Plan = version.plan
		}
	}
	if len(in.Upline) > 0 {
		in.Event.AffiliateID = in.Upline[0].ID
	}
	if in.AttributedAt = v.Customers[e.Customer]; in.AttributedAt.IsZero() {
		in.AttributedAt = v.firstOf(e.Customer)
	}
	return in
}

// firstOf is when a customer that the case does not list was attributed: at his
// first event.
func (v vector) firstOf(customer string) time.Time {
	for _, e := range v.Events {
		if e.Customer == customer {
			return e.event().At
		}
	}
	return time.Time{}
}

// remember keeps what later events of the case need.
func remember(e vectorEvent, in commission.Input, out commission.Outcome, memory commission.Facts, originals map[string]*commission.Original) {
	maps.Copy(memory, out.Counters)
	if o := in.Original; o != nil {
		o.Took(in.Event.Amount)
	}
	name := cmp.Or(e.ID, "e1")
	originals[name] = posted(name, in, out)
}

type dated struct {
	from time.Time
	plan *commission.Plan
}

func (v vector) versions(t *testing.T) []dated {
	if string(v.Plan) == "null" {
		return nil
	}
	if v.Versions == nil {
		v.Versions = []vectorVersion{{Plan: v.Plan}}
	}
	var all []dated
	for i, version := range v.Versions {
		doc, err := commission.Parse(version.Plan)
		require.NoError(t, err)
		plan, err := commission.NewPlan(id("plan"), i+1, doc)
		require.NoError(t, err)
		all = append(all, dated{version.From, plan})
	}
	return all
}

func members(list []vectorMember) []commission.Member {
	var upline []commission.Member
	for _, m := range list {
		upline = append(upline, commission.Member{
			ID: id(m.ID), Active: m.Active == nil || *m.Active, Category: cmp.Or(m.Category, affiliate.Standard),
		})
	}
	return upline
}

func (v vector) timed() bool { return len(v.Lines) > 0 && v.Lines[0].AvailableAt != "" }

func (e vectorEvent) event() transaction.Event {
	event := transaction.Event{
		CustomerID: e.Customer, Type: e.Type, Amount: decimal.RequireFromString(e.Amount), At: e.At, Metadata: e.Metadata,
	}
	if e.At.IsZero() {
		event.At = time.Date(2025, 6, 15, 12, 0, 0, 0, time.UTC)
	}
	if e.Reverses != "" {
		event.Reverses = id(e.Reverses)
	}
	return event
}

// told are the lines of an outcome as a vector would write them.
func told(e vectorEvent, out commission.Outcome, timed bool) []vectorLine {
	var lines []vectorLine
	for _, l := range out.Lines {
		line := vectorLine{
			Event: cmp.Or(e.ID, "e1"), Affiliate: l.AffiliateID.String(), Rule: l.Rule, Level: l.Level,
			Base: l.Base.String(), Rate: l.Rate.String(), Amount: l.Amount.String(), Final: l.Final.String(),
		}
		if timed {
			line.AvailableAt = l.AvailableAt.Format(time.RFC3339Nano)
		}
		lines = append(lines, line)
	}
	return lines
}

func normalLines(lines []vectorLine) []vectorLine {
	for i, l := range lines {
		lines[i].Event = cmp.Or(l.Event, "e1")
		lines[i].Affiliate = id(l.Affiliate).String()
		lines[i].Base, lines[i].Rate = number(l.Base), number(l.Rate)
		lines[i].Amount, lines[i].Final = number(l.Amount), number(cmp.Or(l.Final, l.Amount))
	}
	return lines
}

func normalSkips(skips []vectorSkip) []vectorSkip {
	for i, s := range skips {
		skips[i].Event = cmp.Or(s.Event, "e1")
		skips[i].Breakage, skips[i].Capped = number(s.Breakage), number(s.Capped)
	}
	return skips
}

// number writes a decimal in one way; empty is zero.
func number(text string) string {
	return decimal.RequireFromString(cmp.Or(text, "0")).String()
}

// id makes a UUID of free text, the same each time.
func id(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)) }

// requireSound holds for every outcome: it is the same twice, each line can be
// evaluated again from its stored calculation alone, nothing is silent, and
// what was read and changed of the counters was asked for.
func requireSound(t require.TestingT, in commission.Input, facts commission.Facts, out commission.Outcome) {
	needs := commission.Needs(in)
	asked := commission.Facts{}
	for _, need := range needs {
		if had, ok := facts[need]; ok {
			asked[need] = had
		}
	}
	again, err := commission.Rate(in, asked)
	require.NoError(t, err)
	require.Equal(t, out, again)
	for need := range out.Counters {
		require.Contains(t, needs, need)
	}

	told := map[string]bool{}
	for _, s := range out.Skipped {
		told[s.Rule] = true
	}
	for _, line := range out.Lines {
		told[line.Rule] = true
		requireRecomputes(t, line)
	}
	if in.Original == nil && in.Plan != nil && len(in.Upline) > 0 {
		for _, rule := range in.Plan.Rules {
			require.True(t, told[rule.ID], "rule %s is silent", rule.ID)
		}
	}
}

func requireRecomputes(t require.TestingT, line commission.Line) {
	stored, err := json.Marshal(line.Calculation)
	require.NoError(t, err)
	var read commission.Calculation
	require.NoError(t, json.Unmarshal(stored, &read))
	again, err := json.Marshal(read)
	require.NoError(t, err)
	require.Equal(t, string(stored), string(again))

	amount, final, err := read.Recompute()
	require.NoError(t, err)
	require.Equal(t, line.Amount.String(), amount.String())
	require.Equal(t, line.Final.String(), final.String())
	require.Equal(t, line.Rule, read.Rule)
	require.Equal(t, line.Level, read.Level)
}
