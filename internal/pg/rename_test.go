package pg

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// SQL is renamed once: the second time it is the very same text.
func TestRenamedSQLIsKept(t *testing.T) {
	t.Parallel()
	h := of(In(nil, "acme"))
	first, second := h.sql("select from fature.users"), h.sql("select from fature.users")
	require.Equal(t, "select from acme.users", first)
	require.Same(t, unsafe.StringData(first), unsafe.StringData(second))
	bound := of(Bind(h, nil))
	require.Same(t, unsafe.StringData(first), unsafe.StringData(bound.sql("select from fature.users")), "in a transaction too")
}
