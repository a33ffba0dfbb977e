// Package commission says who earns what from an event.
package commission
