package libvirt

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

func TestSentinel(t *testing.T) {
	said := func(code golibvirt.ErrorNumber, words string) error {
		return fmt.Errorf("wrapped: %w", golibvirt.Error{Code: uint32(code), Message: words})
	}
	cases := []struct {
		err    error
		change bool
		want   error
	}{
		{said(golibvirt.ErrNoDomain, ""), true, hypervisor.ErrNotFound},
		{said(golibvirt.ErrNoStorageVol, ""), false, hypervisor.ErrNotFound},
		{said(golibvirt.ErrStorageVolExist, ""), true, hypervisor.ErrExists},
		{said(golibvirt.ErrOperationInvalid, "domain is already running"), true, hypervisor.ErrState},
		{said(golibvirt.ErrOperationAborted, ""), true, hypervisor.ErrAborted},
		{said(golibvirt.ErrNoSupport, ""), true, hypervisor.ErrUnsupported},
		{said(golibvirt.ErrOperationTimeout, "cannot acquire state change lock (held by x)"), true, hypervisor.ErrState},
		{said(golibvirt.ErrOperationTimeout, "waiting for the guest"), true, hypervisor.ErrUnknown},
		{said(golibvirt.ErrSystemError, "cannot write: No space left on device"), true, hypervisor.ErrNoSpace},
		{said(golibvirt.ErrInternalError, "qemu unexpectedly closed the monitor"), true, hypervisor.ErrRefused},
		{golibvirt.ErrUnsupported, true, hypervisor.ErrUnsupported},
		{&notSentError{errors.New("x")}, true, hypervisor.ErrUnreachable},
		{&lostError{errors.New("x")}, true, hypervisor.ErrUnknown},
		{&lostError{errors.New("x")}, false, hypervisor.ErrUnreachable},
		{errors.New("an answer that can't be decoded"), true, hypervisor.ErrUnknown},
		{fmt.Errorf("%w: ours", hypervisor.ErrClaimed), true, hypervisor.ErrClaimed},
	}
	for _, c := range cases {
		if got := sentinel(c.err, c.change); got != c.want {
			t.Errorf("%v (change %t): got %v, want %v", c.err, c.change, got, c.want)
		}
	}
}

func TestClaimRoundTrip(t *testing.T) {
	claim := hypervisor.Claim{Cluster: testID, Fleet: `<prod> & "ü"`, Epoch: 1<<64 - 1, Endpoint: "https://a?b&c"}
	text, err := claimXML(claim)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseClaim(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(claim, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSecretMadeByHandStillIsAClaim(t *testing.T) {
	got, err := parseClaim(`<secret><uuid>` + testID + `</uuid><description>hands off</description></secret>`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hypervisor.Claim{Cluster: testID}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestVolumeDefinitionRefuses(t *testing.T) {
	for want, spec := range map[string]hypervisor.VolumeSpec{
		"want qcow2 or raw":   {Format: "vmdk"},
		"-1 bytes":            {Format: "raw", Bytes: -1},
		"only a qcow2 volume": {Format: "raw", BackingPath: "/a", BackingFormat: "raw"},
		"format is not given": {Format: "qcow2", BackingPath: "/a"},
	} {
		if _, err := volumeDefinition(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got error %v, want one with %q", spec, err, want)
		}
	}
}

func TestPoolDefinitionFollowsFromThePath(t *testing.T) {
	one, err := poolDefinition("/srv/a & b")
	if err != nil {
		t.Fatal(err)
	}
	again, _ := poolDefinition("/srv/a & b")
	other, _ := poolDefinition("/srv/c")
	if one != again || one == other {
		t.Errorf("%s\n%s\n%s", one, again, other)
	}
	if !strings.Contains(one, "<path>/srv/a &amp; b</path>") || !strings.Contains(one, "<name>np-") {
		t.Errorf("got %s", one)
	}
}

func TestMigrateFlags(t *testing.T) {
	always := golibvirt.MigratePeer2peer | golibvirt.MigrateLive | golibvirt.MigratePersistDest |
		golibvirt.MigrateUndefineSource | golibvirt.MigrateChangeProtection
	cases := map[string]struct {
		req       hypervisor.MigrateRequest
		tls       bool
		with, not golibvirt.DomainMigrateFlags
	}{
		"plain":  {hypervisor.MigrateRequest{}, false, always, golibvirt.MigrateUnsafe | golibvirt.MigrateNonSharedInc | golibvirt.MigrateTLS},
		"shared": {hypervisor.MigrateRequest{SharedStorage: true}, false, always | golibvirt.MigrateUnsafe, golibvirt.MigrateNonSharedInc},
		"copy":   {hypervisor.MigrateRequest{CopyDisks: []string{"/a"}}, false, always | golibvirt.MigrateNonSharedInc, golibvirt.MigrateUnsafe},
		"tls":    {hypervisor.MigrateRequest{}, true, always | golibvirt.MigrateTLS, golibvirt.MigrateUnsafe},
	}
	for name, c := range cases {
		if got := migrateFlags(c.req, c.tls); got&c.with != c.with || got&c.not != 0 {
			t.Errorf("%s: flags %#x", name, got)
		}
	}
}

func TestMigrateParams(t *testing.T) {
	const text = `<domain><metadata/><devices><disk><source file="/a"/><target dev="vda"/></disk>` +
		`<disk><source file="/b"/><target dev="vdb"/></disk></devices></domain>`
	params, err := migrateParams(hypervisor.MigrateRequest{
		Stamp: hypervisor.Stamp{Generation: 8}, CopyDisks: []string{"/b", "/a"}, BandwidthMiBps: 30,
	}, text, text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, param := range params {
		value := fmt.Sprint(param.Value.I)
		if strings.Contains(value, `generation="8"`) {
			value = "XML with the stamp"
		}
		got = append(got, param.Field+"="+value)
	}
	want := []string{
		"destination_xml=XML with the stamp", "persistent_xml=XML with the stamp", "bandwidth=30",
		"migrate_disks=vdb", "migrate_disks=vda",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPeerMustMeanTheSameElsewhere(t *testing.T) {
	if _, err := peerEndpoint("qemu:///system"); err == nil || !strings.Contains(err.Error(), "peer_uri") {
		t.Errorf("got %v", err)
	}
	if _, err := peerEndpoint("qemu+tcp://kvm2/system"); err != nil {
		t.Error(err)
	}
}

func TestHostModelBecomesAGuestsCPU(t *testing.T) {
	caps := domainCapabilities{}
	caps.CPU.Modes = []cpuMode{
		{Name: "maximum", Supported: "yes"},
		{Name: "host-model", Supported: "yes", Inner: "\n      <model fallback='forbid'>EPYC</model>\n      <feature policy='require' name='acpi'/>\n"},
	}
	const want = `<cpu mode="custom" match="exact"><model fallback='forbid'>EPYC</model><feature policy='require' name='acpi'/></cpu>`
	if got := caps.hostModel(); got != want {
		t.Errorf("got %s", got)
	}
	caps.CPU.Modes[1].Supported = "no"
	if got := caps.hostModel(); got != "" {
		t.Errorf("a host without a model gives %s", got)
	}
}

func TestJobOf(t *testing.T) {
	param := func(name string, value any) golibvirt.TypedParam {
		return golibvirt.TypedParam{Field: name, Value: golibvirt.TypedParamValue{I: value}}
	}
	got := jobOf(typedParams{
		param("operation", int32(5)), param("data_total", uint64(100)), param("data_processed", uint64(60)),
		param("data_remaining", uint64(40)), param("memory_bps", uint64(7)), param("disk_bps", uint64(3)),
		param("memory_dirty_rate", uint64(2)), param("memory_page_size", uint64(4096)),
		param("time_elapsed", uint64(1500)), param("downtime", uint64(24)),
	})
	want := job{golibvirt.DomainJobOperationStrMigrationOut, hypervisor.Job{
		BytesTotal: 100, BytesDone: 60, BytesRemaining: 40, BytesPerSecond: 10, DirtyRate: 8192, ElapsedMs: 1500, DowntimeMs: 24,
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(job{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPower(t *testing.T) {
	cases := []struct {
		state  golibvirt.DomainState
		reason int32
		saved  bool
		power  hypervisor.Power
		why    string
	}{
		{golibvirt.DomainRunning, 1, false, hypervisor.PowerRunning, ""},
		{golibvirt.DomainBlocked, 0, false, hypervisor.PowerRunning, ""},
		{golibvirt.DomainShutdown, 0, false, hypervisor.PowerRunning, ""}, // on its way, but there
		{golibvirt.DomainPaused, 1, false, hypervisor.PowerPaused, "user"},
		{golibvirt.DomainPaused, 5, false, hypervisor.PowerPaused, "ioerror"},
		{golibvirt.DomainPaused, 99, false, hypervisor.PowerPaused, "unknown"},
		{golibvirt.DomainCrashed, 1, false, hypervisor.PowerPaused, "crashed"}, // kept by on_crash=preserve
		{golibvirt.DomainPmsuspended, 0, false, hypervisor.PowerPaused, "pmsuspended"},
		{golibvirt.DomainShutoff, 1, false, hypervisor.PowerOff, ""},
		{golibvirt.DomainShutoff, 5, true, hypervisor.PowerSaved, ""},
		{golibvirt.DomainShutoff, 3, false, hypervisor.PowerCrashed, ""},
	}
	for _, c := range cases {
		state := domainState{c.state, c.reason}
		power, why := state.power(c.saved)
		if power != c.power || why != c.why {
			t.Errorf("%+v: got %s %q, want %s %q", state, power, why, c.power, c.why)
		}
		if state.active() != power.Active() {
			t.Errorf("%+v: active %t, but %s says %t", state, state.active(), power, power.Active())
		}
	}
}
