package cache

import (
	"context"
	"time"
)

// Item is bytes to be kept under a key.
type Item struct {
	Key   string
	Value []byte
	TTL   time.Duration // more than zero
}

// Backend keeps bytes under keys for a time. It is safe for concurrent use,
// each call is one round trip, and ends when its context does. An error means
// that the caller cannot know what became of the call; a view goes on without
// the backend then.
type Backend interface {
	// Read returns what is under each key, in their order: nil is nothing, and
	// an empty value is something that is not a value.
	Read(ctx context.Context, keys []string) ([][]byte, error)
	// Claim stores each item where nothing is, and returns what was there
	// before: nil where the item is now.
	Claim(ctx context.Context, items []Item) ([][]byte, error)
	// Swap replaces what begins with was, and tells where it did. An item
	// without a value removes what is there.
	Swap(ctx context.Context, was []byte, items []Item) ([]bool, error)
	// Write stores items, whatever is there.
	Write(ctx context.Context, items []Item) error
	// Delete removes whatever is under the keys.
	Delete(ctx context.Context, keys []string) error
}
