//go:build lab

package e2e

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/internal/labtest"
)

// TestConsole reads what a guest says and types to it.
func TestConsole(t *testing.T) {
	f := newFleet(t, alone)
	f.apply()
	f.ticks(onLocal)
	f.run("console", "-log", "-for", "3s", onLocal).ok().says("novaplan-guest name=local")

	p := f.begin("console", onLocal)
	hears(p, `novaplan-guest name=local`)
	if _, err := io.WriteString(p.stdin, "echo $((6*7)) is the answer\r"); err != nil {
		t.Fatal(err)
	}
	hears(p, `^42 is the answer`)
	p.stdin.Close()
	p.wait().ok()
	f.run("console", "instance.none").exits(1).says("instance.none")
}

// hears reads standard output until a line matches.
func hears(p *process, pattern string) {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		line, more := p.line()
		if re.MatchString(strings.TrimSpace(line)) {
			return
		}
		if !more {
			r := p.wait()
			p.t.Fatalf("%s ended before it said %q: exit code %d\n%s%s", r.command, pattern, r.code, r.stdout, r.stderr)
		}
	}
}

// TestDoctor finds healthy hosts healthy, and says of broken ones what is wrong and how to mend it.
func TestDoctor(t *testing.T) {
	f := newFleet(t, alone)
	f.run("doctor").ok().says("kvm1 -> kvm2", "kvm3 -> kvm1", "libvirt", "virtualisation", "pool", "br0")
	f.apply()
	f.run("doctor").ok()

	f.lab.Cut("kvm3")
	f.edit("hosts.np.hcl", `bridge_mappings = { lan = "br0" }`, `bridge_mappings = { lan = each.key == "2" ? "br7" : "br0" }`)
	r := f.run("doctor").exits(1)
	for _, want := range []string{
		`kvm3 +reachable +failed`,
		`kvm2 +network lan +failed +.*br7`,
		`kvm1 +reachable +ok`,
	} {
		if !regexp.MustCompile(want).MatchString(r.stdout) {
			t.Errorf("doctor doesn't say %s:\n%s", want, r.stdout)
		}
	}
}

// TestForeignUseCounts: what isn't novaplan's takes room.
func TestForeignUseCounts(t *testing.T) {
	f := newFleet(t, alone)
	f.edit("hosts.np.hcl", `mode            = contains`, "capacity { ram = \"400MiB\" }\n  ram_allocation_ratio = 1\n  mode = contains")
	f.lab.Boot("kvm1", labtest.Guest{Name: "theirs", Memory: 300})
	f.lab.Boot("kvm2", labtest.Guest{Name: "theirs", Memory: 300})
	f.apply()
	if in := f.instance(onLocal); in.HostName != "kvm3" {
		t.Errorf("%s is on %s, where a foreign guest has the memory", onLocal, in.HostName)
	}
}
