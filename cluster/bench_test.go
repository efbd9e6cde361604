package cluster

import (
	"context"
	"fmt"
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// BenchmarkPropose measures synced proposals, one at a time and pipelined.
func BenchmarkPropose(b *testing.B) {
	for _, batch := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("batch-%d", batch), func(b *testing.B) {
			n := open(b, newDir(b), Options{})
			commands := make([]state.Command, batch)
			i := 0
			for b.Loop() {
				for j := range commands {
					i++
					commands[j] = inventory(i % 1000)
					commands[j].SetInventory.Inventory.VCPUs = i
				}
				if _, err := n.ProposeAll(b.Context(), commands...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "proposals/s")
		})
	}
}

// BenchmarkRestart measures Open and ReadOnly of a record of 100,000 instances on 10,000 hosts.
func BenchmarkRestart(b *testing.B) {
	dir := newDir(b)
	fill(b, dir, 10_000, 100_000)
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			n, err := Open(b.Context(), dir, Options{})
			if err != nil {
				b.Fatal(err)
			}
			if err := n.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read-only", func(b *testing.B) {
		for b.Loop() {
			if _, err := ReadOnly(b.Context(), dir); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// fill makes a record by the commands of an apply: approve, start, finish.
func fill(b *testing.B, dir string, hosts, instances int) {
	n := open(b, dir, Options{Mode: state.Sim})
	s := &spec.Spec{Fleet: "default"}
	var commands []state.Command
	for i := range hosts {
		a := spec.Address("host.kvm").Index(i)
		s.Hosts = append(s.Hosts, spec.Host{Address: a, Name: fmt.Sprintf("kvm%d", i), URI: "sim://", Mode: spec.ModeActive})
		commands = append(commands, state.Command{SetInventory: &state.SetInventory{Host: a, Name: fmt.Sprintf("kvm%d", i), Inventory: state.Inventory{
			VCPUs: 64, MemoryMiB: 1 << 18, Pools: []state.PoolInventory{{Path: state.DefaultPool, CapacityMiB: 1 << 24}}}}})
	}
	var ops []state.Operation
	size := state.Size{VCPUs: 1, MemoryMiB: 1024, DiskMiB: 1024}
	for i := range instances {
		a := spec.Address("instance.web").Index(i)
		s.Instances = append(s.Instances, spec.Instance{Address: a, Name: fmt.Sprintf("web-%d", i), State: spec.Running})
		ops = append(ops, state.Operation{ID: state.OperationID(n.State(), i+1), Action: state.Create, Instance: a, To: s.Hosts[i%hosts].Address, Size: size,
			Build: &state.Instance{Address: a, Name: fmt.Sprintf("web-%d", i), Size: size, Disks: []state.Disk{{Role: "root", Path: state.DefaultPool + "/x", Format: "qcow2"}}}})
	}
	must := func(results []state.Result, err error) {
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range results {
			if r.Refused != nil {
				b.Fatal(r.Refused)
			}
		}
	}
	ctx := context.Background()
	must(n.ProposeAll(ctx, commands...))
	r, err := Approve(ctx, n, state.Approve{Stack: "default", Request: "r"}, s, ops)
	must([]state.Result{r}, err)
	for first := 0; first < len(ops); first += 1000 {
		commands = commands[:0]
		for _, op := range ops[first:min(first+1000, len(ops))] {
			commands = append(commands, state.Command{Start: &state.Start{Operation: op.ID, Epoch: n.Term()}},
				state.Command{Finish: &state.Finish{Operation: op.ID, Epoch: n.Term()}})
		}
		must(n.ProposeAll(ctx, commands...))
	}
	if err := n.Close(); err != nil {
		b.Fatal(err)
	}
}
