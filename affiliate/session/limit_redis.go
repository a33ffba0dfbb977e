package session

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fature/fature/cache"
)

// limitScript is rule and count for one lane, by Redis's clock, in
// milliseconds. KEYS: the lane. ARGV: take, look or give; drain; free; waits. It
// tells how long to wait, and counts where that is 0. What is not a count is
// one of nothing.
const limitScript = `
	local t = redis.call('TIME')
	local now = t[1] * 1000 + math.floor(t[2] / 1000)
	local drain, free, steps = tonumber(ARGV[2]), tonumber(ARGV[3]), #ARGV - 3
	local most = (free + steps) * drain
	local kept = redis.pcall('GET', KEYS[1])
	if type(kept) == 'table' then
		redis.call('DEL', KEYS[1])
		kept = false
	end
	local clear, at = string.match(kept or '', '^(%d+) (%d+)$')
	clear, at = tonumber(clear or 0), tonumber(at or 0)
	local left = math.max(0, math.min(clear - now, most))
	if ARGV[1] ~= 'give' then
		local n, wait = math.ceil(left / drain), 0
		if n >= free and now >= at then
			wait = ARGV[4 + math.min(n - free, steps - 1)] - (now - at)
		end
		if wait > 0 or ARGV[1] == 'look' then
			return math.max(0, wait)
		end
		left, at = math.min(left + drain, most), now
	else
		left = left - drain
	end
	if left <= 0 then
		redis.call('DEL', KEYS[1])
	else
		redis.call('SET', KEYS[1], string.format('%.0f %.0f', now + left, at), 'PX', left)
	end
	return 0`

// knownScript keeps the last addresses of an account. KEYS: the account's.
// ARGV: address, how many, for how long. What is of another type gives way.
const knownScript = `
	local t = redis.call('TIME')
	if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then
		redis.call('DEL', KEYS[1])
	end
	redis.call('ZADD', KEYS[1], t[1], ARGV[1])
	redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[2])
	redis.call('EXPIRE', KEYS[1], ARGV[3])
	return 0`

func (l *limits) key(of string) string { return l.redis.Key(cache.Sessions, of) }

// pipe sends commands in one round trip, and tells whether all were answered.
func (l *limits) pipe(ctx context.Context, queue func(context.Context, redis.Pipeliner)) bool {
	if l.redis == nil {
		return false
	}
	return inRedis{l.redis}.pipe(ctx, func(p redis.Pipeliner) { queue(ctx, p) }) == nil
}

// ask queues the script for each lane.
func (l *limits) ask(ctx context.Context, p redis.Pipeliner, what string, lanes []lane) []*redis.Cmd {
	asked := make([]*redis.Cmd, len(lanes))
	for i, in := range lanes {
		args := []any{what, in.drain.Milliseconds(), in.free}
		for _, w := range in.waits {
			args = append(args, w.Milliseconds())
		}
		asked[i] = p.Eval(ctx, limitScript, []string{l.key(in.key)}, args...)
	}
	return asked
}

// knows asks Redis for the addresses of an account. It does not know where it
// is away.
func (l *limits) knows(ctx context.Context, account, network string) bool {
	var last *redis.FloatCmd
	ok := l.pipe(ctx, func(ctx context.Context, p redis.Pipeliner) {
		last = p.ZScore(ctx, l.key("known:"+account), network)
	})
	return ok && last.Err() == nil && time.Since(time.Unix(int64(last.Val()), 0)) < knownFor
}

// takeShared is local.take together with all processes; 0 where Redis is away.
// It looks before it counts: who is refused in one lane shall not fill another.
func (l *limits) takeShared(ctx context.Context, lanes []lane) (wait time.Duration) {
	var asked []*redis.Cmd
	for _, what := range []string{"look", "take"} {
		if !l.pipe(ctx, func(ctx context.Context, p redis.Pipeliner) { asked = l.ask(ctx, p, what, lanes) }) {
			return 0
		}
		var through []lane
		for i, a := range asked {
			ms, err := a.Int64()
			if err == nil && ms > 0 {
				wait = max(wait, time.Duration(ms)*time.Millisecond)
				continue
			}
			through = append(through, lanes[i])
		}
		if wait > 0 {
			if what == "take" { // another came between
				l.giveShared(ctx, through)
			}
			return wait
		}
	}
	return 0
}

func (l *limits) giveShared(ctx context.Context, lanes []lane) {
	l.pipe(context.WithoutCancel(ctx), func(ctx context.Context, p redis.Pipeliner) { l.ask(ctx, p, "give", lanes) })
}

func (l *limits) succeededShared(ctx context.Context, t *attempt) {
	l.pipe(context.WithoutCancel(ctx), func(ctx context.Context, p redis.Pipeliner) {
		l.ask(ctx, p, "give", t.others)
		p.Del(ctx, l.key(t.own.key))
		if t.network != "" {
			p.Eval(ctx, knownScript, []string{l.key("known:" + t.account)},
				t.network, strconv.Itoa(mostKnown), strconv.Itoa(int(knownFor.Seconds())))
		}
	})
}
