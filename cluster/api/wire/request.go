package wire

// Spec is an evaluated spec on its way: opaque chunks of the record's own encoding, content-addressed,
// so that a server that has one need not be sent it again. Secrets in it are sealed.
type Spec struct {
	Chunks []Chunk `json:"chunks"`
}

// Chunk is one part of an encoded spec.
type Chunk struct {
	Digest string `json:"digest"`
	Data   []byte `json:"data"`
}

// Options shape a plan and are part of what is approved.
type Options struct {
	AllowPartial bool     `json:"allow_partial,omitempty"`
	Target       []string `json:"target,omitempty"`
	Exclude      []string `json:"exclude,omitempty"`
	Destroy      bool     `json:"destroy,omitempty"`
}

// From says which of the record's specs a request is about, instead of bringing one.
type From struct {
	Revision uint64 `json:"revision,omitempty" doc:"a kept revision, as a rollback wants it"`
	Pending  string `json:"pending,omitempty" doc:"a plan that waits for approval"`
}

// PlanRequest asks what would be done.
type PlanRequest struct {
	Spec    *Spec   `json:"spec,omitempty"` // nil: the spec in force, or From's
	From    From    `json:"from,omitzero"`
	Options Options `json:"options,omitzero"`
}

// ApplyRequest approves a plan that was seen.
type ApplyRequest struct {
	Spec    *Spec   `json:"spec,omitempty"`
	From    From    `json:"from,omitzero"`
	Options Options `json:"options,omitzero"`
	Base    uint64  `json:"base"`
	Digest  string  `json:"digest"`
	// By counts only from the command that the controller lives in; of others it is known who they are.
	By      string `json:"by,omitempty"`
	Message string `json:"message,omitempty"`
	Commit  string `json:"commit,omitempty"`
	// Request is the id that follows everything this causes; also as the Idempotency-Key. "" makes one.
	Request string `json:"request,omitempty"`
}

// ExplainRequest asks why an instance is where it is, or where it would go.
type ExplainRequest struct {
	Spec    *Spec  `json:"spec,omitempty"`
	Address string `json:"address"`
}

// DoctorRequest asks for all checks of the hosts in a spec.
type DoctorRequest struct {
	Spec *Spec `json:"spec,omitempty"`
}

// StatusRequest asks what is there.
type StatusRequest struct {
	Spec *Spec `json:"spec,omitempty"`
}

// TakeoverRequest asks to rebuild the record from what is stamped on the hosts.
type TakeoverRequest struct {
	Spec *Spec `json:"spec"`
	// Gone are addresses of hosts that are off for good, or hold no guests of this fleet: the operator's word, which
	// is recorded.
	Gone []string `json:"gone,omitempty"`
	By   string   `json:"by,omitempty"`
}

// CancelRequest stops work: no further operation starts, and with Abort the running ones are asked to
// end too.
type CancelRequest struct {
	Abort bool `json:"abort,omitempty"`
	// Request is whose operations; "": of a command's own controller, all.
	Request string `json:"request,omitempty"`
}

// Error is what a failed request answers with.
type Error struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Detail  []string `json:"detail,omitempty"`
}

// Error makes it an error.
func (e *Error) Error() string { return e.Message }

// Identity says who serves the API.
type Identity struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
	Command string `json:"command"` // "apply", "server", ...
	Mode    string `json:"mode"`
	Cluster string `json:"cluster"`
	Fleet   string `json:"fleet"`
	Secrets bool   `json:"secrets,omitempty"` // some in the record were sealed with the cluster's key
}
