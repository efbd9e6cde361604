package planner

// The codes of reasons: why something happens to an instance or host, or why it doesn't. A code is
// for programs and never changes its meaning; the message beside it is for people.
const (
	ReasonNew            = "new"             // in the spec, not in the record
	ReasonRemoved        = "removed"         // in the record, no longer in the spec
	ReasonForgotten      = "forgotten"       // removed { destroy = false }
	ReasonDestroy        = "destroy"         // destroy was asked for
	ReasonMoved          = "moved"           // a moved block gives it a new address
	ReasonStateChanged   = "state-changed"   // the spec wants another state
	ReasonHostDrain      = "host-drain"      // its host is draining
	ReasonZoneChanged    = "zone-changed"    // its host isn't in the zone that is wanted now
	ReasonPinChanged     = "pin-changed"     // it is pinned to another host now
	ReasonGroupPolicy    = "group-policy"    // its host breaks the policy of its group now
	ReasonGroupMove      = "group-move"      // its affinity group moves as a whole
	ReasonHop            = "hop"             // it makes room for a swap that has no other way
	ReasonFoundStopped   = "found-stopped"   // drift: the domain is off
	ReasonFoundCrashed   = "found-crashed"   // drift: the guest crashed
	ReasonFoundPaused    = "found-paused"    // drift: its vCPUs are stopped
	ReasonFoundSaved     = "found-saved"     // drift: its memory is saved and it is off
	ReasonFoundRunning   = "found-running"   // drift: it runs and should not
	ReasonFoundMissing   = "found-missing"   // drift: the domain is gone
	ReasonFoundChanged   = "found-changed"   // drift: the domain was redefined
	ReasonFoundUnclaimed = "found-unclaimed" // drift: our claim is gone from a host
	ReasonSettings       = "settings"        // only what is recorded of it changes
	ReasonUnclaimedHost  = "unclaimed-host"  // a host of the spec that nobody owns
	ReasonHostRemoved    = "host-removed"    // an empty host left the spec
	ReasonApproved       = "approved"        // decided before, not finished yet
	ReasonFirstUse       = "first-use"       // an image is wanted where it isn't yet
)

// The codes of what stays as it is: in Unplaced.Reason, Errors and Warnings.
const (
	CodeNoValidHost     = "no-valid-host"     // every host was rejected by a filter
	CodeDrainRefused    = "drain-refused"     // a host can't be emptied, so nothing of it moves
	CodeDrainPartial    = "drain-partial"     // a host can't be emptied; what fits elsewhere moves
	CodePinned          = "pinned"            // it is pinned to the host that it should leave
	CodeCircular        = "circular"          // depends_on goes in a circle
	CodeSplitBrain      = "split-brain"       // paused by a migration that may have ended elsewhere
	CodeSaved           = "saved"             // its memory is saved on its host, so it can't leave
	CodeNoOrder         = "no-order"          // there is no order of steps without overcommitting a host
	CodeUnsupported     = "unsupported"       // it needs a restart, resize or rebuild, which can't be done yet
	CodeTransition      = "transition"        // its state doesn't allow that
	CodeLocked          = "locked"            // instance is locked
	CodePreventDestroy  = "prevent-destroy"   // lifecycle.prevent_destroy
	CodeMovedTwice      = "moved-twice"       // two instances would get one address
	CodeLikelyRename    = "likely-rename"     // a removed and a created block with equal bodies
	CodeHostHoldsGuests = "host-holds-guests" // a host left the spec with instances on it
	CodeHostUnreachable = "host-unreachable"  // a host doesn't answer
	CodeHostUnseen      = "host-unseen"       // nobody looked at the host yet
	CodeHostVerdict     = "host-verdict"      // a host can't be used
	CodeHostForeign     = "host-foreign"      // another cluster claimed the host
	CodeHostTwin        = "host-twin"         // two hosts have one UUID: they are one machine
	CodeHostReplaced    = "host-replaced"     // a host's address leads to another machine than its guests are on
	CodeHostRenamed     = "host-renamed"      // a removed and a new host are one machine
	CodeHostHoldsTrash  = "host-holds-trash"  // a host left the spec with disks in its trash
	CodeFenced          = "fenced"            // instances on a fenced host
	CodeFrozen          = "frozen"            // it can't be known where it runs
	CodeElsewhere       = "elsewhere"         // the domain is on another host than recorded
	CodeTwice           = "twice"             // the domain runs on two hosts
	CodeBehind          = "behind"            // a host has seen a later record than ours
	CodeUnknownDomain   = "unknown-domain"    // our stamp, but not in the record
	CodeHostUnread      = "host-unread"       // a takeover could not read what a host holds
	CodeUnread          = "unread"            // it may be on such a host, or its address in use there
	CodeOtherCluster    = "other-cluster"     // a wanted address is stamped by another cluster
	CodeNameTaken       = "name-taken"        // a domain that isn't ours has the name
	CodeStaleCopy       = "stale-copy"        // an old definition is left on another host
	CodeNoAddress       = "no-address"        // an allocation pool is exhausted
	CodeAddressTaken    = "address-taken"     // a fixed_ip that something else has
	CodeFlavorTooSmall  = "flavor-too-small"  // smaller than the image's min_disk or min_ram
	CodeGroupImpossible = "group-impossible"  // a group that its hosts can't meet
	CodeGroupTogether   = "group-together"    // its affinity group can't move as a whole, nor it alone
	CodeIOError         = "io-error"          // paused by an I/O error
	CodeMigrating       = "migrating"         // a migration that we did not start
	CodeHeld            = "held"              // something on the host has the domain's lock
	CodeMissing         = "missing"           // gone, and it can't be known that it isn't elsewhere
	CodeFirstBoot       = "first-boot"        // a change that a guest reads at its first boot only
	CodeEmptyFleet      = "empty-fleet"       // instances, but no host
)
