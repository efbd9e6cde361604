package hypervisor

import "slices"

// HostInfo is what a host says of itself.
type HostInfo struct {
	Hostname          string            `json:"hostname"`
	UUID              string            `json:"uuid"`
	Arch              string            `json:"arch"` // libvirt's names: x86_64, aarch64
	CPUs              int               `json:"cpus"` // logical
	MemoryMiB         int64             `json:"memory_mib"`
	CPUModel          string            `json:"cpu_model,omitempty"`
	CPU               string            `json:"cpu,omitempty"` // opaque definition for BaselineCPU and Definition.CPU
	VirtTypes         []string          `json:"virt_types"`    // usable ones, best first: "kvm", "qemu"
	HypervisorType    string            `json:"hypervisor_type"`
	HypervisorVersion int               `json:"hypervisor_version"` // major*1e6 + minor*1e3 + micro, as Nova's
	LibvirtVersion    int               `json:"libvirt_version"`    // the same form
	Machine           string            `json:"machine,omitempty"`  // pinned machine type behind the default alias
	LockManager       string            `json:"lock_manager,omitempty"`
	Capabilities      map[string]string `json:"capabilities,omitempty"`
}

// Network is something on the host that a NIC can be plugged into.
type Network struct {
	Kind   NetworkKind `json:"kind"`
	Name   string      `json:"name"`
	Active bool        `json:"active"`
}

// NetworkKind tells bridges from libvirt networks.
type NetworkKind string

// The kinds of network.
const (
	NetworkBridge  NetworkKind = "bridge"
	NetworkLibvirt NetworkKind = "libvirt"
)

// Power is what a domain really does.
type Power string

// The power states, reduced from libvirt's to those that decisions need.
const (
	PowerRunning  Power = "running"
	PowerPaused   Power = "paused"
	PowerOff      Power = "off"
	PowerSaved    Power = "saved" // off, with a managed save
	PowerCrashed  Power = "crashed"
	PowerIncoming Power = "incoming" // being migrated in; not running here yet
)

// Active reports whether a QEMU process exists: the disk may be written.
func (p Power) Active() bool { return p == PowerRunning || p == PowerPaused || p == PowerIncoming }

// Domain is what exists on a host.
type Domain struct {
	UUID        string   `json:"uuid"`
	Name        string   `json:"name"`
	Power       Power    `json:"power"`
	PauseReason string   `json:"pause_reason,omitempty"` // "user", "ioerror", "migration", ... when paused
	Persistent  bool     `json:"persistent"`
	Autostart   bool     `json:"autostart,omitempty"`
	VCPUs       int      `json:"vcpus"`
	MemoryMiB   int64    `json:"memory_mib"`
	Disks       []string `json:"disks,omitempty"` // paths, in target order, config drive included
	MACs        []string `json:"macs,omitempty"`
	Stamp       *Stamp   `json:"stamp,omitempty"`     // nil: not ours
	Migrating   bool     `json:"migrating,omitempty"` // a migration job runs, as the source
	// Held: something on the host has the domain's lock and doesn't let go, so that nothing can be done to it and
	// it isn't known whether it is being migrated. Power is what the host last knew.
	Held bool `json:"held,omitempty"`
	// Next is, of an active domain in ListDomains, what it is defined to have from its next start, where that
	// differs from what runs.
	Next *Hardware `json:"next,omitempty"`
}

// Hardware is the part of a domain that a redefinition changes at the next start only.
type Hardware struct {
	VCPUs     int      `json:"vcpus"`
	MemoryMiB int64    `json:"memory_mib"`
	Disks     []string `json:"disks,omitempty"`
	MACs      []string `json:"macs,omitempty"`
}

// Hardware returns what the domain has now.
func (d *Domain) Hardware() Hardware {
	return Hardware{VCPUs: d.VCPUs, MemoryMiB: d.MemoryMiB, Disks: d.Disks, MACs: d.MACs}
}

// Equal reports whether both have the same, in the same order.
func (h Hardware) Equal(o Hardware) bool {
	return h.VCPUs == o.VCPUs && h.MemoryMiB == o.MemoryMiB && slices.Equal(h.Disks, o.Disks) && slices.Equal(h.MACs, o.MACs)
}

// Stamp is what novaplan writes into the metadata of each of its domains.
type Stamp struct {
	Cluster    string `json:"cluster"`
	Fleet      string `json:"fleet"`
	Stack      string `json:"stack"`
	Address    string `json:"address"`
	Instance   string `json:"instance"`   // UUID
	Generation uint64 `json:"generation"` // of the allocation; the higher one is right
	Request    string `json:"request,omitempty"`
	// Record is what a lost controller record is rebuilt from (flavor, disks, addresses): opaque here,
	// at most 16 KiB.
	Record string `json:"record,omitempty"`
}

// Definition is a domain to define, in terms that every driver understands.
type Definition struct {
	UUID       string
	Name       string
	Stamp      Stamp
	VirtType   string // "kvm" or "qemu"
	Arch       string
	Machine    string // pinned; "" is the host's default
	CPU        string // opaque definition, or "" for the widest that can still migrate
	VCPUs      int
	MemoryMiB  int64
	Disks      []Disk
	NICs       []NIC
	Properties map[string]string // Nova's image properties that shape hardware
}

// Disk is one disk of a domain, by path.
type Disk struct {
	Path     string   `json:"path"`
	Format   string   `json:"format"` // "qcow2" or "raw"
	Role     DiskRole `json:"role"`
	ReadOnly bool     `json:"read_only,omitempty"`
	Shared   bool     `json:"shared,omitempty"` // on storage that the destination sees too
}

// DiskRole says what a disk is to its instance.
type DiskRole string

// The roles of disks, in boot order.
const (
	DiskRoot      DiskRole = "root"
	DiskEphemeral DiskRole = "ephemeral"
	DiskSwap      DiskRole = "swap"
	DiskConfig    DiskRole = "config" // NoCloud config drive
)

// NIC is one network interface of a domain.
type NIC struct {
	MAC    string      `json:"mac"`
	Kind   NetworkKind `json:"kind"`
	Source string      `json:"source"` // bridge or libvirt network
	Model  string      `json:"model,omitempty"`
	MTU    int         `json:"mtu,omitempty"`
}

// Pool names a place for disks on a host.
type Pool struct {
	Path   string `json:"path"`
	Shared bool   `json:"shared,omitempty"`
}

// PoolInfo is the size of a pool in bytes.
type PoolInfo struct {
	Capacity  int64 `json:"capacity"`
	Available int64 `json:"available"`
}

// VolumeSpec is a volume to create.
type VolumeSpec struct {
	Name          string
	Format        string // "qcow2" or "raw"
	Bytes         int64  // virtual size
	BackingPath   string // "" for none
	BackingFormat string // required with BackingPath
}

// Volume is a file in a pool.
type Volume struct {
	Name        string `json:"name"`
	Path        string `json:"path"`
	Format      string `json:"format"`
	Bytes       int64  `json:"bytes"`                // virtual size
	Allocated   int64  `json:"allocated"`            // on disk
	FileBytes   int64  `json:"file_bytes,omitempty"` // length of the file: what DownloadVolume copies
	BackingPath string `json:"backing_path,omitempty"`
}

// MigrateRequest says where and how.
type MigrateRequest struct {
	Dest           Target
	Stamp          Stamp    // written into the destination's definition: the next generation
	CopyDisks      []string // paths whose overlay is copied; empty files for them must exist there
	Renames        []Rename // disks whose file is another one there; the others have the same path
	SharedStorage  bool     // the spec's word that the rest is on storage both see
	BandwidthMiBps int
	MaxDowntimeMs  int
	NICs           []NIC // as plugged at the destination; nil: unchanged
}

// Rename is a disk that has another file at a migration's destination.
type Rename struct {
	From string `json:"from"` // path at the source
	To   string `json:"to"`   // path at the destination
}

// Job is the progress of a migration.
type Job struct {
	BytesTotal     int64 `json:"bytes_total"`
	BytesDone      int64 `json:"bytes_done"`
	BytesRemaining int64 `json:"bytes_remaining"`
	BytesPerSecond int64 `json:"bytes_per_second"`
	DirtyRate      int64 `json:"dirty_rate"` // bytes/s
	ElapsedMs      int64 `json:"elapsed_ms"`
	DowntimeMs     int64 `json:"downtime_ms"`
}

// Claim says which cluster owns a host.
type Claim struct {
	Cluster  string `json:"cluster"` // UUID
	Fleet    string `json:"fleet"`
	Epoch    uint64 `json:"epoch"`
	Endpoint string `json:"endpoint,omitempty"` // where that cluster can be asked
}

// Event is a hint that something changed.
type Event struct {
	Kind EventKind `json:"kind"`
	UUID string    `json:"uuid,omitempty"`
}

// EventKind is what changed.
type EventKind string

// The kinds of event.
const (
	EventDomain EventKind = "domain" // this domain's power, definition or job
	EventResync EventKind = "resync" // events may have been lost: look at everything
	EventLost   EventKind = "lost"   // the connection is gone: no more events until EventResync
)
