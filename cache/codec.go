package cache

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Codec turns values into bytes and back. Raise a view's Version when its
// codec, or the type that it encodes, changes.
type Codec[V any] interface {
	Encode(v V) ([]byte, error)
	Decode(data []byte) (V, error)
}

// CBOR is the Codec of views that name none: RFC 8949, with times to the
// nanosecond and in their zone. Decimals and UUIDs are their own binary form.
type CBOR[V any] struct{}

var (
	encoding = must(cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode())
	decoding = must(cbor.DecOptions{}.DecMode())
)

// Encode implements Codec.
func (CBOR[V]) Encode(v V) ([]byte, error) { return encoding.Marshal(v) }

// Decode implements Codec.
func (CBOR[V]) Decode(data []byte) (v V, err error) {
	err = decoding.Unmarshal(data, &v)
	return v, err
}

func must[T any](made T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("cache: %v", err)) // the options above are wrong
	}
	return made
}
