package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// sweep deals with what calls that arrived late brought about. Definitions of a life that is over, or
// of a generation below the record's on a host where the instance isn't, are removed: they are off, and
// one that runs is never touched here. A guest that a migration of ours moved after it was given up is
// recorded where it is.
func (c *Controller) sweep(ctx context.Context) error {
	seen, err := c.Observe(ctx, nil)
	if err != nil {
		return err
	}
	st := c.rec.State()
	if hosts, epoch := planner.Behind(st, seen); len(hosts) > 0 {
		return fmt.Errorf("%w: epoch %d has worked on %d hosts since", ErrOldCopy, epoch, len(hosts))
	}
	var errs []error
	for address, h := range seen.Hosts {
		if !h.Reachable || !h.Claimed {
			continue
		}
		for i := range h.Domains {
			switch d := &h.Domains[i]; {
			case leftover(st, seen, address, d):
				errs = append(errs, c.undefineLeftover(ctx, st, address, d))
			case movedLate(st, seen, address, d):
				errs = append(errs, c.adopt(ctx, st, address, d))
			}
		}
	}
	return errors.Join(errs...)
}

// leftover reports whether a domain on a host is known to be stale.
func leftover(st state.State, seen *planner.Observed, host spec.Address, d *planner.Domain) bool {
	if d.Cluster != st.ClusterID || d.Power != planner.PowerOff || st.Busy(d.Address) != nil {
		return false
	}
	inst, recorded := st.Instances.Get(string(d.Address))
	if recorded && inst.UUID == d.UUID {
		stale := d.Generation < inst.Generation || planner.GivenUp(st, inst, host, d.Generation) && sees(seen, inst.Host, inst.UUID)
		return stale && inst.Host != host && inst.Phase == state.Active
	}
	_, over := st.Trash.Get(d.UUID)
	return over || planner.PastLife(st, d.Address, d.UUID)
}

// undefineLeftover looks again at the host itself before it removes the definition: it must be the one that was seen,
// and nothing may have begun with its instance since.
func (c *Controller) undefineLeftover(ctx context.Context, st state.State, address spec.Address, seen *planner.Domain) error {
	h, err := c.ours(ctx, st, address)
	if err != nil {
		return err
	}
	d, err := h.GetDomain(ctx, seen.UUID)
	if errors.Is(err, hypervisor.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if d.Power != hypervisor.PowerOff || d.Stamp == nil || d.Stamp.Cluster != st.ClusterID || d.Stamp.Generation != seen.Generation ||
		c.rec.State().Busy(seen.Address) != nil {
		return nil
	}
	if err := h.UndefineDomain(ctx, seen.UUID); err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
		return fmt.Errorf("stale definition %s on %s: %w", d.Name, c.hostName(st, address), err)
	}
	c.log.Info("removed a stale definition", "domain", d.Name, "host", string(address), "generation", d.Stamp.Generation)
	return nil
}

// movedLate reports whether a domain is where a migration that the record gave up has brought it: it
// has the generation which that one would have given it, and its source is seen and has it no more.
func movedLate(st state.State, seen *planner.Observed, host spec.Address, d *planner.Domain) bool {
	inst, ok := st.Instances.Get(string(d.Address))
	if !ok || inst.UUID != d.UUID || d.Cluster != st.ClusterID || inst.Host == host || st.Busy(inst.Address) != nil ||
		d.Power != planner.PowerRunning {
		return false
	}
	source := seen.Hosts[inst.Host]
	return source != nil && source.Reachable && !sees(seen, inst.Host, d.UUID) && planner.GivenUp(st, inst, host, d.Generation)
}

// sees reports whether a domain was seen on a host.
func sees(seen *planner.Observed, host spec.Address, uuid string) bool {
	h := seen.Hosts[host]
	return h != nil && slices.ContainsFunc(h.Domains, func(d planner.Domain) bool { return d.UUID == uuid })
}

// adopt records an instance on the host to which a migration moved it late, with the disks that it has there: its
// stamp names them.
func (c *Controller) adopt(ctx context.Context, st state.State, address spec.Address, d *planner.Domain) error {
	h, err := c.ours(ctx, st, address)
	if err != nil {
		return err
	}
	there, err := h.GetDomain(ctx, d.UUID)
	if err != nil {
		return err
	}
	if there.Stamp == nil || there.Stamp.Generation != d.Generation || there.Stamp.Cluster != st.ClusterID {
		return nil // it changed since it was seen
	}
	stamped, err := operation.Unstamp(*there.Stamp)
	if err != nil {
		return err
	}
	inst, _ := st.Instances.Get(string(d.Address))
	moved := *inst
	moved.Host, moved.Generation, moved.Phase, moved.Why = address, d.Generation, state.Active, ""
	moved.Disks = stamped.Disks
	c.log.Warn("a migration that was given up has moved the guest", "instance", string(d.Address), "host", string(address))
	return c.commit(ctx, state.Command{Restore: &state.Restore{Instances: []state.Instance{moved}, By: "recovery"}})
}
