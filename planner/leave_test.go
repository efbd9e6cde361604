package planner

import (
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

func TestLeaveWhatWasFound(t *testing.T) {
	for name, c := range map[string]struct {
		was  spec.Power
		harm func(*world, *Domain, *state.Instance)
		code string
	}{
		"stopped": {spec.Running, func(_ *world, d *Domain, _ *state.Instance) { d.Power = PowerOff }, ReasonFoundStopped},
		"crashed": {spec.Running, func(_ *world, d *Domain, _ *state.Instance) { d.Power = PowerCrashed }, ReasonFoundCrashed},
		"saved":   {spec.Running, func(_ *world, d *Domain, _ *state.Instance) { d.Power = PowerSaved }, ReasonFoundSaved},
		"paused":  {spec.Running, func(_ *world, d *Domain, _ *state.Instance) { d.Power, d.PauseReason = PowerPaused, "user" }, ReasonFoundPaused},
		"running": {spec.Stopped, func(_ *world, d *Domain, _ *state.Instance) { d.Power = PowerRunning }, ReasonFoundRunning},
		"changed": {spec.Running, func(_ *world, d *Domain, _ *state.Instance) { d.MemoryMiB *= 2 }, ReasonFoundChanged},
		"missing": {spec.Running, func(w *world, _ *Domain, in *state.Instance) { w.drop(in.Host, in.UUID) }, ReasonFoundMissing},
		"unclaimed": {spec.Running, func(w *world, _ *Domain, in *state.Instance) {
			w.obs.Hosts[in.Host].Claimed, w.obs.Hosts[in.Host].Inventory.Owner = false, ""
		}, ReasonFoundUnclaimed},
	} {
		t.Run(name, func(t *testing.T) {
			w, s, in, _ := one(t)
			s = edit(s, func(s *spec.Spec) { s.Instances[0].State = c.was })
			if c.was == spec.Stopped {
				w.converge(s)
				in, _ = w.st.Instances.Get("instance.a")
			}
			c.harm(w, w.domain(in), in)
			mend := Compute(w.st, w.obs, testTime, Options{})
			if len(mend.Operations) != 1 || mend.Operations[0].Reason.Code != c.code {
				t.Fatalf("operations %+v, errors %+v", mend.Operations, mend.Errors)
			}
			left := Compute(w.st, w.obs, testTime, Options{Leave: []string{c.code}})
			if !left.Empty() || len(left.Errors) != 0 {
				t.Errorf("left: %+v %+v", left.Changes, left.Errors)
			}
			held := Compute(w.st, w.obs, testTime, Options{Hold: []spec.Address{mend.Operations[0].Subject()}})
			if !held.Empty() {
				t.Errorf("held: %+v", held.Changes)
			}
		})
	}
}

// What is held is neither made nor taken away, and what was asked for is done though the same would be left.
func TestHoldAndAsk(t *testing.T) {
	w, s, in, _ := one(t)
	next := edit(s, func(s *spec.Spec) {
		s.Instances = []spec.Instance{inst("b", "small")}
		s.Instances[0].Metadata = map[string]string{"another": "body"}
	})
	if p := w.plan(next, Options{}); len(p.Operations) != 2 {
		t.Fatalf("operations %+v, errors %+v", p.Operations, p.Errors)
	}
	if p := w.plan(next, Options{Hold: []spec.Address{"instance.a", "instance.b"}}); len(p.Operations) != 0 {
		t.Errorf("held: %+v", p.Operations)
	}
	stopped := edit(s, func(s *spec.Spec) { s.Instances[0].State = spec.Stopped })
	w.converge(stopped)
	if d := w.domain(in); d.Power != PowerOff {
		t.Fatal("it runs")
	}
	if p := w.plan(s, Options{Leave: []string{ReasonFoundStopped}}); len(p.Operations) != 1 {
		t.Errorf("what was asked for isn't done: %+v", p.Operations)
	}
}
