//go:build !unix

package testenv

import (
	"errors"
	"os"
	"os/exec"
)

// Docker and local servers need file locks and a shell. Elsewhere the package
// compiles, and works with FATURE_DATABASE_URL.
var errNotUnix = errors.New("testenv: only FATURE_DATABASE_URL works on this system; WSL has the rest")

type person struct{}

func lockFile(string) (func(), error) { return nil, errNotUnix }
func tryLock(*os.File) bool           { return false }
func checkOwner(string) error         { return errNotUnix }
func unprivileged() (*person, error)  { return nil, errNotUnix }
func detach(*exec.Cmd, *person)       {}
func give(string, *person) error      { return errNotUnix }
