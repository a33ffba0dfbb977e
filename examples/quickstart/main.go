// Quickstart is the main job from end to end: it finds its servers, migrates,
// builds a small tree, publishes a plan, records a shop's orders from a CSV
// file, and shows who earned what and why.
//
//	go run ./examples/quickstart [-orders FILE]
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/migrate"
)

//go:embed orders.csv
var orders string

//go:embed plan.json
var document []byte

func main() {
	file := flag.String("orders", "", "a CSV `FILE` of orders; defaults to the one beside the program")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *file); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string) error {
	timed := &steps{}
	var servers *testenv.Servers
	err := timed.do("find servers", func() (note string, err error) {
		servers, err = testenv.Start(ctx, quiet)
		if err != nil {
			return "", err
		}
		return servers.Backend + ", " + redisNote(servers.RedisURL), nil
	})
	if err != nil {
		return err
	}
	defer servers.Close()
	pool, err := pgxpool.New(ctx, servers.DatabaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()

	var program *fature.Program
	err = timed.do("migrate", func() (string, error) {
		if err := up(ctx, pool); err != nil {
			return "", err
		}
		config := fature.Config{Pool: pool}
		if servers.RedisURL != "" {
			o, err := cache.ParseURL(servers.RedisURL)
			if err != nil {
				return "", err
			}
			config.RedisOptions = &o
		}
		program, err = fature.New(ctx, config)
		return fmt.Sprintf("schema fature, version %d", migrate.Latest()), err
	})
	if err != nil {
		return err
	}
	defer program.Close()
	return show(ctx, program, timed, file)
}

func show(ctx context.Context, program *fature.Program, timed *steps, file string) error {
	var people []affiliate.Affiliate
	var done tally
	var report fature.Report
	err := errors.Join(
		timed.do("build the tree", func() (note string, err error) {
			people, err = tree(ctx, program)
			return fmt.Sprintf("%d affiliates", len(people)), err
		}),
		timed.do("publish the plan", func() (string, error) { return plan(ctx, program) }),
		timed.do("record the orders", func() (note string, err error) {
			in, err := open(file)
			if err != nil {
				return "", err
			}
			defer in.Close()
			done, err = record(ctx, program, in)
			return fmt.Sprintf("%d rows", done.rows), err
		}),
		timed.do("fold the totals", func() (string, error) {
			n, err := program.Fold(ctx)
			return fmt.Sprintf("%d entries", n), err
		}),
		timed.do("verify", func() (note string, err error) {
			report, err = program.Verify(ctx)
			return fmt.Sprintf("%d invariants", len(report.Checked)), err
		}),
	)
	if err != nil {
		return err
	}
	fmt.Println("\nThe orders")
	done.print()
	fmt.Println("\nThe tree, and what each earned (BRL)")
	if err := printTree(ctx, program, people); err != nil {
		return err
	}
	fmt.Println("\nOne line explained")
	printExplained(done.sample)
	fmt.Println("\nRead often, loaded once")
	if err := printCache(ctx, program, people); err != nil {
		return err
	}
	fmt.Println("\nVerify")
	return printReport(report)
}

func up(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return migrate.Up(ctx, conn.Conn(), migrate.Options{})
}

// person is an affiliate of the demonstration: under whose referral code, and
// in which category.
type person struct {
	name, code, under string
	category          affiliate.Category
	status            affiliate.Status
}

var family = []person{
	{"Ana Souza", "ANA", "", affiliate.VIP, affiliate.Active},
	{"Bruno Lima", "BRUNO10", "ANA", affiliate.Premium, affiliate.Active},
	{"Maria Alves", "MARIA", "BRUNO10", affiliate.Standard, affiliate.Active},
	{"Carol Dias", "CAROL", "BRUNO10", affiliate.Standard, affiliate.Suspended},
	{"Dani Rocha", "DANI", "CAROL", affiliate.Standard, affiliate.Active},
	{"Eva Nunes", "EVA", "ANA", affiliate.Standard, affiliate.Active},
	{"Felipe Reis", "FELIPE", "EVA", affiliate.Standard, affiliate.Active},
	{"Gabi Costa", "GABI", "FELIPE", affiliate.Standard, affiliate.Active},
	{"Hugo Melo", "HUGO", "", affiliate.Standard, affiliate.Active},
}

// tree makes the family in one call; on a database that has it, as it is.
func tree(ctx context.Context, program *fature.Program) ([]affiliate.Affiliate, error) {
	drafts := make([]affiliate.Draft, len(family))
	for i, p := range family {
		drafts[i] = affiliate.Draft{
			Name: p.name, Email: strings.ToLower(p.code) + "@example.com",
			ReferralCode: p.code, ReferredBy: p.under, Category: p.category, Status: p.status,
		}
	}
	people, err := program.Affiliates.CreateAll(ctx, drafts)
	if !errors.Is(err, affiliate.ErrEmailTaken) {
		return people, err
	}
	people = nil
	for _, p := range family {
		known, err := program.Affiliates.GetByCode(ctx, p.code)
		if err != nil {
			return nil, err
		}
		people = append(people, known)
	}
	return people, nil
}

// plan puts the document into force for orders since 2026.
func plan(ctx context.Context, program *fature.Program) (string, error) {
	doc, err := commission.Parse(document)
	if err != nil {
		return "", err
	}
	published, err := program.Plans.Publish(ctx, doc)
	if err != nil {
		return "", err
	}
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	err = program.Plans.Assign(ctx, commission.Default(published.ID).Since(since))
	if errors.Is(err, commission.ErrAssigned) {
		err = nil // on a database that was used before
	}
	return fmt.Sprintf("%s, version %d", published.Name, published.Version), err
}

func open(file string) (io.ReadCloser, error) {
	if file == "" {
		return io.NopCloser(strings.NewReader(orders)), nil
	}
	return os.Open(file)
}

func redisNote(url string) string {
	if url == "" {
		return "no Redis, and none is needed"
	}
	return "with Redis"
}

func quiet(format string, args ...any) { fmt.Printf("  "+strings.TrimSpace(format)+"\n", args...) }

// steps tells how long each step took.
type steps struct{ failed bool }

func (s *steps) do(name string, step func() (note string, err error)) error {
	if s.failed {
		return nil
	}
	start := time.Now()
	note, err := step()
	if err != nil {
		s.failed = true
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Printf("%-20s %7.3f s   %s\n", name, time.Since(start).Seconds(), note)
	return nil
}

// names are the people by id.
func names(people []affiliate.Affiliate) map[uuid.UUID]string {
	byID := make(map[uuid.UUID]string, len(people))
	for i, a := range people {
		byID[a.ID] = family[i].name
	}
	return byID
}
