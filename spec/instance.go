package spec

import (
	"slices"
	"time"
)

// Power is the state that an instance is wanted in.
type Power string

// The wanted states. Shelved and rescued come with the lifecycle.
const (
	Running   Power = "running"
	Stopped   Power = "stopped"
	Paused    Power = "paused"
	Suspended Power = "suspended"
	Shelved   Power = "shelved"
	Rescued   Power = "rescued"
)

// Instance is one wanted virtual machine. Instances of one block share their maps and slices: treat
// everything reachable from an Instance as immutable.
type Instance struct {
	Address Address `json:"address"`
	Name    string  `json:"name"` // host name in the guest and slug of the domain; default label or label-key
	Source  Source  `json:"source,omitzero"`

	Flavor  Address `json:"flavor"`
	Image   Address `json:"image"`
	Pool    Address `json:"pool,omitempty"` // "": the only pool, or the default directory of the host
	Zone    Address `json:"zone,omitempty"`
	Host    Address `json:"host,omitempty"` // pinned to this host
	Group   Address `json:"group,omitempty"`
	Keypair Address `json:"keypair,omitempty"`
	State   Power   `json:"state"`

	UserData Secret            `json:"user_data,omitzero"`
	Metadata map[string]string `json:"metadata,omitempty"`
	NICs     []NIC             `json:"nics,omitempty"`

	SameHost      []Address `json:"same_host,omitempty"`
	DifferentHost []Address `json:"different_host,omitempty"`
	DependsOn     []Address `json:"depends_on,omitempty"`

	Locked          string        `json:"locked,omitempty"` // the reason; "" is unlocked
	ShutdownTimeout time.Duration `json:"shutdown_timeout,omitempty"`
	TrashRetention  time.Duration `json:"trash_retention,omitempty"`
	Update          *Update       `json:"update,omitempty"`
	Lifecycle       Lifecycle     `json:"lifecycle,omitzero"`
}

// NIC is one network interface of an instance, in the order of the blocks.
type NIC struct {
	Name    string  `json:"name,omitempty"` // label of the nic block, default "nic<n>"; the MAC derives from it
	Network Address `json:"network"`
	FixedIP string  `json:"fixed_ip,omitempty"`
	MAC     string  `json:"mac,omitempty"`
	Model   string  `json:"model,omitempty"` // "" is virtio
}

// Update limits how many instances of a block or group may be interrupted at once.
type Update struct {
	MaxParallel    int           `json:"max_parallel"`
	MinHealthyTime time.Duration `json:"min_healthy_time,omitempty"`
}

// Lifecycle holds Terraform's meta-arguments.
type Lifecycle struct {
	PreventDestroy bool     `json:"prevent_destroy,omitempty"`
	IgnoreChanges  []string `json:"ignore_changes,omitempty"`
}

// Ignores reports whether lifecycle.ignore_changes names the attribute, or all.
func (in *Instance) Ignores(name string) bool {
	return slices.Contains(in.Lifecycle.IgnoreChanges, name) || slices.Contains(in.Lifecycle.IgnoreChanges, "all")
}

// Defaults of an instance.
const (
	DefaultShutdownTimeout = 60 * time.Second
	DefaultTrashRetention  = 24 * time.Hour
)

// Interruptions returns how many instances of the block or group may be interrupted at once.
func (u *Update) Interruptions() int {
	if u == nil || u.MaxParallel < 1 {
		return 1
	}
	return u.MaxParallel
}
