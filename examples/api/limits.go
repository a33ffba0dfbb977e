package main

import (
	"cmp"
	"errors"
	"time"
)

// A large body costs several times its size while it is read and recorded, so
// that few are taken at once: what they hold is bounded, however many come.
const (
	largeAtOnce = 4
	longestTurn = 5 * time.Second // that one waits for its turn
)

var errBusy = errors.New("too many large bodies at once: try again")

// turns are those of the large bodies.
type turns chan struct{}

// take lets a body in that the route takes. One over largestBody, or of a length
// that is not said, waits for its turn where the route takes such at all. Nothing
// of it is read before.
func (t turns) take(c *call, rt route) (done func(), err error) {
	if c.ContentLength > rt.largest() {
		return nil, &tooLarge{Limit: rt.largest()}
	}
	if rt.largest() <= largestBody || c.ContentLength >= 0 && c.ContentLength <= largestBody {
		return func() {}, nil
	}
	wait := time.NewTimer(longestTurn)
	defer wait.Stop()
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-wait.C:
		return nil, errBusy
	case <-c.Context().Done():
		return nil, c.Context().Err()
	}
}

// largest is the longest body that the route takes.
func (r route) largest() int64 { return cmp.Or(r.body, largestBody) }
