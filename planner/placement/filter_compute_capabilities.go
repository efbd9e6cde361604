package placement

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// computeCapabilities passes hosts that meet every `capabilities:a:b` extra spec of the flavor: one
// that the host does not have rejects. A key without a scope counts only when the host has such a
// capability; other scopes are somebody else's.
func computeCapabilities() Filter {
	unmet := func(f *Fleet, r *Request, i int) string {
		if r.Flavor == nil {
			return ""
		}
		for _, key := range slices.Sorted(maps.Keys(r.Flavor.ExtraSpecs)) {
			if why := capability(f.Hosts[i], key, r.Flavor.ExtraSpecs[key]); why != "" {
				return why
			}
		}
		return ""
	}
	return Filter{
		Name: "compute_capabilities", Static: true,
		Passes: func(f *Fleet, r *Request, i int) bool { return unmet(f, r, i) == "" },
		Why:    unmet,
	}
}

func capability(h *Host, key, wanted string) string {
	name, scoped := strings.CutPrefix(key, "capabilities:")
	if !scoped && strings.Contains(key, ":") {
		return ""
	}
	value, has := h.Capabilities[name]
	switch {
	case !has && !scoped:
		return ""
	case !has:
		return fmt.Sprintf("wants %s %s, the host has no such capability", name, wanted)
	case !Requirement(wanted).Matches(value):
		return fmt.Sprintf("wants %s %s, the host has %s", name, wanted, value)
	}
	return ""
}
