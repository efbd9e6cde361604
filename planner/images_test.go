package planner

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

const imageSize = 422 << 20

// imageFleet is a fleet whose image has a digest, so that the record knows where it was used.
func imageFleet(hosts int, shared bool, instances ...spec.Instance) *spec.Spec {
	s := fleetSpec(hosts, instances...)
	s.Pools[0].Shared = shared
	s.Images[0].Checksum = "sha256:" + strings.Repeat("1", 64)
	for i := range s.Instances {
		s.Instances[i].Pool = "pool.p"
	}
	return s
}

func uploadsOf(p *Plan) []Change {
	return slices.DeleteFunc(slices.Clone(p.Changes), func(ch Change) bool { return ch.Action != ActUpload })
}

func TestImageIsShownWhereItIsFirstUsed(t *testing.T) {
	type places struct {
		Details []string
		Bytes   int64
	}
	local, shared := imageFleet(3, false, many("web", "small", 6)...), imageFleet(3, true, many("web", "small", 6)...)
	for name, c := range map[string]struct {
		before, after *spec.Spec // before: carried out already; nil: nothing is there
		size          int64
		want          []places
	}{
		"each host once":  {nil, local, imageSize, []places{{[]string{"422 MiB to 3 hosts on first use", "about 12 s"}, 3 * imageSize}}},
		"one host":        {nil, imageFleet(1, false, inst("a", "small")), imageSize, []places{{[]string{"422 MiB to 1 host on first use", "about 4 s"}, imageSize}}},
		"a shared pool":   {nil, shared, imageSize, []places{{[]string{"422 MiB to the shared pool on first use", "about 4 s"}, imageSize}}},
		"not known":       {nil, local, 0, []places{{[]string{"to 3 hosts on first use"}, 0}}},
		"small":           {nil, local, 65536, []places{{[]string{"64 KiB to 3 hosts on first use"}, 3 * 65536}}},
		"all there":       {local, edit(local, func(s *spec.Spec) { s.Instances = many("web", "small", 9); poolAll(s) }), imageSize, nil},
		"shared there":    {shared, edit(shared, func(s *spec.Spec) { s.Instances = many("web", "small", 9); poolAll(s) }), imageSize, nil},
		"nothing created": {local, local, imageSize, nil},
		"on a new host": {local, edit(local, func(s *spec.Spec) {
			s.Hosts = append(s.Hosts, imageFleet(4, false).Hosts[3])
			s.Instances = append(s.Instances, pinned("extra", "host.h4"))
			poolAll(s)
		}), imageSize, []places{{[]string{"422 MiB to 1 host on first use", "about 4 s"}, imageSize}}},
		"of other content": {local, edit(local, func(s *spec.Spec) {
			s.Images = slices.Clone(s.Images)
			s.Images[0].Checksum = "sha256:" + strings.Repeat("2", 64)
			s.Instances = append(s.Instances, pinned("extra", "host.h1"))
			poolAll(s)
		}), imageSize, []places{{[]string{"422 MiB to 1 host on first use", "about 4 s"}, imageSize}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, imageFleet(4, false))
			if c.before != nil {
				w.converge(c.before)
			}
			w.obs.Images = map[spec.Address]ImageSeen{"image.i": {Bytes: c.size}}
			p := w.plan(c.after, Options{})
			var got []places
			for _, ch := range uploadsOf(p) {
				if ch.Address != "image.i" || ch.Name != "i" || ch.Reason.Code != ReasonFirstUse || len(ch.Operations) > 0 {
					t.Errorf("%+v", ch)
				}
				got = append(got, places{ch.Details, ch.Bytes})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			claims := 0
			for _, ch := range p.Changes {
				if ch.Action == ActClaim {
					claims++
				}
			}
			if p.Summary.Change != claims {
				t.Errorf("%d changes and %d claims: an upload counts", p.Summary.Change, claims)
			}
		})
	}
}

func poolAll(s *spec.Spec) {
	for i := range s.Instances {
		s.Instances[i].Pool = "pool.p"
	}
}

func pinned(name string, host spec.Address) spec.Instance {
	in := inst(name, "small")
	in.Host, in.Pool = host, "pool.p"
	return in
}

// A local disk that moves stands on the image there too; a shared one takes nothing along.
func TestMoveBringsTheImage(t *testing.T) {
	for shared, want := range map[bool]int{false: 1, true: 0} {
		s := imageFleet(2, shared, pinned("a", "host.h1"))
		w := newWorld(t, s)
		w.converge(s)
		w.obs.Images = map[spec.Address]ImageSeen{"image.i": {Bytes: imageSize}}
		p := w.plan(edit(s, func(s *spec.Spec) { s.Instances[0].Host = "host.h2" }), Options{})
		if got := uploadsOf(p); p.Summary.Live != 1 || len(got) != want {
			t.Errorf("shared %v: %d moves, uploads %+v", shared, p.Summary.Live, got)
		}
	}
}

// Hosts and a shared pool at once; the total is in the summary, and no operation is about it.
func TestImagePlacesAddUp(t *testing.T) {
	s := imageFleet(2, false, pinned("a", "host.h1"), pinned("b", "host.h2"), pinned("c", "host.h1"))
	s.Pools = append(s.Pools, spec.Pool{Address: "pool.nfs", Name: "nfs", Type: spec.PoolDir, Path: "/nfs", Shared: true})
	s.Instances[2].Pool = "pool.nfs"
	w := newWorld(t, s)
	for _, h := range w.obs.Hosts {
		nfs := h.Inventory.Pools[0]
		nfs.Path = "/nfs"
		h.Inventory.Pools = append(h.Inventory.Pools, nfs)
	}
	without := w.plan(s, Options{})
	w.obs.Images = map[spec.Address]ImageSeen{"image.i": {Bytes: 4 << 30}}
	p := w.plan(s, Options{})
	got := uploadsOf(p)
	if len(got) != 1 || got[0].Details[0] != "4 GiB to 2 hosts and a shared pool on first use" {
		t.Fatalf("%+v\n%+v", got, p.Unplaced)
	}
	if p.Summary.Bytes-without.Summary.Bytes != 12<<30 || p.Summary.Seconds <= without.Summary.Seconds {
		t.Errorf("summary %+v, without a size %+v", p.Summary, without.Summary)
	}
	if p.Digest != without.Digest {
		t.Error("what is known of an image's size makes a plan stale")
	}
}

// What is under way brings its own image: only the rest is shown.
func TestImageOnItsWayIsNotShownAgain(t *testing.T) {
	s := imageFleet(2, false, pinned("a", "host.h1"))
	w := newWorld(t, s)
	w.approve(s, Options{})
	if got := uploadsOf(w.replan()); len(got) != 0 {
		t.Errorf("approved already: %+v", got)
	}
	more := edit(s, func(s *spec.Spec) { s.Instances = append(s.Instances, pinned("b", "host.h1"), pinned("c", "host.h2")) })
	if got := uploadsOf(w.plan(more, Options{})); len(got) != 1 || got[0].Details[0] != "to 1 host on first use" {
		t.Errorf("%+v", got)
	}
}

// What a look has found in a pool isn't brought there again, though no instance on record was built from it there.
func TestImageThatWasSeenIsNotShown(t *testing.T) {
	ones, twos := strings.Repeat("1", 12), strings.Repeat("2", 12)
	for name, c := range map[string]struct {
		checksum string
		built    string // digest that an instance on h1 was built from; "": there is none
		shared   bool
		seen     string // digest of what h2 has
		want     int
	}{
		"by the checksum":                  {"sha256:" + strings.Repeat("1", 64), "", false, ones, 0},
		"something else":                   {"sha256:" + strings.Repeat("1", 64), "", false, twos, 1},
		"by what was built from it":        {"sha512:abc", "sha256:" + strings.Repeat("1", 64), false, ones, 0},
		"what was built is something else": {"sha512:abc", "sha256:" + strings.Repeat("1", 64), false, twos, 1},
		"of unknown content":               {"", "", false, ones, 1},
		"in the shared pool":               {"sha256:" + strings.Repeat("1", 64), "", true, ones, 0},
	} {
		s := imageFleet(2, c.shared)
		s.Images[0].Checksum = c.checksum
		w := newWorld(t, s)
		if c.built != "" {
			s = edit(s, func(s *spec.Spec) { s.Instances = append(s.Instances, pinned("a", "host.h1")) })
			w.converge(s)
			in, _ := w.st.Instances.Get("instance.a")
			next := *in
			next.ImageDigest = c.built
			w.must(state.Command{Restore: &state.Restore{Instances: []state.Instance{next}}})
		}
		w.obs.Hosts["host.h2"].Images = []CachedImage{{Pool: "/p", Digest: c.seen}, {Pool: "/other", Digest: ones}}
		p := w.plan(edit(s, func(s *spec.Spec) { s.Instances = append(s.Instances, pinned("b", "host.h2")) }), Options{})
		if got := uploadsOf(p); len(got) != c.want {
			t.Errorf("%s: %+v, want %d", name, got, c.want)
		}
	}
}

func TestBinarySizeAndTime(t *testing.T) {
	for n, want := range map[int64]string{1: "1 KiB", 65536: "64 KiB", 13 << 20: "13 MiB", 1<<30 - 1: "1 GiB", 2577 << 20: "2.5 GiB", 40 << 40: "40 TiB"} {
		if got := binarySize(n); got != want {
			t.Errorf("binarySize(%d) = %q, want %q", n, got, want)
		}
	}
	for s, want := range map[float64]string{1: "1 s", 99: "99 s", 180: "3 min", 9000: "2.5 h"} {
		if got := roughly(s); got != want {
			t.Errorf("roughly(%v) = %q, want %q", s, got, want)
		}
	}
}
