package testenv

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// oldestPostgres is the oldest major version that fature supports.
const oldestPostgres = 15

// usualPlaces is where packages put initdb and postgres without a link on PATH.
var usualPlaces = []string{
	"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                                   // RPMs of the PostgreSQL project
	"/usr/libexec/postgresql*",                           // Alpine
	"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew
	"/usr/local/opt/postgresql*/bin",                     // Homebrew on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew on Linux
	"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
}

// settings suit databases that nobody wants back after a crash.
var settings = []string{
	"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
	"-c", "max_connections=300",
}

// programs are the servers installed on this machine.
type programs struct {
	bin   string // the folder of initdb and postgres
	major int
	redis string // the path of redis-server, or ""
	as    *person
}

//go:embed stop_local.sh
var stopLocal string

func findLocal(ctx context.Context, _ logf) (plan, error) {
	progs, err := findPrograms(ctx)
	if err != nil {
		return plan{}, err
	}
	note := ", no redis-server"
	if path, err := exec.LookPath("redis-server"); err == nil {
		progs.redis, note = path, " and redis-server"
	}
	return plan{
		key:   fmt.Sprintf("local-%d%t", progs.major, progs.redis != ""),
		about: fmt.Sprintf("PostgreSQL %d of %s%s", progs.major, progs.bin, note),
		stop:  func(lease) string { return stopLocal },
		start: progs.start,
	}, nil
}

// findPrograms finds PostgreSQL, and whom to run it as.
func findPrograms(ctx context.Context) (p programs, err error) {
	if p.bin, p.major, err = newestPostgres(ctx, postgresFolders()); err != nil {
		return p, err
	}
	p.as, err = unprivileged()
	return p, err
}

// postgresFolders is every folder that may hold PostgreSQL. Links are followed,
// because postgres finds its libraries by where it really is.
func postgresFolders() []string {
	var folders []string
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(real))
		}
	}
	for _, pattern := range usualPlaces {
		found, _ := filepath.Glob(pattern) // the patterns are well formed
		folders = append(folders, found...)
	}
	return folders
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

func newestPostgres(ctx context.Context, folders []string) (bin string, major int, err error) {
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "initdb")); err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, filepath.Join(folder, "postgres"), "--version").Output()
		if err != nil {
			continue
		}
		if m := versionPattern.FindSubmatch(out); m != nil {
			if v, _ := strconv.Atoi(string(m[1])); v > major {
				bin, major = folder, v
			}
		}
	}
	switch {
	case major == 0:
		return "", 0, errors.New("no initdb on PATH nor in the usual places")
	case major < oldestPostgres:
		return "", 0, fmt.Errorf("the newest PostgreSQL here is %d (%s); %d is the oldest that works", major, bin, oldestPostgres)
	}
	return bin, major, nil
}

func (p programs) start(ctx context.Context, l lease) (*Servers, error) {
	run := l.path("run")
	if err := os.Mkdir(run, 0o700); err != nil {
		return nil, err
	}
	if err := give(run, p.as); err != nil {
		return nil, err
	}
	s := &Servers{Backend: "local"}
	var err error
	if s.DatabaseURL, err = p.startPostgres(ctx, run); err != nil {
		return nil, err
	}
	if p.redis != "" {
		s.RedisURL, err = p.startRedis(ctx, run)
	}
	return s, err
}

func (p programs) startPostgres(ctx context.Context, run string) (string, error) {
	maintenance, err := p.servePostgres(ctx, run, nil)
	if err != nil {
		return "", err
	}
	conn, err := pgx.Connect(ctx, maintenance)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create database fature"); err != nil {
		return "", err
	}
	return withDatabase(maintenance, "fature")
}

// servePostgres starts one in an empty folder. before is what runs it, if
// something does, and after are its last arguments.
func (p programs) servePostgres(ctx context.Context, run string, before []string, after ...string) (maintenance string, err error) {
	data := filepath.Join(run, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(p.bin, "initdb"), "--pgdata", data,
		"--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	initdb.Dir = run // the caller's own may be closed to that user
	detach(initdb, p.as)
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, lastLines(out))
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	// No socket files: they would need a path of at most 103 bytes.
	command := slices.Concat(before, []string{
		filepath.Join(p.bin, "postgres"), "-D", data, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
	}, settings, after)
	maintenance = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
	return maintenance, p.serve(ctx, run, exec.Command(command[0], command[1:]...), func(ctx context.Context) error {
		return pingPostgres(ctx, maintenance)
	})
}

func (p programs) startRedis(ctx context.Context, run string, args ...string) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	redisURL := fmt.Sprintf("redis://127.0.0.1:%d", port)
	// The pid file relative to dir, because watch.sh renames the folder above it
	// and Redis shall still find the file, to remove it.
	server := exec.Command(p.redis, append([]string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--dir", run, "--pidfile", "redis.pid",
	}, args...)...)
	err = p.serve(ctx, run, server, func(ctx context.Context) error { return pingRedis(ctx, redisURL) })
	return redisURL, err
}

// serve starts a server that outlives this process and waits until it answers.
func (p programs) serve(ctx context.Context, run string, server *exec.Cmd, ping func(context.Context) error) error {
	name := filepath.Base(server.Path)
	logPath := filepath.Join(run, name+".log")
	output, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer output.Close()
	server.Dir, server.Stdout, server.Stderr = run, output, output
	detach(server, p.as)
	if err := server.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { cancel(fmt.Errorf("%s has stopped: %v", name, server.Wait())) }()
	if err := until(ctx, ping); err != nil {
		text, _ := os.ReadFile(logPath)
		return fmt.Errorf("%s: %w: %s", name, err, lastLines(text))
	}
	return nil
}

// freePort is a port that was free a moment ago.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// lastLines is the end of a server's output, on one line: where the reason is.
func lastLines(out []byte) string {
	lines := strings.Split(string(bytes.TrimSpace(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " | ")
}
