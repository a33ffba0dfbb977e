package click

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/fature/fature/internal/fault"
)

// NewVisitor draws the id of a visitor: 128 random bits in 22 letters, which
// say nothing of who it is.
func NewVisitor() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(random[:])
}

const (
	shortestVisitor = 16
	longestVisitor  = 64
)

// ValidVisitor tells whether a text can be the id of a visitor: NewVisitor's, a
// UUID, or the like. A short one could be guessed.
func ValidVisitor(id string) bool { return checkVisitor(id) == nil }

func checkVisitor(id string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	switch {
	case len(id) < shortestVisitor || len(id) > longestVisitor:
		return fault.Field("", "has not between %d and %d characters", shortestVisitor, longestVisitor)
	case strings.Trim(id, allowed) != "":
		return fault.Field("", "has characters other than letters, digits, - and _")
	}
	return nil
}

// Cookie is how a browser keeps the id of its visitor. Scripts do not see it,
// and other sites' requests carry it only where a person follows a link.
type Cookie struct {
	Name   string        // defaults to "fature_visitor"
	Domain string        // defaults to the host that sets it
	Secure bool          // only over TLS; say true wherever there is TLS
	Life   time.Duration // from the latest click on; defaults to DefaultWindow, and should be the policy's
}

func (c Cookie) name() string { return cmp.Or(c.Name, "fature_visitor") }

// Read finds the visitor of a request; empty where there is none, or what
// cannot be one.
func (c Cookie) Read(r *http.Request) string {
	for _, cookie := range r.CookiesNamed(c.name()) {
		if ValidVisitor(cookie.Value) {
			return cookie.Value
		}
	}
	return ""
}

// Set hands a visitor its id, or makes it last longer.
func (c Cookie) Set(w http.ResponseWriter, visitor string) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(), Value: visitor, Path: "/", Domain: c.Domain, Secure: c.Secure,
		MaxAge: int(cmp.Or(c.Life, DefaultWindow) / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// Visitor finds the visitor of a request, or draws a new one, and sets the
// cookie anew.
func (c Cookie) Visitor(w http.ResponseWriter, r *http.Request) string {
	visitor := c.Read(r)
	if visitor == "" {
		visitor = NewVisitor()
	}
	c.Set(w, visitor)
	return visitor
}
