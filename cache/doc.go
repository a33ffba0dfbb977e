// Package cache keeps values near their readers: in the process, in Redis, and
// where neither has them it loads them, once.
//
// A [View] is typed: it reads a V for a K. It stands on a [Space], which is one
// namespace with its life, its figures and a [Backend] that all processes
// share: [Redis], [Memory], or nil for none. On top of it lies a layer in the
// process, whose hits cost a look-up and no decoding. Three constructors are
// the strategies: [Aside] loads what is missing, [RefreshAhead] loads again
// before it is missing, [WriteThrough] writes both.
//
// # What holds
//
// Errors of the backend never fail a read: the value is loaded. A value is
// loaded once at a time in a process, however many want it, and once across
// processes if the load ends within [Options].Wait: who misses puts a token
// under the key, and the others wait for what replaces it. Delete removes value
// and token alike, so that a load that began before cannot store what it read
// then. A load that fails is not kept, but its absence is, where the view names
// the error that means it, for a minute at most.
//
// What a read returns is at most Options.Near old when it comes from the
// process, since no process can reach into another; otherwise it is what was
// there at the last Delete or later, or, where a Delete could not be delivered,
// at most the life of the namespace old, and a tenth.
package cache
