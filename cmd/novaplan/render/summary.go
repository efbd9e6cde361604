package render

import (
	"fmt"
	"strings"
)

// summary always says how many guests are interrupted, and never "no changes" with a host unseen.
func (t *planText) summary() {
	s := t.p.Summary
	if t.p.Empty() {
		t.nothing()
		return
	}
	if len(t.p.Changes) > 0 {
		t.b.WriteByte('\n')
	}
	var does, zero []string
	count := func(n int, did, none string) {
		if n > 0 {
			does = append(does, did)
		} else if none != "" {
			zero = append(zero, none)
		}
	}
	count(s.Create, Count(s.Create, "instance")+" to create", "")
	count(s.Migrations(), fmt.Sprintf("%d to migrate%s", s.Migrations(), t.kinds()), "0 to migrate")
	count(s.Restart, fmt.Sprintf("%d to restart in place", s.Restart), "")
	count(t.continued(), fmt.Sprintf("%d to continue", t.continued()), "")
	count(t.renames(), fmt.Sprintf("%d to rename", t.renames()), "")
	count(t.changed(), fmt.Sprintf("%d to change", t.changed()), "")
	count(s.Interrupt, "", "0 to interrupt")
	count(s.Terminate, fmt.Sprintf("%d to terminate", s.Terminate), "0 to terminate")
	does = remove(does, "")
	if len(does) == 0 {
		does = append(does, t.otherwise())
	}
	text := "Plan: " + strings.Join(does, ", ")
	if len(zero) > 0 {
		text += "; " + strings.Join(zero, ", ")
	}
	text += "."
	if s.Interrupt > 0 {
		text += " " + t.o.Palette.Warn("INTERRUPTS "+Count(s.Interrupt, "guest")+".")
	}
	t.line("%s%s", text, t.estimate())
}

// renames counts instances that only get another address.
func (t *planText) renames() int {
	n := 0
	for i := range t.p.Changes {
		if renamedFrom(&t.p.Changes[i]) != "" {
			n++
		}
	}
	return n
}

// changed counts instances that change in place: what happens to hosts has rows of its own.
func (t *planText) changed() int {
	n := t.p.Summary.Change - t.renames()
	for i := range t.p.Changes {
		if kindOf(t.p.Changes[i].Address) == "host" {
			n--
		}
	}
	return max(n, 0)
}

// continued counts what was approved before and isn't finished.
func (t *planText) continued() int {
	n := 0
	for i := range t.p.Changes {
		if t.p.Changes[i].Action == "continue" {
			n++
		}
	}
	return n
}

// otherwise is a plan without changes of instances.
func (t *planText) otherwise() string {
	hosts, others := 0, 0
	for i := range t.p.Changes {
		if kindOf(t.p.Changes[i].Address) == "host" {
			hosts++
		} else {
			others++
		}
	}
	switch {
	case hosts > 0:
		return Count(hosts, "host") + " to change"
	case others > 0:
		return Count(others, "change")
	}
	return Count(len(t.p.Operations)+len(t.p.Cancel), "operation") + " to finish or withdraw"
}

// kinds tells migrations apart: " (5 live, 1 cold)".
func (t *planText) kinds() string {
	s := t.p.Summary
	var parts []string
	for _, k := range []struct {
		n    int
		word string
	}{{s.Live, "live"}, {s.Cold, "cold"}, {s.Evacuate, "evacuated"}} {
		if k.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", k.n, k.word))
		}
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (t *planText) estimate() string {
	s := t.p.Summary
	if s.Seconds == 0 {
		return ""
	}
	text := " About " + Duration(s.Seconds)
	if s.Migrations() > 1 && t.o.Parallel > 0 {
		text += fmt.Sprintf("; %d at a time", min(t.o.Parallel, s.Migrations()))
	}
	return text + "."
}

func (t *planText) nothing() {
	s := t.p.Summary
	switch {
	case t.p.Blocked():
		t.line("Nothing can be done until this is put right.")
	case s.Unseen > 0 && s.Hosts > s.Unseen:
		others := "on the other host"
		if s.Hosts-s.Unseen > 1 {
			others = fmt.Sprintf("on the %d other hosts", s.Hosts-s.Unseen)
		}
		t.line("No changes %s.", others)
	case s.Unseen > 0:
		t.line("No host could be looked at: whether anything has to change is not known.")
	case t.p.Destroy:
		t.line("No changes. Nothing that was applied is left to terminate.")
	case t.o.Chosen:
		t.line("No changes to what was chosen with -target or -exclude (seen %s). The rest wasn't looked at.", Ago(t.seenAgo()))
	default:
		t.line("No changes. The fleet matches the spec (%s, %s, seen %s).",
			Count(s.Hosts, "host"), Count(s.Instances, "instance"), Ago(t.seenAgo()))
	}
}

func remove(list []string, what string) []string {
	var out []string
	for _, s := range list {
		if s != what {
			out = append(out, s)
		}
	}
	return out
}
