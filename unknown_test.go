package fature_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/internal/testenv/faulty"
	"github.com/fature/fature/transaction"
)

// cutter cuts the line when a batch that ends a transaction is sent, as often
// as it is armed.
type cutter struct {
	line  *faulty.Line
	armed int
	cuts  int
}

func (c *cutter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	commits := slices.ContainsFunc(data.Batch.QueuedQueries, func(q *pgx.QueuedQuery) bool { return q.SQL == "commit" })
	if commits && c.armed > 0 {
		c.armed--
		c.cuts++
		c.line.Cut()
	}
	return ctx
}

func (c *cutter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd lets the next connection through.
func (c *cutter) TraceBatchEnd(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	if c.cuts > 0 && data.Err != nil && c.line != nil {
		c.cuts = 0
		c.line.Heal()
	}
}

// TraceQueryStart makes it a pgx.QueryTracer, which a connection's must be.
func (c *cutter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (c *cutter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// far is the shop's programme over a line that can be cut.
func (s *shop) far(t *testing.T) (*fature.Program, *cutter) {
	t.Helper()
	c := new(cutter)
	c.line = faulty.To(t, s.pool, func(config *pgxpool.Config) { config.ConnConfig.Tracer = c })
	p, err := fature.New(t.Context(), fature.Config{Pool: c.line.Pool, Currency: "BRL"})
	require.NoError(t, err)
	return p, c
}

// The answer to COMMIT is lost. The event is stored once, and the answer is
// the one that would have come.
func TestRecordWhenTheAnswerToCommitIsLost(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	p, line := s.far(t)
	for i := range 10 {
		_, err := p.Record(t.Context(), s.sale(s.caio, "1.00", fmt.Sprint("warm", i)))
		require.NoError(t, err)
		line.armed = 1
		n := []int{1, 60}[i%2] // by INSERT and by COPY
		var batch []transaction.Event
		for j := range n {
			batch = append(batch, s.sale(s.caio, "10.00", fmt.Sprint(i, "/", j)))
		}
		results, err := p.Record(t.Context(), batch...)
		require.NoError(t, err)
		require.Zero(t, line.armed, "the line was cut")
		for _, r := range results {
			require.False(t, r.Duplicate)
			require.Len(t, r.Lines, 3)
		}
	}
	require.Equal(t, 10+5*1+5*60, s.count("transactions"))
	s.holds()
}

// Without keys nobody can know, and that is what the error says.
func TestRecordWithoutKeysWhenTheAnswerToCommitIsLost(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	p, line := s.far(t)
	unkeyed := transaction.Event{AffiliateID: s.caio.ID, Type: transaction.Sale, Amount: decimal.NewFromInt(10)}
	_, err := p.Record(t.Context(), unkeyed)
	require.NoError(t, err)
	line.armed = 1
	_, err = p.Record(t.Context(), unkeyed)
	require.ErrorIs(t, err, fature.ErrOutcomeUnknown)
	require.False(t, fature.Retryable(err))
	require.Equal(t, 2, s.count("transactions"), "it was stored")
	s.holds()
}

// The host's own COMMIT got no answer: it asks by the keys.
func TestLookupAfterTheHostsCommit(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	line := faulty.To(t, s.pool, nil)
	p, err := fature.New(t.Context(), fature.Config{Pool: line.Pool, Currency: "BRL"})
	require.NoError(t, err)
	e := s.sale(s.caio, "10.00", "1")
	tx, err := line.Pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = p.WithTx(tx).Record(t.Context(), e)
	require.NoError(t, err)
	line.Cut()
	require.Error(t, tx.Commit(t.Context()))
	line.Heal()
	found, err := p.Lookup(t.Context(), e.Key(), transaction.Key{SourceTable: "orders", OriginalID: "2"})
	require.NoError(t, err)
	require.Equal(t, []string{"caio sale/0 1.00", "bia sale/1 0.50", "ana sale/2 0.20"}, s.lines(found[0].Lines))
	require.Zero(t, found[1])
}
