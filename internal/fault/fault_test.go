package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/fault"
)

func TestSentinelIsOfItsKind(t *testing.T) {
	t.Parallel()
	errTaken := fault.New(fault.Conflict, "code is taken")
	require.EqualError(t, errTaken, "code is taken")
	wrapped := fmt.Errorf("affiliate: create: %w", errTaken)
	require.ErrorIs(t, wrapped, errTaken)
	require.ErrorIs(t, wrapped, fault.Conflict)
	require.NotErrorIs(t, wrapped, fault.Invalid)
	require.NotErrorIs(t, fault.New(fault.Conflict, "code is taken"), errTaken)
}

func TestField(t *testing.T) {
	t.Parallel()
	err := fault.Field("amount", "is larger than %d", 7)
	require.EqualError(t, err, "amount: is larger than 7")
	require.ErrorIs(t, err, fault.Invalid)
	require.EqualError(t, fault.Field("", "is empty"), "is empty")

	caused := &fault.InvalidError{Field: "body", Problem: "ends early", Cause: io.ErrUnexpectedEOF}
	require.ErrorIs(t, caused, fault.Invalid)
	require.ErrorIs(t, caused, io.ErrUnexpectedEOF)
}

func TestCheckTellsAllProblems(t *testing.T) {
	t.Parallel()
	var none fault.Check
	none.That(true, "a", "is wrong")
	none.Err("b", nil)
	require.NoError(t, none.Done())

	var c fault.Check
	c.That(false, "a", "is %s", "wrong")
	c.Err("b", io.EOF)
	c.Err("c", fault.Field("d", "is missing"))
	c.Err("e", fault.Field("[3]", "is twice there"))
	c.Err("f", fault.Field("", "is long"))
	err := c.Done()
	require.EqualError(t, err, "a: is wrong\nb: EOF\nc.d: is missing\ne[3]: is twice there\nf: is long")
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorIs(t, err, io.EOF)
}

func TestInPutsAPathBeforeEveryField(t *testing.T) {
	t.Parallel()
	require.NoError(t, fault.In("events[3]", nil))
	both := errors.Join(fault.Field("amount", "is missing"), fmt.Errorf("wrapped: %w", fault.Field("type", "is unknown")))
	require.EqualError(t, fault.In("events[3]", both), "events[3].amount: is missing\nevents[3].type: is unknown")
	require.EqualError(t, fault.In("", fault.Field("amount", "is missing")), "amount: is missing")
}

func TestFieldsWalksTheTree(t *testing.T) {
	t.Parallel()
	require.Empty(t, fault.Fields(nil))
	require.Empty(t, fault.Fields(io.EOF))
	err := fmt.Errorf("record: %w", errors.Join(
		fault.Field("a", "is wrong"), io.EOF, errors.Join(fault.Field("b", "is wrong"), fault.Field("c", "is wrong"))))
	var names []string
	for _, f := range fault.Fields(err) {
		names = append(names, f.Field)
	}
	require.Equal(t, []string{"a", "b", "c"}, names)
}
