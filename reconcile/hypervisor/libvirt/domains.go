package libvirt

import (
	"context"
	"errors"
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/libvirt/domainxml"
)

// change runs one RPC call that changes a domain.
func (h *host) change(ctx context.Context, what, id string, fn func(rpc *golibvirt.Libvirt, dom golibvirt.Domain) error) error {
	what = what + " domain " + id
	dom, err := domainRef(id)
	if err != nil {
		return h.fail(what, err, true)
	}
	return h.fail(what, h.do(ctx, func(rpc *golibvirt.Libvirt) error { return fn(rpc, dom) }), true)
}

// DefineDomain implements hypervisor.Domains. A domain that exists keeps its name: libvirt can't rename one
// that runs, and nothing depends on names.
func (h *host) DefineDomain(ctx context.Context, def hypervisor.Definition) error {
	what := "define domain " + def.UUID
	dom, err := domainRef(def.UUID)
	if err != nil {
		return h.fail(what, err, true)
	}
	existing, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (golibvirt.Domain, error) {
		return rpc.DomainLookupByUUID(dom.UUID)
	})
	exists := err == nil
	switch {
	case exists:
		def.Name = existing.Name
	case !notFound(err):
		return h.fail(what, err, false)
	}
	text, err := domainxml.Encode(def)
	if err != nil {
		return h.failAs(what, hypervisor.ErrRefused, "%v", err)
	}
	if err := h.define(ctx, text); err != nil {
		if said := new(golibvirt.Error); errors.As(err, said) && h.nameTaken(ctx, def.Name, dom.UUID) {
			return h.failAs(what, hypervisor.ErrExists, "another domain has the name %s", def.Name)
		}
		return h.fail(what, err, true)
	}
	if !exists {
		return nil // autostart is off in a new one
	}
	return h.change(ctx, "switch off autostart of", def.UUID, func(rpc *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return rpc.DomainSetAutostart(dom, 0)
	})
}

func (h *host) define(ctx context.Context, text string) error {
	return h.do(ctx, func(rpc *golibvirt.Libvirt) error {
		_, err := rpc.DomainDefineXMLFlags(text, 0)
		return err
	})
}

// nameTaken reports whether a domain with another UUID has the name: libvirt's own error for that has no
// code of its own.
func (h *host) nameTaken(ctx context.Context, name string, id golibvirt.UUID) bool {
	other, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (golibvirt.Domain, error) {
		return rpc.DomainLookupByName(name)
	})
	return err == nil && other.UUID != id
}

// SetStamp implements hypervisor.Domains.
func (h *host) SetStamp(ctx context.Context, id string, stamp hypervisor.Stamp) error {
	text, err := domainxml.StampXML(stamp)
	if err != nil {
		return h.failAs("stamp domain "+id, hypervisor.ErrRefused, "%v", err)
	}
	err = h.setMetadata(ctx, id, text, golibvirt.DomainAffectLive|golibvirt.DomainAffectConfig)
	if errors.Is(err, hypervisor.ErrState) { // it doesn't run
		err = h.setMetadata(ctx, id, text, golibvirt.DomainAffectConfig)
	}
	return err
}

func (h *host) setMetadata(ctx context.Context, id, text string, flags golibvirt.DomainModificationImpact) error {
	return h.change(ctx, "stamp", id, func(rpc *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return rpc.DomainSetMetadata(dom, int32(golibvirt.DomainMetadataElement), golibvirt.OptString{text},
			golibvirt.OptString{domainxml.Prefix}, golibvirt.OptString{domainxml.Namespace}, flags)
	})
}

// UndefineDomain implements hypervisor.Domains. libvirt would let a running domain's definition go and
// leave a transient domain behind, so the state is asked first; a domain that was started in between
// gets its definition back.
func (h *host) UndefineDomain(ctx context.Context, id string) error {
	what := "undefine domain " + id
	dom, err := domainRef(id)
	if err != nil {
		return h.fail(what, err, true)
	}
	state, err := h.state(ctx, dom)
	if err != nil {
		return h.fail(what, err, false)
	}
	if state.active() {
		return h.failAs(what, hypervisor.ErrState, "it runs")
	}
	text, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) {
		return rpc.DomainGetXMLDesc(dom, golibvirt.DomainXMLInactive|golibvirt.DomainXMLSecure)
	})
	if err != nil {
		return h.fail(what, err, false)
	}
	err = h.do(ctx, func(rpc *golibvirt.Libvirt) error {
		return rpc.DomainUndefineFlags(dom, golibvirt.DomainUndefineManagedSave|golibvirt.DomainUndefineNvram|
			golibvirt.DomainUndefineSnapshotsMetadata|golibvirt.DomainUndefineCheckpointsMetadata)
	})
	if err != nil {
		return h.fail(what, err, true)
	}
	return h.confirmUndefined(ctx, what, dom, text)
}

func (h *host) confirmUndefined(ctx context.Context, what string, dom golibvirt.Domain, text string) error {
	_, err := h.state(ctx, dom)
	switch {
	case err == nil:
	case notFound(err):
		return nil
	default:
		// Undefined it is, but a start may have come first; only another look can tell.
		return fmt.Errorf("host %s: %s: %w: %w", h.name, what, hypervisor.ErrUnknown, err)
	}
	if err := h.define(ctx, text); err != nil {
		return h.fail(what+": put back the definition of what was started meanwhile", err, true)
	}
	return h.failAs(what, hypervisor.ErrState, "it was started meanwhile")
}
