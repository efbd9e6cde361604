package state

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/novaplan/novaplan/spec"
)

// maxDomainSlug keeps domain names, and the file names that libvirt derives from them, short.
const maxDomainSlug = 40

// InstanceUUID is the UUID of one life of an instance: version 5 of "address#incarnation" in the
// name space of the cluster, the same on every host. It panics when clusterID is no UUID, which
// Bootstrap refuses.
func InstanceUUID(clusterID string, address spec.Address, incarnation uint32) string {
	name := fmt.Sprintf("%s#%d", address, incarnation)
	return uuid.NewSHA1(uuid.MustParse(clusterID), []byte(name)).String()
}

// DomainName is what libvirt calls the instance: np-<first 8 of the UUID>-<slug of the name>. People
// read it; nothing parses it.
func DomainName(instanceUUID, name string) string {
	short := instanceUUID
	if len(short) > 8 {
		short = short[:8]
	}
	if slug := slugOf(name); slug != "" {
		return "np-" + short + "-" + slug
	}
	return "np-" + short
}

// MAC is the address of one network interface of an instance: derived from cluster, instance address
// and interface name, so that it survives every move and rebuild. It begins with 52, the locally
// administered unicast byte that QEMU uses, and has 40 bits of hash: by the birthday bound two
// of 10,000 interfaces meet with a chance of one in 20,000. 52:54:00, which other tools draw
// from at random, is left alone.
func MAC(clusterID string, address spec.Address, nic string) string {
	h := sha256.Sum256([]byte("mac\x00" + clusterID + "\x00" + string(address) + "\x00" + nic))
	if h[0] == 0x54 && h[1] == 0 {
		h[1] = 1
	}
	return fmt.Sprintf("52:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4])
}

// slugOf reduces a name to what is safe in a domain and file name.
func slugOf(name string) string {
	var b strings.Builder
	dash := true // no leading dash
	for _, r := range strings.ToLower(name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
			dash = false
		} else if !dash {
			b.WriteByte('-')
			dash = true
		}
		if b.Len() >= maxDomainSlug {
			break
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}
