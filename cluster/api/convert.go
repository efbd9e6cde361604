package api

import (
	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

// FromPlan returns p in wire form, without what only a Handler knows.
func FromPlan(p *planner.Plan) *wire.Plan {
	return &wire.Plan{
		FormatVersion: wire.PlanFormat,
		Base:          p.Base,
		Digest:        p.Digest,
		Changes:       each(p.Changes, fromChange),
		Unplaced:      each(p.Unplaced, fromUnplaced),
		Errors:        each(p.Errors, fromMessage),
		Warnings:      each(p.Warnings, fromMessage),
		Operations:    each(p.Operations, fromOperation),
		Cancel:        p.Cancel,
		Hosts:         []wire.PlanHost{},
		Summary:       wire.Summary(p.Summary),
	}
}

// each never returns nil: an empty list is [] in JSON.
func each[T, U any](in []T, f func(*T) U) []U {
	out := make([]U, len(in))
	for i := range in {
		out[i] = f(&in[i])
	}
	return out
}

func fromChange(c *planner.Change) wire.Change {
	w := wire.Change{
		Address: string(c.Address), Name: c.Name, Action: string(c.Action),
		From: string(c.From), To: string(c.To), Reason: wire.Reason(c.Reason),
		Details: c.Details, Interrupts: c.Interrupts, Bytes: c.Bytes, Operations: c.Operations,
		Placement: fromPlacement(c.Placement),
	}
	if len(c.Attributes) > 0 {
		w.Attributes = each(c.Attributes, func(a *planner.AttributeChange) wire.Attribute { return wire.Attribute(*a) })
	}
	return w
}

func fromPlacement(p *planner.Placement) *wire.Placement {
	if p == nil {
		return nil
	}
	w := &wire.Placement{Host: string(p.Host), Weight: p.Weight, Candidates: p.Candidates}
	if len(p.Rejections) > 0 {
		w.Rejections = each(p.Rejections, fromRejection)
	}
	if n := p.Nearest; n != nil {
		w.Nearest = &wire.Nearest{Host: string(n.Host), Name: n.Name, Filter: n.Filter, Message: n.Message}
	}
	if len(p.Ranked) > 0 {
		w.Ranked = each(p.Ranked, fromRanked)
	}
	return w
}

func fromRejection(r *planner.Rejection) wire.Rejection {
	w := wire.Rejection{Filter: r.Filter, Hosts: r.Hosts, Example: r.Example}
	if len(r.Reasons) > 0 {
		w.Reasons = each(r.Reasons, func(h *planner.HostReason) wire.HostReason {
			return wire.HostReason{Host: string(h.Host), Message: h.Message}
		})
	}
	return w
}

func fromRanked(r *planner.RankedHost) wire.RankedHost {
	return wire.RankedHost{
		Host: string(r.Host), Weight: r.Weight,
		Parts: each(r.Parts, func(p *planner.WeightPart) wire.WeightPart { return wire.WeightPart(*p) }),
	}
}

func fromUnplaced(u *planner.Unplaced) wire.Unplaced {
	return wire.Unplaced{
		Address: string(u.Address), Reason: wire.Reason(u.Reason),
		Placement: fromPlacement(u.Placement), Source: wire.Source(u.Source),
	}
}

func fromMessage(m *planner.Message) wire.Message {
	return wire.Message{
		Code: m.Code, Address: string(m.Address), Summary: m.Summary,
		Detail: m.Detail, Source: wire.Source(m.Source), Blocks: m.Blocks,
	}
}

func fromOperation(o *state.Operation) wire.Operation {
	return wire.Operation{
		ID: o.ID, Action: string(o.Action), Instance: string(o.Instance), From: string(o.From), To: string(o.To),
		Kind: string(o.Kind), After: o.After, Phase: string(o.Phase), Error: o.Error,
	}
}

func fromCheck(c *planner.Check) wire.Check {
	return wire.Check{
		Host: string(c.Host), Peer: string(c.Peer), Name: c.Name,
		Status: string(c.Status), Detail: c.Detail, Fix: c.Fix,
	}
}

// planHosts lists the hosts of desired with what was seen of them, then those that only the record has.
func planHosts(desired *spec.Spec, seen *planner.Observed, st state.State) []wire.PlanHost {
	zones := zoneNames(desired)
	out := make([]wire.PlanHost, 0, len(desired.Hosts))
	listed := make(map[spec.Address]bool, len(desired.Hosts))
	for i := range desired.Hosts {
		h := &desired.Hosts[i]
		listed[h.Address] = true
		out = append(out, planHost(wire.PlanHost{
			Address: string(h.Address), Name: h.Name, Zone: zones[h.Zone], Mode: string(h.Mode),
		}, seen, st))
	}
	for address, h := range st.Hosts.All() {
		if !listed[spec.Address(address)] {
			out = append(out, planHost(wire.PlanHost{Address: address, Name: h.Name}, seen, st))
		}
	}
	return out
}

func planHost(h wire.PlanHost, seen *planner.Observed, st state.State) wire.PlanHost {
	if recorded, ok := st.Hosts.Get(h.Address); ok {
		h.Claimed = recorded.Claimed
	}
	if seen == nil {
		return h
	}
	o := seen.Hosts[spec.Address(h.Address)]
	if o == nil {
		h.Error = "not looked at"
		return h
	}
	h.Reachable, h.Error = o.Reachable, o.Error
	if !o.LastSeen.IsZero() {
		h.SeenAgo = seen.At.Sub(o.LastSeen).Milliseconds()
	}
	return h
}

func zoneNames(s *spec.Spec) map[spec.Address]string {
	names := make(map[spec.Address]string, len(s.Zones))
	for i := range s.Zones {
		names[s.Zones[i].Address] = s.Zones[i].Name
	}
	return names
}
