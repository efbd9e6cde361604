package wire

import "time"

// Keeping is how the fleet stands as the controller sees that keeps it.
type Keeping struct {
	At time.Time `json:"at"`
	// CutOff says why the controller takes itself to be the one that is cut off, and does nothing; absent: it isn't.
	CutOff string `json:"cut_off,omitempty"`
	// Waits says why what could be mended isn't, a clause each.
	Waits []string `json:"waits,omitempty"`
	// Drift is what isn't as recorded, and has lasted.
	Drift []Drift `json:"drift"`
}

// Drift is one difference that nobody asked for.
type Drift struct {
	Kind    string    `json:"kind"`
	Address string    `json:"address" doc:"of an instance or host"`
	Host    string    `json:"host,omitempty" doc:"address of the host where it was seen"`
	Message string    `json:"message"`
	Since   time.Time `json:"since"`
	Policy  string    `json:"policy" enum:"mend,report"`
	Tries   int       `json:"tries,omitempty" doc:"to mend it in a row, without lasting success"`
	Next    time.Time `json:"next,omitzero" doc:"before which it isn't tried again"`
}
