// Package partition keeps the months of the partitioned tables: it knows which
// there are, and makes those that are missing.
package partition

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/pg"
)

// Months are the months in which events, or clicks, can be recorded: those that
// have a partition in every table of theirs. Audit is by the month of the
// change.
type Months struct {
	pool   pg.DB     // outside any transaction
	known  *sync.Map // time.Time, the first instant of a month
	tables []string
}

// events are the tables that an event's month needs; clicks have months of
// their own, so that an import of old events makes none for them.
var (
	events = []string{"transactions", "commissions"}
	clicks = []string{"clicks"}
)

// New makes the keeper of a schema's months of events.
func New(pool pg.DB) *Months { return &Months{pool: pool, known: new(sync.Map), tables: events} }

// Clicks makes the keeper of its months of clicks.
func Clicks(pool pg.DB) *Months { return &Months{pool: pool, known: new(sync.Map), tables: clicks} }

// Of is the UTC month of a time.
func Of(t time.Time) time.Time {
	y, m, _ := t.UTC().Date()
	return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
}

// Missing tells which of the months cannot be recorded in. It asks db, which
// may be a host's transaction, only for months it has not seen.
func (m *Months) Missing(ctx context.Context, db pg.DB, months []time.Time) ([]time.Time, error) {
	var unseen []time.Time
	for _, month := range months {
		if _, ok := m.known.Load(month); !ok {
			unseen = append(unseen, month)
		}
	}
	if len(unseen) == 0 {
		return nil, nil
	}
	there, err := pg.Column[time.Time](ctx, db, selectMonths, unseen, m.tables, len(m.tables))
	if err != nil {
		return nil, err
	}
	for _, month := range there {
		m.known.Store(month.UTC(), true)
	}
	var missing []time.Time
	for _, month := range unseen {
		if _, ok := m.known.Load(month); !ok {
			missing = append(missing, month)
		}
	}
	return missing, nil
}

// List is the months that a table has, the first first.
func List(ctx context.Context, db pg.DB, table string) ([]time.Time, error) {
	return pg.Column[time.Time](ctx, db, listMonths, table)
}

// Forget drops what is known: a month that was there is not.
func (m *Months) Forget() { m.known.Clear() }

// Ensure makes the months in which to record, each table's in a
// short transaction of its own. It must not be called while the caller has a
// transaction open: it would wait for the caller's locks.
func (m *Months) Ensure(ctx context.Context, months []time.Time) error {
	for _, month := range months {
		if err := m.make(ctx, month, m.tables); err != nil {
			return err
		}
		m.known.Store(month, true)
	}
	return nil
}

// Ahead makes the months from now's on, n of them after it: for events and
// clicks by the caller's clock, for the audit by the database's.
func (m *Months) Ahead(ctx context.Context, now time.Time, n int) error {
	for i := range n + 1 {
		err := pg.Retry(ctx, m.pool, func() error {
			_, err := m.pool.Exec(ctx, ensureAudit, i)
			return err
		})
		if err != nil {
			return err
		}
		month := Of(now).AddDate(0, i, 0)
		if err := m.Ensure(ctx, []time.Time{month}); err != nil {
			return err
		}
		if err := m.make(ctx, month, clicks); err != nil {
			return err
		}
	}
	return nil
}

// mostAhead is as far as QueueAhead looks.
const mostAhead = 12

// QueueAhead queues for how many months after now's every table has partitions,
// up to 12; -1 is that now's has none. The audit's months are by the database's
// clock, as in Ahead.
func QueueAhead(b *pgx.Batch, now time.Time, months *int) {
	b.Queue(countAhead, slices.Concat(events, clicks), Of(now), mostAhead).
		QueryRow(func(row pgx.Row) error { return row.Scan(months) })
}

// make waits two seconds for locks, in the function, and tries again.
func (m *Months) make(ctx context.Context, month time.Time, tables []string) error {
	for _, table := range tables {
		err := pg.Retry(ctx, m.pool, func() error {
			_, err := m.pool.Exec(ctx, ensureMonth, table, month)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	selectMonths = `
		select month from fature.partitions where month = any($1) and table_name = any($2)
		group by month having count(*) = $3`

	listMonths = `select month from fature.partitions where table_name = $1 order by month`

	// By their names, so that only these months' bounds are looked at.
	countAhead = `
		with tables (name, month) as (
			select unnest($1::text[]), $2::timestamptz
			union all
			select 'data_audit', date_trunc('month', clock_timestamp(), 'UTC')
		), due as (
			select name, n, name || to_char(month at time zone 'UTC' + make_interval(months => n), '_YYYY_MM') as partition
			from tables cross join generate_series(0, $3::integer) n
		)
		select coalesce(min(n), $3 + 1) - 1
		from due d left join fature.partitions p on p.table_name = d.name and p.partition_name = d.partition
		where p.month is null`

	ensureMonth = `select fature.ensure_partition($1, $2)`

	ensureAudit = `
		select fature.ensure_partition('data_audit',
			(date_trunc('month', clock_timestamp() at time zone 'UTC') + make_interval(months => $1)) at time zone 'UTC')`
)
