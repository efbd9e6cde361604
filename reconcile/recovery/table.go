package recovery

import (
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/operation"
)

// Short names, so that the tables below can be read as tables.
const (
	unread   = operation.Unread
	gone     = operation.Gone
	off      = operation.Off
	on       = operation.On
	leaving  = operation.Leaving
	arriving = operation.Arriving
	halted   = operation.Halted
	strange  = operation.Strange

	proceed = operation.Proceed
	arrived = operation.Arrived
	wait    = operation.Wait
	undo    = operation.Undo
	resumeS = operation.ResumeSource
	resumeD = operation.ResumeDest
	freeze  = operation.Freeze
)

// ends are all sightings of an end of a migration, in the order of the tables.
var ends = [...]operation.Sighting{gone, off, on, leaving, arriving, halted, strange, unread}

// table maps source (row) and destination (column) to a verdict.
type table map[operation.Sighting][len(ends)]operation.Verdict

// live is for migrations of running guests. The hypervisors hand the guest over by themselves, so a
// destination that runs means that the source has stopped; where both seem to run, nothing is touched.
//
//   - Nothing anywhere, or a guest off at a destination whose source can't be read: freeze.
//   - A guest that went off while it moved stays where its definition is.
//   - Halted at both ends: the source has all of its memory, so it goes on there.
var live = table{
	//         gone     off      on       leaving  arriving halted   strange  unread   <- destination
	gone:     {freeze, arrived, arrived, freeze, wait, resumeD, freeze, freeze},
	off:      {undo, undo, arrived, freeze, wait, resumeD, freeze, freeze},
	on:       {proceed, proceed, freeze, freeze, wait, undo, freeze, freeze},
	leaving:  {wait, wait, wait, freeze, wait, wait, freeze, wait},
	arriving: {freeze, freeze, freeze, freeze, freeze, freeze, freeze, freeze},
	halted:   {resumeS, resumeS, wait, freeze, wait, resumeS, freeze, freeze},
	strange:  {freeze, freeze, freeze, freeze, freeze, freeze, freeze, freeze},
	unread:   {freeze, freeze, freeze, freeze, wait, freeze, freeze, freeze},
}

// cold is for guests that are off, or are switched off to be moved. Definitions are put at the
// destination before the source's is removed, and the destination starts after that.
var cold = table{
	//         gone     off      on       leaving  arriving halted   strange  unread   <- destination
	gone:     {freeze, proceed, proceed, freeze, freeze, freeze, freeze, freeze},
	off:      {proceed, proceed, proceed, freeze, freeze, freeze, freeze, freeze},
	on:       {proceed, proceed, freeze, freeze, freeze, freeze, freeze, freeze},
	leaving:  {freeze, freeze, freeze, freeze, freeze, freeze, freeze, freeze},
	arriving: {freeze, freeze, freeze, freeze, freeze, freeze, freeze, freeze},
	halted:   {undo, undo, freeze, freeze, freeze, freeze, freeze, freeze},
	strange:  {freeze, freeze, freeze, freeze, freeze, freeze, freeze, freeze},
	unread:   {freeze, freeze, freeze, freeze, freeze, freeze, freeze, freeze},
}

// Judge says what the two ends of a migration mean. It is an operation.Judge.
func Judge(kind state.Kind, source, destination operation.Sighting) operation.Verdict {
	t := cold
	if kind == state.Live {
		t = live
	}
	row, ok := t[source]
	if !ok {
		return freeze
	}
	for i, end := range ends {
		if end == destination {
			return row[i]
		}
	}
	return freeze
}
