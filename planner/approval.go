package planner

import (
	"fmt"
	"strings"

	"github.com/novaplan/novaplan/spec"
)

// AutoApply says what may be carried out without anybody's word.
type AutoApply string

// What may be carried out by itself: everything, what destroys, rebuilds and restarts nothing, or nothing.
const (
	AutoAll  AutoApply = "all"
	AutoSafe AutoApply = "safe" // the default
	AutoNone AutoApply = "none"
)

// The default cap: the larger of the two. A fleet of up to twenty instances may lose the use of one.
const (
	DefaultCapCount = 1
	DefaultCapShare = 0.05
)

// Policy is how far plans may be approved without anybody's word. The zero Policy is the default one.
type Policy struct {
	Auto AutoApply // "": AutoSafe
	Cap  Cap
}

// Cap bounds how many instances one plan may change: the larger of Count and Share of those that exist. It
// keeps a half-saved file or a wrong branch from emptying a fleet. Above it, the whole plan waits.
type Cap struct {
	Count int     // 0: DefaultCapCount
	Share float64 // between 0 and 1; 0: DefaultCapShare
	Off   bool    // there is no cap
}

// Of returns how many of existing instances may be changed by one plan.
func (c Cap) Of(existing int) int {
	count, share := c.Count, c.Share
	if count == 0 {
		count = DefaultCapCount
	}
	if share == 0 {
		share = DefaultCapShare
	}
	return max(count, int(share*float64(existing)))
}

// Verdict says whether a plan may be carried out by itself, and if not, all the reasons why.
type Verdict struct {
	Auto bool
	Why  []string // each a clause: "2 instances would be terminated"
}

// Judge decides whether p may be approved without anybody's word. It is pure, and looks at the changes, the
// errors and the summary of p only.
//
// What needs a word under AutoSafe is what can't be taken back or what a guest notices: termination, rebuild,
// restart, stop, pause, evacuation, and forgetting. What the cap counts is what happens to instances that exist;
// creations, the continuation of what was approved, the mending of what was done behind our back and the moves
// that a drain needs are not counted, or no host could be emptied by editing its mode.
//
// A plan of which something can't be done may still be carried out as far as it goes; one with an error that
// blocks may not (Plan.Blocked).
func Judge(p *Plan, policy Policy) Verdict {
	var why []string
	if m := p.Blocked(); m != nil {
		why = append(why, m.Summary)
	}
	switch policy.Auto {
	case AutoAll:
	case AutoNone:
		if !p.Empty() {
			why = append(why, "nothing is applied by itself (auto_apply is none)")
		}
	default:
		why = append(why, unsafe(p)...)
	}
	of := existing(p)
	if limit, n := policy.Cap.Of(of), capped(p); n > limit && !policy.Cap.Off {
		why = append(why, fmt.Sprintf("%d of %d instances would change, and the cap is %d", n, of, limit))
	}
	return Verdict{Auto: len(why) == 0, Why: why}
}

// unsafe lists what destroys, rebuilds, restarts or interrupts, one clause for each kind.
func unsafe(p *Plan) []string {
	counts := map[string]int{}
	for i := range p.Changes {
		if what := deedOf(&p.Changes[i]); what != "" {
			counts[what]++
		}
	}
	var why []string
	for _, what := range []string{beTerminated, beForgotten, beEvacuated, beRestarted, beInterrupted} {
		if n := counts[what]; n > 0 {
			why = append(why, fmt.Sprintf("%s would be %s", counted(n, "instance", "instances"), what))
		}
	}
	return why
}

const (
	beTerminated  = "terminated"
	beForgotten   = "forgotten"
	beEvacuated   = "started elsewhere"
	beRestarted   = "restarted"
	beInterrupted = "interrupted"
)

func deedOf(ch *Change) string {
	switch {
	case ch.Action == ActTerminate:
		return beTerminated
	case ch.Action == ActForget:
		return beForgotten
	case ch.Action == ActEvacuate:
		return beEvacuated
	case ch.Action == ActRestart:
		return beRestarted
	case ch.Interrupts:
		return beInterrupted
	}
	return ""
}

// capped counts the instances that the cap is about, each once.
func capped(p *Plan) int {
	touched := map[spec.Address]bool{}
	for i := range p.Changes {
		if ch := &p.Changes[i]; ch.Address.Kind() == "instance" && underCap(ch) {
			touched[ch.Address] = true
		}
	}
	return len(touched)
}

func underCap(ch *Change) bool {
	switch ch.Action {
	case ActCreate, ActContinue, ActUpload, ActStart, ActResume:
		return false
	case ActMigrateLive, ActMigrateCold:
		serves := ch.Reason.Code == ReasonHostDrain || ch.Reason.Code == ReasonHop
		return !serves || ch.Interrupts
	}
	return ch.Interrupts || !strings.HasPrefix(ch.Reason.Code, foundPrefix)
}

// foundPrefix begins the codes of what was found behind our back.
const foundPrefix = "found-"

// existing is how many instances there are before p is carried out: those that stay and those that go.
func existing(p *Plan) int {
	n := p.Summary.Instances
	for i := range p.Changes {
		switch ch := &p.Changes[i]; {
		case ch.Address.Kind() != "instance":
		case ch.Action == ActCreate:
			n--
		case ch.Action == ActTerminate, ch.Action == ActForget:
			n++
		}
	}
	return max(n, 0)
}
