package state

import (
	"time"

	"github.com/novaplan/novaplan/spec"
)

// Mode says whether the record is about real hosts. It is fixed at bootstrap.
type Mode string

// The modes of a record.
const (
	Real Mode = "real"
	Sim  Mode = "sim"
)

// State is one version of the record.
type State struct {
	Level     uint32
	Mode      Mode
	ClusterID string // UUID, random at bootstrap
	Fleet     string
	Index     uint64    // of the last entry applied
	Term      uint64    // raft term of the last entry applied
	Time      time.Time // replicated time: max of the entries' times, in UTC
	ClockJump time.Time // when a jump of over 10 minutes was last seen: purges wait for a day; zero: never
	Approvals uint64    // approved so far: the planner numbers operations with it, see OperationID
	LastEvent uint64    // sequence number of the newest event

	Revision   uint64 // the desired revision in force; 0: none yet
	Revisions  Map[*Revision]
	Chunks     Map[*Chunk]       // by digest
	Hosts      Map[*Host]        // by host address: what is recorded of hosts, in the spec or not
	Instances  Map[*Instance]    // by instance address
	Operations Map[*Operation]   // by id; finished ones are kept for a while
	Trash      Map[*Trash]       // by id
	Images     Map[*CachedImage] // by key: images in pools that are known to be ours
	Lives      Map[uint32]       // incarnations used so far, by instance address
	History    Map[*Event]       // by sequence, bounded
	Tokens     Map[*Token]       // by id
	Plans      Map[*PendingPlan] // by id: what waits for approval
	Requests   Map[*Request]     // by index: what took effect lately, bounded
	Settings   Settings
	// TokensBegun says that the first token was made: nobody else makes it.
	TokensBegun bool
	Desired     *Desired // the revision in force, decoded; never nil after the first

	index derived // kept up by Apply, rebuilt by Reindex, never stored
}

// Revision is one approved version of a stack's spec: a manifest of content-addressed chunks.
type Revision struct {
	Number  uint64    `json:"number"`
	Stack   string    `json:"stack"`
	Base    uint64    `json:"base"`
	Digest  string    `json:"digest"` // of the manifest
	Chunks  []string  `json:"chunks"` // digests, in order
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`      // who approved
	Message string    `json:"message,omitempty"` // why
	Commit  string    `json:"commit,omitempty"`  // of the spec folder, when it is in git
}

// Chunk is content-addressed data, compressed, at most 256 KiB.
type Chunk struct {
	Digest string `json:"digest"` // hex SHA-256 of Data
	Data   []byte `json:"data"`
}

// Host is what the record knows of a host.
type Host struct {
	Address   spec.Address `json:"address"`
	Name      string       `json:"name"`
	Inventory Inventory    `json:"inventory"`
	Claimed   bool         `json:"claimed,omitempty"` // our claim was read back there
	Unread    bool         `json:"unread,omitempty"`  // a takeover could not read what is on it; see Survey
	// FailedBuilds counts failed creates since the last one that worked: the build_failure weigher's raw value.
	FailedBuilds int   `json:"failed_builds,omitempty"`
	Used         Usage `json:"used"` // of our instances, in-flight operations counted at both ends
}

// Inventory is what a host has, as seen by an observation and recorded because it changed.
type Inventory struct {
	Version      uint64            `json:"version"` // counts changes of this host
	UUID         string            `json:"uuid"`    // of the host; two hosts of one UUID can't migrate
	Hostname     string            `json:"hostname,omitempty"`
	VCPUs        int               `json:"vcpus"`
	MemoryMiB    int64             `json:"memory_mib"`
	Pools        []PoolInventory   `json:"pools,omitempty"` // in order of path
	Arch         string            `json:"arch"`
	VirtTypes    []string          `json:"virt_types,omitempty"`
	Machine      string            `json:"machine,omitempty"`
	CPU          string            `json:"cpu,omitempty"` // opaque, for a baseline
	Capabilities map[string]string `json:"capabilities,omitempty"`
	Bridges      []string          `json:"bridges,omitempty"`  // sorted
	Networks     []string          `json:"networks,omitempty"` // active libvirt networks, sorted
	Foreign      Usage             `json:"foreign"`            // domains that are not ours
	Owner        string            `json:"owner,omitempty"`    // cluster id of the claim found there, "" none
	Verdict      string            `json:"verdict,omitempty"`  // why nothing can be placed there, "" if it can
}

// PoolInventory is the size of one pool on one host, and what takes its space; see Room.
type PoolInventory struct {
	Path         string `json:"path"`
	CapacityMiB  int64  `json:"capacity_mib"`
	AvailableMiB int64  `json:"available_mib"`
	// WrittenMiB is what the disks of our instances take of it, as far as they are written.
	WrittenMiB int64 `json:"written_mib,omitempty"`
	// OtherMiB is what else takes it: trash, cached images, disks of foreign domains, and whatever there is on
	// its file system.
	OtherMiB int64 `json:"other_mib,omitempty"`
}

// Usage is what is taken of a host.
type Usage struct {
	VCPUs     int   `json:"vcpus"`
	MemoryMiB int64 `json:"memory_mib"`
	DiskMiB   int64 `json:"disk_mib"`
	Instances int   `json:"instances"`
	IOOps     int   `json:"io_ops"` // builds and migrations in flight
}

// Phase of an instance in the record.
type InstancePhase string

// The phases of an instance. It exists in the record from the start of its create to the end of its
// terminate.
const (
	Building    InstancePhase = "building"
	Active      InstancePhase = "active"
	Terminating InstancePhase = "terminating"
	Frozen      InstancePhase = "frozen" // it can't be known where it runs: nothing is done to it
)

// Instance is the record of an instance that has a place: its allocation.
type Instance struct {
	Address         spec.Address  `json:"address"`
	Stack           string        `json:"stack"`
	UUID            string        `json:"uuid"`
	Incarnation     uint32        `json:"incarnation"`
	Generation      uint64        `json:"generation"` // grows with every move, and before every redefinition
	Phase           InstancePhase `json:"phase"`
	Why             string        `json:"why,omitempty"` // of Frozen
	Domain          string        `json:"domain"`        // libvirt name
	Name            string        `json:"name"`          // host name in the guest
	Host            spec.Address  `json:"host"`          // where it is; a running migration's source until it is done
	Size            Size          `json:"size"`          // as built
	Flavor          spec.Address  `json:"flavor"`
	Image           spec.Address  `json:"image"`
	ImageDigest     string        `json:"image_digest,omitempty"`   // "sha256:..." of the image's content
	ImageSource     string        `json:"image_source,omitempty"`   // where the image came from, as the spec said
	ImageChecksum   string        `json:"image_checksum,omitempty"` // what the spec said of its content, if anything
	Pool            Pool          `json:"pool"`
	Disks           []Disk        `json:"disks,omitempty"`
	NICs            []NIC         `json:"nics,omitempty"`
	VirtType        string        `json:"virt_type,omitempty"`
	Arch            string        `json:"arch,omitempty"`
	Machine         string        `json:"machine,omitempty"`
	CPU             string        `json:"cpu,omitempty"`
	UserData        []byte        `json:"user_data,omitempty"` // HMAC of what the config drive holds
	CreatedAt       time.Time     `json:"created_at"`
	Stopped         bool          `json:"stopped,omitempty"` // it was last left off, because the spec said so
	TrashRetention  time.Duration `json:"trash_retention"`
	ShutdownTimeout time.Duration `json:"shutdown_timeout"`
}

// Size is what an instance takes of a host.
type Size struct {
	VCPUs        int   `json:"vcpus"`
	MemoryMiB    int64 `json:"memory_mib"`
	DiskMiB      int64 `json:"disk_mib"` // root
	EphemeralMiB int64 `json:"ephemeral_mib,omitempty"`
	SwapMiB      int64 `json:"swap_mib,omitempty"`
}

// TotalDiskMiB is the disk filter's wanted amount: root + ephemeral + swap.
func (s Size) TotalDiskMiB() int64 { return s.DiskMiB + s.EphemeralMiB + s.SwapMiB }

// Pool is where an instance's disks are.
type Pool struct {
	Path   string `json:"path"`
	Shared bool   `json:"shared,omitempty"`
}

// DefaultPool is where disks are when the spec names no pool: libvirt's own directory, local to each host.
const DefaultPool = "/var/lib/libvirt/images"

// Dir is the pool's directory.
func (p Pool) Dir() string {
	if p.Path == "" {
		return DefaultPool
	}
	return p.Path
}

// Disk is one disk file of an instance. Paths are recorded, never derived.
type Disk struct {
	Role   string `json:"role"` // root, ephemeral, swap, config
	Path   string `json:"path"`
	Format string `json:"format"`
	Bytes  int64  `json:"bytes"` // virtual size
}

// NIC is one network interface with what was assigned to it.
type NIC struct {
	Name    string       `json:"name"`
	Network spec.Address `json:"network"`
	MAC     string       `json:"mac"`
	IP      string       `json:"ip,omitempty"`
	Model   string       `json:"model,omitempty"`
}

// Trash is disks whose instance is gone, kept until they expire.
type Trash struct {
	ID        string       `json:"id"`
	Instance  spec.Address `json:"instance"`
	UUID      string       `json:"uuid"`
	Host      spec.Address `json:"host"` // where the files are; any host for a shared pool
	Pool      Pool         `json:"pool"`
	Disks     []Disk       `json:"disks"`
	Operation string       `json:"operation"` // the approved terminate
	At        time.Time    `json:"at"`
	Expires   time.Time    `json:"expires"`
}

// Event is one line of the history.
type Event struct {
	Seq     uint64       `json:"seq"`
	At      time.Time    `json:"at"`
	Index   uint64       `json:"index"`
	Kind    string       `json:"kind"` // "revision", "operation", "host", "takeover", "clock", ...
	Address spec.Address `json:"address,omitempty"`
	Message string       `json:"message"`
	By      string       `json:"by,omitempty"`
	Request string       `json:"request,omitempty"`
	From    string       `json:"from,omitempty"` // where By was: an address, a socket, a folder
}
