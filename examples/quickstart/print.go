package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/commission"
)

// earned is what an affiliate earned itself and by its downline.
type earned struct{ own, overrides decimal.Decimal }

func printTree(ctx context.Context, program *fature.Program, people []affiliate.Affiliate) error {
	sums := map[uuid.UUID]earned{}
	for line, err := range program.Commissions.All(ctx, commission.Filter{}) {
		if err != nil {
			return err
		}
		e := sums[line.AffiliateID]
		if line.Level == 0 {
			e.own = e.own.Add(line.FinalAmount)
		} else {
			e.overrides = e.overrides.Add(line.FinalAmount)
		}
		sums[line.AffiliateID] = e
	}
	children := map[uuid.UUID][]affiliate.Affiliate{}
	for _, a := range people {
		parent := uuid.Nil
		if a.ParentID != nil {
			parent = *a.ParentID
		}
		children[parent] = append(children[parent], a)
	}
	fmt.Printf("  %-34s %10s %10s %10s\n", "", "own sales", "downline", "total")
	branch(children, uuid.Nil, "", names(people), sums)
	return nil
}

func branch(children map[uuid.UUID][]affiliate.Affiliate, of uuid.UUID, indent string, names map[uuid.UUID]string, sums map[uuid.UUID]earned) {
	for i, a := range children[of] {
		bar, below := "├─ ", "│  "
		if i == len(children[of])-1 {
			bar, below = "└─ ", "   "
		}
		if of == uuid.Nil {
			bar, below = "", ""
		}
		label := indent + bar + names[a.ID]
		if a.Status != affiliate.Active {
			label += " (" + string(a.Status) + ")"
		}
		e := sums[a.ID]
		// Printf counts bytes, and the branches are longer than they look.
		label += strings.Repeat(" ", max(0, 34-utf8.RuneCountInString(label)))
		fmt.Printf("  %s %10s %10s %10s\n", label,
			e.own.StringFixed(2), e.overrides.StringFixed(2), e.own.Add(e.overrides).StringFixed(2))
		branch(children, a.ID, indent+below, names, sums)
	}
}

func printExplained(line commission.Commission) {
	why := line.Calculation.Explain()
	fmt.Println("  " + why.Sentence)
	for _, step := range why.Steps {
		fmt.Println("    · " + step)
	}
}

func printReport(report fature.Report) error {
	for _, f := range report.Findings {
		fmt.Printf("  %-4s does not hold: %s (%d: %s)\n", f.Name, f.Meaning, f.Count, strings.Join(f.IDs, ", "))
	}
	if !report.OK() {
		return errors.New("verify found something wrong")
	}
	names := make([]string, len(report.Checked))
	for i, c := range report.Checked {
		names[i] = c.Name
	}
	fmt.Printf("  all %d invariants hold: %s\n", len(names), strings.Join(names, " "))
	return nil
}

// printCache shows everybody's statistics on ten pages, and what the cache
// spared the database.
func printCache(ctx context.Context, program *fature.Program, people []affiliate.Affiliate) error {
	for range 10 {
		for _, a := range people {
			if _, err := program.Statistics.Get(ctx, a.ID); err != nil {
				return err
			}
		}
	}
	f := program.CacheFigures()[cache.AffiliateStats.Name]
	fmt.Printf("  statistics of %d affiliates, ten times: %d loads, %d hits in the process, %d in Redis: hit rate %.0f %%\n",
		len(people), f.Loads, f.Near, f.Far, 100*f.HitRate())
	return nil
}
