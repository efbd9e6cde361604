package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/api"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
)

// firstCall notes when a host was first asked for anything since it was armed.
type firstCall struct {
	hypervisor.Driver
	calls chan time.Time
}

func (d *firstCall) Open(ctx context.Context, target hypervisor.Target) (hypervisor.Host, error) {
	h, err := d.Driver.Open(ctx, target)
	if err != nil {
		return nil, err
	}
	return &tracedHost{Host: h, calls: d.calls}, nil
}

type tracedHost struct {
	hypervisor.Host
	calls chan time.Time
}

// ListDomains is the first that a look asks a host for.
func (h *tracedHost) ListDomains(ctx context.Context) ([]hypervisor.Domain, error) {
	select {
	case h.calls <- time.Now():
	default:
	}
	return h.Host.ListDomains(ctx)
}

// BenchmarkSaveToFirstCall reports what lies between saving a file and the first call of a host that it causes,
// without the debounce: the notification, the child process that evaluates, and reaching the hosts.
func BenchmarkSaveToFirstCall(b *testing.B) {
	for _, instances := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("instances=%d", instances), func(b *testing.B) { saveToFirstCall(b, instances) })
	}
}

func saveToFirstCall(b *testing.B, instances int) {
	dir := b.TempDir()
	save := func(n int) {
		text := bytes.ReplaceAll([]byte(benchFleet), []byte("SHARED"), []byte("true"))
		text = bytes.ReplaceAll(text, []byte("count    = 10"), fmt.Appendf(nil, "count    = %d", instances))
		text = bytes.ReplaceAll(text, []byte("n = count.index"), fmt.Appendf(nil, "n = %d", n))
		if err := os.WriteFile(filepath.Join(dir, "f.np.hcl"), text, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	save(0)
	calls := make(chan time.Time, 1)
	driver := &firstCall{Driver: sim.New(sim.Options{}), calls: calls}
	c := &console{In: bytes.NewReader(nil), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}
	const quiet = 20 * time.Millisecond
	w := newWatching(c, dir, &watchFlags{auto: "none", parallel: 10, limits: defaultEvaluation, quiet: quiet}) // only plans
	w.connect = func(_ context.Context, p place) (*session, error) {
		images := reconcile.Images{Images: &disk.Images{Source: disk.Simulated{}, Cache: disk.NewCache(disk.CacheOptions{})}}
		local := newController(cluster.NewMemory(state.Sim), &world{driver: driver, sizes: disk.Simulated{}}, reconcile.Options{Images: images}, p)
		local.closers = append(local.closers, local.Controller.Close)
		local.serve(api.Ports{Planner: local.Controller, Executor: local, Inspector: local.Controller, Consoles: local.Controller})
		return local.session(), nil
	}
	ctx, cancel := context.WithCancel(b.Context())
	w.base = ctx
	signals := make(chan os.Signal)
	ended := make(chan error, 1)
	go func() { _ = w.folder.watcher.Run(ctx) }()
	go func() { ended <- w.loop(ctx, w.folder.watcher.Folders(), signals, cancel) }()
	idle := func() { // until it watches again: what it does is done in one goroutine
		for done := false; !done; {
			select {
			case w.answers.lines <- "":
				done = true
			case <-calls:
			}
		}
		select {
		case <-calls:
		default:
		}
	}
	<-calls
	idle()
	var took time.Duration
	n := 0
	for b.Loop() {
		n++
		save(n)
		began := time.Now()
		took += (<-calls).Sub(began) - quiet
		idle()
	}
	b.ReportMetric(float64(took.Microseconds())/float64(n)/1000, "ms-beyond-debounce/op")
	signals <- os.Interrupt
	<-ended
	cancel()
	w.close()
}
