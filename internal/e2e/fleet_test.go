//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/internal/labtest"
)

// patience is how long anything may take that ends by itself: a command, a boot. On a quiet machine with two
// cores boots take 10 s and commands less.
const patience = 2 * time.Minute

// fleet is a folder with a spec, and the lab whose hosts are in it.
type fleet struct {
	t      *testing.T
	lab    *labtest.Lab
	dir    string // of the spec
	config string // the user's configuration folder: keys
}

// hosts is the part of every test's spec that says what there is. Each test adds its instances.
const hosts = `
novaplan { fleet = "%[1]s" }

variable "drain" {
  type    = set(string)
  default = []
}

host "kvm" {
  for_each        = toset([%[2]s])
  uri             = "qemu+tcp://%[3]s.1${each.key}/system"
  name            = "kvm${each.key}"
  bridge_mappings = { lan = "br0" }
  mode            = contains(var.drain, each.key) ? "drain" : "active"
}

pool "shared" {
  path   = "/srv/shared"
  shared = true
}

pool "local" {
  path = "/var/lib/libvirt/images"
}

image "linux" { source = "%[4]s" }

network "lan" {
  physical_network = "lan"
  cidr             = "%[3]s.0/24"
  gateway          = "%[3]s.1"
  allocation_pool  = ["%[3]s.101", "%[3]s.199"]
}

flavor "tiny" {
  vcpus = 1
  ram   = "128MiB"
  disk  = "128MiB"
}
`

// newFleet brings up a lab of three hosts and writes a spec with them and the instances. With a second fleet on
// the same lab use f.other.
func newFleet(t *testing.T, instances string) *fleet {
	t.Helper()
	f := &fleet{t: t, lab: labtest.Up(t, 3), dir: t.TempDir(), config: t.TempDir()}
	f.use("e2e", "123", instances)
	return f
}

// in returns the fleet for a subtest.
func (f *fleet) in(t *testing.T) *fleet {
	sub := *f
	sub.t = t
	return &sub
}

// use writes the spec: the lab's hosts with these numbers, and the instances.
func (f *fleet) use(name, numbers, instances string) {
	f.t.Helper()
	quoted := make([]string, len(numbers))
	for i, n := range numbers {
		quoted[i] = fmt.Sprintf("%q", string(n))
	}
	f.write("hosts.np.hcl", fmt.Sprintf(hosts, name, strings.Join(quoted, ", "), f.subnet(), f.lab.GuestImage()))
	f.write("instances.np.hcl", instances)
}

// subnet is the first three numbers of the lab's addresses.
func (f *fleet) subnet() string { return strings.TrimSuffix(f.lab.Gateway, ".1") }

func (f *fleet) write(name, content string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// edit replaces a text in a file of the spec, as an editor would.
func (f *fleet) edit(name, old, replacement string) {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	if strings.Count(string(text), old) != 1 {
		f.t.Fatalf("%s holds %d times %q, want it once", name, strings.Count(string(text), old), old)
	}
	f.write(name, strings.Replace(string(text), old, replacement, 1))
}

// drain writes which hosts are to be emptied.
func (f *fleet) drain(numbers ...string) {
	f.t.Helper()
	list, err := json.Marshal(numbers)
	if err != nil {
		f.t.Fatal(err)
	}
	f.write("drain.auto.npvars", "drain = "+string(list)+"\n")
}

// status returns what novaplan says is there.
func (f *fleet) status() *wire.Status {
	f.t.Helper()
	var s wire.Status
	decode(f.t, f.run("status", "-o", "json").ok().stdout, &s)
	return &s
}

// plan returns what novaplan would do.
func (f *fleet) plan(flags ...string) *wire.Plan {
	f.t.Helper()
	var p wire.Plan
	decode(f.t, f.run(append([]string{"plan", "-json"}, flags...)...).stdout, &p)
	return &p
}

// apply carries out what the spec says and fails the test when not all of it could be done.
func (f *fleet) apply(flags ...string) result {
	f.t.Helper()
	return f.run(append([]string{"apply", "-auto-approve"}, flags...)...).ok()
}

// settled fails the test unless there is nothing to do.
func (f *fleet) settled() {
	f.t.Helper()
	r := f.run("plan", "-detailed-exitcode")
	if r.code != 0 || !strings.Contains(r.stdout, "No changes.") {
		f.t.Errorf("a plan after apply is not empty: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// instance returns an instance's status.
func (f *fleet) instance(address string) wire.Instance {
	f.t.Helper()
	s := f.status()
	for _, in := range s.Instances {
		if in.Address == address {
			return in
		}
	}
	f.t.Fatalf("status knows no %s: %+v", address, s.Instances)
	return wire.Instance{}
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// within returns a context that ends with the test or when patience does.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
