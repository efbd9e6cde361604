//go:build lab

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestHeldDomain is about a libvirtd that was killed in the middle of a start: libvirt 9 then keeps the domain's lock
// for good. The domain is named with what to do, everything else goes on, and once that is done apply mends it.
func TestHeldDomain(t *testing.T) {
	f := newFleet(t, pair)
	f.use("e2e", "1", pair)
	f.apply()
	in := f.instance(onShared)
	file := filepath.Join(filepath.Dir(f.lab.Host("kvm1").Socket), "qemu", in.Domain+".xml")
	f.lab.CrashLibvirtd("kvm1")
	halfStarted(t, file)
	f.lab.StartLibvirtd("kvm1")

	f.run("plan").exits(1).says(onShared, "lock of its domain "+in.Domain, "rm /run/libvirt/qemu/"+in.Domain+".xml")
	f.edit("instances.np.hcl", `instance "local" {`, "instance \"another\" {\n  flavor = flavor.tiny\n  image = image.linux\n  pool = pool.local\n  shutdown_timeout = \"1s\"\n}\n\ninstance \"local\" {")
	f.run("apply", "-auto-approve").exits(1).says(in.Domain)
	if another := f.instance("instance.another"); another.State != "running" {
		t.Errorf("another instance on the host is %+v", another)
	}
	for _, h := range f.status().Hosts {
		if h.State != "up" {
			t.Errorf("%s is said to be %s: %s", h.Name, h.State, h.Error)
		}
	}

	f.lab.CrashLibvirtd("kvm1")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f.lab.StartLibvirtd("kvm1")
	f.apply()
	f.settled()
	f.whole(func(a string) bool { return a != onShared }, onShared, onLocal, "instance.another")
}

// halfStarted ends a guest and makes libvirt's note of it what is written before its process is known.
func halfStarted(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pidOf := regexp.MustCompile(`pid='([0-9]+)'`)
	m := pidOf.FindStringSubmatch(string(text))
	if m == nil {
		t.Fatalf("%s names no process: %.200s", file, text)
	}
	pid, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("end QEMU %d: %v", pid, err)
	}
	half := pidOf.ReplaceAllString(string(text), "pid='0'")
	half = regexp.MustCompile(`<domstatus state='[a-z]+' reason='[a-z ]+'`).ReplaceAllString(half, "<domstatus state='paused' reason='starting up'")
	half = strings.Replace(half, "<blockjobs", "<job type='none' async='start' flags='0x0' asyncStarted='1'/>\n  <blockjobs", 1)
	if !strings.Contains(half, "async='start'") {
		t.Fatalf("no place for a job in %s: %s", file, text)
	}
	if err := os.WriteFile(file, []byte(half), 0o600); err != nil {
		t.Fatal(err)
	}
}
