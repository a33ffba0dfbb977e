//go:build unix

package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// lockFile waits for the lock at path. The empty file stays: to remove it would
// let two processes hold "the" lock, one of the old file and one of a new.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// tryLock reports whether it got the lock of an open file.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// checkOwner refuses a folder that another user could have prepared.
func checkOwner(folder string) error {
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("testenv: %s is not a folder that only this user can write; remove it", folder)
	}
	return nil
}

// A person is the user that a server runs as; nil is the one we are.
type person struct{ uid, gid int }

// unprivileged is whom to run PostgreSQL as, which refuses to run as root.
func unprivileged() (*person, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil && uid != 0 {
			return &person{uid, gid}, nil
		}
	}
	return nil, fmt.Errorf("this is root, and there is neither a user postgres nor nobody to run the server as")
}

// detach lets a command outlive this process and its terminal: an interrupt at
// the keyboard must not stop the database under a program that is finishing.
func detach(cmd *exec.Cmd, as *person) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if as != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(as.uid), Gid: uint32(as.gid)}
	}
}

// give makes a folder belong to the user that a server runs as.
func give(folder string, to *person) error {
	if to == nil {
		return nil
	}
	return os.Chown(folder, to.uid, to.gid)
}
