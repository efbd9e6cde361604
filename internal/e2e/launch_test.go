//go:build lab

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const alone = `
instance "local" {
  flavor           = flavor.tiny
  image            = image.linux
  pool             = pool.local
  trash_retention  = "0s"
  shutdown_timeout = "1s"
  nic { network = network.lan }
}
`

// refuseFiles makes the host's local storage look whole and take no new file.
func (f *fleet) refuseFiles(host string) {
	f.t.Helper()
	folder := f.lab.Host(host).Local.Outside
	chattr(f, "+i", folder)
	f.t.Cleanup(func() { chattr(f, "-i", folder) })
}

func chattr(f *fleet, mode, folder string) {
	f.t.Helper()
	if out, err := exec.Command("chattr", mode, folder).CombinedOutput(); err != nil {
		f.t.Fatalf("chattr %s %s: %v: %s", mode, folder, err, out)
	}
}

// refuseStarts makes the host define every domain and start none, by a hook of libvirt's.
func (f *fleet) refuseStarts(host string) {
	f.t.Helper()
	// The hosts' folders are beside each other; see the lab's README.
	hooks := filepath.Join(filepath.Dir(filepath.Dir(f.lab.Host(host).Local.Outside)), "etc", "hooks")
	if err := os.MkdirAll(hooks, 0o755); err != nil {
		f.t.Fatal(err)
	}
	const hook = "#!/bin/sh\n[ \"$2\" != prepare ] || { echo no guest starts here >&2; exit 1; }\n"
	if err := os.WriteFile(filepath.Join(hooks, "qemu"), []byte(hook), 0o755); err != nil {
		f.t.Fatal(err)
	}
	f.lab.StopLibvirtd(host) // it looks for hooks when it starts
	f.lab.StartLibvirtd(host)
}

// TestFailedLaunchGoesElsewhere lets the two best hosts fail in ways that nobody could foresee: the third one gets
// the instance, and nothing is left on the others.
func TestFailedLaunchGoesElsewhere(t *testing.T) {
	f := newFleet(t, alone)
	f.refuseFiles("kvm1")
	f.refuseStarts("kvm2")
	f.apply()
	f.settled()
	if in := f.instance(onLocal); in.HostName != "kvm3" || in.State != "running" {
		t.Errorf("%s is %s on %s, want it to run on kvm3", onLocal, in.State, in.HostName)
	}
	f.whole(isLocal, onLocal)
}

// TestFailedLaunchLeavesNothing fails on every host: the cause is reported, nothing is left, and the next plan
// wants the instance again.
func TestFailedLaunchLeavesNothing(t *testing.T) {
	f := newFleet(t, alone)
	for _, h := range f.lab.Hosts {
		f.refuseStarts(h.Name)
	}
	f.run("apply", "-auto-approve").exits(1).says("no guest starts here", "1 failed", onLocal)
	f.empty()
	f.run("plan", "-detailed-exitcode").exits(2).says("1 instance to create")
}
