package reconcile

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// Housekeeping removes stale definitions, deletes what the trash kept long enough and cached images that nothing
// has used for a while, and drops them from the record. What can't be done now stays for the next time; those errors are returned together,
// nothing depends on them.
func (c *Controller) Housekeeping(ctx context.Context) error {
	if err := c.leading(); err != nil {
		return err
	}
	err := c.sweep(ctx)
	if errors.Is(err, ErrOldCopy) {
		return err
	}
	noted := c.noteImages(ctx) // before the trash, which uses them too, is emptied
	return errors.Join(err, noted, c.emptyTrash(ctx), c.evictImages(ctx))
}

// emptyTrash deletes what has expired.
func (c *Controller) emptyTrash(ctx context.Context) error {
	// The record's own clock decides, not ours. An empty purge moves it on, and is refused while a clock
	// jump holds purges back.
	err := c.commit(ctx, state.Command{Purge: &state.Purge{}})
	if refused := refusalOf(err); refused != nil {
		c.log.Info("nothing is deleted", "why", refused.Message)
		return nil
	}
	if err != nil {
		return err
	}
	st := c.rec.State()
	var errs []error
	for _, trash := range st.Trash.All() {
		if st.Time.Before(trash.Expires) {
			continue
		}
		if err := c.purge(ctx, st, trash); err != nil {
			errs = append(errs, fmt.Errorf("disks of %s: %w", trash.Instance, err))
		}
	}
	return errors.Join(errs...)
}

// purge deletes the files of one expired piece of trash and then the record of it.
func (c *Controller) purge(ctx context.Context, st state.State, trash *state.Trash) error {
	for _, inst := range st.Instances.All() { // a takeover may have brought it back, a moved block renamed it
		if inst.UUID == trash.UUID {
			return fmt.Errorf("%s is in use again, by %s", trash.UUID, inst.Address)
		}
	}
	var last error
	for _, address := range c.reaching(st, trash.Host, trash.Pool) {
		if last = c.deleteFiles(ctx, st, address, trash); last == nil {
			return c.commit(ctx, state.Command{Purge: &state.Purge{Trash: []string{trash.ID}}})
		}
	}
	return last
}

// reaching lists the hosts that can reach the files of a pool: the one where they are, and for a shared pool any
// other of the fleet.
func (c *Controller) reaching(st state.State, host spec.Address, pool state.Pool) []spec.Address {
	hosts := []spec.Address{host}
	if !pool.Shared || st.Desired == nil {
		return hosts
	}
	for i := range st.Desired.Spec.Hosts {
		if a := st.Desired.Spec.Hosts[i].Address; a != host {
			hosts = append(hosts, a)
		}
	}
	return hosts
}

// deleteFiles deletes the files through one host that is ours, and reads back that they are gone.
func (c *Controller) deleteFiles(ctx context.Context, st state.State, address spec.Address, trash *state.Trash) error {
	h, err := c.ours(ctx, st, address)
	if err != nil {
		return err
	}
	if d, err := h.GetDomain(ctx, trash.UUID); !errors.Is(err, hypervisor.ErrNotFound) {
		if err == nil {
			err = fmt.Errorf("domain %s is still there", d.Name)
		}
		return err
	}
	pool := hypervisor.Pool{Path: trash.Pool.Path, Shared: trash.Pool.Shared}
	if _, err := h.EnsurePool(ctx, pool); err != nil { // an unmounted share shows no files: that is no proof
		return err
	}
	for _, d := range trash.Disks {
		name := path.Base(d.Path)
		if err := h.DeleteVolume(ctx, pool, name); err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
			return err
		}
		if _, err := h.GetVolume(ctx, pool, name); !errors.Is(err, hypervisor.ErrNotFound) {
			if err == nil {
				err = fmt.Errorf("%s is still there after its deletion", d.Path)
			}
			return err
		}
		c.log.Info("deleted from the trash", "instance", string(trash.Instance), "path", d.Path, "kept", time.Since(trash.At).Round(time.Second))
	}
	return nil
}

// ours opens a host and verifies that it is claimed by this cluster, and not by a later epoch.
func (c *Controller) ours(ctx context.Context, st state.State, address spec.Address) (hypervisor.Host, error) {
	h, err := c.hosts.Host(ctx, address)
	if err != nil {
		return nil, err
	}
	h = operation.Timed(h, c.opts.Times)
	claim, err := h.GetClaim(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.hostName(st, address), err)
	}
	if claim.Cluster != st.ClusterID {
		return nil, fmt.Errorf("%s: %w: cluster %s", c.hostName(st, address), hypervisor.ErrClaimed, claim.Cluster)
	}
	if claim.Epoch > c.rec.Term() {
		return nil, fmt.Errorf("%w: %s was claimed by epoch %d", ErrNotLeader, c.hostName(st, address), claim.Epoch)
	}
	return h, nil
}
