package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/testenv"
)

// The guide in the README, run as it is written but for the address: from an
// empty database to a commission that is paid, and a preview. What it says of
// the answers is so.
func TestReadmeGuide(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, guide, found := strings.Cut(string(readme), "\n## Try it over HTTP\n")
	require.True(t, found)
	guide, _, _ = strings.Cut(guide, "\n## ")
	pieces := strings.Split(guide, "```")
	require.Len(t, pieces, 5, "text, the session, text, a preview, text")
	first, session, _ := strings.Cut(strings.TrimPrefix(pieces[1], "sh\n"), "\n")
	require.Equal(t, 10, strings.Count(session, "\n"), "ten lines")

	command, found := strings.CutPrefix(first, "go run ./examples/api ")
	require.True(t, found, first)
	args := strings.Fields(strings.TrimSuffix(command, "&"))
	api, address := start(t, testenv.URL(testenv.Empty(t)), args...)
	session = strings.ReplaceAll(session, "localhost:8080", address)
	preview := strings.ReplaceAll(strings.TrimPrefix(pieces[3], "sh\n"), "localhost:8080", address)
	_, sale, found := strings.Cut(session, "sale=$(")
	require.True(t, found)
	sale, _, _ = strings.Cut(sale, " | cut")

	out, again, _ := strings.Cut(sh(t, session+"\necho; echo once more\n"+sale), "once more\n")
	require.NotContains(t, out, "about:blank", "no request is refused")
	require.Contains(t, out, `"amount":"12.00"`, "the commission")
	for _, status := range []string{"approved", "sent", "paid"} {
		require.Contains(t, out, `"status":"`+status+`"`)
	}
	answers := strings.Split(strings.TrimSpace(out), "\n")
	require.Equal(t, quoted(t, pieces[2], "The last answers "), answers[len(answers)-1])
	require.Contains(t, again, quoted(t, pieces[2], "its key answers "))

	login, _, _ := strings.Cut(session, "\n")
	require.Contains(t, sh(t, login+"\n"+preview), quoted(t, pieces[4], "It answers "))
	require.NoError(t, api.Process.Signal(syscall.SIGTERM))
	require.NoError(t, api.Wait())
}

// sh runs a script as a person would paste it, and returns what it prints.
func sh(t *testing.T, script string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", "-u", "-o", "pipefail", "-c", script)
	c.Env = append(os.Environ(), "http_proxy=", "all_proxy=", "HOME="+t.TempDir()) // no .curlrc
	text, err := c.CombinedOutput()
	require.NoError(t, err, string(text))
	return string(text)
}

// quoted is what stands in backquotes after some words.
func quoted(t *testing.T, text, words string) string {
	t.Helper()
	_, text, found := strings.Cut(text, words+"`")
	require.True(t, found, words)
	text, _, _ = strings.Cut(text, "`")
	return text
}
