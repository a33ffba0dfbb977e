package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// attack is what a connection sends; answer is the status of its last answer, 0
// where it is closed without one.
type attack struct {
	what   string
	send   func(conn *net.TCPConn, head func(call, headers string) string) error
	answer []int
}

// slowly sends a text byte by byte, until nobody listens.
func slowly(conn net.Conn, text string) error {
	for i := range len(text) {
		if _, err := conn.Write([]byte{text[i]}); err != nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

func sends(text string) func(*net.TCPConn, func(string, string) string) error {
	return func(conn *net.TCPConn, _ func(string, string) string) error {
		_, err := io.WriteString(conn, text)
		return err
	}
}

// asks sends one request with a token.
func asks(call, headers, body string) func(*net.TCPConn, func(string, string) string) error {
	return func(conn *net.TCPConn, head func(string, string) string) error {
		_, err := io.WriteString(conn, head(call, headers)+body)
		return err
	}
}

var attacks = []attack{
	{"nothing", sends(""), []int{0, 400}},
	{"half a line", sends("GET /v1/pla"), []int{0, 400}},
	{"headers without end", sends("GET /livez HTTP/1.1\r\nHost: x\r\n"), []int{0, 400}},
	{"headers that trickle", func(conn *net.TCPConn, head func(string, string) string) error {
		return slowly(conn, head("GET /v1/plans", strings.Repeat("X-Slow: 1\r\n", 50)))
	}, []int{0, 400}},
	{"a body that trickles", func(conn *net.TCPConn, head func(string, string) string) error {
		if _, err := io.WriteString(conn, head("POST /v1/transactions", "Content-Length: 1000\r\n")); err != nil {
			return err
		}
		return slowly(conn, strings.Repeat(" ", 1000))
	}, []int{400}},
	{"chunks that trickle", func(conn *net.TCPConn, head func(string, string) string) error {
		if _, err := io.WriteString(conn, head("POST /v1/transactions", "Transfer-Encoding: chunked\r\n")); err != nil {
			return err
		}
		return slowly(conn, strings.Repeat("1\r\n \r\n", 200))
	}, []int{400}},
	{"a large body that never comes", asks("POST /v1/transactions/batch", "Content-Length: 16777216\r\n", ""), []int{400, 503}},
	{"a public body that never comes", asks("POST /v1/auth/login", "Content-Length: 16000\r\n", ""), []int{400}},
	{"half a body and half a connection", func(conn *net.TCPConn, head func(string, string) string) error {
		_, err := io.WriteString(conn, head("POST /v1/transactions", "Content-Length: 1000\r\n")+`{"type":`)
		_ = conn.CloseWrite()
		return err
	}, []int{400}},
	{"garbage after a request", asks("GET /v1/plans", "", "\x00\x01\x02 garbage\r\n\r\n"), []int{400}},
	{"garbage", sends("\x00\xff\x00\xff\r\n\r\n"), []int{400}},
	{"TLS", sends("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500) + "\r\n\r\n"), []int{400}},
	{"HTTP of the future", sends("GET / HTTP/9.9\r\nHost: x\r\n\r\n"), []int{505}},
	{"no host", sends("GET /livez HTTP/1.1\r\n\r\n"), []int{400}},
	{"a NUL in a header", asks("GET /v1/plans", "X-A: \x00\r\n", ""), []int{400}},
	{"a space in a header's name", asks("GET /v1/plans", "X A: 1\r\n", ""), []int{400}},
	{"a token of a megabyte", sends("GET /v1/plans HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + strings.Repeat("A", 1<<20) + "\r\n\r\n"), []int{0, 431}},
	{"ten thousand headers", asks("GET /v1/plans", strings.Repeat("X-A: 12345678\r\n", 10_000), ""), []int{0, 431}},
	{"a path of a megabyte", sends("GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n"), []int{0, 431}},
	{"two lengths", asks("POST /v1/transactions", "Content-Length: 2\r\nContent-Length: 3\r\n", "{}}"), []int{400}},
	{"a negative length", asks("POST /v1/transactions", "Content-Length: -1\r\n", "{}"), []int{400}},
	{"a length that is none", asks("POST /v1/transactions", "Content-Length: 0x10\r\n", "{}"), []int{400}},
	{"a length and chunks", asks("POST /v1/transactions", "Connection: close\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), []int{400}},
	{"a chunk of no size", asks("POST /v1/transactions", "Transfer-Encoding: chunked\r\n", "x\r\n{}\r\n0\r\n\r\n"), []int{400}},
	{"a chunk of any size", asks("POST /v1/transactions", "Transfer-Encoding: chunked\r\n", "FFFFFFFFFFFFFFFFF\r\n{}"), []int{400}},
	{"a chunk's long extension", asks("POST /v1/transactions", "Transfer-Encoding: chunked\r\n", "1;"+strings.Repeat("a", 100_000)+"\r\n{\r\n"), []int{0, 400}},
	{"too many chunks", asks("POST /v1/transactions", "Transfer-Encoding: chunked\r\n", strings.Repeat("400\r\n"+strings.Repeat(" ", 0x400)+"\r\n", 1100)+"0\r\n\r\n"), []int{0, 413}},
	{"a length over the limit", asks("POST /v1/transactions", "Content-Length: 1100000\r\n", strings.Repeat(" ", 1_100_000)), []int{0, 413}},
	{"a length over every limit", asks("POST /v1/transactions/batch", "Content-Length: 99999999999999999999\r\n", "{}"), []int{400}},
	{"an expectation that is none", asks("POST /v1/transactions", "Content-Length: 2\r\nExpect: miracles\r\n", "{}"), []int{417}},
	{"an encoding that is none", asks("POST /v1/transactions", "Transfer-Encoding: gzip\r\n", "{}"), []int{501}}, // RFC 9112, 6.1
	{"who does not read", func(conn *net.TCPConn, head func(string, string) string) error {
		_ = conn.SetReadBuffer(4096)
		for range 2000 {
			if _, err := io.WriteString(conn, head("GET /v1/plans", "")); err != nil {
				return nil
			}
		}
		return nil
	}, nil},
}

// run sends an attack and reads what comes until the server closes.
func (a attack) run(t *testing.T, address, token string) {
	dialed, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer dialed.Close()
	conn := dialed.(*net.TCPConn)
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	head := func(call, headers string) string {
		return call + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n" + headers + "\r\n"
	}
	sent := make(chan struct{})
	go func() { defer close(sent); _ = a.send(conn, head) }() // who refuses early may close while it is sent
	if a.answer == nil {
		<-sent
		return
	}
	text, err := io.ReadAll(conn)
	if err, ok := err.(net.Error); ok && err.Timeout() {
		t.Errorf("%s: the connection stays open", a.what)
	}
	_ = conn.Close()
	<-sent
	status := 0
	if i := strings.LastIndex(string(text), "HTTP/1.1 "); i >= 0 {
		_, _ = fmt.Sscan(string(text)[i+len("HTTP/1.1 "):], &status)
	}
	assertOneOf(t, a, status, string(text))
}

func assertOneOf(t *testing.T, a attack, status int, text string) {
	t.Helper()
	for _, want := range append([]int{503}, a.answer...) { // 503 where its time is over before it is its turn
		if status == want {
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%s: the answer has %q: %.500s", a.what, secret, text)
				}
			}
			return
		}
	}
	t.Errorf("%s: %d is not one of %v: %.500s", a.what, status, a.answer, text)
}

// Connections that do all that they should not, many at once: each is answered
// or closed in its time, who reads beside them is answered as ever, and nothing
// is left of them. Not parallel: it measures this process.
func TestHostileConnections(t *testing.T) {
	s := newStory(t)
	admin := s.tokens["admin"]
	var open atomic.Int64
	server := s.server()
	server.ReadHeaderTimeout, server.ReadTimeout, server.WriteTimeout, server.IdleTimeout = 2*time.Second, 5*time.Second, 10*time.Second, 2*time.Second
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() { require.NoError(t, server.Close()); <-served }()
	address := listener.Addr().String()
	s.url = "http://" + address

	s.want(200, admin, "GET /v1/plans", "")
	http.DefaultClient.CloseIdleConnections()
	require.Eventually(t, func() bool { return open.Load() == 0 }, 10*time.Second, 10*time.Millisecond)
	before, heap, rows := runtime.NumGoroutine(), heapNow(), s.digest()
	wrong := s.beside(admin, func() {
		var all sync.WaitGroup
		for range 2 {
			for _, a := range attacks {
				all.Go(func() { a.run(t, address, admin) })
			}
		}
		all.Wait()
	})
	require.Equal(t, rows, s.digest(), "something was written")
	require.Empty(t, wrong)
	http.DefaultClient.CloseIdleConnections()
	require.Eventually(t, func() bool { return open.Load() == 0 }, 15*time.Second, 10*time.Millisecond, "connections stay open")
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+5 }, 15*time.Second, 50*time.Millisecond, "goroutines stay")
	after := heapNow()
	t.Logf("goroutines %d before and %d after, heap %.1f and %.1f MB", before, runtime.NumGoroutine(), mb(heap), mb(after))
	require.Less(t, mb(after)-mb(heap), 16.0)
}

// beside reads while do runs, and tells what was not answered as it should be.
func (s *story) beside(token string, do func()) (wrong []string) {
	s.Helper()
	stop, ended := make(chan struct{}), make(chan struct{})
	var reads int
	var longest, sum time.Duration
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			start := time.Now()
			res, text, err := s.try(token, "GET", "/v1/plans", "")
			took := time.Since(start)
			reads, sum, longest = reads+1, sum+took, max(longest, took)
			busy := raced && err == nil && res.StatusCode == 503                       // and not served in time
			if err != nil || res.StatusCode != 200 && !busy || took > 20*time.Second { // a slow machine is none of an attack
				wrong = append(wrong, fmt.Sprintf("after %s: %v %.200s", took, err, text))
			}
		}
	}()
	do()
	close(stop)
	<-ended
	require.Positive(s, reads)
	s.Logf("%d reads beside, %s on average, the longest %s", reads, (sum / time.Duration(reads)).Round(time.Microsecond), longest.Round(time.Microsecond))
	return wrong
}

// heapNow is what is in use once all garbage is gone.
func heapNow() uint64 {
	runtime.GC()
	runtime.GC() // what the first one freed of pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func mb(n uint64) float64 { return float64(n) / (1 << 20) }
