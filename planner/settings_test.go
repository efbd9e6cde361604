package planner

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/novaplan/novaplan/spec"
)

func TestSettingsAreRecordedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		change func(in *spec.Instance)
		want   string
		warns  bool
	}{
		"retention":  {func(in *spec.Instance) { in.TrashRetention = 90 * time.Minute }, "trash_retention 24h -> 1h30m", false},
		"timeout":    {func(in *spec.Instance) { in.ShutdownTimeout = 5 * time.Second }, "shutdown_timeout 1m -> 5s", false},
		"lock":       {func(in *spec.Instance) { in.Locked = "payday" }, "locked  -> payday", false},
		"update":     {func(in *spec.Instance) { in.Update = &spec.Update{MaxParallel: 3} }, "update.max_parallel 1 -> 3", false},
		"protection": {func(in *spec.Instance) { in.Lifecycle.PreventDestroy = true }, "lifecycle.prevent_destroy false -> true", false},
		"flavor":     {func(in *spec.Instance) { in.Flavor = "flavor.same" }, "flavor small -> same", false},
		"metadata":   {func(in *spec.Instance) { in.Metadata = map[string]string{"a": "b"} }, "metadata as it was -> changed", true},
		"keypair":    {func(in *spec.Instance) { in.Keypair = "keypair.k" }, "keypair as it was -> changed", true},
		"user data": {func(in *spec.Instance) { in.UserData.HMAC = []byte("new") },
			"user_data as it was -> changed", true},
		"ignored": {func(in *spec.Instance) {
			in.Metadata, in.Lifecycle.IgnoreChanges = map[string]string{"a": "b"}, []string{"metadata"}
		}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := fleetSpec(2, inst("web", "small"))
			s.Flavors = append(s.Flavors, spec.Flavor{Address: "flavor.same", Name: "same", VCPUs: 1, RAM: 1024, Disk: 1024})
			s.Instances[0].TrashRetention, s.Instances[0].ShutdownTimeout = 24*time.Hour, time.Minute
			s.Instances[0].UserData.HMAC = []byte("old")
			w := newWorld(t, s)
			w.converge(s)
			changed := edit(s, func(s *spec.Spec) { c.change(&s.Instances[0]) })
			p := w.approve(changed, Options{})
			var shown []string
			for _, ch := range p.Changes {
				for _, a := range ch.Attributes {
					shown = append(shown, fmt.Sprintf("%s %s -> %s", a.Name, a.Old, a.New))
				}
			}
			if got := strings.Join(shown, ", "); got != c.want || len(p.Operations) > 0 || p.Summary.Interrupt > 0 {
				t.Errorf("%q, want %q; %d operations", got, c.want, len(p.Operations))
			}
			if slices.Contains(codes(p.Warnings), CodeFirstBoot) != c.warns {
				t.Errorf("warnings: %+v", p.Warnings)
			}
			w.settled()
			again := w.plan(changed, Options{})
			if !again.Empty() || len(again.Warnings) > 0 {
				t.Errorf("planned again: %+v %+v", again.Changes, again.Warnings)
			}
			in, _ := w.st.Instances.Get("instance.web")
			if want := changed.Instances[0]; in.TrashRetention != want.TrashRetention || in.ShutdownTimeout != want.ShutdownTimeout || in.Flavor != want.Flavor {
				t.Errorf("recorded: %+v", in)
			}
		})
	}
}
