package domainxml_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/libvirt/domainxml"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const id = "2f8e7c3a-9d54-4c0e-8a31-7d3c5b1f0a11"

func stamp() hypervisor.Stamp {
	return hypervisor.Stamp{
		Cluster: "0c9d1fd4-31aa-4f6e-8a0b-3f2f6f1c2b7e", Fleet: "prod", Stack: "web", Address: `instance.web["größer"]`,
		Instance: id, Generation: 3, Request: "req-1", Record: "{\n  \"flavor\": \"m1.small\"\n}",
	}
}

// full is a guest with one of everything.
func full() hypervisor.Definition {
	return hypervisor.Definition{
		UUID: id, Name: "np-2f8e7c3a-web", Stamp: stamp(),
		VirtType: "kvm", Arch: "x86_64", Machine: "pc-q35-7.2", VCPUs: 4, MemoryMiB: 4096,
		CPU: `<cpu mode="custom" match="exact"><model fallback="forbid">Skylake-Client</model><feature policy="require" name="md-clear"/></cpu>`,
		Disks: []hypervisor.Disk{
			{Path: "/srv/shared/np-root & <co>.qcow2", Format: "qcow2", Role: hypervisor.DiskRoot, Shared: true},
			{Path: "/srv/local/eph0.qcow2", Format: "qcow2", Role: hypervisor.DiskEphemeral},
			{Path: "/srv/local/eph1.raw", Format: "raw", Role: hypervisor.DiskEphemeral},
			{Path: "/srv/local/swap.qcow2", Format: "qcow2", Role: hypervisor.DiskSwap},
			{Path: "/srv/shared/config.iso", Format: "raw", Role: hypervisor.DiskConfig, Shared: true},
		},
		NICs: []hypervisor.NIC{
			{MAC: "02:4e:50:00:00:01", Kind: hypervisor.NetworkBridge, Source: "br0", MTU: 9000},
			{MAC: "02:4e:50:00:00:02", Kind: hypervisor.NetworkLibvirt, Source: "default", Model: "e1000e"},
		},
	}
}

func minimal() hypervisor.Definition {
	return hypervisor.Definition{UUID: id, Name: "np-small", Stamp: hypervisor.Stamp{}, VirtType: "qemu", VCPUs: 1, MemoryMiB: 64}
}

func TestEncodeGolden(t *testing.T) {
	windows := full()
	windows.CPU, windows.Machine = "", ""
	windows.Properties = map[string]string{
		"hw_disk_bus": "sata", "hw_vif_model": "e1000e", "hw_video_model": "qxl",
		"hw_machine_type": "q35", "hw_firmware_type": "uefi",
	}
	arm := minimal()
	arm.Arch, arm.VirtType, arm.Machine = "aarch64", "kvm", "virt-7.2"
	for name, def := range map[string]hypervisor.Definition{
		"full": full(), "minimal": minimal(), "properties": windows, "aarch64": arm,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := domainxml.Encode(def)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".xml", got)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestEncodeRefuses(t *testing.T) {
	cases := map[string]struct {
		spoil func(*hypervisor.Definition)
		want  string
	}{
		"virt type":    {func(d *hypervisor.Definition) { d.VirtType = "xen" }, `"xen": want kvm or qemu`},
		"no vcpus":     {func(d *hypervisor.Definition) { d.VCPUs = 0 }, "0 vCPUs"},
		"no memory":    {func(d *hypervisor.Definition) { d.MemoryMiB = -1 }, "-1 MiB"},
		"no name":      {func(d *hypervisor.Definition) { d.Name = "" }, `name ""`},
		"slash":        {func(d *hypervisor.Definition) { d.Name = "a/b" }, `name "a/b"`},
		"control":      {func(d *hypervisor.Definition) { d.Name = "a\x01b" }, "U+0001"},
		"not utf-8":    {func(d *hypervisor.Definition) { d.Disks[0].Path = "/a\xff" }, "not valid UTF-8"},
		"relative":     {func(d *hypervisor.Definition) { d.Disks[0].Path = "a.qcow2" }, "want an absolute path"},
		"format":       {func(d *hypervisor.Definition) { d.Disks[0].Format = "" }, `format ""`},
		"nic kind":     {func(d *hypervisor.Definition) { d.NICs[0].Kind = "ovs" }, `kind "ovs"`},
		"many disks":   {func(d *hypervisor.Definition) { d.Disks = make([]hypervisor.Disk, 27) }, "27 disks"},
		"cpu nonsense": {func(d *hypervisor.Definition) { d.CPU = "<cpu" }, "cpu definition"},
		"cpu other":    {func(d *hypervisor.Definition) { d.CPU = "<vcpu/>" }, "element <vcpu>"},
		"record":       {func(d *hypervisor.Definition) { d.Stamp.Record = strings.Repeat("x", 16385) }, "16385 bytes exceeds 16384"},
		"stamp":        {func(d *hypervisor.Definition) { d.Stamp.Fleet = "a\x00b" }, "U+0000"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			def := full()
			c.spoil(&def)
			_, err := domainxml.Encode(def)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestDecodeWhatEncodeWrote(t *testing.T) {
	def := full()
	text, err := domainxml.Encode(def)
	if err != nil {
		t.Fatal(err)
	}
	got, err := domainxml.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	want := domainxml.Decoded{
		UUID: def.UUID, Name: def.Name, VCPUs: 4, MemoryMiB: 4096,
		Disks: []domainxml.DiskTarget{
			{Path: "/srv/shared/np-root & <co>.qcow2", Dev: "vda"}, {Path: "/srv/local/eph0.qcow2", Dev: "vdb"},
			{Path: "/srv/local/eph1.raw", Dev: "vdc"}, {Path: "/srv/local/swap.qcow2", Dev: "vdd"},
			{Path: "/srv/shared/config.iso", Dev: "vde"},
		},
		MACs:  []string{"02:4e:50:00:00:01", "02:4e:50:00:00:02"},
		Stamp: &def.Stamp,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDecodeForeign(t *testing.T) {
	cases := map[string]struct {
		text string
		want domainxml.Decoded
	}{
		"units, block devices, empty drives": {
			`<domain><name>x</name><memory>1048577</memory><vcpu current="1">2</vcpu><devices>
			 <disk type="block"><source dev="/dev/vg/x"/><target dev="sda"/></disk>
			 <disk device="cdrom"><target dev="sdb"/></disk>
			 <interface type="user"><mac address="52:54:00:AA:BB:CC"/></interface></devices></domain>`,
			domainxml.Decoded{
				Name: "x", VCPUs: 2, MemoryMiB: 1025,
				Disks: []domainxml.DiskTarget{{Path: "/dev/vg/x", Dev: "sda"}, {Dev: "sdb"}},
				MACs:  []string{"52:54:00:aa:bb:cc"},
			},
		},
		"stamp of another namespace": {
			`<domain><metadata><s:stamp xmlns:s="urn:other" cluster="c" generation="1"/></metadata></domain>`,
			domainxml.Decoded{},
		},
		"stamp that can't be read": {
			`<domain><metadata><np:stamp xmlns:np="` + domainxml.Namespace + `" generation="many"/></metadata></domain>`,
			domainxml.Decoded{},
		},
		"gigabytes": {`<domain><memory unit="GB">1</memory></domain>`, domainxml.Decoded{MemoryMiB: 954}},
		"gibibytes": {`<domain><memory unit="GiB">2</memory></domain>`, domainxml.Decoded{MemoryMiB: 2048}},
		"probe":     {domainxml.ProbeXML("p", id), domainxml.Decoded{Name: "p", UUID: id, VCPUs: 1, MemoryMiB: 1, Probe: true}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := domainxml.Decode(c.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestPathsLeaveOutEmptyDrives(t *testing.T) {
	got := domainxml.Decoded{Disks: []domainxml.DiskTarget{{Path: "/a"}, {Dev: "sdb"}, {Path: "/b"}}}.Paths()
	if diff := cmp.Diff([]string{"/a", "/b"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
