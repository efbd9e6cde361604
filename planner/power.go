package planner

import (
	"fmt"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// power compares what an instance does with what it is wanted to do.
func (c *computation) power(r *record) {
	if r.domain == nil || r.domain.Migrating || r.domain.Power == PowerIncoming {
		return
	}
	switch r.want.State {
	case spec.Running, "":
		c.wantRunning(r)
	case spec.Stopped:
		c.wantStopped(r)
	case spec.Paused:
		c.wantHeld(r, PowerPaused, state.Pause, ActPause)
	case spec.Suspended:
		c.wantHeld(r, PowerSaved, state.Suspend, ActSuspend)
	default:
		c.fail(Message{Code: CodeUnsupported, Address: r.address(), Source: r.source(),
			Summary: fmt.Sprintf("%s: state %q is not supported yet", r.address(), r.want.State)})
	}
}

func (c *computation) wantRunning(r *record) {
	switch r.domain.Power {
	case PowerOff, PowerCrashed:
		c.bringUp(r)
	case PowerSaved:
		if c.asked(r) && c.refuseLocked(r, r.want.Locked, "resume") {
			return
		}
		if !c.asked(r) && c.leaves(ReasonFoundSaved) {
			return
		}
		c.act(r, state.StartUp, ActResume, c.because(r, ReasonFoundSaved, "its memory was found saved on the host"))
	case PowerPaused:
		c.unpause(r)
	}
}

// bringUp starts what is off. That is recovery unless the spec just asked for it.
func (c *computation) bringUp(r *record) {
	if r.have.Stopped || c.asked(r) {
		if c.refuseLocked(r, r.want.Locked, "start") {
			return
		}
		c.act(r, state.StartUp, ActStart, wanted(spec.Running))
		return
	}
	reason := state.Reason{Code: ReasonFoundStopped, Message: "it was found stopped"}
	if r.domain.Power == PowerCrashed {
		reason = state.Reason{Code: ReasonFoundCrashed, Message: "the guest crashed"}
	}
	if !c.leaves(reason.Code) {
		c.act(r, state.StartUp, ActStart, reason)
	}
}

func (c *computation) unpause(r *record) {
	if c.halfMigrated(r) {
		return
	}
	if r.domain.PauseReason == "ioerror" {
		c.fail(Message{Code: CodeIOError, Address: r.address(), Source: r.source(),
			Summary: fmt.Sprintf("%s is paused on %s by an I/O error of its disk", r.address(), r.host.name()),
			Detail:  []string{"It stays paused so that nothing is lost: free space in its pool or mend the storage, then resume it", "with `virsh resume " + r.domain.Name + "` on the host."}})
		return
	}
	if c.asked(r) && c.refuseLocked(r, r.want.Locked, "resume") {
		return
	}
	if !c.asked(r) && c.leaves(ReasonFoundPaused) {
		return
	}
	c.act(r, state.Resume, ActResume, c.because(r, ReasonFoundPaused, "it was found paused"))
}

// halfMigrated: a migration that broke off paused the guest. It may run at the other end, which has to be
// looked at before anything is resumed here; after a failed post-copy neither end has all of it.
func (c *computation) halfMigrated(r *record) bool {
	reason := r.domain.PauseReason
	unseen := c.unseenHosts(r)
	if !strings.HasPrefix(reason, "postcopy") && (reason != "migration" || len(unseen) == 0) {
		return false
	}
	m := Message{Code: CodeSplitBrain, Address: r.address(), Source: r.source(),
		Summary: fmt.Sprintf("%s is paused on %s by a migration that broke off (%s)", r.address(), r.host.name(), reason),
		Detail:  []string{"It is not resumed: it may run at the other end."}}
	if len(unseen) > 0 {
		m.Detail = append(m.Detail, "Not looked at: "+joinNames(unseen, 4)+".")
	}
	c.fail(m)
	return true
}

func (c *computation) wantStopped(r *record) {
	switch r.domain.Power {
	case PowerOff, PowerCrashed:
		return
	case PowerRunning:
		if c.refuseLocked(r, r.want.Locked, "stop") {
			return
		}
		reason := wanted(spec.Stopped)
		if r.have.Stopped {
			reason = state.Reason{Code: ReasonFoundRunning, Message: "it was found running and is wanted stopped"}
		}
		if c.leaves(reason.Code) {
			return
		}
		c.act(r, state.Stop, ActStop, reason)
	default:
		c.impossible(r, "stopped", "running")
	}
}

// wantHeld pauses or suspends what runs; nothing else can be.
func (c *computation) wantHeld(r *record, is Power, action state.Action, shown ChangeAction) {
	switch r.domain.Power {
	case is:
		return
	case PowerRunning:
		if c.refuseLocked(r, r.want.Locked, string(shown)) {
			return
		}
		c.act(r, action, shown, wanted(r.want.State))
	case PowerOff, PowerCrashed:
		c.impossible(r, string(r.want.State), "running or stopped")
	default:
		c.impossible(r, string(r.want.State), "running")
	}
}

// impossible says which transition its state doesn't allow, and which would be.
func (c *computation) impossible(r *record, to, allowed string) {
	c.fail(Message{Code: CodeTransition, Address: r.address(), Source: r.source(),
		Summary: fmt.Sprintf("%s is %s and can't become %s from there", r.address(), plain(r.domain.Power), to),
		Detail:  []string{"Allowed now: state = " + quotedList(allowed) + ". Apply that first."}})
}

func quotedList(s string) string {
	if s == "running or stopped" {
		return `"running" or "stopped"`
	}
	return `"` + s + `"`
}

func plain(p Power) string {
	switch p {
	case PowerOff:
		return "stopped"
	case PowerSaved:
		return "suspended"
	}
	return string(p)
}

func wanted(p spec.Power) state.Reason {
	return state.Reason{Code: ReasonStateChanged, Message: fmt.Sprintf("state = %q", p)}
}

// asked reports whether a proposal changes the wanted state: then nobody did it behind our back.
func (c *computation) asked(r *record) bool {
	if c.desired.Base == nil {
		return false
	}
	was := c.desired.Base.Index.Instances[r.have.Address]
	return was != nil && was.State != r.want.State
}

// because is the wanted state when the spec changed it, else what was found.
func (c *computation) because(r *record, code, message string) state.Reason {
	if c.asked(r) {
		return wanted(spec.Running)
	}
	return state.Reason{Code: code, Message: message}
}
