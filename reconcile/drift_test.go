package reconcile_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/drift"
	"github.com/novaplan/novaplan/reconcile"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// Each kind of difference that somebody makes by hand, with each policy: mended, or told and left.
func TestDriftByHand(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		kind    drift.Kind
		wanted  spec.Power // "": running
		auto    state.AutoApply
		harm    func(l *lab, in *state.Instance, h hypervisor.Host) error
		mended  func(l *lab, in *state.Instance) bool
		address string // of the report; "": the instance's
	}{
		"stopped": {
			kind:   drift.Stopped,
			harm:   func(_ *lab, in *state.Instance, h hypervisor.Host) error { return h.DestroyDomain(ctx, in.UUID) },
			mended: func(l *lab, in *state.Instance) bool { return l.does(in.UUID) == hypervisor.PowerRunning },
		},
		"saved": {
			kind:   drift.Saved,
			harm:   func(_ *lab, in *state.Instance, h hypervisor.Host) error { return h.SaveDomain(ctx, in.UUID) },
			mended: func(l *lab, in *state.Instance) bool { return l.does(in.UUID) == hypervisor.PowerRunning },
		},
		"paused": {
			kind:   drift.Paused,
			harm:   func(_ *lab, in *state.Instance, h hypervisor.Host) error { return h.PauseDomain(ctx, in.UUID) },
			mended: func(l *lab, in *state.Instance) bool { return l.does(in.UUID) == hypervisor.PowerRunning },
		},
		"running": {
			kind: drift.Running, wanted: spec.Stopped, auto: state.ApplyAll,
			harm:   func(_ *lab, in *state.Instance, h hypervisor.Host) error { return h.StartDomain(ctx, in.UUID) },
			mended: func(l *lab, in *state.Instance) bool { return l.does(in.UUID) == hypervisor.PowerOff },
		},
		"redefined": {
			kind: drift.Redefined,
			harm: func(l *lab, in *state.Instance, h hypervisor.Host) error {
				for _, d := range l.world.Truth().Domains {
					if d.UUID == in.UUID {
						def := d.Definition
						def.MemoryMiB *= 2
						return h.DefineDomain(ctx, def)
					}
				}
				return fmt.Errorf("no domain")
			},
			mended: func(l *lab, in *state.Instance) bool {
				for _, d := range l.world.Truth().Domains {
					if d.UUID == in.UUID {
						return d.Definition.MemoryMiB == in.Size.MemoryMiB
					}
				}
				return false
			},
		},
		"renamed": {
			kind: drift.Renamed, wanted: spec.Stopped,
			harm: func(l *lab, in *state.Instance, h hypervisor.Host) error {
				for _, d := range l.world.Truth().Domains {
					if d.UUID == in.UUID {
						def := d.Definition
						def.Name = "renamed-by-hand"
						if err := h.UndefineDomain(ctx, in.UUID); err != nil {
							return err
						}
						return h.DefineDomain(ctx, def)
					}
				}
				return fmt.Errorf("no domain")
			},
			mended: func(l *lab, in *state.Instance) bool {
				now, _ := l.rec.State().Instances.Get(string(in.Address))
				return now.Domain == "renamed-by-hand"
			},
		},
		"missing": {
			kind: drift.Missing,
			harm: func(_ *lab, in *state.Instance, h hypervisor.Host) error {
				if err := h.DestroyDomain(ctx, in.UUID); err != nil {
					return err
				}
				return h.UndefineDomain(ctx, in.UUID)
			},
			mended: func(l *lab, in *state.Instance) bool { return l.does(in.UUID) == hypervisor.PowerRunning },
		},
		"claim": {
			kind: drift.Claim,
			harm: func(l *lab, _ *state.Instance, h hypervisor.Host) error {
				return h.ReleaseClaim(ctx, l.rec.State().ClusterID)
			},
			mended: func(l *lab, in *state.Instance) bool {
				_, n := l.vm(0)
				claim, err := l.byHand(n).GetClaim(ctx)
				return err == nil && claim.Cluster == l.rec.State().ClusterID
			},
			address: "host",
		},
	} {
		for _, policy := range []state.DriftPolicy{state.DriftMend, state.DriftReport, state.DriftIgnore} {
			t.Run(name+" "+string(policy), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLab(t, 2, false)
					l.settings(state.Settings{AutoApply: c.auto, Drift: map[string]state.DriftPolicy{string(c.kind): policy}})
					l.begin()
					defer l.kill()
					l.want(1)
					if c.wanted != "" {
						l.spec.Instances[0].State = c.wanted
					}
					l.apply()
					defer l.keep(reconcile.Keeping{})()
					time.Sleep(2 * time.Minute)
					if got := l.reports(); len(got) != 0 {
						t.Fatalf("before anything happened: %v", got)
					}
					in, host := l.vm(0)
					if err := c.harm(l, in, l.byHand(host)); err != nil {
						t.Fatal(err)
					}
					time.Sleep(3 * time.Minute)
					mended := c.mended(l, in)
					told := len(l.reports()) > 0
					if mended != (policy == state.DriftMend) || told != (policy == state.DriftReport) {
						t.Errorf("mended %v, told %v; notes %q\n%s", mended, l.reports(), l.notes(), l.dump())
					}
					if noted := l.noted(string(c.kind) + ":"); noted != (policy != state.DriftIgnore) {
						t.Errorf("the history says %q", l.notes())
					}
					if policy == state.DriftReport {
						want := string(c.kind) + " " + string(in.Address)
						if c.address == "host" {
							want = string(c.kind) + " " + string(in.Host)
						}
						if got := l.reports(); !slices.Equal(got, []string{want}) {
							t.Errorf("reports %q, want %q", got, want)
						}
					}
				})
			})
		}
	}
}

// What is only ever told of: nothing that a controller could do would be right.
func TestDriftThatIsOnlyTold(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		kind   drift.Kind
		shared bool
		harm   func(l *lab, in *state.Instance, host int) error
		heal   func(l *lab, in *state.Instance, host int) error
	}{
		"disk": {drift.Disk, false, func(l *lab, in *state.Instance, host int) error {
			h := l.byHand(host)
			if err := h.DestroyDomain(ctx, in.UUID); err != nil {
				return err
			}
			return h.DeleteVolume(ctx, hypervisor.Pool{Path: "/srv/vms"}, in.Disks[0].Path[len("/srv/vms/"):])
		}, nil},
		"shared disk": {drift.Disk, true, func(l *lab, in *state.Instance, host int) error {
			h := l.byHand(host)
			if err := h.DestroyDomain(ctx, in.UUID); err != nil {
				return err
			}
			return h.DeleteVolume(ctx, hypervisor.Pool{Path: "/srv/vms", Shared: true}, in.Disks[0].Path[len("/srv/vms/"):])
		}, nil},
		"pool": {drift.Pool, true,
			func(l *lab, _ *state.Instance, host int) error {
				return l.world.Do(fmt.Sprintf("unmount kvm%d /srv/vms", host))
			},
			func(l *lab, _ *state.Instance, host int) error {
				return l.world.Do(fmt.Sprintf("mount kvm%d /srv/vms", host))
			}},
		"host": {drift.Host, true,
			func(l *lab, _ *state.Instance, host int) error { return l.world.Do(fmt.Sprintf("cut kvm%d", host)) },
			func(l *lab, _ *state.Instance, host int) error { return l.world.Do(fmt.Sprintf("up kvm%d", host)) }},
		"network": {drift.Network, false,
			func(l *lab, _ *state.Instance, host int) error {
				return l.world.Do(fmt.Sprintf("unplug kvm%d br0", host))
			},
			func(l *lab, _ *state.Instance, host int) error {
				return l.world.Do(fmt.Sprintf("plug kvm%d br0", host))
			}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 3, c.shared)
				l.settings(state.Settings{AutoApply: state.ApplyAll})
				l.begin()
				defer l.kill()
				l.want(1)
				l.apply()
				defer l.keep(reconcile.Keeping{})()
				time.Sleep(2 * time.Minute)
				in, host := l.vm(0)
				approvals := l.rec.State().Approvals
				if err := c.harm(l, in, host); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Minute)
				if !slices.ContainsFunc(l.reports(), func(r string) bool { return strings.HasPrefix(r, string(c.kind)+" ") }) || !l.noted(string(c.kind)+":") {
					t.Errorf("reports %q, history %q", l.reports(), l.notes())
				}
				if l.rec.State().Approvals != approvals {
					t.Errorf("something was done\n%s", l.dump())
				}
				if c.heal == nil {
					return
				}
				if err := c.heal(l, in, host); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Minute)
				if got := l.reports(); len(got) != 0 || !l.noted("no longer so") {
					t.Errorf("after it was put right: reports %q, history %q", got, l.notes())
				}
			})
		})
	}
}
