package drift

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

func TestPolicies(t *testing.T) {
	defaults := map[Kind]state.DriftPolicy{}
	for _, kind := range Kinds() {
		defaults[kind] = PolicyOf(state.Settings{}, kind)
	}
	want := map[Kind]state.DriftPolicy{
		Stopped: "mend", Crashed: "mend", Saved: "mend", Renamed: "mend", Unfinished: "mend",
		Paused: "report", Running: "report", Redefined: "report", Missing: "report", Claim: "report", Elsewhere: "report",
		Unknown: "report", Disk: "report", Pool: "report", Network: "report", Host: "report",
	}
	if diff := cmp.Diff(want, defaults); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	s := state.Settings{Drift: map[string]state.DriftPolicy{"paused": "mend", "stopped": "ignore", "disk": "mend", "host": "ignore"}}
	for kind, want := range map[Kind]state.DriftPolicy{Paused: "mend", Stopped: "ignore", Disk: "report", Host: "ignore", Crashed: "mend"} {
		if got := PolicyOf(s, kind); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
	if diff := cmp.Diff([]string{planner.ReasonFoundStopped}, Ignored(s)); diff != "" {
		t.Errorf("ignored: %s", diff)
	}
	for _, code := range Unmended(s) {
		if PolicyOf(s, KindOf(code)) == state.DriftMend {
			t.Errorf("%s is left", code)
		}
	}
	if KindOf(planner.ReasonNew) != Unfinished || KindOf(planner.ReasonFoundMissing) != Missing {
		t.Error("wrong kinds of reasons")
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		policies map[string]state.DriftPolicy
		bad      bool
	}{
		"none":     {nil, false},
		"good":     {map[string]state.DriftPolicy{"stopped": "report", "elsewhere": "ignore"}, false},
		"no kind":  {map[string]state.DriftPolicy{"stoped": "report"}, true},
		"no word":  {map[string]state.DriftPolicy{"stopped": "fix"}, true},
		"no cure":  {map[string]state.DriftPolicy{"disk": "mend"}, true},
		"no words": {map[string]state.DriftPolicy{"": ""}, true},
	} {
		if err := Check(c.policies); (err != nil) != c.bad {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// story is a record with operations on one instance, each at a minute.
func story(ops ...state.Operation) state.State {
	var st state.State
	for i := range ops {
		op := ops[i]
		op.ID = state.OperationID(state.State{Approvals: uint64(i)}, 1)
		op.Instance = "instance.a"
		st.Operations = st.Operations.With(op.ID, &op)
	}
	return st
}

var begin = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(minute int, phase state.Phase, code, message string) state.Operation {
	when := begin.Add(time.Duration(minute) * time.Minute)
	return state.Operation{Action: state.StartUp, Phase: phase, Reason: state.Reason{Code: code}, Error: message, Approved: when, Ended: when}
}

func TestTries(t *testing.T) {
	started := func(minute int) state.Operation { return at(minute, state.Done, planner.ReasonFoundStopped, "") }
	failed := func(minute int) state.Operation { return at(minute, state.Failed, planner.ReasonNew, "no") }
	for name, c := range map[string]struct {
		ops       []state.Operation
		n         int
		next      int // minute
		withdrawn bool
	}{
		"nothing":                 {nil, 0, 0, false},
		"what was asked for":      {[]state.Operation{at(0, state.Done, planner.ReasonStateChanged, "")}, 0, 0, false},
		"once":                    {[]state.Operation{started(0)}, 1, 1, false},
		"twice":                   {[]state.Operation{started(0), started(1)}, 2, 3, false},
		"a loop":                  {[]state.Operation{started(0), started(1), started(3), started(7)}, 4, 15, false},
		"well in between":         {[]state.Operation{started(0), started(1), started(20)}, 1, 21, false},
		"failed":                  {[]state.Operation{failed(0), failed(5)}, 2, 7, false},
		"worked at last":          {[]state.Operation{failed(0), at(5, state.Done, planner.ReasonNew, "")}, 0, 0, false},
		"cancelled":               {[]state.Operation{at(0, state.Cancelled, planner.ReasonNew, "cancelled by token aa")}, 0, 0, true},
		"cancelled, then asked":   {[]state.Operation{at(0, state.Cancelled, planner.ReasonNew, "cancelled"), at(1, state.Done, planner.ReasonNew, "")}, 0, 0, false},
		"replaced":                {[]state.Operation{at(0, state.Cancelled, planner.ReasonNew, "no longer planned")}, 0, 0, false},
		"could not be started":    {[]state.Operation{at(0, state.Cancelled, planner.ReasonNew, "it can't be started: no room")}, 1, 1, false},
		"under way":               {[]state.Operation{at(0, state.RunningOp, planner.ReasonFoundStopped, "")}, 0, 0, false},
		"no longer than the most": {[]state.Operation{started(0), started(1), started(3), started(7), started(15), started(31), started(63), started(123)}, 8, 183, false},
	} {
		like := &state.Operation{Action: state.StartUp, Instance: "instance.a", Reason: state.Reason{Code: planner.ReasonNew}}
		if len(c.ops) > 0 {
			like.Reason = c.ops[0].Reason
		}
		got := TriesOf(story(c.ops...)).Of(like)
		next := time.Time{}
		if c.n > 0 {
			next = begin.Add(time.Duration(c.next) * time.Minute)
		}
		if got.N != c.n || !got.Next.Equal(next) || got.Withdrawn != c.withdrawn {
			t.Errorf("%s: %+v, want %d, next %v, withdrawn %v", name, got, c.n, next, c.withdrawn)
		}
	}
}

// What comes after something that somebody cancelled was cancelled too; what comes after a failure wasn't.
func TestWithdrawnWithWhatItComesAfter(t *testing.T) {
	for first, want := range map[string]bool{"cancelled": true, "no longer planned": false} {
		st := story(at(0, state.Cancelled, planner.ReasonNew, first))
		second := at(0, state.Cancelled, planner.ReasonNew, "1-1, which it comes after, was cancelled")
		second.ID, second.Instance, second.After = "1-2", "instance.b", []string{"1-1"}
		st.Operations = st.Operations.With("1-2", &second)
		again := &state.Operation{Action: state.StartUp, Instance: "instance.b", Reason: state.Reason{Code: planner.ReasonNew}}
		if got := TriesOf(st).Of(again).Withdrawn; got != want {
			t.Errorf("after %q: withdrawn %v", first, got)
		}
		again.Reason.Code = planner.ReasonFoundStopped
		if TriesOf(st).Of(again).Withdrawn {
			t.Error("drift isn't mended because something else was cancelled")
		}
	}
}

// One deed's story is not another's.
func TestTriesAreOfOneDeed(t *testing.T) {
	tries := TriesOf(story(at(0, state.Done, planner.ReasonFoundStopped, ""), at(1, state.Done, planner.ReasonFoundChanged, "")))
	for kind, want := range map[Kind]int{Stopped: 1, Redefined: 1, Missing: 0, Disk: 0} {
		if got := tries.About(Finding{Kind: kind, Address: "instance.a"}).N; got != want {
			t.Errorf("%s: %d tries, want %d", kind, got, want)
		}
	}
}

// What was worked on since the host was looked at says nothing.
func TestFindNothingHalfWay(t *testing.T) {
	in := &state.Instance{Address: "instance.a", UUID: "u", Host: "host.h", Phase: state.Active, Domain: "np-a"}
	now := *in
	settled := state.State{ClusterID: "c"}
	settled.Instances = settled.Instances.With("instance.a", in)
	settled.Hosts = settled.Hosts.With("host.h", &state.Host{Address: "host.h", Claimed: true})
	settled.Desired = state.NewDesired(&spec.Spec{Instances: []spec.Instance{{Address: "instance.a", State: spec.Running}}})
	settled = settled.Reindex()
	since := settled
	since.Instances = since.Instances.With("instance.a", &now)
	since = since.Reindex()
	seen := &planner.HostObservation{Reachable: true, Claimed: true, Domains: []planner.Domain{
		{UUID: "u", Name: "np-a", Power: planner.PowerOff, Persistent: true, Cluster: "c", Address: "instance.a"},
	}}
	look := Look{
		State: settled, Before: settled, Shared: &planner.Observed{},
		Files:    func(state.Pool) state.State { return settled },
		Instance: func(string) (spec.Address, bool) { return "", false },
	}
	kindsAt := func(l Look) (all []Kind) {
		for _, f := range l.At("host.h", seen) {
			all = append(all, f.Kind)
		}
		return all
	}
	if diff := cmp.Diff([]Kind{Pool, Stopped}, kindsAt(look)); diff != "" {
		t.Errorf("at rest (-want +got):\n%s", diff)
	}
	look.Before = since
	if got := kindsAt(look); len(got) != 0 {
		t.Errorf("worked on since: %v", got)
	}
}
