package simulation

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/clustertest"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
)

// simulation is one cluster, its hosts, and what was promised to it.
type simulation struct {
	t       testing.TB
	seed    uint64
	random  *rand.Rand
	dir     string
	profile cluster.Profile
	began   time.Time

	network *clustertest.Network
	members []*member
	world   *sim.World
	wishes  *wishes

	ledger  ledger
	counts  counts
	pending []errand // what heals by itself
	asks    int
	serves  bool // members answer the API
	// restless is how many of a hundred steps begin with somebody wanting something else.
	restless int
	best     state.State // the newest that was ever seen
	term     uint64      // the highest that led so far
	midway   bool        // the leader was taken away in the middle of an operation

	verbose  io.Writer // nil: nobody looks
	mu       sync.Mutex
	kinds    map[string]state.Kind // of operations
	sights   map[sight]int
	lines    []string // what was done, with the time
	failures []string
}

// newSimulation sets the stage. It runs in the bubble.
func newSimulation(t testing.TB, seed uint64) *simulation {
	dir, err := fastDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &simulation{
		t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 3)), dir: dir, profile: cluster.WAN, began: time.Now(),
		network: clustertest.New(), kinds: map[string]state.Kind{}, sights: map[sight]int{}, ledger: newLedger(), wishes: newWishes(),
		world: sim.New(sim.Options{
			Latency: 5 * time.Millisecond, Start: 500 * time.Millisecond, Boot: 10 * time.Second, Shutdown: 4 * time.Second,
			MigrationSpeed: 64 << 20, UploadSpeed: 100 << 20, GuestWrites: 256 << 20, Seed: seed,
		}),
	}
	if os.Getenv("NOVAPLAN_TEST_LOG") != "" {
		s.verbose = os.Stderr
	}
	s.network.Delay(func(from, to string) time.Duration {
		return time.Duration(1+(int(from[len(from)-6])+int(to[len(to)-6]))%5) * time.Millisecond
	})
	s.restless = []int{30, 12, 4}[seed%3]
	members := 3
	if seed%5 == 4 {
		members = 5
	}
	s.seat(members)
	return s
}

// simulate runs a cluster for some virtual time and returns what came of it.
func simulate(t *testing.T, seed uint64, d time.Duration) (s *simulation) {
	synctest.Test(t, func(t *testing.T) {
		s = newSimulation(t, seed)
		s.settleForeigners()
		for _, m := range s.members {
			m.begin()
		}
		s.awaitLeader()
		s.apply(time.Minute, planner.Options{AllowPartial: true})
		for s.elapsed() < d && !s.failed() {
			s.step()
		}
		s.tally(d.Hours())
		if !s.failed() {
			s.finish()
		}
		for _, m := range s.members {
			m.gate.release()
			m.kill()
		}
		_ = s.world.Close()
	})
	return s
}

func (s *simulation) elapsed() time.Duration { return time.Since(s.began) }

func (s *simulation) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.failures) > 0
}

// step does something, lets time pass, and checks everything.
func (s *simulation) step() {
	s.due()
	switch n := s.random.IntN(100); {
	case n < s.restless:
		s.log("wanted: %s", s.edit())
		s.apply(s.some(time.Second, 40*time.Second), planner.Options{AllowPartial: true})
	case n < 45:
		s.apply(s.some(time.Second, 40*time.Second), planner.Options{AllowPartial: true})
	case n < 48:
		s.spoil()
	case n < 56:
		s.keepHouse()
	}
	s.trouble()
	time.Sleep(s.some(100*time.Millisecond, 14*time.Second))
	s.countLeaders()
	s.counts.Steps++
	s.check()
}

// countLeaders counts a change of the leader once another leads.
func (s *simulation) countLeaders() {
	m := s.leader()
	if m == nil {
		return
	}
	if _, term := m.controller(); term > s.term {
		if s.term > 0 {
			s.counts.Leaders++
			if s.midway {
				s.counts.Midway++
			}
		}
		s.term, s.midway = term, false
	}
}

// awaitLeader waits until a member leads.
func (s *simulation) awaitLeader() {
	for range 600 {
		if s.leader() != nil {
			return
		}
		time.Sleep(time.Second)
	}
	s.broken("nobody leads after ten minutes without trouble")
}

// finish ends all trouble: everything that is wanted comes about, a plan made then is empty (I6), and all members
// have the same record.
func (s *simulation) finish() {
	s.heal()
	s.wishes.calm()
	s.awaitLeader()
	for round := range 8 {
		if round >= 3 {
			s.takeOver()
		}
		ids, _ := s.apply(time.Minute, planner.Options{AllowPartial: true})
		if _, c := s.asked(); c != nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			_ = c.Settle(ctx, ids)
			cancel()
		}
		time.Sleep(time.Minute)
		s.keepHouse()
		s.check()
	}
	time.Sleep(10 * time.Second)
	s.checkConverged()
}

// log notes what was done.
func (s *simulation) log(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := fmt.Sprintf("%s ", time.Since(s.began).Round(time.Millisecond)) + fmt.Sprintf(format, args...)
	s.lines = append(s.lines, line)
	if s.verbose != nil {
		fmt.Fprintln(s.verbose, "###", line)
	}
}

// broken notes a promise that was not kept.
func (s *simulation) broken(format string, args ...any) {
	s.log("BROKEN "+format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, fmt.Sprintf("%s ", time.Since(s.began).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}
