package placement

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// fleetOf draws a small fleet with uneven hosts, some of them used, cordoned or in other zones.
func fleetOf(t *rapid.T) *Fleet {
	n := rapid.IntRange(1, 12).Draw(t, "hosts")
	hosts, used := make([]*Host, n), make([]state.Usage, n)
	for i := range hosts {
		hosts[i] = &Host{
			Address: spec.NewAddress("host", "h").Index(i), Name: fmt.Sprintf("h%d", i),
			Zone:    rapid.SampledFrom([]string{"nova", "az1"}).Draw(t, "zone"),
			Refusal: rapid.SampledFrom([]string{"", "", "", "is cordoned"}).Draw(t, "refusal"),
			Limits: state.Effective{
				VCPUs:        rapid.IntRange(0, 8).Draw(t, "cpus"),
				MemoryMiB:    int64(rapid.IntRange(1, 16).Draw(t, "ram")) * 512,
				Ratios:       spec.Ratios{CPU: rapid.SampledFrom([]float64{1, 2, 16}).Draw(t, "cr"), RAM: 1.5, Disk: 1},
				MaxIOOps:     8,
				MaxInstances: rapid.IntRange(2, 10).Draw(t, "max"),
			},
			Pools: []Pool{
				poolOf(t, state.DefaultPool, int64(rapid.IntRange(1, 16).Draw(t, "disk"))*1024), poolOf(t, "/p", 3000),
				poolOf(t, "/s", 12_000),
			},
			FailedBuilds: rapid.SampledFrom([]int{0, 0, 0, 2}).Draw(t, "failed"),
		}
		used[i] = state.Usage{MemoryMiB: int64(rapid.IntRange(0, 4).Draw(t, "uram")) * 256, IOOps: rapid.IntRange(0, 9).Draw(t, "io")}
	}
	return NewFleet(hosts, used)
}

// poolOf draws what a host may use of a pool; hosts differ in it for a shared one, /s, too.
func poolOf(t *rapid.T, path string, total int64) Pool {
	ratio := rapid.SampledFrom([]int64{1, 1, 2}).Draw(t, "disk ratio")
	return Pool{Path: path, Shared: path == "/s", Room: state.Room{SizeMiB: total, TotalMiB: total}, AllowedMiB: total * ratio}
}

func requestOf(t *rapid.T, n int, flavors []*spec.Flavor, groups []*spec.ServerGroup) *Request {
	fl := rapid.SampledFrom(flavors).Draw(t, "flavor")
	r := &Request{
		Instance: spec.NewAddress("instance", "i").Index(n), Flavor: fl,
		Size:  state.Size{VCPUs: fl.VCPUs, MemoryMiB: int64(fl.RAM), DiskMiB: int64(fl.Disk)},
		Zone:  rapid.SampledFrom([]string{"", "", "az1"}).Draw(t, "zone"),
		Group: rapid.SampledFrom(groups).Draw(t, "group"),
		Pool:  rapid.SampledFrom([]state.Pool{{}, {}, {Path: "/p"}, {Path: "/s", Shared: true}}).Draw(t, "pool"),
	}
	other := func() []spec.Address {
		return []spec.Address{spec.NewAddress("instance", "i").Index(rapid.IntRange(0, n).Draw(t, "other"))}
	}
	switch rapid.IntRange(0, 9).Draw(t, "hint") {
	case 0:
		r.SameHost = other()
	case 1:
		r.DifferentHost = other()
	}
	return r
}

func TestIndexPicksWhatRankPicks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := fleetOf(t)
		flavors := []*spec.Flavor{{VCPUs: 1, RAM: 512, Disk: 512}, {VCPUs: 2, RAM: 256, Disk: 2048}, {VCPUs: 4, RAM: 4096, Disk: 1024}}
		groups := []*spec.ServerGroup{
			nil, {Address: "server_group.a", Policy: spec.Affinity}, {Address: "server_group.b", Policy: spec.AntiAffinity, MaxServerPerHost: 2},
			{Address: "server_group.c", Policy: spec.SoftAffinity}, {Address: "server_group.d", Policy: spec.SoftAntiAffinity},
		}
		policy := spec.Scheduler{Preset: rapid.SampledFrom([]string{"", "nova"}).Draw(t, "preset")}
		if rapid.Bool().Draw(t, "stack") {
			policy.Multipliers = map[string]float64{"ram": -1}
		}
		s := New(policy)
		x := NewIndex(s, f)
		type put struct {
			host int
			o    Occupant
		}
		var puts []put
		for n := range rapid.IntRange(1, 40).Draw(t, "requests") {
			r := requestOf(t, n, flavors, groups)
			want, got := s.Rank(f, r, false), x.Pick(r)
			if f.Find(want.Host) != got {
				t.Fatalf("request %d %+v: Rank says %q, Pick says %d", n, r, want.Host, got)
			}
			if got >= 0 {
				f.Put(got, r.Occupant())
				puts = append(puts, put{got, r.Occupant()})
			}
			if len(puts) > 0 && rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
				k := rapid.IntRange(0, len(puts)-1).Draw(t, "which")
				f.Remove(puts[k].host, puts[k].o)
				puts = append(puts[:k], puts[k+1:]...)
			}
		}
	})
}

// fleetLike returns n hosts, all alike or all of different sizes.
func fleetLike(n int, alike bool) *Fleet {
	hosts := make([]*Host, n)
	for i := range hosts {
		extra := int64(0)
		if !alike {
			extra = int64(i*7919%n) * 64
		}
		hosts[i] = &Host{
			Address: spec.NewAddress("host", "h").Index(i), Name: fmt.Sprint("h", i), Zone: DefaultZone,
			Limits: state.Effective{
				VCPUs: 64, MemoryMiB: 256<<10 + extra, Ratios: spec.Ratios{CPU: 16, RAM: 1.5, Disk: 1},
				MaxIOOps: 8, MaxInstances: 50,
			},
			Pools: []Pool{
				{Path: state.DefaultPool, Room: state.Room{SizeMiB: 4<<20 + extra*3, TotalMiB: 4<<20 + extra*3}, AllowedMiB: 4<<20 + extra*3},
				{Path: "/s", Shared: true, Room: state.Room{SizeMiB: 1 << 40, TotalMiB: 1 << 40}, AllowedMiB: 1 << 40},
			},
		}
	}
	return NewFleet(hosts, make([]state.Usage, n))
}

func BenchmarkPick(b *testing.B) {
	for _, c := range []struct {
		name             string
		instances, hosts int
		alike            bool
		pool             state.Pool
	}{
		{"10000on1000alike", 10_000, 1_000, true, state.Pool{}},
		{"10000on1000uneven", 10_000, 1_000, false, state.Pool{}},
		{"10000on1000shared", 10_000, 1_000, true, state.Pool{Path: "/s", Shared: true}},
		{"100000on10000alike", 100_000, 10_000, true, state.Pool{}},
		{"100000on10000uneven", 100_000, 10_000, false, state.Pool{}},
	} {
		b.Run(c.name, func(b *testing.B) {
			flavors := []*spec.Flavor{{VCPUs: 1, RAM: 2048, Disk: 20480}, {VCPUs: 2, RAM: 4096, Disk: 40960}, {VCPUs: 4, RAM: 8192, Disk: 40960}}
			for b.Loop() {
				f := fleetLike(c.hosts, c.alike)
				x := NewIndex(New(spec.Scheduler{}), f)
				for n := range c.instances {
					fl := flavors[n%len(flavors)]
					r := &Request{Flavor: fl, Pool: c.pool, Size: state.Size{VCPUs: fl.VCPUs, MemoryMiB: int64(fl.RAM), DiskMiB: int64(fl.Disk)}}
					i := x.Pick(r)
					if i < 0 {
						b.Fatal("no room")
					}
					f.Put(i, r.Occupant())
				}
			}
		})
	}
}
