package fature_test

import (
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
)

// readme is the README and its blocks of code by language.
func readme(t *testing.T) (text string, blocks map[string][]string) {
	t.Helper()
	data, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks = map[string][]string{}
	var language string
	var block []string
	inside := false
	for line := range strings.Lines(string(data)) {
		fence, found := strings.CutPrefix(line, "```")
		switch {
		case found && !inside:
			language, block, inside = strings.TrimSpace(fence), nil, true
		case found:
			blocks[language] = append(blocks[language], strings.Join(block, ""))
			inside = false
		case inside:
			block = append(block, line)
		}
	}
	require.False(t, inside, "a block of the README does not end")
	return string(data), blocks
}

// What a newcomer copies is what the first Example runs, word for word, but for
// the lines that give it a database.
func TestReadmeProgramIsTheExample(t *testing.T) {
	t.Parallel()
	_, blocks := readme(t)
	require.NotEmpty(t, blocks["go"])
	source, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	_, body, found := strings.Cut(string(source), "\nfunc Example() {\n")
	require.True(t, found)
	body, _, _ = strings.Cut(body, "\n}\n")
	setup, program, found := strings.Cut(body+"\n", "\n\n")
	require.True(t, found)
	require.Equal(t, flush(program), flush(blocks["go"][0]))
	require.Contains(t, setup, "testenv.Example()")
	require.LessOrEqual(t, strings.Count(setup, "\n"), 5, "the lines that the README leaves out")
	require.NotContains(t, program, "testenv")
}

// The longer pieces are those of an Example, whose output is checked.
func TestReadmePiecesAreOfExamples(t *testing.T) {
	t.Parallel()
	_, blocks := readme(t)
	source, err := os.ReadFile("example_periods_test.go")
	require.NoError(t, err)
	for _, block := range blocks["go"][1:] {
		if strings.Count(block, "\n") > 1 {
			require.Contains(t, flush(string(source)), flush(block))
		}
	}
}

// flush is a program without its indentation.
func flush(program string) string {
	lines := strings.Split(program, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

// The other Go blocks are pieces of a program, and formatted.
func TestReadmeGoIsFormatted(t *testing.T) {
	t.Parallel()
	_, blocks := readme(t)
	for _, block := range blocks["go"] {
		formatted, err := format.Source([]byte(block))
		require.NoError(t, err, block)
		require.Equal(t, string(formatted), block)
	}
}

func TestReadmePlansAreValid(t *testing.T) {
	t.Parallel()
	_, blocks := readme(t)
	documents := blocks["json"]
	for _, block := range blocks["go"] {
		for _, m := range regexp.MustCompile("(?s)`(\\{.*?\\})`").FindAllStringSubmatch(block, -1) {
			documents = append(documents, m[1])
		}
	}
	require.NotEmpty(t, documents)
	for _, text := range documents {
		document, err := commission.Parse([]byte(text))
		require.NoError(t, err, text)
		require.Empty(t, document.Warnings(), text)
	}
}

func TestReadmeCommandsExist(t *testing.T) {
	t.Parallel()
	text, blocks := readme(t)
	for language := range blocks {
		require.Contains(t, []string{"sh", "go", "text", "json"}, language, "a block says what it is: commands are sh, what they print is text")
	}
	makefile, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	commands := regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(text, -1)
	for _, block := range blocks["sh"] {
		for line := range strings.Lines(block) {
			if strings.HasPrefix(line, "  ") || strings.Contains(line, "curl ") {
				continue // examples/api sends them
			}
			require.Regexp(t, "^(make|go) ", line)
			commands = append(commands, []string{"", strings.TrimSpace(line)})
		}
	}
	for _, c := range commands {
		words := strings.Fields(c[1])
		switch {
		case words[0] == "make" && len(words) > 1:
			require.Regexp(t, "(?m)^"+words[1]+":", string(makefile), c[1])
		case words[0] == "go" && len(words) > 1:
			require.Contains(t, []string{"get", "test", "run"}, words[1], c[1])
			if last := words[len(words)-1]; strings.HasPrefix(last, "./") {
				require.DirExists(t, strings.TrimSuffix(last, "..."), c[1])
			}
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := fs.Glob(os.DirFS("."), "*.md")
	require.NoError(t, err)
	link := regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(m[1], ":") { // else somewhere else
				_, err := os.Stat(m[1])
				require.NoError(t, err, "%s links to it", page)
			}
		}
	}
}

// The packages that the README lists are those that a host can import.
func TestReadmeNamesThePackages(t *testing.T) {
	t.Parallel()
	text, _ := readme(t)
	_, table, found := strings.Cut(text, "## The packages\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n## ")
	var named []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\|").FindAllStringSubmatch(table, -1) {
		named = append(named, m[1])
	}
	packages := []string{"fature"}
	for _, s := range library() {
		if s.dir != "" && !s.internal() && !slices.Contains(packages, s.dir) {
			packages = append(packages, s.dir)
		}
	}
	require.ElementsMatch(t, packages, named)
}

func TestReadmeCountsTheInvariants(t *testing.T) {
	t.Parallel()
	text, _ := readme(t)
	program, err := fature.New(t.Context(), fature.Config{Pool: testenv.Clone(t)})
	require.NoError(t, err)
	report, err := program.Verify(t.Context())
	require.NoError(t, err)
	require.Contains(t, text, fmt.Sprintf("`program.Verify(ctx)` checks %d invariants", len(report.Checked)))
}
