package observe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// Defaults of a Look.
const (
	DefaultParallel = 64               // hosts looked at once
	DefaultConnect  = 5 * time.Second  // for the first answer of a host
	connectAgain    = time.Second      // for one that didn't answer when it was last looked at
	DefaultDeadline = 30 * time.Second // for all that is read of it
)

// Look says what to look at, and how.
type Look struct {
	Hosts   []*spec.Host
	Pools   []spec.Pool
	Cluster string // our id: what is stamped with another is foreign
	// Open returns the host; it does not wait for it.
	Open func(context.Context, *spec.Host) (hypervisor.Host, error)
	// Recorded returns the inventory on record, to keep figures that only jitter. It may be nil.
	Recorded func(spec.Address) *state.Inventory
	// Disks returns the names of the files in a host's pool that are disks of recorded instances; those in a shared
	// pool are the same whatever the host. It may be nil.
	Disks func(spec.Address, spec.Pool) map[string]bool
	// LastSeen returns when the host last answered; zero is never. It may be nil.
	LastSeen func(spec.Address) time.Time
	// Last is the look before this one, made with the same open hosts; nil when there was none. A host that did not
	// answer then is waited for only briefly: who opened it has gone on trying since.
	Last *planner.Observed

	// Brief leaves the pools alone.
	Brief bool
	// Share reports whether the files of a shared pool are to be listed; nil: those of all are.
	Share func(path string) bool

	Parallel int           // 0: DefaultParallel
	Connect  time.Duration // 0: DefaultConnect
	Deadline time.Duration // 0: DefaultDeadline

	shares *shares
}

// PoolPeeker is implemented by hosts that can tell the size of a pool without making it usable. A pool
// that is not there yet has the size of the file system that it would be made on; ErrNotFound is for
// one that EnsurePool would not make either.
type PoolPeeker interface {
	PeekPool(ctx context.Context, pool hypervisor.Pool) (hypervisor.PoolInfo, error)
}

// At looks at all hosts and returns what was seen at time now. It fails only when ctx ends.
func (l Look) At(ctx context.Context, now time.Time) (*planner.Observed, error) {
	l = l.withDefaults()
	seen := make([]*planner.HostObservation, len(l.Hosts))
	pools := make([][]seenPool, len(l.Hosts))
	next := make(chan int)
	var wait sync.WaitGroup
	for range min(l.Parallel, len(l.Hosts)) {
		wait.Go(func() {
			for i := range next {
				seen[i], pools[i] = l.host(ctx, l.Hosts[i], now)
			}
		})
	}
	for i := range l.Hosts {
		next <- i
	}
	close(next)
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("look at hosts: %w", err)
	}
	o := &planner.Observed{At: now, Hosts: make(map[spec.Address]*planner.HostObservation, len(l.Hosts))}
	for i, h := range l.Hosts {
		l.account(h.Address, pools[i], seen[i])
		o.Hosts[h.Address] = seen[i]
	}
	o.Written = l.writtenShared()
	o.Listed = slices.Sorted(maps.Keys(l.shares.files))
	return o, nil
}

func (l Look) withDefaults() Look {
	if l.Parallel <= 0 {
		l.Parallel = max(DefaultParallel, 8*runtime.GOMAXPROCS(0))
	}
	if l.Connect <= 0 {
		l.Connect = DefaultConnect
	}
	if l.Deadline <= 0 {
		l.Deadline = DefaultDeadline
	}
	if l.Recorded == nil {
		l.Recorded = func(spec.Address) *state.Inventory { return nil }
	}
	if l.Disks == nil {
		l.Disks = func(spec.Address, spec.Pool) map[string]bool { return nil }
	}
	l.shares = &shares{want: l.Share, taken: map[string]bool{}, files: map[string][]hypervisor.Volume{}}
	if l.LastSeen == nil {
		l.LastSeen = func(spec.Address) time.Time { return time.Time{} }
	}
	return l
}

// host looks at one host.
func (l Look) host(ctx context.Context, h *spec.Host, now time.Time) (*planner.HostObservation, []seenPool) {
	unreachable := func(err error) (*planner.HostObservation, []seenPool) {
		return &planner.HostObservation{Error: hypervisor.Why(err), LastSeen: l.LastSeen(h.Address)}, nil
	}
	open, err := l.Open(ctx, h)
	if err != nil {
		return unreachable(err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.Deadline)
	defer cancel()
	info, err := l.knock(ctx, h.Address, open)
	if err != nil {
		return unreachable(err)
	}
	o := &planner.HostObservation{Reachable: true, LastSeen: now}
	var pools []seenPool
	for _, part := range []func() error{
		func() error { return l.claim(ctx, open, o) },
		func() error { return l.domains(ctx, open, o) },
		func() error { return l.inventory(ctx, h, open, info, o) },
		func() (err error) {
			if !l.Brief {
				pools, err = l.pools(ctx, h, open, o.Claimed)
			}
			return err
		},
	} {
		if err := part(); err != nil {
			return unreachable(err)
		}
	}
	return o, pools
}

// knock waits a short while for the first answer.
func (l Look) knock(ctx context.Context, address spec.Address, h hypervisor.Host) (hypervisor.HostInfo, error) {
	wait := l.Connect
	if l.Last != nil {
		if before := l.Last.Hosts[address]; before != nil && !before.Reachable {
			wait = min(wait, connectAgain)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return h.HostInfo(ctx)
}

func (l Look) claim(ctx context.Context, h hypervisor.Host, o *planner.HostObservation) error {
	claim, err := h.GetClaim(ctx)
	if errors.Is(err, hypervisor.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	o.Inventory.Owner = claim.Cluster
	o.Claimed = l.Cluster != "" && claim.Cluster == l.Cluster
	if o.Claimed {
		o.ClaimEpoch = claim.Epoch
	}
	return nil
}

// domains lists all domains and adds up those that are not ours.
func (l Look) domains(ctx context.Context, h hypervisor.Host, o *planner.HostObservation) error {
	domains, err := h.ListDomains(ctx)
	if err != nil {
		return err
	}
	o.Domains = make([]planner.Domain, len(domains))
	for i := range domains {
		o.Domains[i] = domain(&domains[i])
		if s := domains[i].Stamp; s == nil || s.Cluster != l.Cluster || l.Cluster == "" {
			o.Inventory.Foreign = o.Inventory.Foreign.Plus(use(&domains[i]))
		}
	}
	return nil
}

func domain(d *hypervisor.Domain) planner.Domain {
	p := planner.Domain{
		UUID: d.UUID, Name: d.Name, Power: planner.Power(d.Power), PauseReason: d.PauseReason,
		Persistent: d.Persistent, Migrating: d.Migrating, Held: d.Held, VCPUs: d.VCPUs, MemoryMiB: d.MemoryMiB,
		Disks: d.Disks, MACs: d.MACs,
	}
	if n := d.Next; n != nil { // a redefinition of a running guest is done when it is defined
		p.VCPUs, p.MemoryMiB, p.Disks, p.MACs = n.VCPUs, n.MemoryMiB, n.Disks, n.MACs
	}
	if s := d.Stamp; s != nil {
		p.Cluster, p.Stack, p.Address, p.Generation = s.Cluster, s.Stack, spec.Address(s.Address), s.Generation
	}
	return p
}

// use is what a foreign domain takes: one that is off may be started at any time, so it counts too.
func use(d *hypervisor.Domain) state.Usage {
	if n := d.Next; n != nil {
		return state.Usage{VCPUs: max(d.VCPUs, n.VCPUs), MemoryMiB: max(d.MemoryMiB, n.MemoryMiB), Instances: 1}
	}
	return state.Usage{VCPUs: d.VCPUs, MemoryMiB: d.MemoryMiB, Instances: 1}
}
