package planner

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// refused plans what change makes of a settled instance.a on h1 of two hosts, and wants one message
// of that code and no operation.
func TestWhatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world, s *spec.Spec)
		code   string
		says   string
	}{
		"bigger flavor": {func(_ *world, s *spec.Spec) { s.Instances[0].Flavor = "flavor.big" }, CodeUnsupported,
			"instance.a: flavor small -> big, vcpus 1 -> 4, ram 1024 -> 12288 MiB: changing this is not supported yet"},
		"other image": {func(_ *world, s *spec.Spec) {
			s.Images = append(slices.Clone(s.Images), spec.Image{Address: "image.j"})
			s.Instances[0].Image = "image.j"
		}, CodeUnsupported, "image i -> j"},
		"other image source": {func(_ *world, s *spec.Spec) {
			s.Images = slices.Clone(s.Images)
			s.Images[0].Location = "/images/new.qcow2"
		}, CodeUnsupported, "image source /i -> /images/new.qcow2"},
		"other pool": {func(_ *world, s *spec.Spec) {
			s.Pools = append(slices.Clone(s.Pools), spec.Pool{Address: "pool.q", Path: "/q"})
			s.Instances[0].Pool = "pool.q"
		}, CodeUnsupported, "pool /p -> /q"},
		"second nic": {func(_ *world, s *spec.Spec) {
			s.Instances[0].NICs = append(slices.Clone(s.Instances[0].NICs), spec.NIC{Network: "network.n"})
		}, CodeUnsupported, "nics 1 -> 2"},
		"fixed ip": {func(_ *world, s *spec.Spec) {
			s.Instances[0].NICs = []spec.NIC{{Network: "network.n", FixedIP: "10.0.9.9"}}
		}, CodeUnsupported, "nic0 fixed_ip 10.0.0.2 -> 10.0.9.9"},
		"renamed block":            {func(_ *world, s *spec.Spec) { s.Instances[0].Address = "instance.b" }, CodeLikelyRename, "was it renamed?"},
		"host with guests removed": {func(_ *world, s *spec.Spec) { s.Hosts = s.Hosts[1:] }, CodeHostHoldsGuests, "h1 left the spec and still holds 1 instance"},
		"claimed by another": {func(w *world, _ *spec.Spec) {
			w.obs.Hosts["host.h2"].Inventory.Owner, w.obs.Hosts["host.h2"].Claimed = "other", false
		}, CodeHostForeign, "h2 is claimed by cluster other"},
		"one machine twice": {func(w *world, _ *spec.Spec) { w.obs.Hosts["host.h2"].Inventory.UUID = "host.h1" }, CodeHostTwin, "same host UUID"},
		"fenced":            {func(_ *world, s *spec.Spec) { s.Hosts[0].Mode = spec.ModeFenced }, CodeFenced, "evacuation is not supported yet"},
		"unknown domain of ours": {func(w *world, _ *spec.Spec) {
			w.foreign("host.h2", Domain{UUID: "x", Name: "np-x", Cluster: testCluster, Address: "instance.z"})
		}, CodeUnknownDomain, "novaplan takeover"},
		"wanted address of another cluster": {func(w *world, s *spec.Spec) {
			w.foreign("host.h2", Domain{UUID: "x", Name: "np-x", Cluster: "other", Address: "instance.z"})
			s.Instances = append(s.Instances, inst("z", "big"))
		}, CodeOtherCluster, "instance.z exists"},
		"domain of the same name": {func(w *world, s *spec.Spec) {
			name := state.DomainName(state.InstanceUUID(testCluster, "instance.z", 1), "z")
			w.foreign("host.h2", Domain{UUID: "x", Name: name})
			s.Instances = append(s.Instances, inst("z", "big"))
			s.Instances[1].Host = "host.h2"
		}, CodeNameTaken, "isn't ours"},
		"address pool exhausted": {func(_ *world, s *spec.Spec) {
			s.Networks = []spec.Network{{Address: "network.n", Name: "n", Bridge: "br0", CIDR: "10.0.0.0/16", PoolFirst: "10.0.0.2", PoolLast: "10.0.0.2"}}
			s.Instances = append(s.Instances, inst("z", "big"))
		}, CodeNoAddress, "no free address left between 10.0.0.2 and 10.0.0.2"},
		"fixed ip taken": {func(_ *world, s *spec.Spec) {
			s.Instances = append(s.Instances, inst("z", "big"))
			s.Instances[1].NICs = []spec.NIC{{Network: "network.n", FixedIP: "10.0.0.2"}}
		}, CodeAddressTaken, "belongs to instance.a"},
		"flavor too small for the image": {func(_ *world, s *spec.Spec) {
			s.Images = append(slices.Clone(s.Images), spec.Image{Address: "image.j", Name: "j", MinRAM: 2048, MinDisk: 4096})
			s.Instances = append(s.Instances, inst("z", "small"))
			s.Instances[1].Image = "image.j"
		}, CodeFlavorTooSmall, "min_ram is 2048 MiB, flavor small has 1024 min_disk is 4096 MiB, flavor small has 1024"},
		"no host takes it": {func(_ *world, s *spec.Spec) {
			s.Flavors = append(slices.Clone(s.Flavors), spec.Flavor{Address: "flavor.huge", VCPUs: 1, RAM: 99999})
			s.Instances = append(s.Instances, inst("z", "huge"))
		}, CodeNoValidHost, "2 hosts: 2 ram"},
		"group that can't be met": {func(_ *world, s *spec.Spec) {
			s.Groups = []spec.ServerGroup{{Address: "server_group.g", Name: "g", Policy: spec.AntiAffinity}}
			s.Instances = append(s.Instances, many("z", "small", 3)...)
			for i := 1; i < 4; i++ {
				s.Instances[i].Group = "server_group.g"
			}
		}, CodeNoValidHost, "2 server_group_anti_affinity"},
		"network missing": {func(w *world, s *spec.Spec) {
			s.Networks = append(slices.Clone(s.Networks), spec.Network{Address: "network.m", Name: "m", Bridge: "br9"})
			s.Instances = append(s.Instances, inst("z", "small"))
			s.Instances[1].NICs = []spec.NIC{{Network: "network.m"}}
		}, CodeNoValidHost, "2 network"},
	} {
		t.Run(name, func(t *testing.T) {
			w, s, _, _ := one(t)
			changed := edit(s, func(s *spec.Spec) { c.change(w, s) })
			p := w.plan(changed, Options{})
			var said []string
			for _, m := range append(p.Errors, p.Warnings...) {
				said = append(said, m.Code+": "+m.Summary+" "+strings.Join(m.Detail, " "))
			}
			for _, u := range p.Unplaced {
				said = append(said, u.Reason.Code+": "+u.Reason.Message)
			}
			if !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, c.code+":") && strings.Contains(s, c.says) }) {
				t.Errorf("said %q", said)
			}
			blocks := slices.Contains([]string{CodeLikelyRename, CodeHostHoldsGuests}, c.code)
			if (p.Blocked() != nil) != blocks {
				t.Errorf("blocked: %+v", p.Blocked())
			}
			for _, op := range p.Operations {
				if op.Action != state.Create || c.code != CodeNoValidHost {
					t.Errorf("operation %+v", op)
				}
			}
		})
	}
}

// foreign shows a domain that the record doesn't know.
func (w *world) foreign(host spec.Address, d Domain) {
	w.obs.Hosts[host].Domains = append(w.obs.Hosts[host].Domains, d)
}

func TestPreventDestroyHoldsWhenTheBlockIsGone(t *testing.T) {
	s := fleetSpec(1, inst("a", "small"))
	s.Instances[0].Lifecycle.PreventDestroy = true
	w := newWorld(t, s)
	w.converge(s)
	for _, o := range []Options{{}, {Destroy: true}} {
		p := w.plan(edit(s, func(s *spec.Spec) { s.Instances = nil }), o)
		if len(p.Operations) != 0 || !slices.Equal(codes(p.Errors), []string{CodePreventDestroy}) || p.Blocked() == nil {
			t.Errorf("%+v: %+v %+v", o, p.Operations, p.Errors)
		}
	}
}

func TestRemovedBlockForgets(t *testing.T) {
	w, s, _, _ := one(t)
	p := w.converge(edit(s, func(s *spec.Spec) {
		s.Instances = nil
		s.Removed = []spec.Removed{{From: "instance.a"}}
	}))
	if len(p.Operations) != 1 || p.Operations[0].Action != state.Forget || w.st.Instances.Len() != 0 {
		t.Errorf("%+v", p)
	}
}

func TestEmptyHostThatLeavesIsUnclaimed(t *testing.T) {
	w, s, _, _ := one(t)
	p := w.converge(edit(s, func(s *spec.Spec) { s.Hosts = s.Hosts[:1] }))
	if len(p.Operations) != 1 || p.Operations[0].Action != state.Unclaim || p.Changes[0].Action != ActUnclaim {
		t.Errorf("%+v", p)
	}
	if _, known := w.st.Hosts.Get("host.h2"); known {
		t.Error("h2 is still in the record")
	}
}

func TestAddressOfALeavingInstanceIsPassedOn(t *testing.T) {
	s := fleetSpec(2, inst("a", "small"))
	s.Instances[0].NICs[0].FixedIP = "10.0.5.5"
	w := newWorld(t, s)
	w.converge(s)
	p := w.converge(edit(s, func(s *spec.Spec) {
		s.Instances = []spec.Instance{inst("z", "big")}
		s.Instances[0].NICs = []spec.NIC{{Network: "network.n", FixedIP: "10.0.5.5"}}
	}))
	if len(p.Operations) != 2 || p.Operations[0].Action != state.Terminate || !slices.Contains(p.Operations[1].After, p.Operations[0].ID) {
		t.Errorf("%+v", p.Operations)
	}
}

func TestDestroyAndTarget(t *testing.T) {
	s := fleetSpec(2, append(many("web", "small", 3), inst("db", "big"))...)
	w := newWorld(t, s)
	first := w.approve(s, Options{Target: []spec.Address{"instance.web[1]"}})
	if first.Summary.Create != 1 {
		t.Fatalf("%+v %+v", first.Summary, first.Errors)
	}
	w.run()
	w.settled()
	p := w.approve(s, Options{Exclude: []spec.Address{"instance.db"}})
	if p.Summary.Create != 2 {
		t.Errorf("%+v", p.Summary)
	}
	w.run()
	p = w.approve(s, Options{Destroy: true})
	if p.Summary.Terminate != 3 || p.Changes[2].Reason.Code != ReasonDestroy || p.Changes[0].Action != ActUnclaim {
		t.Errorf("%+v %+v", p.Summary, p.Changes)
	}
	for _, op := range p.Operations[3:] {
		if op.Action != state.Unclaim || len(op.After) == 0 {
			t.Errorf("a host is given back after what is on it is gone: %+v", op)
		}
	}
	w.run()
	w.settled()
	if n := w.st.Hosts.Len(); n != 0 {
		t.Errorf("%d hosts are left in the record", n)
	}
}

func TestDestroyKeepsHostsWithTrash(t *testing.T) {
	s := fleetSpec(3, many("web", "small", 3)...)
	for i := range s.Instances {
		s.Instances[i].TrashRetention = 24 * time.Hour
	}
	w := newWorld(t, s)
	w.converge(s)
	for _, in := range w.st.Instances.All() {
		disks := *in
		disks.Disks = []state.Disk{{Role: "root", Path: "/p/" + in.UUID}}
		w.must(state.Command{Restore: &state.Restore{Instances: []state.Instance{disks}}})
		w.domain(in).Disks = []string{"/p/" + in.UUID}
	}
	w.obs.Hosts["host.h3"].Reachable = false
	p := w.approve(s, Options{Destroy: true})
	if p.Summary.Terminate != 2 || len(p.Operations) != 2 || p.Blocked() != nil {
		t.Fatalf("%+v %+v", p.Summary, p.Errors)
	}
	if !slices.Equal(codes(p.Warnings), []string{CodeHostHoldsTrash}) || !strings.Contains(p.Warnings[0].Detail[0], "from 2026-11-24T09:00:00Z on") {
		t.Errorf("%+v", p.Warnings)
	}
	if !slices.Equal(codes(p.Errors), []string{CodeHostHoldsGuests}) {
		t.Errorf("%+v", p.Errors)
	}
	w.run()
	w.obs.Hosts["host.h3"].Reachable = true
	p = w.approve(s, Options{Destroy: true})
	if p.Summary.Terminate != 1 || len(p.Errors) != 0 {
		t.Fatalf("the one that was out of reach: %+v %+v", p.Summary, p.Errors)
	}
	w.run()
	if w.st.Trash.Len() != 3 || w.st.Hosts.Len() != 3 {
		t.Errorf("%d in the trash, %d hosts", w.st.Trash.Len(), w.st.Hosts.Len())
	}
	w.settled() // waiting for a retention is nothing to do
	w.st.Trash = state.Map[*state.Trash]{}
	p = w.approve(s, Options{Destroy: true})
	if len(p.Operations) != 3 || p.Operations[0].Action != state.Unclaim || len(p.Warnings) != 0 {
		t.Errorf("with the trash empty: %+v", p.Operations)
	}
	w.run()
	w.settled()
}

func TestHostLeavesWithItsGuests(t *testing.T) {
	s := fleetSpec(2, inst("a", "small"))
	w := newWorld(t, s)
	w.converge(s)
	p := w.approve(edit(s, func(s *spec.Spec) {
		s.Instances = nil
		s.Hosts = slices.DeleteFunc(s.Hosts, func(h spec.Host) bool { return h.Address == w.at("instance.a") })
	}), Options{})
	if len(p.Operations) != 2 || p.Operations[0].Action != state.Terminate || p.Operations[1].Action != state.Unclaim || len(p.Errors) != 0 {
		t.Errorf("%+v %+v", p.Operations, p.Errors)
	}
	w.run()
	w.settled()
}

func TestUnusedHostIsForgotten(t *testing.T) {
	w := newWorld(t, fleetSpec(2))
	p := w.approve(fleetSpec(1), Options{}) // the second one was recorded for a proposal that nobody approved
	if _, still := w.st.Hosts.Get("host.h2"); still || len(p.Operations) != 1 {
		t.Errorf("operations %+v", p.Operations)
	}
}

func TestHostThatComesBackIsNotReleased(t *testing.T) {
	w := newWorld(t, fleetSpec(2))
	w.converge(fleetSpec(2))
	w.approve(fleetSpec(1), Options{})
	p := w.approve(fleetSpec(2), Options{})
	if len(p.Cancel) != 1 || len(p.Operations) != 0 {
		t.Errorf("withdrawn %v, operations %+v", p.Cancel, p.Operations)
	}
	w.settled()
}

func TestWantedPausedFromTheStart(t *testing.T) {
	s := fleetSpec(1, inst("a", "small"), inst("b", "small"), inst("c", "small"))
	s.Instances[0].State, s.Instances[1].State, s.Instances[2].State = spec.Paused, spec.Suspended, spec.Stopped
	w := newWorld(t, s)
	p := w.converge(s)
	if p.Summary.Create != 3 || len(p.Operations) != 6 {
		t.Errorf("%+v", p.Operations)
	}
}

func TestExplainNamesEveryHost(t *testing.T) {
	s := fleetSpec(3, inst("a", "small"))
	s.Hosts[2].Mode = spec.ModeCordon
	w := newWorld(t, s)
	e := Explain(Propose(w.st, s, Options{}), w.obs, testTime, Options{}, "instance.a")
	if e == nil || e.Change == nil || len(e.Placement.Ranked) != 2 || e.Placement.Rejections[0].Reasons[0].Message != "compute: is cordoned" {
		t.Fatalf("%+v", e)
	}
	w.converge(s)
	e = Explain(w.st, w.obs, testTime, Options{}, "instance.a")
	if e.Host != "host.h1" || e.Change != nil || len(e.Placement.Ranked) != 2 || e.Placement.Host != "host.h1" {
		t.Errorf("%+v", e)
	}
	if Explain(w.st, w.obs, testTime, Options{}, "instance.nobody") != nil {
		t.Error("explained what doesn't exist")
	}
}

func TestNextHostLeavesOutTheTried(t *testing.T) {
	s := fleetSpec(3, inst("a", "small"))
	w := newWorld(t, s)
	p := w.approve(s, Options{})
	var create state.Operation
	for _, op := range p.Operations {
		if op.Action == state.Create {
			create = op
		} else if w.start(op.ID) == nil {
			w.finish(op.ID)
		}
	}
	if r := w.start(create.ID); r != nil {
		t.Fatal(r)
	}
	for i, want := range []spec.Address{"host.h2", "host.h3", ""} {
		op, _ := w.st.Operations.Get(create.ID)
		got, why := NextHost(w.st, w.obs, testTime, op)
		if got != want {
			t.Fatalf("try %d: %q, want %q (%+v)", i, got, want, why)
		}
		if got != "" {
			w.must(state.Command{Retarget: &state.Retarget{Operation: op.ID, Epoch: 1, To: got, Error: "no space"}})
		}
	}
	w.must(state.Command{Finish: &state.Finish{Operation: create.ID, Epoch: 1, Error: "no space"}})
	// All were tried: the next plan begins again, where builds failed least and then first.
	if p := w.replan(); p.Summary.Create != 1 {
		t.Errorf("%+v %+v", p.Summary, p.Unplaced)
	}
}

func TestDependsOnOrdersBothWays(t *testing.T) {
	s := fleetSpec(1, inst("app", "small"), inst("db", "small"))
	s.Instances[0].DependsOn = []spec.Address{"instance.db"}
	w := newWorld(t, s)
	order := func(p *Plan) (all []string) {
		for _, op := range p.Operations {
			if op.Instance != "" {
				all = append(all, op.Instance.Label())
			}
		}
		return all
	}
	if p := w.converge(s); !slices.Equal(order(p), []string{"db", "app"}) {
		t.Errorf("%v", order(p))
	}
	if p := w.plan(s, Options{Destroy: true}); !slices.Equal(order(p), []string{"app", "db"}) {
		t.Errorf("%v", order(p))
	}
	circle := edit(s, func(s *spec.Spec) { s.Instances[1].DependsOn = []spec.Address{"instance.app"} })
	if p := w.plan(circle, Options{}); !slices.Equal(codes(p.Errors), []string{CodeCircular}) {
		t.Errorf("%+v", p.Errors)
	}
}

func TestHalfMigratedGuestIsNotResumed(t *testing.T) {
	w, _, _, d := one(t)
	d.Power, d.PauseReason = PowerPaused, "migration"
	if p := w.replan(); len(p.Operations) != 1 || p.Operations[0].Action != state.Resume {
		t.Errorf("with every host seen: %+v", p)
	}
	w.obs.Hosts["host.h2"].Reachable = false
	if p := w.replan(); len(p.Operations) != 0 || !slices.Equal(codes(p.Errors), []string{CodeSplitBrain}) {
		t.Errorf("with h2 unseen: %+v", p)
	}
	w.obs.Hosts["host.h2"].Reachable, d.PauseReason = true, "postcopy-failed"
	if p := w.replan(); len(p.Operations) != 0 || !slices.Equal(codes(p.Errors), []string{CodeSplitBrain}) {
		t.Errorf("after post-copy: %+v", p)
	}
}

// TestMirrorIsNoOtherImage moves an image with a checksum to another server: nothing has to be done.
func TestMirrorIsNoOtherImage(t *testing.T) {
	c := computation{}
	for name, tc := range map[string]struct {
		built state.Instance
		want  spec.Image
		says  string
	}{
		"same sha256 elsewhere":  {state.Instance{ImageDigest: "sha256:1", ImageSource: "/a"}, spec.Image{Location: "/b", Checksum: "sha256:1"}, ""},
		"same sha512 elsewhere":  {state.Instance{ImageDigest: "sha256:1", ImageChecksum: "sha512:2", ImageSource: "/a"}, spec.Image{Location: "/b", Checksum: "sha512:2"}, ""},
		"other sha512":           {state.Instance{ImageDigest: "sha256:1", ImageChecksum: "sha512:2", ImageSource: "/a"}, spec.Image{Location: "/a", Checksum: "sha512:3"}, "image content"},
		"checksum added":         {state.Instance{ImageDigest: "sha256:1", ImageSource: "/a"}, spec.Image{Location: "/a", Checksum: "sha512:2"}, ""},
		"no checksum, elsewhere": {state.Instance{ImageDigest: "sha256:1", ImageSource: "/a"}, spec.Image{Location: "/b"}, "image source"},
		"an older record":        {state.Instance{ImageDigest: "sha256:1"}, spec.Image{Location: "/b"}, ""},
	} {
		tc.built.Image, tc.want.Address = "image.i", "image.i"
		c.index = spec.NewIndex(&spec.Spec{Images: []spec.Image{tc.want}})
		var said string
		for _, d := range c.imageChange(&record{have: &tc.built, want: &spec.Instance{Image: "image.i"}}) {
			said = d.Name
		}
		if said != tc.says {
			t.Errorf("%s: %q changes, want %q", name, said, tc.says)
		}
	}
}
