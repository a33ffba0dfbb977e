// Package click records the clicks on affiliates' links and finds, from them
// and from coupons, to whom a customer or an event is owed.
//
// A Recorder takes clicks without ever making a request wait and writes them in
// batches; Store.Record writes them at once. A click is kept as it is, marked
// where it is a bot's or a repetition: what is marked attributes nothing and is
// counted apart. No address and no user agent is stored; a visitor is known by
// a random id in a cookie (Cookie).
//
// Who is owed is decided in one order, by Policy: a coupon before a click,
// before the affiliate whose customer it is for life, before a link's code that
// was only given. Store.Attribute does it at a signup, and the programme's
// Record for an event that names its visitor.
package click

import (
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
)

// Click is a visit by an affiliate's link. Only Code is needed.
type Click struct {
	Code    string // a referral code or coupon, without regard to case
	Visitor string // Cookie.Visitor's, or the host's own: 16 to 64 letters, digits, - and _
	SubID   string // what the affiliate tells its campaigns apart by, at most 100 characters
	Landing string // where it went: an http or https URL without user and password, at most 2,048 bytes
	Source  string // where it came from, at most 255 bytes
	Country string // two letters, as the host's edge tells it

	// UserAgent is classed and not stored; without one the click is a bot's.
	UserAgent string
	// Prefetch says that no person asked: a HEAD, or a browser's guess.
	Prefetch bool

	At time.Time // any zone, kept to the microsecond; zero is now
}

// Mark says why a click attributes nothing; empty is a click that counts.
type Mark string

// The marks.
const (
	Bot       Mark = "bot"
	Duplicate Mark = "duplicate" // of a click of the same visitor, code and sub-id shortly before or after
)

// FromRequest is the part of a click that a request tells of itself: the agent,
// whether a person asked, and the host it came from. The rest of the referring
// URL stays out, since it may tell of the visitor.
func FromRequest(r *http.Request) Click {
	c := Click{UserAgent: r.UserAgent(), Prefetch: r.Method == http.MethodHead}
	for _, header := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		said := strings.ToLower(r.Header.Get(header))
		c.Prefetch = c.Prefetch || strings.Contains(said, "prefetch") || strings.Contains(said, "preview") || strings.Contains(said, "prerender")
	}
	if from, err := url.Parse(r.Referer()); err == nil && checkText(from.Hostname(), maxSource) == nil {
		c.Source = strings.ToLower(from.Hostname())
	}
	return c
}

const (
	maxLanding = 2048
	maxSource  = 255
	maxAgent   = 512 // bytes that are looked at
)

// normal fills what is left empty, and cuts what is not looked at.
func (c Click) normal(now time.Time) Click {
	if c.At.IsZero() {
		c.At = now
	}
	c.At = c.At.UTC().Truncate(time.Microsecond)
	c.Country = strings.ToUpper(c.Country)
	c.UserAgent = c.UserAgent[:min(len(c.UserAgent), maxAgent)]
	return c
}

// check tells every problem of a normal click, by field.
func (c Click) check(now time.Time) error {
	var problems fault.Check
	problems.Err("code", affiliate.CheckCode(c.Code))
	if c.Visitor != "" {
		problems.Err("visitor", checkVisitor(c.Visitor))
	}
	problems.Err("sub_id", affiliate.CheckSubID(c.SubID))
	problems.Err("landing", checkLanding(c.Landing))
	problems.Err("source", checkText(c.Source, maxSource))
	problems.Err("country", checkCountry(c.Country))
	checkAt(&problems, c.At, now)
	return problems.Done()
}

func checkAt(c *fault.Check, at, now time.Time) {
	c.That(at.Year() >= 2000 && !at.After(now.Add(24*time.Hour)), "at", "is before the year 2000 or more than 24 hours ahead")
}

func checkText(s string, most int) error {
	switch {
	case len(s) > most:
		return fault.Field("", "is longer than %d bytes", most)
	case !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0:
		return fault.Field("", "is not valid UTF-8 or holds a NUL")
	}
	return nil
}

func checkLanding(landing string) error {
	if landing == "" {
		return nil
	}
	if err := checkText(landing, maxLanding); err != nil {
		return err
	}
	to, err := url.Parse(landing)
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Hostname() == "" || to.User != nil {
		return fault.Field("", "is not an http or https URL without user and password")
	}
	return nil
}

func checkCountry(country string) error {
	if country != "" && (len(country) != 2 || strings.Trim(country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return fault.Field("", "is not two letters")
	}
	return nil
}

// own copies what the click points to, in one piece: a part of a request would
// keep all of it in memory.
func (c Click) own() Click {
	whole := c.Code + c.Visitor + c.SubID + c.Landing + c.Source + c.Country + c.UserAgent
	take := func(s *string) { *s, whole = whole[:len(*s)], whole[len(*s):] }
	for _, s := range []*string{&c.Code, &c.Visitor, &c.SubID, &c.Landing, &c.Source, &c.Country, &c.UserAgent} {
		take(s)
	}
	return c
}
