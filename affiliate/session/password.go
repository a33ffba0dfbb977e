package session

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"

	"github.com/fature/fature/internal/fault"
)

// What a password may be. bcrypt reads no more than 72 bytes, and would take
// any longer one that begins alike.
const (
	shortest = 8  // characters
	longest  = 72 // bytes
)

//go:embed common.txt
var common string

// passwords hashes and compares, so many at once as there are processors: a
// hash costs a quarter of a second, and nobody shall spend it all on logins.
type passwords struct {
	cost  int
	slots chan struct{}
}

func newPasswords(cost int) *passwords {
	return &passwords{cost, make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// hash refuses what is not a password by InvalidError.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	password, err := readable(password)
	if err == nil && isCommon(password) {
		err = fault.Field("", "is one of the most common passwords")
	}
	if err != nil {
		return "", fault.In("password", err)
	}
	return p.make(ctx, password)
}

// make hashes what is readable.
func (p *passwords) make(ctx context.Context, password string) (hash string, err error) {
	waited := p.alone(ctx, func() {
		var text []byte
		text, err = bcrypt.GenerateFromPassword([]byte(password), p.cost)
		hash = string(text)
	})
	if waited != nil {
		return "", waited
	}
	return hash, err
}

// fits compares in the time of one hash of p's cost, whatever it compares with:
// beside an older, cheaper hash, or none that bcrypt knows, it compares with
// dummies that make up for the rest. Errors: only the context's.
func (p *passwords) fits(ctx context.Context, hash, password string) (bool, error) {
	password, err := readable(password)
	if err != nil {
		return false, nil //nolint:nilerr // it is no password, so it is not the one
	}
	fits := false
	err = p.alone(ctx, func() {
		rest := []int{p.cost}
		if cost, err := bcrypt.Cost([]byte(hash)); err == nil {
			fits = bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
			rest = rest[:0]
			// 2^c + (2^c + 2^(c+1) + … + 2^(n-1)) = 2^n
			for ; cost < p.cost; cost++ {
				rest = append(rest, cost)
			}
		}
		for _, cost := range rest {
			_ = bcrypt.CompareHashAndPassword(dummy(cost), []byte(password))
		}
	})
	return fits, err
}

// cheap tells a hash that is to be made anew at the cost of today.
func (p *passwords) cheap(hash string) bool {
	cost, err := bcrypt.Cost([]byte(hash))
	return err == nil && cost < p.cost
}

// alone waits for a processor's turn.
func (p *passwords) alone(ctx context.Context, do func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
		do()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dummy is a hash that nothing fits but by a chance of 1 in 2^184.
func dummy(cost int) []byte {
	const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	var random [53]byte // the salt's 22 letters and the digest's 31
	_, _ = rand.Read(random[:])
	for i, b := range random {
		random[i] = alphabet[b%64]
	}
	return fmt.Appendf(nil, "$2a$%02d$%s", cost, random[:])
}

// readable is a password in the form in which it is hashed: NFC, since
// keyboards differ in how they write an ã. Errors do not repeat it.
func readable(password string) (string, error) {
	if len(password) > 4*longest { // before any work on it
		return "", fault.Field("", "is longer than %d bytes", longest)
	}
	if !utf8.ValidString(password) || strings.IndexByte(password, 0) >= 0 {
		return "", fault.Field("", "is not valid UTF-8 or holds a NUL") // with which bcrypt begins anew
	}
	password = norm.NFC.String(password)
	switch {
	case utf8.RuneCountInString(password) < shortest:
		return "", fault.Field("", "is shorter than %d characters", shortest)
	case len(password) > longest:
		return "", fault.Field("", "is longer than %d bytes", longest)
	}
	return password, nil
}

func isCommon(password string) bool {
	return !strings.ContainsRune(password, '\n') && strings.Contains("\n"+common, "\n"+strings.ToLower(password)+"\n")
}
