package libvirt

import (
	"context"
	"fmt"
	"io"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// OpenConsole implements hypervisor.Console. It ends without an error when the guest stops, when rw's reading end does,
// and with ctx's error when ctx ends. A Read of rw that blocks then goes on until it returns: close rw.
func (h *host) OpenConsole(ctx context.Context, id string, rw io.ReadWriter, force bool) error {
	what := "open the console of domain " + id
	dom, err := domainRef(id)
	if err != nil {
		return h.fail(what, err, true)
	}
	flags := golibvirt.DomainConsoleSafe
	if force {
		flags |= golibvirt.DomainConsoleForce
	}
	screen := &streamWriter{w: rw}
	err = h.withSession(ctx, true, func(s *session) error {
		screen.failed = func(err error) { s.close(err) }
		return s.rpc.DomainOpenConsoleBidirectional(dom, nil, rw, screen, uint32(flags))
	})
	switch own := screen.failure(); {
	case own != nil:
		return fmt.Errorf("host %s: %s: %w", h.name, what, own)
	case ctx.Err() != nil:
		return fmt.Errorf("host %s: %s: %w", h.name, what, ctx.Err())
	case saidWords(err, "Active console session exists"):
		return h.failAs(what, hypervisor.ErrState, "somebody else uses it")
	}
	return h.fail(what, err, false)
}
