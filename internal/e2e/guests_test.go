//go:build lab

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/internal/labtest"
)

// serial follows an instance's serial port from now on.
func (f *fleet) serial(address string) *labtest.Serial {
	f.t.Helper()
	s := f.log(address)
	if err := s.SkipToEnd(); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// log follows an instance's serial port, from the beginning of its time on this host.
func (f *fleet) log(address string) *labtest.Serial {
	f.t.Helper()
	in := f.instance(address)
	return f.lab.Serial(in.HostName, in.Domain)
}

// hears waits for a line on an instance's serial port.
func (f *fleet) hears(s *labtest.Serial, pattern string) string {
	f.t.Helper()
	line, err := s.WaitLine(within(f.t), regexp.MustCompile(pattern))
	if err != nil {
		f.t.Fatal(err)
	}
	return line
}

// ticks waits for each guest's next count. Guests that were never seen before have then booted.
func (f *fleet) ticks(addresses ...string) map[string]labtest.Tick {
	f.t.Helper()
	ticks := map[string]labtest.Tick{}
	for _, a := range addresses {
		tick, err := f.serial(a).WaitTick(within(f.t))
		if err != nil {
			f.t.Fatalf("%s: %v", a, err)
		}
		ticks[a] = tick
	}
	return ticks
}

// ranOn fails the test when a guest's counter began again since before.
func (f *fleet) ranOn(before map[string]labtest.Tick) {
	f.t.Helper()
	for address, b := range before {
		a := f.ticks(address)[address]
		if a.Boots != b.Boots || a.Count <= b.Count {
			f.t.Errorf("%s was interrupted: boot %d count %d, then boot %d count %d", address, b.Boots, b.Count, a.Boots, a.Count)
		}
	}
}

// domains lists what is defined on all hosts, as "kvm1 running NAME".
func (f *fleet) domains() []string {
	f.t.Helper()
	var all []string
	for _, h := range f.lab.Hosts {
		for line := range strings.Lines(f.lab.Virsh(h.Name, "list", "--all")) {
			if words := strings.Fields(line); len(words) > 2 { // id, name, state
				all = append(all, fmt.Sprintf("%s %s %s", h.Name, strings.Join(words[2:], " "), words[1]))
			}
		}
	}
	return all
}

// files lists what is in the pools of all hosts, the cached images left out.
func (f *fleet) files() []string {
	f.t.Helper()
	all := filesIn(f, "shared", f.lab.Shared.Outside)
	for _, h := range f.lab.Hosts {
		all = append(all, filesIn(f, h.Name, h.Local.Outside)...)
	}
	return all
}

func filesIn(f *fleet, where, folder string) []string {
	f.t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		f.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "np-image-") {
			names = append(names, where+" "+e.Name())
		}
	}
	return names
}

// tryNumber is a part of a disk's name that tells on which try it was made: of a create, or of a move.
var tryNumber = regexp.MustCompile(`-(?:[0-9]|g[0-9]+-[a-z2-7]+)(\.[a-z0-9]+)$`)

// whole fails the test unless the hosts hold exactly what these instances need: one running domain each, where
// the record says, and their disks, of which those that aren't on the shared storage are on that host only.
func (f *fleet) whole(local func(address string) bool, addresses ...string) {
	f.t.Helper()
	var domains, files []string
	status := f.status()
	for _, a := range addresses {
		i := slices.IndexFunc(status.Instances, func(in wire.Instance) bool { return in.Address == a })
		if i < 0 || status.Instances[i].HostName == "" {
			f.t.Errorf("%s isn't there: %+v", a, status.Instances)
			continue
		}
		in := status.Instances[i]
		domains = append(domains, fmt.Sprintf("%s running %s", in.HostName, in.Domain))
		where := "shared"
		if local(a) {
			where = in.HostName
		}
		files = append(files, fmt.Sprintf("%s np-%s-config.img", where, in.UUID), fmt.Sprintf("%s np-%s-root.qcow2", where, in.UUID))
	}
	same(f, "domains", f.domains(), domains)
	found := f.files()
	for i := range found {
		found[i] = tryNumber.ReplaceAllString(found[i], "$1")
	}
	same(f, "files", found, files)
	if len(status.Pending) > 0 {
		f.t.Errorf("operations are still open: %+v", status.Pending)
	}
}

// empty fails the test unless nothing is left on any host.
func (f *fleet) empty() {
	f.t.Helper()
	same(f, "domains", f.domains(), nil)
	same(f, "files", f.files(), nil)
}

func same(f *fleet, what string, got, want []string) {
	f.t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		f.t.Errorf("%s on the hosts:\n  %s\nwant:\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
