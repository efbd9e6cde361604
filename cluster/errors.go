package cluster

import (
	"errors"
	"fmt"
)

// The errors that callers decide on. state.ErrNewer and state.ErrCorrupt come through as well.
var (
	ErrNoRecord  = errors.New("there is no record")                   // the folder is absent, or empty
	ErrClosed    = errors.New("the record is closed")                 // Close was called
	ErrNotLeader = errors.New("another member leads")                 // the outcome of a proposal may be unknown
	ErrDisk      = errors.New("the disk under the record failed")     // nothing acknowledged is lost
	ErrDiskFull  = errors.New("the disk under the record is full")    // with ErrDisk: while logging; alone: nothing was begun
	ErrReadOnly  = errors.New("the record's folder is read-only")     // ReadOnly still works
	ErrMode      = errors.New("the record is of another mode")        // real or sim
	ErrTooLarge  = errors.New("the command is too large for the log") // use chunks
	ErrNoLeader  = errors.New("the cluster has no leader")            // its error also is ErrNotLeader, and says what is missing
	ErrMember    = errors.New("the folder is somebody else's")        // embedded, or of another member
	ErrRemoved   = errors.New("this member was removed from its cluster by an operator")
	ErrRefused   = errors.New("the cluster does not let this member in") // its error says why
)

// leaderless is ErrNoLeader and ErrNotLeader with what is missing.
type leaderless struct{ missing string }

// Error says what is missing.
func (e *leaderless) Error() string { return fmt.Sprintf("%v: %s", ErrNoLeader, e.missing) }

// Unwrap lets callers decide on either.
func (e *leaderless) Unwrap() []error { return []error{ErrNoLeader, ErrNotLeader} }

// MovedError says that the record of a folder went on elsewhere.
type MovedError struct {
	Dir      string
	Endpoint string // of the servers that have it
}

// Error names the servers.
func (e *MovedError) Error() string {
	return fmt.Sprintf("the record in %s moved to the servers at %s: set NOVAPLAN_ADDR=%s", e.Dir, e.Endpoint, e.Endpoint)
}

// LockedError says who has the record open.
type LockedError struct {
	Dir string
	PID int // 0 when it could not be read
}

// Error names the process.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is in use by another novaplan", e.Dir)
	}
	return fmt.Sprintf("%s is in use by another novaplan, process %d", e.Dir, e.PID)
}

// damaged adds what a person can do.
func damaged(dir string, err error) error {
	return fmt.Errorf("%s: %w; put a backup of that folder back, or remove raft and version in it and run 'novaplan takeover', which rebuilds the record from the hosts", dir, err)
}
