package fature

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/pg"
)

const (
	leaseTime  = 15 * time.Second
	leaseRenew = leaseTime / 3
)

// lease says which of several processes works. The database and its clock
// decide; the local clock only bounds how long an answer is trusted.
type lease struct {
	db           pg.DB
	log          *slog.Logger
	name, holder string
	until        atomic.Pointer[time.Time] // nil while another holds it
}

// held tells whether this process works.
func (l *lease) held() bool {
	until := l.until.Load()
	return until != nil && time.Now().Before(*until)
}

// keep takes the lease when it is free, renews it, and gives it back when ctx
// ends.
func (l *lease) keep(ctx context.Context) {
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	for {
		l.take(ctx)
		select {
		case <-ctx.Done():
			l.drop(context.WithoutCancel(ctx))
			return
		case <-tick.C:
		}
	}
}

func (l *lease) take(ctx context.Context) {
	// Trusted from before the question was asked, and a little less than given.
	until := time.Now().Add(leaseTime - time.Second)
	ctx, cancel := context.WithTimeout(ctx, leaseRenew)
	defer cancel()
	var term int64
	err := l.db.QueryRow(ctx, takeLease, l.name, l.holder, leaseTime).Scan(&term)
	switch {
	case err == nil:
		if l.until.Swap(&until) == nil {
			l.log.InfoContext(ctx, "fature: this process does the background work", "lease", l.name, "term", term)
		}
	case errors.Is(err, pgx.ErrNoRows):
		l.until.Store(nil)
	default:
		l.log.WarnContext(ctx, "fature: the lease cannot be asked for", "lease", l.name, "error", err)
	}
}

func (l *lease) drop(ctx context.Context) {
	if l.until.Swap(nil) == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, leaseRenew)
	defer cancel()
	if _, err := l.db.Exec(ctx, dropLease, l.name, l.holder); err != nil {
		l.log.WarnContext(ctx, "fature: the lease was not given back; it runs out", "lease", l.name, "error", err)
	}
}
