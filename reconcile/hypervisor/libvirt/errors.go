package libvirt

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// lostError marks a request that left and whose answer did not come: it may have had its effect, or may
// yet have it.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// classify sorts what the RPC library returns into: libvirt's answer (left as it is), never sent, lost.
func (s *session) classify(err error) error {
	var said golibvirt.Error
	var notSent *notSentError
	switch {
	case err == nil, errors.As(err, &said), errors.Is(err, golibvirt.ErrUnsupported):
		return err
	case errors.As(err, &notSent):
		return err
	case errors.Is(err, syscall.EINVAL): // how the library says that it was disconnected before
		return &notSentError{s.cause(err)}
	}
	return &lostError{s.cause(err)}
}

// cause prefers why the connection ended over the library's word that it did.
func (s *session) cause(err error) error {
	if cause := s.conn.ended(); cause != nil {
		return cause
	}
	return err
}

// sentinel decides what an error means; one that says it itself keeps its word. change says whether the call changes anything: when the answer
// to a mere question is lost, nothing is in doubt but the answer.
func sentinel(err error, change bool) error {
	for _, known := range sentinels() {
		if errors.Is(err, known) {
			return known
		}
	}
	var said golibvirt.Error
	var notSent *notSentError
	switch {
	case errors.As(err, &said):
		return sentinelOf(said)
	case errors.Is(err, golibvirt.ErrUnsupported):
		return hypervisor.ErrUnsupported
	case errors.As(err, &notSent), !change:
		return hypervisor.ErrUnreachable
	}
	return hypervisor.ErrUnknown
}

// sentinelOf maps libvirt's own errors. They are answers: the call has been dealt with. What isn't listed
// is a refusal.
func sentinelOf(said golibvirt.Error) error {
	switch golibvirt.ErrorNumber(said.Code) {
	case golibvirt.ErrNoDomain, golibvirt.ErrNoNetwork, golibvirt.ErrNoStoragePool, golibvirt.ErrNoStorageVol,
		golibvirt.ErrNoSecret, golibvirt.ErrNoDomainMetadata:
		return hypervisor.ErrNotFound
	case golibvirt.ErrDomExist, golibvirt.ErrNetworkExist, golibvirt.ErrStorageVolExist:
		return hypervisor.ErrExists
	case golibvirt.ErrOperationInvalid, golibvirt.ErrResourceBusy, golibvirt.ErrBlockCopyActive:
		return hypervisor.ErrState
	case golibvirt.ErrNoSupport, golibvirt.ErrOperationUnsupported:
		return hypervisor.ErrUnsupported
	case golibvirt.ErrOperationAborted:
		return hypervisor.ErrAborted
	case golibvirt.ErrOperationTimeout:
		// Waiting for the domain's lock, libvirt has done nothing; in any other wait it has begun.
		if strings.Contains(said.Message, "state change lock") {
			return hypervisor.ErrState
		}
		return hypervisor.ErrUnknown
	}
	for _, words := range []string{"No space left on device", "Disk quota exceeded"} {
		if strings.Contains(said.Message, words) {
			return hypervisor.ErrNoSpace
		}
	}
	return hypervisor.ErrRefused
}

// saidCode reports whether libvirt answered with that error.
func saidCode(err error, code golibvirt.ErrorNumber) bool {
	var said golibvirt.Error
	return errors.As(err, &said) && golibvirt.ErrorNumber(said.Code) == code
}

// saidWords reports whether libvirt answered with an error that contains the words.
func saidWords(err error, words string) bool {
	var said golibvirt.Error
	return errors.As(err, &said) && strings.Contains(said.Message, words)
}

// fail wraps err with the host, what was being done and the sentinel. An error that has a sentinel keeps it.
func (h *host) fail(what string, err error, change bool) error {
	if err == nil {
		return nil
	}
	means := sentinel(err, change)
	if errors.Is(err, means) {
		return fmt.Errorf("host %s: %s: %w", h.name, what, err)
	}
	return fmt.Errorf("host %s: %s: %w: %w", h.name, what, means, err)
}

// failAs is fail where the caller knows better what the error means.
func (h *host) failAs(what string, means error, format string, args ...any) error {
	return fmt.Errorf("host %s: %s: %w: %s", h.name, what, means, fmt.Sprintf(format, args...))
}

// notFound reports whether the error says for certain that something isn't there.
func notFound(err error) bool {
	return err != nil && errors.Is(sentinel(err, false), hypervisor.ErrNotFound)
}

func sentinels() []error {
	return []error{
		hypervisor.ErrNotFound, hypervisor.ErrExists, hypervisor.ErrRefused, hypervisor.ErrState,
		hypervisor.ErrNoSpace, hypervisor.ErrUnreachable, hypervisor.ErrUnknown, hypervisor.ErrClaimed,
		hypervisor.ErrUnsupported, hypervisor.ErrAborted,
	}
}
