package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/page"
)

// Whatever comes: the decoder ends soon, without a panic, and refuses by the
// kinds that it has. What it takes it would take again as it wrote it, and be
// told the same.
func FuzzDecode(f *testing.F) {
	var named []bodyCase
	event := byte(0)
	for _, b := range bodies {
		if b.into == nil {
			continue
		}
		if _, is := b.into().(*eventJSON); is {
			event = byte(len(named))
		}
		f.Add(byte(len(named)), []byte(b.body))
		f.Add(byte(len(named)), []byte(b.rest))
		named = append(named, b)
	}
	for _, value := range badValues {
		f.Add(event, []byte(`{"metadata": {"k": `+value+`}, "amount": `+value+`, "created_at": `+value+`, "reverses": `+value+`}`))
	}
	f.Add(event, []byte(`{"type": "sale", "amount": "1", "created_at": "2026-01-01T00:00:00+24:00"}`))
	f.Add(event, []byte(` {"type": "sale" , "Type": "bet", "type": "win"}`))
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		b := named[int(which)%len(named)]
		read, again := b.into(), b.into()
		start := time.Now()
		err := decode(data, read)
		require.Less(t, time.Since(start), 2*time.Second)
		if err != nil {
			require.True(t, errors.As(err, new(malformed)) || errors.Is(err, fature.ErrInvalid), "%T: %v", err, err)
			p := problemOf(err)
			require.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity}, p.Status)
			require.LessOrEqual(t, len(p.Errors), mostErrors)
			return
		}
		if withoutDocument(read) {
			return // which is refused later
		}
		text, err := json.Marshal(read)
		require.NoError(t, err)
		require.NoError(t, decode(text, again), "%s", text)
		rewritten, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(text), string(rewritten))
	})
}

// withoutDocument tells of a sample with a plan that has none.
func withoutDocument(read any) bool {
	sample, is := read.(*commission.Sample)
	if !is {
		return false
	}
	for _, p := range sample.Plans {
		if p.Document.Name == "" {
			return true
		}
	}
	return false
}

// Whatever the query: it is read without a panic, each parameter comes to what a
// list can be asked for, and what is not known, or is given twice, is refused.
func FuzzQuery(f *testing.F) {
	cursor := page.Cursor(page.Moment{At: time.Unix(1, 0).UTC(), ID: uuid.Max})
	for _, seed := range []string{
		"", "limit=50&cursor=" + cursor, "limit=201", "limit=%zz", "affiliate_id=" + uuid.Max.String(), "from=2026-06-01T00:00:00-03:00&to=now", "customer_id=%00",
		"limit=1&limit=2", "limit=1;cursor=x", "x=1", "=&=", "%ff=%ff", "from=", "to=9999-12-31T23:59:59-23:59", "limit=+5", "from=2026-01-01T00:00:00%2B24:00", "limit=%2B5",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := httptest.NewRequest(http.MethodGet, "/v1/transactions", nil)
		r.URL.RawQuery = raw
		q := queryOf(&call{Request: r})
		id, from, to, customer := q.id("affiliate_id"), q.time("from"), q.time("to"), q.text("customer_id")
		limit, after := q.page()
		err := q.done()
		given, readable := url.ParseQuery(raw)
		refused := readable != nil
		for name, values := range given {
			known := strings.Contains(" affiliate_id from to customer_id limit cursor ", " "+name+" ") && name != ""
			refused = refused || !known || len(values) > 1
		}
		if err != nil {
			require.ErrorIs(t, err, fature.ErrInvalid)
			require.Equal(t, http.StatusUnprocessableEntity, problemOf(err).Status)
			return
		}
		require.False(t, refused, "%q is taken", raw)
		require.True(t, limit >= 1 && limit <= largestPage)
		require.Equal(t, given.Get("cursor"), after)
		require.Equal(t, given.Get("customer_id"), customer)
		if text := given.Get("affiliate_id"); text != "" {
			require.Equal(t, strings.ToLower(text), id.String())
		}
		for name, at := range map[string]time.Time{"from": from, "to": to} {
			require.True(t, given.Get(name) != "" || at.IsZero(), name)
			_, err := json.Marshal(at)
			require.NoError(t, err, name)
		}
	})
}

// A body of the largest size is read soon, and what is wrong with it said shortly.
func TestDecodeLargeBodies(t *testing.T) {
	t.Parallel()
	fill := func(item string) []byte {
		return append(append([]byte(`{"transactions": [`), bytes.Repeat([]byte(item+","), largestBatch/(len(item)+1)-100)...), []byte(item+`]}`)...)
	}
	for what, data := range map[string][]byte{
		"zeros": fill("0"), "lists": fill("[]"), "deep lists": fill(strings.Repeat("[", 9000) + strings.Repeat("]", 9000)),
		"fields": append(append([]byte(`{"a":0`), bytes.Repeat([]byte(`,"b":0`), largestBatch/6-10)...), '}'),
		"names":  append(append([]byte(`{"`), bytes.Repeat([]byte(`n`), largestBatch-100)...), []byte(`":0}`)...),
		"open":   bytes.Repeat([]byte("["), largestBatch), "text": append([]byte(`"`), bytes.Repeat([]byte(`\`), largestBatch)...),
	} {
		start := time.Now()
		err := decode(data, new(batchBody))
		took := time.Since(start)
		require.Less(t, len(fmt.Sprint(err)), 10_000, what)
		require.Less(t, took, 30*time.Second, what) // with the race detector on a busy machine
		t.Logf("%s: %s for %.1f MB: %.60q", what, took.Round(time.Millisecond), mb(uint64(len(data))), fmt.Sprint(err))
	}
}
