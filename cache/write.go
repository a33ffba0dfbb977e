package cache

import (
	"context"
	"errors"
	"time"
)

// Delete makes the next read load. It is called when the change that makes the
// values old is committed, and no sooner. It costs one call of the backend for
// each 1,000 keys. Where that cannot be told, the error is ErrUndelivered.
func (v *View[K, V]) Delete(ctx context.Context, ks ...K) error {
	if v.off || len(ks) == 0 {
		return nil
	}
	keys := make([]string, len(ks))
	for i, k := range ks {
		keys[i] = v.key(k)
	}
	return v.drop(ctx, keys, ks...)
}

// drop forgets what the process holds when the backend has nothing any more,
// and no sooner: a read in between would hold what the backend still gives.
func (v *View[K, V]) drop(ctx context.Context, keys []string, ks ...K) error {
	err := v.space.drop(ctx, keys)
	for _, k := range ks {
		v.forget(k)
	}
	return err
}

// ErrReadOnly is returned by Put of a view that does not write through.
var ErrReadOnly = errors.New("cache: the view does not write through")

// Put stores a value where it is true, and then keeps it. Of two that put at
// once the cache keeps the later, or neither. An error of the store is
// returned, and nothing is kept; ErrUndelivered says that the value is stored
// and the backend may go on giving the one before.
func (v *View[K, V]) Put(ctx context.Context, k K, value V) error {
	switch {
	case v.store == nil:
		return ErrReadOnly
	case v.off:
		return v.store(ctx, k, value)
	}
	begun, key := v.begin(k), v.key(k)
	lease := v.overwrite(ctx, key)
	err := v.store(ctx, k, value)
	h := held[V]{v: value, at: time.Now().UnixMicro()}
	if err == nil && v.replace(ctx, key, lease, h) {
		v.settle(k, begun, h)
		return nil
	}
	return errors.Join(err, v.drop(context.WithoutCancel(ctx), []string{key}, k))
}

// overwrite puts a lease where a value may be: while it stands, neither a load
// nor another Put has come between. It is nil where there is none.
func (v *View[K, V]) overwrite(ctx context.Context, key string) []byte {
	if v.space.far == nil {
		return nil
	}
	lease := newLease()
	if err := v.space.far.Write(ctx, []Item{{key, lease, leaseLife}}); err != nil {
		v.space.fails(ctx, "write", err)
		return nil
	}
	return lease
}

// replace puts a value where the lease still stands, and tells whether it did.
func (v *View[K, V]) replace(ctx context.Context, key string, lease []byte, h held[V]) bool {
	if v.space.far == nil {
		return true
	}
	if lease == nil {
		return false
	}
	swapped, err := v.space.far.Swap(ctx, lease, []Item{v.item(ctx, key, h)})
	if err != nil {
		v.space.fails(ctx, "swap", err)
		return false
	}
	return swapped[0]
}

// settle holds what was put, unless another came between, and nothing that a
// load found which began before.
func (v *View[K, V]) settle(k K, begun uint64, h held[V]) {
	g := v.guard(k)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
	switch {
	case v.near == nil:
	case g.count == begun+1:
		v.near.Set(k, h)
	default:
		v.near.Invalidate(k)
	}
	v.flights.forget(k)
}
