package testenv

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	docker "github.com/ory/dockertest/v3/docker"
)

// Mortal is a PostgreSQL of a test's own, to be killed. It is set as one in
// production: what it has acknowledged is on its disk. When it has ended it
// comes back by itself, with its data and at its address, as under a
// supervisor.
type Mortal struct {
	Pool *pgxpool.Pool // of its migrated database
	// NoSmallDisk is why there is none, where one was asked for.
	NoSmallDisk error

	t   testing.TB
	url string
	hands
}

// hands reach into a server from outside.
type hands struct {
	do   func(ctx context.Context, script string) error // in the folder of its data
	kill string                                         // the script
	full error                                          // why the disk cannot be made full
}

// surviving is what settings left out.
var surviving = []string{"-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on"}

// onSmallDisk is how little of the disk a server may keep for its own log, so
// that a full disk is felt at once; what a query sorts stays in memory.
var onSmallDisk = []string{"-c", "min_wal_size=32MB", "-c", "max_wal_size=48MB", "-c", "work_mem=512MB"}

// NewMortal starts one until the end of the test. With megabytes its data are
// on a disk of that size, which takes 150 or more; without, on the machine's.
//
// A server named by FATURE_DATABASE_URL is nobody's to kill, so Docker or local
// programs are looked for all the same. Only where there is neither beside it
// is the test skipped. A small disk takes Docker, or the right to mount one.
func NewMortal(t testing.TB, megabytes int) *Mortal {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: needs PostgreSQL")
	}
	m := &Mortal{t: t}
	s, err := m.start(t.Context(), megabytes)
	if errors.Is(err, errNotHere) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.NoSmallDisk = m.full
	t.Cleanup(func() { m.end(s) })
	if err := m.open(t.Context(), s.DatabaseURL); err != nil {
		t.Fatal(err)
	}
	return m
}

// errNotHere is why a test is skipped: this machine cannot do it.
var errNotHere = errors.New("testenv: needs a server that may be broken")

func (m *Mortal) start(ctx context.Context, megabytes int) (*Servers, error) {
	forced := os.Getenv("FATURE_BACKEND")
	var tried []string
	for _, backend := range []string{"docker", "local"} {
		if forced != "" && forced != "url" && forced != backend {
			continue
		}
		find := map[string]func(context.Context, logf, int) (plan, func(lease) hands, error){
			"docker": mortalContainer, "local": mortalPrograms,
		}[backend]
		p, reach, err := find(ctx, m.t.Logf, megabytes)
		if err == nil {
			var s *Servers
			if s, err = startPrivate(ctx, p); err == nil {
				m.hands = reach(s.lease)
				return s, nil
			}
		}
		tried = append(tried, fmt.Sprintf("%-7s %v", backend+":", err))
	}
	if forced == "url" || os.Getenv("FATURE_DATABASE_URL") != "" {
		return nil, fmt.Errorf("%w, and there is none beside FATURE_DATABASE_URL: %s", errNotHere, strings.Join(tried, "; "))
	}
	return nil, noServers(tried)
}

// open migrates the maintenance database, since all of the server is the
// test's, and connects to it.
func (m *Mortal) open(ctx context.Context, url string) (err error) {
	if m.url, err = withDatabase(url, "postgres"); err != nil {
		return err
	}
	if err := (&databases{url: m.url}).migrate(ctx, "postgres"); err != nil {
		return err
	}
	config, err := pgxpool.ParseConfig(m.url)
	if err != nil {
		return err
	}
	config.MaxConns = 16
	m.Pool, err = pgxpool.NewWithConfig(ctx, config)
	return err
}

// end stops the server, unless the test has failed.
func (m *Mortal) end(s *Servers) {
	if m.Pool != nil {
		closePool(m.Pool)
	}
	if m.t.Failed() {
		m.t.Logf("testenv: the server of this test stays: psql '%s'%s", m.url, s.lease.keep())
		return
	}
	s.Close()
}

// Kill ends the server by SIGKILL, between two instructions of whatever it is
// at. In Docker all of its processes go at once; of a local one the postmaster
// does, and the others when they notice. It must have answered before.
func (m *Mortal) Kill() {
	m.t.Helper()
	m.must(m.kill)
}

// Await returns when the server answers: again, after what was done to it.
func (m *Mortal) Await() {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), startLimit)
	defer cancel()
	if err := until(ctx, func(ctx context.Context) error { return pingPostgres(ctx, m.url) }); err != nil {
		m.t.Fatalf("testenv: the server does not come back: %v", err)
	}
}

// FillDisk leaves no room on a small disk.
func (m *Mortal) FillDisk() {
	m.t.Helper()
	m.must(ballast)
}

// ballast takes all there is at once, where the system can, and then the rest:
// the server goes on writing meanwhile.
const ballast = `
	set -- $(df -Pk . | tail -n 1)
	fallocate -l "$4"KiB ballast 2>/dev/null
	dd if=/dev/zero bs=64k >>ballast 2>/dev/null
	[ -s ballast ]`

// FreeDisk makes room again.
func (m *Mortal) FreeDisk() {
	m.t.Helper()
	m.must("rm ballast")
}

func (m *Mortal) must(script string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	if err := m.do(ctx, script); err != nil {
		m.t.Fatalf("testenv: %s: %v", script, err)
	}
}

// run is a script as an error of its own words.
func run(script *exec.Cmd) error {
	if out, err := script.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, lastLines(out))
	}
	return nil
}

//go:embed again.sh
var againScript string

// mortalContainer runs the server under a shell, which is the container's
// first process: the container outlives the server, and so does what it has in
// memory.
func mortalContainer(ctx context.Context, log logf, megabytes int) (plan, func(lease) hands, error) {
	c, _, err := findContainers(ctx, log)
	if err != nil {
		return plan{}, nil, err
	}
	one := c.run[0]
	image, err := c.pool.Client.InspectImage(one.image)
	if err != nil {
		return plan{}, nil, err
	}
	folder, script := "/", againScript
	one.ports, one.cmd = []docker.Port{postgresPort}, slices.Concat(one.cmd, surviving)
	if megabytes > 0 {
		folder = "/small"
		script = "cd /small; if [ -e /data/PG_VERSION ]; then cp -a /data .; fi\n" + script
		one.tmpfs = map[string]string{folder: fmt.Sprintf("size=%dm", megabytes)}
		one.env = append(slices.Clone(one.env), "PGDATA=/small/data")
		one.cmd = slices.Concat(one.cmd, onSmallDisk, []string{"-D", "/small/data"})
	}
	one.entry = slices.Concat([]string{"sh", "-c", script, "again"}, image.Config.Entrypoint)
	c.run = []container{one}
	reach := func(l lease) hands {
		// The shell that says it and the container's first process are spared.
		return hands{kill: "kill -9 -1", do: func(ctx context.Context, script string) error {
			return run(exec.CommandContext(ctx, "docker", "--host", c.pool.Client.Endpoint(),
				"exec", "--workdir", folder, l.containerName(0), "sh", "-c", script))
		}}
	}
	return plan{key: "mortal", stop: c.stop, start: c.start}, reach, nil
}

func mortalPrograms(ctx context.Context, _ logf, megabytes int) (plan, func(lease) hands, error) {
	p, err := findPrograms(ctx)
	if err != nil {
		return plan{}, nil, err
	}
	before, after := []string{"sh", "-c", againScript, "again"}, surviving
	if megabytes > 0 {
		after = slices.Concat(after, onSmallDisk)
	}
	var full error
	start := func(ctx context.Context, l lease) (*Servers, error) {
		if err := os.Mkdir(l.path("run"), 0o700); err != nil {
			return nil, err
		}
		if megabytes > 0 {
			full = smallDisk(ctx, l.path("run"), megabytes)
		}
		if err := give(l.path("run"), p.as); err != nil {
			return nil, err
		}
		url, err := p.servePostgres(ctx, l.path("run"), before, after...)
		return &Servers{Backend: "local", DatabaseURL: url}, err
	}
	reach := func(l lease) hands {
		return hands{full: full, kill: `kill -9 "$(head -n 1 data/postmaster.pid)"`, do: func(ctx context.Context, script string) error {
			here := exec.CommandContext(ctx, "sh", "-c", script)
			here.Dir = l.path("run")
			return run(here)
		}}
	}
	stop := "rm -f run/again\n" + stopLocal
	if megabytes > 0 {
		stop += "umount -l run\n"
	}
	return plan{key: "mortal", stop: func(lease) string { return stop }, start: start}, reach, nil
}

// smallDisk gives a folder a file system of its own.
func smallDisk(ctx context.Context, folder string, megabytes int) error {
	mount := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=0700", megabytes), "tmpfs", folder)
	if err := run(mount); err != nil {
		return fmt.Errorf("testenv: a small disk takes Docker, or the right to mount one: %w", err)
	}
	return nil
}
