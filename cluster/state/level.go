package state

// Level is the highest behaviour of Apply that this binary knows. Every change of what Apply does is
// gated by State.Level, which a command raises once all members support it. A proposer must not propose
// what the level in force doesn't have: a member of an older version would halt.
const Level uint32 = 2

// The levels.
const (
	// LevelMain is the main job: revisions, operations, instances.
	LevelMain uint32 = 1
	// LevelServed adds what a server needs: tokens, plans that wait for approval, settings, requests that
	// are answered again, and who did what from where in the history. And Operation.Unit: affinity groups that move as a whole; what
	// a takeover didn't see; and which cached images are ours.
	LevelServed uint32 = 2
)

// served refuses what only LevelServed has.
func (t *transition) served() *Refusal {
	if t.Level < LevelServed {
		return refuse(NotReady, "the record is at level %d: every member must be of a version that knows level %d first", t.Level, LevelServed)
	}
	return nil
}
