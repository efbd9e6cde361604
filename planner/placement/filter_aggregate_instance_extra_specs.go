package placement

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// aggregateInstanceExtraSpecs passes hosts whose aggregates meet every extra spec of the flavor that
// has the scope aggregate_instance_extra_specs or none: one of the values that the aggregates give
// the key must match, and there must be one. A value may be a list separated by commas.
func aggregateInstanceExtraSpecs() Filter {
	unmet := func(f *Fleet, r *Request, i int) string {
		if r.Flavor == nil {
			return ""
		}
		for _, key := range slices.Sorted(maps.Keys(r.Flavor.ExtraSpecs)) {
			if why := aggregateSpec(f.Hosts[i], key, r.Flavor.ExtraSpecs[key]); why != "" {
				return why
			}
		}
		return ""
	}
	return Filter{
		Name: "aggregate_instance_extra_specs", Static: true,
		Passes: func(f *Fleet, r *Request, i int) bool { return unmet(f, r, i) == "" },
		Why:    unmet,
	}
}

func aggregateSpec(h *Host, key, wanted string) string {
	name, scoped := strings.CutPrefix(key, "aggregate_instance_extra_specs:")
	if !scoped && strings.Contains(key, ":") {
		return ""
	}
	values := h.metadata(name)
	if len(values) == 0 {
		return fmt.Sprintf("wants %s = %s, none of the host's aggregates has it", name, wanted)
	}
	if !slices.ContainsFunc(values, Requirement(wanted).Matches) {
		return fmt.Sprintf("wants %s = %s, the host's aggregates have %s", name, wanted, strings.Join(values, ", "))
	}
	return ""
}
