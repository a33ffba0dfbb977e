package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/transaction"
)

// reader makes events of rows.
type reader struct {
	csv     *csv.Reader
	columns []string
	source  string
	codes   []string // whom customers are spread over
}

func newReader(in io.Reader, source string, codes []string) (*reader, error) {
	r := &reader{csv: csv.NewReader(in), source: source, codes: codes}
	r.csv.ReuseRecord = true
	head, err := r.csv.Read()
	if err != nil {
		return nil, fmt.Errorf("the head of the file: %w", err)
	}
	head[0] = strings.TrimPrefix(head[0], "\ufeff") // the byte order mark of a spreadsheet
	r.columns = append(r.columns, head...)
	there := map[string]bool{}
	for _, name := range head {
		there[name] = true
	}
	for _, name := range []string{"original_id", "type", "amount", "created_at"} {
		if !there[name] {
			return nil, fmt.Errorf("the file has no column %q", name)
		}
	}
	return r, nil
}

func (r *reader) offset() int64 { return r.csv.InputOffset() }

// next reads up to n events and the rows they stand in; io.EOF comes with the
// last. A row that cannot be read is counted and passed over.
func (r *reader) next(n int, only string, t *tally) (events []transaction.Event, rows []int, err error) {
	for len(events) < n {
		fields, err := r.csv.Read()
		var malformed *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return events, rows, io.EOF
		case errors.As(err, &malformed):
			t.rows++
			t.refuse(malformed.Line, malformed.Err)
			continue
		case err != nil:
			return events, rows, err
		}
		t.rows++
		row, _ := r.csv.FieldPos(0)
		e, err := r.event(fields)
		if err != nil {
			t.refuse(row, err)
			continue
		}
		if only != "" && string(e.Type) != only {
			t.left++
			continue
		}
		events, rows = append(events, e), append(rows, row)
	}
	return events, rows, nil
}

func (r *reader) event(fields []string) (e transaction.Event, err error) {
	e.SourceTable, e.Metadata = r.source, map[string]any{}
	reverses := ""
	for i, name := range r.columns {
		text := fields[i]
		switch name {
		case "original_id":
			e.OriginalID = text
		case "source_table":
			e.SourceTable = text
		case "customer_id":
			e.CustomerID = text
		case "code":
			e.Code = text
		case "type":
			e.Type = transaction.Type(text)
		case "currency":
			e.Currency = text
		case "amount":
			e.Amount, err = decimal.NewFromString(text)
		case "created_at":
			e.At, err = time.Parse(time.RFC3339, text)
		case "affiliate_id":
			err = parseID(text, &e.AffiliateID)
		case "reverses":
			reverses = text
		default:
			e.Metadata[name] = text
		}
		if err != nil {
			return e, fmt.Errorf("%s: %.60q cannot be read", name, text)
		}
	}
	if reverses != "" { // an id of the same table
		e.ReversesKey = transaction.Key{SourceTable: e.SourceTable, OriginalID: reverses}
		return e, nil
	}
	if e.CustomerID != "" && e.AffiliateID == uuid.Nil && e.Code == "" {
		e.Code = r.spread(e.CustomerID)
	}
	return e, nil
}

func parseID(text string, id *uuid.UUID) (err error) {
	if text != "" {
		*id, err = uuid.Parse(text)
	}
	return err
}

// spread gives a customer always the same of the affiliates.
func (r *reader) spread(customer string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(customer))
	return r.codes[h.Sum32()%uint32(len(r.codes))] //nolint:gosec // a few thousand at most
}
