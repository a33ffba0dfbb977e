package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// tally is what became of the orders.
type tally struct {
	rows, recorded, duplicates, unattributed int
	sales, commissions, breakage             decimal.Decimal
	refused                                  []string
	sample                                   commission.Commission // a line to explain
}

// record sends every order of the file in one call. An order that cannot be
// read, or that the library refuses, does not keep the others back.
func record(ctx context.Context, program *fature.Program, in io.Reader) (tally, error) {
	var t tally
	var events []transaction.Event
	var rows []int
	reader := csv.NewReader(in)
	if _, err := reader.Read(); err != nil { // the head
		return t, err
	}
	for {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return t, err
		}
		t.rows++
		row, _ := reader.FieldPos(0)
		event, err := order(fields)
		if err != nil {
			t.refused = append(t.refused, fmt.Sprintf("row %d: %v", row, err))
			continue
		}
		events, rows = append(events, event), append(rows, row)
	}
	results, err := program.RecordPartial(ctx, events...)
	if err != nil {
		return t, err
	}
	for i, r := range results {
		t.add(rows[i], r)
	}
	return t, nil
}

// order reads: order_id, customer_id, referral_code, amount, currency,
// ordered_at, items.
func order(f []string) (transaction.Event, error) {
	amount, err := decimal.NewFromString(f[3])
	if err != nil {
		return transaction.Event{}, fmt.Errorf("amount: %q is not a number", f[3])
	}
	at, err := time.Parse(time.RFC3339, f[5])
	if err != nil {
		return transaction.Event{}, fmt.Errorf("ordered_at: %q is not a time", f[5])
	}
	items, err := strconv.Atoi(f[6])
	if err != nil {
		return transaction.Event{}, fmt.Errorf("items: %q is not a number", f[6])
	}
	return transaction.Event{
		SourceTable: "orders", OriginalID: f[0], CustomerID: f[1], Code: f[2],
		Type: transaction.Sale, Amount: amount, Currency: f[4], At: at,
		Metadata: map[string]any{"items": items},
	}, nil
}

func (t *tally) add(row int, r fature.Recorded) {
	switch {
	case r.Err != nil:
		t.refused = append(t.refused, fmt.Sprintf("row %d: %v", row, r.Err))
		return
	case r.Unattributed():
		t.unattributed++
		return
	case r.Duplicate:
		t.duplicates++
		return
	}
	t.recorded++
	t.sales = t.sales.Add(r.Transaction.Amount)
	t.breakage = t.breakage.Add(r.Breakage())
	for _, line := range r.Lines {
		t.commissions = t.commissions.Add(line.FinalAmount)
		if len(line.Calculation.Caps) > 0 && line.Level == 1 || t.sample.Rule == "" {
			t.sample = line
		}
	}
}

func (t *tally) print() {
	fmt.Printf("  %3d recorded: sales of %s earned %s, and %s of the plan found nobody to take it\n",
		t.recorded, t.sales.StringFixed(2), t.commissions.StringFixed(2), t.breakage.StringFixed(2))
	fmt.Printf("  %3d reported twice, recorded once\n", t.duplicates)
	fmt.Printf("  %3d of customers whom nobody brought\n", t.unattributed)
	fmt.Printf("  %3d refused\n", len(t.refused))
	for _, why := range t.refused {
		fmt.Println("      " + why)
	}
}
