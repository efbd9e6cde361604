package cluster

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster/clustertest"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "replay this seed; 0: random")
	simSpan  = flag.Duration("sim.span", 2*time.Minute, "virtual time of each simulation")
	simCount = flag.Int("sim.count", 1, "simulations, of different seeds")
)

// TestMembersUnderFaults crashes, cuts off, slows down and wipes members at random, in virtual time, while
// clients count. What was acknowledged must be there at the end, in every member, byte for byte the same.
func TestMembersUnderFaults(t *testing.T) {
	for i := range *simCount {
		seed := *simSeed
		if seed == 0 {
			seed = rand.Uint64()
		}
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { simulate(t, dir, seed, *simSpan) })
		})
		if *simSeed != 0 && i == 0 {
			return
		}
	}
}

// simLogger writes what members say, with virtual times, when a seed is replayed.
func simLogger(id string) *slog.Logger {
	if *simSeed == 0 {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("member", id)
}

// world is one simulation.
type world struct {
	*group
	random *rand.Rand
	mu     sync.Mutex
	acked  int               // the highest count acknowledged, +1
	leads  map[uint64]string // who led in a term
	faults map[string]int
	disks  *disks
}

func simulate(t *testing.T, dir string, seed uint64, span time.Duration) {
	g := inMemory(t)
	g.dir = dir
	w := &world{group: g, random: rand.New(rand.NewPCG(seed, 1)), leads: map[uint64]string{}, faults: map[string]int{}}
	w.disks = faultyDisks(g, func(o *Options) {
		o.Membership.tune = nil // the LAN profile as it is
		o.DiskLimit = time.Hour
		o.Logger = simLogger(o.Membership.ID)
	})
	jitter := rand.New(rand.NewPCG(seed, 2))
	g.network.Delay(func(from, to string) time.Duration { return time.Duration(jitter.IntN(3000)) * time.Microsecond })
	g.begin("a", "b", "c")
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	var clients sync.WaitGroup
	clients.Go(func() { w.count(ctx) })
	for ctx.Err() == nil {
		w.fault(ctx)
		w.pause(ctx, time.Duration(w.random.IntN(20_000))*time.Millisecond)
	}
	clients.Wait()
	w.mend()
	w.verify()
	t.Logf("%d counts acknowledged, %d leaderships, faults %v", w.acked, len(w.leads), w.faults)
	if w.acked < 50 || len(w.leads) < 2 {
		t.Error("that is too little: the simulation tests nothing")
	}
}

func (w *world) pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// up are the members that run.
func (w *world) up() (nodes []*Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.order {
		if n := w.members[id].node; n != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// count is a client that adds one to a counter, again and again, with whoever leads. It reads the counter by a
// consistent read, and nobody else writes: so what it reads is what it wrote, or one more when an answer was lost.
func (w *world) count(ctx context.Context) {
	next, unsure := 0, false
	for ctx.Err() == nil {
		w.pause(ctx, 100*time.Millisecond)
		n := w.leading(ctx)
		if n == nil {
			continue
		}
		read := n.State().Hosts.Len()
		if read != next && !(unsure && read == next+1) {
			w.t.Errorf("%s reads %d, %d were acknowledged (one more may be: %t)", id(n), read, next, unsure)
			return
		}
		next, unsure = read, false
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		result, err := n.Propose(try, inventory(next))
		cancel()
		switch {
		case err != nil:
			unsure = true
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				w.t.Errorf("a proposal to %s hangs", id(n))
			}
		case result.Refused != nil:
			w.t.Error(result.Refused)
		default:
			next++
		}
		w.mu.Lock()
		w.acked = next
		w.mu.Unlock()
		if unsure { // the lost answer may come true only after this: wait for whoever leads then
			w.settleDoubt(ctx, &next)
		}
	}
}

// settleDoubt reads again until a leader answers: a command that was lost by then stays lost, because a later
// leader's log doesn't have it.
func (w *world) settleDoubt(ctx context.Context, next *int) {
	for ctx.Err() == nil {
		if n := w.leading(ctx); n != nil {
			if read := n.State().Hosts.Len(); read == *next+1 {
				*next = read
				w.mu.Lock()
				w.acked = read
				w.mu.Unlock()
			}
			return
		}
		w.pause(ctx, 100*time.Millisecond)
	}
}

// leading returns a member that has just proven to lead.
func (w *world) leading(ctx context.Context) *Node {
	for _, n := range w.up() {
		term := n.Term()
		if term == 0 {
			continue
		}
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := n.Verify(try)
		cancel()
		if err != nil {
			continue
		}
		w.mu.Lock()
		if who := w.leads[term]; who != "" && who != id(n) {
			w.t.Errorf("%s and %s both lead in term %d", who, id(n), term)
		}
		w.leads[term] = id(n)
		w.mu.Unlock()
		return n
	}
	return nil
}

// fault does something bad to the cluster for a while. A majority is there most of the time.
func (w *world) fault(ctx context.Context) {
	victim := w.order[w.random.IntN(len(w.order))]
	other := w.order[w.random.IntN(len(w.order))]
	if w.random.IntN(2) == 0 {
		for _, n := range w.up() {
			if n.Term() > 0 {
				victim = id(n)
			}
		}
	}
	span := time.Duration(w.random.IntN(15_000)) * time.Millisecond
	switch w.random.IntN(9) {
	case 0:
		w.note("crash")
		w.crash(victim)
		w.pause(ctx, span)
		w.revive(victim)
	case 1:
		w.note("stop")
		w.stopped(victim)
		w.pause(ctx, span)
		w.revive(victim)
	case 2:
		w.note("isolate")
		w.network.Isolate(w.members[victim].address)
		w.pause(ctx, span)
		w.network.Heal()
	case 3:
		w.note("one way")
		w.network.Cut(w.members[victim].address, w.members[other].address)
		w.pause(ctx, span)
		w.network.Heal()
	case 4:
		w.note("all crash")
		for _, id := range w.order {
			w.crash(id)
		}
		w.pause(ctx, span)
		for _, id := range w.order {
			w.revive(id)
		}
	case 5:
		w.note("two cut, one crashes")
		w.network.Cut(w.members[victim].address, w.members[other].address)
		w.network.Cut(w.members[other].address, w.members[victim].address)
		w.crash(victim)
		w.revive(victim)
		w.pause(ctx, span)
		w.network.Heal()
	case 6:
		w.note("transfer")
		if n := w.leading(ctx); n != nil {
			_ = n.TransferLeadership(ctx, "")
		}
	case 7:
		w.note("wipe")
		w.wipe(ctx, victim)
	case 8:
		w.note("slow disk")
		release := w.disks.of(victim).hang()
		w.pause(ctx, span/5) // below the watchdog's limit
		close(release)
	}
}

// wipe takes a member's disk away and waits until the rest has let it in again.
func (w *world) wipe(ctx context.Context, victim string) {
	w.crash(victim)
	if err := os.RemoveAll(w.members[victim].dir); err != nil {
		w.t.Error(err)
	}
	w.revive(victim)
	for range 120 {
		wiped := w.node(victim) // before it is let in, it is a voter only in what the others remember
		if n := w.leading(ctx); n != nil && voter(n, victim) && voter(wiped, victim) {
			return
		}
		w.pause(ctx, time.Second)
	}
	if ctx.Err() == nil {
		w.t.Errorf("%s was wiped and is not let in again", victim)
	}
}

func (w *world) note(what string) { w.faults[what]++ }

func (w *world) crash(id string) { w.end(id, (*Node).Kill) }

func (w *world) stopped(id string) { w.end(id, (*Node).Close) }

func (w *world) end(id string, how func(*Node) error) {
	w.mu.Lock()
	s := w.members[id]
	n, p := s.node, s.port
	s.node, s.port = nil, nil
	w.mu.Unlock()
	if err := how(n); err != nil {
		w.t.Error(id, err)
	}
	p.stop()
}

func (w *world) revive(id string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.open(id); err != nil {
		w.t.Fatal(id, err)
	}
}

// mend makes everything whole again.
func (w *world) mend() {
	w.network.Heal()
	for _, id := range w.order {
		if w.members[id].node == nil {
			w.revive(id)
		}
	}
}

// verify compares all members with each other and with what was acknowledged.
func (w *world) verify() {
	leader := w.leader()
	w.same("a", "b", "c")
	st := leader.State()
	for i := range w.acked {
		if _, ok := st.Hosts.Get(fmt.Sprintf("host.h%d", i)); !ok {
			w.t.Fatalf("count %d of %d was acknowledged and is gone", i, w.acked)
		}
	}
	for _, id := range w.order {
		if n := w.node(id); n.Err() != nil {
			w.t.Errorf("%s is down: %v", id, n.Err())
		}
	}
}

var _ Network = (*clustertest.Port)(nil)
