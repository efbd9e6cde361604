package operation

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/cluster/state"
)

// TestSequencesAreWellFormed checks what the runner relies on.
func TestSequencesAreWellFormed(t *testing.T) {
	for _, seq := range Steps() {
		name := string(seq.Action) + string(seq.Kind)
		names := map[string]bool{}
		final := false
		for i, s := range seq.Steps {
			if s.Name == "" || s.Do == nil || !strings.HasSuffix(s.Does, ".") {
				t.Errorf("%s: step %d %q lacks a name, a sentence or what it does", name, i, s.Name)
			}
			if names[s.Name] {
				t.Errorf("%s: two steps %q", name, s.Name)
			}
			names[s.Name] = true
			if final && s.Undo != nil {
				t.Errorf("%s: %q can be undone, after the point of no return", name, s.Name)
			}
			if s.Final && !s.Committed {
				t.Errorf("%s: %q is the point of no return and not committed", name, s.Name)
			}
			final = final || s.Final
		}
	}
}

// TestEveryActionHasASequence: what the planner may ask for can be carried out.
func TestEveryActionHasASequence(t *testing.T) {
	for _, op := range []state.Operation{
		{Action: state.Create}, {Action: state.Terminate}, {Action: state.Migrate, Kind: state.Live},
		{Action: state.Migrate, Kind: state.Cold}, {Action: state.StartUp}, {Action: state.Stop},
		{Action: state.Pause}, {Action: state.Resume}, {Action: state.Suspend}, {Action: state.Redefine},
		{Action: state.Rebuild}, {Action: state.ClaimHost}, {Action: state.Unclaim}, {Action: state.Forget},
	} {
		if _, err := sequence(op); err != nil {
			t.Error(err)
		}
	}
	if _, err := sequence(state.Operation{Action: state.Migrate, Kind: state.Evacuate}); err == nil {
		t.Error("an evacuation is carried out without evidence")
	}
}

// TestSourceIsLeftLast: no step before the point of no return takes anything from the source of a
// migration but its definition, and its disks go after it.
func TestSourceIsLeftLast(t *testing.T) {
	for _, kind := range []state.Kind{state.Live, state.Cold} {
		seq, err := sequence(state.Operation{Action: state.Migrate, Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		at := func(name string) int {
			return slices.IndexFunc(seq.Steps, func(s Step) bool { return s.Name == name })
		}
		if moved, clean := at("moved"), at("clean"); moved < 0 || clean < moved || !seq.Steps[moved].Final {
			t.Errorf("%s: disks of the source go in step %d, the point of no return is %d", kind, clean, moved)
		}
		if start, moved := at("start"), at("moved"); kind == state.Cold && start < moved {
			t.Errorf("%s: it starts in step %d, before the source is left in %d", kind, start, moved)
		}
	}
}

// TestAStepIsNamedOnce: an error that begins with its step's name isn't given it once more.
func TestAStepIsNamedOnce(t *testing.T) {
	for said, want := range map[string]string{
		"image linux: wrong format":    "image linux: wrong format",
		"images can't be had":          "image: images can't be had",
		"host kvm1: the pool is full":  "image: host kvm1: the pool is full",
		"imagefs: permission denied":   "image: imagefs: permission denied",
		"the spec has no such network": "image: the spec has no such network",
	} {
		if got := inStep("image", errors.New(said)).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
