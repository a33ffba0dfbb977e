package fature_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/testenv"
)

// size is what a table takes, its partitions together, in bytes.
type size struct {
	rows    int64 // that it holds
	heap    int64 // the rows, their maps and what is kept out of line
	indexes map[string]int64
}

func (s size) inIndexes() (sum int64) {
	for _, bytes := range s.indexes {
		sum += bytes
	}
	return sum
}

// sizes are the tables of a database that is vacuumed, and all of it.
type sizes struct {
	tables map[string]size
	all    int64
}

// A partition counts for its table, and its index for the table's.
const selectSizes = `
	with t as (
		select oid, coalesce(pg_partition_root(oid), oid)::regclass::text as name from pg_class
		where relnamespace = 'fature'::regnamespace and relkind in ('r', 'm'))
	select replace(name, 'fature.', ''), '', sum(pg_table_size(oid))::bigint from t group by name
	union all
	select replace(name, 'fature.', ''), replace(coalesce(pg_partition_root(indexrelid), indexrelid)::regclass::text, 'fature.', ''),
		sum(pg_relation_size(indexrelid))::bigint
	from t join pg_index on indrelid = t.oid group by 1, 2`

func (m *market) sizes(t *testing.T) sizes {
	t.Helper()
	_, err := m.pool.Exec(t.Context(), "vacuum")
	require.NoError(t, err)
	s := sizes{tables: map[string]size{}, all: one[int64](t, m.pool, "select pg_database_size(current_database())")}
	rows, err := m.pool.Query(t.Context(), selectSizes)
	require.NoError(t, err)
	var table, index string
	var bytes int64
	_, err = pgx.ForEachRow(rows, []any{&table, &index, &bytes}, func() error {
		found := s.tables[table]
		if index == "" {
			found.heap = bytes
		} else {
			if found.indexes == nil {
				found.indexes = map[string]int64{}
			}
			found.indexes[index] = bytes
		}
		s.tables[table] = found
		return nil
	})
	require.NoError(t, err)
	for table, found := range s.tables {
		found.rows = one[int64](t, m.pool, "select count(*) from fature."+table)
		s.tables[table] = found
	}
	return s
}

// someMaps is what the maps of free and of visible pages may take, which the
// server keeps as it finds the time.
const someMaps = 64 << 10

// since is what grew, table by table, and by how much the parts did together.
func (s sizes) since(before sizes) (grown map[string]size, sum int64) {
	grown = map[string]size{}
	for table, now := range s.tables {
		was := before.tables[table]
		more := size{rows: now.rows - was.rows, heap: now.heap - was.heap, indexes: map[string]int64{}}
		for index, bytes := range now.indexes {
			if bytes != was.indexes[index] {
				more.indexes[index] = bytes - was.indexes[index]
			}
		}
		sum += more.heap + more.inIndexes()
		if more.heap+more.inIndexes() > someMaps {
			grown[table] = more
		}
	}
	return grown, sum
}

// markdown is a table of bytes per event, the largest first.
func markdown(title string, grown map[string]size, events int) string {
	each := func(n int64) string { return fmt.Sprintf("%.0f", float64(n)/float64(events)) }
	b := new(strings.Builder)
	fmt.Fprintf(b, "\n| %s | rows | bytes in rows | in indexes | of which |\n|---|--:|--:|--:|---|\n", title)
	bytes := func(s size) int64 { return s.heap + s.inIndexes() }
	var sum, heap, indexes int64
	for _, table := range slices.SortedFunc(maps.Keys(grown), func(x, y string) int {
		return cmp.Or(cmp.Compare(bytes(grown[y]), bytes(grown[x])), cmp.Compare(x, y))
	}) {
		s := grown[table]
		var names []string
		for _, index := range slices.SortedFunc(maps.Keys(s.indexes), func(x, y string) int {
			return cmp.Or(cmp.Compare(s.indexes[y], s.indexes[x]), cmp.Compare(x, y))
		}) {
			names = append(names, fmt.Sprintf("`%s` %s", index, each(s.indexes[index])))
		}
		fmt.Fprintf(b, "| `%s` | %.1f | %s | %s | %s |\n", table, float64(s.rows)/float64(events), each(s.heap), each(s.inIndexes()), strings.Join(names, ", "))
		sum, heap, indexes = sum+bytes(s), heap+s.heap, indexes+s.inIndexes()
	}
	fmt.Fprintf(b, "| together %s | | %s | %s | |\n", each(sum), each(heap), each(indexes))
	return b.String()
}

// TestSizes prints what an event takes on disk: FATURE_LONG=1 go test -run
// TestSizes -v . records the 100,000 events in the tree of 100,000 affiliates
// that the README tells of.
func TestSizes(t *testing.T) {
	t.Parallel()
	events, affiliates := benchSize("FATURE_BENCH_EVENTS", 2_000, 100_000), benchSize("FATURE_BENCH_AFFILIATES", 500, 100_000)
	for _, mode := range []string{"ids", "off"} { // the default, and changes only
		t.Run("audit="+mode, func(t *testing.T) {
			t.Parallel()
			m := newMarket(t, testenv.Clone(t), affiliates)
			m.audited(t, mode)
			before := m.sizes(t)
			for n := range slices.Chunk(m.events(events), 1000) {
				_, err := m.Record(t.Context(), n...)
				require.NoError(t, err)
			}
			recorded := m.sizes(t)
			grown, sum := recorded.since(before)
			t.Log(markdown("recorded", grown, events))
			m.adds(t, grown, mode, int64(events))
			wantSum(t, recorded.all-before.all, sum)

			_, err := m.Fold(t.Context())
			require.NoError(t, err)
			after := m.sizes(t)
			folded, _ := after.since(recorded)
			t.Log(markdown("and folded", folded, events))
			require.Subset(t, []string{"affiliates", "affiliate_rollups"}, slices.Collect(maps.Keys(folded)))
			require.Zero(t, after.tables["affiliate_deltas"].rows)
			require.LessOrEqual(t, after.tables["affiliate_deltas"].heap, int64(someMaps), "what is folded leaves nothing")
		})
	}
}

// adds says that events take room where they are meant to, and nowhere else.
func (m *market) adds(t *testing.T, grown map[string]size, mode string, events int64) {
	t.Helper()
	tables := []string{"transactions", "commissions", "transaction_keys", "affiliate_deltas"}
	audited := 2 * events / 1000 // an entry for the transactions of a call, and one for its lines
	if mode == "off" {
		audited = 0
	} else {
		tables = append(tables, "data_audit")
	}
	require.ElementsMatch(t, tables, slices.Collect(maps.Keys(grown)))
	require.Equal(t, events, grown["transactions"].rows)
	require.Equal(t, events, grown["transaction_keys"].rows)
	require.Equal(t, audited, grown["data_audit"].rows)
	require.Greater(t, grown["commissions"].rows, 3*events)
}

// wantSum holds the parts to the whole: the server's own tables grow a little.
func wantSum(t *testing.T, all, parts int64) {
	t.Helper()
	require.InDelta(t, all, parts, float64(all)/50+(512<<10), "bytes")
}
