// Ratios reads the output of go test -bench and prints, for every group of
// sub-benchmarks with a limit among them (limit=copy and the like), how each
// stands beside it: 1.00 is as fast as the limit.
//
//	go test -run '^$' -bench . ./... | go run ./internal/ratios
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		os.Exit(1)
	}
}

// result is one line of a benchmark.
type result struct {
	path        string
	nanoseconds float64
}

// group is the longest part of the path that has a limit.
func (r result) group(limits map[string]float64) (group, name string, ok bool) {
	for i := len(r.path) - 1; i > 0; i-- {
		if r.path[i] == '/' {
			if _, ok := limits[r.path[:i]]; ok {
				return r.path[:i], r.path[i+1:], true
			}
		}
	}
	return "", "", false
}

// line is such as "BenchmarkRecord/limit=copy-2  20  161319712 ns/op".
var line = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op`)

func run(in io.Reader, out io.Writer) error {
	var results []result
	limits := map[string]float64{}
	text := bufio.NewScanner(in)
	for text.Scan() {
		fmt.Fprintln(out, text.Text())
		m := line.FindStringSubmatch(text.Text())
		if m == nil {
			continue
		}
		ns, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return err
		}
		results = append(results, result{m[1], ns})
		if group, _, ok := strings.Cut(m[1], "/limit="); ok {
			limits[group] = ns
		}
	}
	table(out, results, limits)
	return text.Err()
}

func table(out io.Writer, results []result, limits map[string]float64) {
	if len(limits) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%-24s %-28s %12s %8s\n", "benchmark", "case", "ms/op", "of limit")
	for _, r := range results {
		if group, name, ok := r.group(limits); ok {
			fmt.Fprintf(out, "%-24s %-28s %12.3f %8.2f\n", group, name, r.nanoseconds/1e6, limits[group]/r.nanoseconds)
		}
	}
}
