package sim

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

func TestPools(t *testing.T) {
	w := New(Options{})
	a, b, ctx := open(t, w, "a1"), open(t, w, "b1"), t.Context()
	addDisk(t, a, sharedPool, "shared")
	addDisk(t, a, localPool, "local")
	if _, err := b.GetVolume(ctx, sharedPool, "shared.qcow2"); err != nil {
		t.Errorf("another host does not see a shared volume: %v", err)
	}
	_, err := b.EnsurePool(ctx, localPool)
	must(t, err)
	_, err = b.GetVolume(ctx, localPool, "local.qcow2")
	want(t, "another host's local volume", err, hypervisor.ErrNotFound)
	must(t, w.Do("unmount b1 /srv/shared"))
	_, err = b.EnsurePool(ctx, sharedPool)
	want(t, "unmounted share", err, hypervisor.ErrNotFound)
	_, err = b.ListVolumes(ctx, sharedPool)
	want(t, "list of an unmounted share", err, hypervisor.ErrNotFound)
	_, err = a.EnsurePool(ctx, hypervisor.Pool{Path: "relative"})
	want(t, "relative path", err, hypervisor.ErrRefused)

	list, err := a.ListVolumes(ctx, localPool)
	if err != nil || len(list) != 2 || list[0].Name != "base" || list[1].BackingPath != list[0].Path {
		t.Errorf("list = %+v, %v", list, err)
	}
	info, err := a.EnsurePool(ctx, localPool)
	if err != nil || info.Capacity != 100*gib || info.Capacity-info.Available != 2*EmptyDisk {
		t.Errorf("pool = %+v, %v", info, err)
	}
}

func TestCreateVolumeRefusals(t *testing.T) {
	w := New(Options{})
	a := open(t, w, "a1")
	addDisk(t, a, localPool, "web")
	for _, tc := range []struct {
		spec hypervisor.VolumeSpec
		err  error
	}{
		{hypervisor.VolumeSpec{Name: "web.qcow2", Format: "qcow2"}, hypervisor.ErrExists},
		{hypervisor.VolumeSpec{Name: "", Format: "raw"}, hypervisor.ErrRefused},
		{hypervisor.VolumeSpec{Name: "a/b", Format: "raw"}, hypervisor.ErrRefused},
		{hypervisor.VolumeSpec{Name: "x", Format: "vmdk"}, hypervisor.ErrRefused},
		{hypervisor.VolumeSpec{Name: "x", Format: "raw", Bytes: -1}, hypervisor.ErrRefused},
		{hypervisor.VolumeSpec{Name: "x", Format: "qcow2", BackingPath: "/none", BackingFormat: "raw"}, hypervisor.ErrRefused},
		{hypervisor.VolumeSpec{Name: "x", Format: "qcow2", BackingPath: "/var/lib/novaplan/base"}, hypervisor.ErrRefused},
	} {
		_, err := a.CreateVolume(t.Context(), localPool, tc.spec)
		want(t, tc.spec.Name+" "+tc.spec.Format, err, tc.err)
	}
	must(t, w.Do("full a1"))
	_, err := a.CreateVolume(t.Context(), localPool, hypervisor.VolumeSpec{Name: "x", Format: "qcow2"})
	want(t, "full pool", err, hypervisor.ErrNoSpace)
	must(t, w.Do("free a1"))
	_, err = a.CreateVolume(t.Context(), localPool, hypervisor.VolumeSpec{Name: "x", Format: "qcow2"})
	want(t, "pool with space again", err, nil)
}

func TestResizeGrowsDisksNobodyWrites(t *testing.T) {
	a, ctx := open(t, New(Options{}), "a1"), t.Context()
	def := place(t, a, localPool, "web")
	must(t, a.ResizeVolume(ctx, localPool, "web.qcow2", 20*gib))
	want(t, "shrink", a.ResizeVolume(ctx, localPool, "web.qcow2", gib), hypervisor.ErrRefused)
	must(t, a.StartDomain(ctx, def.UUID))
	want(t, "in use", a.ResizeVolume(ctx, localPool, "web.qcow2", 30*gib), hypervisor.ErrRefused)
	if v, _ := a.GetVolume(ctx, localPool, "web.qcow2"); v.Bytes != 20*gib {
		t.Errorf("size is %d", v.Bytes)
	}
}

func TestDeletionsAreRemembered(t *testing.T) {
	w := New(Options{})
	a, ctx := open(t, w, "a1"), t.Context()
	def := place(t, a, localPool, "web")
	must(t, a.StartDomain(ctx, def.UUID))
	must(t, a.DeleteVolume(ctx, localPool, "web.qcow2"))
	truth := w.Truth()
	if len(truth.Deletions) != 1 || truth.Deletions[0].UsedBy != def.UUID || truth.Deletions[0].Path != "/var/lib/novaplan/web.qcow2" {
		t.Errorf("deletions = %+v", truth.Deletions)
	}
	if len(truth.Violations) != 1 || truth.Violations[0].Kind != DiskDeleted {
		t.Errorf("violations = %+v, want one disk-deleted", truth.Violations)
	}
}

// newVolume makes an empty volume named "v".
func newVolume(t *testing.T, h hypervisor.Host, format string) {
	t.Helper()
	_, err := h.EnsurePool(t.Context(), localPool)
	must(t, err)
	_, err = h.CreateVolume(t.Context(), localPool, hypervisor.VolumeSpec{Name: "v", Format: format})
	must(t, err)
}

func TestUploadAndDownload(t *testing.T) {
	noise := make([]byte, 2<<20)
	_, _ = rand.Read(noise)
	for name, tc := range map[string]struct {
		content string
		kept    bool
	}{
		"empty":      {"", true},
		"small":      {"hello", true},
		"sparse":     {strings.Repeat("\x00", 3<<20), true},
		"large":      {string(noise), false},
		"just noise": {string(noise[:100<<10]), false},
	} {
		t.Run(name, func(t *testing.T) {
			a, ctx := open(t, New(Options{}), "a1"), t.Context()
			newVolume(t, a, "raw")
			size := int64(len(tc.content))
			var done int64
			must(t, a.UploadVolume(ctx, localPool, "v", io.LimitReader(strings.NewReader(tc.content), size), size, func(n int64) { done = n }))
			if v, _ := a.GetVolume(ctx, localPool, "v"); v.Bytes != size || v.Allocated != size || done != size {
				t.Errorf("volume %+v after %d bytes, progress %d", v, size, done)
			}
			var back bytes.Buffer
			err := a.DownloadVolume(ctx, localPool, "v", &back, nil)
			if !tc.kept {
				want(t, "download of what was not kept", err, hypervisor.ErrUnsupported)
				return
			}
			must(t, err)
			if back.String() != tc.content {
				t.Errorf("%d bytes came back of %d", back.Len(), size)
			}
		})
	}
}

func TestUploadReadsTheHeaderAndSkipsTheRest(t *testing.T) {
	a, ctx := open(t, New(Options{}), "a1"), t.Context()
	newVolume(t, a, "qcow2")
	image := append(qcow2Header(&volume{Bytes: 5 * gib}), make([]byte, 4<<20)...)
	must(t, a.UploadVolume(ctx, localPool, "v", bytes.NewReader(image), int64(len(image)), nil))
	if v, _ := a.GetVolume(ctx, localPool, "v"); v.Bytes != 5*gib || v.Allocated != int64(len(image)) {
		t.Errorf("volume %+v", v)
	}
}

func TestUploadsThatGoWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		fault   string
		content int
		err     error
		partial bool
	}{
		"short reader":   {"", 50, io.ErrUnexpectedEOF, true},
		"full":           {"full a1", 100, hypervisor.ErrNoSpace, true},
		"lost answer":    {"lose a1 UploadVolume", 100, hypervisor.ErrUnknown, false},
		"dropped":        {"drop a1 UploadVolume", 100, hypervisor.ErrUnknown, false},
		"refused":        {"fail a1 UploadVolume", 100, hypervisor.ErrRefused, false},
		"cut on its way": {"", 100, hypervisor.ErrUnknown, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{UploadSpeed: 10}, func(t *testing.T, w *World, a, _ hypervisor.Host) {
				newVolume(t, a, "raw")
				if tc.fault != "" {
					must(t, w.Do(tc.fault))
				}
				if strings.HasPrefix(name, "cut") {
					time.AfterFunc(5*time.Second, func() { w.SetCondition("a1", Cut) })
				}
				err := a.UploadVolume(t.Context(), localPool, "v", bytes.NewReader(make([]byte, tc.content)), 100, nil)
				want(t, name, err, tc.err)
				if got := w.Truth().Disks[0].Incomplete; got != tc.partial {
					t.Errorf("incomplete = %v, want %v", got, tc.partial)
				}
			})
		})
	}
}

func TestBootFromAHalfUploadedImage(t *testing.T) {
	w := New(Options{})
	a, ctx := open(t, w, "a1"), t.Context()
	def := place(t, a, localPool, "web")
	if err := a.UploadVolume(ctx, localPool, "base", strings.NewReader("half"), 8, nil); err == nil {
		t.Fatal("a short upload succeeded")
	}
	must(t, a.StartDomain(ctx, def.UUID))
	if v := w.Truth().Violations; len(v) != 1 || v[0].Kind != IncompleteDisk {
		t.Errorf("violations = %+v, want one incomplete-disk", v)
	}
}

// pipe is a console's far end.
type pipe struct {
	io.Reader
	io.Writer
}

func TestConsole(t *testing.T) {
	a := open(t, New(Options{}), "a1")
	def := place(t, a, localPool, "web")
	var out bytes.Buffer
	want(t, "off", a.OpenConsole(t.Context(), def.UUID, pipe{strings.NewReader(""), &out}, false), hypervisor.ErrState)
	must(t, a.StartDomain(t.Context(), def.UUID))
	must(t, a.OpenConsole(t.Context(), def.UUID, pipe{strings.NewReader("typed"), &out}, false))
	if s := out.String(); !strings.Contains(s, "login:") || !strings.HasSuffix(s, "typed") {
		t.Errorf("console said %q", s)
	}
}

func TestConsoleHasOneUser(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *World, a, _ hypervisor.Host) {
		def := place(t, a, localPool, "web")
		must(t, a.StartDomain(t.Context(), def.UUID))
		in, typed := io.Pipe()
		defer typed.Close()
		first := make(chan error, 1)
		go func() { first <- a.OpenConsole(t.Context(), def.UUID, pipe{in, io.Discard}, false) }()
		wait(time.Second)
		want(t, "second user", a.OpenConsole(t.Context(), def.UUID, pipe{strings.NewReader(""), io.Discard}, false), hypervisor.ErrState)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		want(t, "second user by force", a.OpenConsole(ctx, def.UUID, pipe{strings.NewReader(""), io.Discard}, true), nil)
		want(t, "first user", <-first, hypervisor.ErrState)
	})
}
