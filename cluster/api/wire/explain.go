package wire

// ExplainFormat is the format_version of an explanation.
const ExplainFormat = "1.0"

// Explanation says why an instance is where it is and where it could go.
type Explanation struct {
	FormatVersion string     `json:"format_version"`
	Address       string     `json:"address"`
	Host          string     `json:"host,omitempty"`      // where it is now; empty: nowhere
	HostName      string     `json:"host_name,omitempty"` // as people call it
	Since         string     `json:"since,omitempty"`     // what put it there
	Change        *Change    `json:"change,omitempty"`    // what the plan does to it
	Unplaced      *Unplaced  `json:"unplaced,omitempty"`
	Placement     *Placement `json:"placement,omitempty"` // of an instance that stays: where it would go if it were placed now
	Messages      []Message  `json:"messages,omitempty"`  // errors and warnings about it
	// Names gives hosts the names people use, by address.
	Names map[string]string `json:"names"`
}

// Check is one line of a doctor's report.
type Check struct {
	Host   string `json:"host,omitempty"`
	Peer   string `json:"peer,omitempty"` // of a check between two hosts
	Name   string `json:"name"`
	Status string `json:"status"` // ok, warning, failed, skipped
	Detail string `json:"detail,omitempty"`
	Fix    string `json:"fix,omitempty"` // the command that mends it
}

// CheckFormat is the format_version of a report.
const CheckFormat = "1.0"

// Report is what doctor found.
type Report struct {
	FormatVersion string  `json:"format_version"`
	Checks        []Check `json:"checks"`
}

// Failed counts the checks that failed.
func (r *Report) Failed() int {
	n := 0
	for _, c := range r.Checks {
		if c.Status == "failed" {
			n++
		}
	}
	return n
}
