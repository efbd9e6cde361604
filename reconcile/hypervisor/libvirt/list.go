package libvirt

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/libvirt/domainxml"
)

// ListDomains implements hypervisor.Domains. Four requests tell the states and flags of all domains at once; only
// the XML, and the job and the XML of the next start of those that run, are asked for one by one.
func (h *host) ListDomains(ctx context.Context) ([]hypervisor.Domain, error) {
	const what = "list domains"
	stats, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) ([]golibvirt.DomainStatsRecord, error) {
		return rpc.ConnectGetAllDomainStats(nil, uint32(golibvirt.DomainStatsState), uint32(golibvirt.ConnectGetAllDomainsStatsNowait))
	})
	if err != nil {
		return nil, h.fail(what, err, false)
	}
	flags, err := h.listFlags(ctx)
	if err != nil {
		return nil, h.fail(what, err, false)
	}
	found := make([]*hypervisor.Domain, len(stats))
	err = each(len(stats), callSlots, func(i int) error {
		one, err := h.describe(ctx, stats[i].Dom, stateOf(stats[i]), flags)
		if err == nil && one != nil && one.Persistent && one.Power.Active() {
			err = h.describeNext(ctx, stats[i].Dom, one)
		}
		if notFound(err) {
			return nil // gone since it was listed
		}
		found[i] = one
		return err
	})
	if err != nil {
		return nil, h.fail(what, err, false)
	}
	var domains []hypervisor.Domain
	for _, one := range found {
		if one != nil {
			domains = append(domains, *one)
		}
	}
	slices.SortFunc(domains, func(a, b hypervisor.Domain) int { return cmp.Compare(a.Name, b.Name) })
	return domains, nil
}

// GetDomain implements hypervisor.Domains.
func (h *host) GetDomain(ctx context.Context, id string) (hypervisor.Domain, error) {
	what := "read domain " + id
	dom, err := domainRef(id)
	if err != nil {
		return hypervisor.Domain{}, h.fail(what, err, false)
	}
	state, err := h.state(ctx, dom)
	if err != nil {
		return hypervisor.Domain{}, h.fail(what, err, false)
	}
	flags, err := h.flagsOf(ctx, dom)
	if err != nil {
		return hypervisor.Domain{}, h.fail(what, err, false)
	}
	one, err := h.describe(ctx, dom, state, flags)
	if err != nil {
		return hypervisor.Domain{}, h.fail(what, err, false)
	}
	if one == nil {
		return hypervisor.Domain{}, h.failAs(what, hypervisor.ErrNotFound, "it is a probe")
	}
	return *one, nil
}

// domainFlags are the UUIDs of the domains to which each applies.
type domainFlags struct {
	persistent, managedSave, autostart map[golibvirt.UUID]bool
}

func (h *host) listFlags(ctx context.Context) (domainFlags, error) {
	var flags domainFlags
	for _, query := range []struct {
		set  *map[golibvirt.UUID]bool
		flag golibvirt.ConnectListAllDomainsFlags
	}{
		{&flags.persistent, golibvirt.ConnectListDomainsPersistent},
		{&flags.managedSave, golibvirt.ConnectListDomainsManagedsave},
		{&flags.autostart, golibvirt.ConnectListDomainsAutostart},
	} {
		domains, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) ([]golibvirt.Domain, error) {
			domains, _, err := rpc.ConnectListAllDomains(1, query.flag)
			return domains, err
		})
		if err != nil {
			return flags, err
		}
		*query.set = make(map[golibvirt.UUID]bool, len(domains))
		for _, dom := range domains {
			(*query.set)[dom.UUID] = true
		}
	}
	return flags, nil
}

// flagsOf is listFlags for one domain.
func (h *host) flagsOf(ctx context.Context, dom golibvirt.Domain) (domainFlags, error) {
	queries := []func(rpc *golibvirt.Libvirt) (int32, error){
		func(rpc *golibvirt.Libvirt) (int32, error) { return rpc.DomainIsPersistent(dom) },
		func(rpc *golibvirt.Libvirt) (int32, error) { return rpc.DomainHasManagedSaveImage(dom, 0) },
		func(rpc *golibvirt.Libvirt) (int32, error) { return rpc.DomainGetAutostart(dom) },
	}
	answers := make([]map[golibvirt.UUID]bool, len(queries))
	err := each(len(queries), callSlots, func(i int) error {
		yes, err := ask(ctx, h, queries[i])
		if saidCode(err, golibvirt.ErrOperationInvalid) {
			err = nil // a transient domain has neither autostart nor a managed save
		}
		answers[i] = map[golibvirt.UUID]bool{dom.UUID: yes == 1}
		return err
	})
	return domainFlags{persistent: answers[0], managedSave: answers[1], autostart: answers[2]}, err
}

func stateOf(record golibvirt.DomainStatsRecord) domainState {
	params := typedParams(record.Params)
	return domainState{
		state:  golibvirt.DomainState(params.integer(golibvirt.DomainStatsStateState)),
		reason: int32(params.integer(golibvirt.DomainStatsStateReason)),
	}
}

// describe reads the XML of a domain, and its job when it runs. It returns nil for a probe.
func (h *host) describe(ctx context.Context, dom golibvirt.Domain, state domainState, flags domainFlags) (*hypervisor.Domain, error) {
	text, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) { return rpc.DomainGetXMLDesc(dom, 0) })
	if err != nil {
		return nil, err
	}
	decoded, err := domainxml.Decode(text)
	if err != nil {
		return nil, err
	}
	if decoded.Probe {
		return nil, nil
	}
	one := &hypervisor.Domain{
		UUID:       decoded.UUID,
		Name:       decoded.Name,
		Persistent: flags.persistent[dom.UUID],
		Autostart:  flags.autostart[dom.UUID],
		VCPUs:      decoded.VCPUs,
		MemoryMiB:  decoded.MemoryMiB,
		Disks:      decoded.Paths(),
		MACs:       decoded.MACs,
		Stamp:      decoded.Stamp,
	}
	one.Power, one.PauseReason = state.power(flags.managedSave[dom.UUID])
	if !state.active() {
		return one, nil
	}
	return one, h.describeJob(ctx, dom, state, one)
}

// describeNext reads what a running domain is defined to have from its next start.
func (h *host) describeNext(ctx context.Context, dom golibvirt.Domain, one *hypervisor.Domain) error {
	text, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) {
		return rpc.DomainGetXMLDesc(dom, golibvirt.DomainXMLInactive)
	})
	if err != nil {
		return err
	}
	decoded, err := domainxml.Decode(text)
	if err != nil {
		return err
	}
	next := hypervisor.Hardware{VCPUs: decoded.VCPUs, MemoryMiB: decoded.MemoryMiB, Disks: decoded.Paths(), MACs: decoded.MACs}
	if !next.Equal(one.Hardware()) {
		one.Next = &next
	}
	return nil
}

// describeJob tells a guest that is being migrated from one that just runs or is paused. libvirt tells an
// incoming one by refusing to say how far it is.
func (h *host) describeJob(ctx context.Context, dom golibvirt.Domain, state domainState, one *hypervisor.Domain) error {
	job, err := h.jobSoon(ctx, dom)
	waiting := state.state == golibvirt.DomainPaused
	startingUp := waiting && golibvirt.DomainPausedReason(state.reason) == golibvirt.DomainPausedStartingUp
	switch {
	case errors.Is(err, errHeld):
		one.Held = true
	case err == nil:
		one.Migrating = job.operation == golibvirt.DomainJobOperationStrMigrationOut
	case saidCode(err, golibvirt.ErrOperationUnsupported) && waiting, startingUp && !one.Persistent:
		one.Power, one.PauseReason = hypervisor.PowerIncoming, ""
	case notFound(err), errors.Is(sentinel(err, false), hypervisor.ErrUnreachable):
		return err
	}
	return nil // any other refusal: busy, or just ended; there is no job to tell of
}

// each runs fn for 0..n-1, at most limit at a time, and returns the first error by index.
func each(n, limit int, fn func(i int) error) error {
	errs := make([]error, n)
	slots := make(chan struct{}, limit)
	var wait sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wait.Go(func() {
			errs[i] = fn(i)
			<-slots
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
