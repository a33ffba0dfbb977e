package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
)

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
	hash, err := a.program.Sessions.Hash(ctx, password)
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
