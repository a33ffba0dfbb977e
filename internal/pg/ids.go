package pg

import "github.com/google/uuid"

// NewID makes a time-ordered id (version 7): index pages stay warm.
func NewID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
