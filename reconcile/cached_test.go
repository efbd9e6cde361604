package reconcile_test

import (
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// images lists the cached images that hosts have, by path.
func (l *lab) images() []string {
	var found []string
	for _, d := range l.world.Truth().Disks {
		if strings.HasPrefix(path.Base(d.Path), "np-image-") && path.Ext(d.Path) != ".ok" {
			found = append(found, d.Path)
		}
	}
	return found
}

// TestUnusedImages: an image goes a day after nothing stood on it any more, disks in the trash included, and comes
// again when it is wanted.
func TestUnusedImages(t *testing.T) {
	for _, shared := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 2, shared)
			most := map[bool]int{true: 1, false: 2}[shared]
			l.begin()
			defer l.kill()
			tidy := func(after time.Duration, want int) {
				t.Helper()
				time.Sleep(after)
				if err := l.c.Housekeeping(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := l.images(); len(got) != want {
					t.Errorf("shared %v: images %v, want %d", shared, got, want)
				}
			}
			l.want(2)
			l.apply()
			tidy(0, most)
			tidy(48*time.Hour, most) // guests stand on it
			l.want(0)
			l.apply()
			tidy(23*time.Hour, most) // the trash does
			tidy(2*time.Hour, most)
			if l.rec.State().Trash.Len() != 0 || l.rec.State().Images.Len() != most {
				t.Fatalf("%d in the trash, %d images on record", l.rec.State().Trash.Len(), l.rec.State().Images.Len())
			}
			tidy(23*time.Hour, most)
			tidy(2*time.Hour, 0)
			if n := l.rec.State().Images.Len(); n != 0 {
				t.Errorf("%d images on record that are gone", n)
			}
			l.want(2)
			l.apply()
			l.converged()
			tidy(0, most)
			l.sound()
		})
	}
}

// TestImagesThatAreKept: what somebody else's disk stands on or has, and what was never seen to be ours.
func TestImagesThatAreKept(t *testing.T) {
	for _, use := range []string{"backing", "disk", "never used"} {
		t.Run(use, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 1, false)
				l.begin()
				defer l.kill()
				l.want(1)
				l.apply()
				image := l.images()[0]
				pool, behind := hypervisor.Pool{Path: "/srv/vms"}, l.world.Behind("kvm1")
				var err error
				switch use {
				case "backing":
					_, err = behind.CreateVolume(t.Context(), pool, hypervisor.VolumeSpec{Name: "mine.qcow2", Format: "qcow2", Bytes: 1 << 30,
						BackingPath: image, BackingFormat: "qcow2"})
				case "disk":
					err = behind.DefineDomain(t.Context(), hypervisor.Definition{UUID: "33333333-3333-4333-8333-333333333333", Name: "mine", VirtType: "kvm",
						VCPUs: 1, MemoryMiB: 64, Disks: []hypervisor.Disk{{Path: image, Format: "qcow2", Role: hypervisor.DiskRoot}}})
				case "never used":
					for _, name := range []string{"np-image-0123456789ab.qcow2", "np-image-0123456789ab.ok"} {
						if _, err = behind.CreateVolume(t.Context(), pool, hypervisor.VolumeSpec{Name: name, Format: "raw", Bytes: 512}); err != nil {
							t.Fatal(err)
						}
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				l.want(0)
				l.apply()
				for range 4 {
					time.Sleep(25 * time.Hour)
					if err := l.c.Housekeeping(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if got := l.images(); len(got) != 1 {
					t.Errorf("images %v, want one", got)
				}
			})
		})
	}
}
