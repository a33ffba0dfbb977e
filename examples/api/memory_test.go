package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	held "runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// hostile is a round of requests that are refused, each with what was never
// asked for before, so that whatever is kept of them shows.
func (s *story) hostile() (list []func() (status int, err error)) {
	admin := s.tokens["admin"]
	ask := func(token, call, body string) {
		method, path, _ := strings.Cut(call, " ")
		list = append(list, func() (int, error) {
			res, _, err := s.try(token, method, path, body)
			if err != nil {
				return 0, err
			}
			return res.StatusCode, nil
		})
	}
	ask("", "POST /v1/auth/login", fmt.Sprintf(`{"email": "%s@example.com", "password": "x"}`, uuid.NewString()))
	for range 8 {
		id := uuid.NewString()
		ask(id, "GET /v1/plans", "")
		for _, path := range []string{"/v1/affiliates/%s", "/v1/affiliates/%s/balance", "/v1/affiliates/%s/statements", "/v1/transactions/%s", "/v1/commissions/%s/explanation", "/v1/payouts/%s", "/v1/%s"} {
			ask(admin, "GET "+fmt.Sprintf(path, id), "")
		}
		ask(admin, "GET /v1/transactions?cursor="+id, "")
		ask(admin, "POST /v1/transactions", `{"type": "sale", "amount": "1.00", "affiliate_id": "`+id+`"}`)
		ask(admin, "POST /v1/customers", `{"customer_id": "`+id+`", "code": "`+id[:20]+`"}`)
	}
	long := strings.Repeat(fmt.Sprint(rand.Uint64()), 40_000)[:700_000]
	for _, body := range []string{
		strings.Repeat("[", largestBody), strings.Repeat(`{"a":`, 200_000), `{"` + long + `": 1}`, `{"customer_id": "` + long + `"}`, long,
		`{"type": "sale", "amount": "1.00", "affiliate_id": "{bia}", "metadata": {"k": "` + long + `"}}`,
		`{"type": "sale", "amount": "1.00", "affiliate_id": "{bia}", "metadata": {"k": [` + strings.Repeat("[],", 300_000) + `[]]}}`,
		`{"a": 1` + strings.Repeat(`, "a": 1`, 100_000) + `}`, strings.Repeat(" ", largestBody+1),
	} {
		ask(admin, "POST /v1/transactions", s.with(body))
		ask(admin, "POST /v1/plans", body)
		ask(admin, "POST /v1/plans/preview", body)
	}
	for _, items := range []string{"0,", "[],", `{"a":1},`, `{"type":"sale","amount":1,"x":1},`} {
		ask(admin, "POST /v1/transactions/batch", `{"partial": false, "transactions": [`+strings.Repeat(items, 1<<20/len(items))+`0]}`)
	}
	return list
}

// Twenty rounds of bad input leave nothing behind: what is in use after a
// collection stays as it was. Not parallel: it measures this process.
func TestMemoryIsFlat(t *testing.T) {
	s := newStory(t)
	rows := s.digest()
	round := func() {
		var all sync.WaitGroup
		todo := s.hostile()
		var next, wrong atomic.Int64
		for range 8 {
			all.Go(func() {
				for i := next.Add(1) - 1; i < int64(len(todo)); i = next.Add(1) - 1 {
					if status, err := todo[i](); err != nil || status < 400 || status >= 500 {
						wrong.Add(1)
						t.Errorf("request %d of a round: %d %v", i, status, err)
					}
				}
			})
		}
		all.Wait()
		require.Zero(t, wrong.Load())
	}
	round() // what the first requests make stays: connections, prepared statements, pools
	var heaps []float64
	var inUse, goroutines []string
	wrong := s.beside(s.tokens["admin"], func() {
		for range 20 {
			round()
			heaps = append(heaps, mb(heapNow()))
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			inUse, goroutines = append(inUse, fmt.Sprintf("%.1f", mb(m.HeapInuse))), append(goroutines, fmt.Sprint(runtime.NumGoroutine()))
		}
	})
	require.Empty(t, wrong)
	require.Equal(t, rows, s.digest(), "something was written")
	t.Logf("%d requests a round; after each, once collected:\nHeapAlloc MB %.1f\nHeapInuse MB %s\ngoroutines %s",
		len(s.hostile()), heaps, inUse, goroutines)
	first, last := (heaps[0]+heaps[1])/2, (heaps[18]+heaps[19])/2
	require.Less(t, last-first, 8.0, "MB more in use")
	require.NotContains(t, s.log.String(), "level=ERROR")
}

// 64 clients send batches of 16 MiB at once: few are in memory together, the
// others are told to come again, and who reads beside them is answered.
func TestLargeBodiesAtOnce(t *testing.T) {
	s := newStory(t)
	admin, rows := s.tokens["admin"], s.digest()
	one := s.with(`{"affiliate_id": "{bia}", "type": "sale", "amount": "1.00", "metadata": {"k": "` + strings.Repeat("x", 1500) + `"}},`)
	body := []byte(`{"transactions": [` + strings.Repeat(one, 10_000-1) + `{"amonut": "1.00"}]}`)
	require.Less(t, len(body), largestBatch)
	require.Equal(t, 400, s.do(admin, "POST /v1/transactions/batch", string(body)).status)
	before := heapNow()
	peak, stop := watch()
	answers := map[int]int{}
	var mu sync.Mutex
	start := time.Now()
	wrong := s.beside(admin, func() {
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				status, retry, err := s.batch(admin, bytes.NewReader(body))
				mu.Lock()
				defer mu.Unlock()
				answers[status]++
				if err != nil || status == 503 && retry == "" {
					t.Errorf("%d, Retry-After %q: %v", status, retry, err)
				}
			})
		}
		all.Wait()
	})
	stop()
	require.Empty(t, wrong)
	took := time.Since(start)
	t.Logf("64 batches of %.1f MB: answers %v after %s; the heap %.0f MB before, %.0f at most, %.0f after",
		mb(uint64(len(body))), answers, took.Round(time.Millisecond), mb(before), mb(peak.Load()), mb(heapNow()))
	require.Equal(t, 64, answers[400]+answers[503])
	require.Positive(t, answers[400])
	require.Less(t, mb(peak.Load())-mb(before), 1200.0, "MB at most")
	require.Equal(t, rows, s.digest(), "something was written")
}

// batch sends one and tells what is said of another try.
func (s *story) batch(token string, body io.Reader) (status int, retry string, err error) {
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.url+"/v1/transactions/batch", body)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Expect", "100-continue") // as who sends much does: the body waits for its turn too
	client := http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("Retry-After"), err
}

// watch samples how much the heap holds, garbage with it.
func watch() (peak *atomic.Uint64, stop func()) {
	peak = new(atomic.Uint64)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		sample := []held.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			select {
			case <-end:
				return
			case <-time.After(2 * time.Millisecond):
				held.Read(sample)
				peak.Store(max(peak.Load(), sample[0].Value.Uint64()))
			}
		}
	}()
	return peak, func() { close(end); <-ended }
}
