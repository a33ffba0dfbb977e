package commission_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// What holds for every history: random plans of all that event rules can, over
// a random upline, with random events and refunds. Each test says one thing.

func checkHistories(t *testing.T, check func(t *rapid.T, h *history)) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { check(t, drawHistory(t, drawDocument(t))) })
}

// The lines, the breakage and, named apart, what caps took whole add up to what
// the plan promises; of a refund, to the parts of that which fall to it.
func TestLinesAndCutsAndBreakageAreThePromise(t *testing.T) {
	checkHistories(t, func(t *rapid.T, h *history) {
		l := newLedger(h)
		h.play(t, func(i int, in commission.Input, _ commission.Facts, out commission.Outcome) {
			require.Equal(t, l.promise(in, out).RatString(), whole(out).Rat().RatString(), "event %d", i)
		})
	})
}

// As long as nothing is refunded, what a table has posted is what it makes of
// the sum, to the smallest unit.
func TestWithoutRefundsATableHasPostedWhatItComesTo(t *testing.T) {
	checkHistories(t, func(t *rapid.T, h *history) {
		h.entries = slices.DeleteFunc(h.entries, func(e entry) bool { return e.of >= 0 })
		p := h.play(t, nil)
		rounds := newLedger(h)
		rounds.in.Plan = h.plan
		for need, counter := range p.facts {
			if need.Kind != "tiers" {
				continue
			}
			rule := h.plan.Rules[slices.IndexFunc(h.plan.Rules, func(r commission.Rule) bool { return r.ID == need.Rule })]
			due := rounds.round(table(rule.Pay.Tiers, counter.Total.Rat()))
			require.Equal(t, due.RatString(), counter.Posted.Rat().RatString())
		}
	})
}

// Every outcome is the same twice, reads and changes only what Needs named,
// and leaves no rule without a line or a reason.
func TestNeedsNameAllThatIsReadAndChanged(t *testing.T) {
	checkHistories(t, func(t *rapid.T, h *history) {
		h.play(t, func(_ int, in commission.Input, facts commission.Facts, out commission.Outcome) {
			requireSound(t, in, facts, out)
		})
	})
}

// A line's calculation survives JSON, and comes to the same without the plan.
func TestCalculationsAreEvaluatedAgainFromTheirJSON(t *testing.T) {
	checkHistories(t, func(t *rapid.T, h *history) {
		for _, out := range h.play(t, nil).outcomes {
			for _, line := range out.Lines {
				requireRecomputes(t, line)
				steps := line.Calculation.Explain().Steps
				require.Contains(t, steps[len(steps)-1], "Evaluated again: ")
			}
		}
	})
}

// It does not matter whether events are rated one by one, from counters that
// were stored as text in between, or in one go.
func TestOneByOneAndInOneGoGiveTheSameLines(t *testing.T) {
	checkHistories(t, func(t *rapid.T, h *history) {
		whole := h.play(t, nil)
		stored := map[commission.Need][]byte{}
		h.play(t, func(i int, in commission.Input, _ commission.Facts, _ commission.Outcome) {
			facts := commission.Facts{}
			for _, need := range commission.Needs(in) {
				if text, ok := stored[need]; ok {
					var c commission.Counter
					require.NoError(t, json.Unmarshal(text, &c))
					facts[need] = c
				}
			}
			out, err := commission.Rate(in, facts)
			require.NoError(t, err)
			for need, counter := range out.Counters {
				text, err := json.Marshal(counter)
				require.NoError(t, err)
				stored[need] = text
			}
			require.Equal(t, told(vectorEvent{}, whole.outcomes[i], true), told(vectorEvent{}, out, true))
			require.Equal(t, asJSON(t, whole.outcomes[i].Skipped), asJSON(t, out.Skipped))
		})
		require.Equal(t, asText(whole.facts), asText(h.play(t, nil).facts))
	})
}

// What is taken back of a line never exceeds it, and has its sign.
func TestReversalsNeverExceedTheirLine(t *testing.T) {
	checkHistories(t, func(t *rapid.T, h *history) {
		p := h.play(t, nil)
		amounts, finals := p.back()
		for _, o := range p.originals {
			for _, line := range o.Lines {
				requireWithin(t, amounts[line.ID], line.Amount)
				requireWithin(t, finals[line.ID], line.FinalAmount)
			}
		}
	})
}

func requireWithin(t require.TestingT, part, whole decimal.Decimal) {
	require.GreaterOrEqual(t, part.Sign()*whole.Sign(), 0)
	require.True(t, part.Abs().LessThanOrEqual(whole.Abs()), "%s of %s", part, whole)
}

// When all is taken back, in whatever parts, nothing is left of any line, cut
// or breakage, nor in any counter but the limits, which are never given back.
func TestAFullRefundLeavesNothing(t *testing.T) {
	checkHistories(t, func(t *rapid.T, h *history) {
		h.refundAll()
		p := h.play(t, nil)
		left, paid := decimal.Zero, map[uuid.UUID]decimal.Decimal{}
		for _, out := range p.outcomes {
			left = left.Add(whole(out))
			for _, line := range out.Lines {
				paid[line.AffiliateID] = paid[line.AffiliateID].Add(line.Final)
			}
		}
		require.Equal(t, "0", left.String())
		for _, sum := range paid {
			require.Equal(t, "0", sum.String())
		}
		_, finals := p.back()
		for _, line := range p.earned() {
			require.True(t, finals[line.ID].Equal(line.FinalAmount))
		}
		for need, counter := range p.facts {
			require.Equal(t, "0 0", counter.Total.String()+" "+counter.Posted.String(), "%v", need)
		}
	})
}

// earned are the lines that are no reversals.
func (p past) earned() (lines []commission.Commission) {
	for _, o := range p.originals {
		for _, line := range o.Lines {
			if line.Kind == commission.Earning {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// Refunds in parts come to one refund of the whole: of each line, of all that
// was promised, and in every counter.
func TestPartialRefundsAddUpToTheWholeOne(t *testing.T) {
	checkHistories(t, func(t *rapid.T, h *history) {
		h.entries = slices.DeleteFunc(h.entries, func(e entry) bool { return e.of >= 0 })
		of := rapid.IntRange(0, len(h.entries)-1).Draw(t, "of")
		amount := h.left()[of]
		if amount.IsZero() {
			return
		}
		parts := &history{plan: h.plan, entries: slices.Clone(h.entries)}
		units := amount.Mul(decimal.NewFromInt(scaleOf(h.plan.Currency))).IntPart()
		h.refund(of, units)
		for units > 0 {
			part := rapid.Int64Range(max(1, units/3), units).Draw(t, "part")
			parts.refund(of, part)
			units -= part
		}
		once, often := h.play(t, nil), parts.play(t, nil)
		first, sum := len(h.entries)-1, decimal.Zero
		for _, out := range often.outcomes[first:] {
			sum = sum.Add(whole(out))
		}
		require.True(t, sum.Equal(whole(once.outcomes[first])))
		_, finals := often.back()
		for _, line := range once.outcomes[first].Lines {
			require.True(t, line.Final.Neg().Equal(finals[line.ReversesID]))
		}
		require.Equal(t, asText(once.facts), asText(often.facts))
	})
}

// Whoever holds a cap never has more than its maximum in one of its periods,
// nor less than nothing, and the counters say what he has; a cap per
// transaction is exact.
func TestCapsHold(t *testing.T) {
	checkHistories(t, func(t *rapid.T, h *history) {
		rounds, paid := newLedger(h), map[string]decimal.Decimal{}
		p := h.play(t, func(_ int, in commission.Input, _ commission.Facts, out commission.Outcome) {
			rounds.in = in
			h.account(in, out, paid)
			for _, c := range h.plan.Caps {
				if c.Per == commission.PerTransaction {
					rounds.requireScaled(t, c, out)
					continue
				}
				for _, line := range out.Lines {
					sum := paid[h.holder(in, c, line)]
					require.False(t, sum.IsNegative())
					require.True(t, line.ReversesID != uuid.Nil || sum.LessThanOrEqual(decimal.RequireFromString(string(c.Max))), "%v: %s", c, sum)
				}
			}
		})
		var counted, had []string
		for need, counter := range p.facts {
			if need.Rule == "" && !counter.Total.IsZero() {
				counted = append(counted, counter.Total.String())
			}
		}
		for _, sum := range paid {
			if !sum.IsZero() {
				had = append(had, sum.String())
			}
		}
		require.ElementsMatch(t, had, counted)
	})
}

// account adds up what each holder of a cap has in each of its periods.
func (h *history) account(in commission.Input, out commission.Outcome, paid map[string]decimal.Decimal) {
	for i, c := range h.plan.Caps {
		same := func(other commission.Cap) bool { return other.Per == c.Per && other.Period == c.Period }
		if c.Per == commission.PerTransaction || slices.ContainsFunc(h.plan.Caps[:i], same) {
			continue
		}
		for _, line := range out.Lines {
			key := h.holder(in, c, line)
			paid[key] = paid[key].Add(h.used(in, c, line))
		}
	}
}

// holder is whose cap a line counts against, and in which period.
func (h *history) holder(in commission.Input, c commission.Cap, line commission.Line) string {
	event := in.Event
	if in.Original != nil {
		event = in.Original.Event
	}
	holder := fmt.Sprint(c.Per, line.AffiliateID, h.stretch(event.At, c.Period))
	if c.Per == commission.PerCustomer {
		holder += event.CustomerID
	}
	return holder
}

// used is what a line takes of a cap, or gives back.
func (h *history) used(in commission.Input, c commission.Cap, line commission.Line) decimal.Decimal {
	outside := c.Per == commission.PerCustomer && in.Event.CustomerID == ""
	reversal := line.ReversesID != uuid.Nil
	if outside || line.Final.IsPositive() == reversal {
		return decimal.Zero
	}
	return line.Final
}

// requireScaled holds for an event's own lines.
func (l *ledger) requireScaled(t require.TestingT, c commission.Cap, out commission.Outcome) {
	if l.in.Original != nil {
		return
	}
	sum, amounts := decimal.Zero, decimal.Zero
	for _, line := range out.Lines {
		if line.Amount.IsPositive() {
			sum, amounts = sum.Add(line.Final), amounts.Add(line.Amount)
		}
	}
	for _, s := range out.Skipped {
		amounts = amounts.Add(s.Capped)
	}
	most := l.share(c.Percent, c.Max, l.in.Event.Amount.Rat())
	require.LessOrEqual(t, sum.Rat().Cmp(most), 0)
	if len(l.in.Plan.Caps) == 1 && amounts.Rat().Cmp(most) > 0 {
		require.Equal(t, most.RatString(), sum.Rat().RatString(), "the shares are exact")
	}
}

// A cap cuts, and does no more: what is left of a line is from nothing to the
// line, a negative line stays as it is, and no override is below zero.
func TestCapsOnlyCut(t *testing.T) {
	checkHistories(t, func(t *rapid.T, h *history) {
		h.play(t, func(_ int, in commission.Input, _ commission.Facts, out commission.Outcome) {
			for _, line := range out.Lines {
				require.False(t, line.Final.IsZero())
				if in.Original != nil {
					continue
				}
				require.True(t, line.Level == 0 || line.Amount.IsPositive())
				require.True(t, line.Amount.IsPositive() == line.Final.IsPositive())
				require.True(t, line.Final.LessThanOrEqual(line.Amount))
				require.True(t, line.Amount.IsPositive() || line.Final.Equal(line.Amount))
			}
		})
	})
}

// No customer is paid for more often, or longer, than the limit says, whatever
// is refunded and whoever is inactive.
func TestLimitsHold(t *testing.T) {
	checkHistories(t, func(t *rapid.T, h *history) {
		count, first := map[string]int{}, map[string]time.Time{}
		h.play(t, func(_ int, in commission.Input, _ commission.Facts, out commission.Outcome) {
			for _, rule := range h.plan.Rules {
				if rule.Limit == (commission.Limit{}) || in.Original != nil || !shared(out, rule.ID) {
					continue
				}
				require.NotEmpty(t, in.Event.CustomerID)
				key := rule.ID + in.Event.CustomerID
				if count[key]++; rule.Limit.Count > 0 {
					require.LessOrEqual(t, count[key], rule.Limit.Count)
					continue
				}
				if _, ok := first[key]; !ok {
					first[key] = in.Event.At
				}
				require.Less(t, in.Event.At.Sub(first[key]), 31*24*time.Hour)
			}
		})
	})
}

// shared tells whether a rule made any share of an event, before caps.
func shared(out commission.Outcome, rule string) bool {
	return slices.ContainsFunc(out.Lines, func(l commission.Line) bool { return l.Rule == rule }) ||
		slices.ContainsFunc(out.Skipped, func(s commission.Skip) bool {
			return s.Rule == rule && !(s.Breakage.IsZero() && s.Capped.IsZero())
		})
}

// Baselines and windows ask a customer's own events, refused ones too, and
// forget what is refunded.
func TestBaselinesAndWindowsHold(t *testing.T) {
	checkHistories(t, func(t *rapid.T, h *history) {
		sums := map[string]decimal.Decimal{}
		h.play(t, func(_ int, in commission.Input, _ commission.Facts, out commission.Outcome) {
			event := in.Event
			if in.Original != nil {
				event = in.Original.Event
			}
			for _, rule := range h.plan.Rules {
				inside := event.CustomerID != "" && h.inside(rule.When, event)
				if !slices.Contains(rule.On, event.Type) {
					continue
				}
				key := rule.ID + event.CustomerID
				switch {
				case inside && in.Original != nil:
					sums[key] = sums[key].Sub(in.Event.Amount)
				case inside:
					sums[key] = sums[key].Add(in.Event.Amount)
				}
				if in.Original == nil && shared(out, rule.ID) {
					require.True(t, inside || rule.When.Within == "" && rule.When.CumulativeMin == "")
					least := decimal.RequireFromString("0" + string(rule.When.CumulativeMin))
					require.True(t, sums[key].GreaterThanOrEqual(least) || rule.When.CumulativeMin == "")
				}
			}
		})
	})
}

func (h *history) inside(c commission.Condition, e transaction.Event) bool {
	from := attributed(e.CustomerID)
	end := from.AddDate(0, 0, 30)
	if c.Within == "1mo" {
		zone, err := time.LoadLocation(h.plan.Timezone)
		if err != nil {
			panic(err)
		}
		end = from.In(zone).AddDate(0, 1, 0) // from the 19th or before the 29th: no month is too short
	}
	return c.Within == "" || !e.At.Before(from) && e.At.Before(end)
}

func asJSON(t require.TestingT, v any) string {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// asText writes counters so that equal ones are the same text. Counters of
// nothing are as good as none.
func asText(facts commission.Facts) []string {
	var lines []string
	for need, c := range maps.All(facts) {
		if c.Count != 0 || !c.Total.IsZero() || !c.Posted.IsZero() {
			lines = append(lines, fmt.Sprintln(need, c.Count, c.First.UTC(), c.Total, c.Posted))
		}
	}
	slices.Sort(lines)
	return lines
}
