//go:build lab

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/internal/labtest"
)

// quickstart copies examples/quickstart for the lab's hosts.
func quickstart(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, lab: labtest.Up(t, 3), dir: t.TempDir(), config: t.TempDir()}
	const example = "../../examples/quickstart"
	names, err := filepath.Glob(example + "/*.np.hcl")
	if err != nil || len(names) == 0 {
		t.Fatalf("no spec in %s: %v", example, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f.write(filepath.Base(name), string(text))
	}
	f.edit("fleet.np.hcl", `subnet = "10.77.0"`, fmt.Sprintf("subnet = %q", f.subnet()))
	f.edit("fleet.np.hcl", "/var/tmp/novaplan-lab/guest/guest.qcow2", f.lab.GuestImage())
	return f
}

// TestQuickstart is the main job: build a fleet that boots, empty a host by editing one word, and bring it back.
func TestQuickstart(t *testing.T) {
	f := quickstart(t)
	five := []string{"instance.web[0]", "instance.web[1]", "instance.web[2]", `instance.db["primary"]`, `instance.db["standby"]`}

	f.run("plan", "-detailed-exitcode").exits(2).says("5 instances to create", "host.kvm1", "claim")
	f.apply().says("instance.web[0]", f.subnet()+".101", `"db-standby": "`+f.subnet()+`.105"`)
	f.settled()
	for i, a := range five {
		f.hears(f.log(a), "identity: name=")
		f.hears(f.log(a), "neighbours:"+neighbours(f, 5))
		if in := f.instance(a); in.State != "running" || in.Addresses[0] != fmt.Sprintf("%s.%d", f.subnet(), 101+i) {
			t.Errorf("%s is %+v", a, in)
		}
	}
	f.run("status").ok().says("kvm1", "kvm2", "kvm3", f.subnet()+".103")

	counts := f.ticks(five...)
	f.edit("fleet.np.hcl", kvm2("active"), kvm2("drain"))
	f.run("plan", "-detailed-exitcode").exits(2).
		says("->  ", "live, shared disk", "live, local disk", "0 to interrupt").
		says("active -> drain", "fleet.np.hcl:32")
	f.apply()
	f.settled()
	for _, in := range f.status().Instances {
		if in.HostName == "kvm2" {
			t.Errorf("%s is still on kvm2", in.Address)
		}
	}
	f.ranOn(counts)
	f.whole(inDB, five...)

	counts = f.ticks(five...)
	f.edit("fleet.np.hcl", kvm2("drain"), kvm2("active"))
	f.edit("fleet.np.hcl", kvm1("active"), kvm1("drain"))
	f.apply()
	f.settled()
	f.ranOn(counts)
	f.whole(inDB, five...)
	f.hears(f.serial(five[0]), "neighbours:"+neighbours(f, 5))
}

func inDB(address string) bool { return strings.HasPrefix(address, "instance.db") }

// neighbours is what a guest says that sees so many guests.
func neighbours(f *fleet, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " %s.%d", f.subnet(), 101+i)
	}
	return b.String()
}

func kvm1(mode string) string {
	return fmt.Sprintf("mode            = %q        # write", mode)
}

// kvm2 is unique in the example together with the host that follows it.
func kvm2(mode string) string {
	return fmt.Sprintf("mode            = %q\n}\n\nhost \"kvm3\"", mode)
}
