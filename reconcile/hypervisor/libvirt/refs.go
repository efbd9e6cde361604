package libvirt

import (
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// domainRef names a domain to libvirtd, which looks at the UUID alone. Naming instead of looking up
// first keeps every change to a single request: it was sent or it wasn't.
func domainRef(id string) (golibvirt.Domain, error) {
	parsed, err := parseUUID(id)
	if err != nil {
		return golibvirt.Domain{}, fmt.Errorf("domain: %w", err)
	}
	return golibvirt.Domain{Name: id, UUID: parsed, ID: -1}, nil
}

func parseUUID(id string) (golibvirt.UUID, error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return golibvirt.UUID{}, fmt.Errorf("%w: %q is not a UUID", hypervisor.ErrRefused, id)
	}
	return golibvirt.UUID(parsed), nil
}

func uuidText(id golibvirt.UUID) string { return uuid.UUID(id).String() }
