package placement

import (
	"fmt"
	"slices"

	"github.com/novaplan/novaplan/spec"
)

// network passes hosts on which every NIC can be plugged in.
func network() Filter {
	missing := func(f *Fleet, r *Request, i int) string {
		for _, n := range r.Networks {
			if why := plug(f.Hosts[i], n); why != "" {
				return why
			}
		}
		return ""
	}
	return Filter{
		Name: "network", Static: true,
		Passes: func(f *Fleet, r *Request, i int) bool { return missing(f, r, i) == "" },
		Why:    missing,
	}
}

// plug says why n is missing on h, "" when it is there.
func plug(h *Host, n *spec.Network) string {
	bridge := n.Bridge
	switch {
	case n.LibvirtNetwork != "":
		if !slices.Contains(h.Networks, n.LibvirtNetwork) {
			return fmt.Sprintf("%s needs the libvirt network %s, which is not active", n.Name, n.LibvirtNetwork)
		}
		return ""
	case n.PhysicalNetwork != "":
		mapped, ok := h.Mappings[n.PhysicalNetwork]
		if !ok {
			return fmt.Sprintf("%s needs the physical network %s, which has no bridge_mappings", n.Name, n.PhysicalNetwork)
		}
		bridge = mapped
	}
	if bridge != "" && !slices.Contains(h.Bridges, bridge) {
		return fmt.Sprintf("%s needs the bridge %s, which is missing", n.Name, bridge)
	}
	return ""
}
