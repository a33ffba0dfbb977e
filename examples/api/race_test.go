//go:build race

package main

// raced tells that the race detector makes everything several times as slow.
const raced = true
