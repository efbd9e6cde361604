package simulation

import (
	"fmt"
	"strings"

	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
)

// counts is how much went wrong, and how much was done all the same.
type counts struct {
	Hours      float64
	Steps      int // after each of which everything was checked
	Faults     int // of members, networks and hosts as a whole; calls come on top
	Calls      int // that a fault befell
	Late       int // calls that took effect after their caller was told that nobody knows
	Leaders    int // changes of the leader
	Midway     int // of these in the middle of an operation
	Kills      int
	Partitions int
	Pauses     int
	Hosts      int
	Applies    int // acknowledged
	Operations int // that ended
	Frozen     int // instances that only a takeover made usable again, when all was healed
	Quiet      int // looks at a guest that nothing was to happen to
}

func (c *counts) add(o counts) {
	c.Hours += o.Hours
	for _, f := range []struct{ to, from *int }{
		{&c.Steps, &o.Steps}, {&c.Faults, &o.Faults}, {&c.Calls, &o.Calls}, {&c.Late, &o.Late}, {&c.Leaders, &o.Leaders}, {&c.Midway, &o.Midway},
		{&c.Kills, &o.Kills}, {&c.Partitions, &o.Partitions}, {&c.Pauses, &o.Pauses}, {&c.Hosts, &o.Hosts}, {&c.Applies, &o.Applies},
		{&c.Operations, &o.Operations}, {&c.Frozen, &o.Frozen}, {&c.Quiet, &o.Quiet},
	} {
		*f.to += *f.from
	}
}

// What a simulated hour has at least; less would prove little.
const (
	leastFaults = 60
	leastMidway = 10
	leastLate   = 5
)

// thin says what there was too little of; "" when it was dense enough.
func (c *counts) thin() string {
	var too []string
	for _, f := range []struct {
		name       string
		got, least int
	}{{"faults", c.Faults + c.Calls, leastFaults}, {"leader changes in mid-operation", c.Midway, leastMidway}, {"late effects", c.Late, leastLate}} {
		if per := float64(f.got) / c.Hours; per < float64(f.least) {
			too = append(too, fmt.Sprintf("%.1f %s an hour, want %d", per, f.name, f.least))
		}
	}
	return strings.Join(too, "; ")
}

func (c *counts) String() string {
	per := func(n int) string { return fmt.Sprintf("%.1f/h", float64(n)/max(c.Hours, 0.01)) }
	return fmt.Sprintf("%.1f cluster-hours, %d checks; %s faults (%s of calls, %s of hosts, %s killed members, %s partitions, %s pauses), "+
		"%s late effects, %s leader changes, %s of them in mid-operation; %s applies acknowledged, %s operations ended, %d instances left frozen for the operator, %d looks at quiet guests",
		c.Hours, c.Steps, per(c.Faults+c.Calls), per(c.Calls), per(c.Hosts), per(c.Kills), per(c.Partitions), per(c.Pauses),
		per(c.Late), per(c.Leaders), per(c.Midway), per(c.Applies), per(c.Operations), c.Frozen, c.Quiet)
}

// tally takes over what the hosts and gates counted.
func (s *simulation) tally(hours float64) {
	s.counts.Hours = hours
	befell := s.world.Befell()
	for kind, n := range befell {
		s.counts.Calls += n
		if kind == sim.Late {
			s.counts.Late += n
		}
	}
	for _, m := range s.members {
		s.counts.Late += m.gate.late()
	}
	for _, op := range s.newest().Operations.All() {
		if op.Phase.Final() {
			s.counts.Operations++
		}
	}
}
