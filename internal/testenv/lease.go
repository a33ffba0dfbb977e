package testenv

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// sharedIdle is how long a server of tests outlives its last user: long
	// enough for the compiler to bring the next package of the same run.
	sharedIdle = 30 * time.Second
	// privateIdle only matters for a program that was killed before Close.
	privateIdle = 2 * time.Second
	// startLimit is generous because the machine may be compiling meanwhile.
	startLimit = 90 * time.Second
)

// A lease is a folder that stands for one running server:
//
//	users/PID    one empty file for each process that uses the server
//	stop.sh      how to stop it
//	servers.json where it is; there once it answers
//	kept         there when a failed test has left its database to look at
//	watch.lock   held by watch.sh, which stops the server when users is empty
//
// It exists before the server is started, so that there is no moment at which
// a kill leaves a server that nobody stops.
type lease struct {
	folder string
	name   string // of this server and no other; containers bear it
}

func newLease(folder string) lease {
	return lease{folder: folder, name: "fature-" + strings.ToLower(rand.Text()[:10])}
}

func (l lease) path(name string) string { return filepath.Join(l.folder, name) }

// startPrivate starts servers for this process alone.
func startPrivate(ctx context.Context, p plan) (*Servers, error) {
	if p.key == "" {
		return p.start(ctx, lease{})
	}
	home, err := stateFolder()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(home, "private-")
	if err != nil {
		return nil, err
	}
	return newLease(folder).start(ctx, p, privateIdle)
}

// startShared joins the server of this key, or starts it if there is none.
func startShared(ctx context.Context, p plan, idle time.Duration) (*Servers, error) {
	if p.key == "" {
		return p.start(ctx, lease{})
	}
	home, err := stateFolder()
	if err != nil {
		return nil, err
	}
	l := newLease(filepath.Join(home, p.key))
	unlock, err := lockFile(l.folder + ".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if s, ok := l.join(ctx); ok {
		return s, l.watch(idle)
	}
	l.end() // what a server that was killed has left
	return l.start(ctx, p, idle)
}

// start opens the lease, then the servers, then says where they are.
func (l lease) start(ctx context.Context, p plan, idle time.Duration) (*Servers, error) {
	s, err := l.tryStart(ctx, p, idle)
	if err != nil {
		l.end()
	}
	return s, err
}

func (l lease) tryStart(ctx context.Context, p plan, idle time.Duration) (*Servers, error) {
	if err := os.MkdirAll(l.path("users"), 0o700); err != nil {
		return nil, err
	}
	// The unprivileged user of local servers must get through to their data.
	if err := os.Chmod(l.folder, 0o711); err != nil {
		return nil, err
	}
	if err := os.WriteFile(l.path("stop.sh"), []byte(p.stop(l)), 0o600); err != nil {
		return nil, err
	}
	if err := l.sign(); err != nil {
		return nil, err
	}
	if err := l.watch(idle); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	s, err := p.start(ctx, l)
	if err != nil {
		return nil, err
	}
	s.lease = l
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return s, os.WriteFile(l.path("servers.json"), text, 0o600)
}

// join signs first and reads afterwards: watch.sh closes a lease by renaming
// its folder, and looks for users after that, so either it sees this one or
// this one finds no folder.
func (l lease) join(ctx context.Context) (*Servers, bool) {
	if err := l.sign(); err != nil {
		return nil, false
	}
	text, err := os.ReadFile(l.path("servers.json"))
	if err != nil {
		return nil, false
	}
	s := Servers{lease: l}
	if json.Unmarshal(text, &s) != nil {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if s.DatabaseURL != "" && pingPostgres(ctx, s.DatabaseURL) != nil {
		return nil, false
	}
	if s.RedisURL != "" && pingRedis(ctx, s.RedisURL) != nil {
		return nil, false
	}
	return &s, true
}

func (l lease) sign() error {
	return os.WriteFile(l.path(filepath.Join("users", strconv.Itoa(os.Getpid()))), nil, 0o600)
}

// keep makes a server of ours stay longer, for somebody to look at a database,
// and returns a note on how long.
func (l lease) keep() string {
	if l.folder == "" || os.WriteFile(l.path("kept"), nil, 0o600) != nil {
		return ""
	}
	return " (its server runs for 15 minutes more)"
}

// end stops the server now, whoever uses it, and removes the folder.
func (l lease) end() {
	stop := exec.Command("sh", "stop.sh")
	stop.Dir = l.folder
	_ = stop.Run() // there may be nothing left to stop
	_ = os.RemoveAll(l.folder)
}

//go:embed watch.sh
var watchScript string

// watch makes sure that a watch.sh runs for this lease. The script inherits the
// lock, so it is held exactly as long as the script lives.
func (l lease) watch(idle time.Duration) error {
	lock, err := os.OpenFile(l.path("watch.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if !tryLock(lock) {
		return nil
	}
	watch := exec.Command("sh", "-c", watchScript, "fature-watch", l.folder, strconv.Itoa(int(idle.Seconds())))
	watch.Dir = "/"
	watch.ExtraFiles = []*os.File{lock}
	detach(watch, nil)
	if err := watch.Start(); err != nil {
		return err
	}
	go watch.Wait() // so that it does not stay as a zombie while this process runs
	return nil
}

// stateFolder is where leases are. Its name can be guessed and scripts in it
// are run, so it must be ours.
func stateFolder() (string, error) {
	folder := filepath.Join(os.TempDir(), fmt.Sprintf("fature-testenv-%d", os.Getuid()))
	if err := os.Mkdir(folder, 0o711); err != nil && !os.IsExist(err) {
		return "", err
	}
	if err := checkOwner(folder); err != nil {
		return "", err
	}
	return folder, nil
}
