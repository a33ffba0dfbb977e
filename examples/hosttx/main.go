// Hosttx is a shop that saves an order and its commissions in one transaction
// of its own: both or neither.
//
//	go run ./examples/hosttx
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "hosttx:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	servers, err := testenv.Start(ctx, func(string, ...any) {})
	if err != nil {
		return err
	}
	defer servers.Close()
	// Open migrates and makes the programme. A shop with a pool of its own
	// calls migrate.Up once, and fature.New with that pool.
	program, err := fature.Open(ctx, servers.DatabaseURL, fature.Config{Currency: "BRL"})
	if err != nil {
		return err
	}
	defer program.Close()
	pool, err := pgxpool.New(ctx, servers.DatabaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	shop := shop{pool, program}
	bia, err := shop.open(ctx)
	if err != nil {
		return err
	}

	declined := errors.New("the card was declined")
	order := order{ID: "A-1", Total: decimal.RequireFromString("120.00"), AffiliateID: bia}
	err = shop.sell(ctx, order, func() error { return declined })
	if !errors.Is(err, declined) {
		return fmt.Errorf("expected the card to be declined, got %w", err)
	}
	fmt.Printf("%v: rolled back\n", err)
	if err := shop.count(ctx); err != nil {
		return err
	}
	if err := shop.sell(ctx, order, func() error { return nil }); err != nil {
		return err
	}
	fmt.Println("paid: committed")
	return shop.count(ctx)
}

type shop struct {
	pool    *pgxpool.Pool
	program *fature.Program
}

type order struct {
	ID          string
	Total       decimal.Decimal
	AffiliateID uuid.UUID
}

// open makes the shop's own table, two affiliates and a plan.
func (s shop) open(ctx context.Context) (bia uuid.UUID, err error) {
	_, err = s.pool.Exec(ctx, "create table if not exists orders (id text primary key, total numeric(12,2) not null)")
	if err != nil {
		return bia, err
	}
	people, err := s.program.Affiliates.CreateAll(ctx, []affiliate.Draft{
		{Email: "ana@example.com", Name: "Ana", ReferralCode: "ANA"},
		{Email: "bia@example.com", Name: "Bia", ReferredBy: "ANA"},
	})
	if err != nil {
		return bia, err
	}
	plan, err := s.program.Plans.Publish(ctx, commission.Document{
		Name: "shop", Currency: "BRL",
		Rules: []commission.Rule{{
			ID: "sale", On: []transaction.Type{transaction.Sale},
			Pay: commission.Pay{Percent: "10"},
			Overrides: commission.Overrides{
				Of: commission.OfAmount, Inactive: commission.Compress,
				Steps: []commission.OverrideStep{{Percent: "5"}},
			},
		}},
	})
	if err != nil {
		return bia, err
	}
	return people[1].ID, s.program.Plans.Assign(ctx, commission.Default(plan.ID).Since(time.Now().Add(-time.Minute)))
}

// sell saves an order with its commissions, if the payment goes through.
func (s shop) sell(ctx context.Context, o order, charge func() error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into orders (id, total) values ($1, $2)", o.ID, o.Total); err != nil {
			return err
		}
		results, err := s.program.WithTx(tx).Record(ctx, transaction.Event{
			AffiliateID: o.AffiliateID, Type: transaction.Sale, Amount: o.Total,
			SourceTable: "orders", OriginalID: o.ID,
		})
		if err != nil {
			return err
		}
		for _, line := range results[0].Lines {
			fmt.Printf("  order %s: %s\n", o.ID, line.Calculation.Explain().Sentence)
		}
		return charge()
	})
}

// count shows what a committed transaction left.
func (s shop) count(ctx context.Context) error {
	var orders, lines int
	err := s.pool.QueryRow(ctx, "select (select count(*) from orders), (select count(*) from fature.commissions)").Scan(&orders, &lines)
	fmt.Printf("  %d orders, %d commissions\n", orders, lines)
	return err
}
