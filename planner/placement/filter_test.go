package placement

import (
	"fmt"
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// able is a host that takes anything of the size of a small instance.
func able() *Host {
	return &Host{
		Address: "host.h", Name: "h", Zone: DefaultZone, Arch: "x86_64", VirtTypes: []string{"kvm", "qemu"},
		Capabilities: map[string]string{"hypervisor_type": "QEMU", "hypervisor_version": "7002000", "cpu:features": "sse avx aes", "cores": "8"},
		Pools: []Pool{
			{Path: state.DefaultPool, Room: state.Room{SizeMiB: 10240, TotalMiB: 10240}, AllowedMiB: 10240}, {Path: "/p", Room: state.Room{SizeMiB: 500, TotalMiB: 500}, AllowedMiB: 500},
			{Path: "/s", Shared: true, Room: state.Room{SizeMiB: 1000, TotalMiB: 1000}, AllowedMiB: 1500, UsedMiB: 600},
		},
		Bridges: []string{"br0"}, Networks: []string{"default"}, Mappings: map[string]string{"lan": "br0", "dmz": "br9"},
		Limits: state.Effective{VCPUs: 4, MemoryMiB: 4096, DiskMiB: 10240, Ratios: spec.Ratios{CPU: 2, RAM: 1.5, Disk: 1}, MaxIOOps: 8, MaxInstances: 50},
	}
}

func flavorWith(key, value string) *Request {
	return &Request{Flavor: &spec.Flavor{ExtraSpecs: map[string]string{key: value}}}
}

func imageWith(key, value string) *Request {
	return &Request{Image: &spec.Image{Properties: map[string]string{key: value}}}
}

func TestFilters(t *testing.T) {
	aggregate := func(h *Host, f *Fleet) {
		h.Aggregates = []*spec.Aggregate{{Metadata: map[string]string{"ssd": "true"}}, {Metadata: map[string]string{"ssd": "maybe, false", "net": "10"}}}
	}
	anti := &spec.ServerGroup{Address: "server_group.g", Name: "g", Policy: spec.AntiAffinity}
	anti2 := &spec.ServerGroup{Address: "server_group.g", Name: "g", Policy: spec.AntiAffinity, MaxServerPerHost: 2}
	affine := &spec.ServerGroup{Address: "server_group.g", Name: "g", Policy: spec.Affinity}
	member := func(on int) func(*Host, *Fleet) {
		return func(_ *Host, f *Fleet) { f.Put(on, Occupant{Instance: "instance.m", Group: "server_group.g"}) }
	}
	for _, c := range []struct {
		filter string
		r      *Request
		change func(h *Host, f *Fleet)
		why    string // "": passes
	}{
		{"retry", &Request{Tried: []spec.Address{"host.h"}}, nil, "was tried for this placement and failed"},
		{"retry", &Request{Tried: []spec.Address{"host.other"}}, nil, ""},
		{"availability_zone", &Request{}, nil, ""},
		{"availability_zone", &Request{Zone: "nova"}, nil, ""},
		{"availability_zone", &Request{Zone: "az1"}, nil, "wants zone az1, host is in nova"},
		{"ram", &Request{Size: state.Size{MemoryMiB: 4096}}, nil, ""},
		{"ram", &Request{Size: state.Size{MemoryMiB: 4097}}, nil, "wants 4097 MiB, the host has 4096 in all"},
		{"ram", &Request{Size: state.Size{MemoryMiB: 4096}}, func(h *Host, _ *Fleet) { h.used.MemoryMiB = 4096 }, "wants 4096 MiB, 2048 of 6144 left at ratio 1.5"},
		{"ram", &Request{Size: state.Size{MemoryMiB: 2048}}, func(h *Host, _ *Fleet) { h.used.MemoryMiB = 4096 }, ""},
		{"disk", &Request{Size: state.Size{DiskMiB: 10000, EphemeralMiB: 200, SwapMiB: 40}}, nil, ""},
		{"disk", &Request{Size: state.Size{DiskMiB: 10000, EphemeralMiB: 200, SwapMiB: 41}}, nil, "wants 10241 MiB, pool /var/lib/libvirt/images has 10240 in all"},
		{"disk", &Request{Size: state.Size{DiskMiB: 1025}}, func(h *Host, _ *Fleet) { *h.Pools[0].used = 9216 }, "wants 1025 MiB, 1024 of 10240 left at ratio 1 in pool /var/lib/libvirt/images"},
		{"disk", &Request{Size: state.Size{DiskMiB: 501}, Pool: state.Pool{Path: "/p"}}, nil, "wants 501 MiB, pool /p has 500 in all"},
		{"disk", &Request{Size: state.Size{DiskMiB: 500}, Pool: state.Pool{Path: "/p"}}, nil, ""},
		{"disk", &Request{Size: state.Size{DiskMiB: 901}, Pool: state.Pool{Path: "/s", Shared: true}}, nil, "wants 901 MiB, 900 of 1500 left at ratio 1 in shared pool /s"},
		{"disk", &Request{Size: state.Size{DiskMiB: 900}, Pool: state.Pool{Path: "/s", Shared: true}}, nil, ""},
		{"core", &Request{Size: state.Size{VCPUs: 4}}, func(h *Host, _ *Fleet) { h.used.VCPUs = 4 }, ""},
		{"core", &Request{Size: state.Size{VCPUs: 4}}, func(h *Host, _ *Fleet) { h.used.VCPUs = 5 }, "wants 4 vCPUs, 3 of 8 left at ratio 2"},
		{"core", &Request{Size: state.Size{VCPUs: 5}}, nil, "wants 5 vCPUs, the host has 4 in all"},
		{"core", &Request{Size: state.Size{VCPUs: 5}}, func(h *Host, _ *Fleet) { h.Limits.VCPUs = 0 }, ""},
		{"compute", &Request{}, nil, ""},
		{"compute", &Request{}, func(h *Host, _ *Fleet) { h.Refusal = "is draining" }, "is draining"},
		{"compute_capabilities", flavorWith("capabilities:hypervisor_type", "QEMU"), nil, ""},
		{"compute_capabilities", flavorWith("capabilities:hypervisor_type", "xen"), nil, "wants hypervisor_type xen, the host has QEMU"},
		{"compute_capabilities", flavorWith("capabilities:cpu:features", "<all-in> avx sse"), nil, ""},
		{"compute_capabilities", flavorWith("capabilities:gpu", "yes"), nil, "wants gpu yes, the host has no such capability"},
		{"compute_capabilities", flavorWith("gpu", "yes"), nil, ""},
		{"compute_capabilities", flavorWith("cores", ">= 16"), nil, "wants cores >= 16, the host has 8"},
		{"compute_capabilities", flavorWith("trait:gpu", "yes"), nil, ""},
		{"image_properties", imageWith("os_type", "linux"), nil, ""},
		{"image_properties", imageWith("hw_architecture", "amd64"), nil, ""},
		{"image_properties", imageWith("hw_architecture", "aarch64"), nil, "image wants architecture aarch64, host is x86_64"},
		{"image_properties", imageWith("img_hv_type", "KVM"), nil, ""},
		{"image_properties", imageWith("img_hv_type", "xen"), nil, "image wants hypervisor xen, host has kvm, qemu"},
		{"image_properties", imageWith("hw_vm_mode", "hvm"), nil, ""},
		{"image_properties", imageWith("hw_vm_mode", "xen"), nil, "image wants vm mode xen, host has hvm"},
		{"image_properties", imageWith("img_hv_requested_version", ">=6.0, <7.3"), nil, ""},
		{"image_properties", imageWith("img_hv_requested_version", ">=8"), nil, "image wants hypervisor version >=8, host has 7002000"},
		{"server_group_affinity", &Request{Group: affine}, nil, ""},
		{"server_group_affinity", &Request{Group: affine}, member(0), ""},
		{"server_group_affinity", &Request{Group: affine}, member(1), "group g is on other"},
		{"server_group_anti_affinity", &Request{Group: anti}, member(1), ""},
		{"server_group_anti_affinity", &Request{Group: anti}, member(0), "has 1 of group g, at most 1"},
		{"server_group_anti_affinity", &Request{Group: anti2}, member(0), ""},
		{"same_host", &Request{SameHost: []spec.Address{"instance.m"}}, member(0), ""},
		{"same_host", &Request{SameHost: []spec.Address{"instance.m"}}, member(1), "wants to be with instance.m, which is on other"},
		{"same_host", &Request{SameHost: []spec.Address{"instance.m"}}, nil, "wants to be with instance.m, which is nowhere"},
		{"different_host", &Request{DifferentHost: []spec.Address{"instance.m"}}, member(1), ""},
		{"different_host", &Request{DifferentHost: []spec.Address{"instance.m"}}, member(0), "wants not to be with instance.m, which is here"},
		{"aggregate_instance_extra_specs", flavorWith("aggregate_instance_extra_specs:ssd", "true"), aggregate, ""},
		{"aggregate_instance_extra_specs", flavorWith("aggregate_instance_extra_specs:ssd", "false"), aggregate, ""},
		{"aggregate_instance_extra_specs", flavorWith("net", ">= 10"), aggregate, ""},
		{"aggregate_instance_extra_specs", flavorWith("net", ">= 11"), aggregate, "wants net = >= 11, the host's aggregates have 10"},
		{"aggregate_instance_extra_specs", flavorWith("aggregate_instance_extra_specs:ssd", "true"), nil, "wants ssd = true, none of the host's aggregates has it"},
		{"aggregate_instance_extra_specs", flavorWith("capabilities:ssd", "true"), nil, ""},
		{"io_ops", &Request{}, func(h *Host, _ *Fleet) { h.used.IOOps = 7 }, ""},
		{"io_ops", &Request{}, func(h *Host, _ *Fleet) { h.used.IOOps = 8 }, "8 builds and migrations in flight, at most 8"},
		{"num_instances", &Request{}, func(h *Host, _ *Fleet) { h.used.Instances = 49 }, ""},
		{"num_instances", &Request{}, func(h *Host, _ *Fleet) { h.used.Instances = 50 }, "has 50 instances, at most 50"},
		{"host", &Request{Host: "host.h"}, nil, ""},
		{"host", &Request{Host: "host.other"}, nil, "pinned to host.other"},
		{"pool", &Request{Pool: state.Pool{Path: "/p"}}, nil, ""},
		{"pool", &Request{Pool: state.Pool{Path: "/q"}}, nil, "pool /q is missing"},
		{"pool", &Request{Pool: state.Pool{Path: "/q", Shared: true}}, nil, "shared pool /q is not mounted"},
		{"network", &Request{Networks: []*spec.Network{{Name: "n", Bridge: "br0"}, {Name: "m", LibvirtNetwork: "default"}, {Name: "l", PhysicalNetwork: "lan"}}}, nil, ""},
		{"network", &Request{Networks: []*spec.Network{{Name: "n", Bridge: "br1"}}}, nil, "n needs the bridge br1, which is missing"},
		{"network", &Request{Networks: []*spec.Network{{Name: "n", LibvirtNetwork: "x"}}}, nil, "n needs the libvirt network x, which is not active"},
		{"network", &Request{Networks: []*spec.Network{{Name: "n", PhysicalNetwork: "wan"}}}, nil, "n needs the physical network wan, which has no bridge_mappings"},
		{"network", &Request{Networks: []*spec.Network{{Name: "n", PhysicalNetwork: "dmz"}}}, nil, "n needs the bridge br9, which is missing"},
	} {
		h, other := able(), able()
		other.Address, other.Name = "host.other", "other"
		f := NewFleet([]*Host{h, other}, make([]state.Usage, 2))
		if c.change != nil {
			c.change(h, f)
		}
		x := filterNamed(t, c.filter)
		why := ""
		if !x.Passes(f, c.r, 0) {
			why = x.Why(f, c.r, 0)
		}
		if why != c.why {
			t.Errorf("%s %+v: %q, want %q", c.filter, c.r, why, c.why)
		}
	}
}

func filterNamed(t *testing.T, name string) Filter {
	t.Helper()
	for _, f := range allFilters() {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no filter %s", name)
	return Filter{}
}

func TestRequirements(t *testing.T) {
	for _, c := range []struct {
		requirement, value string
		want               bool
	}{
		{"x", "x", true}, {"x", "y", false}, {"two words", "two words", true}, {"", "", true},
		{"= 4", "4", true}, {"= 4", "5", true}, {"= 4", "3.9", false}, {"=4", "4", false}, {"=4", "=4", true},
		{"== 4", "4.0", true}, {"== 4", "5", false}, {"!= 4", "5", true}, {"!= 4", "4", false},
		{">= 4", "4", true}, {">= 4", "3", false}, {"<= 4", "4", true}, {"<= 4", "5", false}, {">= 4", "many", false},
		{"s== a", "a", true}, {"s== a", "b", false}, {"s!= a", "b", true}, {"s< b", "a", true}, {"s< b", "b", false},
		{"s<= b", "b", true}, {"s> a", "b", true}, {"s> a", "a", false}, {"s>= b", "b", true}, {"s>= b", "a", false},
		{"<in> vx", "avx", true}, {"<in> x", "y", false},
		{"<all-in> aes avx", "sse avx aes", true}, {"<all-in> aes neon", "sse avx aes", false},
		{"<or> a <or> b", "b", true}, {"<or> a <or> b", "c", false}, {"<or> a <or> b", "<or>", false},
		{">=", "4", false}, {"<or>", "", false}, {"< 4", "< 4", true}, {"< 4", "3", false},
	} {
		if got := Requirement(c.requirement).Matches(c.value); got != c.want {
			t.Errorf("%q matches %q: %v", c.requirement, c.value, got)
		}
	}
	for requirement, ok := range map[string]bool{"x": true, ">= 4": true, ">= x": false, ">=": false, "<in>": false, "<or> a": true, "s== a": true} {
		if err := Requirement(requirement).Check(); (err == nil) != ok {
			t.Errorf("check %q: %v", requirement, err)
		}
	}
}

func TestAvailableFilters(t *testing.T) {
	names := func(s spec.Scheduler) (all []string) {
		for _, f := range New(s).filters {
			all = append(all, f.Name)
		}
		return all
	}
	nova := names(spec.Scheduler{Preset: PresetNova})
	if want := "[retry availability_zone ram disk core compute compute_capabilities image_properties]"; fmt.Sprint(nova[:8]) != want {
		t.Errorf("nova preset begins with %v", nova[:8])
	}
	if s := New(spec.Scheduler{Preset: PresetNova}); len(s.weighers) != 1 || s.weighers[0].Name != "ram" || s.Uses("num_instances") || s.Uses("io_ops") {
		t.Errorf("nova preset weighs with %+v", s.weighers)
	}
	if own := names(spec.Scheduler{Filters: []string{"num_instances"}}); own[0] != "num_instances" || len(own) != 13 {
		t.Errorf("a list of one filter gives %v", own)
	}
}
