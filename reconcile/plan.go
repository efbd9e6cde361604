package reconcile

import (
	"context"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/planner/drift"
	"github.com/novaplan/novaplan/reconcile/observe"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// Observe looks at the hosts of the spec in force and of desired (nil: only those in force), and
// changes nothing on them. It fails only when ctx ends.
func (c *Controller) Observe(ctx context.Context, desired *spec.Spec) (*planner.Observed, error) {
	defer c.hosts.looking()()
	st := c.rec.State()
	look := c.lookAt(st, desired)
	look.Hosts, look.Disks = c.toLookAt(st, desired), disksOf(st)
	seen, err := look.At(ctx, time.Now().UTC())
	if err != nil {
		return nil, err
	}
	for address, h := range seen.Hosts {
		if h.Reachable {
			c.hosts.answered(address, seen.At)
		}
	}
	c.mu.Lock()
	c.seen = seen
	c.mu.Unlock()
	return seen, nil
}

// lookAt returns a look at no host yet.
func (c *Controller) lookAt(st state.State, desired *spec.Spec) observe.Look {
	return observe.Look{
		Pools: c.pools(st, desired), Cluster: st.ClusterID,
		Open: c.hosts.get, LastSeen: c.hosts.lastSeen,
		Recorded: func(a spec.Address) *state.Inventory {
			if h, ok := st.Hosts.Get(string(a)); ok {
				return &h.Inventory
			}
			return nil
		},
		Parallel: c.opts.Observe, Connect: c.opts.Connect, Last: c.lastSeen(),
	}
}

// disksOf tells which files in a host's pool are the disks of instances on record, those that a migration brings
// there included.
func disksOf(st state.State) func(spec.Address, spec.Pool) map[string]bool {
	add := func(names map[string]bool, in *state.Instance, pool spec.Pool) {
		if in.Pool.Shared != pool.Shared || in.Pool.Dir() != (state.Pool{Path: pool.Path}).Dir() {
			return
		}
		for _, d := range in.Disks {
			names[path.Base(d.Path)] = true
		}
	}
	shared := sync.OnceValue(func() map[string]map[string]bool {
		byPath := map[string]map[string]bool{}
		for _, in := range st.Instances.All() {
			if in.Pool.Shared {
				dir := in.Pool.Dir()
				if byPath[dir] == nil {
					byPath[dir] = map[string]bool{}
				}
				add(byPath[dir], in, spec.Pool{Path: in.Pool.Path, Shared: true})
			}
		}
		return byPath
	})
	return func(host spec.Address, pool spec.Pool) map[string]bool {
		if pool.Shared {
			return shared()[(state.Pool{Path: pool.Path}).Dir()]
		}
		names := map[string]bool{}
		for _, a := range st.Residents(host) {
			if in, ok := st.Instances.Get(string(a)); ok {
				add(names, in, pool)
			}
		}
		return names
	}
}

// lastSeen returns the last look, nil when there was none.
func (c *Controller) lastSeen() *planner.Observed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// toLookAt returns the hosts of the proposal, of the spec in force, and recorded ones that left it,
// each once.
func (c *Controller) toLookAt(st state.State, desired *spec.Spec) []*spec.Host {
	var all []*spec.Host
	known := map[spec.Address]bool{}
	add := func(h *spec.Host) {
		if !known[h.Address] {
			known[h.Address] = true
			all = append(all, h)
		}
	}
	if desired != nil {
		for i := range desired.Hosts {
			add(&desired.Hosts[i])
		}
	}
	if st.Desired != nil {
		for i := range st.Desired.Spec.Hosts {
			add(&st.Desired.Spec.Hosts[i])
		}
	}
	for address := range st.Hosts.All() {
		if known[spec.Address(address)] {
			continue
		}
		if h, err := c.hosts.find(spec.Address(address)); err == nil {
			add(h)
		}
	}
	return all
}

// pools returns all pools that an instance has or may get, each path once.
func (c *Controller) pools(st state.State, desired *spec.Spec) []spec.Pool {
	var all []spec.Pool
	if desired != nil {
		all = append(all, desired.Pools...)
	}
	if st.Desired != nil {
		all = append(all, st.Desired.Spec.Pools...)
	}
	if len(all) == 0 {
		all = append(all, spec.Pool{Name: "default", Type: spec.PoolDir, Path: operation.DefaultPool})
	}
	var pools []spec.Pool
	known := map[string]bool{}
	for _, p := range all {
		if !known[p.Path] {
			known[p.Path] = true
			pools = append(pools, p)
		}
	}
	return pools
}

// Plan looks at the hosts and computes what would be done to make them what desired says (nil: the
// spec in force). Nothing is written.
func (c *Controller) Plan(ctx context.Context, desired *spec.Spec, opts planner.Options) (*planner.Plan, *planner.Observed, error) {
	plan, seen, _, err := c.compute(ctx, desired, opts)
	return plan, seen, err
}

// compute also returns the state that the plan was computed from: the record with desired in place.
func (c *Controller) compute(ctx context.Context, desired *spec.Spec, opts planner.Options) (*planner.Plan, *planner.Observed, state.State, error) {
	sizes := c.askSizes(ctx, desired, opts)
	seen, err := c.Observe(ctx, desired)
	images := sizes()
	if err != nil {
		return nil, nil, state.State{}, err
	}
	with := *seen // others have seen it already
	with.Images = images
	seen = &with
	st := c.rec.State()
	opts = c.ignoring(opts)
	if desired != nil || opts.Destroy {
		st = planner.Propose(st, c.desired(desired), opts)
	}
	return planner.Compute(st, seen, seen.At, opts), seen, st, nil
}

// ignoring adds what the settings say is no difference to anybody.
func (c *Controller) ignoring(opts planner.Options) planner.Options {
	opts.Leave = append(slices.Clip(opts.Leave), drift.Ignored(c.rec.State().Settings)...)
	return opts
}

// Explain tells everything about one instance of desired (nil: of the spec in force). It returns nil
// when neither the spec nor the record knows the address.
func (c *Controller) Explain(ctx context.Context, desired *spec.Spec, address spec.Address) (*planner.Explanation, error) {
	seen, err := c.Observe(ctx, desired)
	if err != nil {
		return nil, err
	}
	st := c.rec.State()
	if desired != nil {
		st = planner.Propose(st, desired, planner.Options{})
	}
	return planner.Explain(st, seen, seen.At, planner.Options{Explain: true}, address), nil
}
