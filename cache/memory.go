package cache

import (
	"bytes"
	"context"
	"time"

	"github.com/maypok86/otter/v2"
)

// memory is a Backend inside the process.
type memory struct{ held *otter.Cache[string, Item] }

// Memory makes a Backend in this process for at most so many entries: for a
// host that is one process alone. Others do not see what it holds, nor what it
// is told to delete.
func Memory(entries int) Backend {
	return memory{otter.Must(&otter.Options[string, Item]{
		MaximumSize:      entries,
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, Item]) time.Duration { return e.Value.TTL }),
	})}
}

func (m memory) Read(_ context.Context, keys []string) ([][]byte, error) {
	found := make([][]byte, len(keys))
	for i, key := range keys {
		if item, ok := m.held.GetIfPresent(key); ok {
			found[i] = item.Value
		}
	}
	return found, nil
}

func (m memory) Claim(_ context.Context, items []Item) ([][]byte, error) {
	found := make([][]byte, len(items))
	for i, item := range items {
		if there, set := m.held.SetIfAbsent(item.Key, item); !set {
			found[i] = there.Value
		}
	}
	return found, nil
}

func (m memory) Swap(_ context.Context, was []byte, items []Item) ([]bool, error) {
	swapped := make([]bool, len(items))
	for i, item := range items {
		m.held.ComputeIfPresent(item.Key, func(there Item) (Item, otter.ComputeOp) {
			switch swapped[i] = bytes.HasPrefix(there.Value, was); {
			case !swapped[i]:
				return there, otter.CancelOp
			case len(item.Value) == 0:
				return item, otter.InvalidateOp
			}
			return item, otter.WriteOp
		})
	}
	return swapped, nil
}

func (m memory) Write(_ context.Context, items []Item) error {
	for _, item := range items {
		m.held.Set(item.Key, item)
	}
	return nil
}

func (m memory) Delete(_ context.Context, keys []string) error {
	for _, key := range keys {
		m.held.Invalidate(key)
	}
	return nil
}
