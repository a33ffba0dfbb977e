package testenv

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool returns the migrated database that the tests of this binary share. Use
// it in tests that touch only rows of their own making, and do not close it.
// When a test that uses it fails, it stays as one of [Clone] does.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	s := serversOf(t)
	pool, err := s.pool()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			s.keep(t, pool)
		}
	})
	return pool
}

// Clone returns a migrated database for this test alone. It is dropped when the
// test ends, unless the test has failed: then it stays, and its address is in
// the output of the test.
func Clone(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return own(t, true)
}

// Empty returns a database without a schema for this test alone, which ends as
// one of [Clone] does.
func Empty(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return own(t, false)
}

// Example returns a migrated database for one Example function, which has no
// testing.TB, and what drops it again. It panics where there is no server.
func Example() (pool *pgxpool.Pool, done func()) {
	ctx := context.Background()
	s, err := theSuite()
	if err == nil {
		pool, err = s.databases.open(ctx, true)
	}
	if err != nil {
		panic(err)
	}
	return pool, func() {
		closePool(pool)
		s.databases.drop(ctx, pool.Config().ConnConfig.Database)
	}
}

// Main is the TestMain of a package with Examples that use [Example], of which
// a pattern matches the names. An Example cannot skip itself, so that -short
// passes them over as go test -skip does.
func Main(m *testing.M, examples string) {
	flag.Parse()
	if skip := flag.Lookup("test.skip"); testing.Short() {
		if given := skip.Value.String(); given != "" {
			examples = given + "|" + examples
		}
		if err := skip.Value.Set(examples); err != nil {
			panic(err)
		}
	}
	m.Run()
}

// URL returns the address of a pool's database, for a second pool, a proxy or
// psql.
func URL(pool *pgxpool.Pool) string { return pool.Config().ConnString() }

// Redis returns the address of a Redis that other packages use at the same
// time: give each test a namespace of its own, and never flush. The test fails
// when there is none.
func Redis(t testing.TB) string {
	t.Helper()
	s := serversOf(t)
	if s.servers.RedisURL == "" {
		t.Fatalf("no Redis to work with, only PostgreSQL (%s). Do ONE of these:\n%s", s.servers.Backend, waysOut)
	}
	return s.servers.RedisURL
}

// suite is what the tests of one binary share.
type suite struct {
	servers   *Servers
	databases *databases
	pool      func() (*pgxpool.Pool, error) // made when first asked for
	notes     []string                      // what servers are used, and why
	tell      sync.Once
}

// theSuite is a global because the tests of a package have nothing else in
// common: the functions above get a testing.TB and no more.
var theSuite = sync.OnceValues(newSuite)

func newSuite() (*suite, error) {
	ctx, s := context.Background(), new(suite)
	note := func(format string, args ...any) { s.notes = append(s.notes, fmt.Sprintf(format, args...)) }
	var err error
	s.servers, err = choose(ctx, note, func(ctx context.Context, p plan) (*Servers, error) {
		return startShared(ctx, p, sharedIdle)
	})
	if err != nil {
		return nil, err
	}
	if s.databases, err = openDatabases(ctx, s.servers); err != nil {
		return nil, err
	}
	s.pool = sync.OnceValues(func() (*pgxpool.Pool, error) { return s.databases.open(ctx, true) })
	return s, nil
}

func serversOf(t testing.TB) *suite {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: needs PostgreSQL")
	}
	s, err := theSuite()
	if err != nil {
		t.Fatal(err)
	}
	s.tell.Do(func() { t.Log(strings.Join(s.notes, "\n")) })
	return s
}

func own(t testing.TB, migrated bool) *pgxpool.Pool {
	t.Helper()
	s := serversOf(t)
	pool, err := s.databases.open(t.Context(), migrated)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.release(t, pool) })
	return pool
}

// outcome is the part of testing.TB that decides what becomes of a database.
type outcome interface {
	Failed() bool
	Name() string
	Logf(format string, args ...any)
}

// release ends the database of a test that is over.
func (s *suite) release(t outcome, pool *pgxpool.Pool) {
	closePool(pool)
	if t.Failed() {
		s.keep(t, pool)
		return
	}
	s.databases.drop(context.Background(), pool.Config().ConnConfig.Database)
}

// keep leaves a database for a person to look at, and says where it is.
func (s *suite) keep(t outcome, pool *pgxpool.Pool) {
	err := s.databases.keep(context.Background(), pool.Config().ConnConfig.Database, "left by "+t.Name())
	if err != nil {
		t.Logf("testenv: the database could not be kept: %v", err)
		return
	}
	t.Logf("testenv: the database of this test stays: psql '%s'%s", URL(pool), s.servers.lease.keep())
}

// AtOnce makes calls that all begin together, and returns their errors.
func AtOnce(n int, call func(i int) error) []error {
	errs := make([]error, n)
	start, done := make(chan struct{}), make(chan struct{})
	for i := range errs {
		go func() {
			<-start
			errs[i] = call(i)
			done <- struct{}{}
		}()
	}
	close(start)
	for range errs {
		<-done
	}
	return errs
}
