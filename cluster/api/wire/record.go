package wire

import "time"

// HistoryEvent is one line of the history: who did what, when, from where.
type HistoryEvent struct {
	Seq     uint64    `json:"seq" doc:"grows by one with each event; resume after it"`
	At      time.Time `json:"at"`
	Index   uint64    `json:"index" doc:"of the log entry"`
	Kind    string    `json:"kind"`
	Address string    `json:"address,omitempty"`
	Message string    `json:"message"`
	By      string    `json:"by,omitempty"`
	Request string    `json:"request,omitempty"`
	From    string    `json:"from,omitempty" doc:"where By was"`
}

// History is a part of the history, oldest first.
type History struct {
	Events []HistoryEvent `json:"events"`
	Oldest uint64         `json:"oldest" doc:"number of the oldest event that is kept; 0: there is none"`
	Newest uint64         `json:"newest"`
}

// Revision is one approved version of the spec.
type Revision struct {
	Number  uint64    `json:"number"`
	Base    uint64    `json:"base"`
	Stack   string    `json:"stack,omitempty"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Message string    `json:"message,omitempty"`
	Commit  string    `json:"commit,omitempty"`
	InForce bool      `json:"in_force,omitempty"`
}

// Revisions are those that are kept, oldest first.
type Revisions struct {
	Revisions []Revision `json:"revisions"`
}

// Difference is what two revisions say differently.
type Difference struct {
	From   uint64      `json:"from"`
	To     uint64      `json:"to"`
	Blocks []BlockDiff `json:"blocks"`
}

// BlockDiff is one block that differs.
type BlockDiff struct {
	Address    string      `json:"address"`
	Change     string      `json:"change" enum:"added,removed,changed"`
	Attributes []Attribute `json:"attributes,omitempty"`
}

// Operations are those that are under way and those that ended lately, in the order in which they were approved.
type Operations struct {
	Operations []OperationDetail `json:"operations"`
}

// OperationDetail is an operation with all that the record knows of it.
type OperationDetail struct {
	Operation
	Reason   Reason    `json:"reason"`
	Request  string    `json:"request,omitempty"`
	Revision uint64    `json:"revision"`
	Steps    []string  `json:"steps,omitempty"`
	Attempt  int       `json:"attempt,omitempty"`
	Approved time.Time `json:"approved,omitzero"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
}

// Applied is what became of an approval; its work goes on.
type Applied struct {
	Request    string      `json:"request" doc:"follow it with GET /v1/requests/{request}/events"`
	Revision   uint64      `json:"revision"`
	Operations []Operation `json:"operations"`
	Repeated   bool        `json:"repeated,omitempty" doc:"this request was approved before; nothing was approved now"`
}

// PendingPlan is a plan that waits for approval.
type PendingPlan struct {
	ID      string    `json:"id"`
	Stack   string    `json:"stack,omitempty"`
	Base    uint64    `json:"base"`
	Digest  string    `json:"digest" doc:"of the plan as it was when it came"`
	Summary string    `json:"summary"`
	Why     []string  `json:"why" doc:"it waits, a sentence each"`
	From    string    `json:"from,omitempty" doc:"folder that it came from"`
	Commit  string    `json:"commit,omitempty"`
	Message string    `json:"message,omitempty"`
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at"`
}

// PendingPlans are those that wait.
type PendingPlans struct {
	Plans []PendingPlan `json:"plans"`
}

// Token is what may be known of a token.
type Token struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Role      string    `json:"role" enum:"viewer,operator,admin"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires,omitzero"`
	Revoked   time.Time `json:"revoked,omitzero"`
	By        string    `json:"by,omitempty"`
	RevokedBy string    `json:"revoked_by,omitempty"`
	Live      bool      `json:"live"`
}

// Tokens are all that are kept.
type Tokens struct {
	Tokens []Token `json:"tokens"`
}

// TokenRequest asks for a new token.
type TokenRequest struct {
	Name    string `json:"name" maxLength:"128" doc:"for the history"`
	Role    string `json:"role" enum:"viewer,operator,admin"`
	Seconds int64  `json:"seconds,omitempty" minimum:"0" doc:"until it expires; 0: never"`
}

// NewToken is a token with its secret, which is shown this once.
type NewToken struct {
	Token
	Secret string `json:"secret" doc:"what to send as a bearer token; it can't be shown again"`
}

// Settings are how the controllers behave.
type Settings struct {
	AutoApply  string            `json:"auto_apply,omitempty" enum:"all,safe,none" doc:"what of a watched folder is carried out unasked"`
	CapCount   int               `json:"cap_count,omitempty" minimum:"0" doc:"instances that one unasked apply may change"`
	CapPercent int               `json:"cap_percent,omitempty" minimum:"0" maximum:"100" doc:"the same as a share; the larger one counts"`
	Drift      map[string]string `json:"drift,omitempty" doc:"mend, report or ignore, by kind of difference"`
}

// SealRequest asks to seal texts, so that a spec can be sent by somebody who has no key.
type SealRequest struct {
	Texts []string `json:"texts"`
}

// Sealed are the texts of a SealRequest, in its order.
type Sealed struct {
	Secrets []SealedText `json:"secrets"`
}

// SealedText is one sealed text, and by what it is compared.
type SealedText struct {
	HMAC   []byte `json:"hmac"`
	Sealed []byte `json:"sealed"`
}

// Health says how the answering member is.
type Health struct {
	OK     bool   `json:"ok"`
	Leads  bool   `json:"leads"`
	Leader string `json:"leader,omitempty"`
	Index  uint64 `json:"index"`
}

// Members are the members of the cluster.
type Members struct {
	Members []Member `json:"members"`
}

// Member is one member as the leader knows it.
type Member struct {
	ID          string `json:"id"`
	Address     string `json:"address"`
	Voter       bool   `json:"voter"`
	Leader      bool   `json:"leader"`
	Healthy     bool   `json:"healthy"`
	Problem     string `json:"problem,omitempty" doc:"why it isn't healthy"`
	LastContact int64  `json:"last_contact_ms"`
	Applied     uint64 `json:"applied_index"`
	Version     string `json:"version,omitempty"`
	Level       uint32 `json:"level,omitempty"`
}

// Snapshot is what an archive of the record says of itself.
type Snapshot struct {
	Format     int       `json:"format"`
	Created    time.Time `json:"created"`
	By         string    `json:"by,omitempty" doc:"the member that saved it"`
	Cluster    string    `json:"cluster"`
	Fleet      string    `json:"fleet"`
	Mode       string    `json:"mode"`
	Level      uint32    `json:"level"`
	Index      uint64    `json:"index" doc:"of the last command in it"`
	Term       uint64    `json:"term"`
	Revision   uint64    `json:"revision"`
	Time       time.Time `json:"time,omitzero" doc:"replicated time"`
	Hosts      int       `json:"hosts"`
	Instances  int       `json:"instances"`
	Operations int       `json:"operations"`
	Bytes      int64     `json:"bytes"`
}
