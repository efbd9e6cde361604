//go:build lab

package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// began waits for a step and fails the test when apply ends before.
func (p *process) began(instance, name string) {
	p.t.Helper()
	if !p.until(step(instance, name)) {
		r := p.wait()
		p.t.Fatalf("%s ended before %s of %s: exit code %d\n%s%s", r.command, name, instance, r.code, r.stdout, r.stderr)
	}
}

// TestLibvirtdDiesWhileCreating kills the libvirtd of the only host, which comes back at once, in the middle of
// creates: apply gets over it by itself. In the middle of a start libvirt 9 doesn't; see TestHeldDomain.
func TestLibvirtdDiesWhileCreating(t *testing.T) {
	f := newFleet(t, pair)
	f.use("e2e", "1", pair)
	for _, name := range []string{"disks", "define", "verify"} {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			p := f.begin("apply", "-auto-approve", "-json", "-parallelism", "1")
			p.began(onLocal, name)
			p.signal(syscall.SIGSTOP) // so that it doesn't get as far as the start meanwhile
			f.lab.CrashLibvirtd("kvm1")
			f.lab.StartLibvirtd("kvm1")
			p.signal(syscall.SIGCONT)
			p.wait().ok()
			f.settled()
			f.whole(isLocal, onShared, onLocal)
			f.run("destroy", "-auto-approve").ok()
			f.empty()
		})
	}
}

// TestLibvirtdDiesWhileDraining kills the libvirtd of one end in the middle of moves. Whatever became of them, the
// next apply ends with both guests at the other host, and neither was interrupted.
func TestLibvirtdDiesWhileDraining(t *testing.T) {
	f := newFleet(t, pair)
	f.use("e2e", "12", pair)
	f.drain("2")
	f.apply()
	counts := f.ticks(onShared, onLocal)
	from, to := "1", "2"
	for _, end := range []string{"source", "destination"} {
		t.Run(end, func(t *testing.T) {
			f := f.in(t)
			f.drain(from)
			p := f.begin("apply", "-auto-approve", "-json")
			p.began(onLocal, "migrating")
			victim := "kvm" + map[string]string{"source": from, "destination": to}[end]
			f.lab.CrashLibvirtd(victim)
			f.lab.StartLibvirtd(victim)
			p.wait() // failed or not
			f.apply()
			f.settled()
			f.whole(isLocal, onShared, onLocal)
			f.ranOn(counts)
			from, to = to, from
		})
	}
}

// TestLibvirtdHangsWhileCreating stops libvirtd while a create is under way, so that calls arrive there late: once
// with an apply that waits, once with one that is killed, when the call takes effect after its sender has gone.
func TestLibvirtdHangsWhileCreating(t *testing.T) {
	f := newFleet(t, pair)
	f.use("e2e", "1", pair)
	for _, name := range []string{"config-drive", "define", "start"} {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			p := f.begin("apply", "-auto-approve", "-json")
			p.began(onShared, name)
			f.lab.PauseLibvirtd("kvm1")
			if name != "config-drive" {
				p.signal(syscall.SIGKILL)
				p.wait()
			}
			f.lab.ResumeLibvirtd("kvm1")
			if name == "config-drive" {
				p.wait().ok()
			} else {
				f.apply()
			}
			f.settled()
			f.whole(isLocal, onShared, onLocal)
			f.run("destroy", "-auto-approve").ok()
			f.empty()
		})
	}
}

// TestUnreachableHost cuts a host off: it is a warning, its guests are left alone, everything else is done; when
// it is back, nothing has happened to it.
func TestUnreachableHost(t *testing.T) {
	const spread = `
server_group "apart" { policy = "anti-affinity" }

instance "web" {
  count            = 2
  flavor           = flavor.tiny
  image            = image.linux
  pool             = pool.local
  group            = server_group.apart
  shutdown_timeout = "1s"
  nic { network = network.lan }
}
`
	f := newFleet(t, spread)
	f.apply()
	web0 := f.instance("instance.web[0]")
	counts := f.ticks("instance.web[0]")

	f.lab.Cut(web0.HostName)
	f.edit("instances.np.hcl", "count            = 2", "count            = 3")
	began := time.Now()
	f.run("plan").ok().says("Warning", web0.HostName, "left alone", "1 instance to create")
	t.Logf("a plan with a host cut off took %s", time.Since(began).Round(time.Second/10))
	r := f.run("apply", "-auto-approve")
	r.ok().says("Warning")
	if strings.Contains(f.run("plan").ok().stdout, "No changes. The fleet matches") {
		t.Error("a plan that saw not all hosts says that all is well")
	}
	status := f.status()
	for _, h := range status.Hosts {
		if want := map[bool]string{true: "unreachable", false: "up"}[h.Name == web0.HostName]; h.State != want {
			t.Errorf("%s is said to be %s, want %s", h.Name, h.State, want)
		}
	}
	for _, in := range status.Instances {
		want := map[bool]string{true: "unknown", false: "running"}[in.HostName == web0.HostName]
		if in.State != want || in.Address == "instance.web[2]" && in.HostName == web0.HostName {
			t.Errorf("%s is %s on %s, want it %s", in.Address, in.State, in.HostName, want)
		}
	}

	f.lab.Join(web0.HostName)
	f.settled()
	f.ranOn(counts)
	f.whole(func(string) bool { return true }, "instance.web[0]", "instance.web[1]", "instance.web[2]")
}

// TestDrainOfAnUnreachableHost changes nothing: nobody knows what its guests do.
func TestDrainOfAnUnreachableHost(t *testing.T) {
	f := newFleet(t, pair)
	f.apply()
	in := f.instance(onShared)
	f.lab.Cut(in.HostName)
	f.drain(strings.TrimPrefix(in.HostName, "kvm"))
	var moves []wire.Change
	for _, c := range f.plan().Changes {
		if strings.HasPrefix(c.Address, "instance.") && c.From == in.Host {
			moves = append(moves, c)
		}
	}
	if len(moves) > 0 {
		t.Errorf("the plan moves guests that can't be seen: %+v", moves)
	}
	f.run("plan").says("Warning", in.HostName)
	f.lab.Join(in.HostName)
	f.apply()
	f.settled()
	f.whole(isLocal, onShared, onLocal)
}
