package placement

import "github.com/novaplan/novaplan/spec"

// Placement explains where an instance goes.
type Placement struct {
	Host       spec.Address // "" when nowhere
	Weight     float64      // 0 when there was only one to choose from
	Candidates int          // hosts looked at
	Rejections []Rejection  // per filter, in filter order
	Nearest    *Nearest     // when nowhere
	Ranked     []RankedHost // only in explanations
}

// Rejection counts the hosts that one filter removed.
type Rejection struct {
	Filter  string
	Hosts   int
	Example string       // one host and its sentence
	Reasons []HostReason // every host, only in explanations
}

// HostReason is why a filter removed a host.
type HostReason struct {
	Host    spec.Address
	Message string // "ram: wants 4096 MiB, 2048 of 6144 left at ratio 1.5"
}

// Nearest is the host that came closest: rejected by the last filter, lacking least.
type Nearest struct {
	Host    spec.Address
	Name    string
	Filter  string
	Message string
}

// RankedHost is a host that passed, with its weight in parts.
type RankedHost struct {
	Host   spec.Address
	Weight float64
	Parts  []WeightPart
}

// WeightPart is one weigher's share of a weight.
type WeightPart struct {
	Weigher    string
	Raw        float64
	Normalized float64
	Multiplier float64
}
