package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate/board"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/testenv"
	"github.com/fature/fature/transaction"
)

// TestMain lets the test binary be the program itself, which the tests run.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_PROGRAM") != "" {
		main()
		return
	}
	m.Run()
}

const secret = "correct-horse"

// process is a program that runs, and what it has said.
type process struct {
	*exec.Cmd
	said bytes.Buffer // to be read when it has ended
	line string       // the first that it prints
}

func start(t *testing.T, name string, env []string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.CommandContext(t.Context(), name, args...)}
	p.Env, p.Stderr = append(os.Environ(), env...), &p.said
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	first := make([]byte, 0, 200)
	for one := make([]byte, 1); ; first = append(first, one[0]) {
		if _, err := out.Read(one); err != nil {
			_ = p.Wait()
			require.NoError(t, err, p.said.String())
		}
		if one[0] == '\n' {
			break
		}
	}
	p.line = string(first)
	return p
}

// ends tells it to end, and holds that it does so well.
func (p *process) ends(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.Wait(), p.said.String())
}

// shop is a programme behind an API that leaves the jobs to others, and a host
// that records in transactions of its own.
type shop struct {
	*testing.T
	*fature.Program
	pool     *pgxpool.Pool
	redis    string
	api      *process
	url      string
	token    string
	ana, bia uuid.UUID
	at       time.Time // of all sales, whose hold of an hour is over soon
}

func newShop(t *testing.T) *shop {
	s := &shop{T: t, pool: testenv.Clone(t), redis: testenv.NewRedis(t)}
	options, err := cache.ParseURL(s.redis)
	require.NoError(t, err)
	s.Program, err = fature.New(t.Context(), fature.Config{Pool: s.pool, RedisOptions: &options})
	require.NoError(t, err)
	t.Cleanup(s.Close)

	binary := filepath.Join(t.TempDir(), "api")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary)
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		build.Args = append(build.Args, "-race") // as the tests are, so that nothing is compiled twice
	}
	build.Args = append(build.Args, "../api")
	text, err := build.CombinedOutput()
	require.NoError(t, err, string(text))
	s.api = start(t, binary, s.env("api"), "-addr", "127.0.0.1:0", "-jobs=false", "-seed-admin", "admin@example.com:"+secret)
	s.url = strings.TrimPrefix(s.api.line, "listening on ")
	s.token, _ = s.do("POST /v1/auth/login", fmt.Sprintf(`{"email": "admin@example.com", "password": %q}`, secret))["token"].(string)
	plan := s.id("POST /v1/plans", `{"name": "shop", "currency": "BRL", "hold": "1h", "rules": [{"id": "sale", "on": ["sale"],
		"pay": {"percent": "10"}, "overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "5"}]}}]}`)
	s.do("POST /v1/plans/"+plan.String()+"/assignments", `{"scope": "default", "from": "2020-01-01T00:00:00Z"}`)
	s.ana = s.id("POST /v1/affiliates", `{"email": "ana@example.com", "name": "Ana"}`)
	s.bia = s.id("POST /v1/affiliates", fmt.Sprintf(`{"email": "bia@example.com", "name": "Bia", "parent_id": %q}`, s.ana))
	return s
}

// env names the servers; each program is known to PostgreSQL by its name.
func (s *shop) env(name string) []string {
	at, err := url.Parse(testenv.URL(s.pool))
	require.NoError(s, err)
	values := at.Query()
	values.Set("application_name", name)
	at.RawQuery = values.Encode()
	return []string{"BE_THE_PROGRAM=1", "DATABASE_URL=" + at.String(), "REDIS_URL=" + s.redis}
}

func (s *shop) worker(name string) *process {
	s.Helper()
	p := start(s.T, os.Args[0], s.env(name))
	require.Regexp(s, "^working on database .*, in turn with other workers, until SIGTERM$", p.line)
	return p
}

func (s *shop) do(call, body string) (answer map[string]any) {
	s.Helper()
	method, path, _ := strings.Cut(call, " ")
	req, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s, err)
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(s, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(s, err)
	require.Less(s, res.StatusCode, 300, "%s: %s", call, text)
	require.NoError(s, json.Unmarshal(text, &answer))
	return answer
}

func (s *shop) id(call, body string) uuid.UUID {
	s.Helper()
	id, err := uuid.Parse(fmt.Sprint(s.do(call, body)["id"]))
	require.NoError(s, err)
	return id
}

// sell records sales of 10.00 of bia through the API.
func (s *shop) sell(n int) {
	s.Helper()
	sale := fmt.Sprintf(`{"affiliate_id": %q, "type": "sale", "amount": "10.00", "created_at": %q}`, s.bia, s.at.Format(time.RFC3339))
	s.do("POST /v1/transactions/batch", `{"transactions": [`+strings.Repeat(sale+",", n-1)+sale+`]}`)
}

// sellInTx records one in a transaction of the host's, which only the outbox
// tells of.
func (s *shop) sellInTx() {
	s.Helper()
	require.NoError(s, pgx.BeginFunc(s.Context(), s.pool, func(tx pgx.Tx) error {
		_, err := s.WithTx(tx).Record(s.Context(), transaction.Event{
			AffiliateID: s.bia, Type: transaction.Sale, Amount: decimal.NewFromInt(10), At: s.at,
		})
		return err
	}))
}

// balance is what the API shows of bia.
func (s *shop) balance() string {
	s.Helper()
	b := s.do("GET /v1/affiliates/"+s.bia.String()+"/balance", "")
	return fmt.Sprint(b["pending"], " pending, ", b["available"], " available")
}

// ask is one value of the database, as text.
func (s *shop) ask(sql string, args ...any) (value string) {
	s.Helper()
	require.NoError(s, s.pool.QueryRow(s.Context(), sql, args...).Scan(&value))
	return value
}

// left is the work that nobody has done, and what came of it: deltas to fold,
// changes to tell, holds that are over, awards.
func (s *shop) left() string {
	s.Helper()
	return s.ask(`select format('%s to fold, %s to tell, %s on hold, %s awarded',
		(select count(*) from fature.affiliate_deltas), (select count(*) from fature.outbox),
		(select count(*) from fature.commissions where status = 'pending'),
		(select count(*) from fature.affiliate_achievements))`)
}

func (s *shop) eventually(want string, is func() string) {
	s.Helper()
	got := ""
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if got = is(); got == want {
			return
		}
	}
	require.Equal(s, want, got)
}

// An API leaves its work to two workers. The one that works is killed in the
// middle of a fold: what it had done of it is undone, and the other does all of
// it, once, and what comes later.
func TestTwoWorkers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, err := s.Achievements.Define(t.Context(), board.Draft{Code: "first", Name: "First sale", Rule: board.Rule{Kind: board.FirstSale}})
	require.NoError(t, err)
	s.at = time.Now().Add(30*time.Second - time.Hour)
	s.sell(30)
	require.Equal(t, "30.00 pending, 0.00 available", s.balance())
	s.sellInTx()
	require.Regexp(t, "^[1-9][0-9]* to fold, 1 to tell, 62 on hold, 0 awarded$", s.left())
	require.Equal(t, "0", s.ask("select count(*)::text from fature.leases"), "the API leaves the jobs alone")

	// What a fold waits for.
	lock, err := s.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), "select from fature.affiliates where id = $1 for no key update", s.bia)
	require.NoError(t, err)
	workers := map[string]*process{"worker-1": s.worker("worker-1"), "worker-2": s.worker("worker-2")}
	at := ""
	s.eventually("one folds", func() string {
		at = s.ask(`select coalesce(min(application_name), '') from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock' and application_name like 'worker-%'`)
		if workers[at] != nil {
			return "one folds"
		}
		return "nobody does"
	})
	time.Sleep(time.Until(s.at.Add(time.Hour + time.Second))) // while it waits it keeps the lease
	killed := workers[at]
	require.NoError(t, killed.Process.Kill())
	require.Error(t, killed.Wait())
	require.Contains(t, killed.said.String(), "this process does the background work")
	delete(workers, at)
	s.sell(10)
	require.NoError(t, lock.Rollback(t.Context()))

	s.eventually("0 to fold, 0 to tell, 0 on hold, 1 awarded", s.left)
	for id, want := range map[uuid.UUID]string{s.bia: "410.00 sold, 41.00 earned", s.ana: "0.00 sold, 20.50 earned"} {
		got := s.do("GET /v1/affiliates/"+id.String(), "")
		require.Equal(t, want, fmt.Sprint(got["lifetime_volume"], " sold, ", got["lifetime_commissions"], " earned"))
	}
	s.eventually("0.00 pending, 41.00 available", s.balance)
	s.sellInTx()
	s.eventually("0.00 pending, 42.00 available", s.balance) // which only the outbox tells the API
	report, err := s.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Findings)

	for _, left := range workers {
		left.ends(t)
		for _, job := range []string{"fold", "outbox", "approve-holds", "evaluate-achievements", "promote", "partitions", "sessions"} {
			require.Contains(t, left.said.String(), `msg="fature: a job is done" job=`+job)
		}
		require.NotContains(t, left.said.String(), "level=WARN")
		require.Contains(t, left.said.String(), "msg=stopped")
	}
	require.Equal(t, "2 true", s.ask("select term || ' ' || (expires_at <= clock_timestamp()) from fature.leases where name = 'jobs'"),
		"one took over from the other, and has given it back")
	s.api.ends(t)
}
