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
// Event rules are rated in full: every way to pay, conditions, limits,
// overrides and caps. Period rules are read and validated in full, but not
// rated yet: [Document.Unsupported] lists them by path, and [NewPlan] makes no
// plan of such a document, so that none is ever half rated.
//
// # Counters
//
// Limits, baselines, tiers over a stretch of time and caps per customer or
// affiliate remember earlier events in counters, which belong to the name of
// the plan and the id of the rule, whatever the version. [Needs] names those
// that an event may read; the caller locks and reads them, hands them to
// [Rate] as [Facts], and writes back [Outcome].Counters before the next event
// that needs one of them is rated. Most events need none. Rating again in the
// same order, from empty counters, gives the same lines.
//
// # Reversals
//
// A refund, or a chargeback that names a transaction, pays under no rule. It
// takes the [Original] back in proportion, by its lines as they were posted,
// through every level, and so whatever today's plan, tree and status are:
// breakage and what caps took are taken back by the same formula. Each part is
// what is due for all that was refunded so far less what was taken back
// before, so that partial refunds add up to the line exactly and never exceed
// it. The sums of baselines and tiers, and the room of caps, are given back in
// the stretch of time of the original; a limit never is.
//
// # Money
//
// Amounts are decimals, never floats. A line is rounded once, at its end, to
// the decimals of the plan's currency, and then the caps apply in the order of
// the document. A cap per transaction scales the lines pro rata and is exact
// to the smallest unit: each share is floored, the units left go to the
// largest remainders, ties to the earlier line. A cap per customer or affiliate
// cuts the line that crosses it. A line that rounds to zero, or of which a cap
// leaves nothing, is not posted. A line may be negative where tiers take back
// what a refund left posted in excess; no cap touches it.
//
// # Reasons
//
// Nothing is silent: each event and rule yields lines or a [Skip] with its
// [Reason]. What a plan promises to a level that nobody can take is breakage:
// its affiliate is not active, there is none, or it is outside the categories
// of the step. So the amounts of the lines, those that a cap took whole, and
// the breakage add up to what the plan promises for the event; of a reversal,
// to the part of that which it takes back.
package commission
