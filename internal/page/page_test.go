package page_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
)

type key struct {
	Level int32     `json:"l"`
	ID    uuid.UUID `json:"i"`
}

func TestLimit(t *testing.T) {
	t.Parallel()
	for asked, want := range map[int]int{0: page.DefaultLimit, 1: 1, 200: 200, page.MaxLimit: page.MaxLimit} {
		got, err := page.Limit(asked)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, asked := range []int{-1, page.MaxLimit + 1, math.MinInt, math.MaxInt} {
		_, err := page.Limit(asked)
		requireField(t, err, "limit")
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	itself := func(n int) int { return n }

	last := page.Cut([]int{1, 2, 3}, 3, itself)
	require.Equal(t, page.Page[int]{Items: []int{1, 2, 3}}, last)

	more := page.Cut([]int{1, 2, 3, 4}, 3, itself)
	require.Equal(t, []int{1, 2, 3}, more.Items)
	after, err := page.Parse[int](more.Next)
	require.NoError(t, err)
	require.Equal(t, 3, after)
}

func TestCursorIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := key{rapid.Int32().Draw(t, "level"), uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))}
		got, err := page.Parse[key](page.Cursor(want))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestCursorIsRefused(t *testing.T) {
	t.Parallel()
	good := page.Cursor(key{Level: 7, ID: uuid.Max})
	for name, cursor := range map[string]string{
		"empty":               "",
		"no base64":           "not a cursor!",
		"padded":              good + "=",
		"cut":                 good[:len(good)-4],
		"line end":            good[:8] + "\n" + good[8:],
		"of another list":     page.Cursor("text"),
		"null":                page.Cursor[*key](nil),
		"number out of range": page.Cursor(map[string]any{"l": int64(1) << 40, "i": uuid.Max}),
		"unknown field":       page.Cursor(map[string]any{"l": 7, "i": uuid.Max, "x": 1}),
		"missing field":       page.Cursor(map[string]any{"l": 7}),
		"long":                strings.Repeat("A", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := page.Parse[key](cursor)
			requireField(t, err, "cursor")
			require.Zero(t, got)
		})
	}
}

// Whatever is accepted is exactly what Cursor writes.
func FuzzParse(f *testing.F) {
	f.Add(page.Cursor(key{Level: 7, ID: uuid.Max}))
	f.Add("bnVsbA")
	f.Add("e30")
	f.Fuzz(func(t *testing.T, cursor string) {
		got, err := page.Parse[key](cursor)
		if err != nil {
			requireField(t, err, "cursor")
			return
		}
		require.Equal(t, cursor, page.Cursor(got))
	})
}

func TestAll(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	pages := map[string]page.Page[int]{"": {Items: []int{1, 2}, Next: "b"}, "b": {Next: "c"}, "c": {Items: []int{3}}}
	var asked []string
	fetch := func(cursor string) (page.Page[int], error) {
		asked = append(asked, cursor)
		p, ok := pages[cursor]
		if !ok {
			return p, broken
		}
		return p, nil
	}

	require.Equal(t, []int{1, 2, 3}, collect(t, fetch))

	asked = nil
	for range page.All(fetch) {
		break
	}
	require.Equal(t, []string{""}, asked, "a loop that ends asks for no more pages")

	delete(pages, "c")
	var seen []int
	for n, err := range page.All(fetch) {
		if err != nil {
			require.ErrorIs(t, err, broken)
			require.Equal(t, []int{1, 2}, seen)
			return
		}
		seen = append(seen, n)
	}
	t.Fatal("the error was not given")
}

func collect(t *testing.T, fetch func(string) (page.Page[int], error)) (all []int) {
	for n, err := range page.All(fetch) {
		require.NoError(t, err)
		all = append(all, n)
	}
	return all
}

func requireField(t *testing.T, err error, field string) {
	t.Helper()
	require.ErrorIs(t, err, fault.Invalid)
	require.Len(t, fault.Fields(err), 1)
	require.Equal(t, field, fault.Fields(err)[0].Field)
}
