package affiliate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// Draft is an affiliate to be made: of an existing user (UserID), or with a
// new one (Email and Name); at a root, under a parent, or under the affiliate
// that a referral code leads to.
type Draft struct {
	ID uuid.UUID // zero: made. A later draft of the same call may name it as ParentID.

	UserID      uuid.UUID
	Email, Name string

	ParentID   uuid.UUID
	ReferredBy string // a referral code, retired ones included

	ReferralCode string   // 3 to 20 letters, digits, - and _; empty: generated
	Category     Category // defaults to Standard
	Status       Status   // defaults to Active

	OriginalID, MigratedFrom string // of a new user, for imports
}

// Create makes an affiliate. Errors: InvalidError by field, ErrEmailTaken,
// ErrOriginTaken, ErrUserTaken, ErrUserNotFound, ErrCodeTaken, ErrIDTaken,
// ErrParentNotFound, ErrCodeNotFound, hierarchy.DepthError. It costs five round
// trips and its transaction, whatever the depth.
func (s *Store) Create(ctx context.Context, d Draft) (Affiliate, error) {
	made, err := s.create(ctx, []Draft{d}, func(int) string { return "" })
	if err != nil {
		return Affiliate{}, fail("create", err)
	}
	return made[0], nil
}

// CreateAll makes many affiliates or none, in the same number of round trips
// as one. A parent comes before its children. Errors are those of Create with
// the place of the draft in their field, "drafts[3].email".
func (s *Store) CreateAll(ctx context.Context, drafts []Draft) ([]Affiliate, error) {
	made, err := s.create(ctx, drafts, func(i int) string { return fmt.Sprintf("drafts[%d]", i) })
	return made, fail("create", err)
}

// candidate is a draft on its way to a row.
type candidate struct {
	Draft
	user      UserDraft
	canonical string
	newUser   bool
	named     bool // the id is the host's
	generated bool // the referral code is ours
}

// origin is what a user was in another system.
type origin struct {
	MigratedFrom string `db:"migrated_from"`
	OriginalID   string `db:"original_id"`
}

func (d *candidate) origin() origin { return origin{d.MigratedFrom, d.OriginalID} }

func (s *Store) create(ctx context.Context, drafts []Draft, path func(int) string) ([]Affiliate, error) {
	if len(drafts) == 0 {
		return nil, nil
	}
	all := make([]candidate, len(drafts))
	var c fault.Check
	for i, d := range drafts {
		var err error
		all[i], err = prepare(d)
		c.Err(path(i), err)
	}
	if err := c.Done(); err != nil {
		return nil, err
	}
	if err := checkTwice(all, path); err != nil {
		return nil, err
	}
	var made []Affiliate
	err := pg.InTx(ctx, s.db, func(tx pg.DB) error {
		if err := resolve(ctx, tx, all, path); err != nil {
			return err
		}
		levels, err := s.tree.On(tx).Attach(ctx, nodes(all)...)
		if err != nil {
			return misplaced(err, path)
		}
		made, err = insert(ctx, tx, all, levels)
		return err
	})
	return made, err
}

func prepare(d Draft) (candidate, error) {
	named := d.ID != uuid.Nil
	if !named {
		d.ID = pg.NewID()
	}
	if d.Category == "" {
		d.Category = Standard
	}
	if d.Status == "" {
		d.Status = Active
	}
	all := candidate{Draft: d, named: named, newUser: d.UserID == uuid.Nil}
	var c fault.Check
	if all.newUser {
		all.user = UserDraft{Email: d.Email, Name: d.Name, OriginalID: d.OriginalID, MigratedFrom: d.MigratedFrom}.normalize()
		all.canonical = all.user.check(&c)
		all.UserID = all.user.ID
	} else {
		const given = "is for a new user, and user_id names an existing one"
		c.That(d.Email == "", "email", given)
		c.That(d.Name == "", "name", given)
		c.That(all.origin() == (origin{}), "original_id", given)
	}
	if d.ReferralCode == "" {
		all.generated, all.ReferralCode = true, newCode()
	} else {
		c.Err("referral_code", checkCode(d.ReferralCode))
	}
	if d.ReferredBy != "" {
		c.That(d.ParentID == uuid.Nil, "referred_by", "goes without parent_id: one of them names the parent")
		c.Err("referred_by", checkCode(d.ReferredBy))
	}
	c.That(d.ParentID != d.ID, "parent_id", "is the affiliate itself")
	checkCategory(&c, d.Category)
	checkStatus(&c, d.Status)
	return all, c.Done()
}

// checkTwice refuses what two drafts of one call would both take.
func checkTwice(all []candidate, path func(int) string) error {
	var c fault.Check
	seen := map[string]int{}
	once := func(i int, field, value string, taken error) {
		if first, ok := seen[field+value]; ok {
			c.Err(path(i), &fault.InvalidError{Field: field, Problem: "is the same as " + path(first) + "." + field, Cause: taken})
		}
		seen[field+value] = i
	}
	for i := range all {
		once(i, "id", all[i].ID.String(), ErrIDTaken)
		once(i, "referral_code", lookup(all[i].ReferralCode), ErrCodeTaken)
		if all[i].newUser {
			once(i, "email", all[i].canonical, ErrEmailTaken)
			if o := all[i].origin(); o != (origin{}) {
				once(i, "original_id", o.MigratedFrom+"\x00"+o.OriginalID, ErrOriginTaken)
			}
		} else {
			once(i, "user_id", all[i].UserID.String(), ErrUserTaken)
		}
	}
	return c.Done()
}

// known is what the database said of the names in the drafts.
type known struct {
	emails, codes              map[string]bool
	origins                    map[origin]bool
	ids, users, taken, parents map[uuid.UUID]bool
	referrers                  Referrers
}

// resolve turns names into ids and refuses, by place and field, what the
// constraints would refuse without naming it. One round trip; another while a
// generated code turns out to be taken.
func resolve(ctx context.Context, tx pg.DB, all []candidate, path func(int) string) error {
	for {
		k, err := look(ctx, tx, all)
		if err != nil {
			return err
		}
		again := false
		var c fault.Check
		for i := range all {
			if all[i].generated && k.codes[lookup(all[i].ReferralCode)] {
				all[i].ReferralCode, again = newCode(), true
			}
			c.Err(path(i), k.settle(&all[i]))
			// A later draft of the call may name this one.
			k.parents[all[i].ID], k.referrers[lookup(all[i].ReferralCode)] = true, Referrer{AffiliateID: all[i].ID}
		}
		if err := c.Done(); err != nil || !again {
			return err
		}
	}
}

func look(ctx context.Context, tx pg.DB, all []candidate) (known, error) {
	var emails, codes, referrers, sources, originals []string
	var ids, users, parents []uuid.UUID
	for i := range all {
		codes = append(codes, lookup(all[i].ReferralCode))
		if all[i].named {
			ids = append(ids, all[i].ID)
		}
		if all[i].newUser {
			emails = append(emails, all[i].canonical)
		} else {
			users = append(users, all[i].UserID)
		}
		if o := all[i].origin(); o != (origin{}) {
			sources, originals = append(sources, o.MigratedFrom), append(originals, o.OriginalID)
		}
		if all[i].ReferredBy != "" {
			referrers = append(referrers, all[i].ReferredBy)
		}
		if all[i].ParentID != uuid.Nil {
			parents = append(parents, all[i].ParentID)
		}
	}
	var takenEmails, takenCodes []string
	var takenOrigins []origin
	var takenIDs, there, taken, over []uuid.UUID
	codesOf := Referrers{}
	var b pgx.Batch
	pg.QueueColumn(&b, &takenCodes, selectTakenCodes, codes)
	pg.QueueColumn(&b, &takenEmails, selectTakenEmails, emails)
	pg.Queue(&b, &takenOrigins, selectTakenOrigins, sources, originals)
	pg.QueueColumn(&b, &takenIDs, selectAffiliatesThere, ids)
	pg.QueueColumn(&b, &there, selectUsersThere, users)
	pg.QueueColumn(&b, &taken, selectUsersTaken, users)
	pg.QueueColumn(&b, &over, selectAffiliatesThere, parents)
	QueueReferrers(&b, codesOf, referrers)
	if err := pg.Send(ctx, tx, &b); err != nil {
		return known{}, err
	}
	return known{
		emails: set(takenEmails), codes: set(takenCodes), origins: set(takenOrigins),
		ids: set(takenIDs), users: set(there), taken: set(taken), parents: set(over), referrers: codesOf,
	}, nil
}

func set[T comparable](list []T) map[T]bool {
	s := make(map[T]bool, len(list))
	for _, item := range list {
		s[item] = true
	}
	return s
}

// settle finds a candidate's parent and refuses what is taken or missing.
func (k known) settle(d *candidate) error {
	var problems []error
	refuse := func(bad bool, field, problem string, cause error) {
		if bad {
			problems = append(problems, &fault.InvalidError{Field: field, Problem: problem, Cause: cause})
		}
	}
	refuse(k.ids[d.ID], "id", "is taken", ErrIDTaken)
	refuse(d.newUser && k.emails[d.canonical], "email", "belongs to another user", ErrEmailTaken)
	refuse(k.origins[d.origin()], "original_id", "was made a user already", ErrOriginTaken)
	refuse(!d.newUser && !k.users[d.UserID], "user_id", "does not exist", ErrUserNotFound)
	refuse(!d.newUser && k.taken[d.UserID], "user_id", "is an affiliate already", ErrUserTaken)
	refuse(!d.generated && k.codes[lookup(d.ReferralCode)], "referral_code", "is taken", ErrCodeTaken)
	if d.ReferredBy != "" {
		d.ParentID = k.referrers.By(d.ReferredBy)
		refuse(d.ParentID == uuid.Nil, "referred_by", "is not a referral code", ErrCodeNotFound)
	} else if d.ParentID != uuid.Nil {
		refuse(!k.parents[d.ParentID], "parent_id", "does not exist", ErrParentNotFound)
	}
	return errors.Join(problems...)
}

func nodes(all []candidate) []hierarchy.Node {
	list := make([]hierarchy.Node, len(all))
	for i := range all {
		list[i] = hierarchy.Node{ID: all[i].ID, ParentID: all[i].ParentID}
	}
	return list
}

// misplaced tells the tree's problems, whose fields begin with [0], by the
// places of the drafts.
func misplaced(err error, path func(int) string) error {
	if errors.Is(err, hierarchy.ErrAttached) {
		return errors.Join(ErrIDTaken, err)
	}
	for _, p := range fault.Fields(err) {
		var i int
		var field string
		if _, bad := fmt.Sscanf(p.Field, "[%d].%s", &i, &field); bad == nil {
			p.Field = strings.TrimPrefix(path(i)+"."+field, ".")
		}
	}
	return err
}

// insert writes users, affiliates and codes, and reads the affiliates back.
func insert(ctx context.Context, tx pg.DB, all []candidate, levels []int) ([]Affiliate, error) {
	var u struct {
		ids                      []uuid.UUID
		emails, canonical, names []string
		originals, sources       []*string
	}
	var a struct {
		ids, users, codeIDs         []uuid.UUID
		parents                     []*uuid.UUID
		codes, categories, statuses []string
	}
	for i := range all {
		d := &all[i]
		if d.newUser {
			u.ids, u.emails, u.canonical = append(u.ids, d.user.ID), append(u.emails, d.user.Email), append(u.canonical, d.canonical)
			u.names = append(u.names, d.user.Name)
			u.originals, u.sources = append(u.originals, none(d.OriginalID)), append(u.sources, none(d.MigratedFrom))
		}
		a.ids, a.users, a.codeIDs = append(a.ids, d.ID), append(a.users, d.UserID), append(a.codeIDs, pg.NewID())
		a.parents, a.codes = append(a.parents, noID(d.ParentID)), append(a.codes, d.ReferralCode)
		a.categories, a.statuses = append(a.categories, string(d.Category)), append(a.statuses, string(d.Status))
	}
	var made []Affiliate
	var b pgx.Batch
	if len(u.ids) > 0 {
		b.Queue(insertUsers, u.ids, u.emails, u.canonical, u.names, u.originals, u.sources)
	}
	pg.Queue(&b, &made, insertAffiliates, a.ids, a.users, a.parents, a.codes, a.categories, a.statuses, levels)
	b.Queue(insertCodes, a.codeIDs, a.codes, a.ids)
	if err := pg.Send(ctx, tx, &b); err != nil {
		return nil, err
	}
	return inOrder(made, a.ids), nil
}

// inOrder sorts rows as their ids were given: RETURNING promises no order.
func inOrder(rows []Affiliate, ids []uuid.UUID) []Affiliate {
	at := make(map[uuid.UUID]Affiliate, len(rows))
	for _, r := range rows {
		at[r.ID] = r
	}
	sorted := make([]Affiliate, 0, len(ids))
	for _, id := range ids {
		sorted = append(sorted, at[id])
	}
	return sorted
}
