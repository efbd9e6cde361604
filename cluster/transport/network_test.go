package transport

import (
	"context"
	"net"
)

// network is what package cluster wants of a port. It is written down here because this package doesn't know
// that one.
type network interface {
	Address() string
	Listen(protocol string) net.Listener
	Dial(ctx context.Context, address, protocol string) (net.Conn, error)
}

var _ network = (*Port)(nil)
