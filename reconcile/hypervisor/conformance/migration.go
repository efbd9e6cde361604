package conformance

import (
	"bytes"
	"path"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// request moves a guest to host b with the next generation.
func (s *suite) request(def hypervisor.Definition) hypervisor.MigrateRequest {
	stamp := def.Stamp
	stamp.Generation++
	stamp.Record = "line one\nline two"
	return hypervisor.MigrateRequest{Dest: s.Hosts[1], Stamp: stamp}
}

// wantMoved checks that a guest is on host b as it was on a, and only there.
func (s *suite) wantMoved(t *testing.T, id string, power hypervisor.Power, stamp hypervisor.Stamp) {
	t.Helper()
	_, err := s.a.GetDomain(t.Context(), id)
	want(t, "read it at the source", err, hypervisor.ErrNotFound)
	domain := s.wantPower(t, s.b, id, power)
	if !domain.Persistent || domain.Autostart {
		t.Errorf("at the destination: persistent %t, autostart %t", domain.Persistent, domain.Autostart)
	}
	if diff := cmp.Diff(&stamp, domain.Stamp); diff != "" {
		t.Errorf("stamp at the destination (-want +got):\n%s", diff)
	}
}

func migrateShared(t *testing.T, s *suite) {
	ctx := t.Context()
	root := s.volume(t, s.a, s.SharedPool, hypervisor.VolumeSpec{Name: volumeName("root.qcow2"), Format: "qcow2", Bytes: mib})
	def := s.definition(t, hypervisor.Disk{Path: root.Path, Format: "qcow2", Role: hypervisor.DiskRoot, Shared: true})
	if s.Bridge != "" {
		def.NICs = []hypervisor.NIC{{MAC: "02:4e:50:00:00:02", Kind: hypervisor.NetworkBridge, Source: s.Bridge}}
	}
	must(t, s.a.DefineDomain(ctx, def))
	want(t, "migrate what is off", s.a.Migrate(ctx, def.UUID, s.request(def), nil), hypervisor.ErrState)
	must(t, s.a.StartDomain(ctx, def.UUID))
	want(t, "abort nothing", s.a.AbortMigration(ctx, def.UUID), hypervisor.ErrState)
	_, err := s.a.GetJob(ctx, def.UUID)
	want(t, "job of a guest without one", err, hypervisor.ErrNotFound)

	req := s.request(def)
	req.SharedStorage, req.MaxDowntimeMs, req.NICs = true, 500, def.NICs
	must(t, s.a.Migrate(ctx, def.UUID, req, func(hypervisor.Job) {}))
	s.wantMoved(t, def.UUID, hypervisor.PowerRunning, req.Stamp)
	must(t, s.b.DestroyDomain(ctx, def.UUID))
	s.wantMoved(t, def.UUID, hypervisor.PowerOff, req.Stamp) // the definition has the stamp too
	want(t, "late start at the source", s.a.StartDomain(ctx, def.UUID), hypervisor.ErrNotFound)
	want(t, "migrate what isn't there", s.a.Migrate(ctx, uuid.NewString(), req, nil), hypervisor.ErrNotFound)
}

// localGuest is a guest with data on a local disk, whose empty twin exists on host b.
func (s *suite) localGuest(t *testing.T, size int) (hypervisor.Definition, hypervisor.Volume, []byte) {
	t.Helper()
	data := content(size)
	spec := hypervisor.VolumeSpec{Name: volumeName("root.raw"), Format: "raw", Bytes: int64(size)}
	root := s.volume(t, s.a, s.LocalPool, spec)
	must(t, s.a.UploadVolume(t.Context(), s.LocalPool, spec.Name, bytes.NewReader(data), int64(size), nil))
	s.volume(t, s.b, s.LocalPool, spec)
	def := s.running(t, hypervisor.Disk{Path: root.Path, Format: "raw", Role: hypervisor.DiskRoot})
	return def, root, data
}

func migrateCopy(t *testing.T, s *suite) {
	t.Run("Raw", s.checkCopyRaw)
	t.Run("OverlayAndConfig", s.checkCopyOverlay)
	t.Run("Renamed", s.checkCopyRenamed)
	t.Run("RenamedAway", s.checkLateCopy)
}

func (s *suite) checkCopyRaw(t *testing.T) {
	ctx := t.Context()
	def, root, data := s.localGuest(t, 4*mib)
	req := s.request(def)
	req.CopyDisks = []string{root.Path}
	must(t, s.a.Migrate(ctx, def.UUID, req, nil))
	s.wantMoved(t, def.UUID, hypervisor.PowerRunning, req.Stamp)
	must(t, s.b.DestroyDomain(ctx, def.UUID))
	var there bytes.Buffer
	must(t, s.b.DownloadVolume(ctx, s.LocalPool, root.Name, &there, nil))
	if !bytes.Equal(there.Bytes(), data) {
		t.Error("the disk at the destination isn't the source's")
	}
}

// checkCopyOverlay: the overlay is copied onto an empty one on the same base; the config drive, which nothing copies,
// is there beforehand.
func (s *suite) checkCopyOverlay(t *testing.T) {
	ctx := t.Context()
	base := hypervisor.VolumeSpec{Name: volumeName("base.qcow2"), Format: "qcow2", Bytes: mib}
	config := hypervisor.VolumeSpec{Name: volumeName("config.iso"), Format: "raw", Bytes: mib}
	overlay := hypervisor.VolumeSpec{Name: volumeName("root.qcow2"), Format: "qcow2", Bytes: 8 * mib, BackingFormat: "qcow2"}
	var disks []hypervisor.Disk
	for _, host := range []hypervisor.Host{s.a, s.b} {
		overlay.BackingPath = s.volume(t, host, s.LocalPool, base).Path
		disks = []hypervisor.Disk{
			{Path: s.volume(t, host, s.LocalPool, overlay).Path, Format: "qcow2", Role: hypervisor.DiskRoot},
			{Path: s.volume(t, host, s.LocalPool, config).Path, Format: "raw", Role: hypervisor.DiskConfig, ReadOnly: true},
		}
	}
	def := s.running(t, disks...)
	req := s.request(def)
	req.CopyDisks = []string{disks[0].Path}
	must(t, s.a.Migrate(ctx, def.UUID, req, nil))
	s.wantMoved(t, def.UUID, hypervisor.PowerRunning, req.Stamp)
	copied, err := s.b.GetVolume(ctx, s.LocalPool, overlay.Name)
	must(t, err)
	if copied.BackingPath != overlay.BackingPath {
		t.Errorf("the copy lies on %q, not on its base", copied.BackingPath)
	}
}

// movable is a guest on a, with an overlay and a config drive, and the files for a move of it to b under other names,
// on another base.
func (s *suite) movable(t *testing.T) (hypervisor.Definition, hypervisor.MigrateRequest) {
	t.Helper()
	place := func(host hypervisor.Host) (disks []hypervisor.Disk) {
		base := hypervisor.VolumeSpec{Name: volumeName("base.qcow2"), Format: "qcow2", Bytes: mib}
		overlay := hypervisor.VolumeSpec{
			Name: volumeName("root.qcow2"), Format: "qcow2", Bytes: 8 * mib,
			BackingPath: s.volume(t, host, s.LocalPool, base).Path, BackingFormat: "qcow2",
		}
		config := hypervisor.VolumeSpec{Name: volumeName("config.iso"), Format: "raw", Bytes: mib}
		return []hypervisor.Disk{
			{Path: s.volume(t, host, s.LocalPool, overlay).Path, Format: "qcow2", Role: hypervisor.DiskRoot},
			{Path: s.volume(t, host, s.LocalPool, config).Path, Format: "raw", Role: hypervisor.DiskConfig, ReadOnly: true},
		}
	}
	here, there := place(s.a), place(s.b)
	def := s.running(t, here...)
	req := s.request(def)
	req.CopyDisks = []string{here[0].Path}
	for i := range here {
		req.Renames = append(req.Renames, hypervisor.Rename{From: here[i].Path, To: there[i].Path})
	}
	return def, req
}

// checkCopyRenamed: the guest has the files that were named for it at the destination, from now on and at its next
// start, and the source's are left.
func (s *suite) checkCopyRenamed(t *testing.T) {
	ctx := t.Context()
	def, req := s.movable(t)
	must(t, s.a.Migrate(ctx, def.UUID, req, nil))
	s.wantMoved(t, def.UUID, hypervisor.PowerRunning, req.Stamp)
	files := []string{req.Renames[0].To, req.Renames[1].To}
	for _, power := range []hypervisor.Power{hypervisor.PowerRunning, hypervisor.PowerOff, hypervisor.PowerRunning} {
		switch domain := s.wantPower(t, s.b, def.UUID, power); {
		case !cmp.Equal(domain.Disks, files):
			t.Errorf("when %s it has %v, want %v", power, domain.Disks, files)
		case power == hypervisor.PowerRunning:
			must(t, s.b.DestroyDomain(ctx, def.UUID))
		default:
			must(t, s.b.StartDomain(ctx, def.UUID))
		}
	}
	for _, rename := range req.Renames {
		_, err := s.a.GetVolume(ctx, s.LocalPool, path.Base(rename.From))
		must(t, err)
		_, err = s.b.GetVolume(ctx, s.LocalPool, path.Base(rename.From))
		want(t, "the source's name at the destination", err, hypervisor.ErrNotFound)
	}
}

// checkLateCopy: once any file that it names is gone from the destination, a migration is refused, and makes none: one
// that arrives late finds no way into a move that was given up.
func (s *suite) checkLateCopy(t *testing.T) {
	ctx := t.Context()
	def, req := s.movable(t)
	for i := len(req.Renames) - 1; i >= 0; i-- { // the config drive first
		gone := path.Base(req.Renames[i].To)
		must(t, s.b.DeleteVolume(ctx, s.LocalPool, gone))
		want(t, "migrate without "+gone, s.a.Migrate(ctx, def.UUID, req, nil), hypervisor.ErrRefused)
		s.wantPower(t, s.a, def.UUID, hypervisor.PowerRunning)
		_, err := s.b.GetVolume(ctx, s.LocalPool, gone)
		want(t, "a file that nobody made", err, hypervisor.ErrNotFound)
		_, err = s.b.GetDomain(ctx, def.UUID)
		want(t, "the destination of a refused migration", err, hypervisor.ErrNotFound)
	}
}

func migratePaused(t *testing.T, s *suite) {
	ctx := t.Context()
	def := s.running(t)
	must(t, s.a.PauseDomain(ctx, def.UUID))
	req := s.request(def)
	must(t, s.a.Migrate(ctx, def.UUID, req, nil))
	s.wantMoved(t, def.UUID, hypervisor.PowerPaused, req.Stamp)
	must(t, s.b.ResumeDomain(ctx, def.UUID))
	s.wantPower(t, s.b, def.UUID, hypervisor.PowerRunning)
}

func migrateAbort(t *testing.T, s *suite) {
	ctx := t.Context()
	def, root, _ := s.localGuest(t, 64*mib)
	req := s.request(def)
	req.CopyDisks, req.BandwidthMiBps = []string{root.Path}, 1
	progress := make(chan hypervisor.Job, 1000)
	done := make(chan error, 1)
	go func() {
		done <- s.a.Migrate(ctx, def.UUID, req, func(job hypervisor.Job) {
			select {
			case progress <- job:
			default:
			}
		})
	}()
	select {
	case <-progress:
	case err := <-done:
		t.Fatalf("64 MiB at 1 MiB/s were through before the first progress: %v", err)
	case <-time.After(patience):
		t.Fatal("no progress")
	}
	if domain := s.wantPower(t, s.a, def.UUID, hypervisor.PowerRunning); !domain.Migrating {
		t.Error("the source isn't marked as migrating")
	}
	if there, err := s.b.GetDomain(ctx, def.UUID); err == nil && there.Power != hypervisor.PowerIncoming {
		t.Errorf("the destination is %s, want incoming", there.Power)
	}
	_, err := s.a.GetJob(ctx, def.UUID)
	must(t, err)
	want(t, "undefine what is being migrated", s.a.UndefineDomain(ctx, def.UUID), hypervisor.ErrState)
	must(t, s.a.AbortMigration(ctx, def.UUID))
	want(t, "aborted migration", <-done, hypervisor.ErrAborted)
	if domain := s.wantPower(t, s.a, def.UUID, hypervisor.PowerRunning); domain.Migrating || domain.Stamp.Generation != def.Stamp.Generation {
		t.Errorf("after the abort: %+v", domain)
	}
	eventually(t, "destination clean after the abort", func() bool {
		_, err := s.b.GetDomain(ctx, def.UUID)
		return err != nil
	})
}

func migrateRefused(t *testing.T, s *suite) {
	ctx := t.Context()
	def := s.running(t)
	req := s.request(def)
	req.CopyDisks = []string{"/no/such/disk.qcow2"}
	want(t, "copy a disk it doesn't have", s.a.Migrate(ctx, def.UUID, req, nil), hypervisor.ErrRefused)
	req = s.request(def)
	req.NICs = []hypervisor.NIC{{MAC: "02:00:00:00:00:99", Kind: hypervisor.NetworkBridge, Source: "br0"}}
	want(t, "plug in a NIC it doesn't have", s.a.Migrate(ctx, def.UUID, req, nil), hypervisor.ErrRefused)
	req = s.request(def)
	req.Renames = []hypervisor.Rename{{From: "/no/such/disk.qcow2", To: "/no/such/other.qcow2"}}
	want(t, "rename a disk it doesn't have", s.a.Migrate(ctx, def.UUID, req, nil), hypervisor.ErrRefused)
	req = s.request(def)
	req.Dest = s.Nobody
	want(t, "migrate to nobody", s.a.Migrate(ctx, def.UUID, req, nil), hypervisor.ErrRefused)
	s.wantPower(t, s.a, def.UUID, hypervisor.PowerRunning)
	if domain := s.wantPower(t, s.a, def.UUID, hypervisor.PowerRunning); domain.Stamp.Generation != def.Stamp.Generation {
		t.Error("a refused migration changed the stamp")
	}
}
