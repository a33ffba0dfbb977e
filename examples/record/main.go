// Record puts any CSV of events into a programme, in batches, with a progress
// bar on a terminal and plain lines elsewhere. It can be stopped at any moment
// and started again: what is recorded already is a repetition.
//
//	go run ./examples/record [-database URL] [-plan FILE] [-tree FILE] FILE
//
// Then it can close the months of the file (-close), pay what is available at
// the end of each (-pay FILE), and tell what they would have come to under
// another plan (-simulate FILE).
//
// The columns are known by their names: original_id, customer_id, type,
// amount, created_at (RFC 3339), and where they are there affiliate_id, code,
// currency and source_table; every other column becomes metadata.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/testenv"
)

func main() {
	var o options
	flag.StringVar(&o.database, "database", os.Getenv("DATABASE_URL"), "the `URL` of a database; without one a server is started for this run")
	flag.StringVar(&o.plan, "plan", "", "a plan document, as a JSON `FILE`; defaults to 8 % and five levels of overrides, with -close also a monthly bonus")
	flag.StringVar(&o.tree, "tree", "", "the affiliates, as a CSV `FILE` of code, name, email, referred_by; defaults to 500 made up ones")
	flag.StringVar(&o.source, "source", "import", "the source_table of events that do not say theirs")
	flag.StringVar(&o.only, "only", "", "record events of this `TYPE` only")
	flag.IntVar(&o.batch, "batch", 1000, "events of one call")
	flag.BoolVar(&o.close, "close", false, "close the months of the file")
	flag.StringVar(&o.pay, "pay", "", "pay what is available at the end of each month, by transfers in a CSV `FILE`")
	flag.StringVar(&o.minimum, "minimum", "50.00", "the least that an affiliate is paid")
	flag.StringVar(&o.simulate, "simulate", "", "rate it all again under another plan document, a JSON `FILE`")
	flag.BoolVar(&o.verify, "verify", true, "check every invariant at the end")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	o.file = flag.Arg(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

type options struct {
	database, plan, tree, source, only, file string
	pay, minimum, simulate                   string
	batch                                    int
	close, verify                            bool
}

func run(ctx context.Context, o options) error {
	if o.batch < 1 || o.batch > fature.MaxBatch {
		return fmt.Errorf("-batch is not between 1 and %d", fature.MaxBatch)
	}
	in, err := os.Open(o.file)
	if err != nil {
		return err
	}
	defer in.Close()
	if o.database == "" {
		servers, err := testenv.Start(ctx, say)
		if err != nil {
			return err
		}
		defer servers.Close()
		o.database = servers.DatabaseURL
	}
	program, err := fature.Open(ctx, o.database, fature.Config{})
	if err != nil {
		return err
	}
	defer program.Close()
	return work(ctx, program, in, o)
}

func work(ctx context.Context, program *fature.Program, in *os.File, o options) error {
	minimum, err := decimal.NewFromString(o.minimum)
	if err != nil {
		return fmt.Errorf("-minimum is not an amount")
	}
	codes, zone, err := prepare(ctx, program, o)
	if err != nil {
		return err
	}
	info, err := in.Stat()
	if err != nil {
		return err
	}
	events, err := newReader(in, o.source, codes)
	if err != nil {
		return err
	}
	progress := newProgress(info.Size(), "recording")
	start := time.Now()
	t, err := record(ctx, program, events, o, progress)
	progress.done()
	t.print(time.Since(start))
	if err != nil {
		return fmt.Errorf("%w (start again: what is recorded stays)", err)
	}
	b := books{program, monthsOf(&t, zone)}
	if o.close {
		if err := b.close(ctx); err != nil {
			return err
		}
	}
	if o.pay != "" {
		if err := b.pay(ctx, o.pay, minimum, zone); err != nil {
			return err
		}
	}
	if o.simulate != "" {
		if err := b.simulate(ctx, o.simulate); err != nil {
			return err
		}
	}
	if _, err := program.Fold(ctx); err != nil || !o.verify {
		return err
	}
	return verify(ctx, program)
}

// record sends the events in batches; memory does not grow with the file.
func record(ctx context.Context, program *fature.Program, events *reader, o options, progress *progress) (tally, error) {
	var t tally
	for {
		batch, rows, err := events.next(o.batch, o.only, &t)
		if len(batch) > 0 {
			results, err := program.RecordPartial(ctx, batch...)
			if err != nil {
				return t, err
			}
			for i, r := range results {
				t.add(rows[i], r)
			}
		}
		progress.at(events.offset(), fmt.Sprintf("%d rows", t.rows))
		if err == io.EOF { //nolint:errorlint // next returns it bare
			return t, nil
		}
		if err != nil {
			return t, err
		}
	}
}

// tally is what became of the rows.
type tally struct {
	rows, left, duplicates, unattributed, refused int
	first, last                                   time.Time // of the events that are recorded, whenever that was
	recorded, takenBack                           sum       // takenBack is what refunds and chargebacks take back
	why                                           []string  // of the first refused
}

// sum is what was recorded of events, and their lines.
type sum struct {
	events, lines                 int
	amount, commissions, breakage decimal.Decimal
}

func (s *sum) add(r fature.Recorded) {
	s.events++
	s.lines += len(r.Lines)
	s.amount = s.amount.Add(r.Transaction.Amount)
	s.breakage = s.breakage.Add(r.Breakage())
	for _, l := range r.Lines {
		s.commissions = s.commissions.Add(l.FinalAmount)
	}
}

func (s *sum) String() string {
	return fmt.Sprintf("of %s, with %d lines of %s; breakage %s",
		s.amount.StringFixed(2), s.lines, s.commissions.StringFixed(2), s.breakage.StringFixed(2))
}

func (t *tally) refuse(row int, err error) {
	if t.refused++; len(t.why) < 10 {
		t.why = append(t.why, fmt.Sprintf("row %d: %v", row, err))
	}
}

func (t *tally) add(row int, r fature.Recorded) {
	if r.Err == nil && !r.Unattributed() {
		t.span(r.Transaction.CreatedAt)
	}
	switch {
	case r.Err != nil:
		t.refuse(row, r.Err)
	case r.Unattributed():
		t.unattributed++
	case r.Duplicate:
		t.duplicates++
	case r.Transaction.ReversesID != nil:
		t.takenBack.add(r)
	default:
		t.recorded.add(r)
	}
}

func (t *tally) span(at time.Time) {
	if t.first.IsZero() || at.Before(t.first) {
		t.first = at
	}
	if at.After(t.last) {
		t.last = at
	}
}

func (t *tally) print(took time.Duration) {
	fmt.Printf("%d rows in %.1f s: %.0f rows/s, %.0f lines/s\n", t.rows, took.Seconds(),
		float64(t.rows)/took.Seconds(), float64(t.recorded.lines+t.takenBack.lines)/took.Seconds())
	fmt.Printf("  %8d recorded, %s\n", t.recorded.events, &t.recorded)
	if t.takenBack.events > 0 {
		fmt.Printf("  %8d refunds, %s\n", t.takenBack.events, &t.takenBack)
	}
	fmt.Printf("  %8d recorded before\n  %8d of nobody\n  %8d refused\n", t.duplicates, t.unattributed, t.refused)
	if t.left > 0 {
		fmt.Printf("  %8d of other types left out\n", t.left)
	}
	for _, why := range t.why {
		fmt.Println("    " + why)
	}
}

func verify(ctx context.Context, program *fature.Program) error {
	start := time.Now()
	report, err := program.Verify(ctx)
	if err != nil {
		return err
	}
	for _, f := range report.Findings {
		fmt.Printf("%s does not hold: %s (%d, such as %v)\n", f.Name, f.Meaning, f.Count, f.IDs)
	}
	if !report.OK() {
		return fmt.Errorf("verify found something wrong")
	}
	fmt.Printf("verified: all %d invariants hold (%.1f s)\n", len(report.Checked), time.Since(start).Seconds())
	return nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
