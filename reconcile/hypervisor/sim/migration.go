package sim

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// migration is a guest on its way from one host to another. Only its record outlives the process;
// whoever waits for it is told through done.
type migration struct {
	movingRecord
	source, dest *host
	uuid         string
	done         chan struct{}
	err          error // set before done is closed
}

// movingRecord is what the source keeps of a migration.
type movingRecord struct {
	Dest      string
	Stamp     hypervisor.Stamp
	NICs      []hypervisor.NIC    `json:",omitempty"`
	CopyDisks []string            `json:",omitempty"`
	Renames   []hypervisor.Rename `json:",omitempty"`
	Bytes     int64
	Began     time.Time
	Ends      time.Time // zero: never, it is stuck
	Breaks    bool      `json:",omitempty"` // it fails when it ends
}

// migratePoll is how often a waiting caller hears of progress.
const migratePoll = 200 * time.Millisecond

// Migrate moves a guest, peer to peer: the hosts go on when the caller leaves.
func (c *conn) Migrate(ctx context.Context, uuid string, req hypervisor.MigrateRequest, progress func(hypervisor.Job)) error {
	const method = "Migrate"
	req.CopyDisks, req.NICs, req.Renames = slices.Clone(req.CopyDisks), slices.Clone(req.NICs), slices.Clone(req.Renames)
	cut := c.cutSignal()
	m, err := call(ctx, c, method, func(t *turn) (*migration, error) {
		m, err := c.host.migrate(t, uuid, req)
		if err != nil {
			return nil, fmt.Errorf("domain %s: %w", uuid, err)
		}
		return m, nil
	})
	if err != nil {
		return err
	}
	ticker := time.NewTicker(migratePoll)
	defer ticker.Stop()
	for {
		select {
		case <-m.done:
			if m.err != nil {
				return fmt.Errorf("%s: %s: domain %s: %w", c.name, method, uuid, m.err)
			}
			return nil
		case <-ticker.C:
			if progress != nil {
				progress(m.progress(now()))
			}
		case <-ctx.Done():
			return c.unknown(method, ctx.Err().Error())
		case <-cut:
			return c.unknown(method, "the connection was lost")
		case <-c.closed:
			return c.unknown(method, "the connection was closed")
		}
	}
}

// cutSignal is closed when the connection breaks; a local one never does.
func (c *conn) cutSignal() <-chan struct{} {
	if c.local {
		return nil
	}
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	return c.host.cut
}

// migrate begins a migration.
func (h *host) migrate(t *turn, uuid string, req hypervisor.MigrateRequest) (*migration, error) {
	d, err := h.domain(uuid)
	if err != nil {
		return nil, err
	}
	if err := d.on(); err != nil {
		return nil, err
	}
	if d.job != nil {
		return nil, fmt.Errorf("%w: it is being migrated already", hypervisor.ErrState)
	}
	peer := req.Dest.PeerURI
	if peer == "" {
		peer = req.Dest.URI
	}
	dest, err := t.w.peer(h, peer)
	if err != nil {
		return nil, err
	}
	bytes, err := t.w.receivable(h, dest, d, req)
	if err != nil {
		return nil, err
	}
	m := &migration{
		movingRecord: movingRecord{
			Dest: dest.name, Stamp: req.Stamp, NICs: req.NICs, CopyDisks: req.CopyDisks, Renames: req.Renames,
			Bytes: bytes + d.active().MemoryMiB<<20, Began: t.now,
		},
		source: h, dest: dest, uuid: uuid, done: make(chan struct{}),
	}
	m.Ends = t.now.Add(t.w.transfer(m.Bytes, t.w.migrationSpeed(req)))
	switch f := t.w.migrationFault(h.name); f.Kind {
	case Stick:
		m.Ends = time.Time{}
	case Break:
		m.Ends, m.Breaks = m.Began.Add(m.Ends.Sub(m.Began)/2), true
	}
	t.prepare(m, d)
	return m, nil
}

func (w *World) migrationSpeed(req hypervisor.MigrateRequest) int64 {
	speed := w.opts.MigrationSpeed
	if limit := int64(req.BandwidthMiBps) << 20; limit > 0 && speed > limit {
		return limit
	}
	return speed
}

// receivable checks what the destination would, and returns the bytes of disk to copy.
func (w *World) receivable(h, dest *host, d *domain, req hypervisor.MigrateRequest) (int64, error) {
	def := d.active()
	there := dest.domains[def.UUID]
	switch {
	case there != nil && there.Power.Active():
		return 0, fmt.Errorf("%w: it is %s on %s", hypervisor.ErrRefused, there.Power, dest.name)
	case there != nil && there.Def.Name != def.Name,
		there == nil && dest.names[def.Name] != "":
		return 0, fmt.Errorf("%w: another domain of that name or UUID is on %s", hypervisor.ErrRefused, dest.name)
	case !dest.runsCPU(def.CPU):
		return 0, fmt.Errorf("%w: CPU of %s can't run %s", hypervisor.ErrRefused, dest.name, def.CPU)
	}
	if err := w.fits(def, req); err != nil {
		return 0, err
	}
	var bytes int64
	for _, disk := range def.Disks {
		n, err := w.receivableDisk(h, dest, disk, req)
		if err != nil {
			return 0, err
		}
		bytes += n
	}
	return bytes, nil
}

// fits checks that the request names only what the guest has.
func (w *World) fits(def *hypervisor.Definition, req hypervisor.MigrateRequest) error {
	if err := checkStamp(req.Stamp); err != nil {
		return err
	}
	files := req.CopyDisks
	for _, rename := range req.Renames {
		files = append(files[:len(files):len(files)], rename.From)
	}
	for _, file := range files {
		if !slices.ContainsFunc(def.Disks, func(d hypervisor.Disk) bool { return d.Path == file }) {
			return fmt.Errorf("%w: it has no disk %s to copy or rename", hypervisor.ErrRefused, file)
		}
	}
	for _, nic := range req.NICs {
		if !slices.ContainsFunc(def.NICs, func(n hypervisor.NIC) bool { return n.MAC == nic.MAC }) {
			return fmt.Errorf("%w: it has no NIC %s to plug in", hypervisor.ErrRefused, nic.MAC)
		}
	}
	return w.pluggable(req.NICs)
}

// renamed returns the path that a disk has at the destination.
func renamed(renames []hypervisor.Rename, file string) string {
	for _, rename := range renames {
		if rename.From == file {
			return rename.To
		}
	}
	return file
}

func (w *World) receivableDisk(h, dest *host, disk hypervisor.Disk, req hypervisor.MigrateRequest) (int64, error) {
	_, v := w.disk(h, disk.Path)
	if v == nil {
		return 0, fmt.Errorf("%w: disk %s has vanished", hypervisor.ErrRefused, disk.Path)
	}
	file := renamed(req.Renames, disk.Path)
	to, target := w.disk(dest, file)
	if target == nil {
		return 0, fmt.Errorf("%w: no disk %s on %s", hypervisor.ErrRefused, file, dest.name)
	}
	shared := v == target
	switch {
	case !slices.Contains(req.CopyDisks, disk.Path):
		if !disk.ReadOnly && !(shared && req.SharedStorage) {
			return 0, fmt.Errorf("%w: unsafe: disk %s is neither copied nor said to be shared", hypervisor.ErrRefused, disk.Path)
		}
		return 0, nil
	case shared:
		return 0, fmt.Errorf("%w: disk %s would be copied onto itself", hypervisor.ErrRefused, disk.Path)
	case target.Bytes != v.Bytes || (target.BackingPath == "") != (v.BackingPath == ""):
		return 0, fmt.Errorf("%w: disk %s on %s has another size, or not the same to stand on", hypervisor.ErrRefused, file, dest.name)
	case v.Allocated-target.Allocated > w.available(dest, to):
		return 0, fmt.Errorf("%w: disk %s does not fit on %s", hypervisor.ErrRefused, file, dest.name)
	}
	return v.Allocated, nil
}

// prepare makes the destination's end and schedules the completion.
func (t *turn) prepare(m *migration, d *domain) {
	m.attach(t.w, d)
	there := m.dest.domains[m.uuid]
	if there == nil {
		there = &domain{Def: clone(*d.active()), Deaf: d.Deaf}
		m.dest.domains[m.uuid] = there
		m.dest.names[there.Def.Name] = m.uuid
	}
	incoming := m.arriving(d)
	there.Power, there.Live = hypervisor.PowerIncoming, &incoming
	t.changedDomain(m.source, m.uuid)
	t.changedDomain(m.dest, m.uuid)
}

// attach makes m the job of the source's domain.
func (m *migration) attach(w *World, d *domain) {
	d.job, d.Moving = m, &m.movingRecord
	w.migrations[m] = struct{}{}
	if !m.Ends.IsZero() {
		w.agenda.add(m.Ends, m.due)
	}
}

// hungRetry is how often a migration looks whether the libvirtd that must end it is back.
const hungRetry = time.Second

// due ends a migration, once both libvirtd take part.
func (m *migration) due(t *turn) {
	if _, on := t.w.migrations[m]; !on {
		return
	}
	if m.source.Condition == Hung || m.dest.Condition == Hung {
		t.w.agenda.add(t.now.Add(hungRetry), m.due)
		return
	}
	t.arrive(m)
}

// arriving is the definition at the destination.
func (m *migration) arriving(d *domain) hypervisor.Definition {
	def := clone(*d.active())
	def.Stamp = m.Stamp
	if m.NICs != nil {
		def.NICs = slices.Clone(m.NICs)
	}
	for i := range def.Disks {
		def.Disks[i].Path = renamed(m.Renames, def.Disks[i].Path)
	}
	return def
}

// arrive ends a migration: the guest runs at the destination and is undefined at the source.
func (t *turn) arrive(m *migration) {
	d := m.source.domains[m.uuid]
	if m.Breaks {
		t.failMigration(m, fmt.Errorf("%w: simulated fault: migration broke", hypervisor.ErrRefused))
		return
	}
	there := m.dest.domains[m.uuid]
	t.finish(m, nil)
	t.copyDisks(m)
	t.w.unlockDisks(m.source, d.active())
	t.stopped(m.source, m.uuid)
	m.source.hangUp(m.uuid)
	m.source.forget(m.uuid)

	there.Def = m.arriving(d)
	there.Live, there.Persistent = nil, true
	there.Power, there.Reason = d.Power, d.Reason
	there.BootedAt, there.Starts, there.Pressed = d.BootedAt, d.Starts, d.Pressed
	if there.ShutdownAt = d.ShutdownAt; !d.ShutdownAt.IsZero() {
		t.w.scheduleShutdown(m.dest, m.uuid, there)
	}
	if err := t.w.lockDisks(t, m.dest, &there.Def); err != nil {
		there.Power, there.Reason = hypervisor.PowerPaused, "ioerror"
	}
	t.wrote(m.dest, &there.Def)
	t.runs(m.dest, m.uuid)
	t.changedDomain(m.source, m.uuid)
	t.changedDomain(m.dest, m.uuid)
}

// copyDisks fills the overlays that were created empty at the destination.
func (t *turn) copyDisks(m *migration) {
	for _, file := range m.CopyDisks {
		_, from := t.w.disk(m.source, file)
		there := renamed(m.Renames, file)
		p, to := t.w.disk(m.dest, there)
		if from == nil || to == nil || from == to {
			continue
		}
		p.resize(to, from.Allocated)
		to.Booted, to.Content, to.Size, to.Incomplete, to.Written = from.Booted, from.Content, from.Size, from.Incomplete, from.Written
		t.changedVolume(p, path.Base(there))
	}
}

// finish takes a migration off both ends and tells who waits.
func (t *turn) finish(m *migration, err error) {
	delete(t.w.migrations, m)
	if d := m.source.domains[m.uuid]; d != nil && d.job == m {
		d.job, d.Moving = nil, nil
		t.changedDomain(m.source, m.uuid)
	}
	m.err = err
	t.then(func() { close(m.done) })
}

// failMigration ends a migration with the guest where it was.
func (t *turn) failMigration(m *migration, err error) {
	t.finish(m, err)
	there := m.dest.domains[m.uuid]
	if there == nil || there.Power != hypervisor.PowerIncoming {
		return
	}
	there.Power, there.Live = hypervisor.PowerOff, nil
	if !there.Persistent {
		m.dest.forget(m.uuid)
	}
	t.changedDomain(m.dest, m.uuid)
}

// guestGone ends the migrations that a guest's end ends: at the source nothing is left to move, at the
// destination nothing receives.
func (w *World) guestGone(t *turn, h *host, uuid string, d *domain) {
	if d.job != nil {
		t.failMigration(d.job, fmt.Errorf("%w: the guest ended during the migration", hypervisor.ErrUnknown))
	}
	if d.Power != hypervisor.PowerIncoming {
		return
	}
	for m := range w.migrations {
		if m.dest == h && m.uuid == uuid {
			t.finish(m, fmt.Errorf("%w: the destination ended the migration", hypervisor.ErrRefused))
		}
	}
}

// AbortMigration ends a migration with the guest where it was.
func (c *conn) AbortMigration(ctx context.Context, uuid string) error {
	return c.change(ctx, "AbortMigration", uuid, func(t *turn, d *domain) error {
		if d.job == nil {
			return fmt.Errorf("%w: no migration runs", hypervisor.ErrState)
		}
		t.failMigration(d.job, hypervisor.ErrAborted)
		return nil
	})
}

// GetJob returns how far the migration is.
func (c *conn) GetJob(ctx context.Context, uuid string) (hypervisor.Job, error) {
	return call(ctx, c, "GetJob", func(t *turn) (hypervisor.Job, error) {
		d, err := c.host.domain(uuid)
		if err == nil && d.job == nil {
			err = fmt.Errorf("domain %s: job: %w", uuid, hypervisor.ErrNotFound)
		}
		if err != nil {
			return hypervisor.Job{}, err
		}
		return d.job.progress(t.now), nil
	})
}

// progress is linear; a stuck migration comes near its end and stays there.
func (m *migration) progress(now time.Time) hypervisor.Job {
	elapsed, whole := now.Sub(m.Began), m.Ends.Sub(m.Began)
	share := 0.95
	if !m.Ends.IsZero() && whole > 0 {
		share = min(1, float64(elapsed)/float64(whole))
	}
	done := int64(share * float64(m.Bytes))
	job := hypervisor.Job{BytesTotal: m.Bytes, BytesDone: done, BytesRemaining: m.Bytes - done, ElapsedMs: elapsed.Milliseconds()}
	if seconds := elapsed.Seconds(); seconds > 0 {
		job.BytesPerSecond = int64(float64(done) / seconds)
	}
	return job
}
