package conformance

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

func define(t *testing.T, s *suite) {
	ctx := t.Context()
	root := s.volume(t, s.a, s.SharedPool, hypervisor.VolumeSpec{Name: volumeName("root.qcow2"), Format: "qcow2", Bytes: mib})
	def := s.definition(t, hypervisor.Disk{Path: root.Path, Format: "qcow2", Role: hypervisor.DiskRoot, Shared: true})
	if s.Bridge != "" {
		def.NICs = []hypervisor.NIC{{MAC: "02:4e:50:00:00:01", Kind: hypervisor.NetworkBridge, Source: s.Bridge, MTU: 1400}}
	}
	must(t, s.a.DefineDomain(ctx, def))
	must(t, s.a.DefineDomain(ctx, def)) // again
	domain := s.wantPower(t, s.a, def.UUID, hypervisor.PowerOff)
	expected := hypervisor.Domain{
		UUID: def.UUID, Name: def.Name, Power: hypervisor.PowerOff, Persistent: true,
		VCPUs: 1, MemoryMiB: 64, Disks: []string{root.Path}, Stamp: &def.Stamp,
	}
	for _, nic := range def.NICs {
		expected.MACs = append(expected.MACs, nic.MAC)
	}
	if diff := cmp.Diff(expected, domain); diff != "" {
		t.Errorf("domain as read (-want +got):\n%s", diff)
	}
	s.checkListed(t, domain)

	thief := s.definition(t)
	thief.Name = def.Name
	want(t, "define with a name that is taken", s.a.DefineDomain(ctx, thief), hypervisor.ErrExists)

	bigger := def
	bigger.MemoryMiB, bigger.VCPUs = 96, 2
	must(t, s.a.DefineDomain(ctx, bigger))
	if got := s.wantPower(t, s.a, def.UUID, hypervisor.PowerOff); got.MemoryMiB != 96 || got.VCPUs != 2 {
		t.Errorf("after a new definition: %d MiB, %d vCPUs", got.MemoryMiB, got.VCPUs)
	}
	broken := def
	broken.MemoryMiB = 0
	want(t, "define nonsense", s.a.DefineDomain(ctx, broken), hypervisor.ErrRefused)
	if got := s.wantPower(t, s.a, def.UUID, hypervisor.PowerOff); got.MemoryMiB != 96 {
		t.Errorf("a refused definition changed the old one: %d MiB", got.MemoryMiB)
	}
	_, err := s.a.GetDomain(ctx, uuid.NewString())
	want(t, "read what isn't there", err, hypervisor.ErrNotFound)
}

// checkListed: the list shows the same as reading one.
func (s *suite) checkListed(t *testing.T, domain hypervisor.Domain) {
	t.Helper()
	s.defined(t) // so that there is an order to check
	listed, err := s.a.ListDomains(t.Context())
	must(t, err)
	if !slices.IsSortedFunc(listed, func(x, y hypervisor.Domain) int { return strings.Compare(x.Name, y.Name) }) {
		t.Error("the list isn't in order of name")
	}
	i := slices.IndexFunc(listed, func(d hypervisor.Domain) bool { return d.UUID == domain.UUID })
	if i < 0 {
		t.Fatalf("the list lacks %s", domain.UUID)
	}
	if diff := cmp.Diff(domain, listed[i]); diff != "" {
		t.Errorf("domain as listed (-read +listed):\n%s", diff)
	}
}

func power(t *testing.T, s *suite) {
	ctx := t.Context()
	def := s.defined(t)
	id := def.UUID
	want(t, "shut down what is off", s.a.ShutdownDomain(ctx, id), hypervisor.ErrState)
	want(t, "reboot what is off", s.a.RebootDomain(ctx, id), hypervisor.ErrState)
	want(t, "destroy what is off", s.a.DestroyDomain(ctx, id), hypervisor.ErrState)
	want(t, "pause what is off", s.a.PauseDomain(ctx, id), hypervisor.ErrState)
	want(t, "resume what is off", s.a.ResumeDomain(ctx, id), hypervisor.ErrState)
	must(t, s.a.StartDomain(ctx, id))
	s.checkListed(t, s.wantPower(t, s.a, id, hypervisor.PowerRunning))
	want(t, "start twice", s.a.StartDomain(ctx, id), hypervisor.ErrState)
	want(t, "resume what runs", s.a.ResumeDomain(ctx, id), hypervisor.ErrState)
	must(t, s.a.PauseDomain(ctx, id))
	if domain := s.wantPower(t, s.a, id, hypervisor.PowerPaused); domain.PauseReason != "user" {
		t.Errorf("pause reason %q, want user", domain.PauseReason)
	}
	want(t, "pause twice", s.a.PauseDomain(ctx, id), hypervisor.ErrState)
	must(t, s.a.ResumeDomain(ctx, id))
	s.wantPower(t, s.a, id, hypervisor.PowerRunning)

	bigger := def
	bigger.MemoryMiB = 96
	must(t, s.a.DefineDomain(ctx, bigger))
	if got := s.wantPower(t, s.a, id, hypervisor.PowerRunning); got.MemoryMiB != 64 {
		t.Errorf("a new definition changed the running domain to %d MiB", got.MemoryMiB)
	}
	s.checkNext(t, id, 96)
	must(t, s.a.DestroyDomain(ctx, id))
	s.checkNext(t, id, 0)
	if got := s.wantPower(t, s.a, id, hypervisor.PowerOff); got.MemoryMiB != 96 {
		t.Errorf("%d MiB after the stop, the new definition has 96", got.MemoryMiB)
	}
	gone := uuid.NewString()
	calls := map[string]func(context.Context, string) error{
		"start": s.a.StartDomain, "shut down": s.a.ShutdownDomain, "reboot": s.a.RebootDomain, "destroy": s.a.DestroyDomain,
		"pause": s.a.PauseDomain, "resume": s.a.ResumeDomain, "save": s.a.SaveDomain, "undefine": s.a.UndefineDomain,
	}
	for name, call := range calls {
		want(t, name+" what isn't there", call(ctx, gone), hypervisor.ErrNotFound)
	}
}

// checkNext: the list tells what a running domain is defined to have from its next start, 0 for the same.
func (s *suite) checkNext(t *testing.T, id string, memory int64) {
	t.Helper()
	listed, err := s.a.ListDomains(t.Context())
	must(t, err)
	i := slices.IndexFunc(listed, func(d hypervisor.Domain) bool { return d.UUID == id })
	if i < 0 {
		t.Fatalf("the list lacks %s", id)
	}
	var got int64
	if next := listed[i].Next; next != nil {
		got = next.MemoryMiB
	}
	if got != memory {
		t.Errorf("from its next start it has %d MiB, want %d", got, memory)
	}
}

func save(t *testing.T, s *suite) {
	ctx := t.Context()
	id := s.running(t).UUID
	must(t, s.a.SaveDomain(ctx, id))
	s.checkListed(t, s.wantPower(t, s.a, id, hypervisor.PowerSaved))
	want(t, "save what is saved", s.a.SaveDomain(ctx, id), hypervisor.ErrState)
	must(t, s.a.StartDomain(ctx, id))
	s.wantPower(t, s.a, id, hypervisor.PowerRunning)
	must(t, s.a.SaveDomain(ctx, id))
	must(t, s.a.UndefineDomain(ctx, id)) // the saved memory goes with it
	_, err := s.a.GetDomain(ctx, id)
	want(t, "read after undefine", err, hypervisor.ErrNotFound)
}

// undefine: the fence against late calls is that a start after it fails.
func undefine(t *testing.T, s *suite) {
	ctx := t.Context()
	root := s.volume(t, s.a, s.LocalPool, hypervisor.VolumeSpec{Name: volumeName("kept.qcow2"), Format: "qcow2", Bytes: mib})
	def := s.running(t, hypervisor.Disk{Path: root.Path, Format: "qcow2", Role: hypervisor.DiskRoot})
	want(t, "undefine what runs", s.a.UndefineDomain(ctx, def.UUID), hypervisor.ErrState)
	if got := s.wantPower(t, s.a, def.UUID, hypervisor.PowerRunning); !got.Persistent {
		t.Error("a refused undefine took the definition")
	}
	must(t, s.a.DestroyDomain(ctx, def.UUID))
	must(t, s.a.UndefineDomain(ctx, def.UUID))
	want(t, "undefine twice", s.a.UndefineDomain(ctx, def.UUID), hypervisor.ErrNotFound)
	want(t, "late start", s.a.StartDomain(ctx, def.UUID), hypervisor.ErrNotFound)
	_, err := s.a.GetDomain(ctx, def.UUID)
	want(t, "read after a late start", err, hypervisor.ErrNotFound)
	_, err = s.a.GetVolume(ctx, s.LocalPool, root.Name)
	must(t, err) // disks stay
}

func stamps(t *testing.T, s *suite) {
	ctx := t.Context()
	def := s.defined(t)
	stamp := def.Stamp
	stamp.Generation = 1<<64 - 1
	stamp.Address = `instance.web["größer & <größer>"]`
	stamp.Record = "several\nlines\twith 'quotes', \"more\", <tags/> & ünïcödé 🙂\n  and blanks "
	must(t, s.a.SetStamp(ctx, def.UUID, stamp))
	s.wantStamp(t, def.UUID, stamp)
	must(t, s.a.StartDomain(ctx, def.UUID))
	s.wantStamp(t, def.UUID, stamp)
	stamp.Generation, stamp.Request, stamp.Record = 9, "", ""
	must(t, s.a.SetStamp(ctx, def.UUID, stamp))
	s.wantStamp(t, def.UUID, stamp) // in the running domain
	must(t, s.a.DestroyDomain(ctx, def.UUID))
	s.wantStamp(t, def.UUID, stamp) // and in the definition
	stamp.Record = strings.Repeat("x", 16<<10)
	must(t, s.a.SetStamp(ctx, def.UUID, stamp))
	s.wantStamp(t, def.UUID, stamp)
	stamp.Record += "x"
	want(t, "record that is too large", s.a.SetStamp(ctx, def.UUID, stamp), hypervisor.ErrRefused)
	want(t, "stamp what isn't there", s.a.SetStamp(ctx, uuid.NewString(), def.Stamp), hypervisor.ErrNotFound)
}

func (s *suite) wantStamp(t *testing.T, id string, stamp hypervisor.Stamp) {
	t.Helper()
	domain, err := s.a.GetDomain(t.Context(), id)
	must(t, err)
	if diff := cmp.Diff(&stamp, domain.Stamp); diff != "" {
		t.Errorf("stamp (-want +got):\n%s", diff)
	}
}
