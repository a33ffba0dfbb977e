package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
)

// What a password may be. bcrypt reads no more than 72 bytes.
const (
	shortestPassword = 8
	longestPassword  = 72
)

// passwords hashes and compares. Who does not exist costs what a wrong password
// costs, by a hash that nothing fits.
type passwords struct {
	cost  int
	dummy []byte
}

func newPasswords(cost int) (passwords, error) {
	dummy, err := bcrypt.GenerateFromPassword([]byte(uuid.NewString()), cost)
	return passwords{cost, dummy}, err
}

func (p passwords) hash(password string) (string, error) {
	if len(password) < shortestPassword || len(password) > longestPassword {
		return "", fault.Field("password", "has not between %d and %d bytes", shortestPassword, longestPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), p.cost)
	return string(hash), err
}

// fits compares in a time that does not tell what was wrong.
func (p passwords) fits(hash, password string) bool {
	against, real := []byte(hash), hash != ""
	if !real {
		against = p.dummy
	}
	return bcrypt.CompareHashAndPassword(against, []byte(password)) == nil && real && len(password) <= longestPassword
}

// authenticate finds the active user of an address and a password. It asks the
// database twice whether or not there is such a user.
func (a *api) authenticate(ctx context.Context, email, password string) (affiliate.User, error) {
	user, err := a.program.Users.GetByEmail(ctx, email)
	if err != nil && !errors.Is(err, fature.ErrNotFound) && !errors.Is(err, fature.ErrInvalid) {
		return user, err
	}
	hash, err := a.program.Users.PasswordHash(ctx, user.ID)
	if err != nil && !errors.Is(err, fature.ErrNotFound) {
		return user, err
	}
	if !a.passwords.fits(hash, password) || user.Status != affiliate.Active {
		return user, errBadLogin
	}
	return user, nil
}

// seedAdmin makes the first admin; one that is there stays as it is.
func (a *api) seedAdmin(ctx context.Context, given string) error {
	email, password, found := strings.Cut(given, ":")
	if !found {
		return fmt.Errorf("-seed-admin is not email:password")
	}
	if _, err := a.program.Users.GetByEmail(ctx, email); err == nil {
		a.log.InfoContext(ctx, "the first admin is there already and stays as it is")
		return nil
	}
	hash, err := a.passwords.hash(password)
	if err != nil {
		return fmt.Errorf("-seed-admin: %w", err)
	}
	err = a.inTx(ctx, a.program, func(program *fature.Program) error {
		user, err := program.Users.Create(ctx, affiliate.UserDraft{Email: email, Name: "Admin", Role: affiliate.RoleAdmin})
		if err != nil {
			return err
		}
		return program.Users.SetPassword(ctx, user.ID, hash)
	})
	if errors.Is(err, affiliate.ErrEmailTaken) {
		return nil // another process made it meanwhile
	}
	return err
}
