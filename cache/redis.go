package cache

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// DefaultBudget is how long a call of Redis may take.
const DefaultBudget = 50 * time.Millisecond

// ErrUnavailable is returned while Redis is not asked, since it did not answer
// the calls before.
var ErrUnavailable = errors.New("cache: Redis does not answer, and is left alone for a while")

// Redis is the connections to a Redis server, Sentinel or Cluster: one client
// for each namespace, or one for all. No call takes longer than the budget, and
// after five failures in a row none is sent for half a second, then for twice
// as long, up to ten seconds, until one succeeds.
type Redis struct {
	clients map[Namespace]redis.UniversalClient
	all     redis.UniversalClient // where there is one for all
	owned   []redis.UniversalClient
	prefix  string
	budget  time.Duration
	breaker *breaker
}

// Connect makes the connections that a programme opens itself: a small client
// for each namespace, in the database of its number. On a cluster, which has
// one database, one client serves all. Nothing is sent before it is used, so
// that a server that is down at the start is no error. The prefix, which may be
// empty, goes before each key.
//
// Time-outs and retries that o leaves open are set to fit the budget. Its DB
// must be 0, and a single address of a cluster wants IsClusterMode.
func Connect(o redis.UniversalOptions, prefix string) (*Redis, error) {
	if o.DB != 0 {
		return nil, errors.New("cache: DB is set, but each namespace has a database of its own")
	}
	if len(o.Addrs) == 0 {
		return nil, errors.New("cache: no address of Redis")
	}
	tuned(&o)
	r := &Redis{clients: map[Namespace]redis.UniversalClient{}, prefix: prefix, budget: DefaultBudget, breaker: new(breaker)}
	if o.IsClusterMode || len(o.Addrs) > 1 && o.MasterName == "" {
		r.all = redis.NewUniversalClient(&o)
		r.owned = append(r.owned, r.all)
		return r, nil
	}
	for _, n := range Namespaces() {
		own := o
		own.DB = n.DB
		client := redis.NewUniversalClient(&own)
		r.clients[n] = client
		r.owned = append(r.owned, client)
	}
	return r, nil
}

// ParseURL reads options for Connect from a URL such as redis://localhost:6379
// or rediss://user:password@host:6379. TLS is of version 1.3.
func ParseURL(url string) (redis.UniversalOptions, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return redis.UniversalOptions{}, fmt.Errorf("cache: %w", err)
	}
	if o.TLSConfig != nil {
		o.TLSConfig.MinVersion = tls.VersionTLS13
	}
	return redis.UniversalOptions{
		Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig,
		Protocol: o.Protocol, ClientName: o.ClientName,
	}, nil
}

// tuned sets what is open.
func tuned(o *redis.UniversalOptions) {
	o.ContextTimeoutEnabled = true
	if o.MaxRetries == 0 {
		o.MaxRetries = 1 // a connection may have died since it was last used
	}
	if o.MinRetryBackoff == 0 {
		o.MinRetryBackoff = time.Millisecond
	}
	if o.MaxRetryBackoff == 0 {
		o.MaxRetryBackoff = 5 * time.Millisecond
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = time.Second
	}
	if o.DialerRetries == 0 {
		o.DialerRetries = 1
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = time.Second
	}
	if o.PoolSize == 0 {
		o.PoolSize = 32
	}
	if o.MaintNotificationsConfig == nil { // goroutines that a server of one's own has no use for
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	}
}

// Use makes connections of a client that the host has: all namespaces are in
// its database, and the prefix keeps them from the host's own keys. It is
// refused where the client does not heed the time of a context
// (ContextTimeoutEnabled), since a Redis that hangs would then hold each call
// for the client's own time-out, of 5 s by default; unless the host insists.
func Use(client redis.UniversalClient, prefix string, insist bool) (*Redis, error) {
	if client == nil {
		return nil, errors.New("cache: the client is nil")
	}
	if !insist && !heeds(client) {
		return nil, errors.New("cache: the client does not heed contexts: set ContextTimeoutEnabled in its options")
	}
	return &Redis{all: client, prefix: prefix, budget: DefaultBudget, breaker: new(breaker)}, nil
}

// heeds tells whether a client ends a call when its context does. Of a client
// of the host's own making it cannot be known.
func heeds(client redis.UniversalClient) bool {
	switch client := client.(type) {
	case *redis.Client:
		return client.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		return client.Options().ContextTimeoutEnabled
	case *redis.Ring:
		return client.Options().ContextTimeoutEnabled
	}
	return true
}

// WithBudget changes how long a call may take.
func (r *Redis) WithBudget(budget time.Duration) *Redis {
	c := *r
	c.budget = budget
	return &c
}

// Client is the client of a namespace.
func (r *Redis) Client(n Namespace) redis.UniversalClient {
	if r.all != nil {
		return r.all
	}
	return r.clients[n]
}

// Key is the name of a key of a namespace in Redis.
func (r *Redis) Key(n Namespace, parts ...string) string { return r.prefix + n.Key(parts...) }

// Close ends the connections that Connect made.
func (r *Redis) Close() error {
	var errs []error
	for _, client := range r.owned {
		errs = append(errs, client.Close())
	}
	return errors.Join(errs...)
}

// Ping asks whether the server answers, past the breaker.
func (r *Redis) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.budget)
	defer cancel()
	err := r.Client(General).Ping(ctx).Err()
	if err == nil {
		r.breaker.succeeded()
	}
	return err
}

// Open tells whether calls are kept from a server that did not answer.
func (r *Redis) Open() bool { return r.breaker.open() }

// Do calls Redis within the budget, and not while it does not answer:
// ErrUnavailable. What the server says is an answer, an error included.
func (r *Redis) Do(ctx context.Context, call func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !r.breaker.allow() {
		return ErrUnavailable
	}
	within, cancel := context.WithTimeout(ctx, r.budget)
	defer cancel()
	err := call(within)
	switch {
	case !silent(err):
		r.breaker.succeeded()
	case ctx.Err() == nil: // else it was the caller who gave up
		r.breaker.failed()
	}
	return err
}

// silent tells an error that the server did not send.
func silent(err error) bool {
	if err == nil || errors.Is(err, redis.Nil) {
		return false
	}
	var network net.Error
	var answer redis.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network), errors.Is(err, redis.ErrPoolTimeout):
		return true
	}
	return !errors.As(err, &answer)
}

// Backend keeps the values of a namespace in Redis.
func (r *Redis) Backend(n Namespace) Backend {
	_, cluster := r.Client(n).(*redis.ClusterClient)
	return &shared{redis: r, client: r.Client(n), oneSlot: !cluster}
}

// shared is the Backend in Redis.
type shared struct {
	redis  *Redis
	client redis.UniversalClient
	// oneSlot tells that a command may name many keys: on a cluster each has a
	// slot of its own.
	oneSlot bool
}

// The scripts take one key each, so that they run on a cluster too. A key of
// another type than a string is not a value of ours, and in our way.
var (
	claim = redis.NewScript(`
		local there = redis.pcall('GET', KEYS[1])
		if type(there) == 'table' and there.err then
			redis.call('DEL', KEYS[1])
			there = false
		end
		if there then return there end
		redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
		return false`)

	swap = redis.NewScript(`
		local there = redis.pcall('GET', KEYS[1])
		if type(there) ~= 'string' or string.sub(there, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
		if ARGV[2] == '' then
			redis.call('DEL', KEYS[1])
		else
			redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
		end
		return 1`)
)

func (s *shared) names(keys []string) []string {
	if s.redis.prefix == "" {
		return keys
	}
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = s.redis.prefix + key
	}
	return names
}

func (s *shared) Read(ctx context.Context, keys []string) ([][]byte, error) {
	found := make([][]byte, len(keys))
	names := s.names(keys)
	return found, s.redis.Do(ctx, func(ctx context.Context) (err error) {
		if len(keys) == 1 {
			found[0], err = value(s.client.Get(ctx, names[0]))
			return err
		}
		if s.oneSlot {
			return s.readTogether(ctx, names, found)
		}
		gets := make([]*redis.StringCmd, len(names))
		_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, name := range names {
				gets[i] = p.Get(ctx, name)
			}
			return nil
		})
		if silent(err) {
			return err
		}
		for i, get := range gets {
			if found[i], err = value(get); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *shared) readTogether(ctx context.Context, names []string, found [][]byte) error {
	values, err := s.client.MGet(ctx, names...).Result()
	for i, v := range values {
		if text, ok := v.(string); ok {
			found[i] = []byte(text)
		}
	}
	return err
}

// value is the answer of a GET: nothing, bytes, or something that is no string.
func value(get *redis.StringCmd) ([]byte, error) {
	b, err := get.Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case err != nil && redis.HasErrorPrefix(err, "WRONGTYPE"):
		return []byte{}, nil
	}
	return b, err
}

// each runs a script for each item: by its digest where it is one, in one
// pipeline where there are many.
func (s *shared) each(ctx context.Context, script *redis.Script, items []Item, args func(i Item) []any) ([]*redis.Cmd, error) {
	answers := make([]*redis.Cmd, len(items))
	return answers, s.redis.Do(ctx, func(ctx context.Context) error {
		if len(items) == 1 {
			answers[0] = script.Run(ctx, s.client, s.names([]string{items[0].Key}), args(items[0])...)
			return notNil(answers[0].Err())
		}
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, item := range items {
				answers[i] = script.Eval(ctx, p, s.names([]string{item.Key}), args(item)...)
			}
			return nil
		})
		return notNil(err)
	})
}

func notNil(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

func (s *shared) Claim(ctx context.Context, items []Item) ([][]byte, error) {
	answers, err := s.each(ctx, claim, items, func(i Item) []any { return []any{i.Value, i.TTL.Milliseconds()} })
	if err != nil {
		return nil, err
	}
	found := make([][]byte, len(items))
	for i, answer := range answers {
		text, err := answer.Text()
		switch {
		case errors.Is(err, redis.Nil):
		case err != nil:
			return nil, err
		default:
			found[i] = []byte(text)
		}
	}
	return found, nil
}

func (s *shared) Swap(ctx context.Context, was []byte, items []Item) ([]bool, error) {
	answers, err := s.each(ctx, swap, items, func(i Item) []any { return []any{was, i.Value, i.TTL.Milliseconds()} })
	if err != nil {
		return nil, err
	}
	swapped := make([]bool, len(items))
	for i, answer := range answers {
		if swapped[i], err = answer.Bool(); err != nil {
			return nil, err
		}
	}
	return swapped, nil
}

func (s *shared) Write(ctx context.Context, items []Item) error {
	return s.redis.Do(ctx, func(ctx context.Context) error {
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, item := range items {
				p.Set(ctx, s.redis.prefix+item.Key, item.Value, item.TTL)
			}
			return nil
		})
		return err
	})
}

func (s *shared) Delete(ctx context.Context, keys []string) error {
	names := s.names(keys)
	return s.redis.Do(ctx, func(ctx context.Context) error {
		if s.oneSlot {
			return s.client.Del(ctx, names...).Err()
		}
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, name := range names {
				p.Del(ctx, name)
			}
			return nil
		})
		return err
	})
}
