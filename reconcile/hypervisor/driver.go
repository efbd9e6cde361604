package hypervisor

import (
	"context"
	"io"
)

// Target says which host to open and what the spec overrides there.
type Target struct {
	Name     string // the host's name in the spec, for messages
	URI      string
	PeerURI  string // how other hosts reach it; "" is URI
	VirtType string // "kvm", "qemu" or "" for the best the host can do

	// What a simulated host has. Real drivers ignore them: the planner applies overrides.
	VCPUs        int
	MemoryMiB    int64
	DiskMiB      int64
	Capabilities map[string]string
}

// Driver opens hosts of the URI schemes it knows.
type Driver interface {
	// Open returns the host without waiting for it: a host that does not answer is still returned, and
	// its calls fail with ErrUnreachable while the driver keeps redialling in the background. It
	// fails only when the target itself is wrong (bad URI, unknown scheme).
	Open(ctx context.Context, target Target) (Host, error)
}

// Host is one hypervisor host.
type Host interface {
	Facts
	Domains
	Storage
	Migration
	Console
	Claims

	// Close ends the connection and everything that waits on it. Domains go on.
	Close() error
}

// Facts answers what a host is.
type Facts interface {
	// HostInfo reads what the host is and can do. It is the reachability check too.
	HostInfo(ctx context.Context) (HostInfo, error)
	// Networks lists bridges and libvirt networks that NICs could be plugged into.
	Networks(ctx context.Context) ([]Network, error)
	// BaselineCPU returns the richest CPU definition that every one of cpus (HostInfo.CPU values)
	// can run, in the same opaque form.
	BaselineCPU(ctx context.Context, cpus []string) (string, error)
	// CheckPeer tests that this host can open a connection to peer, as a migration will: login and port.
	CheckPeer(ctx context.Context, peerURI string) error
	// Events delivers hints that something changed, until ctx ends. Events may be lost (a lost
	// connection delivers EventLost, and EventResync after it is back): they only tell when to look.
	Events(ctx context.Context) (<-chan Event, error)
}

// Domains manages virtual machine definitions and their power.
type Domains interface {
	// ListDomains returns all domains, also those that are not ours, in order of name.
	ListDomains(ctx context.Context) ([]Domain, error)
	// GetDomain returns one domain by UUID, or ErrNotFound.
	GetDomain(ctx context.Context, uuid string) (Domain, error)
	// DefineDomain creates or replaces the persistent definition with that UUID; a running domain
	// keeps running and has the new definition from its next start. ErrExists when another domain
	// has the name. The old definition survives a refused one. Autostart is off.
	DefineDomain(ctx context.Context, def Definition) error
	// SetStamp replaces the stamp in the persistent and, when running, the live definition.
	SetStamp(ctx context.Context, uuid string, stamp Stamp) error
	// StartDomain boots a defined domain. ErrState when it runs already, ErrNotFound after an undefine:
	// that is the fence against late calls, so it must never create a domain that is not defined.
	StartDomain(ctx context.Context, uuid string) error
	// ShutdownDomain presses the ACPI power button and returns at once. ErrState when it is off.
	ShutdownDomain(ctx context.Context, uuid string) error
	// RebootDomain asks the guest to restart, by ACPI or agent, and returns at once.
	RebootDomain(ctx context.Context, uuid string) error
	// DestroyDomain cuts the power; the definition and disks stay. ErrState when it is off.
	DestroyDomain(ctx context.Context, uuid string) error
	// PauseDomain stops the vCPUs, ResumeDomain lets them run. ErrState when there is nothing to do.
	PauseDomain(ctx context.Context, uuid string) error
	ResumeDomain(ctx context.Context, uuid string) error
	// SaveDomain writes the memory to the host's disk and stops the domain (managed save); the next
	// StartDomain restores it.
	SaveDomain(ctx context.Context, uuid string) error
	// UndefineDomain removes the definition of a domain that is off, with its managed save and NVRAM,
	// never its disks. ErrNotFound when it is gone, ErrState while it runs.
	UndefineDomain(ctx context.Context, uuid string) error
}

// Storage manages pools of disks. Pools are named by path: every driver finds or makes its own object.
type Storage interface {
	// EnsurePool makes the pool usable and returns its size. A local pool's directory is created when
	// missing; a shared one's never (an unmounted share must not be written under): ErrNotFound.
	EnsurePool(ctx context.Context, pool Pool) (PoolInfo, error)
	// ListVolumes returns the pool's files in order of name, freshly scanned.
	ListVolumes(ctx context.Context, pool Pool) ([]Volume, error)
	// GetVolume returns one volume by name, or ErrNotFound.
	GetVolume(ctx context.Context, pool Pool, name string) (Volume, error)
	// CreateVolume makes an empty volume or overlay. ErrExists when the name is taken, ErrNoSpace.
	CreateVolume(ctx context.Context, pool Pool, spec VolumeSpec) (Volume, error)
	// UploadVolume fills an existing volume with size bytes from r, on a connection of its own.
	// progress (may be nil) is called with bytes done. The content is incomplete unless it returns nil.
	UploadVolume(ctx context.Context, pool Pool, name string, r io.Reader, size int64, progress func(int64)) error
	// DownloadVolume copies a volume's file to w, on a connection of its own.
	DownloadVolume(ctx context.Context, pool Pool, name string, w io.Writer, progress func(int64)) error
	// ResizeVolume grows a volume that no running domain uses. Shrinking is ErrRefused.
	ResizeVolume(ctx context.Context, pool Pool, name string, bytes int64) error
	// DeleteVolume removes the file. ErrNotFound when it is gone.
	DeleteVolume(ctx context.Context, pool Pool, name string) error
}

// Migration moves running domains. The source drives it, peer to peer, so that nothing is stranded
// when the caller dies.
type Migration interface {
	// Migrate moves a running or paused domain and returns when it runs at the destination and is undefined
	// here. progress may be nil. ErrAborted, ErrRefused: the guest is here, as it was. ErrUnknown:
	// look at both ends. Ending ctx does not abort the migration; the result is then ErrUnknown.
	Migrate(ctx context.Context, uuid string, req MigrateRequest, progress func(Job)) error
	// AbortMigration asks the running migration to end. ErrState when none runs.
	AbortMigration(ctx context.Context, uuid string) error
	// GetJob returns the domain's running job, or ErrNotFound when none runs.
	GetJob(ctx context.Context, uuid string) (Job, error)
}

// Console connects to a running domain's serial port.
type Console interface {
	// OpenConsole copies between rw and the serial port until either ends or ctx does. A second user is ErrState
	// unless force takes it over.
	OpenConsole(ctx context.Context, uuid string, rw io.ReadWriter, force bool) error
}

// Claims is the compare-and-set that says which cluster may touch the host.
type Claims interface {
	// GetClaim returns the host's claim, or ErrNotFound.
	GetClaim(ctx context.Context) (Claim, error)
	// SetClaim claims the host, or updates our own claim. ErrClaimed (and the error names whose) when
	// another cluster has it.
	SetClaim(ctx context.Context, claim Claim) error
	// ReleaseClaim removes the claim of that cluster. ErrNotFound, ErrClaimed.
	ReleaseClaim(ctx context.Context, clusterID string) error
}
