package drift

import (
	"cmp"
	"strings"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
)

// Standing is how a fleet stands: what is not as recorded, and what is done about it.
type Standing struct {
	At time.Time
	// CutOff says why it is assumed that the controller is the one cut off, and does nothing; "": it isn't.
	CutOff string
	// Waits says why what could be mended isn't now, a clause each.
	Waits   []string
	Reports []Report // in order of kind and address
}

// Report is a difference that has lasted long enough to be told.
type Report struct {
	Finding
	Since  time.Time
	Policy state.DriftPolicy
	Tries  Tries
}

// Count returns how many differences of each kind there are.
func (s Standing) Count() map[Kind]int {
	counts := map[Kind]int{}
	for i := range s.Reports {
		counts[s.Reports[i].Kind]++
	}
	return counts
}

// rank is a kind's place in the order in which people read them.
func rank(kind Kind) int {
	for i := range kinds {
		if kinds[i].kind == kind {
			return i
		}
	}
	return len(kinds)
}

// Compare orders reports by kind, address and what.
func Compare(a, b Report) int {
	return cmp.Or(rank(a.Kind)-rank(b.Kind), strings.Compare(string(a.Address), string(b.Address)), strings.Compare(a.What, b.What))
}
