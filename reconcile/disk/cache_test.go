package disk

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/sim"
	"github.com/novaplan/novaplan/spec"
)

var (
	local  = hypervisor.Pool{Path: "/var/lib/novaplan"}
	shared = hypervisor.Pool{Path: "/srv/shared", Shared: true}
	debian = spec.Image{Name: "debian", Location: "https://example.org/debian.qcow2", Format: "qcow2"}
)

// counted counts uploads of images.
type counted struct {
	hypervisor.Host
	uploads *int
	mu      *sync.Mutex
}

func (c counted) UploadVolume(ctx context.Context, pool hypervisor.Pool, name string, r io.Reader, size int64, progress func(int64)) error {
	c.mu.Lock()
	*c.uploads++
	c.mu.Unlock()
	return c.Host.UploadVolume(ctx, pool, name, r, size, progress)
}

// stage runs f in virtual time, on a world with hosts a1 and b1 whose uploads are counted.
func stage(t *testing.T, f func(t *testing.T, w *sim.World, a, b hypervisor.Host, uploads *int)) {
	synctest.Test(t, func(t *testing.T) {
		w := sim.New(sim.Realistic())
		defer w.Close()
		uploads, mu := 0, &sync.Mutex{}
		var hosts [2]hypervisor.Host
		for i, name := range []string{"a1", "b1"} {
			h, err := w.Open(t.Context(), hypervisor.Target{URI: "sim://" + name})
			if err != nil {
				t.Fatal(err)
			}
			hosts[i] = counted{h, &uploads, mu}
		}
		f(t, w, hosts[0], hosts[1], &uploads)
		if v := w.Truth().Violations; len(v) > 0 {
			t.Errorf("violations: %+v", v)
		}
	})
}

func simulated() *Images { return &Images{Source: Simulated{}, Cache: NewCache(CacheOptions{})} }

func fetchSimulated(t *testing.T) File {
	t.Helper()
	f, err := Simulated{}.Fetch(t.Context(), debian, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// wantCached checks that the pool has one whole image with its marker, and nothing else but the markers of places that
// were given up.
func wantCached(t *testing.T, w *sim.World, host string) {
	t.Helper()
	var have []string
	for _, d := range w.Truth().Disks {
		if d.Host != host || strings.HasSuffix(d.Name, ".ok") && d.Bytes == burnt {
			continue
		}
		have = append(have, d.Name[:9]+d.Name[strings.LastIndex(d.Name, "."):])
		if d.Incomplete || strings.HasSuffix(d.Name, ".qcow2") && d.Allocated < simulatedSize {
			t.Errorf("%s is not whole: %+v", d.Name, d)
		}
	}
	if got := strings.Join(have, " "); got != "np-image-.ok np-image-.qcow2" {
		t.Errorf("pool of %q holds %q, want one image and its marker", host, got)
	}
}

// wantNothing checks that the pools hold nothing but markers of places that were given up.
func wantNothing(t *testing.T, w *sim.World) {
	t.Helper()
	for _, d := range w.Truth().Disks {
		if !strings.HasSuffix(d.Name, ".ok") || d.Bytes != burnt {
			t.Errorf("left behind: %+v", d)
		}
	}
}

func TestImageIsUploadedOncePerPool(t *testing.T) {
	for _, tc := range []struct {
		pool    hypervisor.Pool
		uploads int
	}{{local, 2}, {shared, 1}} {
		stage(t, func(t *testing.T, w *sim.World, a, b hypervisor.Host, uploads *int) {
			images := simulated()
			for range 2 {
				var wg sync.WaitGroup
				for _, h := range []hypervisor.Host{a, b, a, b, a} {
					wg.Go(func() {
						got, err := images.EnsureImage(t.Context(), h, tc.pool, debian, nil)
						if err != nil || !strings.HasPrefix(got.Path, tc.pool.Path+"/np-image-") || got.Bytes != simulatedVirtualSize {
							t.Errorf("image %+v, %v", got, err)
						}
					})
				}
				wg.Wait()
			}
			if *uploads != tc.uploads {
				t.Errorf("%d uploads into %s, want %d", *uploads, tc.pool.Path, tc.uploads)
			}
		})
	}
}

// Two processes that share a pool know nothing of each other but what the pool shows.
func TestTwoProcessesShareAPool(t *testing.T) {
	for _, ahead := range []time.Duration{0, 100 * time.Millisecond, 10 * time.Second} {
		stage(t, func(t *testing.T, w *sim.World, a, b hypervisor.Host, uploads *int) {
			second := make(chan error, 1)
			time.AfterFunc(ahead, func() {
				_, err := simulated().EnsureImage(t.Context(), b, shared, debian, nil)
				second <- err
			})
			_, err := simulated().EnsureImage(t.Context(), a, shared, debian, nil)
			if err = errors.Join(err, <-second); err != nil || *uploads != 1 {
				t.Errorf("%d uploads, %v", *uploads, err)
			}
			wantCached(t, w, "")
		})
	}
}

// hesitant pauses once, when its first byte is read.
type hesitant struct {
	io.ReadSeekCloser
	pause time.Duration
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.pause > 0 {
		<-time.After(h.pause)
		h.pause = 0
	}
	return h.ReadSeekCloser.Read(p)
}

// fetchHesitant returns an image whose upload does not grow for a while.
func fetchHesitant(t *testing.T, pause time.Duration) File {
	f := fetchSimulated(t)
	open := f.open
	f.open = func() (io.ReadSeekCloser, error) {
		r, err := open()
		return &hesitant{r, pause}, err
	}
	return f
}

// An upload that stands still for so long that another process takes it for rubbish goes into a deleted
// file. When it ends it must not put its marker beside the other one's half volume.
func TestUploadThatWasTakenForRubbish(t *testing.T) {
	stage(t, func(t *testing.T, w *sim.World, a, b hypervisor.Host, uploads *int) {
		first := make(chan error, 1)
		go func() {
			slow := fetchHesitant(t, 21*time.Second)
			_, err := NewCache(CacheOptions{}).EnsureImage(t.Context(), a, shared, slow, nil)
			first <- err
		}()
		<-time.After(5 * time.Second)
		second := make(chan error, 1)
		go func() {
			other := fetchHesitant(t, 10*time.Second)
			_, err := NewCache(CacheOptions{}).EnsureImage(t.Context(), b, shared, other, nil)
			second <- err
		}()
		for done := 0; done < 2; {
			select {
			case err := <-first:
				first = nil
				wantKind(t, "first", err, nil)
			case err := <-second:
				second = nil
				wantKind(t, "second", err, nil)
			case <-time.After(50 * time.Millisecond):
				wantNoHalfImage(t, w)
				continue
			}
			done++
		}
		wantCached(t, w, "")
		if *uploads != 2 {
			t.Errorf("%d uploads, want 2", *uploads)
		}
	})
}

// wantNoHalfImage checks that no marker seals an image that isn't whole.
func wantNoHalfImage(t *testing.T, w *sim.World) {
	t.Helper()
	half := map[string]bool{}
	for _, d := range w.Truth().Disks {
		half[strings.TrimSuffix(d.Name, ".qcow2")] = d.Incomplete
	}
	for _, d := range w.Truth().Disks {
		if place, ok := strings.CutSuffix(d.Name, ".ok"); ok && d.Bytes == sealed && half[place] {
			t.Fatal("a marker seals a half image")
		}
	}
}

func TestHalfAnUploadIsDoneAgain(t *testing.T) {
	stage(t, func(t *testing.T, w *sim.World, a, _ hypervisor.Host, uploads *int) {
		file := fetchSimulated(t)
		name, _ := placeNames(file.Digest, file.Format, 0)
		if _, err := a.EnsurePool(t.Context(), local); err != nil {
			t.Fatal(err)
		}
		if _, err := a.CreateVolume(t.Context(), local, hypervisor.VolumeSpec{Name: name, Format: "qcow2", Bytes: 1 << 20}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		r, _ := file.Open()
		if err := a.UploadVolume(ctx, local, name, r, file.Size, nil); err == nil {
			t.Fatal("an upload that was cut off succeeded")
		}
		if _, err := simulated().EnsureImage(t.Context(), a, local, debian, nil); err != nil {
			t.Fatal(err)
		}
		wantCached(t, w, "a1")
		if *uploads != 2 {
			t.Errorf("%d uploads, want the half one and a whole one", *uploads)
		}
	})
}

func TestMarkerWithoutItsImage(t *testing.T) {
	stage(t, func(t *testing.T, w *sim.World, a, _ hypervisor.Host, _ *int) {
		images := simulated()
		got, err := images.EnsureImage(t.Context(), a, local, debian, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.DeleteVolume(t.Context(), local, strings.TrimPrefix(got.Path, local.Path+"/")); err != nil {
			t.Fatal(err)
		}
		again, err := images.EnsureImage(t.Context(), a, local, debian, nil)
		if err != nil || again.Path == got.Path {
			t.Fatalf("the deleted image is made again as %s, %v", again.Path, err)
		}
		_, marker := placeNames(got.Digest, got.Format, 0)
		if err := a.DeleteVolume(t.Context(), local, marker); err != nil { // just to count the rest
			t.Fatal(err)
		}
		wantCached(t, w, "a1")
	})
}

// Whichever call of an upload gets lost, the next attempt ends with a whole image.
func TestLostCallsOfAnUpload(t *testing.T) {
	for _, fault := range []string{
		"lose a1 CreateVolume x1", "drop a1 CreateVolume x1", "fail a1 CreateVolume x1",
		"lose a1 UploadVolume x1", "drop a1 UploadVolume x1", "fail a1 UploadVolume x1",
		"lose a1 GetVolume x1", "fail a1 GetVolume err=unreachable x1", "fail a1 EnsurePool x1",
		"late a1 CreateVolume 5s x1", "drop a1 DeleteVolume x1", "fail a1 UploadVolume err=nospace x1",
	} {
		t.Run(fault, func(t *testing.T) {
			stage(t, func(t *testing.T, w *sim.World, a, _ hypervisor.Host, _ *int) {
				if err := w.Do(fault); err != nil {
					t.Fatal(err)
				}
				images := simulated()
				var err error
				for range 3 {
					if _, err = images.EnsureImage(t.Context(), a, local, debian, nil); err == nil {
						break
					}
				}
				if err != nil {
					t.Errorf("third attempt: %v", err)
				}
				wantCached(t, w, "a1")
			})
		})
	}
}

func TestFullPoolKeepsNothing(t *testing.T) {
	stage(t, func(t *testing.T, w *sim.World, _, _ hypervisor.Host, _ *int) {
		small, err := w.Open(t.Context(), hypervisor.Target{URI: "sim://small", DiskMiB: 100})
		if err != nil {
			t.Fatal(err)
		}
		_, err = simulated().EnsureImage(t.Context(), small, local, debian, nil)
		wantKind(t, "200 MiB into 100", err, hypervisor.ErrNoSpace)
		wantNothing(t, w)
	})
}

func TestCallersMayLeave(t *testing.T) {
	stage(t, func(t *testing.T, w *sim.World, a, _ hypervisor.Host, uploads *int) {
		images := simulated()
		impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		first := make(chan error, 1)
		go func() {
			_, err := images.EnsureImage(impatient, a, local, debian, nil)
			first <- err
		}()
		synctest.Wait()
		if _, err := images.EnsureImage(t.Context(), a, local, debian, nil); err != nil {
			t.Errorf("who stays: %v", err)
		}
		wantKind(t, "who leaves", <-first, context.DeadlineExceeded)
		if *uploads != 1 {
			t.Errorf("%d uploads, want 1", *uploads)
		}
		wantCached(t, w, "a1")
	})
}

func TestChangedFileIsNotCached(t *testing.T) {
	stage(t, func(t *testing.T, w *sim.World, a, _ hypervisor.Host, _ *int) {
		file := fetchSimulated(t)
		file.same = func() error { return ErrImage }
		_, err := NewCache(CacheOptions{}).EnsureImage(t.Context(), a, local, file, nil)
		wantKind(t, "a file that changed during its upload", err, ErrImage)
		wantNothing(t, w)
	})
}

func TestKnownImageIsNotFetched(t *testing.T) {
	stage(t, func(t *testing.T, _ *sim.World, a, _ hypervisor.Host, _ *int) {
		image := debian
		image.Checksum = "sha256:" + strings.Repeat("ab", 32)
		images := simulated()
		first, err := images.EnsureImage(t.Context(), a, local, image, nil)
		if err != nil {
			t.Fatal(err)
		}
		images.Source = nil // would panic
		again, err := images.EnsureImage(t.Context(), a, local, image, nil)
		if err != nil || again != first {
			t.Errorf("%+v, %v; want %+v", again, err, first)
		}
	})
}

func TestEnsureVolume(t *testing.T) {
	stage(t, func(t *testing.T, w *sim.World, a, _ hypervisor.Host, _ *int) {
		image, err := simulated().EnsureImage(t.Context(), a, local, debian, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		root := Volume{Name: VolumeName("u1", hypervisor.DiskRoot, 0, "qcow2"), Format: "qcow2", Bytes: 1 << 30, Backing: image}
		swap := Volume{Name: VolumeName("u1", hypervisor.DiskSwap, 0, "raw"), Format: "raw", Bytes: 1 << 20}
		for _, want := range []Volume{root, swap, root, swap} { // the second time they are there
			got, err := EnsureVolume(ctx, a, local, want)
			if err != nil || got.Name != want.Name || got.Bytes != want.Bytes || got.BackingPath != want.Backing.Path {
				t.Errorf("%s: %+v, %v", want.Name, got, err)
			}
		}
		if root.Name != "np-u1-root-0.qcow2" || swap.Name != "np-u1-swap-0.img" || ConfigDriveName("u1") != "np-u1-config-0.img" {
			t.Errorf("names %s, %s, %s", root.Name, swap.Name, ConfigDriveName("u1"))
		}
		other := root
		other.Bytes++
		_, err = EnsureVolume(ctx, a, local, other)
		wantKind(t, "another size", err, hypervisor.ErrExists)
		other = root
		other.Backing = Image{}
		_, err = EnsureVolume(ctx, a, local, other)
		wantKind(t, "another backing file", err, hypervisor.ErrExists)

		root.Name = "lost"
		if err := w.Do("lose a1 CreateVolume x1"); err != nil {
			t.Fatal(err)
		}
		_, err = EnsureVolume(ctx, a, local, root)
		wantKind(t, "a lost answer", err, nil)
		root.Name = "dropped"
		if err := w.Do("drop a1 CreateVolume x1"); err != nil {
			t.Fatal(err)
		}
		_, err = EnsureVolume(ctx, a, local, root)
		wantKind(t, "a call that never arrived", err, hypervisor.ErrUnknown)
	})
}

// TestImageInUseIsNotRubbish takes the marker from an image that a disk stands on: the image stays, and is
// known to be whole again.
func TestImageInUseIsNotRubbish(t *testing.T) {
	stage(t, func(t *testing.T, w *sim.World, a, _ hypervisor.Host, uploads *int) {
		images := simulated()
		base, err := images.EnsureImage(t.Context(), a, local, debian, nil)
		if err != nil {
			t.Fatal(err)
		}
		overlay := hypervisor.VolumeSpec{Name: "np-x-root-0.qcow2", Format: "qcow2", Bytes: base.Bytes, BackingPath: base.Path, BackingFormat: base.Format}
		if _, err := a.CreateVolume(t.Context(), local, overlay); err != nil {
			t.Fatal(err)
		}
		_, marker := placeNames(base.Digest, base.Format, 0)
		if err := a.DeleteVolume(t.Context(), local, marker); err != nil {
			t.Fatal(err)
		}
		again, err := simulated().EnsureImage(t.Context(), a, local, debian, nil)
		if err != nil || again != base {
			t.Errorf("the image is %+v, %v; it was %+v", again, err, base)
		}
		if *uploads != 1 {
			t.Errorf("uploaded %d times: the file under a disk was replaced", *uploads)
		}
	})
}

// TestLateDeletionOfAnUpload: the remains of an upload are deleted, nobody hears of it, and the deletion takes effect
// when the image is there and a disk stands on it. It finds only the remains.
func TestLateDeletionOfAnUpload(t *testing.T) {
	stage(t, func(t *testing.T, w *sim.World, a, _ hypervisor.Host, _ *int) {
		for _, fault := range []string{"fail a1 UploadVolume x1", "late a1 DeleteVolume 10m x2"} {
			if err := w.Do(fault); err != nil {
				t.Fatal(err)
			}
		}
		images := simulated()
		var image Image
		var err error
		for range 3 {
			if image, err = images.EnsureImage(t.Context(), a, local, debian, nil); err == nil {
				break
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		root := Volume{Name: VolumeName("u1", hypervisor.DiskRoot, 0, "qcow2"), Format: "qcow2", Bytes: 1 << 30, Backing: image}
		if _, err := EnsureVolume(t.Context(), a, local, root); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		deletions := w.Truth().Deletions
		for _, d := range deletions {
			if d.Path == image.Path {
				t.Errorf("the image was deleted from under its disk at %s", d.At)
			}
		}
		if len(deletions) == 0 {
			t.Error("nothing was deleted")
		}
	})
}
