package domainxml_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/libvirt/domainxml"
)

// unusual is XML as libvirt and others write it, with much that no struct here knows.
const unusual = `<?xml version='1.0'?>
<!-- kept -->
<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>x</name>
  <metadata>
    <other:thing xmlns:other="urn:o"><stamp/>&amp;</other:thing>
    <np:stamp xmlns:np="https://novaplan.dev/xmlns/domain/1" cluster="old" generation="1"/>
  </metadata>
  <devices>
    <interface type='bridge'>
      <mac address='02:4E:50:00:00:01'/>
      <source bridge='br0' portid="1"/>
      <target dev='vnet0'/>
      <boot order='2'/>
    </interface>
    <interface type='network'><mac address='02:4e:50:00:00:02'/><source network='default'/></interface>
    <disk><source file="/a"/></disk>
  </devices>
  <qemu:commandline><qemu:arg value='-foo'/></qemu:commandline>
</domain>`

func TestRetargetKeepsTheRest(t *testing.T) {
	got, err := domainxml.Retarget(unusual, hypervisor.Stamp{Cluster: "new", Generation: 2}, []hypervisor.NIC{
		{MAC: "02:4e:50:00:00:01", Kind: hypervisor.NetworkLibvirt, Source: "lan & co"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		`<np:stamp xmlns:np="https://novaplan.dev/xmlns/domain/1" cluster="old" generation="1"/>`,
		`<np:stamp xmlns:np="https://novaplan.dev/xmlns/domain/1" cluster="new" generation="2"/>`,
		`<interface type='bridge'>`, `<interface type="network">`,
		`<source bridge='br0' portid="1"/>`, `<source network="lan &amp; co"/>`,
	).Replace(unusual)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRetargetWithoutStamp(t *testing.T) {
	const element = `<np:stamp xmlns:np="https://novaplan.dev/xmlns/domain/1" generation="2"/>`
	cases := map[string]struct{ before, after string }{
		"no metadata":    {`<domain><name>x</name></domain>`, `<domain><name>x</name><metadata>` + element + `</metadata></domain>`},
		"empty metadata": {`<domain><metadata/></domain>`, `<domain><metadata>` + element + `</metadata></domain>`},
		"other metadata": {
			`<domain><metadata><o:a xmlns:o="urn:o"/></metadata></domain>`,
			`<domain><metadata><o:a xmlns:o="urn:o"/>` + element + `</metadata></domain>`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := domainxml.Retarget(c.before, hypervisor.Stamp{Generation: 2}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.after, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestRetargetRenamesDisks: the file is another one, and what is known of the chain below the old one goes.
func TestRetargetRenamesDisks(t *testing.T) {
	const before = `<domain><metadata/><devices>
  <disk type='file'><driver name='qemu' type='qcow2'/><source file='/p/root.qcow2' index='2' startupPolicy="optional"><seclabel model='dac' relabel='no'/></source>
    <backingStore type='file' index='3'><format type='qcow2'/><source file='/p/base.qcow2'/><backingStore/></backingStore><target dev='vda'/></disk>
  <disk type='file' device='cdrom'><source file='/p/config &amp; co.img'/><backingStore/><target dev='sda'/><readonly/></disk>
  <disk type='file'><source file='/p/kept.img'/><backingStore/><target dev='vdb'/></disk>
  <disk type='network'><source protocol='rbd' name='/p/root.qcow2'/></disk>
</devices></domain>`
	got, err := domainxml.Retarget(before, hypervisor.Stamp{Generation: 2}, nil, []hypervisor.Rename{
		{From: "/p/root.qcow2", To: "/p/root<2>.qcow2"}, {From: "/p/config & co.img", To: "/p/config2.img"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		`<metadata/>`, `<metadata><np:stamp xmlns:np="https://novaplan.dev/xmlns/domain/1" generation="2"/></metadata>`,
		`<source file='/p/root.qcow2' index='2' startupPolicy="optional">`, `<source file="/p/root&lt;2&gt;.qcow2" index="2" startupPolicy="optional">`,
		`<backingStore type='file' index='3'><format type='qcow2'/><source file='/p/base.qcow2'/><backingStore/></backingStore><target`, `<target`,
		`<source file='/p/config &amp; co.img'/><backingStore/>`, `<source file="/p/config2.img"/>`,
	).Replace(before)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRetargetRefuses(t *testing.T) {
	nic := []hypervisor.NIC{{MAC: "02:00:00:00:00:99", Kind: hypervisor.NetworkBridge, Source: "br0"}}
	for name, c := range map[string]struct {
		text  string
		nics  []hypervisor.NIC
		files []hypervisor.Rename
		want  string
	}{
		"unknown nic":  {unusual, nic, nil, "no interface with MAC 02:00:00:00:00:99"},
		"unknown disk": {unusual, nil, []hypervisor.Rename{{From: "/b", To: "/a"}}, "no disk /b"},
		"cut off":      {unusual[:len(unusual)-20], nil, nil, "domain XML"},
		"not one":      {"<network/>", nil, nil, "no <domain> element"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := domainxml.Retarget(c.text, hypervisor.Stamp{}, c.nics, c.files)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

// TestRetargetChangesOnlyTheStamp: whatever the stamp, the domain reads the same but for it.
func TestRetargetChangesOnlyTheStamp(t *testing.T) {
	text, err := domainxml.Encode(full())
	if err != nil {
		t.Fatal(err)
	}
	before, err := domainxml.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		stamp := drawStamp(t)
		moved, err := domainxml.Retarget(text, stamp, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		after, err := domainxml.Decode(moved)
		if err != nil {
			t.Fatal(err)
		}
		want := before
		want.Stamp = &stamp
		if diff := cmp.Diff(want, after); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func FuzzRetarget(f *testing.F) {
	f.Add(unusual)
	f.Add("<domain><metadata/></domain>")
	f.Fuzz(func(t *testing.T, text string) {
		moved, err := domainxml.Retarget(text, hypervisor.Stamp{Generation: 2}, nil, []hypervisor.Rename{{From: "/a", To: "/b&"}})
		if err != nil {
			moved, err = domainxml.Retarget(text, hypervisor.Stamp{Generation: 2}, nil, nil)
		}
		if err != nil {
			return
		}
		if _, err := domainxml.Decode(text); err != nil {
			return
		}
		got, err := domainxml.Decode(moved)
		if err != nil {
			t.Fatalf("%q became unreadable %q: %v", text, moved, err)
		}
		if got.Stamp == nil || got.Stamp.Generation != 2 {
			t.Errorf("%q became %q, without the stamp", text, moved)
		}
	})
}
