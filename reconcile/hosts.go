package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// hosts keeps an open connection for each host that was asked for, and for each way in which it was. It
// implements operation.Hosts.
type hosts struct {
	rec Record
	drv hypervisor.Driver

	mu    sync.Mutex
	open  map[spec.Address][]*opened  // more than one while a proposal opens the host in another way
	looks int                         // under way
	specs map[spec.Address]*spec.Host // as last looked at, perhaps of a proposal
	last  map[spec.Address]time.Time  // when it last answered
	past  map[spec.Address]*spec.Host // of hosts that left the spec, the newest block
	read  map[uint64]bool             // revisions that past has
}

type opened struct {
	target hypervisor.Target
	host   hypervisor.Host
}

func newHosts(rec Record, drv hypervisor.Driver) *hosts {
	return &hosts{
		rec: rec, drv: drv, open: map[spec.Address][]*opened{},
		specs: map[spec.Address]*spec.Host{}, last: map[spec.Address]time.Time{},
		past: map[spec.Address]*spec.Host{}, read: map[uint64]bool{},
	}
}

// get opens a host as the given block has it. A proposal may open it in another way than the spec in force does:
// each has its connection then, and work that is under way keeps its own.
func (h *hosts) get(ctx context.Context, s *spec.Host) (hypervisor.Host, error) {
	target := targetOf(s)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.specs[s.Address] = s
	for _, o := range h.open[s.Address] {
		if reflect.DeepEqual(o.target, target) {
			return o.host, nil
		}
	}
	host, err := h.drv.Open(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", s.Name, err)
	}
	h.open[s.Address] = append(h.open[s.Address], &opened{target: target, host: host})
	return host, nil
}

// looking notes that a look begins; the returned function ends it, and the connections that nothing needs any
// more with the last one.
func (h *hosts) looking() (done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looks++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.looks--; h.looks == 0 {
			h.dropIdle()
		}
	}
}

// dropIdle closes connections to what a host was before: neither the spec in force nor the last look opens it
// in that way, and no operation works on it.
func (h *hosts) dropIdle() {
	st := h.rec.State()
	for address, all := range h.open {
		if len(all) < 2 || working(st, address) {
			continue
		}
		wanted := []*spec.Host{h.specs[address]}
		if st.Desired != nil {
			wanted = append(wanted, st.Desired.Index.Hosts[address])
		}
		h.open[address] = slices.DeleteFunc(all, func(o *opened) bool {
			for _, s := range wanted {
				if s != nil && reflect.DeepEqual(o.target, targetOf(s)) {
					return false
				}
			}
			_ = o.host.Close() // nobody waits for an answer there
			return true
		})
	}
}

// working reports whether an operation that has begun is about the host.
func working(st state.State, host spec.Address) bool {
	for _, op := range st.Operations.All() {
		if !op.Phase.Final() && op.Phase != state.Pending && (op.From == host || op.To == host) {
			return true
		}
	}
	return false
}

// targetOf says how a host is opened.
func targetOf(s *spec.Host) hypervisor.Target {
	t := hypervisor.Target{Name: s.Name, URI: s.URI, PeerURI: s.PeerURI, VirtType: s.VirtType, Capabilities: maps.Clone(s.Capabilities)}
	if s.Capacity != nil {
		t.VCPUs, t.MemoryMiB, t.DiskMiB = s.Capacity.VCPUs, int64(s.Capacity.RAM), int64(s.Capacity.Disk)
	}
	return t
}

// find returns the host block of an address: of the spec in force, as it was last looked at, or of the
// latest revision that had it.
func (h *hosts) find(address spec.Address) (*spec.Host, error) {
	st := h.rec.State()
	if st.Desired != nil {
		if s := st.Desired.Index.Hosts[address]; s != nil {
			return s, nil
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.specs[address]; s != nil {
		return s, nil
	}
	return h.remember(st, address)
}

// remember returns the newest block of a host that left the spec. Each revision is read once, for all hosts.
func (h *hosts) remember(st state.State, address spec.Address) (*spec.Host, error) {
	for n := st.Revision; n > 0 && h.past[address] == nil; n-- {
		rev, ok := st.RevisionByNumber(n)
		if !ok {
			break
		}
		if h.read[n] {
			continue
		}
		old, err := st.SpecOf(rev)
		if err != nil {
			return nil, err
		}
		h.read[n] = true
		for i := range old.Hosts {
			if a := old.Hosts[i].Address; h.past[a] == nil {
				h.past[a] = &old.Hosts[i]
			}
		}
	}
	if s := h.past[address]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("host %s is in no revision of the spec", address)
}

// Host returns the open host.
func (h *hosts) Host(ctx context.Context, address spec.Address) (hypervisor.Host, error) {
	s, err := h.find(address)
	if err != nil {
		return nil, err
	}
	return h.get(ctx, s)
}

// Target returns how the host is opened.
func (h *hosts) Target(address spec.Address) (hypervisor.Target, error) {
	s, err := h.find(address)
	if err != nil {
		return hypervisor.Target{}, err
	}
	return targetOf(s), nil
}

// answered notes when a host was seen.
func (h *hosts) answered(address spec.Address, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last[address] = at
}

func (h *hosts) lastSeen(address spec.Address) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last[address]
}

func (h *hosts) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for _, all := range h.open {
		for _, o := range all {
			errs = append(errs, o.host.Close())
		}
	}
	clear(h.open)
	return errors.Join(errs...)
}
