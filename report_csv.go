package fature

import (
	"encoding/csv"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/shopspring/decimal"
)

// WriteCSV writes the rows as CSV (RFC 4180) under a header of their columns.
// Amounts are texts with two decimals. A text that a spreadsheet would take for
// a formula, beginning with = + - @, a tab or a carriage return, has ' before it.
func (t Table[Row]) WriteCSV(w io.Writer) error {
	fields := reflect.VisibleFields(reflect.TypeFor[Row]())
	out := csv.NewWriter(w)
	out.UseCRLF = true
	line := make([]string, len(fields))
	for i, f := range fields {
		line[i] = f.Tag.Get("db")
	}
	if err := out.Write(line); err != nil {
		return fmt.Errorf("fature: write a report: %w", err)
	}
	for _, row := range t.Rows {
		of := reflect.ValueOf(row)
		for i, f := range fields {
			line[i] = cell(of.FieldByIndex(f.Index).Interface())
		}
		if err := out.Write(line); err != nil {
			return fmt.Errorf("fature: write a report: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("fature: write a report: %w", err)
	}
	return nil
}

func cell(value any) string {
	switch v := value.(type) {
	case decimal.Decimal:
		return v.StringFixed(2)
	case string:
		if v != "" && strings.ContainsRune("=+-@\t\r", rune(v[0])) {
			return "'" + v
		}
		return v
	}
	return fmt.Sprint(value)
}
