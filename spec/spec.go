package spec

// MiB is an amount of memory or disk in mebibytes, Nova's unit.
type MiB int64

// Spec is everything one folder says, evaluated. The zero value is an empty folder.
type Spec struct {
	Fleet           string `json:"fleet,omitempty"`            // claimed on hosts; default "default"
	Stack           string `json:"stack,omitempty"`            // owner of these blocks within the fleet; default "default"
	RequiredVersion string `json:"required_version,omitempty"` // a go-version constraint on the binary

	Zones      []Zone        `json:"zones,omitempty"`
	Hosts      []Host        `json:"hosts,omitempty"`
	Aggregates []Aggregate   `json:"aggregates,omitempty"`
	Pools      []Pool        `json:"pools,omitempty"`
	Flavors    []Flavor      `json:"flavors,omitempty"`
	Images     []Image       `json:"images,omitempty"`
	Networks   []Network     `json:"networks,omitempty"`
	Groups     []ServerGroup `json:"groups,omitempty"`
	Keypairs   []Keypair     `json:"keypairs,omitempty"`
	Instances  []Instance    `json:"instances,omitempty"`
	Moved      []Moved       `json:"moved,omitempty"`
	Removed    []Removed     `json:"removed,omitempty"`
	Scheduler  Scheduler     `json:"scheduler"`
	Migration  Migration     `json:"migration"`
}

// Source is where a block was written. It is shown to people and never changes a decision.
type Source struct {
	File string `json:"file,omitempty"` // relative to the folder
	Line int    `json:"line,omitempty"` // from 1
}

// Zone is an availability zone. Hosts in no zone are in the zone named "nova".
type Zone struct {
	Address Address `json:"address"`
	Name    string  `json:"name"`
	Source  Source  `json:"source,omitzero"`
}

// Mode says what a host may be used for.
type Mode string

// The modes of a host.
const (
	ModeActive Mode = "active" // takes instances
	ModeCordon Mode = "cordon" // keeps what it has, takes nothing new
	ModeDrain  Mode = "drain"  // is emptied by migrations
	ModeFenced Mode = "fenced" // the operator's word that it is off
)

// Host is a hypervisor host: a libvirt URI and what may be put there.
type Host struct {
	Address Address `json:"address"`
	Name    string  `json:"name"` // unique in the fleet; what people read
	Source  Source  `json:"source,omitzero"`

	URI     string  `json:"uri"`                // qemu+unix, +tcp, +tls, +ssh, or sim://
	PeerURI string  `json:"peer_uri,omitempty"` // how other hosts reach this one; default URI
	Zone    Address `json:"zone,omitempty"`
	Mode    Mode    `json:"mode"`
	ModeAt  Source  `json:"mode_at,omitzero"` // where mode was decided, for the plan's reason

	Labels         map[string]string `json:"labels,omitempty"`
	BridgeMappings map[string]string `json:"bridge_mappings,omitempty"` // physical network -> bridge on this host
	VirtType       string            `json:"virt_type,omitempty"`       // "kvm", "qemu" or "" for the best the host can do

	ReservedMemory MiB `json:"reserved_host_memory,omitempty"`
	ReservedCPUs   int `json:"reserved_host_cpus,omitempty"`
	ReservedDisk   MiB `json:"reserved_host_disk,omitempty"`

	Ratios       Ratios            `json:"ratios,omitzero"`        // zero fields: not set here
	Capacity     *Capacity         `json:"capacity,omitempty"`     // overrides what the host reports
	Capabilities map[string]string `json:"capabilities,omitempty"` // overrides and adds to what the host reports
	Fence        *Fence            `json:"fence,omitempty"`
}

// Capacity overrides what a host reports. A zero field is not overridden.
type Capacity struct {
	VCPUs int `json:"vcpus,omitempty"`
	RAM   MiB `json:"ram,omitempty"`
	Disk  MiB `json:"disk,omitempty"`
}

// Fence says how to make sure that a host is off.
type Fence struct {
	Agent   string            `json:"agent"`
	Options map[string]Secret `json:"options,omitempty"`
}

// Ratios are overcommit ratios. Zero means not set; see nova.conf's *_allocation_ratio.
type Ratios struct {
	CPU  float64 `json:"cpu,omitempty"`
	RAM  float64 `json:"ram,omitempty"`
	Disk float64 `json:"disk,omitempty"`
}

// Aggregate is a named set of hosts with metadata, as in Nova.
type Aggregate struct {
	Address      Address           `json:"address"`
	Name         string            `json:"name"`
	Source       Source            `json:"source,omitzero"`
	Hosts        []Address         `json:"hosts,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	Ratios       Ratios            `json:"ratios,omitzero"`
	MaxIOOps     int               `json:"max_io_ops_per_host,omitempty"`
	MaxInstances int               `json:"max_instances_per_host,omitempty"`
}

// PoolType is the kind of storage behind a pool. Only directories are driven today.
type PoolType string

// PoolDir is a directory of qcow2 files, local to each host unless Shared.
const PoolDir PoolType = "dir"

// Pool is a place for disks, present on every host under the same path.
type Pool struct {
	Address Address  `json:"address"`
	Name    string   `json:"name"`
	Source  Source   `json:"source,omitzero"`
	Type    PoolType `json:"type"`
	Path    string   `json:"path"`
	Shared  bool     `json:"shared,omitempty"` // the same storage on every host
}

// Flavor is a size of instance.
type Flavor struct {
	Address    Address           `json:"address"`
	Name       string            `json:"name"`
	Source     Source            `json:"source,omitzero"`
	VCPUs      int               `json:"vcpus"`
	RAM        MiB               `json:"ram"`
	Disk       MiB               `json:"disk"` // root disk; 0: as large as the image
	Ephemeral  MiB               `json:"ephemeral,omitempty"`
	Swap       MiB               `json:"swap,omitempty"`
	ExtraSpecs map[string]string `json:"extra_specs,omitempty"`
}

// Image is a disk image that root disks are overlays of.
type Image struct {
	Address    Address           `json:"address"`
	Name       string            `json:"name"`
	Source     Source            `json:"source_at,omitzero"`
	Location   string            `json:"source"`             // http(s) URL or absolute path of a local file
	Checksum   string            `json:"checksum,omitempty"` // "sha256:<hex>" or "sha512:<hex>"; "" for a local file: by its content
	Format     string            `json:"format"`             // "qcow2" or "raw"; never guessed from content
	MinDisk    MiB               `json:"min_disk,omitempty"`
	MinRAM     MiB               `json:"min_ram,omitempty"`
	Properties map[string]string `json:"properties,omitempty"` // Nova's image properties (hw_architecture, ...)
}

// Network is what a NIC is plugged into. Exactly one of Bridge, PhysicalNetwork and LibvirtNetwork is set.
type Network struct {
	Address         Address  `json:"address"`
	Name            string   `json:"name"`
	Source          Source   `json:"source,omitzero"`
	Bridge          string   `json:"bridge,omitempty"`
	PhysicalNetwork string   `json:"physical_network,omitempty"` // key of Host.BridgeMappings
	LibvirtNetwork  string   `json:"libvirt_network,omitempty"`
	CIDR            string   `json:"cidr,omitempty"` // "" : no addresses are assigned
	Gateway         string   `json:"gateway,omitempty"`
	PoolFirst       string   `json:"allocation_pool_first,omitempty"`
	PoolLast        string   `json:"allocation_pool_last,omitempty"`
	DNS             []string `json:"dns,omitempty"`
	MTU             int      `json:"mtu,omitempty"`
}

// Policy of a server group, in Nova's words.
type Policy string

// The server group policies.
const (
	Affinity         Policy = "affinity"
	AntiAffinity     Policy = "anti-affinity"
	SoftAffinity     Policy = "soft-affinity"
	SoftAntiAffinity Policy = "soft-anti-affinity"
)

// ServerGroup relates instances to each other.
type ServerGroup struct {
	Address          Address `json:"address"`
	Name             string  `json:"name"`
	Source           Source  `json:"source,omitzero"`
	Policy           Policy  `json:"policy"`
	MaxServerPerHost int     `json:"max_server_per_host,omitempty"` // anti-affinity only; 0 means 1
	// SplitWhileMoving, affinity only: while the group moves from one host to another as a whole, its members
	// may be on these two. Without it a group with a running member stays where it is.
	SplitWhileMoving bool    `json:"split_while_moving,omitempty"`
	Update           *Update `json:"update,omitempty"`
}

// Keypair is a public key for the guest's first user.
type Keypair struct {
	Address   Address `json:"address"`
	Name      string  `json:"name"`
	Source    Source  `json:"source,omitzero"`
	PublicKey string  `json:"public_key"`
}

// Moved says that a block instance, or a whole block, has a new address.
type Moved struct {
	From   Address `json:"from"`
	To     Address `json:"to"`
	Source Source  `json:"source,omitzero"`
}

// Removed says that novaplan shall forget something without destroying it.
type Removed struct {
	From    Address `json:"from"`
	Destroy bool    `json:"destroy"`
	Source  Source  `json:"source,omitzero"`
}

// Scheduler is the placement policy of the fleet.
type Scheduler struct {
	Preset       string             `json:"preset,omitempty"`  // "" (novaplan's own) or "nova"
	Filters      []string           `json:"filters,omitempty"` // nil: the preset's
	Multipliers  map[string]float64 `json:"multipliers,omitempty"`
	Ratios       Ratios             `json:"ratios,omitzero"`
	MaxIOOps     int                `json:"max_io_ops_per_host,omitempty"`    // 0: 8
	MaxInstances int                `json:"max_instances_per_host,omitempty"` // 0: 50
	Source       Source             `json:"source,omitzero"`
}

// Migration limits how much moves at once.
type Migration struct {
	ParallelPerHost int    `json:"parallel_per_host,omitempty"` // 0: 2; in flight at either end
	ParallelTotal   int    `json:"parallel_total,omitempty"`    // 0: 8
	BandwidthMiBps  int    `json:"bandwidth,omitempty"`         // per migration, MiB/s; 0: no limit
	MaxDowntimeMs   int    `json:"max_downtime_ms,omitempty"`   // 0: the hypervisor's default
	Source          Source `json:"source,omitzero"`
}
