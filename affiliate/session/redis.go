package session

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/fature/fature/cache"
)

// inRedis keeps a session under "session:{hash of its token}", and of each user
// an index of ids and hashes, sorted by when they expire. The keys lie in
// different slots of a cluster, so what touches two is a pipeline and not a
// script: the session itself decides, and the index only finds it.
type inRedis struct{ redis *cache.Redis }

func (k inRedis) key(hash string) string { return k.redis.Key(cache.Sessions, hash) }

func (k inRedis) index(user uuid.UUID) string {
	return k.redis.Key(cache.Sessions, "user", user.String())
}

// pipe sends commands in one round trip. Answers are read from the commands:
// that there is nothing, or something of another type, is one.
func (k inRedis) pipe(ctx context.Context, queue func(redis.Pipeliner)) error {
	return away(ctx, k.redis.Do(ctx, func(ctx context.Context) error {
		done, _ := k.redis.Client(cache.Sessions).Pipelined(ctx, func(p redis.Pipeliner) error {
			queue(p)
			return nil
		})
		for _, c := range done {
			if err := c.Err(); err != nil && !absent(err) {
				return err
			}
		}
		return nil
	}))
}

func absent(err error) bool { return errors.Is(err, redis.Nil) || wrongType(err) }

func wrongType(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }

func (k inRedis) add(ctx context.Context, token tokenHash, r record) error {
	hash, index := hex.EncodeToString(token[:]), k.index(r.User.ID)
	var indexed *redis.IntCmd
	var tooMany *redis.StringSliceCmd
	keep := func(p redis.Pipeliner) {
		p.Set(ctx, k.key(hash), encode(r), life)
		p.ZRemRangeByScore(ctx, index, "-inf", strconv.FormatInt(r.CreatedAt.UnixMilli(), 10))
		indexed = p.ZAdd(ctx, index, redis.Z{Score: float64(r.ExpiresAt.UnixMilli()), Member: r.ID.String() + " " + hash})
		tooMany = p.ZRange(ctx, index, 0, -mostSessions-1)
		p.PExpire(ctx, index, life)
	}
	if err := k.pipe(ctx, keep); err != nil {
		return err
	}
	if wrongType(indexed.Err()) { // somebody else's value is in the way
		again := func(p redis.Pipeliner) { p.Del(ctx, index); keep(p) }
		if err := k.pipe(ctx, again); err != nil {
			return err
		}
	}
	if len(tooMany.Val()) == 0 {
		return nil
	}
	return k.pipe(ctx, func(p redis.Pipeliner) {
		for _, member := range tooMany.Val() {
			k.drop(ctx, p, r.User.ID, member)
		}
	})
}

// drop removes what a member of an index stands for.
func (k inRedis) drop(ctx context.Context, p redis.Pipeliner, user uuid.UUID, member string) {
	_, hash, _ := strings.Cut(member, " ")
	p.Del(ctx, k.key(hash))
	p.ZRem(ctx, k.index(user), member)
}

func (k inRedis) get(ctx context.Context, token tokenHash) (record, error) {
	var found *redis.StringCmd
	err := k.pipe(ctx, func(p redis.Pipeliner) { found = p.Get(ctx, k.key(hex.EncodeToString(token[:]))) })
	return read(found, err)
}

// read is what a command found.
func read(found *redis.StringCmd, err error) (record, error) {
	if err != nil {
		return record{}, err
	}
	r, ok := decode(found.Val())
	if found.Err() != nil || !ok {
		return record{}, ErrNotFound
	}
	return r, nil
}

func (k inRedis) touch(ctx context.Context, token tokenHash, r record) error {
	return k.pipe(ctx, func(p redis.Pipeliner) {
		p.SetXX(ctx, k.key(hex.EncodeToString(token[:])), encode(r), redis.KeepTTL)
	})
}

// members are the ids and hashes in a user's index.
func (k inRedis) members(ctx context.Context, user uuid.UUID) ([]string, error) {
	var found *redis.StringSliceCmd
	err := k.pipe(ctx, func(p redis.Pipeliner) { found = p.ZRange(ctx, k.index(user), 0, -1) })
	if err != nil {
		return nil, err
	}
	return found.Val(), nil
}

func (k inRedis) list(ctx context.Context, user uuid.UUID) ([]record, error) {
	members, err := k.members(ctx, user)
	if err != nil || len(members) == 0 {
		return nil, err
	}
	found := make([]*redis.StringCmd, len(members))
	err = k.pipe(ctx, func(p redis.Pipeliner) {
		for i, member := range members {
			_, hash, _ := strings.Cut(member, " ")
			found[i] = p.Get(ctx, k.key(hash))
		}
	})
	if err != nil {
		return nil, err
	}
	var list []record
	for _, f := range found {
		if r, err := read(f, nil); err == nil && r.User.ID == user {
			list = append(list, r)
		}
	}
	return list, nil
}

func (k inRedis) remove(ctx context.Context, token tokenHash) error {
	hash := hex.EncodeToString(token[:])
	var was *redis.StringCmd
	err := k.pipe(ctx, func(p redis.Pipeliner) { was = p.GetDel(ctx, k.key(hash)) })
	if err != nil {
		return err
	}
	if r, ok := decode(was.Val()); ok {
		return k.pipe(ctx, func(p redis.Pipeliner) { p.ZRem(ctx, k.index(r.User.ID), r.ID.String()+" "+hash) })
	}
	return nil
}

func (k inRedis) revoke(ctx context.Context, user, id uuid.UUID) error {
	members, err := k.members(ctx, user)
	if err != nil {
		return err
	}
	for _, member := range members {
		of, hash, _ := strings.Cut(member, " ")
		if of != id.String() {
			continue
		}
		var gone *redis.IntCmd
		err := k.pipe(ctx, func(p redis.Pipeliner) {
			gone = p.Del(ctx, k.key(hash))
			p.ZRem(ctx, k.index(user), member)
		})
		if err == nil && gone.Val() == 0 {
			err = ErrNotFound
		}
		return err
	}
	return ErrNotFound
}
