package session_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"testing"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/session"
	"github.com/fature/fature/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m, "^ExampleStore") }

// A user logs in, is known by the token, and is out with another password.
func ExampleStore_Login() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program, err := fature.New(ctx, fature.Config{Pool: pool, Sessions: session.Options{Cost: 10}})
	if err != nil {
		log.Fatal(err)
	}
	ana, err := program.Users.Create(ctx, affiliate.UserDraft{Email: "ana@example.com", Name: "Ana"})
	if err != nil {
		log.Fatal(err)
	}
	err = program.Sessions.SetPassword(ctx, ana.ID, "12345678")
	fmt.Println(err)
	if err := program.Sessions.SetPassword(ctx, ana.ID, "correct-horse"); err != nil {
		log.Fatal(err)
	}

	attempt := session.Attempt{
		Email: "Ana@Example.com", Password: "wrong-horse",
		Address: netip.MustParseAddr("192.0.2.7"), UserAgent: "Firefox",
	}
	var many *session.TooManyError
	switch _, _, err = program.Sessions.Login(ctx, attempt); {
	case errors.As(err, &many):
		fmt.Println("come again in", many.RetryAfter) // after five that failed
	case errors.Is(err, session.ErrBadLogin):
		fmt.Println("the address or the password is wrong")
	case err != nil:
		log.Fatal(err)
	}

	attempt.Password = "correct-horse"
	_, token, err := program.Sessions.Login(ctx, attempt) // the token goes to the client
	if err != nil {
		log.Fatal(err)
	}
	in, err := program.Sessions.Get(ctx, token)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(in.User.Name, "by", in.UserAgent, "from", in.Address, "for", in.ExpiresAt.Sub(in.CreatedAt))

	if err := program.Sessions.SetPassword(ctx, ana.ID, "battery-staple"); err != nil {
		log.Fatal(err)
	}
	_, err = program.Sessions.Get(ctx, token)
	fmt.Println("out with another password:", errors.Is(err, session.ErrNotFound))
	// Output:
	// session: set password: password: is one of the most common passwords
	// the address or the password is wrong
	// Ana by Firefox from 192.0.2.7 for 24h0m0s
	// out with another password: true
}
