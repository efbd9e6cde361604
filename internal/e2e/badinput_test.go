//go:build lab

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/internal/labtest"
)

// one is an instance on a host's own storage.
const one = `
instance "one" {
  flavor           = flavor.tiny
  image            = image.linux
  pool             = pool.local
  trash_retention  = "0s"
  shutdown_timeout = "1s"
  nic { network = network.lan }
}
`

// TestBadInput is what only real hosts can refuse. Each leaves the hosts as they were.
func TestBadInput(t *testing.T) {
	f := newFleet(t, one)
	tests := map[string]struct {
		old, replacement string // in hosts.np.hcl
		says             []string
	}{
		"image with a backing file": {f.lab.GuestImage(), backed(t, f.lab.GuestImage()), []string{"the image has a backing file: flatten it"}},
		"image that is no image":    {f.lab.GuestImage(), "/etc/hostname", []string{"/etc/hostname", "not a qcow2 file"}},
		"image that isn't there":    {f.lab.GuestImage(), "/nowhere/linux.qcow2", []string{"/nowhere/linux.qcow2: no such file or directory"}},
		"wrong checksum": {
			fmt.Sprintf("source = %q }", f.lab.GuestImage()),
			fmt.Sprintf("\n  source   = %q\n  checksum = \"sha256:%064d\"\n}", f.lab.GuestImage(), 0),
			[]string{"wrong checksum: want sha256:0000", "got sha256:"},
		},
		"bridge missing":            {`"br0"`, `"br7"`, []string{"lan needs the bridge br7, which is missing"}},
		"no mapping":                {`{ lan = "br0" }`, `{ dmz = "br0" }`, []string{"lan needs the physical network lan, which has no bridge_mappings"}},
		"libvirt network missing":   {`physical_network = "lan"`, `libvirt_network = "nat7"`, []string{"lan needs the libvirt network nat7"}},
		"disk larger than the pool": {`"128MiB"` + "\n}", `"90TiB"` + "\n}", []string{"fits on no host", "wants 94371840 MiB"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			f.use("e2e", "123", one)
			f.edit("hosts.np.hcl", test.old, test.replacement)
			f.run("apply", "-auto-approve").exits(1).says(test.says...)
			f.empty()
		})
	}
}

// backed returns an image that stands on another one.
func backed(t *testing.T, base string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backed.qcow2")
	if out, err := exec.CommandContext(t.Context(), "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, path).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v: %s", err, out)
	}
	return path
}

// TestHostsThatAreNotThere: the others are worked on, and each silent one is told with its reason.
func TestHostsThatAreNotThere(t *testing.T) {
	f := newFleet(t, one)
	f.use("e2e", "1", one)
	f.write("more.np.hcl", fmt.Sprintf(`
host "off" { uri = "qemu+tcp://%[1]s.250/system" }
host "closed" { uri = "qemu+tcp://%[1]s.13:1/system" }
host "ssh" { uri = "qemu+ssh://root@127.0.0.1:1/system" }
host "tls" { uri = "qemu+tls://%[1]s.13:16509/system?pkipath=/nowhere" }
host "hung" { uri = "qemu+tcp://%[1]s.12/system" }
`, f.subnet()))
	f.lab.PauseLibvirtd("kvm2")
	defer f.lab.ResumeLibvirtd("kvm2")
	f.apply().says(
		"off doesn't answer (no way to "+f.subnet()+".250:16509",
		"closed doesn't answer (nothing listens on "+f.subnet()+".13:1",
		"ssh doesn't answer (ssh root@127.0.0.1: no ssh server listens there",
		"tls doesn't answer (there is no CA certificate for TLS",
		"hung doesn't answer (",
		"more.np.hcl:2",
	)
	if in := f.instance("instance.one"); in.HostName != "kvm1" || in.State != "running" {
		t.Errorf("the instance is %+v", in)
	}
}

// TestOneMachineByTwoURIs is refused: its guests would be taken for two.
func TestOneMachineByTwoURIs(t *testing.T) {
	f := newFleet(t, one)
	f.use("e2e", "1", one)
	f.write("twin.np.hcl", fmt.Sprintf("host \"twin\" { uri = %q }\n", f.lab.Host("kvm1").UnixURI()))
	f.run("plan").exits(1).says("have the same host UUID "+f.lab.Host("kvm1").UUID, "twin.np.hcl:1", "Remove one block")
}

// TestHostOfAnotherCluster: whoever comes second touches nothing.
func TestHostOfAnotherCluster(t *testing.T) {
	f := newFleet(t, one)
	f.apply()
	was := strings.Join(f.domains(), "\n") + strings.Join(f.files(), "\n")
	second := *f
	second.dir, second.config = t.TempDir(), t.TempDir()
	second.use("e2e", "123", one)
	second.run("plan").exits(1).says("(kvm1, kvm2, kvm3) is claimed by cluster", "hosts.np.hcl:9", "novaplan takeover")
	second.run("apply", "-auto-approve").exits(1).says("Nothing is touched there")
	if is := strings.Join(f.domains(), "\n") + strings.Join(f.files(), "\n"); is != was {
		t.Errorf("the hosts hold\n%s\nthey held\n%s", is, was)
	}
}

// TestDomainOfTheSameName: somebody put a domain of their own in place of ours. It is never touched.
func TestDomainOfTheSameName(t *testing.T) {
	f := newFleet(t, one)
	f.use("e2e", "1", one)
	f.apply()
	in := f.instance("instance.one")
	f.lab.Virsh("kvm1", "destroy", in.Domain)
	f.lab.Virsh("kvm1", "undefine", in.Domain)
	theirs := define(t, f.lab, "kvm1", in.Domain)
	f.run("plan").exits(1).says(in.Domain, "that isn't ours", "It is not touched")
	f.run("apply", "-auto-approve").exits(1)
	if got := strings.TrimSpace(f.lab.Virsh("kvm1", "domuuid", in.Domain)); got != theirs {
		t.Errorf("domain %s has UUID %s, theirs was %s", in.Domain, got, theirs)
	}
}

// define defines a domain that nobody but its owner knows and returns its UUID.
func define(t *testing.T, lab *labtest.Lab, host, name string) string {
	t.Helper()
	const definition = `<domain type="qemu"><name>%s</name><memory unit="MiB">16</memory><os><type>hvm</type></os></domain>`
	path := filepath.Join(lab.Host(host).Local.Outside, "theirs.xml")
	if err := os.WriteFile(path, fmt.Appendf(nil, definition, name), 0o600); err != nil {
		t.Fatal(err)
	}
	lab.Virsh(host, "define", path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(lab.Virsh(host, "domuuid", name))
}
