package reconcile_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

// asked is a Sizes that remembers what it was asked.
type asked struct {
	mu     sync.Mutex
	images []spec.Address
}

// SizeOf knows every image but image.lost.
func (a *asked) SizeOf(_ context.Context, image spec.Image) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.images = append(a.images, image.Address)
	if image.Address == "image.lost" {
		return 0, errors.New("no server")
	}
	return 422 << 20, nil
}

func (a *asked) take() []spec.Address {
	a.mu.Lock()
	defer a.mu.Unlock()
	images := a.images
	a.images = nil
	slices.Sort(images)
	return images
}

func uploads(p *planner.Plan) []string {
	var lines []string
	for _, ch := range p.Changes {
		if ch.Action == planner.ActUpload {
			lines = append(lines, string(ch.Address)+" "+ch.Details[0])
		}
	}
	return lines
}

// Only images that new instances need are asked about, and an answer that doesn't come spoils nothing.
func TestSizesOfImagesToBring(t *testing.T) {
	l := newLab(t, 2, false)
	sizes := &asked{}
	l.opts.Sizes = sizes
	for _, name := range []string{"lost", "unused"} {
		image := l.spec.Images[0]
		image.Address, image.Name = spec.NewAddress("image", name), name
		l.spec.Images = append(l.spec.Images, image)
	}
	l.want(3)
	l.spec.Instances[2].Image = "image.lost"
	l.begin()
	defer l.kill()
	want := []string{"image.debian 422 MiB to 2 hosts on first use", "image.lost to 1 host on first use"}
	if diff := cmp.Diff(want, uploads(l.plan())); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]spec.Address{"image.debian", "image.lost"}, sizes.take()); diff != "" {
		t.Error(diff)
	}
	l.apply()
	sizes.take()
	if got := uploads(l.plan()); len(got) > 0 {
		t.Errorf("uploads when all is there: %v", got)
	}
	if got := sizes.take(); len(got) > 0 {
		t.Errorf("asked about %v when nothing is new", got)
	}
	// A drain takes guests, and with them their image, to the other host's own pool.
	l.spec.Hosts[0].Mode = spec.ModeDrain
	leaving := map[spec.Address]bool{}
	for _, in := range l.rec.State().Instances.All() {
		if in.Host == l.spec.Hosts[0].Address {
			leaving[in.Image] = true
		}
	}
	l.plan()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(leaving)), sizes.take()); diff != "" || len(leaving) == 0 {
		t.Errorf("asked about other images than those that leave: %s", diff)
	}
}
