// Package commission says who earns what from an event, exactly and with its
// reasons. The same input always gives the same lines: rating reads no clock,
// no database and no context, so that the live recording of an event, a
// preview and a second look at the past are the same code. Every line carries
// the calculation that it came from, which can be evaluated again years later
// without the plan.
//
// # The plan
//
// A [Document] is a plan as its author writes it, in JSON ([Parse]) or as a
// literal in Go. Programmes of this market differ in five things that change
// the money, and so a plan states each of them:
//
//   - what an override is a percent of: the transaction's amount, or the
//     commission of level 0 as rounded and before caps ([Overrides].Of);
//   - how tiers join, and what adds up to their base ([Tiers].Mode and Scope);
//   - in what a loss is carried on, and for whom ([Rule].Carry and SplitBy);
//   - who gets the share of an upline that is not active: nobody, the next
//     active one in its place, or beside his own ([Overrides].Inactive);
//   - how a line is rounded ([Document].Rounding), where half up is the
//     default.
//
// This version rates event rules that need no memory of earlier events. The
// rest of a document is read and validated in full, and
// [Document.Unsupported] lists it: [NewPlan] makes no plan of such a document,
// so that none is ever half rated.
//
// # Money
//
// Amounts are decimals, never floats. A line is rounded once, at its end, to
// the decimals of the plan's currency, and then the caps apply in the order of
// the document. A cap per transaction scales the lines pro rata and is exact
// to the smallest unit: each share is floored, the units left go to the
// largest remainders, ties to the earlier line. A line that rounds to zero, or
// of which a cap leaves nothing, is not posted.
//
// # Reasons
//
// Nothing is silent: each event and rule yields lines or a [Skip] with its
// [Reason]. What a plan promises to a level that nobody can take is breakage:
// its affiliate is not active, there is none, or it is outside the categories
// of the step. So the amounts of the lines, those that a cap took whole, and
// the breakage add up to what the plan promises for the event.
package commission
