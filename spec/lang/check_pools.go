package lang

import (
	"fmt"
	"strings"

	"github.com/novaplan/novaplan/spec"
)

// checkPools wants an instance to say where its disks are when there is a choice: guessing would put them
// somewhere that they can't leave without being copied.
func (ev *evaluator) checkPools(s *spec.Spec) {
	if len(s.Pools) < 2 {
		return
	}
	names := make([]string, len(s.Pools))
	for i := range s.Pools {
		names[i] = string(s.Pools[i].Address)
	}
	for i := range s.Instances {
		in := &s.Instances[i]
		if in.Pool == "" {
			ev.errorOnce(ev.attrOf(in.Address, "pool"), "Missing pool", fmt.Sprintf("%s: there are several pools (%s), so this block must say which one its disks go to: pool = %s.",
				in.Address.Block(), strings.Join(names, ", "), names[0]))
		}
	}
}
