//go:build lab

package e2e

import (
	"syscall"
	"testing"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// TestInterrupt presses Ctrl-C once while the first of two creates runs: it is finished, the other one isn't
// begun, and stays approved for the next apply.
func TestInterrupt(t *testing.T) {
	f := newFleet(t, pair)
	p := f.begin("apply", "-auto-approve", "-json", "-parallelism", "1")
	p.began(onShared, "define")
	p.signal(syscall.SIGINT)
	p.wait().exits(130).says("Interrupted")
	if in := f.instance(onShared); in.State != "running" {
		t.Errorf("%s was under way and is %s", onShared, in.State)
	}
	if pending := f.status().Pending; len(pending) != 1 || pending[0].Instance != onLocal {
		t.Errorf("pending are %+v, want the create of %s", pending, onLocal)
	}
	f.run("plan", "-detailed-exitcode").exits(2).says(onLocal)
	f.apply()
	f.settled()
	f.whole(isLocal, onShared, onLocal)
}

// TestInterruptTwice presses Ctrl-C twice while a guest moves: libvirt aborts the move, the guest runs on where
// it was, nothing of the move is left, and the next apply moves it.
func TestInterruptTwice(t *testing.T) {
	f := newFleet(t, alone)
	f.use("e2e", "12", alone+"\nmigration { bandwidth = 16 }\n") // slow enough to be hit
	f.drain("2")
	f.apply()
	counts := f.ticks(onLocal)
	f.drain("1")
	p := f.begin("apply", "-auto-approve", "-json")
	p.began(onLocal, "migrating")
	p.signal(syscall.SIGINT)
	p.says("Ctrl-C again")
	p.signal(syscall.SIGINT)
	aborted := p.wait()
	if aborted.code != 130 {
		t.Errorf("apply ended with exit code %d, want 130\n%s%s", aborted.code, aborted.stdout, aborted.stderr)
	}
	if in := f.instance(onLocal); in.HostName != "kvm1" || in.State != "running" {
		t.Errorf("%s is %s on %s, want it running on kvm1", onLocal, in.State, in.HostName)
	}
	f.ranOn(counts)
	f.whole(isLocal, onLocal)
	f.run("plan", "-detailed-exitcode").exits(2).says(onLocal)
	f.apply()
	f.settled()
	f.ranOn(counts)
}

// TestOneAtATime: while an apply runs, a second one is told so, and plan and status work.
func TestOneAtATime(t *testing.T) {
	f := newFleet(t, pair)
	p := f.begin("apply", "-auto-approve", "-json")
	if !p.until(func(e wire.Event) bool { return e.Type == wire.EventApproved }) {
		t.Fatalf("apply ended early: %+v", p.wait())
	}
	p.signal(syscall.SIGSTOP)
	f.run("apply", "-auto-approve").exits(1).says("another command is running here")
	p.signal(syscall.SIGCONT)
	p.began(onLocal, "define")
	f.run("plan").ok()
	f.run("status").ok()
	p.wait().ok()
	f.settled()
}
