package main

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far the file is read: a bar on a terminal, a line every
// few seconds elsewhere.
type progress struct {
	bar   *progressbar.ProgressBar // nil where there is no terminal
	size  int64
	shown time.Time
}

const showEvery = 5 * time.Second

func newProgress(size int64) *progress {
	p := &progress{size: size, shown: time.Now()}
	if term.IsTerminal(int(os.Stderr.Fd())) { //nolint:gosec // a file descriptor
		p.bar = progressbar.NewOptions64(size,
			progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionSetDescription("recording"))
	}
	return p
}

func (p *progress) at(offset int64, t *tally) {
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%d rows", t.rows))
		_ = p.bar.Set64(offset)
		return
	}
	if time.Since(p.shown) >= showEvery {
		p.shown = time.Now()
		fmt.Fprintf(os.Stderr, "%3d %%, %d rows\n", 100*offset/max(1, p.size), t.rows)
	}
}

func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
