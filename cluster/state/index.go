package state

import (
	"github.com/novaplan/novaplan/spec"
)

// derived is what Apply looks up and could compute from the rest of the State at any time. Keys are
// joined by a zero byte, which no address holds.
type derived struct {
	residents Map[struct{}] // host, instance: it is there, or a migration brings it
	busy      Map[string]   // instance or host of a running or revoking operation: its id
	waiting   Map[struct{}] // what it comes after, pending operation
	addresses Map[int]      // network, ip, instance: held so many times (record, pending create)
	space     Map[int64]    // pool: MiB taken, see PoolKey
	requests  Map[string]   // id of a request: its key in Requests
}

const keySep = "\x00"

// Reindex returns st with everything derived from the rest computed afresh: the lookup tables of
// Apply and Host.Used. States that were not made by Apply or Restored need it before Apply.
func (st State) Reindex() State {
	t := transition{State: st, bulk: &bulk{used: UsageOf(st), addresses: map[string]int{}}}
	t.index = derived{}
	for _, in := range st.Instances.All() {
		t.indexInstance(in, 1)
	}
	for _, op := range st.Operations.All() {
		t.indexOperation(op, 1)
	}
	for key, r := range st.Requests.All() {
		t.index.requests = t.index.requests.With(r.ID, key)
	}
	t.bulk.settle(&t)
	return t.State
}

// PoolUsed returns how many MiB of a host's pool, or of a shared pool by whatever host, are taken by our
// instances and by migrations on their way.
func (st State) PoolUsed(host spec.Address, pool Pool) int64 {
	used, _ := st.index.space.Get(PoolKey(host, pool))
	return used
}

// bulk gathers what indexing everything would otherwise put in one by one.
type bulk struct {
	used      map[spec.Address]Usage
	residents []string
	addresses map[string]int
}

func (b *bulk) settle(t *transition) {
	t.index.residents = t.index.residents.Edit(func(put func(string, struct{}), _ func(string)) {
		for _, key := range b.residents {
			put(key, struct{}{})
		}
	})
	t.index.addresses = t.index.addresses.Edit(func(put func(string, int), _ func(string)) {
		for key, n := range b.addresses {
			put(key, n)
		}
	})
	t.index.space = t.index.space.Edit(func(put func(string, int64), _ func(string)) {
		for key, n := range PoolUsageOf(t.State) {
			put(key, n)
		}
	})
	delete(b.used, "")
	for address, used := range b.used {
		h := t.hostCopy(address)
		h.Used = used
		t.Hosts = t.Hosts.With(string(address), h)
	}
	for key, h := range t.Hosts.All() {
		if _, used := b.used[h.Address]; !used && h.Used != (Usage{}) {
			fresh := *h
			fresh.Used = Usage{}
			t.Hosts = t.Hosts.With(key, &fresh)
		}
	}
}

// AddressesOf returns the addresses of a network that instances have or that approved creates will
// have.
func (st State) AddressesOf(network spec.Address) []string {
	prefix := string(network) + keySep
	var ips []string
	for key := range st.index.addresses.Prefix(prefix) {
		ip, _ := cutKey(key[len(prefix):])
		if len(ips) == 0 || ips[len(ips)-1] != ip {
			ips = append(ips, ip)
		}
	}
	return ips
}

// Residents returns the instances that are on a host or being migrated there, in address order.
func (st State) Residents(host spec.Address) []spec.Address {
	prefix := string(host) + keySep
	var found []spec.Address
	for key := range st.index.residents.Prefix(prefix) {
		found = append(found, spec.Address(key[len(prefix):]))
	}
	return found
}

// Busy returns the running or revoking operation of an instance, or of a host for host actions; nil
// when there is none.
func (st State) Busy(subject spec.Address) *Operation {
	id, ok := st.index.busy.Get(string(subject))
	if !ok {
		return nil
	}
	op, _ := st.Operations.Get(id)
	return op
}

// Running returns the running and revoking operations, in the order of what they work on.
func (st State) Running() []*Operation {
	ops := make([]*Operation, 0, st.index.busy.Len())
	for _, id := range st.index.busy.All() {
		if op, ok := st.Operations.Get(id); ok {
			ops = append(ops, op)
		}
	}
	return ops
}

func (t *transition) indexInstance(in *Instance, sign int) {
	t.use(in.Host, in.Size.Usage(), sign)
	t.take(in.Host, in.Pool, in.Size, sign)
	t.mark(in.Host, in.Address, sign)
	t.holdAddresses(in.Address, in.NICs, sign)
}

func (t *transition) indexOperation(op *Operation, sign int) {
	for host, u := range inFlight(op) {
		t.use(host, u, sign)
	}
	switch op.Phase {
	case Pending:
		for _, after := range op.After {
			t.index.waiting = t.index.waiting.put(after+keySep+op.ID, struct{}{}, sign > 0)
		}
		if op.Action == Create && op.Build != nil {
			t.holdAddresses(op.Instance, op.Build.NICs, sign)
		}
	case RunningOp, Revoking:
		t.index.busy = t.index.busy.put(string(op.Subject()), op.ID, sign > 0)
		if op.Action == Migrate {
			t.mark(op.To, op.Instance, sign)
			if !op.Pool.Shared {
				t.take(op.To, op.Pool, op.Size, sign)
			}
		}
	}
}

func (t *transition) mark(host, instance spec.Address, sign int) {
	key := string(host) + keySep + string(instance)
	if t.bulk != nil {
		t.bulk.residents = append(t.bulk.residents, key)
		return
	}
	t.index.residents = t.index.residents.put(key, struct{}{}, sign > 0)
}

func (t *transition) holdAddresses(owner spec.Address, nics []NIC, sign int) {
	for _, nic := range nics {
		if nic.IP == "" {
			continue
		}
		key := addressKey(nic) + string(owner)
		if t.bulk != nil {
			t.bulk.addresses[key]++
			continue
		}
		n, _ := t.index.addresses.Get(key)
		n += sign
		t.index.addresses = t.index.addresses.put(key, n, n > 0)
	}
}

func addressKey(nic NIC) string { return string(nic.Network) + keySep + nic.IP + keySep }

// addressOwner returns who else holds an address, leaving out those that skip names.
func (t *transition) addressOwner(nic NIC, owner spec.Address, skip func(spec.Address) bool) spec.Address {
	prefix := addressKey(nic)
	for key := range t.index.addresses.Prefix(prefix) {
		if other := spec.Address(key[len(prefix):]); other != owner && !skip(other) {
			return other
		}
	}
	return ""
}

// use adds u to what is used of a host, or takes it away.
func (t *transition) use(host spec.Address, u Usage, sign int) {
	if host == "" || u == (Usage{}) || t.bulk != nil {
		return
	}
	h := t.hostCopy(host)
	if sign > 0 {
		h.Used = h.Used.Plus(u)
	} else {
		h.Used = h.Used.Minus(u)
	}
	t.Hosts = t.Hosts.With(string(host), h)
}

// take adds a size to what is used of a pool, or takes it away.
func (t *transition) take(host spec.Address, pool Pool, s Size, sign int) {
	n := s.TotalDiskMiB()
	if n == 0 || t.bulk != nil {
		return
	}
	key := PoolKey(host, pool)
	was, _ := t.index.space.Get(key)
	was += int64(sign) * n
	t.index.space = t.index.space.put(key, was, was != 0)
}

// hostCopy returns the record of a host to change and put back, a new one when there is none.
func (t *transition) hostCopy(address spec.Address) *Host {
	if h, ok := t.Hosts.Get(string(address)); ok {
		fresh := *h
		return &fresh
	}
	name := address.Short()
	if h := t.Desired.host(address); h != nil {
		name = h.Name
	}
	return &Host{Address: address, Name: name}
}

func cutKey(s string) (head, tail string) {
	for i := range len(s) {
		if s[i] == 0 {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
