package placement

import (
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// Fleet is the picture of all hosts that placement works on: candidates in spec order and what is
// taken of them. Put and Remove change it; nothing else does.
type Fleet struct {
	Hosts []*Host

	byAddress map[spec.Address]int
	members   map[spec.Address]map[int]int // group -> host -> members there
	places    map[spec.Address][]int       // instance -> hosts that it takes room of
	changes   []int32                      // hosts changed, in order: what an Index follows
}

// NewFleet returns a fleet of hosts, which must be in spec order, with used[i] taken of hosts[i]; what is
// taken of their pools is in these.
func NewFleet(hosts []*Host, used []state.Usage) *Fleet {
	f := &Fleet{
		Hosts:     hosts,
		byAddress: make(map[spec.Address]int, len(hosts)),
		members:   map[spec.Address]map[int]int{},
		places:    map[spec.Address][]int{},
	}
	for i, h := range hosts {
		f.byAddress[h.Address] = i
		h.used = used[i]
	}
	countPools(hosts)
	return f
}

// Find returns the ordinal of a host, or -1.
func (f *Fleet) Find(a spec.Address) int {
	if i, ok := f.byAddress[a]; ok {
		return i
	}
	return -1
}

// Occupant is what takes room on a host.
type Occupant struct {
	Instance spec.Address
	Group    spec.Address // "" for none
	Size     state.Size
	Pool     state.Pool
	TrashMiB int64 // of its pool, what its disks still take after it was terminated
}

// Put takes room for o on host i.
func (f *Fleet) Put(i int, o Occupant) {
	f.use(i, o, 1)
	f.Join(i, o)
}

// Remove gives back what o took of host i.
func (f *Fleet) Remove(i int, o Occupant) {
	f.changes = append(f.changes, int32(i))
	f.places[o.Instance] = without(f.places[o.Instance], i)
	f.use(i, o, -1)
	if o.Group != "" {
		if f.members[o.Group][i]--; f.members[o.Group][i] <= 0 {
			delete(f.members[o.Group], i)
		}
	}
}

// Terminate gives back what o took of host i, but for what its disks take of the pool: they go to the trash.
func (f *Fleet) Terminate(i int, o Occupant) {
	f.Remove(i, o)
	*f.Hosts[i].Pool(o.Pool).used += o.TrashMiB
}

// Join records that o is on host i without taking room: its use is in the host's numbers already.
func (f *Fleet) Join(i int, o Occupant) {
	f.changes = append(f.changes, int32(i))
	f.places[o.Instance] = append(f.places[o.Instance], i)
	if o.Group == "" {
		return
	}
	hosts := f.members[o.Group]
	if hosts == nil {
		hosts = map[int]int{}
		f.members[o.Group] = hosts
	}
	hosts[i]++
}

// Members returns how many of group are on host i.
func (f *Fleet) Members(group spec.Address, i int) int { return f.members[group][i] }

// MemberHosts returns the hosts that have members of group, in spec order.
func (f *Fleet) MemberHosts(group spec.Address) []int {
	hosts := make([]int, 0, len(f.members[group]))
	for i := range f.members[group] {
		hosts = append(hosts, i)
	}
	slices.Sort(hosts)
	return hosts
}

// On reports whether instance takes room of host i.
func (f *Fleet) On(instance spec.Address, i int) bool { return slices.Contains(f.places[instance], i) }

// Places returns the hosts that instance takes room of.
func (f *Fleet) Places(instance spec.Address) []int { return f.places[instance] }

// use counts what o takes of host i and its pool. In a shared pool it counts once, on however many hosts
// it is: it is there already, or still.
func (f *Fleet) use(i int, o Occupant, sign int) {
	s, u := o.Size, &f.Hosts[i].used
	u.VCPUs += sign * s.VCPUs
	u.MemoryMiB += int64(sign) * s.MemoryMiB
	u.DiskMiB += int64(sign) * s.TotalDiskMiB()
	u.Instances += sign
	if p := f.Hosts[i].Pool(o.Pool); !p.Shared || len(f.places[o.Instance]) == 0 {
		*p.used += int64(sign) * s.TotalDiskMiB()
	}
}

func without(hosts []int, i int) []int {
	if at := slices.Index(hosts, i); at >= 0 {
		return slices.Delete(slices.Clone(hosts), at, at+1)
	}
	return hosts
}
