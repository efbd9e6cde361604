package state

import (
	"fmt"

	"github.com/novaplan/novaplan/spec"
)

// AutoApply says what of a watched folder is carried out unasked.
type AutoApply string

// What is carried out unasked.
const (
	ApplyAll  AutoApply = "all"
	ApplySafe AutoApply = "safe" // nothing is destroyed, rebuilt or restarted
	ApplyNone AutoApply = "none"
)

// DriftPolicy says what becomes of a difference that nobody asked for.
type DriftPolicy string

// What becomes of drift.
const (
	DriftMend   DriftPolicy = "mend"
	DriftReport DriftPolicy = "report"
	DriftIgnore DriftPolicy = "ignore"
)

// Settings are how the controllers behave: not what the fleet should be, which the spec says.
type Settings struct {
	AutoApply AutoApply `json:"auto_apply,omitempty"` // "" is safe
	// CapCount and CapPercent bound how much one unasked apply may change: the larger of both. 0 is the
	// default, 1 and 5.
	CapCount   int                    `json:"cap_count,omitempty"`
	CapPercent int                    `json:"cap_percent,omitempty"`
	Drift      map[string]DriftPolicy `json:"drift,omitempty"` // by kind of difference; what is absent has its kind's default
}

// Defaults of the settings.
const (
	DefaultCapCount   = 1
	DefaultCapPercent = 5
)

// Cap returns how many of n instances may be changed by one apply that nobody approved.
func (s Settings) Cap(n int) int {
	count, percent := s.CapCount, s.CapPercent
	if count == 0 && percent == 0 {
		count, percent = DefaultCapCount, DefaultCapPercent
	}
	return max(count, n*percent/100)
}

// Auto returns what is carried out unasked.
func (s Settings) Auto() AutoApply {
	if s.AutoApply == "" {
		return ApplySafe
	}
	return s.AutoApply
}

// SetSettings replaces the settings.
type SetSettings struct {
	Settings Settings `json:"settings"`
	By       string   `json:"by,omitempty"`
	Request  string   `json:"request,omitempty"`
	From     string   `json:"from,omitempty"`
}

// Note adds a line to the history about what changes nothing else in the record: a login that failed, a console that
// was opened.
type Note struct {
	Kind    string       `json:"kind"`
	Message string       `json:"message"`
	Address spec.Address `json:"address,omitempty"`
	By      string       `json:"by,omitempty"`
	Request string       `json:"request,omitempty"`
	From    string       `json:"from,omitempty"`
}

func (t *transition) setSettings(c *SetSettings) *Refusal {
	if refused := t.served(); refused != nil {
		return refused
	}
	s := c.Settings
	switch s.AutoApply {
	case "", ApplyAll, ApplySafe, ApplyNone:
	default:
		return refuse(Invalid, "auto_apply %q: want all, safe or none", s.AutoApply)
	}
	if s.CapCount < 0 || s.CapPercent < 0 || s.CapPercent > 100 {
		return refuse(Invalid, "a cap of %d and %d percent", s.CapCount, s.CapPercent)
	}
	for kind, policy := range s.Drift {
		switch policy {
		case DriftMend, DriftReport, DriftIgnore:
		default:
			return refuse(Invalid, "drift of %s: %q: want mend, report or ignore", kind, policy)
		}
	}
	t.Settings = s
	t.event(Event{Kind: "settings", By: c.By, Request: c.Request, From: c.From,
		Message: fmt.Sprintf("auto_apply %s, cap %d or %d%%", s.Auto(), s.CapCount, s.CapPercent)})
	return nil
}

// maxNote bounds the text of a note, in bytes.
const maxNote = 1024

func (t *transition) note(c *Note) *Refusal {
	if refused := t.served(); refused != nil {
		return refused
	}
	if c.Kind == "" || len(c.Kind)+len(c.Message)+len(c.Address)+len(c.By)+len(c.Request)+len(c.From) > maxNote {
		return refuse(Invalid, "a note of kind %.20q with %d bytes", c.Kind, len(c.Message))
	}
	t.event(Event{Kind: c.Kind, Address: c.Address, By: c.By, Request: c.Request, From: c.From, Message: c.Message})
	return nil
}
