package main

import (
	"context"
	"net/http"
	"time"

	"github.com/fature/fature"
)

func (a *api) live(*call) (reply, error) { return ok(map[string]string{"status": "live"}) }

// ready is whether requests can be let in: PostgreSQL answers and is migrated.
func (a *api) ready(c *call) (reply, error) {
	if a.program.Ready(c.Context()) != nil {
		return reply{}, fature.ErrUnavailable
	}
	return ok(map[string]string{"status": "ready"})
}

type healthJSON struct {
	Status            fature.HealthStatus `json:"status"`
	Reasons           []string            `json:"reasons"`
	PostgreSQL        postgreSQLJSON      `json:"postgresql"`
	Redis             redisJSON           `json:"redis"`
	CacheHitRate      float64             `json:"cache_hit_rate"` // 1 before anything was read
	Cache             cacheJSON           `json:"cache"`
	ActiveConnections int                 `json:"active_connections"` // to the database, of all processes
	Backlog           *backlogJSON        `json:"backlog"`            // null where PostgreSQL did not tell
}

type postgreSQLJSON struct {
	Up             bool     `json:"up"`
	LatencyMS      float64  `json:"latency_ms"`
	Version        string   `json:"version,omitempty"`
	Migrated       bool     `json:"migrated"`
	SchemaVersion  int32    `json:"schema_version"`
	Active         int      `json:"active_connections"`
	Connections    int      `json:"server_connections"`
	MaxConnections int      `json:"max_connections"`
	Pool           poolJSON `json:"pool"`
}

type poolJSON struct {
	InUse int `json:"in_use"`
	Idle  int `json:"idle"`
	Max   int `json:"max"`
}

type redisJSON struct {
	Configured  bool    `json:"configured"`
	Up          bool    `json:"up"`
	LatencyMS   float64 `json:"latency_ms"`
	BreakerOpen bool    `json:"breaker_open"`
}

type cacheJSON struct {
	Near   int64 `json:"near"`
	Far    int64 `json:"far"`
	Absent int64 `json:"absent"`
	Loads  int64 `json:"loads"`
	Errors int64 `json:"errors"`
}

type backlogJSON struct {
	Pending     int64    `json:"pending_transactions"`
	Deltas      int64    `json:"deltas"`
	FoldAge     int64    `json:"fold_age_seconds"`
	Outbox      int64    `json:"outbox"`
	OutboxAge   int64    `json:"outbox_age_seconds"`
	MonthsAhead int      `json:"partitions_ahead"`
	Working     bool     `json:"background_running"`
	Late        []string `json:"late_jobs"`
}

// health is the programme and its servers, for people and their monitors. A
// degraded programme answers requests, so it is 200.
func (a *api) health(c *call) (reply, error) {
	if err := queryOf(c).done(); err != nil {
		return reply{}, err
	}
	h := a.look(c.Context())
	status := http.StatusOK
	if h.Status == fature.Down {
		status = http.StatusServiceUnavailable
	}
	return reply{status: status, body: healthReply(h)}, nil
}

// look asks once for all who want to know meanwhile, so that nobody can keep the
// servers busy by asking.
func (a *api) look(ctx context.Context) fature.Health {
	seen, _, _ := a.looks.Do("", func() (any, error) { return a.program.Health(context.WithoutCancel(ctx)), nil })
	h, _ := seen.(fature.Health)
	return h
}

func healthReply(h fature.Health) healthJSON {
	d, r, f := h.PostgreSQL, h.Redis, h.Cache
	out := healthJSON{
		Status: h.Status, Reasons: append([]string{}, h.Reasons...),
		PostgreSQL: postgreSQLJSON{
			d.Up, milliseconds(d.Latency), d.Version, d.Migrated, d.Schema, d.ActiveConnections, d.ServerConnections, d.MaxConnections,
			poolJSON(d.Pool),
		},
		Redis:        redisJSON{r.Configured, r.Up, milliseconds(r.Latency), r.BreakerOpen},
		CacheHitRate: f.HitRate(), Cache: cacheJSON{f.Near, f.Far, f.Absent, f.Loads, f.Errors},
		ActiveConnections: d.ActiveConnections,
	}
	if l := h.Backlog; l != nil {
		out.Backlog = &backlogJSON{
			l.Pending, l.Deltas, int64(l.FoldAge.Seconds()), l.Outbox, int64(l.OutboxAge.Seconds()), l.MonthsAhead, l.Working,
			append([]string{}, l.Late...),
		}
	}
	return out
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
