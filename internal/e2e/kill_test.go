//go:build lab

package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// pair is one instance on the shared storage and one on a host's own. Their disks are not kept when they go, and
// nobody waits for a guest that is still booting.
const pair = `
instance "shared" {
  flavor           = flavor.tiny
  image            = image.linux
  pool             = pool.shared
  trash_retention  = "0s"
  shutdown_timeout = "1s"
  nic { network = network.lan }
}

instance "local" {
  flavor           = flavor.tiny
  image            = image.linux
  pool             = pool.local
  trash_retention  = "0s"
  shutdown_timeout = "1s"
  nic { network = network.lan }
}
`

const (
	onShared = "instance.shared"
	onLocal  = "instance.local"
)

func isLocal(address string) bool { return address == onLocal }

// killedAt begins an apply and kills it, as kill -9 does, at the event.
func killedAt(f *fleet, at func(wire.Event) bool) {
	f.t.Helper()
	p := f.begin("apply", "-auto-approve", "-json")
	if !p.until(at) {
		r := p.wait()
		f.t.Fatalf("apply ended before it could be killed: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	p.signal(syscall.SIGKILL)
	if r := p.wait(); r.code != -1 {
		f.t.Fatalf("apply was killed and ended with exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// moment is when an apply is killed.
type moment struct {
	name string
	at   func(wire.Event) bool
}

func approved(e wire.Event) bool { return e.Type == wire.EventApproved }

func finished(instance string) func(wire.Event) bool {
	return func(e wire.Event) bool { return e.Type == wire.EventFinished && e.Operation.Instance == instance }
}

func copying(e wire.Event) bool {
	return e.Type == wire.EventProgress && strings.HasPrefix(e.Step, "image ") && e.Done > 0
}

// TestKilledWhileCreating kills apply with SIGKILL in the middle of creates; the next apply finishes them, and
// nothing is there twice or left over. Package reconcile does the same at each step, on simulated hosts.
func TestKilledWhileCreating(t *testing.T) {
	f := newFleet(t, pair)
	moments := []moment{
		{"image", copying}, // the first on these hosts, so it is really copied
		{"disks", step(onLocal, "disks")},
		{"define", step(onLocal, "define")},
		{"start", step(onShared, "start")},
		{"one is finished", finished(onShared)},
	}
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			f := f.in(t)
			killedAt(f, m.at)
			f.apply()
			f.settled()
			f.whole(isLocal, onShared, onLocal)
			f.run("destroy", "-auto-approve").ok()
			f.empty()
		})
	}
}

// TestKilledWhileDestroying kills destroy in the middle; the next one finishes it.
func TestKilledWhileDestroying(t *testing.T) {
	f := newFleet(t, pair)
	for _, name := range []string{"shutdown", "undefine"} {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			f.apply()
			p := f.begin("destroy", "-auto-approve", "-json")
			if !p.until(step("", name)) {
				t.Fatalf("destroy ended early: %+v", p.wait())
			}
			p.signal(syscall.SIGKILL)
			p.wait()
			f.run("destroy", "-auto-approve").ok()
			f.empty()
		})
	}
}

// TestKilledWhileDraining kills apply with SIGKILL in the middle of moves over shared and local storage; the next
// apply finishes them, and no guest ever stops.
func TestKilledWhileDraining(t *testing.T) {
	f := newFleet(t, pair)
	f.use("e2e", "12", pair)
	f.drain("2")
	f.apply()
	counts := f.ticks(onShared, onLocal)
	from, to := "1", "2"
	moments := []moment{
		{"approved", approved},
		{"preparing", step(onLocal, "prepare")},
		{"moving over shared storage", step(onShared, "migrating")},
		{"moving with its disk", step(onLocal, "migrating")},
		{"moved over shared storage", step(onShared, "moved")},
		{"moved with its disk", step(onLocal, "moved")},
		{"clearing up", step(onLocal, "clean")},
	}
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			f := f.in(t)
			f.drain(from)
			killedAt(f, m.at)
			f.apply()
			f.settled()
			f.whole(isLocal, onShared, onLocal)
			for _, a := range []string{onShared, onLocal} {
				if in := f.instance(a); in.HostName != "kvm"+to {
					t.Errorf("%s is on %s, want kvm%s", a, in.HostName, to)
				}
			}
			f.ranOn(counts)
			from, to = to, from
		})
	}
}
