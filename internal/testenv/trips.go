package testenv

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// Trips counts round trips: how often a connection waits for an answer to what
// it sent.
type Trips struct{ count atomic.Int64 }

// CountTrips counts those of every connection that will be made by config.
func CountTrips(config *pgx.ConnConfig) *Trips {
	t := new(Trips)
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &counted{Conn: conn, trips: t}, err
	}
	return t
}

// Count is how many there were so far.
func (t *Trips) Count() int { return int(t.count.Load()) }

// Of counts the round trips of a call.
func (t *Trips) Of(call func()) int {
	before := t.Count()
	call()
	return t.Count() - before
}

// counted counts what is sent after something was heard, not what is heard
// after something was sent: a read may have begun before.
type counted struct {
	net.Conn
	trips  *Trips
	asking atomic.Bool
}

func (c *counted) Write(b []byte) (int, error) {
	if c.asking.CompareAndSwap(false, true) {
		c.trips.count.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.asking.Store(false)
	return n, err
}
