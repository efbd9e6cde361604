package state

import (
	"time"

	"github.com/novaplan/novaplan/spec"
)

// settle takes over what the spec in force says of recorded instances and of those being made, as far
// as nothing has to be done on a host for it: how long to wait for a shutdown, how long to keep disks, what a
// flavor of the same size is called, and whether a pool is shared.
func (t *transition) settle() {
	var changed []*Instance
	for _, in := range t.Instances.All() {
		if next, differs := t.settled(in); differs {
			changed = append(changed, next)
		}
	}
	for _, in := range changed {
		t.setInstance(in)
	}
	var ops []*Operation
	for _, op := range t.Operations.All() {
		if op.Phase.Final() || op.Build == nil {
			continue
		}
		if build, differs := t.settled(op.Build); differs {
			next := *op
			next.Build = build
			ops = append(ops, &next)
		}
	}
	for _, op := range ops {
		t.setOperation(op)
	}
}

// settled returns in with the settings of the spec, and whether they differ.
func (t *transition) settled(in *Instance) (*Instance, bool) {
	want := t.Desired.Index.Instances[in.Address]
	if want == nil {
		return nil, false
	}
	retention, timeout := want.TrashRetention, want.ShutdownTimeout
	if want.Ignores("trash_retention") {
		retention = in.TrashRetention
	}
	if want.Ignores("shutdown_timeout") {
		timeout = in.ShutdownTimeout
	}
	flavor, shared := in.Flavor, in.Pool.Shared
	if f := t.Desired.Index.Flavors[want.Flavor]; f != nil && !want.Ignores("flavor") && in.Size.IsOf(f) {
		flavor = want.Flavor
	}
	if now := t.sharedNow(in.Pool); now != shared && t.Busy(in.Address) == nil {
		shared = now
	}
	if in.TrashRetention == retention && in.ShutdownTimeout == timeout && in.Flavor == flavor && in.Pool.Shared == shared {
		return nil, false
	}
	next := *in
	next.TrashRetention, next.ShutdownTimeout, next.Flavor, next.Pool.Shared = retention, timeout, flavor, shared
	return &next, true
}

// sharedNow is what the spec says of the pool at that path; what it was, when no pool is there.
func (t *transition) sharedNow(p Pool) bool {
	for i := range t.Desired.Spec.Pools {
		if pool := &t.Desired.Spec.Pools[i]; pool.Path == p.Dir() {
			return pool.Shared
		}
	}
	return p.Shared
}

// IsOf reports whether s is what a flavor gives; a flavor without a disk gives any.
func (s Size) IsOf(f *spec.Flavor) bool {
	return s.VCPUs == f.VCPUs && s.MemoryMiB == int64(f.RAM) && (f.Disk == 0 || s.DiskMiB == int64(f.Disk)) &&
		s.EphemeralMiB == int64(f.Ephemeral) && s.SwapMiB == int64(f.Swap)
}

// settings are what only the spec decides of an instance: an operation that is under way has them as
// they were when it began, and must not bring them back.
type settings struct {
	retention, timeout time.Duration
	flavor             spec.Address
	shared             bool
}

func (in *Instance) settings() settings {
	return settings{in.TrashRetention, in.ShutdownTimeout, in.Flavor, in.Pool.Shared}
}

func (in *Instance) set(s settings) {
	in.TrashRetention, in.ShutdownTimeout, in.Flavor, in.Pool.Shared = s.retention, s.timeout, s.flavor, s.shared
}
