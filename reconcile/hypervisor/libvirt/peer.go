package libvirt

import (
	"context"
	"errors"
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/libvirt/domainxml"
)

// CheckPeer implements hypervisor.Facts. libvirt has no call for "log in over there", so it is made to by beginning
// what can't succeed: an offline migration of a domain that is defined for a moment and never started, into a definition
// that isn't the same domain. libvirtd logs in to the peer, asks what it can do, compares the definitions and stops;
// nothing is ever sent that could define or start something there.
//
// It checks name resolution, port, host key or certificate and login, all as this host's libvirtd does them. It doesn't
// check QEMU's own migration ports (49152-49215). A probe that is left behind by a crash is invisible to ListDomains and
// is removed by the next check of the same peer.
func (h *host) CheckPeer(ctx context.Context, peerURI string) error {
	what := "log in to " + peerURI
	if _, err := peerEndpoint(peerURI); err != nil {
		return h.failAs(what, hypervisor.ErrRefused, "%v", err)
	}
	id := uuid.NewSHA1(poolNamespace, []byte("probe "+peerURI))
	dom := golibvirt.Domain{Name: "np-probe-" + id.String()[:8], UUID: golibvirt.UUID(id), ID: -1}
	if err := h.define(ctx, domainxml.ProbeXML(dom.Name, id.String())); err != nil {
		return h.fail(what, err, false)
	}
	err := h.withSession(ctx, false, func(s *session) error { return knock(s, dom, peerURI) })
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.opts.CallTimeout)
	defer cancel()
	undefineErr := h.do(cleanup, func(rpc *golibvirt.Libvirt) error { return rpc.DomainUndefineFlags(dom, 0) })
	if err == nil && undefineErr != nil && !notFound(undefineErr) {
		h.opts.Logger.Warn("a probe domain is left behind", "name", dom.Name, "error", undefineErr)
	}
	return h.fail(what, err, false)
}

// knock returns nil when libvirtd stopped at comparing the definitions, since by then it is logged in.
func knock(s *session, dom golibvirt.Domain, peerURI string) error {
	another := domainxml.ProbeXML(dom.Name, uuid.NewSHA1(uuid.UUID(dom.UUID), []byte("another")).String())
	_, err := s.rpc.DomainMigratePerform3Params(dom, golibvirt.OptString{peerURI},
		[]golibvirt.TypedParam{textParam(golibvirt.MigrateParamDestXML, another)}, nil,
		golibvirt.MigratePeer2peer|golibvirt.MigrateOffline|golibvirt.MigratePersistDest)
	switch {
	case saidWords(err, "does not match source"):
		return nil
	case err == nil:
		return errors.New("the probe was migrated, which should be impossible")
	case saidCode(err, golibvirt.ErrOperationFailed), saidCode(err, golibvirt.ErrSystemError):
		return fmt.Errorf("%w: %w", hypervisor.ErrRefused, err)
	}
	return err
}
