package api

import (
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/planner/drift"
)

// keeping says what a keeper has found, nil when nobody keeps the fleet here.
func (h *Handler) keeping() *wire.Keeping {
	if h.Standing == nil {
		return nil
	}
	s, ok := h.Standing()
	if !ok {
		return nil
	}
	out := &wire.Keeping{At: s.At, CutOff: s.CutOff, Waits: s.Waits, Drift: []wire.Drift{}}
	for i := range s.Reports {
		out.Drift = append(out.Drift, fromReport(&s.Reports[i]))
	}
	return out
}

func fromReport(r *drift.Report) wire.Drift {
	d := wire.Drift{
		Kind: string(r.Kind), Address: string(r.Address), Host: string(r.Host), Message: r.Message, Since: r.Since,
		Policy: string(r.Policy), Tries: r.Tries.N,
	}
	if r.Tries.N > 0 {
		d.Next = r.Tries.Next
	}
	return d
}
