package planner

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// judged is a plan of a fleet that is to have instances ones, in which the first n of block web change so.
func judged(instances, n int, ch Change) *Plan {
	p := &Plan{Summary: Summary{Instances: instances}}
	for i := range n {
		ch.Address = spec.Address(fmt.Sprintf("instance.web[%d]", i))
		p.Changes = append(p.Changes, ch)
	}
	return p
}

func because(code string) state.Reason { return state.Reason{Code: code} }

func TestJudge(t *testing.T) {
	drain := Change{Action: ActMigrateLive, Reason: because(ReasonHostDrain)}
	settings := Change{Action: ActUpdate, Reason: because(ReasonSettings)}
	for name, c := range map[string]struct {
		plan   *Plan
		policy Policy
		why    []string // nil: it goes by itself
	}{
		"nothing":                {judged(40, 0, Change{}), Policy{}, nil},
		"nothing, none":          {judged(40, 0, Change{}), Policy{Auto: AutoNone}, nil},
		"creations":              {judged(40, 40, Change{Action: ActCreate, Reason: because(ReasonNew)}), Policy{}, nil},
		"creations, none":        {judged(40, 40, Change{Action: ActCreate}), Policy{Auto: AutoNone}, []string{"nothing is applied by itself (auto_apply is none)"}},
		"a drain":                {judged(40, 10, drain), Policy{}, nil},
		"a drain of what is off": {judged(40, 10, Change{Action: ActMigrateCold, Reason: because(ReasonHostDrain)}), Policy{}, nil},
		"a drain that interrupts": {judged(40, 1, Change{Action: ActMigrateCold, Reason: because(ReasonHostDrain), Interrupts: true}), Policy{},
			[]string{"1 instance would be interrupted"}},
		"moves by a zone": {judged(40, 3, Change{Action: ActMigrateLive, Reason: because(ReasonZoneChanged)}), Policy{},
			[]string{"3 of 40 instances would change, and the cap is 2"}},
		"settings within the cap": {judged(40, 2, settings), Policy{}, nil},
		"settings above it":       {judged(40, 3, settings), Policy{}, []string{"3 of 40 instances would change, and the cap is 2"}},
		"a wider cap":             {judged(40, 8, settings), Policy{Cap: Cap{Share: 0.2}}, nil},
		"a cap by count":          {judged(40, 9, settings), Policy{Cap: Cap{Count: 9}}, nil},
		"no cap":                  {judged(40, 40, settings), Policy{Cap: Cap{Off: true}}, nil},
		"one of a small fleet":    {judged(3, 1, settings), Policy{}, nil},
		"two of a small fleet":    {judged(3, 2, settings), Policy{}, []string{"2 of 3 instances would change, and the cap is 1"}},
		"mending":                 {judged(40, 20, Change{Action: ActUpdate, Reason: because(ReasonFoundChanged)}), Policy{}, nil},
		"mending by starting":     {judged(40, 20, Change{Action: ActStart, Reason: because(ReasonFoundStopped)}), Policy{}, nil},
		"restoring":               {judged(40, 20, Change{Action: ActRestore, Reason: because(ReasonFoundMissing)}), Policy{}, nil},
		"one termination": {judged(39, 1, Change{Action: ActTerminate, Interrupts: true}), Policy{},
			[]string{"1 instance would be terminated"}},
		"an empty fleet": {judged(0, 40, Change{Action: ActTerminate, Interrupts: true}), Policy{},
			[]string{"40 instances would be terminated", "40 of 40 instances would change, and the cap is 2"}},
		"an empty fleet, all": {judged(0, 40, Change{Action: ActTerminate, Interrupts: true}), Policy{Auto: AutoAll},
			[]string{"40 of 40 instances would change, and the cap is 2"}},
		"one termination, all": {judged(39, 1, Change{Action: ActTerminate, Interrupts: true}), Policy{Auto: AutoAll}, nil},
		"a restart":            {judged(40, 1, Change{Action: ActRestart}), Policy{}, []string{"1 instance would be restarted"}},
		"a stop":               {judged(40, 1, Change{Action: ActStop, Interrupts: true}), Policy{}, []string{"1 instance would be interrupted"}},
		"forgetting":           {judged(39, 1, Change{Action: ActForget}), Policy{}, []string{"1 instance would be forgotten"}},
		"an evacuation":        {judged(40, 1, Change{Action: ActEvacuate}), Policy{}, []string{"1 instance would be started elsewhere"}},
		"a host and an image": {&Plan{Changes: []Change{{Address: "host.a", Action: ActClaim}, {Address: "host.b", Action: ActUnclaim}, {Address: "image.i", Action: ActUpload}}},
			Policy{}, nil},
		"an error beside": {&Plan{Errors: []Message{{Summary: "kvm1 can't be emptied"}}}, Policy{}, nil},
		"an error that blocks": {&Plan{Errors: []Message{{Summary: "web looks renamed", Blocks: true}}}, Policy{Auto: AutoAll},
			[]string{"web looks renamed"}},
	} {
		t.Run(name, func(t *testing.T) {
			want := Verdict{Auto: c.why == nil, Why: c.why}
			if diff := cmp.Diff(want, Judge(c.plan, c.policy)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever the plan: what goes by itself under a stricter policy goes under a laxer one, a wider cap forbids
// nothing that a narrower one allows, and no termination goes by itself unless all may.
func TestJudgeIsMonotonous(t *testing.T) {
	actions := []ChangeAction{ActCreate, ActTerminate, ActMigrateLive, ActMigrateCold, ActEvacuate, ActStart, ActStop, ActRestart,
		ActUpdate, ActRestore, ActForget, ActMove, ActContinue}
	reasons := []string{ReasonNew, ReasonRemoved, ReasonHostDrain, ReasonZoneChanged, ReasonFoundStopped, ReasonSettings}
	rapid.Check(t, func(t *rapid.T) {
		p := &Plan{Summary: Summary{Instances: rapid.IntRange(0, 60).Draw(t, "instances")}}
		for i := range rapid.IntRange(0, 8).Draw(t, "changes") {
			p.Changes = append(p.Changes, Change{
				Address: spec.Address(fmt.Sprintf("instance.i[%d]", i)), Action: rapid.SampledFrom(actions).Draw(t, "action"),
				Reason: because(rapid.SampledFrom(reasons).Draw(t, "reason")), Interrupts: rapid.Bool().Draw(t, "interrupts"),
			})
		}
		narrow := Cap{Count: rapid.IntRange(1, 9).Draw(t, "count")}
		wide := Cap{Count: narrow.Count + rapid.IntRange(0, 9).Draw(t, "more"), Share: 0.5}
		order := []AutoApply{AutoNone, AutoSafe, AutoAll}
		for i, strict := range order {
			for _, lax := range order[i:] {
				if Judge(p, Policy{strict, narrow}).Auto && !Judge(p, Policy{lax, wide}).Auto {
					t.Fatalf("%s with %v allows what %s with %v doesn't", strict, narrow, lax, wide)
				}
			}
		}
		destroys := slices.ContainsFunc(p.Changes, func(ch Change) bool { return ch.Action == ActTerminate })
		if destroys && Judge(p, Policy{Cap: Cap{Off: true}}).Auto {
			t.Fatal("a termination goes by itself")
		}
	})
}
