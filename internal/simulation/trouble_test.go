package simulation

import (
	"context"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
)

// methods are the calls that faults befall.
var methods = []string{
	"DefineDomain", "StartDomain", "DestroyDomain", "ShutdownDomain", "UndefineDomain", "GetDomain", "ListDomains", "CreateVolume", "UploadVolume",
	"DownloadVolume", "DeleteVolume", "GetVolume", "Migrate", "Migrate", "SetClaim", "GetClaim", "SetStamp", "SaveDomain", "ResumeDomain", "*",
}

// trouble makes one kind of it.
func (s *simulation) trouble() {
	for range s.random.IntN(3) {
		s.callFault()
	}
	switch n := s.random.IntN(100); {
	case n < 24:
		s.depose()
	case n < 29:
		s.killMember(s.members[s.random.IntN(len(s.members))])
	case n < 34:
		s.cutOneWay()
	case n < 44:
		s.hostTrouble()
	case n < 50:
		kind := []sim.FaultKind{sim.Stick, sim.Break}[s.random.IntN(2)]
		s.inject(sim.Fault{Kind: kind, Host: "*", Method: "Migrate", Times: 1})
	}
}

// latest is how long after its caller was told that nobody knows a call may take effect.
const latest = 8 * time.Minute

// callFault puts a fault of calls in force.
func (s *simulation) callFault() {
	kinds := []sim.FaultKind{sim.Fail, sim.Drop, sim.Lose, sim.Late, sim.Late, sim.Late, sim.Delay}
	kind, method := kinds[s.random.IntN(len(kinds))], methods[s.random.IntN(len(methods))]
	if kind == sim.Delay && (method == "DeleteVolume" || method == "CreateVolume" || method == "*") {
		kind = sim.Late // that is what a delay is to a caller that leaves
	}
	after := time.Duration(s.random.IntN(90)) * time.Second
	if kind == sim.Late && s.random.IntN(2) == 0 {
		after = s.some(2*time.Minute, latest)
	}
	s.inject(sim.Fault{Kind: kind, Method: method, Host: hostName(s.random.IntN(hostCount)), After: after, Times: 1 + s.random.IntN(3)})
}

func (s *simulation) inject(f sim.Fault) {
	s.log("fault %s %s on %s, %s, %d times", f.Kind, f.Method, f.Host, f.After, f.Times)
	remove := s.world.Inject(f)
	s.later(4*time.Minute, remove) // what befell nothing by then is forgotten
}

// later does something after a while, unless all is healed before.
func (s *simulation) later(d time.Duration, do func()) {
	s.pending = append(s.pending, errand{time.Now().Add(d), do})
}

type errand struct {
	at time.Time
	do func()
}

// due does what is due by now.
func (s *simulation) due() {
	left := s.pending[:0:0]
	pending := s.pending
	s.pending = nil
	for _, e := range pending {
		if time.Now().Before(e.at) {
			left = append(left, e)
			continue
		}
		e.do()
	}
	s.pending = append(s.pending, left...)
}

// some is a random time between two.
func (s *simulation) some(least, most time.Duration) time.Duration {
	return least + time.Duration(s.random.Int64N(int64(most-least)))
}

// leader returns the member that leads in the highest term; nil when there is none.
func (s *simulation) leader() (best *member) {
	var high uint64
	for _, m := range s.members {
		if _, term := m.controller(); term > high {
			best, high = m, term
		}
	}
	return best
}

// leads reports whether a majority takes a member for the leader now.
func (s *simulation) leads(m *member) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return m.node.Verify(ctx) == nil
}

// newest returns the newest record that any member ever had: what is applied is committed, and stays.
func (s *simulation) newest() state.State {
	for _, m := range s.members {
		if m.up() && m.node.State().Index > s.best.Index {
			s.best = m.node.State()
		}
	}
	return s.best
}

// depose takes the lead from whoever has it.
func (s *simulation) depose() {
	m := s.leader()
	if m == nil {
		return
	}
	if st := s.newest(); len(st.Running()) > 0 {
		s.midway = true
	} else if s.random.IntN(3) > 0 {
		return // in the middle of an operation is where it hurts
	}
	switch s.random.IntN(4) {
	case 0:
		s.log("%s hands over", m.id)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = m.node.TransferLeadership(ctx, "")
	case 1:
		s.killMember(m)
	case 2:
		s.isolate(m)
	case 3:
		s.pause(m)
	}
	s.counts.Faults++
}

func (s *simulation) killMember(m *member) {
	if !m.up() {
		return
	}
	s.counts.Faults++
	s.counts.Kills++
	s.log("%s is killed", m.id)
	m.kill()
	m.gate.release()
	s.later(s.some(time.Second, 90*time.Second), func() { s.revive(m) })
}

func (s *simulation) revive(m *member) {
	if !m.up() {
		s.log("%s starts again", m.id)
		m.begin()
	}
}

// isolate cuts a member off from the others, both ways. It still reaches the hosts.
func (s *simulation) isolate(m *member) {
	s.counts.Partitions++
	s.log("%s is cut off", m.id)
	s.network.Isolate(m.address)
	s.later(s.some(2*time.Second, 60*time.Second), func() { s.mend(m) })
}

func (s *simulation) mend(m *member) {
	s.log("%s is back on the network", m.id)
	for _, other := range s.members {
		s.network.Mend(m.address, other.address)
		s.network.Mend(other.address, m.address)
	}
}

// cutOneWay cuts one direction between two members.
func (s *simulation) cutOneWay() {
	a, b := s.members[s.random.IntN(len(s.members))], s.members[s.random.IntN(len(s.members))]
	if a == b {
		return
	}
	s.counts.Faults++
	s.counts.Partitions++
	s.log("%s does not reach %s", a.id, b.id)
	s.network.Cut(a.address, b.address)
	s.later(s.some(2*time.Second, 2*time.Minute), func() { s.network.Mend(a.address, b.address) })
}

// pause stops a member: nothing leaves it, neither to the others nor to hosts. When it goes on, it sends what it was
// about to send, and takes itself for the leader until it hears of another.
func (s *simulation) pause(m *member) {
	s.counts.Pauses++
	s.log("%s stops", m.id)
	m.gate.hold()
	s.network.Isolate(m.address)
	s.later(s.some(3*time.Second, 3*time.Minute), func() {
		s.log("%s goes on", m.id)
		m.gate.release()
		s.mend(m)
	})
}

// hostTrouble takes a host away for a while.
func (s *simulation) hostTrouble() {
	name := hostName(s.random.IntN(hostCount))
	condition := []sim.Condition{sim.Cut, sim.Hung, sim.Hung, sim.Down}[s.random.IntN(4)]
	if condition == sim.Down {
		s.ledger.crashed(name)
	}
	s.counts.Faults++
	s.counts.Hosts++
	s.log("%s is %s", name, condition)
	s.world.SetCondition(name, condition)
	s.later(s.some(5*time.Second, 4*time.Minute), func() {
		s.log("%s is up", name)
		s.world.SetCondition(name, sim.Up)
	})
}

// heal ends all trouble.
func (s *simulation) heal() {
	s.log("all is healed")
	s.pending = nil
	s.world.ClearFaults("*")
	for i := range hostCount {
		s.world.SetCondition(hostName(i), sim.Up)
	}
	for _, d := range s.world.Truth().Domains { // migrations that never end
		if d.Migrating {
			_ = s.world.Behind(d.Host).AbortMigration(context.Background(), d.UUID)
		}
	}
	s.network.Heal()
	for _, m := range s.members {
		m.gate.release()
		s.revive(m)
	}
}
