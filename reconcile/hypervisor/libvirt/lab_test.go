//go:build lab

package libvirt_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/conformance"
	"github.com/novaplan/novaplan/reconcile/hypervisor/libvirt"
)

// labStatus is what we read of `lab status -json`.
type labStatus struct {
	Shared struct {
		Inside string `json:"inside"`
	} `json:"shared"`
	Local struct {
		Inside string `json:"inside"`
	} `json:"local"`
	Hosts []struct {
		Name, URI, Socket string
	} `json:"hosts"`
}

const labScript = "../../../examples/lab/lab"

// lab returns a lab with two hosts: the one named in NOVAPLAN_LAB, or one of its own that ends with the test.
func lab(t *testing.T) labStatus {
	t.Helper()
	name := os.Getenv("NOVAPLAN_LAB")
	if name == "" {
		name = "driver"
		run(t, "up", "-n", "2", "-name", name)
		t.Cleanup(func() { run(t, "down", "-name", name) })
	}
	var status labStatus
	if err := json.Unmarshal(run(t, "status", "-json", "-name", name), &status); err != nil {
		t.Fatal(err)
	}
	return status
}

func run(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(labScript, args...).Output()
	if err != nil {
		t.Fatalf("lab %v: %v", args, err)
	}
	return out
}

func TestConformance(t *testing.T) {
	status := lab(t)
	conformance.Run(t, func(t *testing.T) conformance.Fixture {
		return conformance.Fixture{
			Driver: libvirt.New(libvirt.Options{}),
			Hosts: [2]hypervisor.Target{
				{Name: "kvm1", URI: "qemu+unix:///system?socket=" + status.Hosts[0].Socket, PeerURI: status.Hosts[0].URI},
				{Name: "kvm2", URI: status.Hosts[1].URI},
			},
			Nobody:      hypervisor.Target{Name: "nobody", URI: "qemu+tcp://127.0.0.1:9/system"},
			SharedPool:  hypervisor.Pool{Path: status.Shared.Inside + "/pool", Shared: true},
			LocalPool:   hypervisor.Pool{Path: status.Local.Inside + "/conformance"},
			MissingPool: hypervisor.Pool{Path: status.Shared.Inside + "/missing", Shared: true},
			Bridge:      "br0",
			VirtType:    "qemu",
			Arch:        "x86_64",
		}
	})
}
