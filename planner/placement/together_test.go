package placement

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/spec"
)

// TestTogetherTakesAllOrNone: a host that is picked takes all requests in whatever order they come, and only
// when there is none is none picked. The fleet stays as it was.
func TestTogetherTakesAllOrNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := fleetOf(t)
		flavors := []*spec.Flavor{{VCPUs: 1, RAM: 512, Disk: 512}, {VCPUs: 2, RAM: 256, Disk: 2048}}
		groups := []*spec.ServerGroup{nil, {Address: "server_group.a", Policy: spec.Affinity}}
		rs := make([]*Request, rapid.IntRange(1, 4).Draw(t, "requests"))
		for n := range rs {
			rs[n] = requestOf(t, n, flavors, groups)
			rs[n].SameHost, rs[n].DifferentHost = nil, nil
		}
		if rapid.Bool().Draw(t, "hint") {
			rs[0].SameHost = []spec.Address{rs[len(rs)-1].Instance}
		}
		s := New(spec.Scheduler{})
		x := NewIndex(s, f)
		before := picture(f)
		at := x.Together(rs, nil)
		why := s.RankTogether(f, rs)
		if after := picture(f); after != before {
			t.Fatalf("%s, was %s", after, before)
		}
		able := slices.IndexFunc(f.Hosts, func(h *Host) bool { return s.takesAll(f, rs, f.Find(h.Address)) })
		if alone := len(rs) == 1 && len(rs[0].SameHost) > 0; (at < 0) != (able < 0) && !alone {
			t.Fatalf("picked %d, %d takes all", at, able)
		}
		removed := 0
		for _, r := range why.Rejections {
			removed += r.Hosts
		}
		if at < 0 {
			if able < 0 && (removed != len(f.Hosts) || why.Nearest == nil) {
				t.Fatalf("%d of %d hosts have a reason: %+v", removed, len(f.Hosts), why)
			}
			return
		}
		if x.Together(rs, []int{at}) != at {
			t.Fatal("not picked when it is the only one")
		}
		for _, n := range rapid.Permutation(slices.Clone(rs)).Draw(t, "order") {
			hintless := *n
			hintless.SameHost = nil
			if !passes(s.filters, f, &hintless, at) {
				t.Fatalf("%s doesn't fit on %d", n.Instance, at)
			}
			f.Put(at, n.Occupant())
		}
	})
}

func picture(f *Fleet) string {
	text := fmt.Sprint(len(f.changes), f.MemberHosts("server_group.a"))
	for _, h := range f.Hosts {
		text += fmt.Sprint(" ", h.Used())
		for i := range h.Pools {
			text += fmt.Sprint(" ", h.Pools[i].Used())
		}
	}
	return text
}
