package cache

import (
	"context"
	"errors"
	"time"
)

// GetMany reads the values of many keys in four calls: what is not near is read
// from the backend at once, what is not there is claimed, loaded and stored at
// once. It does not wait for loads of other processes. Keys of which there is
// nothing are left out.
func (v *View[K, V]) GetMany(ctx context.Context, ks []K) (map[K]V, error) {
	found := make(map[K]V, len(ks))
	if v.off {
		return found, v.loadMany(ctx, ks, func(k K, h held[V]) {
			if !h.absent {
				found[k] = h.v
			}
		})
	}
	take := func(k K, h held[V], from From) {
		if value, err := v.hit(k, h, from); err == nil {
			found[k] = value.V
		}
	}
	missing := make(map[K]uint64) // and how far their invalidations were
	for _, k := range ks {
		if v.near != nil {
			if h, ok := v.near.GetIfPresent(k); ok {
				take(k, h, Near)
				continue
			}
		}
		missing[k] = v.begin(k)
	}
	m := v.askMany(ctx, missing)
	for k, h := range m.held {
		v.keep(k, missing[k], h)
		take(k, h, Far)
		delete(missing, k)
	}
	if len(missing) == 0 {
		return found, nil
	}
	rest := make([]K, 0, len(missing))
	for k := range missing {
		rest = append(rest, k)
	}
	v.space.figures.loads.Add(int64(len(rest)))
	store := make([]Item, 0, len(m.claimed))
	err := v.loadMany(ctx, rest, func(k K, h held[V]) {
		v.keep(k, missing[k], h)
		if m.claimed[k] {
			store = append(store, v.item(ctx, v.key(k), h))
			delete(m.claimed, k)
		}
		if !h.absent {
			found[k] = h.v
		}
	})
	for k := range m.claimed { // not loaded: the next one need not wait
		store = append(store, Item{Key: v.key(k)})
	}
	if len(store) > 0 {
		v.swap(context.WithoutCancel(ctx), m.lease, store...)
	}
	if err != nil {
		v.space.figures.failed.Add(int64(len(rest)))
		return nil, err
	}
	return found, nil
}

// asked is what the backend has of many keys.
type asked[K comparable, V any] struct {
	held    map[K]held[V]
	lease   []byte
	claimed map[K]bool // those that the lease is under
}

// askMany reads keys and claims those that are free.
func (v *View[K, V]) askMany(ctx context.Context, ks map[K]uint64) asked[K, V] {
	m := asked[K, V]{held: map[K]held[V]{}, lease: newLease(), claimed: map[K]bool{}}
	if v.space.far == nil || len(ks) == 0 {
		return m
	}
	order, keys := make([]K, 0, len(ks)), make([]string, 0, len(ks))
	for k := range ks {
		order, keys = append(order, k), append(keys, v.key(k))
	}
	raw, err := v.space.far.Read(ctx, keys)
	if err != nil {
		v.space.fails(ctx, "read", err)
		return m
	}
	var free []Item
	var of []K
	var useless []string
	for i, k := range order {
		if raw[i] != nil {
			h, ok, keep := v.decode(raw[i])
			if ok && h != nil {
				m.held[k] = *h
			}
			if ok || keep {
				continue
			}
			useless = append(useless, keys[i])
		}
		free, of = append(free, Item{keys[i], m.lease, leaseLife}), append(of, k)
	}
	if len(useless) > 0 {
		if err := v.space.far.Delete(ctx, useless); err != nil {
			v.space.fails(ctx, "delete", err)
			return m
		}
	}
	if len(free) == 0 {
		return m
	}
	there, err := v.space.far.Claim(ctx, free)
	if err != nil {
		v.space.fails(ctx, "claim", err)
		return m
	}
	for i, k := range of {
		if there[i] == nil {
			m.claimed[k] = true
		} else if h, ok, _ := v.decode(there[i]); ok && h != nil {
			m.held[k] = *h
		}
	}
	return m
}

// loadMany loads keys and hands over each, also that there is nothing, where
// the view remembers that.
func (v *View[K, V]) loadMany(ctx context.Context, ks []K, take func(k K, h held[V])) error {
	at := time.Now().UnixMicro()
	if v.LoadMany != nil {
		loaded, err := v.LoadMany(ctx, ks)
		if err != nil {
			return err
		}
		for _, k := range ks {
			if value, ok := loaded[k]; ok {
				take(k, held[V]{v: value, at: at})
			} else if v.Absent != nil {
				take(k, held[V]{at: at, absent: true})
			}
		}
		return nil
	}
	for _, k := range ks {
		value, err := v.Load(ctx, k)
		switch {
		case err == nil:
			take(k, held[V]{v: value, at: time.Now().UnixMicro()})
		case v.Absent != nil && errors.Is(err, v.Absent):
			take(k, held[V]{at: time.Now().UnixMicro(), absent: true})
		default:
			return err
		}
	}
	return nil
}
