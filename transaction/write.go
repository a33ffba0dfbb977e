package transaction

import (
	"cmp"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/pg"
)

// What follows is the writing half that fature.Program.Record composes. Each
// function queues its statements in the pipeline's own batches.

// Claim is a key and what it stands for.
type Claim struct {
	SourceTable   string    `db:"source_table"`
	OriginalID    string    `db:"original_id"`
	TransactionID uuid.UUID `db:"transaction_id"`
	CreatedAt     time.Time `db:"created_at"`
	Digest        []byte    `db:"digest"`
}

// Key is the key that is claimed.
func (c Claim) Key() Key { return Key{c.SourceTable, c.OriginalID} }

// QueueClaims reads what keys stand for; unknown ones are left out.
func QueueClaims(b *pgx.Batch, into *[]Claim, keys []Key) {
	sources, originals := make([]string, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		sources[i], originals[i] = k.SourceTable, k.OriginalID
	}
	pg.Queue(b, into, selectKeys, sources, originals)
}

// QueueClaim takes keys, in their order, and counts those that were free. It
// waits for another transaction that is taking one of them.
func QueueClaim(b *pgx.Batch, taken *int64, claims []Claim) {
	claims = slices.Clone(claims)
	slices.SortFunc(claims, func(a, b Claim) int {
		return cmp.Or(cmp.Compare(a.SourceTable, b.SourceTable), cmp.Compare(a.OriginalID, b.OriginalID))
	})
	n := len(claims)
	sources, originals, digests := make([]string, n), make([]string, n), make([][]byte, n)
	ids, at := make([]uuid.UUID, n), make([]time.Time, n)
	for i, c := range claims {
		sources[i], originals[i], ids[i], at[i], digests[i] = c.SourceTable, c.OriginalID, c.TransactionID, c.CreatedAt, c.Digest
	}
	b.Queue(insertKeys, sources, originals, ids, at, digests).Exec(func(tag pgconn.CommandTag) error {
		*taken = tag.RowsAffected()
		return nil
	})
}

// QueueRating makes a transaction one of the Raters until it ends. It goes
// before all that draws places in the order of rating.
func QueueRating(b *pgx.Batch) { b.Queue(shareRating) }

// QueueSeqs draws n places in the order of rating, in order.
func QueueSeqs(b *pgx.Batch, into *[]int64, n int) { pg.QueueColumn(b, into, drawSeq, n) }

// DrawSeq draws one place in the order of rating, which nothing takes: what was
// drawn before is less, what is drawn after is more.
func DrawSeq(ctx context.Context, db pg.DB) (seq int64, err error) {
	err = db.QueryRow(ctx, drawSeq, 1).Scan(&seq)
	return seq, err
}

// Rater is a transaction under way that has drawn places in the order of
// rating, or is about to.
type Rater struct {
	PID         int32  `db:"pid"`         // 0 where it is prepared for a commit in two phases
	Transaction string `db:"transaction"` // its virtual id
}

// Raters are the others under way in the database.
func Raters(ctx context.Context, db pg.DB) ([]Rater, error) {
	return pg.All[Rater](ctx, db, selectRaters)
}

// QueueStored reads transactions by id and time.
func QueueStored(b *pgx.Batch, into *[]Transaction, ids []uuid.UUID, at []time.Time) {
	pg.Queue(b, into, selectStored, ids, at)
}

// Place is where a transaction is stored.
type Place struct {
	ID uuid.UUID `db:"id"`
	At time.Time `db:"created_at"`
}

// QueuePlaces finds transactions by their ids alone; unknown ones are left out.
func QueuePlaces(b *pgx.Batch, into *[]Place, ids []uuid.UUID) { pg.Queue(b, into, selectPlaces, ids) }

// Refunded is what was taken back of a transaction.
type Refunded struct {
	ID     uuid.UUID       `db:"id"`
	Amount decimal.Decimal `db:"amount"`
}

// QueueOriginals locks transactions that are to be taken back, and reads them
// and what was taken back of them already.
func QueueOriginals(b *pgx.Batch, into *[]Transaction, refunded *[]Refunded, ids []uuid.UUID, at []time.Time) {
	pg.Queue(b, into, lockOriginals, ids, at)
	pg.Queue(b, refunded, selectRefunded, ids)
}

// QueueReversed marks transactions as taken back whole.
func QueueReversed(b *pgx.Batch, ids []uuid.UUID, at []time.Time) { b.Queue(updateReversed, ids, at) }

// insertColumns are the columns of a new transaction, in the order of values.
var insertColumns = []string{
	"id", "affiliate_id", "customer_id", "type", "amount", "volume", "currency", "status",
	"reverses_id", "reverses_at", "plan_id", "source_table", "original_id", "metadata", "skipped", "created_at", "recorded_at", "rated_at", "rated_seq", "seen_seq",
}

func (t *Transaction) values() ([]any, error) {
	metadata, err := t.metadataJSON()
	if err != nil {
		return nil, err
	}
	return []any{
		pg.ID(t.ID), pg.ID(t.AffiliateID), nilText(t.CustomerID), string(t.Type), pg.Numeric(t.Amount), pg.Numeric(t.Volume), t.Currency, string(t.Status),
		pg.IDOrNull(t.ReversesID), t.ReversesAt, pg.IDOrNull(t.PlanID), nilText(t.SourceTable), nilText(t.OriginalID), metadata, nilText(string(t.Skipped)), t.CreatedAt,
		t.RecordedAt, t.RatedAt, t.RatedSeq, t.SeenSeq,
	}, nil
}

func (t *Transaction) metadataJSON() (*string, error) {
	if len(t.Metadata) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(t.Metadata)
	if err != nil {
		return nil, err
	}
	s := string(text)
	return &s, nil
}

// QueueInsert stores a few transactions by one statement.
func QueueInsert(b *pgx.Batch, list []Transaction) error {
	columns, err := pg.Columns(len(insertColumns), len(list), func(i int) ([]any, error) { return list[i].values() })
	if err != nil {
		return err
	}
	b.Queue(insertTransactions, columns...)
	return nil
}

// Copy stores many transactions by COPY.
func Copy(ctx context.Context, tx pg.DB, list []Transaction) error {
	_, err := tx.CopyFrom(ctx, pg.Table(tx, "transactions"), insertColumns,
		pgx.CopyFromSlice(len(list), func(i int) ([]any, error) { return list[i].values() }))
	return err
}

// ClaimPending locks the oldest pending transactions that nobody else works
// at.
func ClaimPending(ctx context.Context, tx pg.DB, limit int) ([]Transaction, error) {
	return pg.All[Transaction](ctx, tx, claimPending, limit)
}

// ClaimForRating locks transactions by their ids alone; failed ones among them
// become pending again. Unknown ones are left out. It probes every month.
func ClaimForRating(ctx context.Context, tx pg.DB, ids []uuid.UUID) (rows []Transaction, err error) {
	var b pgx.Batch
	b.Queue(lockForRating, ids)
	b.Queue(updateRequeued, ids)
	pg.Queue(&b, &rows, lockForRating, ids)
	return rows, pg.Send(ctx, tx, &b)
}

// QueueRated stores what became of pending transactions: processed or failed.
func QueueRated(b *pgx.Batch, list []Transaction) {
	n := len(list)
	ids, at, status, skipped := make([]uuid.UUID, n), make([]time.Time, n), make([]string, n), make([]*string, n)
	rated, seqs, seen, plans := make([]*time.Time, n), make([]*int64, n), make([]*int64, n), make([]*uuid.UUID, n)
	for i, t := range list {
		ids[i], at[i], status[i], skipped[i] = t.ID, t.CreatedAt, string(t.Status), nilText(string(t.Skipped))
		rated[i], seqs[i], seen[i], plans[i] = t.RatedAt, t.RatedSeq, t.SeenSeq, t.PlanID
	}
	b.Queue(updateRated, ids, at, status, skipped, rated, seqs, plans, seen)
}

// Differs names the first field in which an event differs from the
// transaction that its key stands for.
func (t Transaction) Differs(e Event) string {
	switch {
	case e.Type != t.Type:
		return "type"
	case !e.Amount.Equal(t.Amount):
		return "amount"
	case e.Currency != t.Currency:
		return "currency"
	case e.CustomerID != t.CustomerID && (e.CustomerID != "" || !e.TakesBack()):
		return "customer_id"
	case !e.At.Equal(t.CreatedAt):
		return "at"
	case !sameJSON(e.Metadata, t.Metadata):
		return "metadata"
	case e.TakesBack() != (t.ReversesID != nil), e.Reverses != uuid.Nil && e.Reverses != *t.ReversesID:
		return "reverses"
	case e.ReversesKey != Key{} && e.AffiliateID == uuid.Nil:
		return "reverses_key"
	case e.AffiliateID == uuid.Nil && e.Code != "":
		return "code"
	case e.AffiliateID == uuid.Nil && e.Visitor != "":
		return "visitor"
	}
	return "affiliate_id"
}

func sameJSON(a, b map[string]any) bool {
	if len(a) == 0 && len(b) == 0 {
		return true
	}
	text, err := json.Marshal(a)
	var plain map[string]any
	return err == nil && json.Unmarshal(text, &plain) == nil && reflect.DeepEqual(plain, b)
}
