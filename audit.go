package fature

import (
	"context"
	"encoding/json"
	"iter"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

// Audit reads the record of every change, which triggers write. It is for an
// admin.
type Audit struct{ db pg.DB }

// WithTx returns an audit that is read inside tx.
func (a *Audit) WithTx(tx pgx.Tx) *Audit { return &Audit{pg.Bind(a.db, tx)} }

// As returns the audit for a viewer: to another than an admin it is
// ErrForbidden.
func (a *Audit) As(v affiliate.Viewer) *Audit { return &Audit{pg.As(a.db, v)} }

// AuditEntry is a change of a row, or of all rows that a statement changed alike.
type AuditEntry struct {
	Seq   int64  `db:"seq"` // the later, the higher
	Table string `db:"table_name"`
	// RecordID is the row's id; where it is empty, RecordIDs are the first hundred
	// of Records rows.
	RecordID  string      `db:"record_id"`
	RecordIDs []uuid.UUID `db:"record_ids"`
	Records   int         `db:"records"`
	Operation string      `db:"operation"` // INSERT, UPDATE or DELETE
	// Old and New are JSON objects, or null: the rows before and after, or what
	// changed of them, as the policy of the table says. Instead of the values of a
	// person they have a salted hash as "personal"; secrets are "***".
	Old         json.RawMessage `db:"old_values"`
	New         json.RawMessage `db:"new_values"`
	Actor       string          `db:"actor"`   // of WithActor; empty is none
	Request     string          `db:"request"` // it too
	At          time.Time       `db:"changed_at"`
	SessionUser string          `db:"session_user_name"` // the role that logged in
	Application string          `db:"application_name"`
	TxID        string          `db:"txid"` // entries of one transaction share it
}

// AuditFilter narrows the audit; its zero value does not.
type AuditFilter struct {
	Table    string
	RecordID string    // wants Table
	Actor    string    // exactly as WithActor named it
	From, To time.Time // of the change: from From on, before To
	After    string    // the Next of the page before
	Limit    int       // defaults to 50, at most 1,000
}

// List reads a page of the audit, the latest change first. A record is found by
// an index; where its table is audited by lists of ids (transactions and
// commissions are), those of the range are read too, as everything in the range
// is for an actor: a range keeps that short. Errors: InvalidError, ErrForbidden.
func (a *Audit) List(ctx context.Context, f AuditFilter) (page.Page[AuditEntry], error) {
	list, err := a.list(ctx, f)
	return list, pg.Fail("fature: audit", err, nil)
}

// All walks every entry that the filter leaves, page by page.
func (a *Audit) All(ctx context.Context, f AuditFilter) iter.Seq2[AuditEntry, error] {
	return page.All(func(after string) (page.Page[AuditEntry], error) {
		f.After = after
		return a.List(ctx, f)
	})
}

func (a *Audit) list(ctx context.Context, f AuditFilter) (page.Page[AuditEntry], error) {
	if err := pg.MayWrite(a.db); err != nil { // who may change things may see who did
		return page.Page[AuditEntry]{}, err
	}
	var c fault.Check
	checkAuditText(&c, "table", f.Table)
	checkAuditText(&c, "record_id", f.RecordID)
	checkAuditText(&c, "actor", f.Actor)
	c.That(f.RecordID == "" || f.Table != "", "record_id", "wants the table that it is of")
	c.That(f.From.IsZero() || f.To.IsZero() || f.From.Before(f.To), "to", "is not after from")
	if err := c.Done(); err != nil {
		return page.Page[AuditEntry]{}, err
	}
	seq := func(e AuditEntry) int64 { return e.Seq }
	return page.Read(f.After, f.Limit, seq, func(from int64, rows int) ([]AuditEntry, error) {
		if from == 0 {
			from = math.MaxInt64
		}
		args := []any{from, rows, given(f.From), given(f.To), given(f.Actor), given(f.Table)}
		if f.RecordID == "" {
			return pg.All[AuditEntry](ctx, a.db, listAudit, args...)
		}
		id, _ := uuid.Parse(f.RecordID) // else it is in no list
		if id != uuid.Nil {
			f.RecordID = id.String()
		}
		return pg.All[AuditEntry](ctx, a.db, listAuditOf, append(args, f.RecordID, given(id))...)
	})
}

func checkAuditText(c *fault.Check, field, text string) {
	c.That(len(text) <= 200, field, "is longer than 200 bytes")
	c.That(utf8.ValidString(text) && !strings.ContainsRune(text, 0), field, "is not text")
}

// given is nil for a filter's zero, which is NULL.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
