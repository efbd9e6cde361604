//go:build lab

package libvirt_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/novaplan/novaplan/internal/labtest"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// slowMigration begins a migration from a to b that takes a while, driven by another connection, and returns when it is
// under way.
func slowMigration(t *testing.T, lab *labtest.Lab, a, b, driver hypervisor.Host) (hypervisor.Definition, <-chan error) {
	t.Helper()
	ctx := t.Context()
	pool := hypervisor.Pool{Path: lab.Hosts[0].Local.Inside + "/slow"}
	const size = 48 << 20
	def := small(t, a)
	spec := hypervisor.VolumeSpec{Name: def.Name + ".raw", Format: "raw", Bytes: size}
	for _, host := range []hypervisor.Host{a, b} {
		_, err := host.EnsurePool(ctx, pool)
		must(t, err)
		_, err = host.CreateVolume(ctx, pool, spec)
		must(t, err)
	}
	must(t, a.UploadVolume(ctx, pool, spec.Name, bytes.NewReader(bytes.Repeat([]byte("novaplan"), size/8)), size, nil))
	def.Disks = []hypervisor.Disk{{Path: pool.Path + "/" + spec.Name, Format: "raw", Role: hypervisor.DiskRoot}}
	must(t, a.DefineDomain(ctx, def))
	must(t, a.StartDomain(ctx, def.UUID))
	t.Cleanup(func() {
		_ = b.DestroyDomain(context.WithoutCancel(ctx), def.UUID)
		_ = b.UndefineDomain(context.WithoutCancel(ctx), def.UUID)
	})
	req := hypervisor.MigrateRequest{
		Dest:  hypervisor.Target{Name: "kvm2", URI: lab.Hosts[1].URI},
		Stamp: def.Stamp, CopyDisks: []string{def.Disks[0].Path}, BandwidthMiBps: 4,
	}
	req.Stamp.Generation++
	moving := make(chan struct{}, 1)
	done := make(chan error, 1)
	go func() {
		done <- driver.Migrate(ctx, def.UUID, req, func(hypervisor.Job) {
			select {
			case moving <- struct{}{}:
			default:
			}
		})
	}()
	select {
	case <-moving:
	case err := <-done:
		t.Fatalf("the migration ended at once: %v", err)
	}
	return def, done
}

// runsOnlyAt waits until a guest runs on one host and isn't known to the other.
func runsOnlyAt(t *testing.T, id string, here, gone hypervisor.Host) {
	t.Helper()
	eventually(t, "the guest on one host only", func() bool {
		domain, err := here.GetDomain(t.Context(), id)
		if err != nil || domain.Power != hypervisor.PowerRunning || domain.Migrating {
			return false
		}
		_, err = gone.GetDomain(t.Context(), id)
		return err != nil
	})
}

// TestMigrationOutlivesItsController: when the one who asked is gone, the hosts finish between themselves.
func TestMigrationOutlivesItsController(t *testing.T) {
	lab := shared.Get(t)
	a, b := open(t, "kvm1", lab.Hosts[0].UnixURI()), open(t, "kvm2", lab.Hosts[1].UnixURI())
	controller := open(t, "kvm1", lab.Hosts[0].URI)
	def, done := slowMigration(t, lab, a, b, controller)
	must(t, controller.Close())
	wantError(t, "migration of a controller that goes", <-done, hypervisor.ErrUnknown)
	runsOnlyAt(t, def.UUID, b, a)
	domain, err := b.GetDomain(t.Context(), def.UUID)
	must(t, err)
	if domain.Stamp == nil || domain.Stamp.Generation != def.Stamp.Generation+1 || !domain.Persistent {
		t.Errorf("at the destination: %+v", domain)
	}
}

// TestMigrationWhoseSourceCrashes is unknown, and the guest stays where it was.
func TestMigrationWhoseSourceCrashes(t *testing.T) {
	lab := shared.Get(t)
	a, b := open(t, "kvm1", lab.Hosts[0].UnixURI()), open(t, "kvm2", lab.Hosts[1].UnixURI())
	def, done := slowMigration(t, lab, a, b, a)
	lab.CrashLibvirtd("kvm1")
	wantError(t, "migration whose source crashes", <-done, hypervisor.ErrUnknown)
	lab.StartLibvirtd("kvm1")
	runsOnlyAt(t, def.UUID, a, b)
}

// TestMigrationWhoseDestinationCrashes is refused: the guest is seen where it was.
func TestMigrationWhoseDestinationCrashes(t *testing.T) {
	lab := shared.Get(t)
	a, b := open(t, "kvm1", lab.Hosts[0].UnixURI()), open(t, "kvm2", lab.Hosts[1].UnixURI())
	def, done := slowMigration(t, lab, a, b, a)
	lab.CrashLibvirtd("kvm2")
	wantError(t, "migration whose destination crashes", <-done, hypervisor.ErrRefused)
	lab.StartLibvirtd("kvm2")
	runsOnlyAt(t, def.UUID, a, b)
}
