package reconcile_test

import (
	"testing"
	"testing/synctest"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// TestHalfMadeDisk: a hypervisor that died left the disk of a new instance half-made. The create makes it again,
// on the only host there is.
func TestHalfMadeDisk(t *testing.T) {
	for _, role := range []hypervisor.DiskRole{hypervisor.DiskRoot, hypervisor.DiskConfig} {
		t.Run(string(role), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 1, false)
				l.begin()
				defer l.kill()
				l.want(1)
				format := map[hypervisor.DiskRole]string{hypervisor.DiskRoot: "qcow2", hypervisor.DiskConfig: "raw"}[role]
				uuid := state.InstanceUUID(l.rec.State().ClusterID, "instance.vm[0]", 1)
				host, err := l.world.Open(t.Context(), hypervisor.Target{Name: "kvm1", URI: "sim://kvm1", VCPUs: 16, MemoryMiB: 65536, DiskMiB: 1 << 20})
				if err != nil {
					t.Fatal(err)
				}
				defer host.Close()
				pool := hypervisor.Pool{Path: "/srv/vms"}
				if _, err := host.EnsurePool(t.Context(), pool); err != nil {
					t.Fatal(err)
				}
				half := hypervisor.VolumeSpec{Name: disk.VolumeName(uuid, role, 0, format), Format: "raw", Bytes: 512}
				if _, err := host.CreateVolume(t.Context(), pool, half); err != nil {
					t.Fatal(err)
				}
				l.apply()
				l.converged()
				if l.total() != 1 {
					t.Errorf("%d guests run, want 1\n%s", l.total(), l.dump())
				}
				made, err := host.GetVolume(t.Context(), pool, half.Name)
				if err != nil || made.Bytes <= half.Bytes || made.Format != format {
					t.Errorf("the disk is %+v (%v)", made, err)
				}
			})
		})
	}
}
