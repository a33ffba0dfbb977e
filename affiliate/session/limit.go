package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/cache"
)

// rule says how attempts slow down: so many are free, then each waits, the
// last of waits at most; one is forgotten in each drain.
type rule struct {
	free  int
	waits []time.Duration
	drain time.Duration
}

// most is how many are remembered.
func (r rule) most() time.Duration { return time.Duration(r.free + len(r.waits)) }

// doubling is from a second to a minute.
var doubling = []time.Duration{
	time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute,
}

// What the package's documentation tells.
var (
	accountRule   = rule{5, doubling, 5 * time.Minute}
	addressRule   = rule{50, doubling, 30 * time.Second}
	programmeRule = rule{500, doubling[:1], 200 * time.Millisecond}
)

const (
	knownFor  = 30 * 24 * time.Hour
	mostKnown = 10 // addresses of an account
)

// count is the attempts of a lane: clear is when all will be forgotten, at was
// the last.
type count struct{ clear, at time.Time }

// left is how long the count takes to be forgotten. It is bounded, so that no
// clock that jumps slows anybody for long.
func (r rule) left(c count, now time.Time) time.Duration {
	return max(0, min(c.clear.Sub(now), r.most()*r.drain))
}

// wait is how long the next attempt has to wait; not at all where the clock was
// set back meanwhile, for it could be long until then.
func (r rule) wait(c count, now time.Time) time.Duration {
	n := int((r.left(c, now) + r.drain - 1) / r.drain)
	if n < r.free || now.Before(c.at) {
		return 0
	}
	return r.waits[min(n-r.free, len(r.waits)-1)] - now.Sub(c.at)
}

func (r rule) more(c count, now time.Time) count {
	return count{now.Add(min(r.left(c, now)+r.drain, r.most()*r.drain)), now}
}

// lane is what attempts are counted for; its key is that in Redis, without the
// namespace.
type lane struct {
	key string
	rule
}

// limits count attempts in this process, and where there is a Redis together
// with the others: both must let one through. So that a Redis that fails, or
// has forgotten, opens nothing.
type limits struct {
	redis                       *cache.Redis // nil for none
	account, address, programme rule
	local                       local
}

func newLimits(redis *cache.Redis) *limits {
	return &limits{
		redis: redis, account: accountRule, address: addressRule, programme: programmeRule,
		local: local{now: time.Now, counts: map[string]tally{}, known: map[string]map[string]time.Time{}},
	}
}

// attempt is one that was let through. It counts as failed until more is known
// of it, so that many at once are counted too.
type attempt struct {
	limits  *limits
	account string // the digest of the canonical address; empty for none
	network string // empty where it is not known
	own     lane   // the account's
	others  []lane
}

func (t *attempt) lanes() []lane {
	if t.account == "" {
		return t.others
	}
	return append([]lane{t.own}, t.others...)
}

// take lets an attempt through, or is a TooManyError.
func (l *limits) take(ctx context.Context, a Attempt) (*attempt, error) {
	t := &attempt{limits: l}
	if canonical, err := affiliate.CanonicalEmail(a.Email); err == nil {
		digest := sha256.Sum256([]byte(canonical))
		t.account = hex.EncodeToString(digest[:16])
	}
	if a.Address.IsValid() {
		t.network = network(a.Address)
	}
	known := t.account != "" && t.network != "" && (l.local.knows(t.account, t.network) || l.knows(ctx, t.account, t.network))
	t.choose(known)
	wait := l.local.take(t.lanes())
	if wait == 0 {
		if wait = l.takeShared(ctx, t.lanes()); wait > 0 {
			l.local.give(t.lanes())
		}
	}
	if wait > 0 {
		return nil, &TooManyError{wait}
	}
	if err := ctx.Err(); err != nil {
		t.forget(ctx)
		return nil, err
	}
	return t, nil
}

// choose says what an attempt is counted for.
func (t *attempt) choose(known bool) {
	l := t.limits
	if t.network != "" {
		t.others = append(t.others, lane{"limit:address:" + t.network, l.address})
	}
	if known {
		t.own = lane{"limit:account:" + t.account + ":" + t.network, l.account}
		return
	}
	t.own = lane{"limit:account:" + t.account, l.account}
	t.others = append(t.others, lane{"limit:programme", l.programme})
}

// forget takes back an attempt that compared nothing.
func (t *attempt) forget(ctx context.Context) {
	t.limits.local.give(t.lanes())
	t.limits.giveShared(ctx, t.lanes())
}

// succeeded takes back an attempt, and resets its account's count; the address
// is known from now on.
func (t *attempt) succeeded(ctx context.Context) {
	t.limits.local.give(t.others)
	t.limits.local.reset(t.own.key)
	if t.network != "" {
		t.limits.local.know(t.account, t.network)
	}
	t.limits.succeededShared(ctx, t)
}

// local counts in this process.
type local struct {
	mu     sync.Mutex
	now    func() time.Time
	counts map[string]tally
	swept  time.Time
	known  map[string]map[string]time.Time // account to network to its last login
}

type tally struct {
	count
	rule
}

// take counts an attempt in every lane, or in none and tells how long to wait.
func (l *local) take(lanes []lane) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.sweep(now)
	for _, in := range lanes {
		wait = max(wait, in.wait(l.counts[in.key].count, now))
	}
	if wait > 0 {
		return wait
	}
	for _, in := range lanes {
		l.counts[in.key] = tally{in.more(l.counts[in.key].count, now), in.rule}
	}
	return 0
}

// give takes an attempt back.
func (l *local) give(lanes []lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, in := range lanes {
		if c, ok := l.counts[in.key]; ok {
			c.clear = c.clear.Add(-in.drain)
			l.counts[in.key] = c
		}
	}
}

func (l *local) reset(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.counts, key)
}

// sweep removes what is forgotten, now and then. What is not is bounded by the
// programme's rule.
func (l *local) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	for key, c := range l.counts {
		if c.left(c.count, now) == 0 {
			delete(l.counts, key)
		}
	}
}

func (l *local) knows(account, network string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.known[account][network]
	return ok && l.now().Sub(at) < knownFor
}

// mostAccounts bounds those whose addresses a process knows.
const mostAccounts = 10_000

func (l *local) know(account, network string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.known[account]
	if of == nil {
		if len(l.known) >= mostAccounts {
			for some := range l.known {
				delete(l.known, some)
				break
			}
		}
		of = map[string]time.Time{}
		l.known[account] = of
	}
	of[network] = l.now()
	if len(of) > mostKnown {
		oldest := network
		for n, at := range of {
			if at.Before(of[oldest]) {
				oldest = n
			}
		}
		delete(of, oldest)
	}
}
