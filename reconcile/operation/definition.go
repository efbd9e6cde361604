package operation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/spec"
)

// Stamp returns what is written into the domain of an instance. Its Record is the instance itself, so
// that a lost record can be rebuilt from the hosts.
func Stamp(st state.State, inst *state.Instance, request string) (hypervisor.Stamp, error) {
	record, err := json.Marshal(inst)
	if err != nil {
		return hypervisor.Stamp{}, fmt.Errorf("stamp of %s: %w", inst.Address, err)
	}
	return hypervisor.Stamp{
		Cluster: st.ClusterID, Fleet: st.Fleet, Stack: inst.Stack, Address: string(inst.Address),
		Instance: inst.UUID, Generation: inst.Generation, Request: request, Record: string(record),
	}, nil
}

// Unstamp decodes the instance that a stamp records.
func Unstamp(s hypervisor.Stamp) (*state.Instance, error) {
	var inst state.Instance
	if err := json.Unmarshal([]byte(s.Record), &inst); err != nil {
		return nil, fmt.Errorf("stamp of %s: %w", s.Address, err)
	}
	if inst.UUID != s.Instance || string(inst.Address) != s.Address {
		return nil, fmt.Errorf("stamp of %s contradicts itself: its record is of %s, %s", s.Address, inst.Address, inst.UUID)
	}
	inst.Generation = s.Generation
	return &inst, nil
}

// stamp returns the stamp of the job's instance as it shall be.
func (j *Job) stamp(inst *state.Instance) (hypervisor.Stamp, error) {
	return Stamp(state.State{ClusterID: j.cluster, Fleet: j.fleet}, inst, j.op.Request)
}

// definition returns the domain of inst as it shall be on its host.
func (j *Job) definition(inst *state.Instance) (hypervisor.Definition, error) {
	stamp, err := j.stamp(inst)
	if err != nil {
		return hypervisor.Definition{}, err
	}
	nics, err := j.nics(inst, inst.Host)
	if err != nil {
		return hypervisor.Definition{}, err
	}
	return hypervisor.Definition{
		UUID: inst.UUID, Name: inst.Domain, Stamp: stamp,
		VirtType: inst.VirtType, Arch: inst.Arch, Machine: inst.Machine, CPU: inst.CPU,
		VCPUs: inst.Size.VCPUs, MemoryMiB: inst.Size.MemoryMiB,
		Disks: disksOf(inst), NICs: nics, Properties: j.properties(inst),
	}, nil
}

func disksOf(inst *state.Instance) []hypervisor.Disk {
	disks := make([]hypervisor.Disk, 0, len(inst.Disks))
	for _, d := range inst.Disks {
		role := hypervisor.DiskRole(d.Role)
		disks = append(disks, hypervisor.Disk{
			Path: d.Path, Format: d.Format, Role: role,
			ReadOnly: role == hypervisor.DiskConfig, Shared: inst.Pool.Shared,
		})
	}
	return disks
}

func (j *Job) properties(inst *state.Instance) map[string]string {
	if image := j.desired.Index.Images[inst.Image]; image != nil {
		return image.Properties
	}
	return nil
}

// nics returns the interfaces of inst as they are plugged on a host.
func (j *Job) nics(inst *state.Instance, host spec.Address) ([]hypervisor.NIC, error) {
	var nics []hypervisor.NIC
	for _, n := range inst.NICs {
		network := j.desired.Index.Networks[n.Network]
		if network == nil {
			return nil, fmt.Errorf("%w: %s of %s is not in the spec any more", ErrInvalid, n.Network, inst.Address)
		}
		kind, source, err := Plug(network, j.desired.Index.Hosts[host])
		if err != nil {
			return nil, err
		}
		nics = append(nics, hypervisor.NIC{MAC: n.MAC, Kind: kind, Source: source, Model: n.Model, MTU: network.MTU})
	}
	return nics, nil
}

// Plug returns what a NIC of the network is plugged into on a host.
func Plug(n *spec.Network, host *spec.Host) (hypervisor.NetworkKind, string, error) {
	switch {
	case n.LibvirtNetwork != "":
		return hypervisor.NetworkLibvirt, n.LibvirtNetwork, nil
	case n.Bridge != "":
		return hypervisor.NetworkBridge, n.Bridge, nil
	case host == nil:
		return "", "", fmt.Errorf("network %s: the host is not in the spec any more", n.Name)
	}
	bridge, ok := host.BridgeMappings[n.PhysicalNetwork]
	if !ok {
		return "", "", fmt.Errorf("network %s: host %s has no bridge_mappings entry %q", n.Name, host.Name, n.PhysicalNetwork)
	}
	return hypervisor.NetworkBridge, bridge, nil
}

// fit settles what only the host can say, once: virtualisation, machine type and CPU.
func (j *Job) fit(ctx context.Context) error {
	h, err := j.host(ctx, j.inst.Host)
	if err != nil {
		return err
	}
	info, err := h.HostInfo(ctx)
	if err != nil {
		return err
	}
	inst := j.inst
	if inst.VirtType == "" {
		inst.VirtType, err = j.virtType(info)
		if err != nil {
			return err
		}
	}
	if inst.Arch == "" {
		inst.Arch = info.Arch
	}
	if inst.Machine == "" {
		inst.Machine = info.Machine
	}
	if inst.CPU == "" && inst.VirtType == "kvm" {
		inst.CPU, err = j.baseline(ctx, h, info)
	}
	return err
}

// virtType returns the host's setting, or the best it can do.
func (j *Job) virtType(info hypervisor.HostInfo) (string, error) {
	if h := j.desired.Index.Hosts[j.inst.Host]; h != nil && h.VirtType != "" {
		return h.VirtType, nil
	}
	if len(info.VirtTypes) == 0 {
		return "", fmt.Errorf("%s can run no guests: neither kvm nor qemu is usable", j.hostName(j.inst.Host))
	}
	return info.VirtTypes[0], nil
}

// baseline returns the CPU that every host of the fleet with this architecture and kvm can run, so
// that the guest can move to any of them.
func (j *Job) baseline(ctx context.Context, h hypervisor.Host, info hypervisor.HostInfo) (string, error) {
	return j.world.baselines.get(baselineKey{info.Arch, info.CPU, j.world.Record.State().Revision}, func() (string, error) {
		return j.computeBaseline(ctx, h, info)
	})
}

func (j *Job) computeBaseline(ctx context.Context, h hypervisor.Host, info hypervisor.HostInfo) (string, error) {
	cpus := []string{info.CPU}
	for address, host := range j.world.Record.State().Hosts.All() {
		i := host.Inventory
		if j.desired.Index.Hosts[spec.Address(address)] == nil || i.Arch != info.Arch || i.CPU == "" {
			continue
		}
		if slices.Contains(i.VirtTypes, "kvm") && !slices.Contains(cpus, i.CPU) {
			cpus = append(cpus, i.CPU)
		}
	}
	if len(cpus) == 1 {
		return info.CPU, nil
	}
	return h.BaselineCPU(ctx, cpus)
}
