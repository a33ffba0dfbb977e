package affiliate

import (
	"net/mail"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/fature/fature/internal/fault"
)

// CanonicalEmail is the form in which an address is unique: NFC, small
// letters, no spaces around it, the domain in ASCII. It is made here and not
// by the database, whose lower() depends on its locale. Errors: InvalidError of no
// field.
func CanonicalEmail(email string) (string, error) {
	email = strings.TrimSpace(email)
	switch {
	case email == "":
		return "", fault.Field("", "is empty")
	case len(email) > 254:
		return "", fault.Field("", "is longer than 254 bytes")
	case !clean(email):
		return "", fault.Field("", "is not valid UTF-8 or holds a NUL")
	}
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Name != "" || parsed.Address != email {
		return "", fault.Field("", "%q is not an e-mail address such as ana@example.com", email)
	}
	at := strings.LastIndexByte(email, '@')
	domain, err := idna.Lookup.ToASCII(email[at+1:])
	if err != nil {
		return "", fault.Field("", "%q does not end in a domain", email)
	}
	return fold(email[:at]) + "@" + strings.ToLower(domain), nil
}

func fold(s string) string { return norm.NFC.String(strings.ToLower(norm.NFC.String(s))) }

// clean tells a text that PostgreSQL stores as it is.
func clean(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

const maxName = 200

func checkName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return fault.Field("", "is empty")
	case len(name) > 4*maxName || utf8.RuneCountInString(name) > maxName:
		return fault.Field("", "is longer than %d characters", maxName)
	case !clean(name):
		return fault.Field("", "is not valid UTF-8 or holds a NUL")
	}
	return nil
}

const maxOrigin = 255

// checkOrigin bounds what names a user in the system it came from.
func checkOrigin(id string) error {
	switch {
	case len(id) > maxOrigin:
		return fault.Field("", "is longer than %d bytes", maxOrigin)
	case !clean(id):
		return fault.Field("", "is not valid UTF-8 or holds a NUL")
	}
	return nil
}
