// Package affiliate keeps the people of a programme: users, the affiliates
// among them with their referral codes, and the customers whom they brought.
//
// A user has an e-mail address that nobody shares in any case or form of
// Unicode. An affiliate belongs to one user, stands at one place in the tree
// (package hierarchy), and is never deleted, since its lines remain. A
// referral code leads to its affiliate for ever, also when another took its
// place; beside the one code of its links an affiliate has any number of
// coupons, which customers give. A customer is known by the host's own id and belongs to one affiliate
// at a time; whose it was is kept.
//
// Each store is a small struct over the host's pool; WithTx binds a copy to
// the host's transaction.
package affiliate
