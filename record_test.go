package fature_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// shop is a programme with a chain of three affiliates, ana over bia over
// caio, and a plan of 10 %, 5 % and 2 %.
type shop struct {
	*fature.Program
	t              *testing.T
	pool           *pgxpool.Pool
	ana, bia, caio affiliate.Affiliate
	plan           uuid.UUID
}

func newShop(t *testing.T, pool *pgxpool.Pool) *shop {
	t.Helper()
	ctx := t.Context()
	p, err := fature.New(ctx, fature.Config{Pool: pool, Currency: "BRL"})
	require.NoError(t, err)
	people, err := p.Affiliates.CreateAll(ctx, []affiliate.Draft{
		{Email: "ana@example.com", Name: "Ana", ReferralCode: "ANA"},
		{Email: "bia@example.com", Name: "Bia", ReferralCode: "BIA", ReferredBy: "ANA"},
		{Email: "caio@example.com", Name: "Caio", ReferralCode: "CAIO", ReferredBy: "BIA"},
	})
	require.NoError(t, err)
	plan, err := p.Plans.Publish(ctx, commission.Document{
		Name: "shop", Currency: "BRL",
		Rules: []commission.Rule{{
			ID: "sale", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: "10"},
			Overrides: commission.Overrides{
				Of: commission.OfAmount, Inactive: commission.Compress,
				Steps: []commission.OverrideStep{{Percent: "5"}, {Percent: "2"}},
			},
		}},
	})
	require.NoError(t, err)
	require.NoError(t, p.Plans.Assign(ctx, commission.Default(plan.ID).Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))))
	return &shop{p, t, pool, people[0], people[1], people[2], plan.ID}
}

func (s *shop) sale(by affiliate.Affiliate, amount, order string) transaction.Event {
	return transaction.Event{
		AffiliateID: by.ID, Type: transaction.Sale, Amount: decimal.RequireFromString(amount),
		SourceTable: "orders", OriginalID: order,
	}
}

func (s *shop) record(events ...transaction.Event) []fature.Recorded {
	s.t.Helper()
	results, err := s.Record(s.t.Context(), events...)
	require.NoError(s.t, err)
	return results
}

// count is the number of rows of a table.
func (s *shop) count(table string) (n int) {
	s.t.Helper()
	require.NoError(s.t, s.pool.QueryRow(s.t.Context(), "select count(*) from fature."+table).Scan(&n))
	return n
}

// holds runs Verify.
func (s *shop) holds() {
	s.t.Helper()
	report, err := s.Verify(s.t.Context())
	require.NoError(s.t, err)
	require.Empty(s.t, report.Findings)
}

// lines reads like "caio sale/0 10.00".
func (s *shop) lines(lines []commission.Commission) []string {
	name := map[uuid.UUID]string{s.ana.ID: "ana", s.bia.ID: "bia", s.caio.ID: "caio"}
	texts := []string{}
	for _, l := range lines {
		texts = append(texts, fmt.Sprintf("%s %s/%d %s", name[l.AffiliateID], l.Rule, l.Level, l.FinalAmount.StringFixed(2)))
	}
	return texts
}

func TestRecordPaysTheUpline(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	got := s.record(s.sale(s.caio, "120.00", "1"))[0]
	require.Equal(t, []string{"caio sale/0 12.00", "bia sale/1 6.00", "ana sale/2 2.40"}, s.lines(got.Lines))
	require.Equal(t, transaction.Processed, got.Transaction.Status)
	require.False(t, got.Duplicate)

	got = s.record(s.sale(s.ana, "100.00", "2"))[0]
	require.Equal(t, []string{"ana sale/0 10.00"}, s.lines(got.Lines))
	require.Equal(t, "7.00", got.Breakage().StringFixed(2))

	n, err := s.Fold(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 6, n, "four totals, and who is below ana and bia")
	caio, err := s.Affiliates.Get(t.Context(), s.caio.ID)
	require.NoError(t, err)
	require.Equal(t, "120.00 12.00", caio.LifetimeVolume.StringFixed(2)+" "+caio.LifetimeCommissions.StringFixed(2))
	s.holds()
}

// The answer to a repetition is the first result; the tables do not change.
func TestRecordTwice(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	first := s.record(s.sale(s.caio, "120.00", "1"))[0]
	again := s.record(s.sale(s.caio, "120.0", "1"))[0]
	require.True(t, again.Duplicate)
	require.Equal(t, first.Transaction.ID, again.Transaction.ID)
	require.Equal(t, s.lines(first.Lines), s.lines(again.Lines))

	_, err := s.Record(t.Context(), s.sale(s.ana, "1.00", "2"), s.sale(s.caio, "130.00", "1"))
	require.ErrorIs(t, err, transaction.ErrKeyConflict)
	require.ErrorIs(t, err, fature.ErrConflict)
	require.ErrorContains(t, err, "events[1].amount")
	for field, change := range map[string]func(*transaction.Event){
		"type":         func(e *transaction.Event) { e.Type = transaction.Deposit },
		"customer_id":  func(e *transaction.Event) { e.CustomerID = "c" },
		"at":           func(e *transaction.Event) { e.At = time.Now().Add(-time.Hour) },
		"metadata":     func(e *transaction.Event) { e.Metadata = map[string]any{"a": 1} },
		"affiliate_id": func(e *transaction.Event) { e.AffiliateID = s.bia.ID },
	} {
		other := s.sale(s.caio, "120.00", "1")
		change(&other)
		_, err := s.Record(t.Context(), other)
		var conflict *transaction.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, field, conflict.Field)
	}
	require.Equal(t, 1, s.count("transactions"))
	require.Equal(t, 1, s.count("transaction_keys"))

	batch := s.record(s.sale(s.bia, "5.00", "3"), s.sale(s.bia, "5.00", "3"), s.sale(s.caio, "120.00", "1"))
	require.Equal(t, []bool{false, true, true}, []bool{batch[0].Duplicate, batch[1].Duplicate, batch[2].Duplicate})
	require.Equal(t, batch[0].Transaction.ID, batch[1].Transaction.ID)
	_, err = s.Record(t.Context(), s.sale(s.bia, "5.00", "4"), s.sale(s.bia, "6.00", "4"))
	require.ErrorIs(t, err, transaction.ErrKeyConflict)
	require.ErrorContains(t, err, "events[1].amount")

	unkeyed := transaction.Event{AffiliateID: s.bia.ID, Type: transaction.Sale, Amount: decimal.NewFromInt(5)}
	same := s.record(unkeyed, unkeyed)
	require.NotEqual(t, same[0].Transaction.ID, same[1].Transaction.ID)
	s.holds()
}

// Eight processes report the same orders in different orders of them.
func TestRecordStormOfSameKeys(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	const orders, workers = 40, 8
	fresh := make([]int, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for round := range 4 {
				var batch []transaction.Event
				for i := range orders / 4 {
					n := (w*7 + round*orders/4 + i) % orders
					if w%2 == 1 {
						n = orders - 1 - n
					}
					batch = append(batch, s.sale(s.caio, "10.00", fmt.Sprint(n)))
				}
				results, err := s.Record(t.Context(), batch...)
				if !isNil(t, err) {
					return
				}
				for _, r := range results {
					if !r.Duplicate {
						fresh[w]++
					}
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range fresh {
		sum += n
	}
	require.Equal(t, orders, sum, "each order was new to exactly one caller")
	require.Equal(t, orders, s.count("transactions"))
	require.Equal(t, 3*orders, s.count("commissions"))
	s.holds()
}

// isNil is require.NoError for goroutines, which must not end the test.
func isNil(t *testing.T, err error) bool {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

func TestRecordInTheHostsTransaction(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	ctx := t.Context()
	_, err := s.pool.Exec(ctx, "create table orders (id text)")
	require.NoError(t, err)

	rollback := errors.New("declined")
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := s.WithTx(tx).Record(ctx, s.sale(s.caio, "120.00", "1"))
		require.NoError(t, err)
		return rollback
	})
	require.ErrorIs(t, err, rollback)
	require.Zero(t, s.count("transactions"))

	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "insert into orders values ('1')")
		require.NoError(t, err)
		_, err = s.WithTx(tx).Record(ctx, s.sale(s.caio, "120.00", "1"), s.sale(s.bia, "1.00", "1"))
		require.ErrorIs(t, err, transaction.ErrKeyConflict, "refused, and the transaction goes on")
		got, err := s.WithTx(tx).Record(ctx, s.sale(s.caio, "120.00", "1"))
		require.NoError(t, err)
		require.Len(t, got[0].Lines, 3)
		again, err := s.WithTx(tx).Record(ctx, s.sale(s.caio, "120.00", "1"))
		require.NoError(t, err)
		require.True(t, again[0].Duplicate)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, s.count("transactions"))
	require.Equal(t, 3, s.count("commissions"))
	s.holds()
}

// While the host's transaction is open no call takes a second connection.
func TestRecordWithOneConnection(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	s := newShop(t, pool)
	config := pool.Config()
	config.MaxConns = 1
	single, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(single.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	p, err := fature.New(ctx, fature.Config{Pool: single, Currency: "BRL"})
	require.NoError(t, err)
	err = pgx.BeginFunc(ctx, single, func(tx pgx.Tx) error {
		inside := p.WithTx(tx)
		dani, err := inside.Affiliates.Create(ctx, affiliate.Draft{Email: "dani@example.com", Name: "Dani", ReferredBy: "CAIO"})
		require.NoError(t, err)
		got, err := inside.Record(ctx, s.sale(dani, "100.00", "1"))
		require.NoError(t, err)
		require.Len(t, got[0].Lines, 3)
		require.NoError(t, inside.Hierarchy.Move(ctx, dani.ID, s.ana.ID))
		_, err = inside.Lookup(ctx, transaction.Key{SourceTable: "orders", OriginalID: "1"})
		return err
	})
	require.NoError(t, err)
	s.holds()
}

// Three round trips on the pool, BEGIN and COMMIT included, and three inside
// the host's transaction, savepoint included; whatever the depth and the
// number of events.
func TestRecordRoundTrips(t *testing.T) {
	t.Parallel()
	pool := testenv.Clone(t)
	s := newShop(t, pool)
	config := pool.Config()
	config.MaxConns = 1
	trips := testenv.CountTrips(config.ConnConfig)
	counted, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(counted.Close)
	p, err := fature.New(t.Context(), fature.Config{Pool: counted, Currency: "BRL"})
	require.NoError(t, err)
	deep := s.caio
	for i := range 40 {
		deep, err = s.Affiliates.Create(t.Context(), affiliate.Draft{
			Email: fmt.Sprintf("deep%d@example.com", i), Name: "Deep", ParentID: deep.ID,
		})
		require.NoError(t, err)
	}
	order := 0
	events := func(n int, by affiliate.Affiliate, customer string) []transaction.Event {
		batch := make([]transaction.Event, n)
		for i := range batch {
			order++
			batch[i] = s.sale(by, "10.00", fmt.Sprint(order))
			batch[i].CustomerID = customer
		}
		return batch
	}
	record := func(p *fature.Program, batch []transaction.Event) int {
		return trips.Of(func() {
			_, err := p.Record(t.Context(), batch...)
			require.NoError(t, err)
		})
	}
	for name, batch := range map[string]func() []transaction.Event{
		"one":                  func() []transaction.Event { return events(1, s.ana, "") },
		"one, deep":            func() []transaction.Event { return events(1, deep, "") },
		"one, with a customer": func() []transaction.Event { return events(1, deep, "c1") },
		"ten":                  func() []transaction.Event { return events(10, s.ana, "") },
	} {
		record(p, batch()) // pgx prepares the statements
		require.Equal(t, 3, record(p, batch()), name)
		tx, err := counted.Begin(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, record(p.WithTx(tx), batch()), 5, "with the savepoint's to prepare")
		inside := record(p.WithTx(tx), batch())
		require.NoError(t, tx.Commit(t.Context()))
		require.Equal(t, 3, inside, name+", in the host's transaction")
	}
	// COPY takes two for each table, and reads while it writes.
	record(p, events(1000, deep, "c2"))
	require.LessOrEqual(t, record(p, events(1000, deep, "c2")), 12)
	s.holds()
}

// The few are inserted and the many copied: the same lines either way.
func TestRecordBatchEqualsOneByOne(t *testing.T) {
	t.Parallel()
	one, many := newShop(t, testenv.Clone(t)), newShop(t, testenv.Clone(t))
	at := time.Now().Add(-time.Hour)
	var left, right []string
	var batch []transaction.Event
	for i := range 120 {
		e := one.sale([]affiliate.Affiliate{one.ana, one.bia, one.caio}[i%3], fmt.Sprintf("%d.%02d", i, i%100), fmt.Sprint(i))
		e.At, e.CustomerID, e.Metadata = at.Add(time.Duration(i)*time.Second), fmt.Sprint("c", i%7), map[string]any{"n": i, "é": "\"\\"}
		left = append(left, one.lines(one.record(e)[0].Lines)...)
		e.AffiliateID = []affiliate.Affiliate{many.ana, many.bia, many.caio}[i%3].ID
		batch = append(batch, e)
	}
	for _, r := range many.record(batch...) {
		right = append(right, many.lines(r.Lines)...)
	}
	require.Equal(t, left, right)
	stored, err := many.Lookup(t.Context(), transaction.Key{SourceTable: "orders", OriginalID: "119"}, transaction.Key{SourceTable: "orders", OriginalID: "none"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"n": 119.0, "é": "\"\\"}, stored[0].Transaction.Metadata)
	require.Len(t, stored[0].Lines, 3)
	require.Zero(t, stored[1])
	one.holds()
	many.holds()
}

func TestRecordFindsTheAffiliate(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	at := time.Now().Add(-time.Hour)
	event := func(order, customer, code string, by affiliate.Affiliate) transaction.Event {
		e := s.sale(by, "10.00", order)
		e.CustomerID, e.Code, e.At = customer, code, at
		return e
	}
	nobody := affiliate.Affiliate{}
	got := s.record(
		event("1", "c1", "", nobody),     // nobody brought c1
		event("2", "c1", "caio", nobody), // caio's code brings it, in any case
		event("3", "c1", "", nobody),     // and it is his from then on
		event("4", "c1", "ANA", nobody),  // the owner comes before a code
		event("5", "c1", "", s.bia),      // who is given earns, and it is told
		event("6", "", "NOSUCH", nobody),
	)
	owners := make([]string, len(got))
	for i, r := range got {
		owners[i] = map[uuid.UUID]string{s.caio.ID: "caio", s.bia.ID: "bia", uuid.Nil: "nobody"}[r.Transaction.AffiliateID]
	}
	require.Equal(t, []string{"nobody", "caio", "caio", "caio", "bia", "nobody"}, owners)
	require.True(t, got[0].Unattributed())
	require.Equal(t, commission.ReasonUnattributed, got[0].Skipped[0].Reason)
	require.True(t, got[4].OwnerDiffers)
	require.False(t, got[3].OwnerDiffers)
	require.Equal(t, 4, s.count("transactions"))

	// The key of what belonged to nobody is free.
	late := s.record(event("1", "c1", "", nobody))[0]
	require.False(t, late.Duplicate)
	require.Equal(t, s.caio.ID, late.Transaction.AffiliateID)

	// A late event from before the attribution is nobody's, or whose code it is.
	early := event("7", "c1", "", nobody)
	early.At = at.Add(-time.Hour)
	require.True(t, s.record(early)[0].Unattributed())
	early.AffiliateID = s.bia.ID
	require.False(t, s.record(early)[0].OwnerDiffers)
	owner, err := s.Customers.Owner(t.Context(), "c1", at)
	require.NoError(t, err)
	require.Equal(t, s.caio.ID, *owner.AffiliateID)
	owner, err = s.Customers.Owner(t.Context(), "c1", early.At)
	require.NoError(t, err)
	require.Equal(t, s.bia.ID, *owner.AffiliateID)
	s.holds()
}

// One customer, eight affiliates at once: the first to come owns it, and the
// others are told.
func TestRecordRaceForACustomer(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	at := time.Now().Add(-time.Minute)
	for round := range 10 {
		differs := make([]bool, 8)
		var wg sync.WaitGroup
		for w := range differs {
			wg.Go(func() {
				e := s.sale([]affiliate.Affiliate{s.ana, s.bia, s.caio}[w%3], "10.00", fmt.Sprint(round, "/", w))
				e.CustomerID, e.At = fmt.Sprint("c", round), at
				results, err := s.Record(t.Context(), e)
				if isNil(t, err) {
					differs[w] = results[0].OwnerDiffers
				}
			})
		}
		wg.Wait()
		owner, err := s.Customers.Owner(t.Context(), fmt.Sprint("c", round), at)
		require.NoError(t, err)
		for w, d := range differs {
			mine := []affiliate.Affiliate{s.ana, s.bia, s.caio}[w%3].ID
			require.Equal(t, mine != *owner.AffiliateID, d)
		}
	}
	s.holds()
}

func TestRecordPartial(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	s.record(s.sale(s.caio, "1.00", "old"))
	unknown := s.sale(s.caio, "4.00", "4")
	unknown.AffiliateID = uuid.New()
	bad := s.sale(s.caio, "0.001", "2")
	batch := []transaction.Event{
		s.sale(s.caio, "1.00", "1"), bad, s.sale(s.caio, "2.00", "old"), unknown, bad, s.sale(s.bia, "5.00", "5"),
	}
	results, err := s.RecordPartial(t.Context(), batch...)
	require.NoError(t, err)
	texts := make([]string, len(results))
	for i, r := range results {
		if r.Err != nil {
			texts[i] = r.Err.Error()
		}
	}
	require.Equal(t, []string{
		"",
		"events[1].amount: 0.001 has more than 2 decimals",
		"events[2].amount: the key was recorded with other content",
		"events[3].affiliate_id: " + unknown.AffiliateID.String() + " does not exist",
		"events[4].amount: 0.001 has more than 2 decimals",
		"",
	}, texts)
	require.ErrorIs(t, results[2].Err, transaction.ErrKeyConflict)
	require.Equal(t, 3, s.count("transactions"))
	require.Equal(t, 3, s.count("transaction_keys"), "the key of a refused event is free")

	_, err = s.Record(t.Context(), batch...)
	require.ErrorIs(t, err, fature.ErrInvalid)
	require.Len(t, fature.Problems(err), 2, "the problems of the input, before anything is looked up")
	require.Equal(t, 3, s.count("transactions"))
	s.holds()
}

// Pending events are stored without lines; workers rate them, each one once.
func TestProcess(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	var batch []transaction.Event
	for i := range 100 {
		e := s.sale(s.caio, "10.00", fmt.Sprint(i))
		e.Pending = true
		batch = append(batch, e)
	}
	got := s.record(batch...)
	require.Equal(t, transaction.Pending, got[0].Transaction.Status)
	require.Zero(t, s.count("commissions"))
	require.Zero(t, s.count("affiliate_deltas"))
	s.holds()
	var wg sync.WaitGroup
	done := make([]int, 4)
	for w := range done {
		wg.Go(func() {
			for {
				n, err := s.Process(t.Context(), 7)
				if !isNil(t, err) || n == 0 {
					return
				}
				done[w] += n
			}
		})
	}
	wg.Wait()
	require.Equal(t, 100, done[0]+done[1]+done[2]+done[3])
	require.Equal(t, 300, s.count("commissions"))
	again := s.record(batch[0])[0]
	require.True(t, again.Duplicate)
	require.Len(t, again.Lines, 3)
	_, err := s.Process(t.Context(), 0)
	require.ErrorIs(t, err, fature.ErrInvalid)
	s.holds()
}

// poison assigns a plan that only a newer program can rate to an affiliate.
func (s *shop) poison(a affiliate.Affiliate) {
	s.t.Helper()
	id := uuid.New()
	_, err := s.pool.Exec(s.t.Context(), `
		insert into fature.commission_plans (id, name, version, currency, document)
		select $1, 'newer', 1, currency, jsonb_set(document, '{rules,0,lunar}', 'true') from fature.commission_plans limit 1`, id)
	require.NoError(s.t, err)
	require.NoError(s.t, s.Plans.Assign(s.t.Context(), commission.ForAffiliate(a.ID, id).Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))))
}

// What cannot be rated holds up nothing: it fails, says why, and is rated when
// it can be.
func TestProcessPoison(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	s.poison(s.bia)
	var log bytes.Buffer
	p, err := fature.New(t.Context(), fature.Config{Pool: s.pool, Currency: "BRL", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	var batch []transaction.Event
	for i, by := range []affiliate.Affiliate{s.ana, s.bia, s.caio} {
		e := s.sale(by, "100.00", fmt.Sprint(i))
		e.At, e.Pending = time.Now().Add(time.Duration(i-9)*time.Second), true
		batch = append(batch, e)
	}
	s.record(batch...)
	keys := []transaction.Key{batch[0].Key(), batch[1].Key(), batch[2].Key()}

	// The database's trouble is nobody's fault: nothing fails by it.
	_, err = s.pool.Exec(t.Context(), "alter table fature.commission_plans rename to away")
	require.NoError(t, err)
	n, err := p.Process(t.Context(), 10)
	require.Error(t, err)
	require.Zero(t, n)
	_, err = s.pool.Exec(t.Context(), "alter table fature.away rename to commission_plans")
	require.NoError(t, err)
	require.Equal(t, []string{"pending", "pending", "pending"}, s.statuses(keys))
	require.Empty(t, log.String())

	for range 2 { // the second time it fails again
		n, err = p.Process(t.Context(), 10)
		require.NoError(t, err)
		require.Positive(t, n)
		require.Equal(t, []string{"processed", "failed", "processed"}, s.statuses(keys))
		n, err = p.Process(t.Context(), 10)
		require.NoError(t, err)
		require.Zero(t, n, "a failed one is not taken again")
		requeued, err := s.Transactions.Requeue(t.Context(), s.ids(keys)...)
		require.NoError(t, err)
		require.EqualValues(t, 1, requeued)
		require.Equal(t, []string{"processed", "pending", "processed"}, s.statuses(keys))
		s.holds()
	}
	_, err = p.Process(t.Context(), 10)
	require.NoError(t, err)
	s.holds()
	found, err := s.Lookup(t.Context(), keys...)
	require.NoError(t, err)
	require.Equal(t, []string{"ana sale/0 10.00"}, s.lines(found[0].Lines))
	require.Equal(t, []string{"caio sale/0 10.00", "bia sale/1 5.00", "ana sale/2 2.00"}, s.lines(found[2].Lines))
	poisoned := found[1]
	require.Empty(t, poisoned.Lines)
	require.Nil(t, poisoned.Transaction.RatedSeq)
	require.Len(t, poisoned.Skipped, 1)
	require.Equal(t, commission.ReasonUnratable, poisoned.Skipped[0].Reason)
	require.Contains(t, poisoned.Skipped[0].Detail, "rules[0].lunar: is not a field of the plan document")
	require.Contains(t, log.String(), poisoned.Transaction.ID.String())
	require.Equal(t, 3, strings.Count(log.String(), "level=WARN"))
	page, err := s.Transactions.List(t.Context(), transaction.Filter{Status: transaction.Failed})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)

	// With a plan that can be rated it is.
	require.NoError(t, s.Plans.Assign(t.Context(), commission.ForAffiliate(s.bia.ID, s.plan).Since(time.Now().Add(-time.Hour))))
	_, err = s.Transactions.Requeue(t.Context(), s.ids(keys)...)
	require.NoError(t, err)
	n, err = p.Process(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	found, err = s.Lookup(t.Context(), keys[1])
	require.NoError(t, err)
	require.Equal(t, []string{"bia sale/0 10.00", "ana sale/1 5.00"}, s.lines(found[0].Lines))
	s.holds()
}

// An event whose lines no row could hold fails by itself, among many that are
// copied.
func TestProcessTooLarge(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Clone(t))
	large, err := s.Plans.Publish(t.Context(), commission.Document{
		Name: "large", Currency: "BRL", Rules: []commission.Rule{{
			ID: "sale", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: "200"},
		}},
	})
	require.NoError(t, err)
	require.NoError(t, s.Plans.Assign(t.Context(), commission.ForAffiliate(s.bia.ID, large.ID).Since(time.Now().Add(-time.Hour))))
	var batch []transaction.Event
	for i := range 60 {
		e := s.sale(s.caio, "10.00", fmt.Sprint(i))
		if i%30 == 7 {
			e = s.sale(s.bia, "9999999999999.99", fmt.Sprint(i))
		}
		e.Pending = true
		batch = append(batch, e)
	}
	s.record(batch...)
	n, err := s.Process(t.Context(), 100)
	require.NoError(t, err)
	require.Equal(t, 60, n)
	require.Equal(t, 58*3, s.count("commissions"))
	require.Equal(t, 2, s.count("transactions where status = 'failed' and skipped->0->>'detail' like 'amount: is too large%'"))
	s.holds()
}

// statuses are those of the transactions of keys.
func (s *shop) statuses(keys []transaction.Key) (all []string) {
	s.t.Helper()
	found, err := s.Lookup(s.t.Context(), keys...)
	require.NoError(s.t, err)
	for _, f := range found {
		all = append(all, string(f.Transaction.Status))
	}
	return all
}

func (s *shop) ids(keys []transaction.Key) (all []uuid.UUID) {
	s.t.Helper()
	found, err := s.Lookup(s.t.Context(), keys...)
	require.NoError(s.t, err)
	for _, f := range found {
		all = append(all, f.Transaction.ID)
	}
	return all
}

func TestRecordNeedsACurrency(t *testing.T) {
	t.Parallel()
	p, err := fature.New(t.Context(), fature.Config{Pool: testenv.Clone(t)})
	require.NoError(t, err)
	_, err = p.Record(t.Context(), transaction.Event{AffiliateID: uuid.New(), Type: transaction.Sale})
	require.ErrorContains(t, err, "currency: is not fixed yet")
	_, err = p.Plans.Publish(t.Context(), commission.Document{
		Name: "p", Currency: "JPY", Rules: []commission.Rule{{ID: "r", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: "1"}}},
	})
	require.NoError(t, err)
	_, err = p.Record(t.Context(), transaction.Event{AffiliateID: uuid.New(), Type: transaction.Sale, Amount: decimal.RequireFromString("0.5")})
	require.ErrorContains(t, err, "events[0].amount: 0.5 has more than 0 decimals")
}
