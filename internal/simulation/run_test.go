package simulation

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/operation"
)

var (
	firstSeed = flag.Uint64("seed", 0, "the first seed; 0: NOVAPLAN_SIM_SEED, or 1")
	hours     = flag.Float64("hours", 0, "cluster-hours to simulate, a seed for each; 0: half of one")
)

// watchdog ends the process when a bubble takes too much real time: in one that is busy without ever waiting, time
// stands still and nothing else would.
const watchdog = 5 * time.Minute

// TestSimulation simulates cluster-hours full of trouble, and fails when a promise was broken in one of them, or
// when there was less trouble than there is to be.
func TestSimulation(t *testing.T) {
	first, total := seed(t), *hours
	if total == 0 {
		total = 0.5
	}
	all := &report{cells: map[cell]int{}}
	t.Run("seeds", func(t *testing.T) {
		for n := first; total > 0; n, total = n+1, total-1 {
			d := time.Duration(min(total, 1) * float64(time.Hour))
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				all.add(run(t, n, d))
			})
		}
	})
	t.Logf("%s\n%s", &all.counts, all.table())
	if thin := all.counts.thin(); thin != "" && !t.Failed() {
		t.Errorf("too little happened: %s", thin)
	}
}

// seed is the one to begin with.
func seed(t *testing.T) uint64 {
	if *firstSeed != 0 {
		return *firstSeed
	}
	if text := os.Getenv("NOVAPLAN_SIM_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("NOVAPLAN_SIM_SEED: %v", err)
		}
		return n
	}
	return 1
}

// run simulates one seed under the watchdog.
func run(t *testing.T, seed uint64, d time.Duration) *simulation {
	t.Helper()
	dog := time.AfterFunc(watchdog, func() {
		fmt.Fprintf(os.Stderr, "seed %d takes more than %s of real time\n", seed, watchdog)
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		os.Exit(2)
	})
	defer dog.Stop()
	began := time.Now()
	s := simulate(t, seed, d)
	t.Logf("seed %d: %s in %s", seed, &s.counts, time.Since(began).Round(time.Millisecond))
	if len(s.failures) > 0 {
		t.Errorf("seed %d broke:\n%s\nrepeat it with: go test ./internal/simulation -run Simulation -seed %d -hours %g\nwhat happened is in %s",
			seed, strings.Join(s.failures, "\n"), seed, d.Hours(), s.transcript())
	}
	return s
}

// transcript writes what was done to a file and names it.
func (s *simulation) transcript() string {
	name := filepath.Join(os.TempDir(), fmt.Sprintf("novaplan-simulation-seed-%d.log", s.seed))
	if err := os.WriteFile(name, []byte(strings.Join(s.lines, "\n")+"\n"), 0o600); err != nil {
		return err.Error()
	}
	return name
}

// report is what all seeds came to.
type report struct {
	mu     sync.Mutex
	counts counts
	cells  map[cell]int
}

func (r *report) add(s *simulation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.add(s.counts)
	for c, n := range s.cells() {
		r.cells[c] += n
	}
}

// table shows how often each cell of the recovery table was met.
func (r *report) table() string {
	ends := []operation.Sighting{operation.Gone, operation.Off, operation.On, operation.Leaving, operation.Arriving, operation.Halted, operation.Strange, operation.Unread}
	var b strings.Builder
	for _, kind := range []state.Kind{state.Live, state.Cold} {
		met := 0
		fmt.Fprintf(&b, "%-10s", kind)
		for _, d := range ends {
			fmt.Fprintf(&b, "%9s", d)
		}
		b.WriteString("   <- destination\n")
		for _, src := range ends {
			fmt.Fprintf(&b, "%-10s", src)
			for _, d := range ends {
				n := r.cells[cell{kind, string(src), string(d)}]
				if n > 0 {
					met++
				}
				fmt.Fprintf(&b, "%9d", n)
			}
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%d of %d cells met\n", met, len(ends)*len(ends))
	}
	return b.String()
}
