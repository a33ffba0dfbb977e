package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/transaction"
)

var codes = []string{"ANA", "BIA", "CAIO"}

// readAll reads a file in batches of n.
func readAll(t *testing.T, text []byte, only string, n int) (events []transaction.Event, rows []int, counted tally, err error) {
	t.Helper()
	r, err := newReader(bytes.NewReader(text), "import", codes)
	if err != nil {
		return nil, nil, counted, err
	}
	for calls := 0; ; calls++ {
		require.LessOrEqual(t, calls, len(text), "it comes to an end")
		e, at, err := r.next(n, only, &counted)
		require.LessOrEqual(t, len(e), n, "memory is bounded by the batch")
		require.Len(t, at, len(e))
		events, rows = append(events, e...), append(rows, at...)
		if errors.Is(err, io.EOF) {
			return events, rows, counted, nil
		}
		require.NoError(t, err)
		require.Len(t, e, n, "only the last batch is smaller")
	}
}

// Of any bytes, each row is counted once: it is an event, refused, or left out.
func FuzzReader(f *testing.F) {
	f.Add([]byte(head+sales(1, 3)), "")
	f.Add([]byte(head+sales(1, 3)+"x,c,,deposit,1,2026-07-01T10:00:00Z,\n"), "sale")
	f.Add([]byte("created_at,amount,type,original_id\r\n2026-07-01T10:00:00.123456789+05:30,1e3,bet,1\r\n\r\n\"2026-07-01T10:00:00Z\",\"\",\"be\nt\",\"\"\"\"\n"), "")
	f.Add([]byte(head+"1,\"c\n2,c,BIA,sale,1.00,2026-07-01T10:00:00Z,web\n"), "")
	f.Add([]byte(head+"1,c\"c\",BIA,sale\n,,,,,,\n,\n\n"), "")
	f.Add([]byte("original_id,type,amount,created_at,affiliate_id,currency,source_table,reverses,,\xff\n1,sale,-1,2026-07-01T10:00:00Z,x,,,,,\n"), "")
	f.Add([]byte("\xef\xbb\xbforiginal_id,type,amount,created_at\n1,sale,1e999999999,2026-07-01T10:00:00Z\n"), "")
	f.Add([]byte("\"\n"), "")
	f.Fuzz(func(t *testing.T, text []byte, only string) {
		if len(text) > 1<<16 {
			return
		}
		events, rows, counted, err := readAll(t, text, only, 3)
		if err != nil {
			require.Zero(t, counted.rows, "refused before the first row")
			return
		}
		require.Equal(t, records(text), counted.rows)
		require.Equal(t, counted.rows, len(events)+counted.refused+counted.left)
		require.LessOrEqual(t, len(counted.why), 10)
		for _, why := range counted.why {
			require.LessOrEqual(t, len(why), 400, "what is shown of a row is short")
		}
		for i, row := range rows {
			require.Greater(t, row, 1, "after the head")
			require.True(t, i == 0 || row > rows[i-1])
			require.True(t, only == "" || string(events[i].Type) == only)
			// The library decides whether it is an event, and never panics.
			_ = events[i].Normalize("BRL", now).Validate("BRL", now)
		}
		again, _, whole, err := readAll(t, text, only, 1000)
		require.NoError(t, err)
		require.Equal(t, events, again, "the size of a batch changes nothing")
		require.Equal(t, counted, whole)
	})
}

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// records counts the rows of a file after its head.
func records(text []byte) (n int) {
	r := csv.NewReader(bytes.NewReader(text))
	_, _ = r.Read()
	for {
		if _, err := r.Read(); errors.Is(err, io.EOF) {
			return n
		}
		n++
	}
}

// A time is read exactly, or the row is refused: nothing is guessed.
func FuzzTime(f *testing.F) {
	for _, text := range []string{
		"2026-07-01T10:00:00Z", "2026-07-01T10:00:00.123456789-03:00", "2024-02-29T23:59:59+14:00", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999-23:59",
		"", "2026-02-29T10:00:00Z", "2026-07-01 10:00:00", "2026-07-01T10:00:60Z", "2026-07-01T24:00:00Z", "2026-07-01T1:00:00Z", "2026-07-01T10:00:00,5Z",
		"2026-07-01T10:00:00+24:00", "1751364000", "2026-07-01T10:00:00", "٢٠٢٦-07-01T10:00:00Z", "2026-07-01T10:00:00z", "\xff",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := newReader(strings.NewReader("original_id,type,amount,created_at\n"), "import", codes)
		require.NoError(t, err)
		e, err := r.event([]string{"1", "sale", "1.00", text})
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "created_at: "), err.Error())
			return
		}
		// RFC 3339; package time also takes an hour of one digit and a comma.
		require.Regexp(t, `^\d{4}-\d\d-\d\dT\d?\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)$`, text)
		written, err := time.Parse(time.RFC3339Nano, e.At.Format(time.RFC3339Nano))
		require.NoError(t, err)
		require.True(t, written.Equal(e.At))
		kept := e.Normalize("BRL", now)
		require.Less(t, e.At.Sub(kept.At).Abs(), time.Microsecond)
		if kept.Validate("BRL", now) == nil {
			require.False(t, kept.At.Before(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
			require.False(t, kept.At.After(now.Add(24*time.Hour)))
		}
	})
}
