package session

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Attempt is somebody who would like to be let in.
type Attempt struct {
	Email    string // in any case
	Password string
	// Address is whom the host talks to, as it knows it: behind a proxy, what
	// a proxy that it trusts says. Attempts without one are not limited by it.
	Address netip.Addr
	// UserAgent is kept with the session, its first 256 bytes.
	UserAgent string
}

const longestAgent = 256

func (a Attempt) normalize() Attempt {
	a.Address = a.Address.Unmap().WithZone("")
	a.UserAgent = clip(a.UserAgent, longestAgent)
	return a
}

// clip is the beginning of a text that anybody may have written, without what
// is not to be shown.
func clip(text string, bytes int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text[:min(len(text), 4*bytes)])
	for len(text) > bytes {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

// Format writes an attempt without its password, whatever the verb, so that it
// does not end up in a log.
func (a Attempt) Format(w fmt.State, _ rune) {
	_, _ = io.WriteString(w, "an attempt to log in from "+a.Address.String())
}

// LogValue is an attempt without its password.
func (a Attempt) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(a)) }

// network is whom an address belongs to, as far as can be said: an IPv6 address
// is one of a whole /64.
func network(a netip.Addr) string {
	if !a.Is6() {
		return a.String()
	}
	p, _ := a.Prefix(64) // 64 fits
	return p.String()
}
