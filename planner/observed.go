package planner

import (
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// Observed is what was seen on the hosts. It is volatile: each leader rebuilds it before it acts.
type Observed struct {
	At    time.Time
	Hosts map[spec.Address]*HostObservation // hosts that were looked at, reachable or not
	// Written is what disks of recorded instances in shared pools take there, in MiB, by path.
	Written map[string]int64
	// Listed are the paths of the shared pools whose files were listed: a disk that isn't in Written is gone.
	Listed []string
	// Images are those that were asked about. What isn't known of them changes no decision.
	Images map[spec.Address]ImageSeen
}

// ImageSeen is what is known of an image before it is fetched.
type ImageSeen struct {
	Bytes int64 // of its content, as it is sent; 0: not known
}

// HostObservation is one look at one host.
type HostObservation struct {
	Reachable bool
	Error     string    // why it is not reachable
	LastSeen  time.Time // zero: never
	Inventory state.Inventory
	Claimed   bool // our claim was read there
	// ClaimEpoch is, of a claimed host, the raft term that wrote the claim.
	ClaimEpoch uint64
	Domains    []Domain // all of them, in order of name
	// Written and Listed are the same of the host's own pools.
	Written map[string]int64
	Listed  []string
	// Images are the images that the pools of a claimed host were seen to have, whole.
	Images []CachedImage
}

// CachedImage is an image in a pool of a host.
type CachedImage struct {
	Pool   string // path
	Digest string // the first hex digits of the SHA-256 of its content
}

// Power is what a domain really does; see hypervisor.Power.
type Power string

// The power states.
const (
	PowerRunning  Power = "running"
	PowerPaused   Power = "paused"
	PowerOff      Power = "off"
	PowerSaved    Power = "saved"
	PowerCrashed  Power = "crashed"
	PowerIncoming Power = "incoming"
)

// Domain is what exists on a host, as far as decisions need it.
type Domain struct {
	UUID        string
	Name        string
	Power       Power
	PauseReason string
	Persistent  bool
	Migrating   bool
	Held        bool // something on the host has its lock; see hypervisor.Domain
	VCPUs       int
	MemoryMiB   int64
	Disks       []string
	MACs        []string

	// From the stamp; all zero when the domain is not novaplan's.
	Cluster    string
	Stack      string
	Address    spec.Address
	Generation uint64
}
