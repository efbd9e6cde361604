package operation

import (
	"errors"

	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// The errors that decide what becomes of an operation. All others are certain failures: the operation
// is undone, and a create or migration is tried on another host.
var (
	// ErrImage: the image's source is at fault, so no other host will do better.
	ErrImage = disk.ErrImage
	// ErrForeign: there is something here that novaplan did not make, or that another cluster owns.
	ErrForeign = errors.New("not ours")
	// ErrAhead: a domain has a higher generation than the record, so the record is behind: nothing is
	// touched until that is explained.
	ErrAhead = errors.New("the hosts are ahead of the record")
	// ErrFrozen: it can't be known where the guest is. Nothing more is done to it.
	ErrFrozen = errors.New("it can't be known where it runs")
	// ErrAborted: somebody asked for the operation to end.
	ErrAborted = errors.New("aborted on request")
	// ErrLost: this process no longer leads, or can't commit. Whoever leads next goes on.
	ErrLost = errors.New("the record can't be written")
	// ErrInvalid: the operation makes no sense here and now; trying elsewhere won't help.
	ErrInvalid = errors.New("can't be done")
)

// errArrived: a migration that is to be undone has brought the guest to its destination.
var errArrived = errors.New("it has arrived")

// silent reports errors that say nothing about what is there: the host must be asked again.
func silent(err error) bool {
	return errors.Is(err, hypervisor.ErrUnreachable) || errors.Is(err, hypervisor.ErrUnknown)
}

// elsewhere reports whether another host may do better.
func elsewhere(err error) bool {
	for _, final := range []error{ErrImage, ErrAborted, ErrAhead, ErrFrozen, ErrLost, ErrInvalid, hypervisor.ErrAborted} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}
