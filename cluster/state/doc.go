// Package state is the replicated record: State, the commands that change it, and Apply.
//
// It is pure. Apply is a function of its arguments: no clock, goroutine, random, log or map order is
// involved, so replaying the same entries gives the same state, byte for byte, on every member and
// on every binary that supports the state's Level.
//
// A State is immutable and shares structure with the versions before it: keep one as long as you
// like, read it from anywhere, never write through its pointers.
package state
