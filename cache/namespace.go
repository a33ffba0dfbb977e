package cache

import (
	"strings"
	"time"
)

// Namespace is a family of keys: how their names begin, the Redis database
// that holds them where each has its own, and how long a value lives.
type Namespace struct {
	Name string
	DB   int
	TTL  time.Duration
}

// The namespaces of an affiliate programme.
var (
	General        = Namespace{"config", 0, 24 * time.Hour}
	Sessions       = Namespace{"session", 1, 24 * time.Hour}
	AffiliateStats = Namespace{"affiliate:stats", 2, 30 * time.Minute}
	Rankings       = Namespace{"ranking", 3, 15 * time.Minute}
	Commissions    = Namespace{"commission", 4, 30 * time.Minute}
	Reports        = Namespace{"report", 5, time.Hour}
)

// Namespaces are all of them, in the order of their databases.
func Namespaces() []Namespace {
	return []Namespace{General, Sessions, AffiliateStats, Rankings, Commissions, Reports}
}

// Key is the name of a value: the namespace and the parts, joined by colons.
func (n Namespace) Key(parts ...string) string {
	var key strings.Builder
	key.WriteString(n.Name)
	for _, part := range parts {
		if part != "" {
			key.WriteByte(':')
			key.WriteString(part)
		}
	}
	return key.String()
}
