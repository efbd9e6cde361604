package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// The sockets of a local libvirtd and of its modular successor, in the order they are tried.
var localSockets = []string{"/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock"}

// dial opens a connection to a libvirtd. ctx limits the opening only.
func dial(ctx context.Context, e Endpoint) (net.Conn, error) {
	switch e.Transport {
	case TransportSSH:
		return dialSSH(ctx, e)
	case TransportTLS:
		return dialTLS(ctx, e)
	case TransportTCP:
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", e.address())
		if err != nil {
			return nil, explainTCP(err, e)
		}
		return conn, nil
	default:
		return dialUnix(ctx, e)
	}
}

func dialUnix(ctx context.Context, e Endpoint) (net.Conn, error) {
	sockets := localSockets
	if e.Socket != "" {
		sockets = []string{e.Socket}
	}
	var first error
	for _, path := range sockets {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, explainUnix(err, path)
		}
	}
	return nil, explainUnix(first, sockets[0])
}

func explainUnix(err error, path string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no libvirtd listens on %s: is it installed and started? (%w)", path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not allowed to use %s: add yourself to the group libvirt and log in again (%w)", path, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s is left over from a libvirtd that ended: start it (%w)", path, err)
	}
	return err
}

// explainTCP says in a user's words why there is no connection.
func explainTCP(err error, e Endpoint) error {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &name):
		return &dialError{fmt.Sprintf("the name %s can't be resolved", name.Name), err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &dialError{fmt.Sprintf("nothing listens on %s: start libvirtd-tcp.socket or libvirtd-tls.socket on the host, or use qemu+ssh", e.address()), err}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return &dialError{fmt.Sprintf("no way to %s: is the host up, and on this network?", e.address()), err}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &dialError{fmt.Sprintf("%s is silent: is the host up, and does a firewall let us in?", e.address()), err}
	}
	return err
}

// dialError tells a failure in our words; the original is for decisions only.
type dialError struct {
	text string
	err  error
}

// Error returns our words.
func (e *dialError) Error() string { return e.text }

// Unwrap returns what the system said.
func (e *dialError) Unwrap() error { return e.err }
