package planner

import (
	"fmt"
	"strings"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner/placement"
	"github.com/novaplan/novaplan/spec"
)

// build makes the record of a new instance on h.
func (c *computation) build(in *spec.Instance, q *placement.Request, h *host) (*state.Instance, []*job, bool) {
	nics, after, ok := c.assign(in)
	if !ok {
		return nil, nil, false
	}
	life, _ := c.st.Lives.Get(string(in.Address))
	b := &state.Instance{
		Address: in.Address, Stack: c.spec.Stack, Incarnation: life + 1, Generation: 1, Phase: state.Building,
		Name: in.Name, Host: h.address(), Size: q.Size, Flavor: in.Flavor, Image: in.Image, Pool: q.Pool, NICs: nics,
		ImageSource: q.Image.Location, ImageChecksum: q.Image.Checksum,
		VirtType: virtType(h), Arch: h.inventory().Arch, Machine: h.inventory().Machine,
		UserData: in.UserData.HMAC, Stopped: in.State == spec.Stopped,
		TrashRetention: in.TrashRetention, ShutdownTimeout: in.ShutdownTimeout,
	}
	if strings.HasPrefix(q.Image.Checksum, "sha256:") {
		b.ImageDigest = q.Image.Checksum
	}
	b.UUID = state.InstanceUUID(c.cluster(), in.Address, b.Incarnation)
	b.Domain = state.DomainName(b.UUID, in.Name)
	if !c.nameFree(in.Address, in.Source, b.Domain, h) {
		return nil, nil, false
	}
	return b, after, true
}

func virtType(h *host) string {
	if h.spec.VirtType != "" {
		return h.spec.VirtType
	}
	if types := h.inventory().VirtTypes; len(types) > 0 {
		return types[0]
	}
	return ""
}

// nameFree reports whether a host has no domain, ours or foreign, of the name.
func (c *computation) nameFree(address spec.Address, source spec.Source, domain string, h *host) bool {
	if c.names == nil {
		c.names = map[*host]map[string]string{}
	}
	names, ok := c.names[h]
	if !ok {
		names = make(map[string]string, len(h.seen.Domains))
		for i := range h.seen.Domains {
			names[h.seen.Domains[i].Name] = h.seen.Domains[i].UUID
		}
		c.names[h] = names
	}
	uuid, taken := names[domain]
	if !taken {
		return true
	}
	c.fail(Message{Code: CodeNameTaken, Address: address, Source: source,
		Summary: fmt.Sprintf("%s can't be defined: %s has a domain named %s that isn't ours (UUID %s)", address, h.name(), domain, uuid),
		Detail:  []string{"It is not touched. Rename or undefine it there, then plan again."}})
	return false
}
