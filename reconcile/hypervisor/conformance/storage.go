package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"testing"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

const mib = 1 << 20

func storage(t *testing.T, s *suite) {
	t.Run("Pools", s.checkPools)
	t.Run("Volumes", s.checkVolumes)
	t.Run("Overlay", s.checkOverlay)
	t.Run("Shared", s.checkShared)
	t.Run("Resize", s.checkResize)
}

func (s *suite) checkPools(t *testing.T) {
	ctx := t.Context()
	for range 2 { // making it and finding it
		for _, pool := range []hypervisor.Pool{s.SharedPool, s.LocalPool} {
			info, err := s.a.EnsurePool(ctx, pool)
			must(t, err)
			if info.Capacity < 1 || info.Available < 1 || info.Available > info.Capacity {
				t.Errorf("pool %s: odd sizes %+v", pool.Path, info)
			}
		}
	}
	for range 2 {
		_, err := s.a.EnsurePool(ctx, s.MissingPool)
		want(t, "shared pool without its directory", err, hypervisor.ErrNotFound)
	}
	_, err := s.a.ListVolumes(ctx, hypervisor.Pool{Path: path.Join(s.LocalPool.Path, "never-made")})
	want(t, "list an unknown pool", err, hypervisor.ErrNotFound)
}

func (s *suite) checkVolumes(t *testing.T) {
	ctx := t.Context()
	name := volumeName("plain.qcow2")
	spec := hypervisor.VolumeSpec{Name: name, Format: "qcow2", Bytes: 8 * mib}
	made := s.volume(t, s.a, s.LocalPool, spec)
	if made.Name != name || made.Format != "qcow2" || made.Bytes != 8*mib || made.Path != path.Join(s.LocalPool.Path, name) {
		t.Errorf("created volume: %+v", made)
	}
	_, err := s.a.CreateVolume(ctx, s.LocalPool, spec)
	want(t, "create again", err, hypervisor.ErrExists)
	got, err := s.a.GetVolume(ctx, s.LocalPool, name)
	must(t, err)
	if got.Name != name || got.Bytes != 8*mib {
		t.Errorf("read volume: %+v", got)
	}
	listed, err := s.a.ListVolumes(ctx, s.LocalPool)
	must(t, err)
	sorted := slices.IsSortedFunc(listed, func(x, y hypervisor.Volume) int { return bytes.Compare([]byte(x.Name), []byte(y.Name)) })
	if !sorted || !slices.ContainsFunc(listed, func(v hypervisor.Volume) bool { return v.Name == name }) {
		t.Errorf("list lacks %s or isn't in order: %+v", name, listed)
	}
	_, err = s.b.GetVolume(ctx, s.LocalPool, name)
	if !errors.Is(err, hypervisor.ErrNotFound) {
		t.Errorf("a local volume is seen on the other host (%v)", err)
	}
	must(t, s.a.DeleteVolume(ctx, s.LocalPool, name))
	want(t, "delete again", s.a.DeleteVolume(ctx, s.LocalPool, name), hypervisor.ErrNotFound)
	_, err = s.a.GetVolume(ctx, s.LocalPool, name)
	want(t, "read a deleted one", err, hypervisor.ErrNotFound)
	for _, bad := range []string{"", "..", "a/b"} {
		_, err = s.a.CreateVolume(ctx, s.LocalPool, hypervisor.VolumeSpec{Name: bad, Format: "raw", Bytes: mib})
		want(t, "create a volume named "+bad, err, hypervisor.ErrRefused)
	}
}

func (s *suite) checkOverlay(t *testing.T) {
	base := s.volume(t, s.a, s.LocalPool, hypervisor.VolumeSpec{Name: volumeName("base.qcow2"), Format: "qcow2", Bytes: 4 * mib})
	overlay := s.volume(t, s.a, s.LocalPool, hypervisor.VolumeSpec{
		Name: volumeName("overlay.qcow2"), Format: "qcow2", Bytes: 16 * mib, BackingPath: base.Path, BackingFormat: "qcow2",
	})
	if overlay.BackingPath != base.Path || overlay.Bytes != 16*mib {
		t.Errorf("overlay: %+v", overlay)
	}
	var file bytes.Buffer
	must(t, s.a.DownloadVolume(t.Context(), s.LocalPool, overlay.Name, &file, nil))
	if int64(file.Len()) != overlay.FileBytes {
		t.Errorf("the overlay's file is said to have %d bytes and has %d", overlay.FileBytes, file.Len())
	}
	_, err := s.a.CreateVolume(t.Context(), s.LocalPool, hypervisor.VolumeSpec{
		Name: volumeName("guessed.qcow2"), Format: "qcow2", Bytes: mib, BackingPath: base.Path,
	})
	want(t, "overlay without the backing format", err, hypervisor.ErrRefused)
}

// checkShared: what one host writes, the other sees at once, and neither overwrites it.
func (s *suite) checkShared(t *testing.T) {
	ctx := t.Context()
	_, err := s.b.EnsurePool(ctx, s.SharedPool)
	must(t, err)
	spec := hypervisor.VolumeSpec{Name: volumeName("shared.qcow2"), Format: "qcow2", Bytes: mib}
	s.volume(t, s.a, s.SharedPool, spec)
	_, err = s.b.GetVolume(ctx, s.SharedPool, spec.Name)
	must(t, err)
	spec.Name = volumeName("shared.qcow2")
	s.volume(t, s.a, s.SharedPool, spec)
	_, err = s.b.CreateVolume(ctx, s.SharedPool, spec)
	want(t, "create what the other host has made", err, hypervisor.ErrExists)
	must(t, s.b.DeleteVolume(ctx, s.SharedPool, spec.Name))
	want(t, "delete what the other host has deleted", s.a.DeleteVolume(ctx, s.SharedPool, spec.Name), hypervisor.ErrNotFound)
}

func (s *suite) checkResize(t *testing.T) {
	ctx := t.Context()
	name := volumeName("grow.qcow2")
	s.volume(t, s.a, s.LocalPool, hypervisor.VolumeSpec{Name: name, Format: "qcow2", Bytes: 2 * mib})
	must(t, s.a.ResizeVolume(ctx, s.LocalPool, name, 4*mib))
	got, err := s.a.GetVolume(ctx, s.LocalPool, name)
	must(t, err)
	if got.Bytes != 4*mib {
		t.Errorf("size after growing: %d", got.Bytes)
	}
	want(t, "shrink", s.a.ResizeVolume(ctx, s.LocalPool, name, mib), hypervisor.ErrRefused)
	want(t, "resize what isn't there", s.a.ResizeVolume(ctx, s.LocalPool, volumeName("x"), mib), hypervisor.ErrNotFound)
}

func transfers(t *testing.T, s *suite) {
	t.Run("RoundTrip", s.checkRoundTrip)
	t.Run("Broken", s.checkBrokenTransfers)
}

// content is size bytes without a pattern that a sparse file or a block size could hide a mistake behind.
func content(size int) []byte {
	data := make([]byte, size)
	state := uint32(1)
	for i := range data {
		state = state*1664525 + 1013904223
		data[i] = byte(state >> 24)
	}
	return data
}

func (s *suite) checkRoundTrip(t *testing.T) {
	ctx := t.Context()
	data := content(9*mib + 12345)
	name := volumeName("data.raw")
	s.volume(t, s.a, s.LocalPool, hypervisor.VolumeSpec{Name: name, Format: "raw", Bytes: int64(len(data))})
	var told int64
	must(t, s.a.UploadVolume(ctx, s.LocalPool, name, bytes.NewReader(data), int64(len(data)), func(done int64) {
		if done < told {
			t.Errorf("progress goes back from %d to %d", told, done)
		}
		told = done
	}))
	if filled, err := s.a.GetVolume(ctx, s.LocalPool, name); err != nil || filled.FileBytes != int64(len(data)) {
		t.Errorf("the file has %d bytes, want %d (%v)", filled.FileBytes, len(data), err)
	}
	if told != int64(len(data)) {
		t.Errorf("progress ended at %d of %d", told, len(data))
	}
	var back bytes.Buffer
	must(t, s.a.DownloadVolume(ctx, s.LocalPool, name, &back, nil))
	if !bytes.Equal(back.Bytes(), data) {
		t.Errorf("%d bytes came back, not the %d that went", back.Len(), len(data))
	}
	missing := volumeName("missing.raw")
	want(t, "upload to nothing", s.a.UploadVolume(ctx, s.LocalPool, missing, bytes.NewReader(data), 1, nil), hypervisor.ErrNotFound)
	want(t, "download nothing", s.a.DownloadVolume(ctx, s.LocalPool, missing, io.Discard, nil), hypervisor.ErrNotFound)
}

var errOurs = errors.New("our own end failed")

type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errOurs
	}
	return len(p), nil
}

// checkBrokenTransfers: when our own end fails, the caller hears that, and the host stays usable.
func (s *suite) checkBrokenTransfers(t *testing.T) {
	ctx := t.Context()
	data := content(8 * mib)
	size := int64(len(data))
	name := volumeName("broken.raw")
	s.volume(t, s.a, s.LocalPool, hypervisor.VolumeSpec{Name: name, Format: "raw", Bytes: size})
	short := s.a.UploadVolume(ctx, s.LocalPool, name, bytes.NewReader(data[:mib]), size, nil)
	want(t, "upload of a source that is too short", short, io.ErrUnexpectedEOF)
	failing := io.MultiReader(bytes.NewReader(data[:mib]), &failingReader{})
	want(t, "upload of a failing source", s.a.UploadVolume(ctx, s.LocalPool, name, failing, size, nil), errOurs)
	must(t, s.a.UploadVolume(ctx, s.LocalPool, name, bytes.NewReader(data), size, nil))
	want(t, "download to a failing target", s.a.DownloadVolume(ctx, s.LocalPool, name, &failingWriter{left: mib}, nil), errOurs)

	ended, cancel := context.WithCancel(ctx)
	err := s.a.UploadVolume(ended, s.LocalPool, name, bytes.NewReader(data), size, func(int64) { cancel() })
	if err == nil {
		t.Error("an upload whose context ends half-way is a success")
	}
	_, err = s.a.GetVolume(ctx, s.LocalPool, name)
	must(t, err)
}

type failingReader struct{}

func (*failingReader) Read([]byte) (int, error) { return 0, errOurs }
