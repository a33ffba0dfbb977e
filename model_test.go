package fature_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/scenario"
)

// step is one operation of a story. What it does beyond its verb is drawn from
// its own seed, so that the others stay what they are when it is left out.
type step struct {
	verb string
	seed uint64
}

// verbs are what may happen, as often as they stand here.
var verbs = slices.Concat(
	slices.Repeat([]string{"record"}, 24), slices.Repeat([]string{"advance"}, 6), slices.Repeat([]string{"register", "change", "close", "close"}, 4),
	slices.Repeat([]string{"run", "payout", "payout", "move", "adjust", "void"}, 3),
	slices.Repeat([]string{"assign", "transfer", "approve"}, 2), []string{"detach", "release"})

// Whatever is done in whatever order, the programme is what a model of maps and
// slices is, and its invariants hold. FATURE_SEED=n repeats a story,
// FATURE_STEPS=n makes it as long; FATURE_LONG=1 tells many long ones, and
// verifies after each step.
func TestModel(t *testing.T) {
	t.Parallel()
	seeds, length := []uint64{1, 2}, 45
	if os.Getenv("FATURE_LONG") != "" {
		seeds, length = make([]uint64, 20), 150
		for i := range seeds {
			seeds[i] = rand.Uint64() //nolint:gosec // chance, not a secret
		}
	}
	if given := os.Getenv("FATURE_SEED"); given != "" {
		seed, err := strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
		seeds = []uint64{seed}
	}
	if given := os.Getenv("FATURE_STEPS"); given != "" {
		var err error
		length, err = strconv.Atoi(given)
		require.NoError(t, err)
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			steps := drawSteps(seed, length)
			told, err := tell(t, steps)
			if err == nil {
				t.Log(told.sums())
				return
			}
			t.Logf("FATURE_SEED=%d FATURE_STEPS=%d fails at step %d: %v\n%s", seed, length, told.done, err, strings.Join(told.log[max(0, len(told.log)-8):], "\n"))
			steps = shrink(t, steps[:told.done], time.Now().Add(time.Minute))
			told, err = tell(t, steps)
			t.Fatalf("FATURE_SEED=%d FATURE_STEPS=%d; what is left of it:\n%s\n%v", seed, length, strings.Join(told.log, "\n"), err)
		})
	}
}

// sums tell how much has happened.
func (s *story) sums() string {
	refunds, late := 0, 0
	for _, e := range s.rows {
		if e.reverses != nil {
			refunds++
		}
	}
	for _, st := range s.statements {
		if !st.Opening.IsZero() || !st.Advance.IsZero() || len(st.carried.Customers) > 0 {
			late++
		}
	}
	return fmt.Sprintf("%d affiliates, %d transactions, of which %d refunds, %d lines, %d statements, of which %d carry or recoup, %d payouts",
		len(s.affiliates), len(s.rows), refunds, len(s.lines), len(s.statements), late, len(s.payouts))
}

func drawSteps(seed uint64, length int) []step {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // as above
	var steps []step
	for _, verb := range []string{"register", "register", "assign", "register", "register", "assign", "assign"} {
		steps = append(steps, step{verb, random.Uint64()})
	}
	for len(steps) < length {
		steps = append(steps, step{verbs[random.IntN(len(verbs))], random.Uint64()})
	}
	return steps
}

// shrink leaves out what the failure does not need: halves, quarters, and so on
// down to single steps, as long as there is time.
func shrink(t *testing.T, steps []step, until time.Time) []step {
	for size := max(1, len(steps)/2); size > 0; size /= 2 {
		for from := 0; from < len(steps) && time.Now().Before(until); {
			fewer := slices.Concat(steps[:from], steps[min(from+size, len(steps)):])
			told, err := tell(t, fewer)
			if err == nil {
				from += size
				continue
			}
			steps = fewer[:told.done]
		}
	}
	return steps
}

// story is a story as it is told to the programme and to the model.
type story struct {
	*model
	w      *scenario.World
	t      testing.TB
	random *rand.Rand
	log    []string
	done   int
}

// tell tells a story, up to where the programme and the model differ.
func tell(t *testing.T, steps []step) (told *story, err error) {
	t.Run("told", func(t *testing.T) {
		told = &story{model: newModel(scenario.Now), t: t}
		told.w = scenario.New(t, func(c *fature.Config) { c.MaxDepth = modelDepth })
		for i, s := range steps {
			told.random = rand.New(rand.NewPCG(s.seed, 1)) //nolint:gosec // as above
			told.done = i + 1
			if err = told.step(s.verb); err == nil {
				err = told.compare(i%10 == 9, i == len(steps)-1 || os.Getenv("FATURE_LONG") != "")
			}
			if err != nil {
				return
			}
		}
	})
	return told, err
}

func (s *story) step(verb string) error {
	switch verb {
	case "register":
		return s.register()
	case "move":
		return s.move()
	case "detach":
		return s.detach()
	case "change":
		return s.change()
	case "assign":
		return s.publishAndAssign()
	case "record":
		return s.recordSome()
	case "transfer", "release":
		return s.pass(verb == "release")
	case "advance":
		s.advance()
		return nil
	case "close":
		return s.close()
	case "void":
		return s.voidOne()
	case "adjust":
		return s.adjustOne()
	case "approve":
		return s.approveHolds()
	case "run":
		return s.payRun()
	case "payout":
		return s.payoutState()
	}
	return fmt.Errorf("no such verb: %s", verb)
}

func (s *story) say(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

func (s *story) chance(percent int) bool { return s.random.IntN(100) < percent }

func pick[T any](s *story, list []T) T { return list[s.random.IntN(len(list))] }

// somebody is an affiliate, or nil while there is none.
func (s *story) somebody() *person {
	if len(s.affiliates) == 0 {
		return nil
	}
	return pick(s, s.affiliates)
}

// agree tells where a refusal and what the model says of it differ.
func agree(want, got error) error {
	var depth *hierarchy.DepthError
	switch {
	case want == nil && got == nil:
		return nil
	case want == nil:
		return fmt.Errorf("refused: %w", got)
	case got == nil:
		return fmt.Errorf("not refused, as it should be by: %w", want)
	case errors.As(want, &depth):
		if own := depth; errors.As(got, &depth) && *own == *depth {
			return nil
		}
	case errors.Is(got, want):
		return nil
	}
	return fmt.Errorf("refused by %w, and not by: %w", got, want)
}

// same tells how two texts differ.
func same(what, want, got string) error {
	if want == got {
		return nil
	}
	wants, gots := strings.Split(want, "\n"), strings.Split(got, "\n")
	var text strings.Builder
	for _, line := range wants {
		if !slices.Contains(gots, line) {
			text.WriteString("\n\tmodel:     " + line)
		}
	}
	for _, line := range gots {
		if !slices.Contains(wants, line) {
			text.WriteString("\n\tprogramme: " + line)
		}
	}
	if text.Len() == 0 {
		text.WriteString("\n\tin order:\n" + want + "\n\tand\n" + got)
	}
	return fmt.Errorf("%s differ:%s", what, text.String())
}

// do does what the model has said of, which where refused must leave nothing
// changed.
func (s *story) do(want error, call func() error) (done bool, err error) {
	var before map[string]int
	if want != nil {
		before = s.w.Rows()
	}
	got := call()
	if err := agree(want, got); err != nil || want == nil {
		return err == nil, err
	}
	if after := s.w.Rows(); fmt.Sprint(before) != fmt.Sprint(after) {
		return false, fmt.Errorf("refused, but the rows were %v and are %v", before, after)
	}
	return false, nil
}

func nameID(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)) }
