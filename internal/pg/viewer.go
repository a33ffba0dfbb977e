package pg

import (
	"context"
	"regexp"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fature/fature/internal/access"
)

// A handle that As made holds every statement to its viewer. An admin's are
// sent as they are. A manager's are, where they only read. Anybody else's are
// sent only where the text says in a comment what of it they see, which then
// becomes a condition; to the server and to psql it is a comment otherwise:
//
//	/*sees affiliate_id*/    rows of the viewer and of its downline
//	/*lists affiliate_id*/   the same, of a list: each is planned for its viewer
//	/*owns affiliate_id*/    rows of the viewer alone
//	/*sees user id*/         its user, and the users of its downline
//	/*lists user id*/        the same, of a list
//	/*is id*/                its user alone
//	/*everybody*/            all rows
//
// A parameter such as $1 may stand for the column: the condition is then asked
// once. Each begins with "and", so it stands behind a condition. @viewer is the
// id of the viewer's affiliate in a text that is for such viewers only. So what a
// new statement forgets to say is refused, not shown.
var marks = regexp.MustCompile(`/\*(?:(sees|lists|owns|is)( user)? ([a-z_.]+|\$[0-9]+)|everybody)\*/|@viewer`)

// changes finds what a statement that only reads does not say.
var changes = regexp.MustCompile(`(?i)\b(insert|update|delete|truncate|merge|call|copy|nextval|set_config|for share|for key share)\b`)

// As is db for a viewer. It stays bound to it inside transactions.
func As(db DB, v access.Viewer) DB {
	if !v.Role.Valid() {
		v = access.Viewer{} // of no role that there is: nobody
	}
	h := of(db)
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
	all  bool // the viewer reads all
	none bool // the viewer is no affiliate
}

// view is a statement as a viewer gets it. An empty one is refused.
type view struct {
	text            string
	affiliate, user bool // ids that follow the arguments
	planned         bool // anew each time
}

// query is what is sent for a text that is not in a batch, or why it is not: a
// batch cannot say how a statement of it is to be planned.
func (h handle) query(text string, args []any) (string, []any, error) {
	if h.viewer == nil {
		return h.sql(text), args, nil
	}
	sql, args, planned, err := h.statement(text, args)
	if planned && h.anew {
		args = append([]any{pgx.QueryExecModeCacheDescribe}, args...)
	}
	return sql, args, err
}

// statement is what is sent for a text, or why it is not; and whether it is
// better planned each time.
func (h handle) statement(text string, args []any) (sql string, sent []any, planned bool, err error) {
	if h.viewer == nil || h.viewer.Writes() {
		return h.sql(text), args, false, nil
	}
	key := viewed{text, len(args), h.viewer.ReadsAll(), h.viewer.AffiliateID == uuid.Nil}
	found, ok := h.views.Load(key)
	if !ok {
		found = viewOf(key)
		h.views.Store(key, found)
	}
	v := found.(view)
	if v.text == "" {
		return "", nil, false, access.ErrRole
	}
	sent = slices.Clip(args) // the caller's own stay as they are
	if v.affiliate {
		sent = append(sent, h.viewer.AffiliateID)
	}
	if v.user {
		sent = append(sent, h.viewer.UserID)
	}
	return h.sql(v.text), sent, v.planned, nil
}

func viewOf(key viewed) (v view) {
	switch {
	case changes.MatchString(key.text):
		return view{}
	case key.all:
		return view{text: key.text}
	case !marks.MatchString(key.text):
		return view{}
	}
	next := key.args
	parameter := func(asked *bool, is *string) string {
		if !*asked {
			next++
			*asked, *is = true, "$"+strconv.Itoa(next)
		}
		return *is
	}
	var affiliate, user string
	v.text = marks.ReplaceAllStringFunc(key.text, func(mark string) string {
		m := marks.FindStringSubmatch(mark)
		verb, column := m[1], m[3]
		v.planned = v.planned || verb == "lists"
		switch {
		case verb == "is", m[2] != "" && key.none:
			return "and " + column + " = " + parameter(&v.user, &user)
		case mark == "/*everybody*/":
			return ""
		}
		viewer := parameter(&v.affiliate, &affiliate)
		// No column is called as the one of seen, so that the condition's is the
		// row's own.
		seen := "fature.seen(" + viewer + ") as seen (seen_by_viewer)"
		if m[2] != "" {
			seen = "fature.seen_users(" + viewer + ") as seen (seen_by_viewer)"
		}
		switch verb {
		case "sees":
			// The offset keeps it what it is, a look into an index for each row:
			// a plan for any viewer would go by those of few, and read the whole
			// downline of one of many.
			return "and exists (select from " + seen + " where seen.seen_by_viewer = " + column + " offset 0)"
		case "lists":
			return "and " + column + " in (select seen.seen_by_viewer from " + seen + ")"
		case "owns":
			return "and " + column + " = " + viewer
		}
		return viewer
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
