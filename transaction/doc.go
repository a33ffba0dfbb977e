// Package transaction keeps the events of value that a host reports: sales,
// deposits, bets and the like, each once, each for ever.
//
// An event is validated whole before anything is written, and its key,
// SourceTable with OriginalID, makes it safe to report twice: the same content
// is a repetition, other content a conflict that names the field. What is
// stored never changes but for its status; a correction is a new event.
//
// Amounts are decimals in the programme's currency and never negative; times
// are kept in UTC to the microsecond.
package transaction
