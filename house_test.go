package fature_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// The rules of the house (design, section 7), held by reading the source.

const module = "github.com/fature/fature"

// source is a Go file; dir is "" at the root.
type source struct {
	dir, name string
	file      *ast.File
}

func (s source) test() bool     { return strings.HasSuffix(s.name, "_test.go") }
func (s source) internal() bool { return within(s.dir, "internal") }
func (s source) path() string   { return path.Join(s.dir, s.name) }

// within tells whether a folder is another or below it.
func within(dir, of string) bool { return dir == of || strings.HasPrefix(dir, of+"/") }

// files are all of them, read in this process so that Go's cache of test
// results knows what they are about.
var files = sync.OnceValue(func() (all []source) {
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (d.Name()[0] == '.' || d.Name() == "testdata"):
			return fs.SkipDir
		case path.Ext(name) != ".go":
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		all = append(all, source{strings.TrimPrefix(path.Dir(name), "."), path.Base(name), file})
		return err
	})
	if err != nil {
		panic(err)
	}
	return all
})

// library is the files that a host links.
func library() (all []source) {
	for _, s := range files() {
		if !s.test() && !within(s.dir, "examples") && !within(s.dir, "internal/testenv") && !within(s.dir, "internal/scenario") {
			all = append(all, s)
		}
	}
	return all
}

// Imports run downward only.
func TestImports(t *testing.T) {
	t.Parallel()
	const domain = "hierarchy affiliate transaction commission"
	may := map[string]string{ // the parts of the house, and of which others a part may import
		"internal":          "",
		"cache":             "",
		"hierarchy":         "internal",
		"affiliate":         "internal cache hierarchy",
		"transaction":       "internal",
		"commission":        "internal cache hierarchy affiliate transaction",
		"migrate":           "internal",
		"":                  "internal cache migrate " + domain,
		"examples":          "root internal internal/testenv cache migrate " + domain,
		"internal/testenv":  "internal migrate",
		"internal/scenario": "root internal internal/testenv migrate " + domain,
	}
	part := func(dir string) (longest string) {
		for name := range may {
			if within(dir, name) && len(name) > len(longest) {
				longest = name
			}
		}
		return longest
	}
	for _, s := range files() {
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			if !within(imported, module) {
				continue
			}
			from, to := part(s.dir), part(strings.TrimPrefix(strings.TrimPrefix(imported, module), "/"))
			if s.test() {
				require.True(t, to != "" || from == "examples" || strings.HasSuffix(s.file.Name.Name, "_test"), "%s imports the root: only external tests do", s.path())
				continue
			}
			ok := from == to || slices.Contains(strings.Fields(may[from]), cmp.Or(to, "root"))
			require.True(t, ok, "%s imports %s; it may import only: %s", s.path(), imported, may[from])
		}
	}
}

// owners are the packages whose SQL names a table.
var owners = map[string]string{
	"users": "affiliate", "affiliates": "affiliate", "referral_codes": "affiliate", "customers": "affiliate", "customer_owners": "affiliate",
	"affiliate_rollups": "affiliate", "affiliate_customers": "affiliate", "team_sizes": "affiliate", "fold": "affiliate",
	"sessions":            "affiliate/session",
	"clicks":              "affiliate/click",
	"affiliate_hierarchy": "hierarchy", "affiliate_history": "hierarchy",
	"transactions": "transaction", "transaction_keys": "transaction",
	"commissions": "commission", "payouts": "commission", "rule_counters": "commission", "commission_plans": "commission", "plan_assignments": "commission",
	"closings": "commission", "statements": "commission", "statement_carries": "commission",
	"achievements": "affiliate/board", "affiliate_achievements": "affiliate/board", "achievement_evaluations": "affiliate/board",
	"outbox": "internal/outbox", "affiliate_deltas": "", "team_deltas": "", "leases": "", "settings": "", "affiliate_stats": "", "system_performance": "",
	"data_audit": "", "audit_personal": "", "audit_policy": "",
	"partitions": "internal/partition", "schema_version": "migrate",
}

// guest is a package that may name another's table, and update these columns.
type guest struct {
	dir, table string
	columns    []string
	why        string
	rows       bool // it may insert and delete rows too
}

var guests = []guest{
	{"hierarchy", "affiliates", []string{"parent_id", "level", "updated_at"}, "an affiliate's place is the tree's, and uplines are read with their standing", false},
	{"affiliate/click", "referral_codes", nil, "the figures of clicks are by code", false},
	{"affiliate/click", "customer_owners", nil, "and count the customers that a code brought", false},
	{"affiliate", "affiliate_hierarchy", nil, "statistics are of an affiliate's team too", false},
	{"affiliate/board", "affiliates", nil, "who is on a board or awarded is active, and of all time there are totals", false},
	{"affiliate/board", "users", nil, "the names on a board", false},
	{"affiliate/board", "customer_owners", nil, "a board of customers", false},
	{"affiliate/board", "affiliate_history", nil, "a board of recruits: since when each is where it is", false},
	{"affiliate/board", "affiliate_deltas", nil, "what is not folded into the totals yet", false},
	{"affiliate/board", "transactions", nil, "a board of volumes, and days with a sale", false},
	{"affiliate/board", "commissions", nil, "a board of commissions", false},
	{"affiliate", "affiliate_history", nil, "a promotion takes back only what a promotion gave", false},
	{"affiliate", "transactions", nil, "since when the customers of transactions that are taken back had an owner; a promotion for the volume of a period", false},
	{"commission", "affiliates", nil, "an assignment asks whether its affiliate is there, a payout whether it is active, and a refund what its affiliate is", false},
	{"commission", "transactions", nil, "a line is voided under the lock of its transaction, with the lines of its refunds; a period is closed on the sums of its transactions; whose is what a refund takes back", false},
	{"commission", "transaction_keys", nil, "a simulation asks whether a month was dropped", false},
	{"", "affiliates", []string{"lifetime_volume", "lifetime_commissions", "updated_at"}, "the fold brings the totals", false},
	{"", "affiliate_rollups", []string{"transactions", "customers", "volume", "commissions"}, "the fold brings the months", true},
	{"", "affiliate_customers", []string{"month"}, "the fold counts each customer of an affiliate once", true},
	{"", "team_sizes", []string{"direct_referrals", "team_size"}, "the fold brings the sizes of teams", true},
	{"", "affiliate_hierarchy", nil, "the sizes of teams are compared with it", false},
	{"", "fold", []string{"as_of"}, "the fold says when it was", false},
	{"", "transactions", nil, "Verify compares the totals and the audit with them", false},
	{"", "commissions", nil, "Verify compares the totals and the audit with them", false},
	{"", "commission_plans", nil, "a report names the plans", false},
	{"", "customers", nil, "a report is of when customers came", false},
	{"", "users", nil, "a report names the affiliates", false},
	{"", "partitions", nil, "Verify checks the months", false},
	{"", "schema_version", nil, "health is of a database at this version", false},
}

var (
	named   = regexp.MustCompile(`\bfature\.([a-z_]+)`)
	written = regexp.MustCompile(`(?is)\b(insert\s+into|update|delete\s+from|truncate|merge\s+into)\s+(?:only\s+)?fature\.([a-z_]+)`)
	assigns = regexp.MustCompile(`(?is)\bset\b(.*?)(?:\bfrom\b|\bwhere\b|\breturning\b|$)`)
)

// Each table is named by one package, in its sql.go. check.go may read across,
// since an invariant spans tables; it never writes.
func TestTablesHaveOneOwner(t *testing.T) {
	t.Parallel()
	tables := tablesOfMigrations(t)
	require.ElementsMatch(t, tables, slices.Collect(maps.Keys(owners)), "every table has an owner")
	unused := slices.Clone(guests)
	visit := func(s source, table string) (g guest, home bool) {
		is := func(g guest) bool { return g.dir == s.dir && g.table == table }
		unused = slices.DeleteFunc(unused, is)
		if at := slices.IndexFunc(guests, is); at >= 0 {
			return guests[at], false
		}
		return guest{}, owners[table] == s.dir
	}
	for _, s := range library() {
		for _, text := range stringsOf(s.file) {
			for _, m := range named.FindAllStringSubmatch(text, -1) {
				if table := m[1]; slices.Contains(tables, table) { // else a function, type or setting
					g, home := visit(s, table)
					require.True(t, home || g.why != "" || s.name == "check.go", "%s names %s, which is %q's", s.path(), table, owners[table])
					require.True(t, s.name == "sql.go" || s.name == "check.go" || s.dir == "internal/partition" || s.dir == "migrate",
						"%s has SQL of %s, which belongs in sql.go", s.path(), table)
				}
			}
			for _, at := range written.FindAllStringSubmatchIndex(text, -1) {
				verb, table := text[at[2]:at[3]], text[at[4]:at[5]]
				g, home := visit(s, table)
				if home || g.rows && !strings.EqualFold(verb, "update") {
					continue
				}
				require.Equal(t, "update", strings.ToLower(verb), "%s writes %s, which is %q's", s.path(), table, owners[table])
				set := assigns.FindStringSubmatch(text[at[1]:])
				require.NotNil(t, set, "%s: %q", s.path(), text)
				for _, part := range strings.Split(set[1], ",") {
					column := strings.TrimSpace(strings.Split(part, "=")[0])
					require.Contains(t, g.columns, column, "%s updates %s of %s", s.path(), column, table)
				}
			}
		}
		for _, table := range copied(s.file) {
			require.Equal(t, owners[table], s.dir, "%s copies into %s", s.path(), table)
		}
	}
	require.Empty(t, unused, "a guest that never comes")
}

func tablesOfMigrations(t *testing.T) (tables []string) {
	t.Helper()
	create := regexp.MustCompile(`(?m)^create (?:table|materialized view|view) fature\.([a-z_]+)`)
	names, err := fs.Glob(os.DirFS("migrate/sql"), "*.sql")
	require.NoError(t, err)
	for _, name := range names {
		text, err := os.ReadFile(path.Join("migrate/sql", name))
		require.NoError(t, err)
		for _, m := range create.FindAllStringSubmatch(string(text), -1) {
			tables = append(tables, m[1])
		}
	}
	return append(tables, "schema_version") // tern's
}

func stringsOf(file *ast.File) (all []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				all = append(all, text)
			}
		}
		return true
	})
	return all
}

// copied are the tables named by pg.Table(db, "name").
func copied(file *ast.File) (tables []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 2 {
			return true
		}
		if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Table" {
			if lit, ok := call.Args[1].(*ast.BasicLit); ok {
				if name, err := strconv.Unquote(lit.Value); err == nil {
					tables = append(tables, name)
				}
			}
		}
		return true
	})
	return tables
}

// Money is never a float.
func TestNoFloats(t *testing.T) {
	t.Parallel()
	// What encoding/json makes of a number in metadata is one. It is turned
	// into text, or measured, and not reckoned with.
	exempt := []string{"commission.scalarText", "transaction.value"}
	for _, s := range library() {
		if !slices.Contains([]string{"", "affiliate", "transaction", "commission", "internal/money"}, s.dir) {
			continue
		}
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && slices.Contains(exempt, s.file.Name.Name+"."+f.Name.Name) {
				continue
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					require.NotContains(t, []string{
						"float64", "float32", "complex128", "Float64", "InexactFloat64", "NewFromFloat", "NewFromFloat32", "ParseFloat", "SetFloat64",
					}, id.Name, s.path())
				}
				return true
			})
		}
	}
}

func TestPackageNamesSayWhatIsInThem(t *testing.T) {
	t.Parallel()
	for _, s := range files() {
		name := strings.TrimSuffix(s.file.Name.Name, "_test")
		require.NotContains(t, []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "shared", "lib", "tools", "types"}, name, s.path())
		if within(s.dir, "examples") && !s.test() {
			require.Equal(t, "main", name, "%s: examples are programs only", s.path())
		}
	}
}

func TestTopLevel(t *testing.T) {
	t.Parallel()
	card := []string{
		"affiliate", "transaction", "commission", "cache", "hierarchy", "migrate", "examples", "internal",
		"go.mod", "go.sum", "README.md", "Makefile", "CHANGELOG.md", "LICENSE", "SECURITY.md",
		".ci", ".golangci.yml", ".gitignore", ".git",
	}
	text, err := os.ReadFile(".gitignore")
	require.NoError(t, err)
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		ignored := slices.ContainsFunc(strings.Split(string(text), "\n"), func(pattern string) bool {
			ok, _ := path.Match(strings.Trim(pattern, "/"), e.Name())
			return ok
		})
		goFile := !e.IsDir() && path.Ext(e.Name()) == ".go"
		require.True(t, ignored || goFile || slices.Contains(card, e.Name()), "%s is not on the card of the house", e.Name())
	}
}

// Whoever reads the documentation finds a sentence for every name.
func TestExportedNamesAreDocumented(t *testing.T) {
	t.Parallel()
	packages := map[string]bool{}
	for _, s := range library() {
		if s.internal() {
			continue
		}
		packages[s.dir] = packages[s.dir] || s.file.Doc.Text() != ""
		for _, decl := range s.file.Decls {
			for name, doc := range exported(decl) {
				require.NotEmpty(t, strings.TrimSpace(doc), "%s: %s has no comment", s.path(), name)
			}
		}
	}
	for dir, documented := range packages {
		require.True(t, documented, "package %q has no comment", dir)
	}
}

// exported are a declaration's exported names with their comments. A group's
// comment does for its members.
func exported(decl ast.Decl) map[string]string {
	found := map[string]string{}
	add := func(name *ast.Ident, doc string) {
		if name.IsExported() {
			found[name.Name] = doc
		}
	}
	switch d := decl.(type) {
	case *ast.FuncDecl:
		usual := slices.Contains([]string{"Error", "Unwrap", "String"}, d.Name.Name) // what they do is known
		if d.Recv == nil || ast.IsExported(receiver(d)) && !usual {
			add(d.Name, d.Doc.Text())
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				add(spec.Name, d.Doc.Text()+spec.Doc.Text()+spec.Comment.Text())
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					add(name, d.Doc.Text()+spec.Doc.Text()+spec.Comment.Text())
				}
			}
		}
	}
	return found
}

func receiver(f *ast.FuncDecl) string {
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	return fmt.Sprint(of)
}

// No init, and no package-level variable that changes: what is there is
// written at its declaration and only read after it.
func TestNoGlobals(t *testing.T) {
	t.Parallel()
	globals := map[string]map[string]bool{} // by folder
	for _, s := range library() {
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				require.False(t, f.Recv == nil && f.Name.Name == "init", "%s has an init function", s.path())
			}
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				spec := spec.(*ast.ValueSpec)
				for _, name := range spec.Names {
					if globals[s.dir] == nil {
						globals[s.dir] = map[string]bool{}
					}
					globals[s.dir][name.Name] = true
				}
				ast.Inspect(spec, func(n ast.Node) bool {
					if sel, ok := n.(*ast.SelectorExpr); ok {
						on := fmt.Sprint(sel.X)
						require.NotContains(t, []string{"sync", "atomic"}, on, "%s: %s is state of the whole process", s.path(), spec.Names[0])
					}
					return true
				})
			}
		}
	}
	for _, s := range library() {
		global := func(e ast.Expr) bool { return globalIn(globals[s.dir], e) }
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, left := range n.Lhs {
						require.False(t, global(left), "%s changes %v", s.path(), root(left))
					}
				}
			case *ast.IncDecStmt:
				require.False(t, global(n.X), "%s changes %v", s.path(), root(n.X))
			case *ast.UnaryExpr:
				require.False(t, n.Op == token.AND && global(n.X), "%s lends %v for changing", s.path(), root(n.X))
			case *ast.CallExpr:
				changes := []string{"delete", "clear", "append", "copy", "slices.Sort", "slices.SortFunc", "slices.Reverse", "maps.Copy", "sort.Strings"}
				if len(n.Args) > 0 && slices.Contains(changes, callee(n)) {
					require.False(t, global(n.Args[0]), "%s changes %v by %s", s.path(), root(n.Args[0]), callee(n))
				}
			}
			return true
		})
	}
}

// root is the variable at the bottom of x.y[z].
func root(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SliceExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	case *ast.SelectorExpr:
		return root(e.X)
	}
	return nil
}

// globalIn tells whether a variable is one of the package's: by name, unless
// the parser has seen a declaration of that name closer by.
func globalIn(names map[string]bool, e ast.Expr) bool {
	id := root(e)
	if id == nil || !names[id.Name] {
		return false
	}
	if id.Obj == nil { //nolint:staticcheck // SA1019: enough for names within a file
		return true
	}
	_, atTop := id.Obj.Decl.(*ast.ValueSpec)
	return atTop && id.Obj.Kind == ast.Var
}

func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return fmt.Sprintf("%v.%s", f.X, f.Sel.Name)
	}
	return ""
}
