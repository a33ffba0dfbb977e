package testenv

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNamedServerThatIsDownIsAnError(t *testing.T) {
	up := serversOf(t).servers
	tests := map[string]struct{ database, redis, want string }{
		"PostgreSQL": {"postgres://127.0.0.1:1/x", "", "FATURE_DATABASE_URL is set, but its server does not answer"},
		"Redis":      {up.DatabaseURL, "redis://127.0.0.1:1", "FATURE_REDIS_URL is set, but its server does not answer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("FATURE_BACKEND", "")
			t.Setenv("FATURE_DATABASE_URL", test.database)
			t.Setenv("FATURE_REDIS_URL", test.redis)
			_, err := Start(t.Context(), t.Logf)
			require.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error(), "Tried", "it must not go on to Docker")
		})
	}
}

func TestNamedServersAreUsedAsTheyAre(t *testing.T) {
	up := serversOf(t).servers
	t.Setenv("FATURE_BACKEND", "url")
	t.Setenv("FATURE_DATABASE_URL", up.DatabaseURL)
	t.Setenv("FATURE_REDIS_URL", "")
	s, err := Start(t.Context(), t.Logf)
	require.NoError(t, err)
	s.Close()
	assert.Equal(t, up.DatabaseURL, s.DatabaseURL)
	assert.Empty(t, s.RedisURL, "no Redis is fine")
	require.NoError(t, pingPostgres(t.Context(), s.DatabaseURL), "Close must leave it running")
}

func TestForcedBackendThatIsMissing(t *testing.T) {
	t.Setenv("FATURE_DATABASE_URL", "")
	t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
	for backend, reason := range map[string]string{
		"url":    "url:    FATURE_DATABASE_URL is not set",
		"docker": "docker: no daemon: ",
	} {
		t.Run(backend, func(t *testing.T) {
			t.Setenv("FATURE_BACKEND", backend)
			_, err := Start(t.Context(), t.Logf)
			require.ErrorContains(t, err, reason)
			assert.Equal(t, 1, strings.Count(err.Error(), ":    ")+strings.Count(err.Error(), "docker: "), "only that one is tried")
			assert.ErrorContains(t, err, waysOut)
		})
	}
	t.Setenv("FATURE_BACKEND", "dokcer")
	_, err := Start(t.Context(), t.Logf)
	require.ErrorContains(t, err, `FATURE_BACKEND is "dokcer"; it can be url, docker, local`)
}

func TestNamedImageThatIsMissing(t *testing.T) {
	if _, err := findDocker(t.Context(), t.Logf); err != nil {
		t.Skipf("needs Docker: %v", err)
	}
	t.Setenv("FATURE_TEST_IMAGE", "fature-test:nowhere")
	_, err := findDocker(t.Context(), t.Logf)
	require.ErrorContains(t, err, "fature-test:nowhere of FATURE_TEST_IMAGE is not here")
}

func TestNewestPostgres(t *testing.T) {
	fake := func(version string) string {
		folder := t.TempDir()
		script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
		for _, name := range []string{"initdb", "postgres"} {
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(script), 0o755))
		}
		return folder
	}
	old, new, older := fake("16.4 (Debian 16.4-1)"), fake("18.1"), fake("13.2")

	bin, major, err := newestPostgres(t.Context(), []string{old, t.TempDir(), new, older})
	require.NoError(t, err)
	assert.Equal(t, new, bin)
	assert.Equal(t, 18, major)

	_, _, err = newestPostgres(t.Context(), []string{older})
	require.ErrorContains(t, err, "the newest PostgreSQL here is 13")
	_, _, err = newestPostgres(t.Context(), nil)
	require.ErrorContains(t, err, "no initdb on PATH")
}

func TestSplitImage(t *testing.T) {
	for image, want := range map[string][2]string{
		"fature-test:pg17":     {"fature-test", "pg17"},
		"postgres":             {"postgres", "latest"},
		"host:5000/postgres":   {"host:5000/postgres", "latest"},
		"host:5000/postgres:9": {"host:5000/postgres", "9"},
	} {
		repository, tag := splitImage(image)
		assert.Equal(t, want, [2]string{repository, tag}, image)
	}
}

// TestPrivateServers goes through what a program does, with each backend there is.
func TestPrivateServers(t *testing.T) {
	for _, backend := range []string{"docker", "local"} {
		t.Run(backend, func(t *testing.T) {
			startable(t, backend)
			t.Setenv("FATURE_BACKEND", backend)
			s, err := Start(t.Context(), t.Logf)
			require.NoError(t, err)
			defer s.Close()
			assert.Equal(t, backend, s.Backend)
			assert.True(t, strings.HasSuffix(s.DatabaseURL, "/fature?sslmode=disable"), s.DatabaseURL)
			require.NoError(t, pingPostgres(t.Context(), s.DatabaseURL))
			if s.RedisURL != "" {
				require.NoError(t, pingRedis(t.Context(), s.RedisURL))
			}
			s.Close()
			assert.True(t, stopped(s.DatabaseURL, s.lease.folder))
		})
	}
}

// TestKilledProgram is why there is a watch.sh: nothing stays of a program that
// could not clean up.
func TestKilledProgram(t *testing.T) {
	if os.Getenv("FATURE_TESTENV_VICTIM") != "" {
		s, err := Start(t.Context(), t.Logf)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(os.Getenv("FATURE_TESTENV_VICTIM"), []byte(s.DatabaseURL+"\n"+s.lease.folder), 0o600))
		select {} // until killed
	}
	for _, backend := range []string{"docker", "local"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			startable(t, backend)
			report := filepath.Join(t.TempDir(), "report")
			victim := exec.Command(os.Args[0], "-test.run=^TestKilledProgram$")
			victim.Env = append(os.Environ(), "FATURE_TESTENV_VICTIM="+report, "FATURE_BACKEND="+backend)
			require.NoError(t, victim.Start())
			defer victim.Wait()
			defer victim.Process.Kill()

			var text []byte
			require.Eventually(t, func() bool { text, _ = os.ReadFile(report); return len(text) > 0 }, startLimit, 20*time.Millisecond)
			address, folder, _ := strings.Cut(string(text), "\n")
			require.NoError(t, victim.Process.Kill())
			victim.Wait()
			require.Eventually(t, func() bool { return stopped(address, folder) }, 30*time.Second, 50*time.Millisecond)
		})
	}
}

// startable skips where a backend is not installed: not every machine that can
// run the suite has both.
func startable(t *testing.T, backend string) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: needs PostgreSQL")
	}
	find := map[string]finder{"docker": findDocker, "local": findLocal}[backend]
	if _, err := find(t.Context(), t.Logf); err != nil {
		t.Skipf("needs %s servers: %v", backend, err)
	}
}

// stopped reports whether nothing is left of a server.
func stopped(databaseURL, folder string) bool {
	_, err := os.Stat(folder)
	renamed, _ := filepath.Glob(folder + ".[0-9]*") // by watch.sh, before it stops the server
	return os.IsNotExist(err) && len(renamed) == 0 && pingPostgres(context.Background(), databaseURL) != nil
}
