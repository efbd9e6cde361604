package hypervisor

import (
	"errors"
	"strings"
)

// The closed set of errors that callers decide on. Drivers wrap them with the host's own words.
var (
	// ErrNotFound: the domain, pool, volume or claim does not exist. Certain.
	ErrNotFound = errors.New("not found")
	// ErrExists: something else has this name, UUID or path. Certain, nothing was changed.
	ErrExists = errors.New("already exists")
	// ErrRefused: the hypervisor understood and said no. Certain, nothing was changed.
	ErrRefused = errors.New("refused by the hypervisor")
	// ErrState: the object is not in a state that allows this (starting what runs, ...). Certain.
	ErrState = errors.New("not possible in this state")
	// ErrNoSpace: the pool is full. What was begun may remain and must be removed by the caller.
	ErrNoSpace = errors.New("no space left")
	// ErrUnreachable: the call was never sent. Certain, nothing was changed.
	ErrUnreachable = errors.New("host unreachable")
	// ErrUnknown: the call may or may not have taken effect, or may yet.
	ErrUnknown = errors.New("outcome unknown")
	// ErrClaimed: another cluster owns the host. Certain, nothing was changed.
	ErrClaimed = errors.New("claimed by another cluster")
	// ErrUnsupported: this driver or host cannot do that at all.
	ErrUnsupported = errors.New("not supported by this host")
	// ErrAborted: a migration ended because somebody asked; the guest is where it was.
	ErrAborted = errors.New("aborted")
)

// Why returns what is said of an unreachable host beyond its name and that fact, for messages that tell both
// in their own words. Other errors are returned in full.
func Why(err error) string {
	text := err.Error()
	if !errors.Is(err, ErrUnreachable) {
		return text
	}
	if _, why, ok := strings.Cut(text, ErrUnreachable.Error()+": "); ok {
		return why
	}
	return text
}
