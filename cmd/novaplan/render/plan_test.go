package render_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
)

// twelve hosts, a1-a6 in az1 and b1-b6 in az2.
func twelve() []wire.PlanHost {
	var hosts []wire.PlanHost
	for _, rack := range []string{"a", "b"} {
		for n := 1; n <= 6; n++ {
			name := fmt.Sprintf("%s%d", rack, n)
			hosts = append(hosts, wire.PlanHost{
				Address: host(name), Name: name, Zone: map[string]string{"a": "az1", "b": "az2"}[rack],
				Reachable: true, Claimed: true, SeenAgo: 1000,
			})
		}
	}
	return hosts
}

func host(name string) string { return fmt.Sprintf("host.kvm[%q]", name) }

func web(n int) string { return fmt.Sprintf("instance.web[%d]", n) }

func newFleetPlan() *wire.Plan {
	p := &wire.Plan{Hosts: twelve(), Summary: wire.Summary{Create: 40, Hosts: 12, Instances: 40}}
	for _, h := range p.Hosts {
		p.Changes = append(p.Changes, wire.Change{Address: h.Address, Name: h.Name, Action: "claim", Reason: wire.Reason{Code: "unclaimed-host", Message: "nobody has claimed the host"}})
	}
	p.Changes = append(p.Changes, uploaded("image.debian", "422 MiB to 11 hosts on first use", "about 3 min"))
	added := wire.Reason{Code: "new", Message: "in the spec, on no host"}
	for n := range 38 {
		p.Changes = append(p.Changes, wire.Change{
			Address: web(n), Action: "create", To: p.Hosts[n%2*6+n/2%6].Address, Reason: added,
			Details: []string{"flavor m1.small", fmt.Sprintf("address 10.20.1.%d", n)},
		})
	}
	for i, key := range []string{"primary", "standby"} {
		p.Changes = append(p.Changes, wire.Change{
			Address: fmt.Sprintf("instance.db[%q]", key), Action: "create", To: p.Hosts[1+i*6].Address, Reason: added, Details: []string{"flavor db"},
		})
	}
	return p
}

func uploaded(image string, details ...string) wire.Change {
	return wire.Change{Address: image, Action: "upload", Details: details, Reason: wire.Reason{Code: "first-use", Message: "instances come to where the image isn't yet"}}
}

func drainPlan() *wire.Plan {
	p := &wire.Plan{Hosts: twelve(), Summary: wire.Summary{Live: 5, Cold: 1, Hosts: 12, Instances: 40, Seconds: 240}}
	drains := wire.Reason{Code: "host-drain", Message: "host b3 is draining"}
	p.Changes = append(p.Changes, wire.Change{
		Address: host("b3"), Name: "b3", Action: "update", Reason: wire.Reason{Code: "state-changed", Message: "mode drain (prod.auto.npvars:1)"},
		Attributes: []wire.Attribute{{Name: "mode", Old: "active", New: "drain"}},
	})
	p.Changes = append(p.Changes, wire.Change{
		Address: "instance.old", Action: "cold-migrate", From: host("b3"), To: host("b6"), Reason: drains,
		Details: []string{"already off"}, Bytes: 8 << 30,
	})
	for i, to := range []string{"b1", "b1", "b2", "b4", "b5"} {
		p.Changes = append(p.Changes, wire.Change{
			Address: web(5 + 2*i), Action: "live-migrate", From: host("b3"), To: host(to), Reason: drains,
			Details: []string{"shared disk"}, Bytes: 1288490189,
		})
	}
	return p
}

func restartPlan() *wire.Plan {
	p := &wire.Plan{Hosts: twelve(), Summary: wire.Summary{Restart: 38, Interrupt: 38, Hosts: 12, Instances: 40}}
	for n := range 38 {
		p.Changes = append(p.Changes, wire.Change{
			Address: web(n), Action: "restart", Interrupts: true, Reason: wire.Reason{Code: "flavor-changed", Message: "no hot-plug room"},
			Attributes: []wire.Attribute{{Name: "flavor", Old: "m1.small", New: "m1.medium"}, {Name: "ram", Old: "2", New: "4 GiB"}},
		})
	}
	return p
}

func refusedPlan() *wire.Plan {
	db := wire.Unplaced{Address: `instance.db["standby"]`, Reason: wire.Reason{Code: "no-valid-host", Message: "no host can take it"}, Placement: &wire.Placement{
		Candidates: 11,
		Rejections: []wire.Rejection{{Filter: "availability_zone", Hosts: 9}, {Filter: "ram", Hosts: 1}, {Filter: "server_group_anti_affinity", Hosts: 1}},
		Nearest:    &wire.Nearest{Host: host("b1"), Filter: "ram", Message: "ram: wants 16384 MiB, 12288 of 92160 left at ratio 1.5"},
	}}
	pinned := wire.Unplaced{Address: "instance.gpu", Reason: wire.Reason{Code: "no-valid-host", Message: `pinned to host.kvm["b3"] (gpu.np.hcl:7)`}}
	return &wire.Plan{
		Hosts: twelve(), Unplaced: []wire.Unplaced{db, pinned}, Summary: wire.Summary{Hosts: 12, Instances: 40, Unplaced: 2},
	}
}

func renamePlan() *wire.Plan {
	p := &wire.Plan{Hosts: twelve(), Summary: wire.Summary{Change: 5, Instances: 5}}
	rename := func(from, to string) {
		p.Changes = append(p.Changes, wire.Change{
			Address: to, Action: "rename", From: host("a1"), Reason: wire.Reason{Code: "moved", Message: from + " is now " + to},
			Attributes: []wire.Attribute{{Name: "address", Old: from, New: to}},
		})
	}
	for n := range 3 {
		rename(fmt.Sprintf("instance.app[%d]", n), web(n))
	}
	rename("instance.db", "instance.db[0]")
	return p
}

// partialPlan leaves web[1] behind on purpose, and places another instance nowhere.
func partialPlan() *wire.Plan {
	return &wire.Plan{
		Hosts: twelve(), Summary: wire.Summary{Live: 1},
		Warnings: []wire.Message{{Code: "drain-partial", Address: host("b3"), Summary: "b3 can't be emptied: 1 of 2 guests fit elsewhere, 1 doesn't",
			Detail: []string{web(1) + "  no host can take it"}}},
		Unplaced: []wire.Unplaced{
			{Address: web(1), Reason: wire.Reason{Message: "no host can take it"}},
			{Address: "instance.web", Placement: &wire.Placement{Candidates: 12, Rejections: []wire.Rejection{{Filter: "ram", Hosts: 12}}}},
		},
		Changes: []wire.Change{{Address: web(2), Action: "live-migrate", From: host("b3"), To: host("b1"), Reason: wire.Reason{Message: "host b3 is draining"}}},
	}
}

func TestPlanText(t *testing.T) {
	for name, tc := range map[string]struct {
		plan *wire.Plan
		opts render.Options
		want string
	}{
		"a new fleet": {newFleetPlan(), render.Options{}, `
+   host.kvm[*]      12 to claim, 12 reachable
+   image.debian     422 MiB to 11 hosts on first use, about 3 min
+   instance.web[*]  38  flavor m1.small  az1 19: a1 x4 a2-a6 x3   az2 19: b1 x4 b2-b6 x3
+   instance.db[*]   2  flavor db  primary on a2, standby on b2

Plan: 40 instances to create; 0 to migrate, 0 to interrupt, 0 to terminate.
`},
		"images, one by one, also when concise": {&wire.Plan{Hosts: twelve(), Summary: wire.Summary{Create: 1}, Changes: []wire.Change{
			uploaded(`image.os["a"]`, "422 MiB to 11 hosts on first use", "about 3 min"), uploaded(`image.os["b"]`, "to the shared pool on first use"),
			{Address: "instance.w", Action: "create", To: host("a1"), Reason: wire.Reason{Code: "new"}},
		}}, render.Options{Concise: true}, `
+   image.os["a"]  422 MiB to 11 hosts on first use, about 3 min
+   image.os["b"]  to the shared pool on first use
+   instance.w     on a1

Plan: 1 instance to create; 0 to migrate, 0 to interrupt, 0 to terminate.
`},
		"a drain": {drainPlan(), render.Options{Parallel: 2}, `
~   host.kvm["b3"]   active -> drain   (prod.auto.npvars:1)
!>  instance.old     b3 -> b6  cold, already off, 8 GiB   (host b3 is draining)
->  instance.web[5]  b3 -> b1  live, shared disk, 1.2 GiB   (host b3 is draining)
    ... 4 more live, to b1 b2 b4 b5

Plan: 6 to migrate (5 live, 1 cold); 0 to interrupt, 0 to terminate. About 4 min; 2 at a time.
`},
		"renames": {renamePlan(), render.Options{}, `
~   instance.web[*]  3  renamed from instance.app[*]; the guests are not touched
~   instance.db[0]   renamed from instance.db; the guest is not touched

Plan: 4 to rename, 1 to change; 0 to migrate, 0 to interrupt, 0 to terminate.
`},
		"what a partial drain leaves behind, said once": {partialPlan(), render.Options{}, `
Warning: b3 can't be emptied: 1 of 2 guests fit elsewhere, 1 doesn't
  instance.web[1]  no host can take it

Error: 1 instance fits on no host
  instance.web  12 hosts: 12 ram

->  instance.web[2]  b3 -> b1  live   (host b3 is draining)

Plan: 1 to migrate (1 live); 0 to interrupt, 0 to terminate.
`},
		"a restart": {restartPlan(), render.Options{}, `
!~  instance.web[*]  38  restart  flavor m1.small -> m1.medium, ram 2 -> 4 GiB   (no hot-plug room)

Plan: 38 to restart in place; 0 to migrate, 0 to terminate. INTERRUPTS 38 guests.
`},
		"what fits nowhere": {refusedPlan(), render.Options{}, `
Error: 2 instances fit on no host
  instance.db["standby"]  11 hosts: 9 availability_zone, 1 ram, 1 server_group_anti_affinity
      nearest: b1, ram: wants 16384 MiB, 12288 of 92160 left at ratio 1.5
  instance.gpu            pinned to host.kvm["b3"] (gpu.np.hcl:7)

Nothing can be done until this is put right.
`},
		"the same of many": {&wire.Plan{Errors: []wire.Message{
			{Code: "no-address", Address: "instance.web[2]", Summary: "instance.web[2] gets no address on lan", Detail: []string{"Make it larger."}},
			{Code: "no-address", Address: "instance.web[3]", Summary: "instance.web[3] gets no address on lan", Detail: []string{"Make it larger."}},
			{Code: "no-address", Address: "instance.db", Summary: "instance.db gets no address on lan", Detail: []string{"Make it larger."}},
		}}, render.Options{}, `
Error: instance.web[*] (2 of them) gets no address on lan
  Make it larger.
Error: instance.db gets no address on lan
  Make it larger.

Nothing can be done until this is put right.
`},
		"the same of many hosts": {&wire.Plan{
			Hosts: twelve(),
			Errors: []wire.Message{
				{Code: "host-foreign", Address: `host.kvm["a1"]`, Summary: "a1 is claimed by cluster x, not by this one", Source: wire.Source{File: "a.np.hcl", Line: 1}},
				{Code: "host-foreign", Address: `host.kvm["a2"]`, Summary: "a2 is claimed by cluster x, not by this one", Source: wire.Source{File: "a.np.hcl", Line: 1}},
				{Code: "host-foreign", Address: `host.kvm["a3"]`, Summary: "a3 is claimed by cluster y, not by this one", Source: wire.Source{File: "a.np.hcl", Line: 1}},
			},
		}, render.Options{}, `
Error: each of host.kvm[*] (a1, a2) is claimed by cluster x, not by this one (a.np.hcl:1)
Error: a3 is claimed by cluster y, not by this one (a.np.hcl:1)

Nothing can be done until this is put right.
`},
		"nothing to do": {&wire.Plan{Hosts: twelve(), Summary: wire.Summary{Hosts: 12, Instances: 40}}, render.Options{}, `
No changes. The fleet matches the spec (12 hosts, 40 instances, seen 1 s ago).
`},
		"nothing to do of what was chosen": {&wire.Plan{Hosts: twelve(), Summary: wire.Summary{Hosts: 12, Instances: 40}}, render.Options{Chosen: true}, `
No changes to what was chosen with -target or -exclude (seen 1 s ago). The rest wasn't looked at.
`},
		"nothing to do with a host unseen": {&wire.Plan{
			Hosts: twelve(), Summary: wire.Summary{Hosts: 12, Instances: 40, Unseen: 1},
			Warnings: []wire.Message{{Code: "host-unreachable", Summary: "a4 doesn't answer (ssh: timed out; last seen 14:02)", Detail: []string{"Its 4 guests are left alone and may still run."}}},
		}, render.Options{}, `
Warning: a4 doesn't answer (ssh: timed out; last seen 14:02)
  Its 4 guests are left alone and may still run.

No changes on the 11 other hosts.
`},
		"a single change, with its source": {&wire.Plan{
			Hosts:    twelve(),
			Changes:  []wire.Change{{Address: "instance.a", Action: "terminate", From: host("a1"), Reason: wire.Reason{Code: "removed", Message: "no longer in the spec"}, Details: []string{"disks kept 24 h"}, Interrupts: true}},
			Errors:   []wire.Message{{Code: "x", Summary: "zone.z has no host", Source: wire.Source{File: "a.np.hcl", Line: 3}}},
			ReadOnly: "no record here",
			Summary:  wire.Summary{Terminate: 1, Interrupt: 1},
		}, render.Options{}, `
Warning: this plan can't be applied from here: no record here

Error: zone.z has no host (a.np.hcl:3)

-   instance.a  disks kept 24 h  on a1   (no longer in the spec)

Plan: 1 to terminate; 0 to migrate. INTERRUPTS 1 guest.
`},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := render.Plan(&b, tc.plan, tc.opts); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(tc.want, "\n"), b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestManyZonesAreCounted(t *testing.T) {
	p := &wire.Plan{}
	for n := range 20 {
		p.Hosts = append(p.Hosts, wire.PlanHost{Address: host(fmt.Sprint("h", n)), Name: fmt.Sprint("h", n), Zone: fmt.Sprint("az", n%10)})
	}
	for n := range 50 {
		p.Changes = append(p.Changes, wire.Change{Address: web(n), Action: "create", To: p.Hosts[n%20].Address,
			Details: []string{"flavor s"}, Reason: wire.Reason{Code: "new"}})
	}
	var b strings.Builder
	if err := render.Plan(&b, p, render.Options{}); err != nil {
		t.Fatal(err)
	}
	if want := "50  flavor s  10 zones, 20 hosts, 2 to 3 each\n"; !strings.Contains(b.String(), want) {
		t.Errorf("%q lacks %q", b.String(), want)
	}
}

func TestWideShowsEveryRow(t *testing.T) {
	var b strings.Builder
	if err := render.Plan(&b, newFleetPlan(), render.Options{Wide: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"instance.web[37]", "address 10.20.1.37", `host.kvm["b6"]`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("a wide plan lacks %q:\n%s", want, b.String())
		}
	}
}

func TestColourIsDecoration(t *testing.T) {
	for _, p := range []*wire.Plan{newFleetPlan(), drainPlan(), restartPlan(), refusedPlan()} {
		var plain, coloured strings.Builder
		if err := render.Plan(&plain, p, render.Options{}); err != nil {
			t.Fatal(err)
		}
		if err := render.Plan(&coloured, p, render.Options{Palette: render.Colours()}); err != nil {
			t.Fatal(err)
		}
		if stripped := strip(coloured.String()); stripped != plain.String() {
			t.Errorf("without its colours the text differs:\n%s", cmp.Diff(plain.String(), stripped))
		}
		if coloured.String() == plain.String() {
			t.Error("there is no colour at all")
		}
	}
}

func strip(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, s, _ = strings.Cut(after, "m")
	}
}

func BenchmarkPlanText(b *testing.B) {
	p := &wire.Plan{Hosts: twelve()}
	for n := range 10_000 {
		p.Changes = append(p.Changes, wire.Change{Address: fmt.Sprintf("instance.w%d", n), Action: "create", To: host("a1"), Details: []string{"flavor s", "address 10.0.0.1"}, Reason: wire.Reason{Code: "new"}})
	}
	for b.Loop() {
		var out strings.Builder
		if err := render.Plan(&out, p, render.Options{Palette: render.Colours()}); err != nil {
			b.Fatal(err)
		}
	}
}

// Moves of one group have addresses of different lengths; the column is as wide as the longest.
func TestMovesShareAColumn(t *testing.T) {
	p := drainPlan()
	p.Changes = p.Changes[:0]
	for _, address := range []string{"instance.web[1]", `instance.db["standby"]`} {
		p.Changes = append(p.Changes, wire.Change{Address: address, Action: "live-migrate", From: host("b3"), To: host("b1")})
	}
	var text strings.Builder
	if err := render.Plan(&text, p, render.Options{}); err != nil {
		t.Fatal(err)
	}
	var columns []int
	for line := range strings.Lines(text.String()) {
		if at := strings.Index(line, "b3 -> b1"); at >= 0 {
			columns = append(columns, at)
		}
	}
	if len(columns) != 2 || columns[0] != columns[1] {
		t.Errorf("the moves begin in columns %v, want two equal ones", columns)
	}
}

// A full fleet says so once for each block, and not for more blocks than one can read.
func TestUnplacedCollapse(t *testing.T) {
	p := &wire.Plan{Hosts: twelve()}
	add := func(address string, nearest int) {
		p.Unplaced = append(p.Unplaced, wire.Unplaced{Address: address, Placement: &wire.Placement{
			Candidates: 12, Rejections: []wire.Rejection{{Filter: "ram", Hosts: 12}},
			Nearest: &wire.Nearest{Host: p.Hosts[nearest].Address, Filter: "ram", Message: "ram: full"},
		}})
	}
	for n := range 24 {
		add(web(n), n%12)
		add(fmt.Sprintf("instance.one%02d", n), 0)
	}
	var text strings.Builder
	if err := render.Plan(&text, p, render.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"instance.web[*]  24  12 hosts: 12 ram\n      nearest: a1, ram: full", "instance.one18", "... and 5 instances more"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("want %q in:\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "instance.one19") {
		t.Errorf("more than %d rows:\n%s", 20, text.String())
	}
}
