package libvirt

import (
	"context"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// domainState is libvirt's state and the reason for it.
type domainState struct {
	state  golibvirt.DomainState
	reason int32
}

func (h *host) state(ctx context.Context, dom golibvirt.Domain) (domainState, error) {
	return ask(ctx, h, func(rpc *golibvirt.Libvirt) (domainState, error) {
		state, reason, err := rpc.DomainGetState(dom, 0)
		return domainState{golibvirt.DomainState(state), reason}, err
	})
}

// active reports whether a QEMU process exists. A domain in state "crashed" has one: libvirt has kept it
// for inspection.
func (s domainState) active() bool {
	return s.state != golibvirt.DomainShutoff && s.state != golibvirt.DomainNostate
}

// power reduces libvirt's states. managedSave only matters to a domain that is off.
func (s domainState) power(managedSave bool) (hypervisor.Power, string) {
	switch s.state {
	case golibvirt.DomainPaused:
		return hypervisor.PowerPaused, pauseReason(golibvirt.DomainPausedReason(s.reason))
	case golibvirt.DomainCrashed:
		return hypervisor.PowerPaused, "crashed"
	case golibvirt.DomainPmsuspended:
		return hypervisor.PowerPaused, "pmsuspended"
	case golibvirt.DomainRunning, golibvirt.DomainBlocked, golibvirt.DomainShutdown:
		return hypervisor.PowerRunning, ""
	}
	switch {
	case managedSave:
		return hypervisor.PowerSaved, ""
	case golibvirt.DomainShutoffReason(s.reason) == golibvirt.DomainShutoffCrashed:
		return hypervisor.PowerCrashed, ""
	}
	return hypervisor.PowerOff, ""
}

var pauseReasons = [...]string{
	golibvirt.DomainPausedUnknown:        "unknown",
	golibvirt.DomainPausedUser:           "user",
	golibvirt.DomainPausedMigration:      "migration",
	golibvirt.DomainPausedSave:           "save",
	golibvirt.DomainPausedDump:           "dump",
	golibvirt.DomainPausedIoerror:        "ioerror",
	golibvirt.DomainPausedWatchdog:       "watchdog",
	golibvirt.DomainPausedFromSnapshot:   "from_snapshot",
	golibvirt.DomainPausedShuttingDown:   "shutting_down",
	golibvirt.DomainPausedSnapshot:       "snapshot",
	golibvirt.DomainPausedCrashed:        "crashed",
	golibvirt.DomainPausedStartingUp:     "starting_up",
	golibvirt.DomainPausedPostcopy:       "postcopy",
	golibvirt.DomainPausedPostcopyFailed: "postcopy_failed",
	golibvirt.DomainPausedAPIError:       "api_error",
}

func pauseReason(reason golibvirt.DomainPausedReason) string {
	if reason < 0 || int(reason) >= len(pauseReasons) {
		return "unknown"
	}
	return pauseReasons[reason]
}

// StartDomain implements hypervisor.Domains.
func (h *host) StartDomain(ctx context.Context, id string) error {
	return h.change(ctx, "start", id, func(rpc *golibvirt.Libvirt, dom golibvirt.Domain) error {
		_, err := rpc.DomainCreateWithFlags(dom, 0)
		return err
	})
}

// ShutdownDomain implements hypervisor.Domains.
func (h *host) ShutdownDomain(ctx context.Context, id string) error {
	return h.change(ctx, "shut down", id, func(rpc *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return rpc.DomainShutdownFlags(dom, golibvirt.DomainShutdownAcpiPowerBtn)
	})
}

// RebootDomain implements hypervisor.Domains.
func (h *host) RebootDomain(ctx context.Context, id string) error {
	return h.change(ctx, "reboot", id, func(rpc *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return rpc.DomainReboot(dom, golibvirt.DomainRebootDefault)
	})
}

// DestroyDomain implements hypervisor.Domains.
func (h *host) DestroyDomain(ctx context.Context, id string) error {
	return h.change(ctx, "destroy", id, func(rpc *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return rpc.DomainDestroyFlags(dom, golibvirt.DomainDestroyDefault)
	})
}

// PauseDomain implements hypervisor.Domains. libvirt takes a second pause for a success, so the state is asked first.
func (h *host) PauseDomain(ctx context.Context, id string) error {
	if err := h.refuseState(ctx, "pause", id, golibvirt.DomainPaused); err != nil {
		return err
	}
	return h.change(ctx, "pause", id, func(rpc *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return rpc.DomainSuspend(dom)
	})
}

// ResumeDomain implements hypervisor.Domains.
func (h *host) ResumeDomain(ctx context.Context, id string) error {
	if err := h.refuseState(ctx, "resume", id, golibvirt.DomainRunning); err != nil {
		return err
	}
	return h.change(ctx, "resume", id, func(rpc *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return rpc.DomainResume(dom)
	})
}

// refuseState fails with ErrState when the domain is in that state already.
func (h *host) refuseState(ctx context.Context, verb, id string, already golibvirt.DomainState) error {
	what := verb + " domain " + id
	dom, err := domainRef(id)
	if err != nil {
		return h.fail(what, err, true)
	}
	state, err := h.state(ctx, dom)
	if err != nil {
		return h.fail(what, err, false)
	}
	if state.state == already {
		return h.failAs(what, hypervisor.ErrState, "nothing to do")
	}
	return nil
}

// SaveDomain implements hypervisor.Domains. Writing the memory takes as long as it takes: the call has a connection
// of its own and no limit but ctx.
func (h *host) SaveDomain(ctx context.Context, id string) error {
	what := "save domain " + id
	dom, err := domainRef(id)
	if err != nil {
		return h.fail(what, err, true)
	}
	return h.fail(what, h.withSession(ctx, false, func(s *session) error {
		return s.rpc.DomainManagedSave(dom, 0)
	}), true)
}
