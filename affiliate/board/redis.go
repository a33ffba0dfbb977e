package board

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/fature/fature/cache"
)

// A board in Redis is one sorted set: the affiliates' ids as text by their
// scores, and one member with the score 0, below all of them, that says as of
// when it is. So board and moment come and go together, and an empty board is
// there too. The digit is the version of this shape.
const marker = "as_of/1:"

// markerTime is the moment in a marker.
const markerTime = "2006-01-02T15:04:05.000000Z"

// errGarbage is what Redis holds under a board's key, and is not a board.
var errGarbage = errors.New("what Redis holds is not a board")

// find reads a part of a board. What Redis does not say, PostgreSQL does.
func (s *Boards) find(ctx context.Context, of bounded, w wanted) (part, error) {
	if s.redis == nil {
		return s.findOwn(ctx, of, w)
	}
	bad, known := "", s.near.inRedis(of.name)
	for range 2 {
		if !known {
			if r := s.near.get(of.name, s.now()); r != nil {
				return r.part(w, cache.Near), nil // Redis could not keep it
			}
			r, err := s.near.once(ctx, of.name, func() (*ranking, error) { return s.rebuild(ctx, of, bad) })
			if err != nil {
				return part{}, err
			}
			if r != nil {
				return r.part(w, cache.Loaded), nil
			}
		}
		p, first, err := s.read(ctx, of, w)
		switch {
		case err == nil && p != nil:
			return *p, nil
		case err != nil && !errors.Is(err, errGarbage):
			return s.findOwn(ctx, of, w) // Redis errors never fail a read
		}
		bad, known = first, false
	}
	return s.findOwn(ctx, of, w)
}

func (s *Boards) findOwn(ctx context.Context, of bounded, w wanted) (part, error) {
	r, came, err := s.own(ctx, of)
	if err != nil {
		return part{}, err
	}
	return r.part(w, came), nil
}

// readPart cuts a part out of a sorted set. A page begins after a place that
// need not be on the board any more, so that place is searched by halves; ids
// are hexadecimal digits in small letters, which every collation orders alike.
// KEYS: the board. ARGV: around or after, score, id, n.
var readPart = redis.NewScript(`
	local key, mode, score, id, n = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
	local first = redis.call('ZRANGE', key, 0, 0)[1]
	if not first then return false end
	local size = redis.call('ZCARD', key) - 1
	local from, to = 0, -1
	if mode == 'around' then
		local at = redis.call('ZREVRANK', key, id)
		if at and at < size then from, to = math.max(0, at - n), math.min(at + n, size - 1) end
	else
		if id ~= '' then
			from = redis.call('ZCOUNT', key, '(' .. score, '+inf')
			local last = from + redis.call('ZCOUNT', key, score, score)
			while from < last do
				local mid = math.floor((from + last) / 2)
				if redis.call('ZREVRANGE', key, mid, mid)[1] >= id then from = mid + 1 else last = mid end
			end
		end
		to = math.min(from + n, size) - 1
	end
	if to < from then return {first, size, 0, 0, {}} end
	local rows = redis.call('ZREVRANGE', key, from, to, 'WITHSCORES')
	return {first, size, from, redis.call('ZCOUNT', key, '(' .. rows[2], '+inf'), rows}`)

// read asks Redis for a part, in one round trip. It is nil where the board is
// not there; errGarbage and the board's first member where something else is;
// any other error says that Redis does not answer.
func (s *Boards) read(ctx context.Context, of bounded, w wanted) (p *part, first string, err error) {
	mode, score, id := "around", "", w.place.ID.String()
	if !w.around {
		mode, score = "after", strconv.FormatInt(w.place.Score, 10)
	}
	if w.beginning() {
		id = ""
	}
	garbage := false
	err = s.do(ctx, func(ctx context.Context, client redis.UniversalClient) error {
		reply, err := readPart.Run(ctx, client, []string{s.key(of)}, mode, score, id, w.n).Slice()
		switch {
		case errors.Is(err, redis.Nil):
			return nil
		case err != nil && strings.Contains(err.Error(), "WRONGTYPE"):
			garbage = true // Redis itself is well
			return nil
		case err != nil:
			return err
		}
		p, first, err = parsePart(reply)
		garbage = err != nil
		return nil
	})
	if err == nil && garbage {
		return nil, first, errGarbage
	}
	return p, first, err
}

// parsePart reads the script's reply.
func parsePart(reply []any) (*part, string, error) {
	if len(reply) != 5 {
		return nil, "", errGarbage
	}
	first, _ := reply[0].(string)
	size, ok1 := reply[1].(int64)
	start, ok2 := reply[2].(int64)
	above, ok3 := reply[3].(int64)
	flat, ok4 := reply[4].([]any)
	text, ok5 := strings.CutPrefix(first, marker)
	asOf, err := time.Parse(markerTime, text)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || err != nil || len(flat)%2 != 0 {
		return nil, first, errGarbage
	}
	p := &part{size: int(size), asOf: asOf, start: int(start), above: int(above), rows: make([]row, len(flat)/2), from: cache.Far}
	for i := range p.rows {
		r, err := parseRow(flat[2*i], flat[2*i+1])
		if err != nil {
			return nil, first, err
		}
		p.rows[i] = r
	}
	return p, first, nil
}

func parseRow(member, score any) (row, error) {
	id, ok1 := member.(string)
	text, ok2 := score.(string)
	if !ok1 || !ok2 || len(id) != 36 {
		return row{}, errGarbage
	}
	parsed, err := uuid.Parse(id)
	if err != nil {
		return row{}, errGarbage
	}
	number, err := strconv.ParseFloat(text, 64) // exact up to maxScore
	if err != nil || number != float64(int64(number)) || number < 1 || number > maxScore {
		return row{}, errGarbage
	}
	return row{parsed, int64(number)}, nil
}

// Building. The names beside the board's begin with it in braces, which on a
// cluster puts them into its slot; where a host's prefix has braces, those do.

func (s *Boards) key(of bounded) string { return s.redis.Key(cache.Rankings, of.name) }

func beside(key, what string) string {
	if open := strings.IndexByte(key, '{'); open >= 0 && strings.IndexByte(key[open:], '}') > 1 {
		return key + ":" + what
	}
	return "{" + key + "}:" + what
}

// claim takes the lease to build a board, unless the board is there, of which it
// tells how many milliseconds are left, or another has the lease: -1. The lease
// is 0. A board that begins with the member given does not count as one, nor
// does what is no sorted set or never runs out. KEYS: board, lease. ARGV: token,
// milliseconds, the member or ”.
var claim = redis.NewScript(`
	if redis.call('TYPE', KEYS[1]).ok == 'zset' then
		local first, left = redis.call('ZRANGE', KEYS[1], 0, 0)[1], redis.call('PTTL', KEYS[1])
		if left > 0 and string.sub(first, 1, ` + strconv.Itoa(len(marker)) + `) == '` + marker + `' and first ~= ARGV[3] then return left end
	end
	if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
	return -1`)

// publish puts what was built in the board's place, unless the lease was lost:
// another may have built a newer one. KEYS: board, what was built, lease. ARGV:
// token, milliseconds.
var publish = redis.NewScript(`
	if redis.call('GET', KEYS[3]) ~= ARGV[1] then
		redis.call('UNLINK', KEYS[2])
		return 0
	end
	redis.call('UNLINK', KEYS[1])
	redis.call('RENAME', KEYS[2], KEYS[1])
	redis.call('PEXPIRE', KEYS[1], ARGV[2])
	redis.call('DEL', KEYS[3])
	return 1`)

// giveUp drops a lease. KEYS: lease, what was built. ARGV: token.
var giveUp = redis.NewScript(`
	redis.call('UNLINK', KEYS[2])
	if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
	return 0`)

// rebuild builds a board for all processes, or waits a while for another that
// does. nil says that Redis has it now. bad is what the garbage there begins
// with, if any.
func (s *Boards) rebuild(ctx context.Context, of bounded, bad string) (*ranking, error) {
	if r := s.near.get(of.name, s.now()); r != nil {
		return r, nil // Redis could not keep it
	}
	key, token := s.key(of), rand.Text()
	lease := beside(key, "lease")
	given := time.NewTimer(s.times.wait)
	defer given.Stop()
	for {
		var left int64
		err := s.do(ctx, func(ctx context.Context, client redis.UniversalClient) (err error) {
			left, err = claim.Run(ctx, client, []string{key, lease}, token, s.times.lease.Milliseconds(), bad).Int64()
			return err
		})
		switch {
		case err != nil:
			return s.loadOwn(ctx, of)
		case left > 0:
			s.near.isInRedis(of.name, min(time.Duration(left)*time.Millisecond, s.times.life))
			return nil, nil
		case left == 0:
			return s.build(ctx, of, key, lease, token)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-given.C:
			return s.loadOwn(ctx, of)
		case <-time.After(s.times.poll):
		}
	}
}

// build loads a board under the lease and stores it.
func (s *Boards) build(ctx context.Context, of bounded, key, lease, token string) (*ranking, error) {
	began, temporary := time.Now(), beside(key, token)
	r, err := s.load(ctx, of)
	if err == nil {
		if err := s.store(ctx, r, temporary); err == nil {
			left := max(s.life()-time.Since(began), time.Millisecond)
			err = s.do(ctx, func(ctx context.Context, client redis.UniversalClient) error {
				return publish.Run(ctx, client, []string{key, temporary, lease}, token, left.Milliseconds()).Err()
			})
			if err == nil {
				s.near.isInRedis(of.name, left)
				return r, nil
			}
		}
		s.near.keep(of.name, r, r.asOf.Add(s.life()))
	}
	// The caller may be gone, which is no reason to keep others waiting. What
	// this does not reach runs out by itself.
	_ = s.do(context.WithoutCancel(ctx), func(ctx context.Context, client redis.UniversalClient) error {
		return giveUp.Run(ctx, client, []string{lease, temporary}, token).Err()
	})
	return r, err
}

// piece is how many members one command adds: a few milliseconds of the server.
const piece = 1000

// store writes a board under a name of its own, which does not outlive the
// lease.
func (s *Boards) store(ctx context.Context, r *ranking, key string) error {
	members := make([]redis.Z, 0, piece)
	send := func() error {
		return s.do(ctx, func(ctx context.Context, client redis.UniversalClient) error {
			_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
				p.ZAdd(ctx, key, members...)
				p.PExpire(ctx, key, s.times.lease)
				return nil
			})
			return err
		})
	}
	members = append(members, redis.Z{Member: marker + r.asOf.Format(markerTime)})
	for _, row := range r.rows {
		if len(members) == piece {
			if err := send(); err != nil {
				return err
			}
			members = members[:0]
		}
		members = append(members, redis.Z{Score: float64(row.score), Member: row.id.String()})
	}
	return send()
}

// life is how long a board may be answered from: never longer than it should,
// and up to a tenth less, so that boards do not all end at once.
func (s *Boards) life() time.Duration {
	return s.times.life - mathrand.N(s.times.life/10+1) //nolint:gosec // jitter
}

// do asks Redis within the budget of package cache.
func (s *Boards) do(ctx context.Context, fn func(context.Context, redis.UniversalClient) error) error {
	err := s.redis.Do(ctx, func(ctx context.Context) error { return fn(ctx, s.redis.Client(cache.Rankings)) })
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}
