package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/observe"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// Takeover makes the hosts of desired this cluster's, in place of the one that claimed them before, and
// rebuilds the record from the stamps found there: for a record that was lost, or fell behind. Only
// hosts and domains of the same fleet are taken. It is a command of its own, because it takes hosts
// away from whoever has them; it can be repeated, and must be when a host did not answer: till then nothing
// new is made, because it may be there. Of a host in gone that doesn't answer it is taken as said that it is off for
// good, or holds nothing of this fleet.
//
// Order: claims, then the record, then stamps. A crash in between leaves the hosts ours, to be read by the next
// try. Each taken domain gets a higher generation, so that a former controller that
// still lives sees that it is behind.
func (c *Controller) Takeover(ctx context.Context, desired *spec.Spec, gone []spec.Address, by string) error {
	if err := c.leading(); err != nil {
		return err
	}
	c.approving.Lock()
	defer c.approving.Unlock()
	t := &takeover{c: c, st: c.rec.State(), spec: c.desired(desired), found: map[string]*finding{}, known: map[string]*state.Instance{}}
	for _, inst := range t.st.Instances.All() {
		t.known[inst.UUID] = inst
	}
	if len(t.spec.Hosts) == 0 {
		return errors.New("there is no host in the spec to take over")
	}
	t.fleet = t.spec.Fleet
	if t.fleet == "" {
		t.fleet = t.st.Fleet
	}
	// The record has to know of this epoch, and that nothing was read yet, before any host is touched.
	survey := state.Survey{By: by}
	for i := range t.spec.Hosts {
		survey.Unread = append(survey.Unread, t.spec.Hosts[i].Address)
	}
	if err := c.commit(ctx, state.Command{Survey: &survey}); err != nil {
		return fmt.Errorf("begin the takeover: %w", err)
	}
	t.takeHosts(ctx, gone)
	if err := t.record(ctx, by); err != nil {
		return err
	}
	t.restamp(ctx)
	if err := errors.Join(t.errs...); err != nil {
		return fmt.Errorf("%d instances taken over, but not all hosts: %w", len(t.found), err)
	}
	c.log.Info("taken over", "instances", len(t.found), "hosts", len(t.spec.Hosts), "by", by)
	return nil
}

// takeover is one run of Takeover.
type takeover struct {
	c     *Controller
	st    state.State
	spec  *spec.Spec
	fleet string
	found map[string]*finding // by UUID
	errs  []error

	known  map[string]*state.Instance // what the record has, by UUID
	silent []string                   // hosts that could not be looked at
	survey state.Survey               // what is known of hosts afterwards
}

// takeHosts takes all hosts of the spec that answer.
func (t *takeover) takeHosts(ctx context.Context, gone []spec.Address) {
	for i := range t.spec.Hosts {
		h := &t.spec.Hosts[i]
		err := t.takeHost(ctx, h)
		switch {
		case err == nil, errors.Is(err, hypervisor.ErrClaimed): // what is there is read, or another fleet's
			t.survey.Read = append(t.survey.Read, h.Address)
		case slices.Contains(gone, h.Address) && errors.Is(err, hypervisor.ErrUnreachable):
			t.survey.Gone = append(t.survey.Gone, h.Address)
			t.c.log.Warn("taken as gone", "host", h.Name, "why", err)
			continue
		}
		if err != nil {
			t.silent = append(t.silent, h.Name)
			t.errs = append(t.errs, fmt.Errorf("%s: %w", h.Name, err))
		}
	}
	for _, a := range gone { // that left the spec
		if !slices.ContainsFunc(t.spec.Hosts, func(h spec.Host) bool { return h.Address == a }) {
			t.survey.Gone = append(t.survey.Gone, a)
		}
	}
}

// finding is an instance that was found by its stamp.
type finding struct {
	inst   *state.Instance
	host   hypervisor.Host
	active []string // hosts where it is active
	runs   bool     // it is there for certain: it runs
}

// takeHost claims a host for us and collects what is stamped there.
func (t *takeover) takeHost(ctx context.Context, s *spec.Host) error {
	h, err := t.c.hosts.get(ctx, s)
	if err != nil {
		return err
	}
	h = operation.Timed(h, t.c.opts.Times)
	domains, err := h.ListDomains(ctx)
	if err != nil {
		return err
	}
	if err := t.claim(ctx, h); err != nil {
		return err
	}
	for i := range domains {
		if stamp := domains[i].Stamp; stamp != nil && stamp.Cluster != "" && stamp.Fleet == t.fleet {
			if err := t.find(s, h, &domains[i]); err != nil {
				t.errs = append(t.errs, fmt.Errorf("%s: domain %s: %w", s.Name, domains[i].Name, err))
			}
		}
	}
	return nil
}

// claim replaces the claim of a former cluster of this fleet by ours.
func (t *takeover) claim(ctx context.Context, h hypervisor.Host) error {
	claim, err := h.GetClaim(ctx)
	switch {
	case errors.Is(err, hypervisor.ErrNotFound):
	case err != nil:
		return err
	case claim.Cluster == t.st.ClusterID:
	case claim.Fleet != t.fleet:
		return fmt.Errorf("%w: it belongs to fleet %q, this is fleet %q", hypervisor.ErrClaimed, claim.Fleet, t.fleet)
	default:
		if err := h.ReleaseClaim(ctx, claim.Cluster); err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
			return err
		}
		t.c.log.Warn("claim taken over", "former_cluster", claim.Cluster, "epoch", claim.Epoch)
	}
	return h.SetClaim(ctx, hypervisor.Claim{
		Cluster: t.st.ClusterID, Fleet: t.fleet, Epoch: t.c.rec.Term(), Endpoint: t.c.opts.Endpoint,
	})
}

// find notes an instance. Of several definitions the running one counts, then the one with the highest
// generation; one that runs twice is frozen. What the record knows better is left out, unless it
// doesn't know where the instance is.
func (t *takeover) find(s *spec.Host, h hypervisor.Host, d *hypervisor.Domain) error {
	inst, err := operation.Unstamp(*d.Stamp)
	if err != nil {
		return err
	}
	inst.Host, inst.Phase, inst.Why = s.Address, state.Active, ""
	if recorded := t.known[inst.UUID]; recorded != nil {
		frozen := recorded.Phase == state.Frozen && t.st.Busy(recorded.Address) == nil
		if recorded.Generation >= inst.Generation && !frozen {
			return nil
		}
		inst.Address, inst.Generation = recorded.Address, max(recorded.Generation, inst.Generation)
	} else if other, ok := t.st.Instances.Get(string(inst.Address)); ok {
		return fmt.Errorf("it is stamped as %s, which is %s in the record: it was left alone", inst.Address, other.Domain)
	}
	old := t.found[inst.UUID]
	fresh := &finding{inst: inst, host: h, runs: d.Power == hypervisor.PowerRunning}
	if d.Power.Active() {
		fresh.active = []string{s.Name}
	}
	switch {
	case old == nil:
		t.found[inst.UUID] = fresh
	case len(old.active) > 0 && len(fresh.active) > 0:
		old.active = append(old.active, s.Name)
		old.inst.Phase, old.inst.Why = state.Frozen, "it runs on "+strings.Join(old.active, " and ")
	case len(fresh.active) > 0, len(old.active) == 0 && inst.Generation > old.inst.Generation:
		t.found[inst.UUID] = fresh
	}
	return nil
}

// record commits the inventories of the hosts and the instances that were found.
func (t *takeover) record(ctx context.Context, by string) error {
	seen, err := t.c.Observe(ctx, t.spec)
	if err != nil {
		return err
	}
	var commands []state.Command
	for i := range t.spec.Hosts {
		s := &t.spec.Hosts[i]
		h := seen.Hosts[s.Address]
		recorded, _ := t.st.Hosts.Get(string(s.Address))
		if h != nil && h.Reachable && observe.Changed(recorded, s.Name, h) {
			commands = append(commands, state.Command{SetInventory: &state.SetInventory{
				Host: s.Address, Name: s.Name, Inventory: h.Inventory, Claimed: h.Claimed,
			}})
		}
	}
	t.leaveTwins()
	for _, uuid := range t.uuids() {
		inst := t.found[uuid].inst
		if !t.found[uuid].runs && len(t.silent) > 0 {
			inst.Phase = state.Frozen
			inst.Why = fmt.Sprintf("it doesn't run on %s, but may run on %s, which could not be looked at", t.c.hostName(t.st, inst.Host), strings.Join(t.silent, ", "))
		}
		inst.Generation++
		commands = append(commands, state.Command{Restore: &state.Restore{Instances: []state.Instance{*inst}, By: by}})
	}
	commands = append(commands, t.thaws()...)
	t.survey.By = by
	commands = append(commands, state.Command{Survey: &t.survey})
	if err := t.c.commitAll(ctx, commands); err != nil {
		return fmt.Errorf("record what was found: %w", err)
	}
	return nil
}

// thaws end the freeze of what is on none of the hosts, when all of them were looked at: it is missing, and
// a plan can deal with that.
func (t *takeover) thaws() []state.Command {
	var commands []state.Command
	for _, inst := range t.st.Instances.All() {
		if inst.Phase == state.Frozen && t.found[inst.UUID] == nil && len(t.silent) == 0 && t.st.Busy(inst.Address) == nil {
			commands = append(commands, state.Command{Freeze: &state.Freeze{Instance: inst.Address, Thaw: true}})
		}
	}
	return commands
}

// leaveTwins drops all but one of several domains that are stamped with one address: the one that runs
// stays, then the youngest life.
func (t *takeover) leaveTwins() {
	best := map[spec.Address]*finding{}
	for _, uuid := range t.uuids() {
		f := t.found[uuid]
		if old := best[f.inst.Address]; old == nil || f.before(old) {
			best[f.inst.Address] = f
		}
	}
	for _, uuid := range t.uuids() {
		if f := t.found[uuid]; best[f.inst.Address] != f {
			delete(t.found, uuid)
			t.errs = append(t.errs, fmt.Errorf("domain %s is stamped as %s too: it was left alone", f.inst.Domain, f.inst.Address))
		}
	}
}

// before says which of two lives of an address is the one to keep.
func (f *finding) before(other *finding) bool {
	if a, b := len(f.active) > 0, len(other.active) > 0; a != b {
		return a
	}
	return f.inst.Incarnation > other.inst.Incarnation
}

// restamp writes our stamps. One that can't be written is reported; the record knows the instance, so
// the next takeover or redefinition writes it.
func (t *takeover) restamp(ctx context.Context) {
	for _, uuid := range t.uuids() {
		f := t.found[uuid]
		if f.inst.Phase == state.Frozen {
			continue
		}
		stamp, err := operation.Stamp(state.State{ClusterID: t.st.ClusterID, Fleet: t.fleet}, f.inst, "takeover")
		if err == nil {
			err = f.host.SetStamp(ctx, uuid, stamp)
		}
		if err != nil {
			t.errs = append(t.errs, fmt.Errorf("stamp of %s: %w", f.inst.Address, err))
		}
	}
}

// uuids lists what was found, in order of address.
func (t *takeover) uuids() []string {
	uuids := make([]string, 0, len(t.found))
	for uuid := range t.found {
		uuids = append(uuids, uuid)
	}
	slices.SortFunc(uuids, func(a, b string) int {
		x, y := t.found[a].inst, t.found[b].inst
		return strings.Compare(string(x.Address)+x.UUID, string(y.Address)+y.UUID)
	})
	return uuids
}
