package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Actor is who the audit names for a change, and the request it came by.
type Actor struct {
	ID      string
	Request string
}

type actorKey struct{}

// WithActor puts the actor of what is done with the context into it.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// The settings are local to the transaction; in the host's they are put back,
// so that its own changes keep its own actor.
const (
	setActor = `
		select set_config('fature.actor_before', coalesce(current_setting('fature.actor', true), ''), true),
			set_config('fature.request_before', coalesce(current_setting('fature.request', true), ''), true),
			set_config('fature.actor', $1, true), set_config('fature.request', $2, true)`

	restoreActor = `
		select set_config('fature.actor', current_setting('fature.actor_before', true), true),
			set_config('fature.request', current_setting('fature.request_before', true), true)`
)

func queueActor(ctx context.Context, b *pgx.Batch) (set bool) {
	a, set := ctx.Value(actorKey{}).(Actor)
	if set {
		b.Queue(setActor, a.ID, a.Request)
	}
	return set
}
