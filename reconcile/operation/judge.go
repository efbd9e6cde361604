package operation

import "github.com/novaplan/novaplan/cluster/state"

// Sighting is what one end of a migration looks like.
type Sighting string

// The sightings.
const (
	Unread   Sighting = "unread"   // the host does not answer
	Gone     Sighting = "gone"     // no such domain
	Off      Sighting = "off"      // defined, no process
	On       Sighting = "on"       // running, or paused by somebody
	Leaving  Sighting = "leaving"  // being migrated away
	Arriving Sighting = "arriving" // being migrated in, not running yet
	Halted   Sighting = "halted"   // paused by a migration that did not end
	Strange  Sighting = "strange"  // not ours, saved, or of a generation that we never gave
)

// Verdict is what two sightings mean.
type Verdict string

// The verdicts.
const (
	Proceed      Verdict = "proceed"       // do (or repeat) the migration
	Arrived      Verdict = "arrived"       // it is at the destination: finish
	Wait         Verdict = "wait"          // something is under way: look again
	Undo         Verdict = "undo"          // it stays where it was: remove what was made for it
	ResumeSource Verdict = "resume-source" // let it go on where it was, then undo
	ResumeDest   Verdict = "resume-dest"   // let it go on where it has arrived
	Freeze       Verdict = "freeze"        // it can't be known: touch nothing
)

// Judge says what a migration's two ends mean.
type Judge func(kind state.Kind, source, destination Sighting) Verdict
