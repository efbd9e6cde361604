package planner

import (
	"slices"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// TestAnotherMachineAnswers: the guests of a host whose URI leads to another machine are not missing there, so
// they are not started a second time on it.
func TestAnotherMachineAnswers(t *testing.T) {
	w, s, in, _ := one(t)
	seen := w.obs.Hosts[in.Host]
	seen.Inventory.UUID, seen.Domains, seen.Claimed, seen.Inventory.Owner = "another", nil, false, ""
	p := w.replan()
	if len(p.Operations) != 0 || !slices.Equal(codes(p.Errors), []string{CodeHostReplaced}) {
		t.Fatalf("operations %+v, errors %+v", p.Operations, p.Errors)
	}
	// Without instances on it, a new machine in an old place is nothing special.
	w.obs.Hosts["host.h2"].Inventory.UUID = "new"
	if p := w.plan(s, Options{}); len(p.Errors) != 1 {
		t.Errorf("an empty host was replaced: %+v", p.Errors)
	}
	w.recordHost(in.Host) // what a takeover does
	if p := w.replan(); slices.Contains(codes(p.Errors), CodeHostReplaced) {
		t.Errorf("after a takeover: %+v", p.Errors)
	}
}

func TestOldCopyApprovesNothing(t *testing.T) {
	w, s, _, _ := one(t)
	w.obs.Hosts["host.h2"].ClaimEpoch = w.st.Term
	if p := w.replan(); len(p.Errors) != 0 {
		t.Errorf("the newest copy: %+v", p.Errors)
	}
	w.obs.Hosts["host.h2"].ClaimEpoch = w.st.Term + 1
	p := w.plan(edit(s, func(s *spec.Spec) { s.Instances = append(s.Instances, inst("z", "small")) }), Options{})
	if why := p.Blocked(); why == nil || why.Code != CodeBehind || !strings.Contains(why.Summary, "h2") {
		t.Errorf("blocked: %+v", why)
	}
}

// TestRenamedHost: a host whose block got another name is not let go under the old one.
func TestRenamedHost(t *testing.T) {
	s := fleetSpec(2)
	w := newWorld(t, s)
	w.converge(s)
	renamed := edit(s, func(s *spec.Spec) { s.Hosts[1].Address, s.Hosts[1].Name = "host.x", "x" })
	w.obs.Hosts["host.x"] = w.obs.Hosts["host.h2"]
	delete(w.obs.Hosts, "host.h2")
	p := w.plan(renamed, Options{})
	if why := p.Blocked(); why == nil || why.Code != CodeHostRenamed || len(p.Operations) != 0 {
		t.Errorf("blocked %+v, operations %+v", why, p.Operations)
	}
	renamed.Moved = []spec.Moved{{From: "host.h2", To: "host.x"}}
	if p := w.plan(renamed, Options{}); len(p.Operations) != 0 || len(p.Errors) != 0 {
		t.Errorf("with a moved block: operations %+v, errors %+v", p.Operations, p.Errors)
	}
}

// TestRenamedHostWithGuests: who renames hosts gets the moved block to paste, guests or not, seen or not.
func TestRenamedHostWithGuests(t *testing.T) {
	for _, seen := range []bool{true, false} {
		s := fleetSpec(2)
		for i := range s.Hosts {
			s.Hosts[i].Address = spec.Address("host.a").Index(i)
			s.Hosts[i].URI = "qemu+ssh://" + s.Hosts[i].Name + "/system"
		}
		s.Instances = many("web", "small", 4)
		w := newWorld(t, s)
		w.converge(s)
		renamed := edit(s, func(s *spec.Spec) {
			for i := range s.Hosts {
				s.Hosts[i].Address = spec.Address("host.b").Index(i)
			}
		})
		for i := range s.Hosts {
			from, to := s.Hosts[i].Address, renamed.Hosts[i].Address
			w.obs.Hosts[to] = w.obs.Hosts[from]
			if !seen {
				w.obs.Hosts[to] = &HostObservation{Error: "timed out"}
			}
			delete(w.obs.Hosts, from)
		}
		p := w.plan(renamed, Options{})
		if got := codes(p.Errors); !slices.Equal(got, []string{CodeHostRenamed}) {
			t.Fatalf("seen %t: errors %v: %+v", seen, got, p.Errors)
		}
		if text := strings.Join(p.Errors[0].Detail, "\n"); !strings.Contains(text, "from = host.a\n  to   = host.b\n") {
			t.Errorf("seen %t: %s", seen, text)
		}
		renamed.Moved = []spec.Moved{{From: "host.a", To: "host.b"}}
		if p := w.plan(renamed, Options{}); len(p.Operations) != 0 || len(p.Errors) != 0 {
			t.Errorf("seen %t: with the moved block: operations %+v, errors %+v", seen, p.Operations, p.Errors)
		}
	}
}

// TestHostLeavesWithTrash: who gives a host back can't delete anything on it any more, so what is in its trash goes
// first.
func TestHostLeavesWithTrash(t *testing.T) {
	w, s, in, _ := one(t)
	without := edit(s, func(s *spec.Spec) { s.Instances = nil })
	w.converge(without)
	left := edit(without, func(s *spec.Spec) {
		s.Hosts = slices.DeleteFunc(s.Hosts, func(h spec.Host) bool { return h.Address == in.Host })
	})
	w.st.Trash = w.st.Trash.With(in.UUID, &state.Trash{ID: in.UUID, UUID: in.UUID, Instance: in.Address, Host: in.Host})
	p := w.plan(left, Options{})
	if len(p.Operations) != 0 || !slices.Contains(codes(p.Warnings), CodeHostHoldsTrash) {
		t.Errorf("operations %+v, warnings %+v", p.Operations, p.Warnings)
	}
	w.st.Trash = w.st.Trash.Without(in.UUID)
	if p = w.plan(left, Options{}); len(p.Operations) != 1 || p.Operations[0].Action != state.Unclaim {
		t.Errorf("with the trash empty: %+v", p.Operations)
	}
}
