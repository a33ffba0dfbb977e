package cache

import (
	"context"
)

// refresh loads a value again while the old one is still given out. One
// refresh of a key runs at a time in a process.
func (v *View[K, V]) refresh(k K) {
	one, first := v.refreshes.join(k)
	if !first {
		return
	}
	begun := v.space.start(func(ctx context.Context) {
		defer v.refreshes.end(k, one)
		ctx, cancel := context.WithTimeout(ctx, v.space.options.LoadTime)
		defer cancel()
		v.reload(ctx, k, v.key(k))
	})
	if !begun {
		v.refreshes.end(k, one)
	}
}

// reload replaces what is there, unless it is deleted meanwhile, or another
// process has refreshed it already.
func (v *View[K, V]) reload(ctx context.Context, k K, key string) {
	begun := v.begin(k)
	var stamp []byte
	if v.space.far != nil {
		found, err := v.space.far.Read(ctx, []string{key})
		if err != nil {
			v.space.fails(ctx, "read", err)
			return
		}
		e, ok := open(found[0])
		if !ok || e.kind == kindLease {
			return // somebody is at it, or it was deleted
		}
		if h, ok, _ := v.decode(found[0]); ok && h.age() <= v.ahead {
			v.keep(k, begun, *h)
			return
		}
		stamp = e.stamp
	} else if h, ok := v.near.GetIfPresent(k); !ok || h.age() <= v.ahead {
		return
	}
	_, _ = v.load(ctx, k, key, begun, stamp) // who reads next gets the error
}
