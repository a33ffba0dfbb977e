package main

import (
	"context"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
)

//go:embed plan.json
var defaultPlan []byte

//go:embed plan-bonus.json
var bonusPlan []byte

// prepare puts the plan in force and makes the tree, unless they are there. It
// returns the referral codes of the affiliates, and the plan's zone.
func prepare(ctx context.Context, program *fature.Program, o options) ([]string, *time.Location, error) {
	plan, err := putInForce(ctx, program, o)
	if err != nil {
		return nil, nil, err
	}
	zone, err := time.LoadLocation(plan.Timezone)
	if err != nil {
		return nil, nil, err
	}
	drafts, err := readTree(o.tree)
	if err != nil {
		return nil, nil, err
	}
	codes := make([]string, len(drafts))
	for i, d := range drafts {
		codes[i] = d.ReferralCode
	}
	_, err = program.Affiliates.CreateAll(ctx, drafts)
	if errors.Is(err, affiliate.ErrCodeTaken) || errors.Is(err, affiliate.ErrEmailTaken) {
		err = nil // an earlier run made them
	}
	return codes, zone, err
}

func publish(ctx context.Context, program *fature.Program, file string, text []byte) (*commission.Plan, error) {
	doc, err := commission.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return program.Plans.Publish(ctx, doc)
}

func putInForce(ctx context.Context, program *fature.Program, o options) (*commission.Plan, error) {
	text := defaultPlan
	var err error
	switch {
	case o.plan != "":
		text, err = os.ReadFile(o.plan)
	case o.close:
		text = bonusPlan
	}
	if err != nil {
		return nil, err
	}
	plan, err := publish(ctx, program, o.plan, text)
	if err != nil {
		return nil, err
	}
	ever := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	err = program.Plans.Assign(ctx, commission.Default(plan.ID).Since(ever))
	if errors.Is(err, commission.ErrAssigned) {
		err = nil // an earlier run did
	}
	return plan, err
}

// readTree reads code, name, email, referred_by; without a file it makes 500
// affiliates, each but the first five under one made before it.
func readTree(file string) ([]affiliate.Draft, error) {
	if file == "" {
		return madeUp(500), nil
	}
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	rows, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var drafts []affiliate.Draft
	for i, row := range rows {
		if i == 0 {
			continue
		}
		if len(row) < 4 {
			return nil, fmt.Errorf("%s: row %d has not the columns code, name, email, referred_by", file, i+1)
		}
		drafts = append(drafts, affiliate.Draft{ReferralCode: row[0], Name: row[1], Email: row[2], ReferredBy: row[3]})
	}
	if len(drafts) == 0 {
		return nil, fmt.Errorf("%s: has no affiliates", file)
	}
	return drafts, nil
}

func madeUp(n int) []affiliate.Draft {
	drafts := make([]affiliate.Draft, n)
	code := func(i int) string { return fmt.Sprintf("AFF-%03d", i+1) }
	for i := range drafts {
		drafts[i] = affiliate.Draft{
			ReferralCode: code(i), Name: fmt.Sprintf("Affiliate %d", i+1), Email: fmt.Sprintf("affiliate%d@example.com", i+1),
		}
		if i >= 5 {
			drafts[i].ReferredBy = code(i * 3 / 7) // about seven levels deep
		}
	}
	return drafts
}
