package wire

import "time"

// Activity is work that is under way while a status is taken.
type Activity struct {
	Command    string    `json:"command"` // "apply", "destroy", "server", ...
	PID        int       `json:"pid"`
	Since      time.Time `json:"since,omitzero"` // when the apply that is followed began; zero: none is
	Operations int       `json:"operations"`     // begun and not ended
}
