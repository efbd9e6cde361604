package state

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/novaplan/novaplan/spec"
)

func TestLimitsComeFromTheNearest(t *testing.T) {
	s := fleet(4, 0)
	s.Scheduler.Ratios = spec.Ratios{CPU: 8}
	s.Scheduler.MaxIOOps = 4
	s.Aggregates = []spec.Aggregate{
		{Hosts: []spec.Address{h1, h2}, Ratios: spec.Ratios{CPU: 4, RAM: 1}, MaxInstances: 20},
		{Hosts: []spec.Address{h1}, Ratios: spec.Ratios{CPU: 6}, MaxIOOps: 2},
	}
	s.Hosts[2].Ratios = spec.Ratios{CPU: 1}
	s.Hosts[2].ReservedCPUs, s.Hosts[2].ReservedMemory, s.Hosts[2].ReservedDisk = 1, 512, 100
	s.Hosts[3].Capacity = &spec.Capacity{VCPUs: 99}
	inv := &Inventory{VCPUs: 4, MemoryMiB: 4096, Pools: []PoolInventory{{CapacityMiB: 600}, {CapacityMiB: 400}}}
	d := NewDesired(s)
	for host, want := range map[spec.Address]Effective{
		h0:           {4, 4096, 1000, spec.Ratios{CPU: 8, RAM: 1.5, Disk: 1}, 4, 50},
		h1:           {4, 4096, 1000, spec.Ratios{CPU: 4, RAM: 1, Disk: 1}, 2, 20},
		h2:           {3, 3584, 900, spec.Ratios{CPU: 1, RAM: 1, Disk: 1}, 4, 20},
		"host.h3":    {99, 4096, 1000, spec.Ratios{CPU: 8, RAM: 1.5, Disk: 1}, 4, 50},
		"host.other": {4, 4096, 1000, spec.Ratios{CPU: 8, RAM: 1.5, Disk: 1}, 4, 50},
	} {
		if got := Limits(d, host, inv); got != want {
			t.Errorf("%s: got %+v, want %+v", host, got, want)
		}
	}
}

func TestFits(t *testing.T) {
	e := Effective{VCPUs: 4, MemoryMiB: 4096, DiskMiB: 1000, Ratios: spec.Ratios{CPU: 2, RAM: 1.5, Disk: 1}, MaxInstances: 3}
	for _, tc := range []struct {
		name string
		want Size
		used Usage
		says string
	}{
		{"fits", Size{VCPUs: 4, MemoryMiB: 4096, DiskMiB: 1000}, Usage{}, ""},
		{"by the ratio", Size{MemoryMiB: 2048}, Usage{MemoryMiB: 4096}, ""},
		{"over the ratio", Size{MemoryMiB: 4096}, Usage{MemoryMiB: 4096}, "ram: wants 4096 MiB, 2048 of 6144 left at ratio 1.5"},
		{"over the host", Size{MemoryMiB: 5000}, Usage{}, "ram: wants 5000 MiB, the host has 4096"},
		{"cores", Size{VCPUs: 2}, Usage{VCPUs: 7}, "core: wants 2 vCPUs, 1 of 8 left at ratio 2"},
		{"instances", Size{}, Usage{Instances: 3}, "num_instances: has 3 instances, the most it may have"},
	} {
		got := ""
		if s := e.Fits(tc.want, tc.used); s != nil {
			got = s.Error()
		}
		if got != tc.says {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.says)
		}
	}
	e.VCPUs = 0
	if s := e.Fits(Size{VCPUs: 9}, Usage{}); s != nil {
		t.Errorf("a host that reports no cores: %v", s)
	}
}

func TestSpaceIsThePools(t *testing.T) {
	s := fleet(3, 0)
	s.Hosts[1].Capacity = &spec.Capacity{Disk: 400}
	s.Hosts[2].ReservedDisk = 100
	d := NewDesired(s)
	inv := &Inventory{Pools: []PoolInventory{{Path: "/a", CapacityMiB: 600}, {Path: "/s", CapacityMiB: 1000}, {Path: DefaultPool, CapacityMiB: 50}}}
	for _, tc := range []struct {
		host spec.Address
		pool Pool
		want int64
	}{
		{h0, Pool{Path: "/a"}, 600}, {h0, Pool{}, 50}, {h0, Pool{Path: "/missing"}, 0},
		{h1, Pool{Path: "/a"}, 400}, {h1, Pool{Path: "/s", Shared: true}, 1000}, {h1, Pool{Path: "/missing"}, 0},
		{h2, Pool{Path: "/a"}, 500}, {h2, Pool{Path: "/s", Shared: true}, 1000}, {h2, Pool{}, 0},
	} {
		if got := RoomOf(d, tc.host, inv, tc.pool).TotalMiB; got != tc.want {
			t.Errorf("%s of %s: %d MiB, want %d", tc.pool.Path, tc.host, got, tc.want)
		}
	}
	e := Effective{Ratios: spec.Ratios{Disk: 1.5}}
	for _, tc := range []struct {
		want        Size
		total, used int64
		says        string
	}{
		{Size{DiskMiB: 900, EphemeralMiB: 50, SwapMiB: 50}, 1000, 500, ""},
		{Size{DiskMiB: 900, EphemeralMiB: 50, SwapMiB: 51}, 1000, 0, "disk: wants 1001 MiB, pool /s has 1000"},
		{Size{DiskMiB: 600}, 1000, 1000, "disk: wants 600 MiB, 500 of 1500 left at ratio 1.5 in pool /s"},
	} {
		got := ""
		if s := e.FitsPool(tc.want, Pool{Path: "/s"}, Room{TotalMiB: tc.total}, tc.used); s != nil {
			got = s.Error()
		}
		if got != tc.says {
			t.Errorf("%+v: %q, want %q", tc.want, got, tc.says)
		}
	}
}

func TestAddressPool(t *testing.T) {
	for _, tc := range []struct {
		name  string
		net   spec.Network
		taken []string
		want  string
	}{
		{"whole network", spec.Network{CIDR: "10.0.0.0/29", Gateway: "10.0.0.1"}, []string{"10.0.0.3"}, "[10.0.0.2 10.0.0.4 10.0.0.5 10.0.0.6]"},
		{"pool", spec.Network{CIDR: "10.0.0.0/24", PoolFirst: "10.0.0.50", PoolLast: "10.0.0.51"}, nil, "[10.0.0.50 10.0.0.51]"},
		{"the last of all", spec.Network{CIDR: "255.255.255.254/31"}, nil, "[255.255.255.254 255.255.255.255]"},
		{"IPv6", spec.Network{CIDR: "fd00::/126", Gateway: "fd00::1"}, nil, "[fd00::2 fd00::3]"},
	} {
		p, err := NewAddressPool(&tc.net, tc.taken...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for {
			ip, err := p.Next()
			if errors.Is(err, ErrNoAddress) {
				break
			}
			got = append(got, ip)
		}
		if fmt.Sprint(got) != tc.want {
			t.Errorf("%s: %v, want %s", tc.name, got, tc.want)
		}
	}
	p, _ := NewAddressPool(&spec.Network{CIDR: "10.0.0.0/24"})
	if ok, err := p.Take("10.0.0.1"); !ok || err != nil {
		t.Errorf("Take: %v, %v", ok, err)
	}
	if ok, _ := p.Take("10.0.0.1"); ok {
		t.Error("took an address twice")
	}
	if _, err := p.Take("10.0.1.1"); err == nil {
		t.Error("took an address of another network")
	}
	if ip, _ := p.Next(); ip != "10.0.0.2" {
		t.Errorf("Next: %s", ip)
	}
	p.Release("10.0.0.1")
	if ip, _ := p.Next(); ip != "10.0.0.1" {
		t.Errorf("Next after Release: %s", ip)
	}
}

func TestIdentity(t *testing.T) {
	a, b := InstanceUUID(testCluster, web0, 1), InstanceUUID(testCluster, web0, 2)
	if a == b || a != InstanceUUID(testCluster, web0, 1) || a[14] != '5' {
		t.Errorf("uuids %s, %s", a, b)
	}
	for name, want := range map[string]string{"web-0": "np-12345678-web-0", "Ünï web.": "np-12345678-n-web", "...": "np-12345678"} {
		if got := DomainName("12345678-9abc", name); got != want {
			t.Errorf("DomainName(%q) = %q, want %q", name, got, want)
		}
	}
	seen := map[string]bool{}
	for i := range 2000 {
		mac := MAC(testCluster, spec.Address("instance.web").Index(i), "nic0")
		if seen[mac] || len(mac) != 17 || mac[:2] != "52" {
			t.Errorf("mac %s", mac)
		}
		seen[mac] = true
	}
}

func TestClock(t *testing.T) {
	m := newMachine(t)
	begin := m.st.Time
	m.now = begin.Add(-5 * time.Minute)
	m.must(Command{Cancel: &Cancel{}})
	if !m.st.Time.Equal(begin) || !m.st.ClockJump.IsZero() {
		t.Errorf("a clock 5 minutes behind: %s, jump %s", m.st.Time, m.st.ClockJump)
	}
	m.now = begin.Add(-time.Hour)
	m.must(Command{Cancel: &Cancel{}})
	m.must(Command{Cancel: &Cancel{}})
	if !m.st.Time.Equal(begin) || !m.st.ClockJump.Equal(begin) || m.st.History.Len() != 2 {
		t.Errorf("a clock an hour behind: %s, jump %s, %d events", m.st.Time, m.st.ClockJump, m.st.History.Len())
	}
	idle := begin.Add(72 * time.Hour)
	st, _ := Apply(m.st, Entry{Index: 9, Term: 1, At: idle, Command: Command{Cancel: &Cancel{}}})
	if !st.Time.Equal(idle) || !st.ClockJump.Equal(begin) {
		t.Error("being idle was taken for a jump")
	}
	st, _ = Apply(st, Entry{Index: 10, Term: 1, At: idle.Add(time.Hour), ClockStepped: true, Command: Command{Cancel: &Cancel{}}})
	if !st.ClockJump.Equal(idle.Add(time.Hour)) || st.Purgeable() != nil {
		t.Errorf("a step: jump %s", st.ClockJump)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	m := ready(t, fleet(1, 1))
	m.approve(nil, creates("1", web0, h0))
	m.run("1")
	for i := range maxEventsMain {
		m.must(Command{Freeze: &Freeze{Instance: web0, Why: fmt.Sprint(i)}})
	}
	if m.st.History.Len() != maxEventsMain {
		t.Errorf("%d events", m.st.History.Len())
	}
}
