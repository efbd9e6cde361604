package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// undeclared is a driver whose hosts have mounted one storage at every pool's path, whatever the spec
// says of it.
type undeclared struct{ hypervisor.Driver }

func (d undeclared) Open(ctx context.Context, target hypervisor.Target) (hypervisor.Host, error) {
	h, err := d.Driver.Open(ctx, target)
	return mounted{h}, err
}

type mounted struct{ hypervisor.Host }

func share(p hypervisor.Pool) hypervisor.Pool { return hypervisor.Pool{Path: p.Path, Shared: true} }

func (m mounted) EnsurePool(ctx context.Context, p hypervisor.Pool) (hypervisor.PoolInfo, error) {
	return m.Host.EnsurePool(ctx, share(p))
}

func (m mounted) ListVolumes(ctx context.Context, p hypervisor.Pool) ([]hypervisor.Volume, error) {
	return m.Host.ListVolumes(ctx, share(p))
}

func (m mounted) GetVolume(ctx context.Context, p hypervisor.Pool, name string) (hypervisor.Volume, error) {
	return m.Host.GetVolume(ctx, share(p), name)
}

func (m mounted) CreateVolume(ctx context.Context, p hypervisor.Pool, v hypervisor.VolumeSpec) (hypervisor.Volume, error) {
	return m.Host.CreateVolume(ctx, share(p), v)
}

func (m mounted) UploadVolume(ctx context.Context, p hypervisor.Pool, name string, r io.Reader, size int64, progress func(int64)) error {
	return m.Host.UploadVolume(ctx, share(p), name, r, size, progress)
}

func (m mounted) DownloadVolume(ctx context.Context, p hypervisor.Pool, name string, w io.Writer, progress func(int64)) error {
	return m.Host.DownloadVolume(ctx, share(p), name, w, progress)
}

func (m mounted) DeleteVolume(ctx context.Context, p hypervisor.Pool, name string) error {
	return m.Host.DeleteVolume(ctx, share(p), name)
}

// TestSharedButNotDeclared drains a host whose pool is mounted everywhere, though the spec calls it
// local, and kills the controller at each step of that. Nothing may be deleted: what looks like two
// copies is one file.
func TestSharedButNotDeclared(t *testing.T) {
	for _, power := range []spec.Power{spec.Running, spec.Stopped} {
		for k := range 8 {
			t.Run(fmt.Sprintf("%s/%d", power, k), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { drainUndeclared(t, power, k) })
			})
		}
	}
}

func drainUndeclared(t *testing.T, power spec.Power, k int) {
	l := newLab(t, 2, false)
	l.drv = undeclared{l.world}
	l.begin()
	l.want(2)
	l.power(power)
	l.apply()
	l.kill()
	before := l.files()
	if len(before) == 0 {
		t.Fatal("the guests have no disks")
	}
	bomb := newBomb(k)
	l.opts.Trace = bomb.trace
	l.mode(1, spec.ModeDrain)
	l.begin()
	ids := l.approve()
	ctx, cancel := context.WithCancel(t.Context())
	settled := make(chan error, 1)
	c := l.c
	go func() { settled <- c.Settle(ctx, ids) }()
	select {
	case <-bomb.reached:
		l.stop()
		bomb.defuse()
		cancel()
		<-settled
	case <-settled:
		cancel()
	}
	l.kill()
	l.opts.Trace = nil
	l.begin()
	defer l.kill()
	l.apply()
	l.apply()
	for file := range before {
		if !l.files()[file] {
			t.Errorf("killed at %q: %s is gone\n%s", bomb.where, file, l.dump())
		}
	}
	for _, v := range l.world.Truth().Violations {
		t.Errorf("violation: %+v", v)
	}
	for _, inst := range l.rec.State().Instances.All() {
		if inst.Phase != state.Active {
			t.Errorf("killed at %q: %s is %s: %s", bomb.where, inst.Address, inst.Phase, inst.Why)
		}
	}
}

// TestOldCopy goes on from an old copy of the record, many times, while the hosts have been worked on since:
// nothing happens to them.
func TestOldCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3, true)
		l.begin()
		l.want(2)
		l.apply()
		old := l.rec.State()
		l.kill()
		l.begin()
		l.want(4)
		l.apply()
		l.kill()
		l.rec = cluster.MemoryOf(old, time.Now)
		l.want(6)
		for range 5 {
			l.begin()
			plan := l.plan()
			wanted := l.snapshot()
			_, err := l.c.Approve(t.Context(), planner.Approval{Spec: &wanted, Base: plan.Base, Digest: plan.Digest, Request: "req"})
			if !errors.Is(err, reconcile.ErrBlocked) {
				t.Errorf("an old copy approves: %v", err)
			}
			if err := l.c.Housekeeping(t.Context()); !errors.Is(err, reconcile.ErrOldCopy) {
				t.Errorf("an old copy tidies up: %v", err)
			}
			l.kill()
		}
		if l.total() != 4 {
			t.Errorf("%d guests run", l.total())
		}
		l.begin()
		defer l.kill()
		if err := l.c.Takeover(t.Context(), &l.spec, nil, "test"); err != nil {
			t.Fatal(err)
		}
		l.apply()
		l.matches()
		if l.total() != 6 {
			t.Errorf("%d guests run after the takeover\n%s", l.total(), l.dump())
		}
	})
}

// TestTakeoverWithSilentHost rebuilds a lost record while a host says nothing, and another has an old
// definition of the guest that runs there. It must not be started a second time, and comes back when all
// hosts were looked at.
func TestTakeoverWithSilentHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3, true)
		l.begin()
		l.want(1)
		l.apply()
		l.kill()
		guest := l.world.Truth().Domains[0]
		if err := l.world.Behind("kvm3").DefineDomain(t.Context(), guest.Definition); err != nil {
			t.Fatal(err)
		}
		l.world.SetCondition(guest.Host, sim.Cut)
		l.rec = cluster.NewMemory(state.Sim)
		l.begin()
		defer l.kill()
		wanted := l.snapshot()
		if err := l.c.Takeover(t.Context(), &wanted, nil, "test"); err == nil {
			t.Error("a takeover without one of the hosts says nothing of it")
		}
		l.apply()
		if l.total() != 1 || len(l.world.Truth().Violations) > 0 {
			t.Fatalf("%v run, violations %+v\n%s", l.on(), l.world.Truth().Violations, l.dump())
		}
		if in, _ := l.rec.State().Instances.Get("instance.vm[0]"); in == nil || in.Phase != state.Frozen {
			t.Fatalf("a guest that may run elsewhere is not frozen\n%s", l.dump())
		}
		l.world.SetCondition(guest.Host, sim.Up)
		if err := l.c.Takeover(t.Context(), &wanted, nil, "test"); err != nil {
			t.Fatal(err)
		}
		l.apply()
		if err := l.c.Housekeeping(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.matches()
		if in, _ := l.rec.State().Instances.Get("instance.vm[0]"); in == nil || in.Phase != state.Active || l.hostName(in.Host) != guest.Host || l.total() != 1 {
			t.Errorf("%+v, running %v", in, l.on())
		}
	})
}

// TestTakeoverLeavesRoomForWhatItDidNotSee: guests of a silent host aren't made a second time, nor do others get
// their addresses, whatever the spec asks for, until the host was read, is seen to be empty, or is said to be gone.
func TestTakeoverLeavesRoomForWhatItDidNotSee(t *testing.T) {
	for _, ends := range []string{"seen", "gone", "empty"} {
		t.Run(ends, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 3, false)
				l.begin()
				l.want(6)
				l.apply()
				l.kill()
				l.world.SetCondition("kvm2", sim.Cut)
				l.rec = cluster.NewMemory(state.Sim)
				l.begin()
				defer l.kill()
				l.want(9)
				wanted := l.snapshot()
				if err := l.c.Takeover(t.Context(), &wanted, nil, "test"); err == nil {
					t.Error("a takeover without one of the hosts says nothing of it")
				}
				l.apply()
				if unread := l.rec.State().Unread(); len(unread) != 1 || l.rec.State().Instances.Len() != 4 || l.total() != 6 {
					t.Fatalf("%d hosts unread, %d instances, %d run\n%s", len(unread), l.rec.State().Instances.Len(), l.total(), l.dump())
				}
				var gone []spec.Address
				most := 9
				switch ends {
				case "gone":
					gone, most = []spec.Address{"host.kvm2"}, 11 // two that nobody will see again
				case "empty":
					for _, d := range l.world.Truth().Domains {
						if d.Host == "kvm2" {
							behind := l.world.Behind("kvm2")
							if err := errors.Join(behind.DestroyDomain(t.Context(), d.UUID), behind.UndefineDomain(t.Context(), d.UUID),
								behind.ReleaseClaim(t.Context(), d.Definition.Stamp.Cluster)); err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
								t.Fatal(err)
							}
						}
					}
				}
				if ends != "gone" {
					l.world.SetCondition("kvm2", sim.Up)
				}
				if ends != "empty" {
					if err := l.c.Takeover(t.Context(), &wanted, gone, "test"); err != nil {
						t.Fatal(err)
					}
				}
				l.apply()
				if unread := l.rec.State().Unread(); len(unread) != 0 || l.rec.State().Instances.Len() != 9 || l.total() != most {
					t.Errorf("%d hosts unread, %d instances, %d run, want %d\n%s", len(unread), l.rec.State().Instances.Len(), l.total(), most, l.dump())
				}
			})
		})
	}
}

// TestTakeoverThaws: an instance that was frozen because it ran twice is not frozen for good.
func TestTakeoverThaws(t *testing.T) {
	for _, survives := range []string{"recorded", "other", "none"} {
		t.Run(survives, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 3, true)
				l.begin()
				defer l.kill()
				l.want(1)
				l.apply()
				guest := l.world.Truth().Domains[0]
				there, other := l.world.Behind(guest.Host), l.world.Behind("kvm3")
				check := func(err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				}
				check(there.DestroyDomain(t.Context(), guest.UUID))
				check(other.DefineDomain(t.Context(), guest.Definition))
				check(other.StartDomain(t.Context(), guest.UUID))
				l.apply()
				if in, _ := l.rec.State().Instances.Get("instance.vm[0]"); in.Phase != state.Frozen {
					t.Fatalf("not frozen\n%s", l.dump())
				}
				if survives != "other" {
					check(other.DestroyDomain(t.Context(), guest.UUID))
					check(other.UndefineDomain(t.Context(), guest.UUID))
				}
				if survives != "recorded" {
					check(there.UndefineDomain(t.Context(), guest.UUID))
				}
				check(l.c.Takeover(t.Context(), &l.spec, nil, "test"))
				l.apply()
				l.matches()
				if l.total() != 1 {
					t.Errorf("%v run\n%s", l.on(), l.dump())
				}
			})
		})
	}
}

// TestClaimLostMeanwhile lets another cluster take a host over in the middle of an operation: from then on
// nothing is defined, started, undefined or deleted there.
func TestClaimLostMeanwhile(t *testing.T) {
	for _, c := range []struct {
		step   string
		change func(*lab)
	}{
		{"disks", func(l *lab) { l.want(2) }},
		{"define", func(l *lab) { l.want(2) }},
		{"start", func(l *lab) { l.want(2) }},
		{"cut", func(l *lab) { l.want(0) }},
		{"undefine", func(l *lab) { l.want(0) }},
		{"config-drive", func(l *lab) { l.want(0) }},
		{"prepare", func(l *lab) { l.mode(1, spec.ModeDrain) }},
		{"clean", func(l *lab) { l.mode(1, spec.ModeDrain) }},
	} {
		t.Run(c.step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 2, false)
				l.begin()
				l.want(1)
				l.apply()
				l.kill()
				var taken string
				var then sim.Truth
				l.opts.Trace = func(op state.Operation, step string, when operation.When) {
					if taken != "" || step != c.step || when != operation.Before {
						return
					}
					taken = l.hostName(op.From)
					if step == "prepare" || op.Action == state.Create {
						taken = l.hostName(op.To)
					}
					h := l.world.Behind(taken)
					if err := h.ReleaseClaim(t.Context(), l.rec.State().ClusterID); err != nil {
						t.Error(err)
					}
					if err := h.SetClaim(t.Context(), hypervisor.Claim{Cluster: "0b8d4dc4-2c3b-4c0e-9b55-30b7f3f9a8a1", Fleet: "theirs", Epoch: 1}); err != nil {
						t.Error(err)
					}
					then = l.world.Truth()
				}
				l.begin()
				defer l.kill()
				c.change(l)
				l.apply()
				if taken == "" {
					t.Fatal("the step was not reached")
				}
				if before, after := of(then, taken), of(l.world.Truth(), taken); before != after {
					t.Errorf("%s was changed:\n%s\nis now:\n%s", taken, before, after)
				}
			})
		})
	}
}

// of writes down what is on one host.
func of(truth sim.Truth, host string) string {
	var b strings.Builder
	for _, d := range truth.Domains {
		if d.Host == host {
			fmt.Fprintln(&b, d.Name, d.Power, d.Stamp)
		}
	}
	for _, d := range truth.Disks {
		if d.Host == host {
			fmt.Fprintln(&b, d.Path)
		}
	}
	return b.String()
}

// files are the paths of all files in shared pools.
func (l *lab) files() map[string]bool {
	files := map[string]bool{}
	for _, d := range l.world.Truth().Disks {
		files[d.Path] = true
	}
	return files
}
