package cluster

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
)

// persist proposes to whoever leads until it is accepted, and counts changes of the leader: on a machine that is
// busy with other things there are some.
func (g *group) persist(changes *atomic.Int64, commands ...state.Command) {
	for {
		leader := g.leader()
		_, err := leader.ProposeAll(g.t.Context(), commands...)
		if err == nil {
			return
		}
		if !errors.Is(err, ErrNotLeader) {
			g.t.Error(err)
			return
		}
		changes.Add(1)
	}
}

// asShipped gives the members of a benchmark the LAN profile without a test's changes.
func asShipped(g *group) *group {
	g.options = func(o *Options) { o.Membership.tune = nil }
	return g
}

// BenchmarkFailover kills the leader of three and proposes to whoever is left until a command is accepted. Its
// port dies first, as with the process. One iteration is one failover.
func BenchmarkFailover(b *testing.B) {
	measureChange(b, func(g *group, leader *Node) {
		g.members[id(leader)].port.stop()
		g.kill(id(leader))
	})
}

// BenchmarkTransfer stops the leader in an orderly way; the time includes its Close.
func BenchmarkTransfer(b *testing.B) {
	measureChange(b, func(g *group, leader *Node) { g.leave(id(leader)) })
}

// measureChange measures from the beginning of end to the next command that is accepted, and reports median and maximum.
func measureChange(b *testing.B, end func(*group, *Node)) {
	g := asShipped(onTCP(b))
	g.begin("a", "b", "c")
	var spans []time.Duration
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		leader := g.leader()
		gone := id(leader)
		propose(b, leader, inventory(i))
		var left []*Node
		for _, id := range g.others(gone) {
			left = append(left, g.node(id))
		}
		b.StartTimer()
		from := time.Now()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			end(g, leader)
		}()
		for accepted := false; !accepted; {
			for _, n := range left {
				_, err := n.Propose(b.Context(), inventory(i))
				accepted = accepted || err == nil
			}
			if !accepted {
				time.Sleep(time.Millisecond)
			}
		}
		spans = append(spans, time.Since(from))
		b.StopTimer()
		<-ended
		g.start(gone)
		g.same("a", "b", "c")
		b.StartTimer()
	}
	slices.Sort(spans)
	b.ReportMetric(float64(spans[len(spans)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(spans[len(spans)-1].Microseconds())/1000, "max-ms")
}

// BenchmarkMembersPropose measures proposals that three members keep: one client, many at once, and in batches.
func BenchmarkMembersPropose(b *testing.B) {
	for _, tc := range []struct{ clients, batch int }{{1, 1}, {64, 1}, {1, 256}} {
		b.Run(fmt.Sprintf("clients-%d/batch-%d", tc.clients, tc.batch), func(b *testing.B) {
			g := asShipped(onTCP(b))
			g.begin("a", "b", "c")
			var changes atomic.Int64
			var mu sync.Mutex
			var spans []time.Duration
			work := make(chan int)
			var clients sync.WaitGroup
			for range tc.clients {
				clients.Go(func() {
					commands := make([]state.Command, tc.batch)
					for i := range work {
						for j := range commands {
							commands[j] = inventory((i*tc.batch + j) % 1000)
							commands[j].SetInventory.Inventory.VCPUs = i
						}
						from := time.Now()
						g.persist(&changes, commands...)
						mu.Lock()
						spans = append(spans, time.Since(from))
						mu.Unlock()
					}
				})
			}
			for i := 0; b.Loop(); i++ {
				work <- i
			}
			close(work)
			clients.Wait()
			slices.Sort(spans)
			b.ReportMetric(float64(b.N*tc.batch)/b.Elapsed().Seconds(), "proposals/s")
			b.ReportMetric(float64(spans[len(spans)/2].Microseconds()), "median-us")
			b.ReportMetric(float64(spans[len(spans)*99/100].Microseconds()), "p99-us")
			b.ReportMetric(float64(changes.Load()), "lost-leaders")
		})
	}
}

// BenchmarkVerify is the price of a consistent read.
func BenchmarkVerify(b *testing.B) {
	leader := asShipped(onTCP(b)).begin("a", "b", "c")
	for b.Loop() {
		if err := leader.Verify(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWatchers measures proposals while 100 watchers follow the record.
func BenchmarkWatchers(b *testing.B) {
	g := asShipped(onTCP(b))
	leader := g.begin("a", "b", "c")
	var changes atomic.Int64
	ctx, cancel := context.WithCancel(b.Context())
	var watchers sync.WaitGroup
	for range 100 {
		watchers.Go(func() {
			for seen := uint64(0); leader.Wait(ctx, seen+1) == nil; {
				seen = leader.State().Index
			}
		})
	}
	commands := make([]state.Command, 256)
	i := 0
	for b.Loop() {
		for j := range commands {
			i++
			commands[j] = inventory(i % 1000)
			commands[j].SetInventory.Inventory.VCPUs = i
		}
		g.persist(&changes, commands...)
	}
	cancel()
	watchers.Wait()
	b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "proposals/s")
}

// BenchmarkLargeRecord is a cluster whose record holds 100,000 instances on 10,000 hosts: how long a snapshot takes
// beside the work, what the slowest proposal meanwhile waits, whether the leader stays, and how long a member needs
// to come back, and a wiped one to be served.
func BenchmarkLargeRecord(b *testing.B) {
	dir := newDir(b)
	fill(b, dir, 10_000, 100_000)
	embedded, err := Open(b.Context(), dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	path := dir + ".tar"
	saveTo(b, embedded, path)
	g := asShipped(onTCP(b))
	shipped := g.options
	g.options = func(o *Options) {
		shipped(o)
		if o.Membership.ID == "a" {
			o.Membership.Restore = path
		}
	}
	g.seat("a")
	g.start("a")
	leader := g.leader()
	from := time.Now()
	for _, id := range []string{"b", "c"} {
		g.start(id)
	}
	g.until("all are served", func() bool { return g.node("b").State().Level > 0 && g.node("c").State().Level > 0 })
	joined := time.Since(from)
	g.until("all vote", func() bool { return voter(leader, "b") && voter(leader, "c") })
	var changes atomic.Int64
	for b.Loop() {
		b.ReportMetric(float64(snapshotBeside(b, g, leader, &changes).Milliseconds()), "slowest-proposal-ms")
		g.kill("b")
		from, cpu := time.Now(), cpuTime(b)
		g.start("b")
		b.ReportMetric(time.Since(from).Seconds(), "open-s")
		b.ReportMetric((cpuTime(b) - cpu).Seconds(), "open-cpu-s")
		if err := g.node("b").Wait(b.Context(), g.leader().State().Index); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(from).Seconds(), "restart-s")
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	b.ReportMetric(float64(memory.HeapAlloc>>20)/3, "heap-MiB")
	b.ReportMetric(joined.Seconds(), "join-s")
	b.ReportMetric(float64(changes.Load()), "lost-leaders")
}

// snapshotBeside writes a snapshot while commands are proposed, and returns how long the slowest took.
func snapshotBeside(b *testing.B, g *group, n *Node, changes *atomic.Int64) (slowest time.Duration) {
	g.persist(changes, inventory(0))
	done := make(chan error, 1)
	from := time.Now()
	go func() { done <- n.await(n.raft.Snapshot()) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(time.Since(from).Seconds(), "snapshot-s")
			return slowest
		default:
			at := time.Now()
			g.persist(changes, inventory(0))
			slowest = max(slowest, time.Since(at))
		}
	}
}

// cpuTime is what the process has used so far: on a machine that does other things as well, it says more than the clock.
func cpuTime(b *testing.B) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
