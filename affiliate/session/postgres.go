package session

import (
	"context"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/pg"
)

// inPostgres keeps sessions in PostgreSQL.
type inPostgres struct{ db pg.DB }

type row struct {
	ID        uuid.UUID   `db:"id"`
	UserID    uuid.UUID   `db:"user_id"`
	Epoch     int64       `db:"epoch"`
	Address   *netip.Addr `db:"address"`
	UserAgent string      `db:"user_agent"`
	CreatedAt time.Time   `db:"created_at"`
	ExpiresAt time.Time   `db:"expires_at"`
	SeenAt    time.Time   `db:"seen_at"`
}

func (r row) record() record {
	var address netip.Addr
	if r.Address != nil {
		address = *r.Address
	}
	return record{
		Session: Session{
			ID: r.ID, User: affiliate.User{ID: r.UserID}, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, SeenAt: r.SeenAt,
			Address: address, UserAgent: r.UserAgent,
		},
		epoch: r.Epoch,
	}
}

func (k inPostgres) add(ctx context.Context, token tokenHash, r record) error {
	var address *netip.Addr
	if r.Address.IsValid() {
		address = &r.Address
	}
	return k.change(ctx, nil, insertSession, token[:], r.ID, r.User.ID, r.epoch, address, r.UserAgent, r.CreatedAt, r.ExpiresAt, mostSessions-1)
}

func (k inPostgres) get(ctx context.Context, token tokenHash) (record, error) {
	found, err := pg.All[row](ctx, k.db, selectSession, token[:])
	if err != nil {
		return record{}, err
	}
	if len(found) == 0 {
		return record{}, ErrNotFound
	}
	return found[0].record(), nil
}

func (k inPostgres) touch(ctx context.Context, token tokenHash, r record) error {
	return k.change(ctx, nil, touchSession, token[:], r.SeenAt)
}

func (k inPostgres) list(ctx context.Context, user uuid.UUID) ([]record, error) {
	found, err := pg.All[row](ctx, k.db, listSessions, user)
	list := make([]record, len(found))
	for i, r := range found {
		list[i] = r.record()
	}
	return list, err
}

func (k inPostgres) remove(ctx context.Context, token tokenHash) error {
	return k.change(ctx, nil, deleteSession, token[:])
}

func (k inPostgres) revoke(ctx context.Context, user, id uuid.UUID) error {
	return k.change(ctx, ErrNotFound, revokeSession, user, id)
}

// change runs one statement; none is the error where it finds nothing.
func (k inPostgres) change(ctx context.Context, none error, sql string, args ...any) error {
	return pg.InTx(ctx, k.db, func(tx pg.DB) error {
		tag, err := tx.Exec(ctx, sql, args...)
		if err == nil && tag.RowsAffected() == 0 {
			err = none
		}
		return err
	})
}

// pruneLot is how many rows a transaction of prune deletes at most.
const pruneLot = 10_000

func (k inPostgres) prune(ctx context.Context) (pruned int64, err error) {
	for {
		var n int64
		err := pg.InTx(ctx, k.db, func(tx pg.DB) error {
			tag, err := tx.Exec(ctx, pruneSessions, pruneLot)
			n = tag.RowsAffected()
			return err
		})
		pruned += n
		if err != nil || n < pruneLot {
			return pruned, err
		}
	}
}
