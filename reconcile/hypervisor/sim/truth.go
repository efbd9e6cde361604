package sim

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// Truth is everything that is so, whatever anybody believes: what invariants are checked against.
type Truth struct {
	At         time.Time
	Runs       map[string][]string // hosts on which a guest executes (running or paused), by UUID
	Domains    []DomainTruth       // by host, then name
	Disks      []DiskTruth         // by host, then path; those of shared pools have host ""
	Deletions  []Deletion          // since the world began, in order
	Violations []Violation         // since the world began, in order
}

// DomainTruth is one domain as it is.
type DomainTruth struct {
	hypervisor.Domain
	Host       string
	Definition hypervisor.Definition // of its next start
	BootedAt   time.Time             // when its guest was up; a live migration keeps it
	Starts     int                   // how often its guest booted; a live migration keeps it
}

// DiskTruth is one file as it is.
type DiskTruth struct {
	hypervisor.Volume
	Host       string // "" when shared
	Incomplete bool   // an upload into it did not finish, or not yet
	Writer     string // UUID of the guest that writes it
}

// Deletion is a file that was deleted.
type Deletion struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`             // host that was asked
	Host   string    `json:"host,omitempty"` // where it was; "" when shared
	Path   string    `json:"path"`
	Bytes  int64     `json:"bytes"`
	UsedBy string    `json:"used_by,omitempty"` // UUID of the guest that wrote it at the time
}

// ViolationKind is what must never happen.
type ViolationKind string

// The violations that the world notices by itself.
const (
	DoubleRun      ViolationKind = "double-run"      // one UUID executes on two hosts (I1)
	DiskTwice      ViolationKind = "disk-twice"      // a second guest wanted to write a disk; its lock refused
	IncompleteDisk ViolationKind = "incomplete-disk" // a guest booted from a half-uploaded file
	DiskDeleted    ViolationKind = "disk-deleted"    // a disk was deleted under its guest (I2)
	OldDisk        ViolationKind = "old-disk"        // a guest began to run on another file than it wrote to last (I2)
)

// Violation is something that must never happen, and did.
type Violation struct {
	At    time.Time     `json:"at"`
	Kind  ViolationKind `json:"kind"`
	UUID  string        `json:"uuid"`
	Hosts []string      `json:"hosts"`
	Path  string        `json:"path,omitempty"`
}

// Truth returns what is so now.
func (w *World) Truth() Truth {
	var truth Truth
	w.turn(func(t *turn) {
		truth = Truth{
			At: t.now, Runs: make(map[string][]string, len(w.runs)),
			Deletions: slices.Clone(w.deletions), Violations: slices.Clone(w.violations),
		}
		for uuid, hosts := range w.runs {
			truth.Runs[uuid] = slices.Sorted(slices.Values(hosts))
		}
		for _, name := range w.hostNames() {
			h := w.hosts[name]
			truth.Domains = append(truth.Domains, h.truth()...)
			for _, at := range slices.Sorted(maps.Keys(h.pools)) {
				truth.Disks = append(truth.Disks, h.pools[at].truth(w)...)
			}
		}
		for _, at := range slices.Sorted(maps.Keys(w.shared)) {
			truth.Disks = append(truth.Disks, w.shared[at].truth(w)...)
		}
	})
	return truth
}

func (h *host) truth() []DomainTruth {
	list := make([]DomainTruth, 0, len(h.domains))
	for _, d := range h.domains {
		list = append(list, DomainTruth{Domain: d.public(), Host: h.name, Definition: clone(d.Def), BootedAt: d.BootedAt, Starts: d.Starts})
	}
	slices.SortFunc(list, func(a, b DomainTruth) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (p *pool) truth(w *World) []DiskTruth {
	list := make([]DiskTruth, 0, len(p.volumes))
	for _, name := range slices.Sorted(maps.Keys(p.volumes)) {
		v := p.volumes[name]
		public := v.public(p, name)
		list = append(list, DiskTruth{
			Volume: public, Host: p.host, Incomplete: v.Incomplete,
			Writer: w.locks[diskLock{p.host, public.Path}].uuid,
		})
	}
	return list
}

// runs notes that a guest executes on h, and whether it does so elsewhere.
func (t *turn) runs(h *host, uuid string) {
	hosts := t.w.runs[uuid]
	if slices.Contains(hosts, h.name) {
		return
	}
	hosts = append(hosts, h.name)
	t.w.runs[uuid] = hosts
	if len(hosts) > 1 {
		t.violated(Violation{Kind: DoubleRun, UUID: uuid, Hosts: slices.Clone(hosts)})
	}
}

// stopped notes that a guest does not execute on h any more.
func (t *turn) stopped(h *host, uuid string) {
	hosts := slices.DeleteFunc(t.w.runs[uuid], func(name string) bool { return name == h.name })
	if len(hosts) == 0 {
		delete(t.w.runs, uuid)
		return
	}
	t.w.runs[uuid] = hosts
}

func (t *turn) violated(v Violation) {
	v.At = t.now
	t.w.violations = append(t.w.violations, v)
	t.changed("violation", "", "", v)
}

func (t *turn) deleted(d Deletion) {
	t.w.deletions = append(t.w.deletions, d)
	t.changed("deletion", "", "", d)
	if d.UsedBy != "" {
		t.violated(Violation{Kind: DiskDeleted, UUID: d.UsedBy, Hosts: []string{d.By}, Path: d.Path})
	}
}
