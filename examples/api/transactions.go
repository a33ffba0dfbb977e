package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/transaction"
)

// eventJSON is an event as it is reported.
type eventJSON struct {
	AffiliateID   uuid.UUID          `json:"affiliate_id"`
	ReferralCode  string             `json:"referral_code"`
	CustomerID    string             `json:"customer_id"`
	Visitor       string             `json:"visitor"`
	CustomerEmail string             `json:"customer_email"`
	Type          transaction.Type   `json:"type"`
	Amount        commission.Decimal `json:"amount"`
	Currency      string             `json:"currency"`
	OriginalID    string             `json:"original_id"`
	SourceTable   string             `json:"source_table"`
	Metadata      map[string]any     `json:"metadata"`
	CreatedAt     time.Time          `json:"created_at"`
	Reverses      uuid.UUID          `json:"reverses"`
	Pending       bool               `json:"pending"`
}

func (j eventJSON) event() (transaction.Event, error) {
	sum, err := money.Parse(string(j.Amount))
	return transaction.Event{
		AffiliateID: j.AffiliateID, Code: j.ReferralCode, CustomerID: j.CustomerID, Visitor: j.Visitor, CustomerEmail: j.CustomerEmail,
		Type: j.Type, Amount: sum, Currency: j.Currency, At: j.CreatedAt,
		SourceTable: j.SourceTable, OriginalID: j.OriginalID, Reverses: j.Reverses,
		Metadata: j.Metadata, Pending: j.Pending,
	}, fault.In("amount", err)
}

// bodyField is the name in the body of what the library calls a field of an
// event, such as events[3].at.
func bodyField(field string) string {
	place, name, found := strings.Cut(field, "].")
	if !found {
		place, name = "", field
	}
	switch name {
	case "at":
		name = "created_at"
	case "code":
		name = "referral_code"
	case "events":
		name = "transactions"
	}
	if place == "" {
		return name
	}
	return "transactions" + strings.TrimPrefix(place, "events") + "]." + name
}

// oneField is bodyField where there is one event only.
func oneField(field string) string {
	_, name, found := strings.Cut(bodyField(field), "].")
	if !found {
		return bodyField(field)
	}
	return name
}

// idempotent gives the event the key that the request's header stands for.
func idempotent(c *call, e transaction.Event) (transaction.Event, error) {
	key := c.Header.Get("Idempotency-Key")
	if key == "" {
		return e, nil
	}
	if e.Keyed() || e.SourceTable != "" {
		return e, fault.Field("original_id", "stands beside an Idempotency-Key: give one of them")
	}
	e.SourceTable, e.OriginalID = "api", key
	return e, nil
}

// recordedJSON is what became of an event. Transaction is null, and Reason says
// why, for an event of nobody.
type recordedJSON struct {
	Transaction  *transactionJSON  `json:"transaction"`
	Reason       commission.Reason `json:"reason,omitempty"`
	Commissions  []lineJSON        `json:"commissions"`
	Skipped      []commission.Skip `json:"skipped"`
	Breakage     string            `json:"breakage"`
	Duplicate    bool              `json:"duplicate"`
	OwnerDiffers bool              `json:"owner_differs,omitempty"`
}

func (a *api) record(c *call) (reply, error) {
	in, err := bodyOf[eventJSON](c)
	if err != nil {
		return reply{}, err
	}
	event, err := in.event()
	if err != nil {
		return reply{}, err
	}
	if event, err = idempotent(c, event); err != nil {
		return reply{}, err
	}
	results, err := c.program.Record(c.Context(), event)
	if err != nil {
		return reply{}, renamed{err, oneField}
	}
	r := results[0]
	if r.Unattributed() {
		currency, err := c.program.Plans.Currency(c.Context())
		return reply{status: http.StatusOK, body: recordedJSON{
			Reason: commission.ReasonUnattributed, Commissions: []lineJSON{}, Skipped: []commission.Skip{}, Breakage: amount(r.Breakage(), currency),
		}}, err
	}
	status := http.StatusCreated
	if r.Duplicate {
		status = http.StatusOK
	}
	return reply{status: status, body: recordedReply(r)}, nil
}

func recordedReply(r fature.Recorded) recordedJSON {
	stored := transactionReply(r.Transaction)
	return recordedJSON{
		Transaction: &stored, Commissions: written(r.Lines, lineReply), Skipped: append([]commission.Skip{}, r.Skipped...),
		Breakage: amount(r.Breakage(), stored.Currency), Duplicate: r.Duplicate, OwnerDiffers: r.OwnerDiffers,
	}
}

// process rates a pending or failed transaction now; one that is rated already
// stays as it is, and is answered as a duplicate.
func (a *api) process(c *call) (reply, error) {
	id, err := c.id()
	if err != nil {
		return reply{}, err
	}
	results, err := c.program.Rate(c.Context(), id)
	if err != nil {
		return reply{}, err
	}
	return ok(recordedReply(results[0]))
}

// batchResult is what became of one event of a batch.
type batchResult struct {
	Index         int               `json:"index"`
	TransactionID *uuid.UUID        `json:"transaction_id"`
	Reason        commission.Reason `json:"reason,omitempty"`
	Duplicate     bool              `json:"duplicate"`
	Error         *problem          `json:"error,omitempty"`
}

type batchJSON struct {
	Results      []batchResult `json:"results"`
	Recorded     int           `json:"recorded"`
	Duplicates   int           `json:"duplicates"`
	Unattributed int           `json:"unattributed"`
	Failed       int           `json:"failed"`
}

type batchBody struct {
	Transactions []json.RawMessage `json:"transactions"`
	Partial      bool              `json:"partial"`
}

func (a *api) recordBatch(c *call) (reply, error) {
	in, err := bodyOf[batchBody](c)
	if err != nil {
		return reply{}, err
	}
	if len(in.Transactions) == 0 {
		return reply{}, fault.Field("transactions", "are none, not from 1 to %d", longestList)
	}
	if c.Header.Get("Idempotency-Key") != "" {
		return reply{}, malformed{fault.Field("Idempotency-Key", "is for one event: give each of a batch its original_id")}
	}
	events, failed := readEvents(in.Transactions)
	record := c.program.RecordPartial
	if !in.Partial {
		if err := all(failed); err != nil {
			return reply{}, err
		}
		record = c.program.Record
	}
	results, err := record(c.Context(), events...)
	if err != nil {
		return reply{}, renamed{err, bodyField}
	}
	return ok(tally(results, failed))
}

// readEvents reads each event by itself, so that one that cannot be read does
// not refuse the others of a partial batch. failed has nil for those that can.
func readEvents(list []json.RawMessage) (events []transaction.Event, failed []error) {
	failed = make([]error, len(list))
	for i, raw := range list {
		var in eventJSON
		err := decode(raw, &in)
		if err == nil {
			var event transaction.Event
			if event, err = in.event(); err == nil {
				events = append(events, event)
			}
		}
		failed[i] = err
	}
	return events, failed
}

// all are the events that cannot be read, by their places.
func all(failed []error) error {
	var c fault.Check
	unreadable := false
	for i, err := range failed {
		if err != nil {
			_, bad := err.(malformed) //nolint:errorlint // as decode returns it
			unreadable = unreadable || bad
			c.Err(fmt.Sprintf("transactions[%d]", i), err)
		}
	}
	if unreadable {
		return malformed{c.Done()}
	}
	return c.Done()
}

// tally puts the results of the events that could be read into their places.
func tally(results []fature.Recorded, failed []error) batchJSON {
	out := batchJSON{Results: make([]batchResult, len(failed))}
	for i, err := range failed {
		one := batchResult{Index: i}
		if err == nil {
			r := results[0]
			results, err = results[1:], r.Err
			if err != nil {
				err = renamed{err, oneField}
			} else if !r.Unattributed() {
				one.TransactionID, one.Duplicate = &r.Transaction.ID, r.Duplicate
			}
		}
		switch {
		case err != nil:
			p := problemOf(err)
			one.Error = &p
			out.Failed++
		case one.TransactionID == nil:
			one.Reason = commission.ReasonUnattributed
			out.Unattributed++
		case one.Duplicate:
			out.Duplicates++
		default:
			out.Recorded++
		}
		out.Results[i] = one
	}
	return out
}

type transactionJSON struct {
	ID          uuid.UUID          `json:"id"`
	AffiliateID uuid.UUID          `json:"affiliate_id"`
	CustomerID  string             `json:"customer_id,omitempty"`
	Type        transaction.Type   `json:"type"`
	Amount      string             `json:"amount"`
	Currency    string             `json:"currency"`
	Status      transaction.Status `json:"status"`
	Reverses    *uuid.UUID         `json:"reverses,omitempty"`
	PlanID      *uuid.UUID         `json:"plan_id,omitempty"`
	SourceTable string             `json:"source_table,omitempty"`
	OriginalID  string             `json:"original_id,omitempty"`
	Metadata    map[string]any     `json:"metadata,omitempty"`
	CreatedAt   time.Time          `json:"created_at"`
	RecordedAt  time.Time          `json:"recorded_at"`
	// Why rules and levels paid nothing: of one transaction, for those who read
	// all.
	Skipped json.RawMessage `json:"skipped,omitempty"`
}

func transactionReply(t transaction.Transaction) transactionJSON {
	return transactionJSON{
		t.ID, t.AffiliateID, t.CustomerID, t.Type, amount(t.Amount, t.Currency), t.Currency, t.Status, t.ReversesID, t.PlanID,
		t.SourceTable, t.OriginalID, t.Metadata, t.CreatedAt.UTC(), t.RecordedAt.UTC(), nil,
	}
}

// listTransactions lists all, or of an affiliate that asks for nobody's its own.
func (a *api) listTransactions(c *call) (reply, error) {
	q := queryOf(c)
	f := transaction.Filter{
		AffiliateID: q.id("affiliate_id"), CustomerID: q.text("customer_id"),
		Type: transaction.Type(q.text("type")), Status: transaction.Status(q.text("status")),
		From: q.time("from"), To: q.time("to"),
	}
	f.Limit, f.After = q.page()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	if f.AffiliateID = c.whose(f.AffiliateID); !c.who.ReadsAll() {
		if _, err := c.program.Affiliates.Get(c.Context(), f.AffiliateID); err != nil {
			return reply{}, err
		}
	}
	list, err := c.program.Transactions.List(c.Context(), f)
	if err != nil {
		return reply{}, err
	}
	return ok(pageOf(list, transactionReply))
}

// transaction is the one of the path.
func (a *api) transaction(c *call) (transaction.Transaction, error) {
	id, err := c.id()
	if err != nil {
		return transaction.Transaction{}, err
	}
	return c.program.Transactions.Get(c.Context(), id)
}

func (a *api) getTransaction(c *call) (reply, error) {
	t, err := a.transaction(c)
	if err != nil {
		return reply{}, err
	}
	body := transactionReply(t)
	body.Skipped = t.Skipped
	return ok(body)
}
