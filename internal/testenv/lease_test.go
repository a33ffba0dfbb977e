package testenv

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakePlan is a server that is a file: up while the file is there. It answers
// nothing, so joining is tested with real ones below.
func fakePlan(t *testing.T) (p plan, up string) {
	up = filepath.Join(t.TempDir(), "up")
	return plan{
		key:   "fake-" + newLease("").name,
		stop:  func(lease) string { return "rm '" + up + "'\n" },
		start: func(context.Context, lease) (*Servers, error) { return new(Servers), os.WriteFile(up, nil, 0o600) },
	}, up
}

func TestServerThatDoesNotStartIsStopped(t *testing.T) {
	p, up := fakePlan(t)
	p.start = func(_ context.Context, l lease) (*Servers, error) {
		require.NoError(t, os.WriteFile(up, nil, 0o600))
		return nil, os.ErrDeadlineExceeded
	}
	_, err := startPrivate(t.Context(), p)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.NoFileExists(t, up)
}

func TestSharedServer(t *testing.T) {
	startable(t, "local")
	p, err := findLocal(t.Context(), t.Logf)
	require.NoError(t, err)
	p.key = "shared-" + newLease("").name
	first, err := startShared(t.Context(), p, time.Second)
	require.NoError(t, err)
	defer first.lease.end()
	lock := first.lease.folder + ".lock"
	defer os.Remove(lock)

	second, err := startShared(t.Context(), p, time.Second)
	require.NoError(t, err)
	assert.Equal(t, first.DatabaseURL, second.DatabaseURL, "the second joins")

	// Somebody stops the servers and leaves the folder.
	stop := exec.Command("sh", "stop.sh")
	stop.Dir = first.lease.folder
	require.NoError(t, stop.Run())
	third, err := startShared(t.Context(), p, time.Second)
	require.NoError(t, err)
	assert.NotEqual(t, first.DatabaseURL, third.DatabaseURL, "a stale state is not believed")

	// Nobody uses it any more.
	require.NoError(t, os.RemoveAll(third.lease.path("users")))
	require.Eventually(t, func() bool { return stopped(third.DatabaseURL, third.lease.folder) }, 20*time.Second, 50*time.Millisecond)
}
