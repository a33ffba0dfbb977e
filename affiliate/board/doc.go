// Package board makes a game of it: rankings of a programme's affiliates,
// achievements that they are awarded once, and promotion to a higher category.
//
// A [Board] ranks by one [Metric] over one [Period]: a day, a week from Monday
// or a month of the programme's zone, the present one or a past one, or all
// time. On it is every active affiliate whose score is above zero; those who
// are pending, suspended or closed are not, nor is a score of zero or less,
// which refunds can lead to. Equal scores share the rank, and the ranks after
// them are left out: 1, 2, 2, 4. Among equals the newest affiliate (the highest
// id) comes first, as in every list of fature.
//
// What a metric counts:
//
//   - volume: sale, deposit and bet, less what refunds and chargebacks take back
//     of one, over transactions that are processed or reversed, by when they
//     happened. An affiliate's own, not its downline's.
//   - commissions: the final amount of its lines that are not void, reversals
//     and adjustments included, by when they were earned.
//   - customers: whom it owned for the first time. A transferred customer counts
//     for the affiliate that it came to as well, at the time of the transfer;
//     one that comes back counts no second time.
//   - recruits: its direct children of whatever status, by when each came to it
//     first: when it joined, or when it was moved there. A child that has moved
//     on counts for its new parent only.
//
// # How old an answer may be
//
// A board is as of the moment that it tells, at most 15 minutes ago. With Redis
// it is a sorted set under ranking:{metric}:{period}:{start}, which one process
// at a time builds from PostgreSQL; a rank or a page is one round trip. Without
// Redis, or while it fails, each process keeps the boards that it is asked for
// itself, for the same time. So an answer may go back by up to 15 minutes at
// the moment when Redis goes or returns. Names are read with each page and never
// old. A store that is bound by WithTx reads the truth of its transaction.
package board
