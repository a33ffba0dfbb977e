package hierarchy_test

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/hierarchy"
)

// sized is a size for FATURE_LONG=1, or a small one.
func sized(short, large int) int {
	if os.Getenv("FATURE_LONG") != "" {
		return large
	}
	return short
}

// BenchmarkUpline is the way up, against a query that reads nothing.
func BenchmarkUpline(b *testing.B) {
	w := own(b)
	chain := w.chain(uuid.Nil, 21)
	b.Run("limit=select1", func(b *testing.B) {
		for b.Loop() {
			var one int
			require.NoError(b, w.pool.QueryRow(b.Context(), "select 1").Scan(&one))
		}
	})
	for _, depth := range []int{1, 12, 20} {
		b.Run(fmt.Sprint("depth=", depth), func(b *testing.B) {
			for b.Loop() {
				up, err := w.tree.Upline(b.Context(), chain[depth])
				require.NoError(b, err)
				require.Len(b, up, depth)
			}
		})
	}
}

// BenchmarkDownlinePage is a page of 50 out of the middle, whatever lies below.
func BenchmarkDownlinePage(b *testing.B) {
	w := own(b)
	for _, size := range []int{10, 1_000, sized(5_000, 100_000)} {
		root := w.root()
		for lot := size; lot > 0; lot -= 1_000 {
			w.leaves(root, min(lot, 1_000))
		}
		half, err := w.tree.Downline(b.Context(), root, hierarchy.Filter{Limit: min(1_000, max(1, size/2))})
		require.NoError(b, err)
		b.Run(fmt.Sprint("below=", size), func(b *testing.B) {
			for b.Loop() {
				_, err := w.tree.Downline(b.Context(), root, hierarchy.Filter{After: half.Next})
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkAttach places one affiliate under twelve, against an INSERT of a row.
func BenchmarkAttach(b *testing.B) {
	w := own(b)
	parent := w.chain(uuid.Nil, 12)[11]
	_, err := w.pool.Exec(b.Context(), "create table bare (id uuid primary key, parent_id uuid)")
	require.NoError(b, err)
	b.Run("limit=insert", func(b *testing.B) {
		for b.Loop() {
			_, err := w.pool.Exec(b.Context(), "insert into bare values ($1, $2)", newID(), parent)
			require.NoError(b, err)
		}
	})
	b.Run("depth=12", func(b *testing.B) {
		for b.Loop() {
			_, err := w.tree.Attach(b.Context(), hierarchy.Node{ID: newID(), ParentID: parent})
			require.NoError(b, err)
		}
	})
}

// BenchmarkMove takes a subtree from under three to under eleven and back.
func BenchmarkMove(b *testing.B) {
	w := own(b)
	shallow, deep := w.chain(uuid.Nil, 3)[2], w.chain(uuid.Nil, 11)[10]
	for _, size := range []int{1, 100, sized(1_000, 10_000)} {
		top := w.under(shallow)
		for lot := size - 1; lot > 0; lot -= 1_000 {
			w.leaves(top, min(lot, 1_000))
		}
		b.Run(fmt.Sprint("size=", size), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				require.NoError(b, w.tree.Move(b.Context(), top, []uuid.UUID{deep, shallow}[i%2]))
			}
		})
	}
}

// BenchmarkPast is the way up in memory, against a map of parents that knows
// the present only. With FATURE_LONG=1 it says what a million affiliates take.
func BenchmarkPast(b *testing.B) {
	w := own(b)
	n := sized(20_000, 1_000_000)
	w.exec("alter table fature.affiliate_history disable trigger all")
	w.exec(`
		with a as (select i, md5(i::text)::uuid as id, md5(greatest(i / 3, 1)::text)::uuid as parent from generate_series(1, $1) i)
		insert into fature.affiliate_history (affiliate_id, parent_id, status, category)
		select id, case when i > 1 then parent end, 'active', 'standard' from a order by i`, n)
	w.exec(`
		insert into fature.affiliate_history (affiliate_id, parent_id, status, category)
		select affiliate_id, parent_id, 'active', 'vip' from fature.affiliate_history where seq % 10 = 0 order by seq`)
	before := heap()
	past := w.past()
	b.Logf("%d affiliates take %d MB", n, (heap()-before)>>20)

	parents := map[uuid.UUID]uuid.UUID{}
	rows, err := w.pool.Query(b.Context(), "select distinct affiliate_id, parent_id from fature.affiliate_history where parent_id is not null")
	require.NoError(b, err)
	var id, parent uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{(*[16]byte)(&id), (*[16]byte)(&parent)}, func() error { parents[id] = parent; return nil })
	require.NoError(b, err)
	asked := slices.Collect(maps.Keys(parents))
	b.Run("limit=map", func(b *testing.B) {
		depth := 0
		for i := 0; b.Loop(); i++ {
			for at, ok := asked[i%len(asked)], true; ok; depth++ {
				at, ok = parents[at]
			}
		}
		b.ReportMetric(float64(depth)/float64(b.N), "deep")
	})
	b.Run("past", func(b *testing.B) {
		b.ReportAllocs()
		depth := 0
		for i := 0; b.Loop(); i++ {
			for range past.Upline(asked[i%len(asked)], int64(n)) {
				depth++
			}
		}
		b.ReportMetric(float64(depth)/float64(b.N), "deep")
	})
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.past()
		}
	})
	runtime.KeepAlive(past)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkLoad places many affiliates of a random tree in lots, against a COPY
// of their ready closure into a table that gets its indexes afterwards.
func BenchmarkLoad(b *testing.B) {
	nodes := randomTree(sized(5_000, 100_000))
	b.Run("limit=copy_then_index", func(b *testing.B) {
		rows := closureOf(nodes)
		for b.Loop() {
			w := own(b)
			_, err := w.pool.Exec(b.Context(), "create table closure (ancestor_id uuid, descendant_id uuid, level_difference integer)")
			require.NoError(b, err)
			_, err = w.pool.CopyFrom(b.Context(), pgx.Identifier{"closure"},
				[]string{"ancestor_id", "descendant_id", "level_difference"}, pgx.CopyFromRows(rows))
			require.NoError(b, err)
			_, err = w.pool.Exec(b.Context(), `
				alter table closure add primary key (ancestor_id, descendant_id);
				create index on closure (ancestor_id, level_difference, descendant_id);
				create unique index on closure (descendant_id, level_difference) include (ancestor_id)`)
			require.NoError(b, err)
		}
	})
	b.Run("attach", func(b *testing.B) {
		for b.Loop() {
			w := own(b)
			for from := 0; from < len(nodes); from += 10_000 {
				_, err := w.tree.Attach(b.Context(), nodes[from:min(len(nodes), from+10_000)]...)
				require.NoError(b, err)
			}
		}
	})
}

// randomTree hangs each node under one before it.
func randomTree(n int) []hierarchy.Node {
	nodes := make([]hierarchy.Node, n)
	for i := range nodes {
		nodes[i].ID = newID()
		if i > 0 {
			nodes[i].ParentID = nodes[(i*7919+i/3)%i].ID // spread, and the same each time
		}
	}
	return nodes
}

func closureOf(nodes []hierarchy.Node) (rows [][]any) {
	up := make(map[uuid.UUID][]uuid.UUID, len(nodes))
	for _, n := range nodes {
		line := append([]uuid.UUID{n.ID}, up[n.ParentID]...)
		up[n.ID] = line
		for level, ancestor := range line {
			rows = append(rows, []any{[16]byte(ancestor), [16]byte(n.ID), int32(level)}) //nolint:gosec // a depth
		}
	}
	return rows
}
