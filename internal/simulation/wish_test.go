package simulation

import (
	"fmt"
	"strings"
	"time"

	"github.com/novaplan/novaplan/spec"
)

// retention is how long disks of terminated instances are kept: short, so that some are deleted in the hour.
const retention = 12 * time.Minute

// hostCount is how many hosts the fleet has. They are small: what is in flight counts.
const hostCount = 5

// capacity of each host.
const (
	hostCPUs = 8
	hostRAM  = 16384
	hostDisk = 200 << 10
)

// block is instances that are wanted alike. A block may change its name: then it has moved.
type block struct {
	kind   string
	name   string // of the block; begins with its kind
	count  int
	most   int
	pool   spec.Address
	group  spec.Address
	flavor spec.Address
	power  spec.Power
	life   int // counts replacements
}

// wishes are what the operators of the fleet want at the moment.
type wishes struct {
	blocks []*block
	modes  [hostCount]spec.Mode
	moved  []spec.Moved
	edits  int
}

func newWishes() *wishes {
	w := &wishes{blocks: []*block{
		{kind: "web", count: 2, most: 4, pool: "pool.local", group: "group.spread", flavor: "flavor.small", power: spec.Running},
		{kind: "app", count: 3, most: 6, pool: "pool.share", flavor: "flavor.small", power: spec.Running},
		{kind: "db", count: 2, most: 4, pool: "pool.local", flavor: "flavor.medium", power: spec.Running},
		{kind: "pair", count: 2, most: 2, pool: "pool.share", group: "group.pair", flavor: "flavor.small", power: spec.Running},
	}}
	for _, b := range w.blocks {
		b.name = b.kind
	}
	for i := range w.modes {
		w.modes[i] = spec.ModeActive
	}
	return w
}

// spec is the wishes as a spec. It shares nothing with what was given away before.
func (w *wishes) spec() *spec.Spec {
	s := &spec.Spec{
		Fleet: "default", Stack: "default", Moved: append([]spec.Moved(nil), w.moved...),
		Pools: []spec.Pool{
			{Address: "pool.local", Name: "local", Type: spec.PoolDir, Path: "/srv/local"},
			{Address: "pool.share", Name: "share", Type: spec.PoolDir, Path: "/srv/share", Shared: true},
		},
		Flavors: []spec.Flavor{
			{Address: "flavor.small", Name: "small", VCPUs: 1, RAM: 1024, Disk: 4096},
			{Address: "flavor.medium", Name: "medium", VCPUs: 2, RAM: 4096, Disk: 8192},
		},
		Images:   []spec.Image{{Address: "image.debian", Name: "debian", Location: "/debian.qcow2", Format: "qcow2", Checksum: "sha256:" + strings.Repeat("0", 64)}},
		Networks: []spec.Network{{Address: "network.lan", Name: "lan", Bridge: "br0", CIDR: "10.0.0.0/16"}},
		Groups: []spec.ServerGroup{
			{Address: "group.spread", Name: "spread", Policy: spec.AntiAffinity},
			{Address: "group.pair", Name: "pair", Policy: spec.Affinity, SplitWhileMoving: true},
		},
		Scheduler: spec.Scheduler{Ratios: spec.Ratios{CPU: 1, RAM: 1, Disk: 1}},
	}
	for i := range hostCount {
		name := hostName(i)
		s.Hosts = append(s.Hosts, spec.Host{
			Address: spec.NewAddress("host", name), Name: name, URI: "sim://" + name, Mode: w.modes[i],
			Capacity: &spec.Capacity{VCPUs: hostCPUs, RAM: hostRAM, Disk: hostDisk},
		})
	}
	for _, b := range w.blocks {
		for i := range b.count {
			s.Instances = append(s.Instances, b.instance(i))
		}
	}
	return s
}

func (b *block) instance(i int) spec.Instance {
	return spec.Instance{
		Address: spec.NewAddress("instance", b.name).Index(i), Name: fmt.Sprintf("%s-%d", b.name, i),
		Flavor: b.flavor, Image: "image.debian", Pool: b.pool, Group: b.group, State: b.power,
		NICs:            []spec.NIC{{Network: "network.lan"}},
		Metadata:        map[string]string{"n": fmt.Sprint(b.kind, b.life, i)}, // no two bodies are equal: none looks renamed
		ShutdownTimeout: 30 * time.Second, TrashRetention: retention,
		Update: &spec.Update{MaxParallel: 2},
	}
}

func hostName(i int) string { return fmt.Sprintf("kvm%d", i+1) }

// edit changes the wishes at random and says how.
func (s *simulation) edit() string {
	w := s.wishes
	w.edits++
	b := w.blocks[s.random.IntN(len(w.blocks))]
	switch s.random.IntN(12) {
	case 0, 1, 2:
		b.count = s.random.IntN(b.most + 1)
		return fmt.Sprintf("%d of %s", b.count, b.name)
	case 3, 4, 5, 6:
		return s.drain()
	case 7, 8:
		for i := range w.modes {
			w.modes[i] = spec.ModeActive
		}
		return "no host is drained"
	case 9:
		b.power = []spec.Power{spec.Running, spec.Running, spec.Stopped, spec.Paused, spec.Suspended}[s.random.IntN(5)]
		return fmt.Sprintf("%s %s", b.name, b.power)
	case 10: // other guests in place of these, under another name
		old := b.name
		b.life++
		b.name, b.flavor = fmt.Sprintf("%s-%d", b.kind, w.edits), "flavor.medium"
		if s.random.IntN(2) == 0 {
			b.flavor = "flavor.small"
		}
		return fmt.Sprintf("%s (%s) in place of %s", b.name, b.flavor, old)
	default:
		old := b.name
		b.name = fmt.Sprintf("%s-%d", b.kind, w.edits)
		w.moved = []spec.Moved{{From: spec.NewAddress("instance", old), To: spec.NewAddress("instance", b.name)}}
		return fmt.Sprintf("%s is called %s", old, b.name)
	}
}

// drain empties a host, two at most; one that is drained already is wanted back.
func (s *simulation) drain() string {
	w := s.wishes
	i := s.random.IntN(hostCount)
	if w.modes[i] == spec.ModeDrain {
		w.modes[i] = spec.ModeActive
		return fmt.Sprintf("%s is not drained any more", hostName(i))
	}
	drained := 0
	for j, mode := range w.modes {
		if mode != spec.ModeDrain {
			continue
		}
		if drained++; drained == 2 {
			w.modes[j] = spec.ModeActive
		}
	}
	w.modes[i] = spec.ModeDrain
	return fmt.Sprintf("%s is drained", hostName(i))
}

// calm wants what can be had: everything on, every host there.
func (w *wishes) calm() {
	for i := range w.modes {
		w.modes[i] = spec.ModeActive
	}
	for _, b := range w.blocks {
		b.power = spec.Running
	}
}
