package wire

// PlanFormat is the format_version of a plan: major.minor. A reader refuses a major number that it
// doesn't know and ignores fields that it doesn't know.
const PlanFormat = "1.0"

// Plan is what would be done, and why.
type Plan struct {
	FormatVersion string `json:"format_version"`
	Version       string `json:"novaplan_version"` // of the program that computed it
	Mode          string `json:"mode"`             // "real" or "sim"
	Base          uint64 `json:"base"`             // number of the revision it starts from; 0: nothing was ever applied
	Digest        string `json:"digest"`           // of its operations: apply refuses when it computes another one
	Destroy       bool   `json:"destroy,omitempty"`
	ReadOnly      string `json:"read_only,omitempty"` // why this folder can't apply it; empty when it can

	Changes    []Change    `json:"changes"`
	Unplaced   []Unplaced  `json:"unplaced"`
	Errors     []Message   `json:"errors"`
	Warnings   []Message   `json:"warnings"`
	Operations []Operation `json:"operations"`
	Cancel     []string    `json:"cancel,omitempty"` // ids of operations approved earlier that are withdrawn first
	Hosts      []PlanHost  `json:"hosts"`
	Summary    Summary     `json:"summary"`
}

// Change is what happens to one block instance.
type Change struct {
	Address    string      `json:"address"`
	Name       string      `json:"name,omitempty"` // as people call it
	Action     string      `json:"action"`
	From       string      `json:"from,omitempty"` // address of the host it leaves
	To         string      `json:"to,omitempty"`   // address of the host it goes to
	Reason     Reason      `json:"reason"`
	Details    []string    `json:"details,omitempty"`
	Attributes []Attribute `json:"attributes,omitempty"`
	Interrupts bool        `json:"interrupts"` // the guest notices
	Bytes      int64       `json:"bytes,omitempty"`
	Operations []string    `json:"operations,omitempty"` // ids
	Placement  *Placement  `json:"placement,omitempty"`
}

// Reason is why: an enumerated code and a sentence for people.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Attribute is one attribute that differs.
type Attribute struct {
	Name string `json:"name"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Placement is how a host was chosen, or why none was.
type Placement struct {
	Host       string       `json:"host,omitempty"`
	Weight     float64      `json:"weight,omitempty"`
	Candidates int          `json:"candidates"` // hosts looked at
	Rejections []Rejection  `json:"rejections,omitempty"`
	Nearest    *Nearest     `json:"nearest,omitempty"`
	Ranked     []RankedHost `json:"ranked,omitempty"` // in explanations only
}

// Rejection counts the hosts that one filter removed.
type Rejection struct {
	Filter  string       `json:"filter"`
	Hosts   int          `json:"hosts"`
	Example string       `json:"example,omitempty"`
	Reasons []HostReason `json:"reasons,omitempty"` // in explanations only
}

// HostReason is why a filter removed a host.
type HostReason struct {
	Host    string `json:"host"`
	Message string `json:"message"`
}

// Nearest is the host that lacked least.
type Nearest struct {
	Host    string `json:"host"`
	Name    string `json:"name,omitempty"`
	Filter  string `json:"filter"`
	Message string `json:"message"`
}

// RankedHost is a host that passed all filters.
type RankedHost struct {
	Host   string       `json:"host"`
	Weight float64      `json:"weight"`
	Parts  []WeightPart `json:"parts,omitempty"`
}

// WeightPart is one weigher's share: normalized times multiplier.
type WeightPart struct {
	Weigher    string  `json:"weigher"`
	Raw        float64 `json:"raw"`
	Normalized float64 `json:"normalized"`
	Multiplier float64 `json:"multiplier"`
}

// Unplaced is an instance that can't be where it should be.
type Unplaced struct {
	Address   string     `json:"address"`
	Reason    Reason     `json:"reason"`
	Placement *Placement `json:"placement,omitempty"`
	Source    Source     `json:"source,omitzero"`
}

// Message is an error or a warning.
type Message struct {
	Code    string   `json:"code"`
	Address string   `json:"address,omitempty"`
	Summary string   `json:"summary"`
	Detail  []string `json:"detail,omitempty"`
	Source  Source   `json:"source,omitzero"`
	Blocks  bool     `json:"blocks,omitempty"` // an error that lets nothing of the plan be applied
}

// Source is a line of the spec.
type Source struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Operation is one step of carrying the plan out.
type Operation struct {
	ID       string   `json:"id"`
	Action   string   `json:"action"`
	Instance string   `json:"instance,omitempty"`
	From     string   `json:"from,omitempty"`
	To       string   `json:"to,omitempty"`
	Kind     string   `json:"kind,omitempty"`
	After    []string `json:"after,omitempty"` // ids that must be done before
	Phase    string   `json:"phase,omitempty"` // empty: not approved yet
	Error    string   `json:"error,omitempty"`
}

// PlanHost is a host that the plan looked at, in spec order.
type PlanHost struct {
	Address   string `json:"address"`
	Name      string `json:"name"`
	Zone      string `json:"zone,omitempty"`
	Mode      string `json:"mode,omitempty"`
	Reachable bool   `json:"reachable"`
	Claimed   bool   `json:"claimed"`
	SeenAgo   int64  `json:"seen_ago_ms,omitempty"` // milliseconds since it was last seen
	Error     string `json:"error,omitempty"`
}

// Summary counts a plan.
type Summary struct {
	Create    int   `json:"create"`
	Terminate int   `json:"terminate"`
	Live      int   `json:"migrate_live"`
	Cold      int   `json:"migrate_cold"`
	Evacuate  int   `json:"evacuate"`
	Change    int   `json:"change"`
	Restart   int   `json:"restart"`
	Interrupt int   `json:"interrupt"` // guests that notice
	Unplaced  int   `json:"unplaced"`
	Hosts     int   `json:"hosts"`
	Instances int   `json:"instances"`
	Unseen    int   `json:"unseen_hosts"`
	Seconds   int   `json:"estimate_seconds,omitempty"`
	Bytes     int64 `json:"bytes,omitempty"`
}

// Migrations counts instances that go to another host.
func (s Summary) Migrations() int { return s.Live + s.Cold + s.Evacuate }

// Empty reports whether carrying the plan out would do nothing.
func (p *Plan) Empty() bool {
	return len(p.Changes) == 0 && len(p.Operations) == 0 && len(p.Cancel) == 0
}

// Blocked reports whether something wanted can't be done.
func (p *Plan) Blocked() bool { return len(p.Errors) > 0 || len(p.Unplaced) > 0 }

// Refused returns the errors that let nothing of the plan be applied.
func (p *Plan) Refused() []Message {
	var out []Message
	for _, m := range p.Errors {
		if m.Blocks {
			out = append(out, m)
		}
	}
	return out
}
