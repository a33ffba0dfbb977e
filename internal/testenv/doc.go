// Package testenv gives tests and example programs a real PostgreSQL, and a
// real Redis where there is one. Nothing in it is for production.
//
// Servers are looked for in this order; the first that works is used, and
// FATURE_BACKEND=url, docker or local forces one of them:
//
//   - url: FATURE_DATABASE_URL, and FATURE_REDIS_URL if there is a Redis. Set
//     but unreachable is an error: whoever names a server means that one.
//   - docker: the image fature-test:pg17 or fature-test:pg15 (`make image`),
//     or the one named by FATURE_TEST_IMAGE; failing that the official images,
//     pulled unless FATURE_NO_PULL is set.
//   - local: the newest PostgreSQL installed on this machine, and redis-server
//     if it is there, on free ports in a temporary folder.
//
// Without a server there is an error that lists each attempt and three ways
// out. Tests fail with it rather than skip; `go test -short` is how to ask for
// the tests that need no server.
//
// # In tests
//
//	func TestRecord(t *testing.T) {
//		pool := testenv.Pool(t) // one migrated database per test binary
//		...
//	}
//
// [Pool] is shared by the tests of a package: use it when a test touches only
// rows that it made. [Clone] is a migrated database of the test's own, for
// tests that change what others would see; [Empty] is one without a schema.
// Databases are cloned from a template that is migrated once per server, which
// takes about 0.2 s.
//
// An Example function has no testing.TB and cannot skip itself, so a package
// with such also says which of them -short leaves out:
//
//	func TestMain(m *testing.M) { testenv.Main(m, "^Example") }
//
//	func ExampleProgram_Record() {
//		pool, done := testenv.Example() // a clone, for this Example alone
//		defer done()
//		...
//		// Output: ...
//	}
//
// All packages of a `go test ./...` use one server, although each package is a
// process of its own: the first starts it, the others join, and a small shell
// script that outlives them (watch.sh) stops it once nobody has used it for
// half a minute. So a killed run leaves nothing behind either.
//
// This package imports migrate. Tests of migrate, and of what migrate imports,
// must therefore be in an external package (package migrate_test).
//
// [NewMortal] is a server of the test's own that keeps its word and may be
// killed, or have its disk filled up.
//
// # In programs
//
// [Start] gives a program servers of its own, which [Servers.Close] stops.
package testenv
