package planner

import (
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
	"github.com/novaplan/novaplan/spec"
)

// Compute decides what has to be done so that the fleet becomes what st.Desired says. It is pure:
// equal arguments give equal plans, byte for byte. obs may be nil: then nothing was seen, and nothing
// is decided about what exists.
func Compute(st state.State, obs *Observed, now time.Time, o Options) *Plan {
	return newComputation(st, obs, now, o).run()
}

func (c *computation) run() *Plan {
	c.lookAtHosts()
	c.lookAtWork()
	c.claimHosts()
	c.lookAtDomains()
	c.compare()
	c.relocate()
	c.place()
	c.order()
	c.uploads()
	return c.finish()
}

// computation is one run of Compute: the inputs, what was found out, and the decisions so far.
type computation struct {
	st      state.State
	desired *state.Desired
	spec    *spec.Spec
	index   *spec.Index
	obs     *Observed
	now     time.Time
	options Options
	about   spec.Address // explained in full, "" for none

	hosts  []*host // of the spec, in spec order; then recorded ones that left it, by address
	hostAt map[spec.Address]*host

	shared map[string]bool  // paths of the pools that hosts share
	fleet  *placement.Fleet // as it will be when everything decided so far is done
	policy *placement.Scheduler
	pick   *placement.Index

	work      map[spec.Address][]*job // of operations that are not final
	sightings map[string][]sighting   // our domains by UUID
	stamped   map[spec.Address]sighting
	networks  map[spec.Address]*addresses
	requests  map[requestKey]*placement.Request

	failures map[attempt]failure
	onHold   map[spec.Address]bool       // of Options.Hold
	names    map[*host]map[string]string // domain name -> UUID
	unread   []string                    // hosts of which nobody knows what they hold

	// Named buckets, each in spec order.
	creates []*spec.Instance       // to place
	drains  map[int][]*record      // draining host -> what must leave it
	moves   []*record              // what must leave its host for its own sake
	units   map[spec.Address]*unit // affinity groups
	gone    map[spec.Address]*job

	jobs []*job
	plan *Plan

	changes []*Change
}

// record is an instance that has a place, with what is wanted of it and what was seen of it.
type record struct {
	have   *state.Instance
	want   *spec.Instance // nil: it left the spec
	host   *host
	domain *Domain // on its host; nil: not there
	reason state.Reason
	free   bool  // something may be decided about it now
	unit   *unit // nil: it moves on its own
}

// job is an operation of the graph: one to be approved, or an approved one that isn't finished.
type job struct {
	op       state.Operation
	existing bool
	change   *Change
	occupant placement.Occupant
	from, to int // ordinals in hosts, -1 for none
	after    []*job
	dropped  bool // there is no legal order with it
}

func newComputation(st state.State, obs *Observed, now time.Time, o Options) *computation {
	desired := st.Desired
	if desired == nil {
		desired = state.NewDesired(&spec.Spec{})
		st.Desired = desired
	}
	if obs == nil {
		obs = &Observed{}
	}
	return &computation{
		st: st, desired: desired, spec: desired.Spec, index: desired.Index, obs: obs, now: now, options: o,
		hostAt:    map[spec.Address]*host{},
		work:      map[spec.Address][]*job{},
		sightings: map[string][]sighting{},
		stamped:   map[spec.Address]sighting{},
		networks:  map[spec.Address]*addresses{},
		requests:  map[requestKey]*placement.Request{},
		drains:    map[int][]*record{},
		gone:      map[spec.Address]*job{},
		plan:      &Plan{Base: st.Revision},
		shared:    sharedPools(desired.Spec),
	}
}

func sharedPools(s *spec.Spec) map[string]bool {
	shared := map[string]bool{}
	for i := range s.Pools {
		shared[s.Pools[i].Path] = s.Pools[i].Shared
	}
	return shared
}

// add appends a job and its line of the plan. A second job of the same line passes a nil change.
func (c *computation) add(j *job, change *Change) *job {
	j.op.Phase = state.Pending
	if change != nil {
		c.changes = append(c.changes, change)
		j.change = change
	}
	c.jobs = append(c.jobs, j)
	return j
}

// explains reports whether the placement of a is to be told host by host.
func (c *computation) explains(a spec.Address) bool { return c.options.Explain || a == c.about }

func (c *computation) fail(m Message) { c.plan.Errors = append(c.plan.Errors, m) }
func (c *computation) warn(m Message) { c.plan.Warnings = append(c.plan.Warnings, m) }

// base returns the spec that a proposal replaces, or the one in force.
func (c *computation) base() *state.Desired {
	if c.desired.Base != nil {
		return c.desired.Base
	}
	return c.desired
}
