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
// Event rules pay when an event is rated, period rules when a day, a week or a
// month is closed.
//
// # Periods
//
// [Settle] closes an [Account]: what an affiliate did in a period under one
// rule, and under one value where the rule splits by one. The base is the sum
// of the plus types less that of the minus types; what a refund takes back is
// taken off the type of its original, at the refund's own time. A high-roller
// policy sets customers aside before anything else. Then
//
//	opening + base    is rated, where a loss of the base is carried, and only if above zero
//	commission        is what the rates give, rounded once
//	opening + commission, where a loss of the commission is carried
//	payable           is what is above zero of that, less advances to recoup
//	closing           is the loss that is carried on, at most carry_cap
//
// Each version of the plan that was in force rates its own part of the base; the
// results are added, and the last version sets what there is once: carry, hold,
// high rollers, recoup and overrides. The [Footing] holds all of it, and can be
// evaluated again like any [Calculation]. Nothing is settled where nothing
// happened: what was carried waits.
//
// A loss is one of the base or of the commission, as the version that closed with
// it said, and counts once: the next version may carry the other kind, and then
// carries on only what is negative of that. A customer whom a high-roller policy
// carries alone has a balance in each account: a quarantine sets all that he does
// against it until it is above zero, a pro rata policy only what he loses again.
// Advances are level-0 lines of event rules, after caps: what is still to be
// earned of them is a balance beside the losses, and where more of them is taken
// back than that, it is paid again.
//
// A period is an [Interval], half-open in the plan's zone, and begins where the
// one before it ended, also where a new version has another zone. Its lines are
// of the moment in which it ends, and available a hold later; a cap counts them
// in the stretch of time of the last instant before. A transaction that is recorded
// after its period was closed is late: it counts in the next one, as an [Item]
// that names the old one, and makes no customer active.
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
