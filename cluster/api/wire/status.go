package wire

import "time"

// StatusFormat is the format_version of a status.
const StatusFormat = "1.0"

// Status is what is there.
type Status struct {
	FormatVersion string     `json:"format_version"`
	Fleet         string     `json:"fleet"`
	Cluster       string     `json:"cluster"` // UUID of the record; its claim stands on the hosts
	Mode          string     `json:"mode"`
	Revision      uint64     `json:"revision"`
	AppliedAt     time.Time  `json:"applied_at,omitzero"`
	AppliedBy     string     `json:"applied_by,omitempty"`
	Activity      *Activity  `json:"activity,omitempty"` // absent: nothing is under way
	Hosts         []Host     `json:"hosts"`
	Instances     []Instance `json:"instances"`
	Pending       []Pending  `json:"pending"`
	// Waiting are plans that somebody has to approve.
	Waiting []PendingPlan `json:"waiting,omitempty"`
	Trash   []Trash       `json:"trash"`
	// Folder is the one that is watched; absent: none is.
	Folder *Folder `json:"folder,omitempty"`
	// Keeping is what the controller found that keeps the fleet; absent: none does.
	Keeping *Keeping `json:"keeping,omitempty"`
}

// Folder is how a watched folder stands.
type Folder struct {
	Path    string    `json:"path"`
	Problem string    `json:"problem,omitempty"` // that keeps what it says from coming into force: the last good spec stays
	Since   time.Time `json:"since,omitzero"`    // when the problem began
	Good    time.Time `json:"good,omitzero"`     // when the folder was without mistakes last
	Refused int       `json:"refused"`           // how often it was refused
}

// Host is one host with what is used of it.
type Host struct {
	Address   string    `json:"address"`
	Name      string    `json:"name"`
	Zone      string    `json:"zone,omitempty"`
	Mode      string    `json:"mode"`   // in force
	Wanted    string    `json:"wanted"` // mode in the spec, which may not be applied yet
	State     string    `json:"state"`  // up, unreachable, unclaimed, foreign, unknown
	Error     string    `json:"error,omitempty"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
	Unread    bool      `json:"unread,omitempty"` // a takeover could not read what it holds
	Instances int       `json:"instances"`
	VCPUs     Use       `json:"vcpus"`
	Memory    Use       `json:"memory_mib"`
	Disk      Use       `json:"disk_mib"`
	Pools     []Pool    `json:"pools,omitempty"`
	URI       string    `json:"uri"`
}

// Pool is a pool of a host, in MiB. Of a shared one every host tells the same, as it was last seen from there.
type Pool struct {
	Path     string `json:"path"`
	Shared   bool   `json:"shared,omitempty"`
	Size     int64  `json:"size_mib"`     // without what is reserved for the host itself
	Free     int64  `json:"free_mib"`     // nothing is written there
	Promised int64  `json:"promised_mib"` // to instances of this fleet: the virtual size of their disks
	Written  int64  `json:"written_mib"`  // what these disks really take
	Other    int64  `json:"other_mib"`    // what else takes space: trash, cached images, foreign domains, other files
	Limit    int64  `json:"limit_mib"`    // what may be promised in all
}

// Use is how much of something is taken. More than there is may be promised: Limit is Total times Ratio.
type Use struct {
	Used    int64   `json:"used"`    // by instances of this fleet
	Foreign int64   `json:"foreign"` // by domains that are not novaplan's; of disk, by all that isn't a disk of an instance
	Total   int64   `json:"total"`   // without what is reserved for the host itself
	Limit   int64   `json:"limit"`
	Ratio   float64 `json:"ratio"`
}

// Instance is one instance.
type Instance struct {
	Address   string   `json:"address"`
	Name      string   `json:"name"`
	Host      string   `json:"host,omitempty"`
	HostName  string   `json:"host_name,omitempty"`
	State     string   `json:"state"`  // what it does: running, stopped, paused, suspended, creating, migrating, missing, unknown, ...
	Wanted    string   `json:"wanted"` // what the spec in force says; absent when it is to go
	Addresses []string `json:"addresses"`
	Flavor    string   `json:"flavor,omitempty"`
	VCPUs     int      `json:"vcpus"`
	MemoryMiB int64    `json:"memory_mib"`
	DiskMiB   int64    `json:"disk_mib"`
	UUID      string   `json:"uuid,omitempty"`
	Domain    string   `json:"domain,omitempty"`
	NICs      []NIC    `json:"nics"`
	Note      string   `json:"note,omitempty"` // why it is frozen, ...
}

// NIC is one network interface.
type NIC struct {
	Name    string `json:"name"`
	Network string `json:"network"`
	MAC     string `json:"mac"`
	IP      string `json:"ip,omitempty"`
}

// Pending is an approved operation that is not finished.
type Pending struct {
	Operation
	Reason  Reason    `json:"reason"`
	Started time.Time `json:"started,omitzero"`
}

// Trash is the disks of a terminated instance.
type Trash struct {
	Instance string    `json:"instance"`
	Host     string    `json:"host"`
	Disks    []string  `json:"disks"`
	Expires  time.Time `json:"expires"`
}

// Hosts are all hosts.
type Hosts struct {
	Hosts []Host `json:"hosts"`
}

// Instances are all instances.
type Instances struct {
	Instances []Instance `json:"instances"`
}
