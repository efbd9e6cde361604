package placement

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// fleetWith returns hosts like able, each with something taken.
func fleetWith(used ...state.Usage) *Fleet {
	hosts := make([]*Host, len(used))
	for i := range hosts {
		hosts[i] = able()
		hosts[i].Address, hosts[i].Name = spec.NewAddress("host", fmt.Sprint("h", i)), fmt.Sprint("h", i)
	}
	return NewFleet(hosts, used)
}

func TestWeighersRaw(t *testing.T) {
	f := fleetWith(state.Usage{VCPUs: 3, MemoryMiB: 5000, IOOps: 2})
	*f.Hosts[0].Pools[0].used = 240
	f.Hosts[0].FailedBuilds = 5
	f.Join(0, Occupant{Instance: "instance.m", Group: "server_group.g"})
	r := &Request{Group: &spec.ServerGroup{Address: "server_group.g", Policy: spec.SoftAffinity}}
	want := map[string]float64{"ram": -904, "cpu": 5, "disk": 10000, "io_ops": 2, "soft_affinity": 1, "soft_anti_affinity": -1, "build_failure": 5}
	for _, w := range allWeighers() {
		if got := w.Raw(f, r, 0); got != want[w.Name] {
			t.Errorf("%s: %v, want %v", w.Name, got, want[w.Name])
		}
		group := w.Name == "soft_affinity" || w.Name == "soft_anti_affinity"
		if w.Applies(&Request{}) == group || group && w.Applies(r) != (w.Name == "soft_affinity") {
			t.Errorf("%s applies to the wrong requests", w.Name)
		}
	}
}

func TestNormalization(t *testing.T) {
	f := fleetWith(state.Usage{MemoryMiB: 1024}, state.Usage{MemoryMiB: 2048}, state.Usage{MemoryMiB: 4608})
	if diskWeigher().Applies(&Request{Pool: state.Pool{Path: "/s", Shared: true}}) {
		t.Error("hosts are told apart by the space of a pool that they share")
	}
	p := New(spec.Scheduler{Preset: PresetNova}).Rank(f, &Request{}, true)
	var got []float64
	for _, h := range p.Ranked {
		got = append(got, h.Parts[0].Normalized)
	}
	// Free are 3072, 2048 and -512: the minimum is below zero and counts.
	want := []float64{1, 2560.0 / 3584, 0}
	if diff := cmp.Diff(want, got); diff != "" || p.Host != "host.h0" {
		t.Errorf("%s %s", p.Host, diff)
	}
	f = fleetWith(state.Usage{MemoryMiB: 1024}, state.Usage{MemoryMiB: 2048})
	p = New(spec.Scheduler{Preset: PresetNova}).Rank(f, &Request{}, true)
	if n := p.Ranked[1].Parts[0].Normalized; n != 2048.0/3072 {
		t.Errorf("from zero: %v", n)
	}
}

func TestChoice(t *testing.T) {
	for name, c := range map[string]struct {
		f      *Fleet
		policy spec.Scheduler
		want   spec.Address
	}{
		"most free memory":          {fleetWith(state.Usage{MemoryMiB: 100}, state.Usage{}), spec.Scheduler{Preset: PresetNova}, "host.h1"},
		"a tie goes to the first":   {fleetWith(state.Usage{}, state.Usage{}), spec.Scheduler{}, "host.h0"},
		"a negative one stacks":     {fleetWith(state.Usage{}, state.Usage{MemoryMiB: 100}), spec.Scheduler{Preset: PresetNova, Multipliers: map[string]float64{"ram": -1}}, "host.h1"},
		"io in flight is avoided":   {fleetWith(state.Usage{IOOps: 1}, state.Usage{MemoryMiB: 100}), spec.Scheduler{}, "host.h1"},
		"no multiplier, no weigher": {fleetWith(state.Usage{VCPUs: 1}, state.Usage{}), spec.Scheduler{Multipliers: map[string]float64{"cpu": 0}}, "host.h0"},
		"added to the preset":       {fleetWith(state.Usage{VCPUs: 1}, state.Usage{}), spec.Scheduler{Preset: PresetNova, Multipliers: map[string]float64{"cpu": 2}}, "host.h1"},
	} {
		if p := New(c.policy).Rank(c.f, &Request{}, false); p.Host != c.want {
			t.Errorf("%s: %s, want %s", name, p.Host, c.want)
		}
	}
}

func TestRejectionsAndNearestMiss(t *testing.T) {
	f := fleetWith(state.Usage{MemoryMiB: 4000}, state.Usage{MemoryMiB: 3000}, state.Usage{})
	f.Hosts[2].Zone = "az9"
	p := New(spec.Scheduler{}).Rank(f, &Request{Zone: "nova", Size: state.Size{MemoryMiB: 4096}}, true)
	want := &Placement{
		Candidates: 3, Ranked: []RankedHost{},
		Rejections: []Rejection{
			{Filter: "availability_zone", Hosts: 1, Example: "h2, availability_zone: wants zone nova, host is in az9",
				Reasons: []HostReason{{"host.h2", "availability_zone: wants zone nova, host is in az9"}}},
			{Filter: "ram", Hosts: 2, Example: "h0, ram: wants 4096 MiB, 2144 of 6144 left at ratio 1.5", Reasons: []HostReason{
				{"host.h0", "ram: wants 4096 MiB, 2144 of 6144 left at ratio 1.5"}, {"host.h1", "ram: wants 4096 MiB, 3144 of 6144 left at ratio 1.5"}}},
		},
		Nearest: &Nearest{Host: "host.h1", Name: "h1", Filter: "ram", Message: "ram: wants 4096 MiB, 3144 of 6144 left at ratio 1.5"},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

// TestNearestToOthers: an empty host that the group isn't on is no near miss, the full one that it is on is.
func TestNearestToOthers(t *testing.T) {
	full := state.Usage{MemoryMiB: 6000}
	for name, c := range map[string]struct {
		r    Request
		want string
	}{
		"group":                {Request{Group: &spec.ServerGroup{Address: "server_group.g", Name: "g", Policy: spec.Affinity}}, "h1, ram: wants 512 MiB, 144 of 6144 left at ratio 1.5"},
		"same_host":            {Request{SameHost: []spec.Address{"instance.other"}}, "h1, ram: wants 512 MiB, 144 of 6144 left at ratio 1.5"},
		"same_host of nowhere": {Request{SameHost: []spec.Address{"instance.gone"}}, "h0, same_host: wants to be with instance.gone, which is nowhere"},
	} {
		f := fleetWith(state.Usage{}, full, state.Usage{})
		f.Put(1, Occupant{Instance: "instance.other", Group: "server_group.g"})
		c.r.Size = state.Size{MemoryMiB: 512}
		p := New(spec.Scheduler{}).Rank(f, &c.r, false)
		if p.Nearest == nil || p.Nearest.Name+", "+p.Nearest.Message != c.want {
			t.Errorf("%s: nearest %+v, want %s", name, p.Nearest, c.want)
		}
	}
}

// TestNovaPreset compares with a scheduler written down here as plainly as nova.md states it.
func TestNovaPreset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := fleetOf(t)
		x := NewIndex(New(spec.Scheduler{Preset: PresetNova}), f)
		flavors := []*spec.Flavor{{VCPUs: 1, RAM: 512, Disk: 512}, {VCPUs: 3, RAM: 2048, Disk: 4096}}
		for n := range rapid.IntRange(1, 20).Draw(t, "requests") {
			r := requestOf(t, n, flavors, []*spec.ServerGroup{nil})
			r.SameHost, r.DifferentHost = nil, nil
			want, most := -1, math.Inf(-1)
			for i, h := range f.Hosts {
				u, l, p := h.Used(), h.Limits, h.Pool(r.Pool)
				fits := func(wanted, total, used float64, ratio float64) bool {
					return wanted <= total && total*ratio-used >= wanted
				}
				if h.Refusal != "" || r.Zone != "" && r.Zone != h.Zone ||
					!fits(float64(r.Size.MemoryMiB), float64(l.MemoryMiB), float64(u.MemoryMiB), l.Ratios.RAM) ||
					r.Size.DiskMiB > p.Room.TotalMiB || p.AllowedMiB-p.Used() < r.Size.DiskMiB ||
					l.VCPUs > 0 && !fits(float64(r.Size.VCPUs), float64(l.VCPUs), float64(u.VCPUs), l.Ratios.CPU) {
					continue
				}
				if free := float64(l.MemoryMiB - u.MemoryMiB); free > most {
					want, most = i, free
				}
			}
			got := x.Pick(r)
			if got != want {
				t.Fatalf("request %d: host %d, want %d", n, got, want)
			}
			if got >= 0 {
				f.Put(got, r.Occupant())
			}
		}
	})
}
