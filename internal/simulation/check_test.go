package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/spec"
)

// ledger is what the simulation remembers of what it saw and was promised. Nothing in it is the controllers' word for
// what is on hosts.
type ledger struct {
	violations int                        // of the world's own, seen so far
	acked      map[uint64]string          // digests of revisions whose apply was acknowledged
	requests   map[string]uint64          // acknowledged requests, by the revision they made
	digests    map[uint64]digest          // of the record at an index
	born       map[string]bool            // instances that were once complete, by UUID
	trashed    map[string]time.Time       // until when their disks are kept, by UUID
	guests     map[string]guest           // that ran at the last check, by UUID
	busy       map[string]time.Time       // when an operation was last about it, by address
	foreign    map[string]sim.DomainTruth // guests of nobody, by host
	crashes    map[string]time.Time       // of hosts
}

type digest struct{ member, sum string }

// guest is one that runs.
type guest struct {
	host   string
	booted time.Time
	starts int
}

func newLedger() ledger {
	return ledger{
		acked: map[uint64]string{}, requests: map[string]uint64{}, digests: map[uint64]digest{}, born: map[string]bool{},
		trashed: map[string]time.Time{}, guests: map[string]guest{}, busy: map[string]time.Time{},
		foreign: map[string]sim.DomainTruth{}, crashes: map[string]time.Time{},
	}
}

// crashed notes that a host lost its power: its guests are off, and nobody but the host is to blame.
func (l *ledger) crashed(host string) { l.crashes[host] = time.Now() }

// check holds the promises against the truth of the hosts, and the members against each other.
func (s *simulation) check() {
	before, sure := s.record()
	truth := s.world.Truth()
	st := s.newest()
	s.note(st)
	s.checkWorld(truth)
	s.checkTwins(truth)
	s.checkForeign(truth)
	s.checkAcknowledged(st)
	s.checkMembers()
	s.checkCopies(truth, st)
	if sure {
		s.checkKnown(truth, before, st)
		s.checkDisks(truth, before, st)
		s.checkRoom(truth, st)
		s.checkSpread(truth, st)
		s.checkQuiet(truth, st)
	}
}

// record returns the newest record, and whether nobody can know a newer one: the leader has just been confirmed.
func (s *simulation) record() (st state.State, sure bool) {
	m := s.leader()
	sure = m != nil && m.up() && s.leads(m)
	if st = s.newest(); sure && m.node.State().Index < st.Index {
		s.broken("I3: %s leads at entry %d, entry %d was applied before", m.id, m.node.State().Index, st.Index)
	}
	return st, sure
}

// note remembers what the record says of operations and of trash: later it may be gone.
func (s *simulation) note(st state.State) {
	s.mu.Lock()
	for id, op := range st.Operations.All() {
		s.kinds[id] = op.Kind
	}
	s.mu.Unlock()
	for _, op := range st.Operations.All() {
		last := time.Now()
		if op.Phase.Final() { // it may have begun and ended since the last check
			last = op.Ended
		}
		if last.After(s.ledger.busy[string(op.Instance)]) {
			s.ledger.busy[string(op.Instance)] = last
		}
	}
	for _, in := range st.Instances.All() {
		if in.Phase == state.Active {
			s.ledger.born[in.UUID] = true
		}
	}
	for _, tr := range st.Trash.All() {
		s.ledger.trashed[tr.UUID] = tr.Expires
	}
}

// checkWorld takes over what the hypervisors noticed themselves: a guest on two hosts (I1), a disk deleted under its
// guest (I2), a disk that two guests wanted to write, a guest booted from half a disk.
func (s *simulation) checkWorld(truth sim.Truth) {
	for _, v := range truth.Violations[s.ledger.violations:] {
		s.broken("%s of %s on %v %s", v.Kind, v.UUID, v.Hosts, v.Path)
	}
	s.ledger.violations = len(truth.Violations)
	for uuid, hosts := range truth.Runs {
		if len(hosts) > 1 {
			s.broken("I1: %s runs on %v", uuid, hosts)
		}
	}
}

// checkTwins: no two lives of one address run at once (I1).
func (s *simulation) checkTwins(truth sim.Truth) {
	runs := map[string]sim.DomainTruth{}
	for _, d := range truth.Domains {
		if d.Stamp == nil || d.Power != hypervisor.PowerRunning && d.Power != hypervisor.PowerPaused {
			continue
		}
		if other, twice := runs[d.Stamp.Instance]; twice && other.Host != d.Host && !d.Migrating && !other.Migrating {
			s.broken("I1: %s is %s on %s and %s on %s", d.Name, other.Power, other.Host, d.Power, d.Host)
		}
		runs[d.Stamp.Instance] = d
	}
}

// checkKnown: nothing of ours runs that the record doesn't know: the record first, then the host.
func (s *simulation) checkKnown(truth sim.Truth, before, after state.State) {
	known := map[string]bool{}
	for _, st := range []state.State{before, after} {
		for _, in := range st.Instances.All() {
			known[in.UUID] = true
		}
	}
	for _, d := range truth.Domains {
		if d.Stamp != nil && d.Power == hypervisor.PowerRunning && !known[d.UUID] {
			s.broken("I1: %s runs on %s, and the record doesn't know it", d.Name, d.Host)
		}
	}
}

// checkDisks: the disks of every instance that nothing is done to are where the record says (I2). The record is
// looked at before and after the hosts. A config drive holds nothing that can't be made again: it may be gone.
func (s *simulation) checkDisks(truth sim.Truth, before, after state.State) {
	at := map[string]bool{}
	for _, d := range truth.Disks {
		at[d.Host+":"+d.Path] = true
	}
	for _, in := range after.Instances.All() {
		was, _ := before.Instances.Get(string(in.Address))
		if was != in || in.Phase != state.Active || before.Busy(in.Address) != nil || after.Busy(in.Address) != nil {
			continue
		}
		for _, d := range in.Disks {
			if d.Role != string(hypervisor.DiskConfig) && !at[place(in.Pool, in.Host)+d.Path] {
				s.broken("I2: the %s disk of %s is not at %s%s", d.Role, in.Address, place(in.Pool, in.Host), d.Path)
			}
		}
	}
}

// checkCopies: every instance that lives, or whose disks are kept, has a whole root disk somewhere (I2).
func (s *simulation) checkCopies(truth sim.Truth, st state.State) {
	roots := map[string]int{}
	for _, d := range truth.Disks {
		for uuid := range s.ledger.born {
			if strings.Contains(d.Path, uuid+"-root") && !d.Incomplete {
				roots[uuid]++
			}
		}
	}
	living := map[string]bool{}
	for _, in := range st.Instances.All() {
		living[in.UUID] = true
	}
	for uuid := range s.ledger.born {
		expires, trashed := s.ledger.trashed[uuid]
		switch {
		case roots[uuid] > 0:
		case living[uuid] && !trashed:
			s.broken("I2: no root disk of %s is left, which lives", uuid)
		case trashed && s.elapsed() < expires.Sub(s.began):
			s.broken("I2: no root disk of %s is left, which is kept until %s", uuid, expires.Sub(s.began))
		case !trashed && !living[uuid]:
			s.broken("I2: no root disk of %s is left, and nobody terminated it", uuid)
		}
	}
}

func place(pool state.Pool, host spec.Address) string {
	if pool.Shared {
		return ":"
	}
	return host.Short() + ":"
}

// checkAcknowledged: what was acknowledged is in the record for good (I3), and revisions never go back.
func (s *simulation) checkAcknowledged(st state.State) {
	for n, want := range s.ledger.acked {
		if n > st.Revision {
			s.broken("I3: revision %d was acknowledged, the newest is %d", n, st.Revision)
		}
		if rev, ok := st.RevisionByNumber(n); ok && rev.Digest != want {
			s.broken("I3: revision %d is not the one that was acknowledged", n)
		}
	}
}

// checkMembers: members that have applied the same entries have the same record, byte for byte, also after they
// were started again from their logs (I4).
func (s *simulation) checkMembers() {
	for _, m := range s.members {
		if !m.up() {
			continue
		}
		st := m.node.State()
		sum := state.Digest(st)
		if was, ok := s.ledger.digests[st.Index]; ok && was.sum != sum {
			s.broken("I4: at entry %d member %s has another record than %s had", st.Index, m.id, was.member)
		}
		s.ledger.digests[st.Index] = digest{m.id, sum}
		select {
		case <-m.node.Down():
			s.broken("member %s is down: %v", m.id, m.node.Err())
		default:
		}
	}
}

// checkRoom: no host has more on it than it is said to take (I5), guests on their way included. A guest that the
// record knows elsewhere was moved by a call that came late: nobody planned that.
func (s *simulation) checkRoom(truth sim.Truth, st state.State) {
	cpus, ram := map[string]int{}, map[string]int64{}
	for _, d := range truth.Domains {
		if !d.Power.Active() || !s.planned(st, d) {
			continue
		}
		cpus[d.Host] += d.VCPUs
		ram[d.Host] += d.MemoryMiB
	}
	for host := range cpus {
		if cpus[host] > hostCPUs || ram[host] > hostRAM {
			s.broken("I5: %d vCPUs and %d MiB run on %s", cpus[host], ram[host], host)
		}
	}
}

// planned reports whether the record knows a domain where it is, or on its way there.
func (s *simulation) planned(st state.State, d sim.DomainTruth) bool {
	if d.Stamp == nil {
		return true
	}
	for _, in := range st.Instances.All() {
		if in.UUID != d.UUID {
			continue
		}
		op := st.Busy(in.Address)
		return in.Host.Short() == d.Host || op != nil && op.To.Short() == d.Host
	}
	return false
}

// checkSpread: the anti-affinity group is spread (I5).
func (s *simulation) checkSpread(truth sim.Truth, st state.State) {
	if st.Desired == nil {
		return
	}
	on := map[string]string{}
	for _, in := range st.Instances.All() {
		if g := st.Desired.Group(in.Address); g == nil || g.Policy != spec.AntiAffinity {
			continue // also one that nobody wants any more: it is on its way out
		}
		for _, d := range truth.Domains {
			if d.UUID != in.UUID || d.Power != hypervisor.PowerRunning || !s.planned(st, d) {
				continue
			}
			if other := on[d.Host]; other != "" && other != d.Name {
				s.broken("I5: %s and %s are both on %s", other, d.Name, d.Host)
			}
			on[d.Host] = d.Name
		}
	}
}

// checkForeign: what novaplan didn't make is as it was (I7).
func (s *simulation) checkForeign(truth sim.Truth) {
	found := 0
	for _, d := range truth.Domains {
		was, ok := s.ledger.foreign[d.Host]
		if !ok || d.UUID != was.UUID {
			continue
		}
		found++
		if d.Definition.Name != was.Definition.Name || len(d.Disks) != len(was.Disks) || d.Starts != was.Starts || d.Stamp != nil {
			s.broken("I7: the foreign guest on %s is not as it was", d.Host)
		}
		if _, crashed := s.ledger.crashes[d.Host]; d.Power != was.Power && !crashed {
			s.broken("I7: the foreign guest on %s is %s, it was %s", d.Host, d.Power, was.Power)
		}
	}
	if found != len(s.ledger.foreign) {
		s.broken("I7: %d of %d foreign guests are left", found, len(s.ledger.foreign))
	}
}

// quiet is for how long no operation must have been about an instance until nothing may happen to it: calls that come late
// come within it.
const quiet = latest + 4*time.Minute

// checkQuiet: guests that nobody does anything to run on where they are (I8).
func (s *simulation) checkQuiet(truth sim.Truth, st state.State) {
	now := map[string]guest{}
	for _, d := range truth.Domains {
		if d.Stamp == nil || d.Power != hypervisor.PowerRunning {
			continue
		}
		now[d.UUID] = guest{d.Host, d.BootedAt, d.Starts}
	}
	for _, in := range st.Instances.All() {
		was, ran := s.ledger.guests[in.UUID]
		last, known := s.ledger.busy[string(in.Address)]
		if !ran || !known || time.Since(last) < quiet {
			continue
		}
		s.counts.Quiet++
		if crash, ok := s.ledger.crashes[was.host]; ok && time.Since(crash) < quiet {
			continue
		}
		if is, runs := now[in.UUID]; !runs || is != was {
			s.broken("I8: %s was left alone and ran on %s since %s, now it is %+v", in.Address, was.host, was.booted.Format("15:04:05"), is)
		}
	}
	s.ledger.guests = now
}

// checkConverged: without trouble everything comes to what is wanted, and there it stays.
func (s *simulation) checkConverged() {
	_, c := s.asked()
	if c == nil {
		s.broken("nobody leads in the end")
		return
	}
	plan, _, err := c.Plan(context.Background(), s.wishes.spec(), planner.Options{})
	if err != nil {
		s.broken("I6: the last plan: %v", err)
		return
	}
	for i := range plan.Changes {
		s.broken("I6: still to do: %s %s %s->%s %s", plan.Changes[i].Action, plan.Changes[i].Address, plan.Changes[i].From, plan.Changes[i].To, plan.Changes[i].Reason.Message)
	}
	for _, e := range plan.Errors {
		s.broken("I6: the last plan: %+v", e)
	}
	st := s.newest()
	for id, op := range st.Operations.All() {
		if !op.Phase.Final() {
			s.broken("I6: operation %s %s %s is %s: %s", id, op.Action, op.Instance, op.Phase, op.Error)
		}
	}
	for a, in := range st.Instances.All() {
		if in.Phase != state.Active {
			s.broken("I6: %s is %s on %s: %s; it is %s", a, in.Phase, in.Host, in.Why, s.whereabouts(in.UUID))
		}
	}
	s.checkGuests(st, plan)
	for _, m := range s.members {
		if m.up() && m.node.State().Index != st.Index {
			s.broken("I4: member %s is at entry %d in the end, others at %d", m.id, m.node.State().Index, st.Index)
		}
	}
}

// whereabouts says where domains of a UUID really are.
func (s *simulation) whereabouts(uuid string) (all []string) {
	for _, d := range s.world.Truth().Domains {
		if d.UUID == uuid && d.Stamp != nil {
			all = append(all, fmt.Sprintf("%s on %s, generation %d", d.Power, d.Host, d.Stamp.Generation))
		}
	}
	return all
}

// checkGuests: in the end exactly what is wanted runs, where the record says.
func (s *simulation) checkGuests(st state.State, plan *planner.Plan) {
	runs := map[string]string{}
	for _, d := range s.world.Truth().Domains {
		if d.Stamp != nil && d.Power == hypervisor.PowerRunning {
			runs[d.UUID] = d.Host
		}
	}
	unplaced := map[spec.Address]bool{} // there may be no room for all
	for i := range plan.Unplaced {
		unplaced[plan.Unplaced[i].Address] = true
	}
	wanted := s.wishes.spec().Instances
	for i := range wanted {
		if unplaced[wanted[i].Address] {
			continue
		}
		in, ok := st.Instances.Get(string(wanted[i].Address))
		if !ok || runs[in.UUID] != in.Host.Short() {
			s.broken("I6: %s is wanted and doesn't run where the record says: %+v", wanted[i].Address, in)
			continue
		}
		delete(runs, in.UUID)
	}
	for uuid, host := range runs {
		s.broken("I6: %s runs on %s, and nobody wants it", uuid, host)
	}
}

// settleForeigners puts a guest on each host that novaplan has nothing to do with.
func (s *simulation) settleForeigners() {
	for i := range hostCount {
		name := hostName(i)
		h := s.world.Behind(name)
		id := fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", i)
		pool := hypervisor.Pool{Path: "/srv/foreign"}
		ctx := context.Background()
		_, err := h.EnsurePool(ctx, pool)
		var v hypervisor.Volume
		if err == nil {
			v, err = h.CreateVolume(ctx, pool, hypervisor.VolumeSpec{Name: "foreign.qcow2", Format: "qcow2", Bytes: 1 << 30})
		}
		if err == nil {
			err = h.DefineDomain(ctx, hypervisor.Definition{UUID: id, Name: "foreign", VirtType: "kvm", Arch: "x86_64", VCPUs: 1, MemoryMiB: 512,
				Disks: []hypervisor.Disk{{Path: v.Path, Format: "qcow2", Role: hypervisor.DiskRoot}}})
		}
		if err == nil {
			err = h.StartDomain(ctx, id)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	for _, d := range s.world.Truth().Domains {
		s.ledger.foreign[d.Host] = d
	}
}
