package affiliate

import (
	"crypto/rand"
	"strings"
	"unicode/utf8"

	"github.com/fature/fature/internal/fault"
)

// letters of generated codes: none that looks like another (0 O, 1 I L).
const letters = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"

const (
	generatedLength = 8 // 31^8: 850 thousand million
	shortestCode    = 3
	longestCode     = 20
)

// newCode draws a referral code. rand.Read never fails.
func newCode() string {
	code := make([]byte, 0, generatedLength)
	var random [2 * generatedLength]byte
	for len(code) < generatedLength {
		_, _ = rand.Read(random[:])
		for _, b := range random {
			// Bytes past the last whole multiple would favour the first letters.
			if int(b) < 256/len(letters)*len(letters) && len(code) < generatedLength {
				code = append(code, letters[int(b)%len(letters)])
			}
		}
	}
	return string(code)
}

func checkCode(code string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	switch {
	case len(code) < shortestCode || len(code) > longestCode:
		return fault.Field("", "has not between %d and %d characters", shortestCode, longestCode)
	case strings.Trim(code, allowed) != "":
		return fault.Field("", "%q has characters other than letters, digits, - and _", code)
	}
	return nil
}

// CheckCode refuses what cannot be a referral code.
func CheckCode(code string) error { return checkCode(code) }

const maxSubID = 100

// CheckSubID bounds what an affiliate tells its own campaigns apart by.
func CheckSubID(id string) error {
	switch {
	case len(id) > 4*maxSubID || utf8.RuneCountInString(id) > maxSubID:
		return fault.Field("", "is longer than %d characters", maxSubID)
	case !clean(id):
		return fault.Field("", "is not valid UTF-8 or holds a NUL")
	}
	return nil
}

// lookup is the form in which referral codes are compared: they are ASCII.
func lookup(code string) string { return strings.ToLower(code) }
