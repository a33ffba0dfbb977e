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
	group, name string
	nanoseconds float64
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
		group, name, _ := strings.Cut(m[1], "/")
		results = append(results, result{group, name, ns})
		if strings.HasPrefix(name, "limit=") {
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
		if limit, ok := limits[r.group]; ok {
			fmt.Fprintf(out, "%-24s %-28s %12.3f %8.2f\n", r.group, r.name, r.nanoseconds/1e6, limit/r.nanoseconds)
		}
	}
}
