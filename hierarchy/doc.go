// Package hierarchy keeps the tree of affiliates: who stands under whom. Two
// changes at once never make a cycle and never leave a wrong upline behind,
// and changes in different trees do not wait for each other.
//
// The truth is affiliates.parent_id. Beside it stands the closure, one row for
// each pair of ancestor and descendant with their distance, so that an upline
// or a page of a downline is one probe of an index whatever the size of the
// tree. A chain costs quadratically, hence the greatest depth of [Options].
//
// The package knows affiliates by their ids only. A level counts from a root,
// which is at 0; the level of a [Relative] counts from the one that was asked
// about, so a parent and a child are at 1.
//
// # Changes
//
// [Store.Attach], [Store.Move] and [Store.Detach] run in a transaction of their
// own, or in the host's after [Store.WithTx], where a refused call leaves
// nothing behind even if the host goes on and commits. They lock the trees they
// touch until that transaction ends: attaches share a tree, a move or a detach
// has its trees to itself. A new root waits for nobody. Very large batches, and
// [Store.Rebuild], wait for all changes under way and hold up all others.
//
// A host that makes several moves in one transaction should name all of them
// to [Store.LockTrees] first: two transactions that move between the same trees
// in different orders can wait for each other, and PostgreSQL ends one of them
// with a deadlock error, which says that it may be tried again.
//
// The host's transaction must be at READ COMMITTED, PostgreSQL's default. A
// change at REPEATABLE READ or SERIALIZABLE would not see what others committed
// while it waited for its lock; it is refused with [ErrIsolation].
//
// # Reads
//
// Reads take no locks and run at any isolation. [Store.Outline] is the top of a
// tree of any size, for a picture of it. [Store.AsOf] and [Store.UplineAsOf]
// read the tree as it was at a time, and [Past] holds it as any rating saw it.
// [Checks] are the invariants of the tree, and [Store.Rebuild] makes the closure
// anew from parent_id.
package hierarchy
