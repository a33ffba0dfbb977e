// Package session lets users in: passwords, login, sessions.
//
// Passwords are hashed by bcrypt, at most one for each processor at a time. A
// login answers in the same time and with the same words whether the address
// is unknown, the password is wrong or the user is not active.
//
// A session is known by an opaque token of 256 random bits, which is given out
// once, at login; only its SHA-256 is kept, in Redis where the programme has
// one and else in PostgreSQL. Whether it still holds is decided by its user's
// row in PostgreSQL: another password, a suspension or RevokeAll ends every
// session of the user in the transaction that it happens in, also where Redis
// is away, and also where somebody writes SQL by hand.
//
// # How attempts are limited
//
// Attempts that fail are counted for the account, for the address (an IPv6
// address by its /64) and for the programme, in Redis where there is one, so
// that all processes count together. They only ever slow down:
//
//   - An account has 5 attempts at once; each further one waits, 1 s at first
//     and twice as long each time, but never more than 1 min. That is at most 72
//     in the first hour and 60 in each further one. One is forgotten each 5 min.
//   - An address has 50, and then waits likewise; one is forgotten each 30 s.
//   - The programme has 500, and then waits 1 s; five are forgotten each second.
//     This bounds what many addresses do together.
//
// A refused attempt (TooManyError) does not compare the password, is not
// counted and prolongs nothing. A right password resets the account.
//
// Who attacks an account from elsewhere competes with its owner for that one
// attempt a minute, so the last ten addresses from which the account was logged
// in, within 30 days, are known: from there the account is counted apart, by
// the same rule, and the programme's limit does not apply. What holds: nobody
// is locked out for good; an owner at a known address is slowed only by what
// comes from that address; an owner at a new address may have to try at the
// right moment, a minute at most away, for as long as an attack goes on.
//
// Where there is no Redis, or it fails, each process counts by itself: it has
// counted all along what passed through it, so that a failure opens nothing,
// and n processes let n times as many through at most.
package session
