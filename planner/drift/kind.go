package drift

import (
	"fmt"
	"slices"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
)

// Kind is a kind of difference. Its word is that of the settings.
type Kind string

// The kinds of difference.
const (
	Stopped    Kind = "stopped"    // a guest that should run is off
	Crashed    Kind = "crashed"    // a guest that should run crashed
	Saved      Kind = "saved"      // a guest that should run has its memory saved on its host
	Paused     Kind = "paused"     // a guest that should run has its vCPUs stopped
	Running    Kind = "running"    // a guest that was left off runs
	Redefined  Kind = "redefined"  // a domain isn't defined as recorded
	Renamed    Kind = "renamed"    // a domain has another name
	Missing    Kind = "missing"    // a domain is gone from its host
	Claim      Kind = "claim"      // our claim is gone from a host, or another's
	Unfinished Kind = "unfinished" // what was approved could not be done then
	Elsewhere  Kind = "elsewhere"  // a domain is on another host than recorded
	Unknown    Kind = "unknown"    // a domain with our stamp that the record doesn't know
	Disk       Kind = "disk"       // a disk's file is gone
	Pool       Kind = "pool"       // a pool that has disks of ours is gone
	Network    Kind = "network"    // a bridge or libvirt network that guests are plugged into is gone
	Host       Kind = "host"       // a host doesn't answer, or as another machine
)

// treatment is how a kind of difference is dealt with.
type treatment struct {
	kind Kind
	// otherwise is what becomes of it when nobody says. What a controller can undo without a guest noticing, and
	// without undoing what somebody may have done on purpose, is mended.
	otherwise state.DriftPolicy
	// codes are the reasons of the changes that mend it; none: it can't be mended, or not by an operation.
	codes []string
	fixed bool // it can only be reported
}

// kinds are all of them in the order in which people read them.
var kinds = []treatment{
	{kind: Stopped, otherwise: state.DriftMend, codes: []string{planner.ReasonFoundStopped}},
	{kind: Crashed, otherwise: state.DriftMend, codes: []string{planner.ReasonFoundCrashed}},
	{kind: Saved, otherwise: state.DriftMend, codes: []string{planner.ReasonFoundSaved}},
	{kind: Paused, otherwise: state.DriftReport, codes: []string{planner.ReasonFoundPaused}},
	{kind: Running, otherwise: state.DriftReport, codes: []string{planner.ReasonFoundRunning}},
	{kind: Redefined, otherwise: state.DriftReport, codes: []string{planner.ReasonFoundChanged}},
	{kind: Renamed, otherwise: state.DriftMend},
	{kind: Missing, otherwise: state.DriftReport, codes: []string{planner.ReasonFoundMissing}},
	{kind: Claim, otherwise: state.DriftReport, codes: []string{planner.ReasonFoundUnclaimed}},
	{kind: Unfinished, otherwise: state.DriftMend},
	{kind: Elsewhere, otherwise: state.DriftReport, fixed: true},
	{kind: Unknown, otherwise: state.DriftReport, fixed: true},
	{kind: Disk, otherwise: state.DriftReport, fixed: true},
	{kind: Pool, otherwise: state.DriftReport, fixed: true},
	{kind: Network, otherwise: state.DriftReport, fixed: true},
	{kind: Host, otherwise: state.DriftReport, fixed: true},
}

// Kinds lists all kinds.
func Kinds() []Kind {
	all := make([]Kind, len(kinds))
	for i := range kinds {
		all[i] = kinds[i].kind
	}
	return all
}

// PolicyOf returns what becomes of a kind of difference: what the settings say, else its default. What can't be mended
// is reported at most.
func PolicyOf(s state.Settings, kind Kind) state.DriftPolicy {
	for i := range kinds {
		if k := &kinds[i]; k.kind == kind {
			said, ok := s.Drift[string(kind)]
			if !ok || k.fixed && said == state.DriftMend {
				return k.otherwise
			}
			return said
		}
	}
	return state.DriftReport
}

// Check says what is wrong with the drift policies of settings.
func Check(policies map[string]state.DriftPolicy) error {
	for name, policy := range policies {
		i := slices.IndexFunc(kinds, func(k treatment) bool { return string(k.kind) == name })
		switch {
		case i < 0:
			return fmt.Errorf("drift of %q: there is no such kind, but %s", name, names())
		case policy != state.DriftMend && policy != state.DriftReport && policy != state.DriftIgnore:
			return fmt.Errorf("drift of %s: %q: want mend, report or ignore", name, policy)
		case kinds[i].fixed && policy == state.DriftMend:
			return fmt.Errorf("drift of %s can't be mended, only reported or ignored", name)
		}
	}
	return nil
}

func names() string {
	all := make([]string, len(kinds))
	for i := range kinds {
		all[i] = string(kinds[i].kind)
	}
	return strings.Join(all, ", ")
}

// Unmended returns the reasons of the changes that a controller doesn't make by itself: planner.Options.Leave.
func Unmended(s state.Settings) []string {
	return codes(s, func(p state.DriftPolicy) bool { return p != state.DriftMend })
}

// Ignored returns the reasons of the changes that nobody wants to hear of, not even who applies by hand.
func Ignored(s state.Settings) []string {
	return codes(s, func(p state.DriftPolicy) bool { return p == state.DriftIgnore })
}

func codes(s state.Settings, which func(state.DriftPolicy) bool) []string {
	var all []string
	for i := range kinds {
		if which(PolicyOf(s, kinds[i].kind)) {
			all = append(all, kinds[i].codes...)
		}
	}
	return all
}

func codesOf(kind Kind) []string {
	for i := range kinds {
		if kinds[i].kind == kind {
			return kinds[i].codes
		}
	}
	return nil
}

// KindOf returns the kind of difference that a change with a reason mends.
func KindOf(code string) Kind {
	for i := range kinds {
		if slices.Contains(kinds[i].codes, code) {
			return kinds[i].kind
		}
	}
	return Unfinished
}
