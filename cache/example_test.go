package cache_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fature/fature/cache"
)

var prices = map[string]int{"tea": 3}

var errNoPrice = errors.New("no price")

func price(_ context.Context, of string) (int, error) {
	fmt.Println("load", of)
	if p, ok := prices[of]; ok {
		return p, nil
	}
	return 0, errNoPrice
}

// A value is loaded when it is missing, and kept.
func ExampleAside() {
	ctx := context.Background()
	space := cache.NewSpace(cache.Namespace{Name: "price", TTL: time.Hour}, cache.Memory(1000), cache.Options{})
	view := cache.Aside(space, cache.Config[string, int]{Load: price, Absent: errNoPrice})
	for range 2 {
		fmt.Println(view.Get(ctx, "tea"))
		fmt.Println(view.Get(ctx, "tar"))
	}
	_ = view.Delete(ctx, "tea") // its price has changed
	fmt.Println(view.Get(ctx, "tea"))
	fmt.Printf("%.2f\n", space.Figures().HitRate())
	// Output:
	// load tea
	// 3 <nil>
	// load tar
	// 0 no price
	// 3 <nil>
	// 0 no price
	// load tea
	// 3 <nil>
	// 0.40
}

// A value is stored where it is true, and kept.
func ExampleWriteThrough() {
	ctx := context.Background()
	space := cache.NewSpace(cache.Namespace{Name: "price", TTL: time.Hour}, cache.Memory(1000), cache.Options{})
	view := cache.WriteThrough(space, cache.Config[string, int]{Load: price},
		func(_ context.Context, of string, p int) error { fmt.Println("store", of, p); return nil })
	fmt.Println(view.Put(ctx, "jam", 5))
	fmt.Println(view.Get(ctx, "jam"))
	// Output:
	// store jam 5
	// <nil>
	// 5 <nil>
}

// A value that is read late in its life is loaded again behind the reader's
// back.
func ExampleRefreshAhead() {
	ctx := context.Background()
	space := cache.NewSpace(cache.Namespace{Name: "price", TTL: time.Hour}, cache.Memory(1000), cache.Options{})
	view := cache.RefreshAhead(space, cache.Config[string, int]{Load: price}, 0.8)
	fmt.Println(view.Get(ctx, "tea"))
	value, err := view.Read(ctx, "tea")
	fmt.Println(value.V, value.From, err)
	space.Close() // waits for what is refreshed
	// Output:
	// load tea
	// 3 <nil>
	// 3 near <nil>
}
