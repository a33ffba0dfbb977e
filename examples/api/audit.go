package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature"
)

type auditJSON struct {
	Seq       int64           `json:"seq"`
	Table     string          `json:"table"`
	RecordID  string          `json:"record_id,omitempty"`
	RecordIDs []uuid.UUID     `json:"record_ids,omitempty"` // the first hundred
	Records   int             `json:"records"`
	Operation string          `json:"operation"`
	Old       json.RawMessage `json:"old_values"`
	New       json.RawMessage `json:"new_values"`
	Actor     string          `json:"actor,omitempty"`
	Request   string          `json:"request_id,omitempty"`
	ChangedAt time.Time       `json:"changed_at"`
	User      string          `json:"session_user"`
	App       string          `json:"application"`
	TxID      string          `json:"transaction"` // of the database
}

func auditReply(e fature.AuditEntry) auditJSON {
	return auditJSON{
		e.Seq, e.Table, e.RecordID, e.RecordIDs, e.Records, e.Operation, e.Old, e.New, e.Actor, e.Request, e.At.UTC(),
		e.SessionUser, e.Application, e.TxID,
	}
}

func (a *api) listAudit(c *call) (reply, error) {
	q := queryOf(c)
	f := fature.AuditFilter{
		Table: q.text("table"), RecordID: q.text("record_id"), Actor: q.text("actor"), From: q.time("from"), To: q.time("to"),
	}
	f.Limit, f.After = q.page()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	list, err := c.program.Audit.List(c.Context(), f)
	if err != nil {
		return reply{}, err
	}
	return ok(pageOf(list, auditReply))
}

// longestVerify is how long a verification may take before it is left to a job.
const longestVerify = 5 * time.Minute

type invariantJSON struct {
	Name    string   `json:"name"`
	Meaning string   `json:"meaning"`
	OK      bool     `json:"ok"`
	Count   int      `json:"count"` // of what breaks it
	Found   []string `json:"found"` // the first of it
}

type verifyJSON struct {
	OK         bool            `json:"ok"`
	At         time.Time       `json:"at"`
	Checked    int             `json:"checked"`
	Broken     int             `json:"broken"`
	Invariants []invariantJSON `json:"invariants"`
}

// What keeps a verification from its end.
var (
	errVerifying  = errors.New("a verification is under way: ask again when it is over")
	errVerifyLong = errors.New("the verification did not end in time: have a job call Verify")
)

// verify checks the invariants, one verification at a time: it reads everything.
func (a *api) verify(c *call) (reply, error) {
	if err := queryOf(c).done(); err != nil {
		return reply{}, err
	}
	if !a.verifying.TryLock() {
		return reply{}, errVerifying
	}
	defer a.verifying.Unlock()
	at := a.now().UTC()
	report, err := c.program.Verify(c.Context())
	if errors.Is(c.Context().Err(), context.DeadlineExceeded) {
		return reply{}, errVerifyLong
	}
	if err != nil {
		return reply{}, err
	}
	out := verifyJSON{OK: report.OK(), At: at, Checked: len(report.Checked), Broken: len(report.Findings)}
	broken := map[string]fature.Finding{}
	for _, f := range report.Findings {
		broken[f.Name] = f
	}
	for _, i := range report.Checked {
		f, is := broken[i.Name]
		out.Invariants = append(out.Invariants, invariantJSON{i.Name, i.Meaning, !is, f.Count, append([]string{}, f.IDs...)})
	}
	return ok(out)
}
