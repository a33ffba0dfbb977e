package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/fature/fature/cache"
)

// known says where a kept read came from and what its text is known by, and
// tells whether the caller has that text already.
func known(w http.ResponseWriter, r *http.Request, from cache.From, text []byte) bool {
	h := w.Header()
	switch {
	case from.Hit():
		h.Set("X-Cache", "hit")
	case from == cache.Loaded:
		h.Set("X-Cache", "miss")
	default:
		h.Set("X-Cache", "bypass")
	}
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Authorization")
	return named(r.Header.Get("If-None-Match"), tag)
}

// named tells whether a list of entity tags has one, by RFC 9110's weak
// comparison.
func named(list, tag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}
