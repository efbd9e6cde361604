package render

import "github.com/novaplan/novaplan/cluster/api/wire"

// sign is how an action looks: three columns of ASCII, `!` when the guest is interrupted, and its place
// in the order of a plan.
type sign struct {
	text string
	word string
	rank int
}

// The order of a plan, after what is blocked: what is lost first, what is new last.
const (
	rankSettings = iota
	rankTerminate
	rankInterrupt
	rankMove
	rankChange
	rankCreate
)

var signs = map[string]sign{
	"create":       {"+", "", rankCreate},
	"terminate":    {"-", "", rankTerminate},
	"live-migrate": {"->", "live", rankMove},
	"cold-migrate": {"!>", "cold", rankInterrupt},
	"evacuate":     {"!!>", "evacuate", rankInterrupt},
	"restart":      {"!~", "restart", rankInterrupt},
	"start":        {"~", "start", rankChange},
	"stop":         {"~", "stop", rankInterrupt},
	"pause":        {"~", "pause", rankInterrupt},
	"resume":       {"~", "resume", rankChange},
	"suspend":      {"~", "suspend", rankInterrupt},
	"update":       {"~", "", rankChange},
	"restore":      {"~", "restore from its disks", rankChange},
	"forget":       {".", "forget", rankTerminate},
	"adopt":        {"<=", "adopt", rankCreate},
	"rebuild":      {"-/+", "rebuild", rankTerminate},
	"rename":       {"~", "rename", rankChange},
	"continue":     {"~", "continue", rankChange},
	"claim":        {"+", "", rankCreate},
	"upload":       {"+", "", rankCreate},
	"unclaim":      {".", "release", rankTerminate},
}

func signOf(c *wire.Change) sign {
	s, ok := signs[c.Action]
	if !ok {
		s = sign{"~", c.Action, rankChange}
	}
	if kindOf(c.Address) == "host" && s.rank == rankChange {
		s.rank = rankSettings
	}
	return s
}

func (p Palette) sign(s sign) string {
	padded := (s.text + "   ")[:3]
	switch s.rank {
	case rankTerminate:
		return p.Bad(padded)
	case rankInterrupt:
		return p.Warn(padded)
	case rankCreate:
		return p.Good(padded)
	}
	return p.Move(padded)
}
