package pg

import (
	"context"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fature/fature/internal/access"
)

// A handle that As made holds every statement to its viewer. An admin's are
// sent as they are. A manager's are, where they only read. Anybody else's are
// sent only where the text says in a comment what of it they see, which then
// becomes a condition; to the server and to psql it is a comment otherwise:
//
//	/*sees affiliate_id*/   rows of the viewer and of its downline
//	/*sees user id*/        rows of its user, and of the users of its downline
//	/*owns affiliate_id*/   rows of the viewer alone
//	/*is id*/               the row of its user alone
//	/*everybody*/           all rows
//
// Each begins with "and", so it stands behind a condition. @viewer is the id of
// the viewer's affiliate in a text that is for such viewers only. So what a new
// statement forgets to say is refused, not shown.
var marks = regexp.MustCompile(`/\*(sees user|sees|owns|is|everybody)(?: ([a-z_.]+))?\*/|@viewer`)

// changes finds what a statement that only reads does not say.
var changes = regexp.MustCompile(`(?i)\b(insert|update|delete|truncate|merge|call|copy|nextval|set_config|for share|for key share)\b`)

// As is db for a viewer. It stays bound to it inside transactions.
func As(db DB, v access.Viewer) DB {
	h := of(db)
	v = v.Of()
	h.viewer = &v
	return h
}

// Unbound is db for the programme itself, for what it does once a viewer was
// let do it.
func Unbound(db DB) DB {
	h := of(db)
	h.viewer = nil
	return h
}

// MayWrite is nil where db is bound to nobody or to one who writes, and
// access.ErrRole otherwise. InTx, Open, Exec and CopyFrom ask it by themselves;
// a call that reads before it writes asks it first.
func MayWrite(db DB) error { return of(db).mayWrite() }

// MayReadAll is nil where db is bound to nobody or to one who reads all.
func MayReadAll(db DB) error {
	if Narrow(db) {
		return access.ErrRole
	}
	return nil
}

// Narrow tells whether db is bound to a viewer from whom something is hidden.
func Narrow(db DB) bool { h := of(db); return h.viewer != nil && !h.viewer.ReadsAll() }

// Viewer is whom db is bound to; zero where to nobody.
func Viewer(db DB) access.Viewer {
	if h := of(db); h.viewer != nil {
		return *h.viewer
	}
	return access.Viewer{}
}

func (h handle) mayWrite() error {
	if h.viewer != nil && !h.viewer.Writes() {
		return access.ErrRole
	}
	return nil
}

// viewed names a statement as a viewer gets it.
type viewed struct {
	text string
	args int
}

// view is a statement as a viewer gets it: zero where it is refused.
type view struct {
	text            string
	affiliate, user bool // ids that follow the arguments
}

// statement is what is sent for a text, or why it is not.
func (h handle) statement(text string, args []any) (string, []any, error) {
	if h.viewer == nil || h.viewer.Writes() {
		return h.sql(text), args, nil
	}
	if h.viewer.ReadsAll() {
		if changes.MatchString(text) {
			return "", nil, access.ErrRole
		}
		return h.sql(text), args, nil
	}
	key := viewed{text, len(args)}
	found, ok := h.views.Load(key)
	if !ok {
		found = viewOf(key)
		h.views.Store(key, found)
	}
	v := found.(view)
	if v.text == "" {
		return "", nil, access.ErrRole
	}
	args = args[:len(args):len(args)]
	if v.affiliate {
		args = append(args, h.viewer.AffiliateID)
	}
	if v.user {
		args = append(args, h.viewer.UserID)
	}
	return h.sql(v.text), args, nil
}

func viewOf(key viewed) (v view) {
	found := marks.FindAllStringSubmatch(key.text, -1)
	if len(found) == 0 || changes.MatchString(key.text) {
		return view{}
	}
	for _, m := range found {
		v.affiliate = v.affiliate || m[1] != "is" && m[1] != "everybody"
		v.user = v.user || m[1] == "is" || m[1] == "sees user"
	}
	parameter := func(n int) string { return "$" + strconv.Itoa(key.args+n) }
	affiliate, user := parameter(1), parameter(1)
	if v.affiliate {
		user = parameter(2)
	}
	v.text = marks.ReplaceAllStringFunc(key.text, func(mark string) string {
		m := marks.FindStringSubmatch(mark)
		switch column := m[2]; m[1] {
		case "sees":
			return "and " + column + " in (select seen.id from fature.seen(" + affiliate + ") as seen (id))"
		case "sees user":
			return "and " + column + " in (select seen.id from fature.seen_users(" + affiliate + ", " + user + ") as seen (id))"
		case "owns":
			return "and " + column + " = " + affiliate
		case "is":
			return "and " + column + " = " + user
		case "everybody":
			return ""
		}
		return affiliate // @viewer
	})
	return v
}

// refused is the answer to a statement that was not sent.
type refused struct{ err error }

func (r refused) Scan(...any) error                { return r.err }
func (r refused) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, r.err }
func (r refused) Query() (pgx.Rows, error)         { return nil, r.err }
func (r refused) QueryRow() pgx.Row                { return r }
func (r refused) Close() error                     { return r.err }
func (r refused) Tx() pgx.Tx                       { return nil }

func (h handle) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	if err := h.mayWrite(); err != nil {
		return 0, err
	}
	return h.DB.CopyFrom(ctx, table, columns, src)
}

// Begin is raw: what is done in the transaction is held to no viewer. So only
// those who write may.
func (h handle) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := h.mayWrite(); err != nil {
		return nil, err
	}
	return h.DB.Begin(ctx)
}
