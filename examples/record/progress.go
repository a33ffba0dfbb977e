package main

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far the work is: a bar on a terminal, a line every few
// seconds elsewhere.
type progress struct {
	bar   *progressbar.ProgressBar // nil where there is no terminal
	size  int64
	shown time.Time
}

const showEvery = 5 * time.Second

func newProgress(size int64, what string) *progress {
	p := &progress{size: size, shown: time.Now()}
	if term.IsTerminal(int(os.Stderr.Fd())) { //nolint:gosec // a file descriptor
		p.bar = progressbar.NewOptions64(size,
			progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionSetDescription(what))
	}
	return p
}

func (p *progress) at(done int64, what string) {
	if p.bar != nil {
		p.bar.Describe(what)
		_ = p.bar.Set64(done)
		return
	}
	if time.Since(p.shown) >= showEvery {
		p.shown = time.Now()
		fmt.Fprintf(os.Stderr, "%3d %%, %s\n", 100*done/max(1, p.size), what)
	}
}

func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
