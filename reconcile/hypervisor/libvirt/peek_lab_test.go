//go:build lab

package libvirt_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// TestPeekPoolLeavesNothingBehind looks at pools that don't exist: a plan must not change a host.
func TestPeekPoolLeavesNothingBehind(t *testing.T) {
	lab := shared.Get(t)
	kvm := lab.Hosts[0]
	host := open(t, kvm.Name, kvm.URI)
	peeker := host.(interface {
		PeekPool(context.Context, hypervisor.Pool) (hypervisor.PoolInfo, error)
	})
	before := lab.Virsh(kvm.Name, "pool-list", "--all", "--uuid")

	local := hypervisor.Pool{Path: kvm.Local.Inside + "/peek/not/yet"}
	info, err := peeker.PeekPool(t.Context(), local)
	must(t, err)
	if info.Capacity <= 0 || info.Available <= 0 {
		t.Errorf("a local pool to be made has %+v, want the size of its file system", info)
	}
	if _, err := os.Stat(filepath.Join(kvm.Local.Outside, "peek")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("looking made a directory: %v", err)
	}
	missing := hypervisor.Pool{Path: lab.Shared.Inside + "/peek-missing", Shared: true}
	_, err = peeker.PeekPool(t.Context(), missing)
	wantError(t, "a shared pool that is not mounted", err, hypervisor.ErrNotFound)

	if after := lab.Virsh(kvm.Name, "pool-list", "--all", "--uuid"); after != before {
		t.Errorf("pools before %q, after %q", before, after)
	}
	made, err := host.EnsurePool(t.Context(), local)
	must(t, err)
	again, err := peeker.PeekPool(t.Context(), local)
	must(t, err)
	if made.Capacity != info.Capacity || again.Capacity != info.Capacity {
		t.Errorf("capacity %d by looking, %d when made, %d afterwards", info.Capacity, made.Capacity, again.Capacity)
	}
}
