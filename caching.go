package fature

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/outbox"
	"github.com/fature/fature/internal/pg"
)

// outlived is when nothing that an outbox row is about can be in a cache any
// more: the longest life of a value, its jitter, and some time.
const outlived = 27 * time.Hour

// caches are what a programme keeps outside the database, and what makes it
// forget.
type caches struct {
	redis  *cache.Redis // nil where there is none
	spaces map[cache.Namespace]*cache.Space
	db     pg.DB
	log    *slog.Logger
	forget map[string]func(ctx context.Context, ids []string) error // by topic
}

func openCaches(c Config) (k *caches, err error) {
	k = &caches{spaces: map[cache.Namespace]*cache.Space{}, log: c.Logger}
	schema := c.Schema
	if schema == "" {
		schema = pg.DefaultSchema
	}
	switch {
	case c.Redis != nil:
		k.redis, err = cache.Use(c.Redis, schema+":", c.TrustRedis)
	case c.RedisOptions != nil && schema == pg.DefaultSchema:
		k.redis, err = cache.Connect(*c.RedisOptions, "")
	case c.RedisOptions != nil:
		k.redis, err = cache.Connect(*c.RedisOptions, schema+":")
	}
	if err != nil {
		return nil, err
	}
	options := c.Cache
	if options.Logger == nil {
		options.Logger = c.Logger
	}
	for _, n := range cache.Namespaces() {
		var far cache.Backend
		if k.redis != nil {
			far = k.redis.Backend(n)
		}
		k.spaces[n] = cache.NewSpace(n, far, options)
	}
	return k, nil
}

func (k *caches) space(n cache.Namespace) *cache.Space { return k.spaces[n] }

// serve says who forgets what.
func (k *caches) serve(p *Program) {
	k.db = p.db
	k.forget = map[string]func(ctx context.Context, ids []string) error{
		commission.BalanceChanged:   byUUID(p.Commissions.ForgetBalances),
		affiliate.StatisticsChanged: byUUID(func(ctx context.Context, ids ...uuid.UUID) error { return p.Statistics.Forget(ctx, ids...) }),
		settingChanged:              func(ctx context.Context, names []string) error { return p.Settings.forget(ctx, names) },
	}
}

// byUUID passes ids on as what they are.
func byUUID(forget func(ctx context.Context, ids ...uuid.UUID) error) func(context.Context, []string) error {
	return func(ctx context.Context, texts []string) error {
		ids := make([]uuid.UUID, len(texts))
		for i, text := range texts {
			var err error
			if ids[i], err = uuid.Parse(text); err != nil {
				return fmt.Errorf("outbox: %w", err)
			}
		}
		return forget(ctx, ids...)
	}
}

func (k *caches) close() {
	for _, s := range k.spaces {
		s.Close()
	}
	if k.redis != nil {
		_ = k.redis.Close() // nothing is lost with it
	}
}

// watch makes own transactions tell what they changed when they are committed,
// and the host's write it down for others to tell.
func (k *caches) watch() *pg.Watch {
	return &pg.Watch{
		Inside: func(b *pgx.Batch, c pg.Changes) {
			if k.redis != nil {
				outbox.Queue(b, c)
			}
		},
		After: func(ctx context.Context, c pg.Changes) {
			err := k.tell(ctx, c)
			if err != nil {
				err = k.later(ctx, c)
			}
			if err != nil {
				k.log.WarnContext(ctx, "fature: the cache was not told of a change, and gives old values until they end", "error", err)
			}
		},
	}
}

// later writes down what Redis could not be told, until it can. Statistics are
// left out: while Redis is away every fold would add all that it touched, and
// what is kept of them ends by itself before long.
func (k *caches) later(ctx context.Context, c pg.Changes) error {
	c = maps.Clone(c)
	delete(c, affiliate.StatisticsChanged)
	if len(c) == 0 {
		return nil
	}
	return outbox.Put(ctx, k.db, c)
}

// tell makes the caches forget what has changed. Of topics that a later version
// of the program writes it knows nothing.
func (k *caches) tell(ctx context.Context, c pg.Changes) error {
	var errs []error
	for _, topic := range slices.Sorted(maps.Keys(c)) {
		if forget := k.forget[topic]; forget != nil {
			errs = append(errs, forget(ctx, c[topic]))
		}
	}
	return errors.Join(errs...)
}

// AfterCommit makes the caches forget at once what transactions of the host
// have changed. It is called when they are committed; without it that is done
// within a second or two by whichever process runs Run. It costs a round trip
// of each, PostgreSQL and Redis.
func (p *Program) AfterCommit(ctx context.Context) error {
	if err := pg.MayWrite(p.db); err != nil {
		return pg.Fail("fature: after commit", err, nil)
	}
	_, err := p.drain(ctx)
	return err
}

// drain tells what is in the outbox. What Redis cannot be told stays there.
func (p *Program) drain(ctx context.Context) (int, error) {
	if p.caches.redis == nil || pg.Inside(p.db) {
		return 0, nil
	}
	n, err := outbox.Drain(ctx, p.db, func(ctx context.Context, rows []pg.Changes) error {
		all := pg.Changes{}
		for _, row := range rows {
			for topic, ids := range row {
				all[topic] = append(all[topic], ids...)
			}
		}
		for topic, ids := range all {
			slices.Sort(ids)
			all[topic] = slices.Compact(ids)
		}
		return p.caches.tell(ctx, all)
	})
	if err != nil {
		err = errors.Join(err, outbox.Expire(ctx, p.db, outlived))
	}
	return n, pg.Fail("fature: outbox", err, nil)
}

// CacheFigures are what became of the reads of each namespace since the
// programme was made.
func (p *Program) CacheFigures() map[string]cache.Figures {
	all := make(map[string]cache.Figures, len(p.caches.spaces))
	for n, s := range p.caches.spaces {
		all[n.Name] = s.Figures()
	}
	return all
}
