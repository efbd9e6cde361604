package api

import (
	"context"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

func (h *Handler) explain(ctx context.Context, req *in[wire.ExplainRequest]) (*out[*wire.Explanation], error) {
	desired, err := decode(req.Body.Spec)
	if err != nil {
		return nil, err
	}
	address, err := spec.ParseAddress(req.Body.Address)
	if err != nil {
		return nil, &wire.Error{Code: CodeInvalid, Message: err.Error()}
	}
	found, err := h.Planner.Explain(ctx, desired, address)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, &wire.Error{Code: CodeNotFound, Message: "there is no " + string(address) + ", neither in the spec nor in the record"}
	}
	st := h.Planner.State()
	if desired == nil {
		desired = inForce(st)
	}
	return answer(explanationOf(found, st, desired))
}

func explanationOf(found *planner.Explanation, st state.State, desired *spec.Spec) *wire.Explanation {
	e := &wire.Explanation{
		FormatVersion: wire.ExplainFormat, Address: string(found.Address), Host: string(found.Host),
		Since: lastWord(st, found.Address), Placement: fromPlacement(found.Placement),
		Messages: each(found.Messages, fromMessage), Names: map[string]string{},
	}
	for address, h := range st.Hosts.All() {
		e.Names[address] = h.Name
	}
	for i := range desired.Hosts {
		e.Names[string(desired.Hosts[i].Address)] = desired.Hosts[i].Name
	}
	e.HostName = e.Names[e.Host]
	if found.Change != nil {
		change := fromChange(found.Change)
		e.Change = &change
	}
	if found.Unplaced != nil {
		unplaced := fromUnplaced(found.Unplaced)
		e.Unplaced = &unplaced
	}
	return e
}

// lastWord is the reason of the last operation that put the instance where it is.
func lastWord(st state.State, address spec.Address) string {
	var last *state.Operation
	for _, o := range st.Operations.All() {
		moves := o.Action == state.Create || o.Action == state.Migrate
		if o.Instance == address && moves && o.Phase == state.Done && (last == nil || o.Ended.After(last.Ended)) {
			last = o
		}
	}
	if last == nil {
		return ""
	}
	return string(last.Action) + ": " + last.Reason.Message
}
