package fature_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/testenv"
)

// What strikes in a storm, by crashes.

// crew is how many writers there are.
func crew() int { return shortOrLong(2, 4) }

// writeTo puts the shop into a database, and the writers to it.
func (s *storm) writeTo(pool *pgxpool.Pool) {
	s.shop = newShop(s.t, pool)
	for range crew() {
		s.hire(s.Program)
	}
}

func serverKilled(s *storm) {
	m := testenv.NewMortal(s.t, 0)
	s.writeTo(m.Pool)
	s.strike = s.kill(m)
}

func (s *storm) kill(m *testenv.Mortal) func() time.Time {
	return func() time.Time {
		m.Kill()
		return time.Now()
	}
}

func diskFull(s *storm) {
	m := testenv.NewMortal(s.t, 160+10*s.strikes) // what is recorded between them is to have room
	if m.NoSmallDisk != nil {
		s.t.Skip(m.NoSmallDisk)
	}
	s.writeTo(m.Pool)
	s.strike = s.fill(m)
}

// fill leaves the disk full until a call fails, and a while longer. Where it is
// the log that finds no room, the server ends itself.
func (s *storm) fill(m *testenv.Mortal) func() time.Time {
	return func() time.Time {
		before := s.failed.Load()
		m.FillDisk()
		for full := time.Now(); s.failed.Load() == before && time.Since(full) < 10*time.Second; {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(s.random.IntN(100)) * time.Millisecond)
		m.FreeDisk()
		return time.Now()
	}
}

func serverKilledAndFull(s *storm) {
	m := testenv.NewMortal(s.t, 160+10*s.strikes)
	s.writeTo(m.Pool)
	next, other := s.kill(m), s.fill(m)
	if m.NoSmallDisk != nil {
		s.t.Logf("only killed: %v", m.NoSmallDisk)
		other = next
	}
	s.strike = func() time.Time {
		next, other = other, next
		return other()
	}
}

// One backend, some of them, or all but the one that does it.
func backendsTerminated(s *storm) {
	s.writeTo(testenv.Clone(s.t))
	s.strike = func() time.Time {
		_, err := s.pool.Exec(s.t.Context(), `
			select pg_terminate_backend(pid) from (
				select pid from pg_stat_activity
				where datname = current_database() and pid <> pg_backend_pid() order by random() limit $1) t`, 1+s.random.IntN(8))
		if !isNil(s.t, err) {
			s.t.FailNow()
		}
		return time.Now()
	}
}

// Once, and Record finds out; or again when it asks, and the caller does.
func answerCut(s *storm) {
	s.shop = newShop(s.t, testenv.Clone(s.t))
	for range crew() {
		p, line := s.far(s.t)
		w := s.hire(p)
		w.meddle = func(ctx context.Context) (context.Context, func()) {
			line.armed = 1 + w.random.IntN(2)
			return ctx, func() { line.armed = 0 }
		}
	}
	s.strike = s.order
}

// Somewhere in a call, or just before it, or never.
func contextCancelled(s *storm) {
	s.writeTo(testenv.Clone(s.t))
	for _, w := range s.writers {
		w.meddle = func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancel(ctx)
			timer := time.AfterFunc(time.Duration(w.random.Int64N(1+int64(w.took)*5/4)), cancel)
			return ctx, func() { timer.Stop(); cancel() }
		}
	}
	s.strike = s.order
}

// order has a writer strike.
func (s *storm) order() time.Time {
	done := make(chan time.Time, 1)
	select {
	case s.orders <- done:
		select {
		case began := <-done:
			return began
		case <-s.ctx.Done():
		}
	case <-s.ctx.Done():
	}
	return time.Now()
}

// Two processes write. One that is killed is followed by another, which begins
// with what the first was at.
func processKilled(s *storm) {
	s.shop = newShop(s.t, testenv.Clone(s.t))
	for range 2 {
		w := s.hire(s.Program)
		w.record = w.recordElsewhere
	}
	s.strike = func() time.Time {
		s.failed.Add(1)
		_ = s.writers[s.random.IntN(2)].process.Load().Kill()
		return time.Now()
	}
}

// recordElsewhere lets processes record, one after the other. What the last was
// at is sent again from here.
func (w *writer) recordElsewhere(stop <-chan struct{}) {
	for !over(stop) && w.follow(stop) {
	}
	if over(stop) {
		w.again = true
		w.deliver()
	}
}

const (
	recordingProcess = "FATURE_RECORDING_PROCESS"
	promisePrefix    = "promised "
)

// TestRecordingProcess is a process that records, and prints what it was
// promised; by itself it is nothing.
func TestRecordingProcess(t *testing.T) {
	var url string
	var seed uint64
	var writer, n int
	if _, err := fmt.Sscan(os.Getenv(recordingProcess), &url, &seed, &writer, &n); err != nil {
		return
	}
	pool, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	defer pool.Close()
	p, err := fature.New(t.Context(), fature.Config{Pool: pool, Currency: "BRL"})
	require.NoError(t, err)
	for again := true; ; again = false {
		began := time.Now()
		results, err := p.Record(t.Context(), batchOf(seed, writer, n)...)
		require.NoError(t, err)
		text, err := json.Marshal(promiseOf(results, began, again))
		require.NoError(t, err)
		fmt.Println(promisePrefix + string(text))
		n++
	}
}

// follow runs a process and takes down what it is promised, until it is killed.
func (w *writer) follow(stop <-chan struct{}) bool {
	process := exec.CommandContext(w.ctx, os.Args[0], "-test.run=^TestRecordingProcess$", "-test.count=1")
	process.Env = append(os.Environ(), fmt.Sprint(recordingProcess, "=", testenv.URL(w.pool), " ", w.seed, " ", w.number, " ", len(w.ids)))
	output, err := process.StdoutPipe()
	if !isNil(w.t, err) || !isNil(w.t, process.Start()) {
		return false
	}
	defer func() { _ = process.Process.Kill(); _ = process.Wait() }()
	w.process.Store(process.Process)
	var said strings.Builder
	for lines := bufio.NewReader(output); ; {
		line, err := lines.ReadString('\n') // half a line is no promise
		if err != nil {
			break
		}
		if !w.hear(line, &said) {
			return false
		}
		if over(stop) {
			_ = process.Process.Kill()
		}
	}
	_ = process.Wait()
	if process.ProcessState.Exited() { // and not by a signal
		w.t.Errorf("the recording process has ended by itself: %s", said.String())
	}
	return !process.ProcessState.Exited()
}

// hear takes down a line of a process.
func (w *writer) hear(line string, said *strings.Builder) bool {
	text, ok := strings.CutPrefix(line, promisePrefix)
	if !ok {
		said.WriteString(line)
		return true
	}
	var p promise
	return isNil(w.t, json.Unmarshal([]byte(text), &p)) && w.promised(p)
}
