package wire

import (
	"encoding/json"
	"time"
)

// EventFormat is the format_version of the first event of a stream.
const EventFormat = "1.0"

// EventType says which fields of an Event are set.
type EventType string

// The types of event, in the order in which an apply sends them.
const (
	EventPlan     EventType = "plan"     // Plan: what apply is about to do; written by the command
	EventApproved EventType = "approved" // Revision, Operations: the plan is committed and begins
	EventStale    EventType = "stale"    // Plan: something changed since the plan was seen; nothing was committed
	EventProgress EventType = "progress" // Operation, Step, Done, Total, Rate
	EventFinished EventType = "finished" // Operation: done, failed, cancelled or revoked
	EventSettled  EventType = "settled"  // Result: nothing of it is under way any more; the last event
	EventError    EventType = "error"    // Error: the stream ends early
	EventOutputs  EventType = "outputs"  // Outputs, Status: written by the command at its end
)

// Event is one line of what happens during an apply.
type Event struct {
	FormatVersion string      `json:"format_version,omitempty"`
	Type          EventType   `json:"type"`
	At            time.Time   `json:"at"`
	Revision      uint64      `json:"revision,omitempty"`
	Operations    []Operation `json:"operations,omitempty"`
	Plan          *Plan       `json:"plan,omitempty"`
	Operation     *Operation  `json:"operation,omitempty"`
	Step          string      `json:"step,omitempty"`
	Done          int64       `json:"done,omitempty"`  // bytes
	Total         int64       `json:"total,omitempty"` // bytes
	Rate          int64       `json:"rate,omitempty"`  // bytes/s
	Message       string      `json:"message,omitempty"`
	Result        *Result     `json:"result,omitempty"`
	Error         *Error      `json:"error,omitempty"`
	Status        *Status     `json:"status,omitempty"`

	Outputs map[string]json.RawMessage `json:"outputs,omitempty"`
}

// Result is what became of an apply.
type Result struct {
	Done      int         `json:"done"`
	Failed    []Operation `json:"failed"`
	Left      []Operation `json:"left"` // not done because something before it failed, or because work was stopped
	Cancelled bool        `json:"cancelled,omitempty"`
}
