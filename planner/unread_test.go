package planner

import (
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

func countCodes(messages []Message) map[string]int {
	n := map[string]int{}
	for _, m := range messages {
		n[m.Code]++
	}
	return n
}

// TestNothingNewWhileAHostIsUnread: what the record doesn't know may run on a host that no takeover saw, so it isn't
// made, and no address is given away. What the record knows goes on.
func TestNothingNewWhileAHostIsUnread(t *testing.T) {
	s := fleetSpec(3, many("web", "small", 2)...)
	for _, tc := range []struct {
		name           string
		seen           *HostObservation
		creates, error int
	}{
		{"silent", &HostObservation{Error: "no answer"}, 0, 3},
		{"not looked at", nil, 0, 3},
		{"it answers, and has a guest of the cluster before", &HostObservation{Reachable: true, Claimed: true,
			Domains: []Domain{{UUID: "u", Cluster: "other", Address: "instance.db"}}}, 0, 2},
		{"it answers, and has a guest that the record doesn't know", &HostObservation{Reachable: true, Claimed: true,
			Domains: []Domain{{UUID: "u", Cluster: testCluster, Address: "instance.db"}}}, 0, 2},
		{"it answers and is empty", &HostObservation{Reachable: true, Claimed: true}, 3, 0},
		{"it answers, and has somebody's domain", &HostObservation{Reachable: true, Claimed: true,
			Domains: []Domain{{UUID: "u", Name: "own"}}}, 3, 0},
	} {
		w := newWorld(t, s)
		w.converge(s)
		w.must(state.Command{Survey: &state.Survey{Unread: []spec.Address{"host.h3"}}})
		if tc.seen != nil {
			tc.seen.Inventory = w.obs.Hosts["host.h3"].Inventory
		}
		w.obs.Hosts["host.h3"] = tc.seen
		if tc.seen == nil {
			delete(w.obs.Hosts, "host.h3")
		}
		p := w.plan(edit(s, func(s *spec.Spec) {
			s.Instances = append(s.Instances[1:], inst("db", "small"), inst("late", "small"), inst("later", "small"))
			s.Instances[2].Locked = "no rename"
		}), Options{})
		if p.Summary.Create != tc.creates || countCodes(p.Errors)[CodeUnread] != tc.error || p.Summary.Terminate != 1 {
			t.Errorf("%s: %+v\n%+v", tc.name, p.Summary, p.Errors)
		}
		if want := min(1, tc.error); countCodes(p.Warnings)[CodeHostUnread] != want {
			t.Errorf("%s: warnings %+v, want %d about the host", tc.name, p.Warnings, want)
		}
	}
}

// TestWhatTheRecordSawEndMayComeAgain, with the address that the spec gives it.
func TestWhatTheRecordSawEndMayComeAgain(t *testing.T) {
	for _, tc := range []struct {
		ip      string
		creates int
	}{{"", 0}, {"10.0.0.9", 1}} {
		web := inst("web", "small")
		web.NICs[0].FixedIP = tc.ip
		s := fleetSpec(2, web)
		w := newWorld(t, s)
		w.converge(s)
		w.converge(fleetSpec(2))
		w.must(state.Command{Survey: &state.Survey{Unread: []spec.Address{"host.h2"}}})
		w.obs.Hosts["host.h2"].Reachable = false
		if p := w.plan(s, Options{}); p.Summary.Create != tc.creates || countCodes(p.Errors)[CodeUnread] != 1-tc.creates {
			t.Errorf("fixed_ip %q: %+v, %+v", tc.ip, p.Summary, p.Errors)
		}
	}
}

// TestNothingIsRestoredBesideAnUnreadHost: what is missing may run there.
func TestNothingIsRestoredBesideAnUnreadHost(t *testing.T) {
	s := fleetSpec(2, inst("web", "small"))
	w := newWorld(t, s)
	w.converge(s)
	in, _ := w.st.Instances.Get("instance.web")
	other := spec.Address("host.h1")
	if in.Host == other {
		other = "host.h2"
	}
	w.drop(in.Host, in.UUID)
	w.must(state.Command{SetInventory: &state.SetInventory{Host: other, Name: "other", Inventory: w.obs.Hosts[other].Inventory}})
	w.must(state.Command{Survey: &state.Survey{Unread: []spec.Address{other}}})
	w.obs.Hosts[other].Reachable = false
	if p := w.plan(s, Options{}); len(p.Operations) != 0 || countCodes(p.Warnings)[CodeMissing] != 1 {
		t.Errorf("%+v, warnings %+v", p.Operations, p.Warnings)
	}
}
