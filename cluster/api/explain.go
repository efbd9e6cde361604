package api

import (
	"net/http"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

func (h *Handler) explain(w http.ResponseWriter, r *http.Request) {
	var req wire.ExplainRequest
	if !read(w, r, &req) {
		return
	}
	desired, ok := decode(w, req.Spec)
	if !ok {
		return
	}
	address, err := spec.ParseAddress(req.Address)
	if err != nil {
		fail(w, &wire.Error{Code: CodeInvalid, Message: err.Error()})
		return
	}
	plan, seen, err := h.Planner.Plan(r.Context(), desired, planner.Options{Explain: true})
	if err != nil {
		fail(w, err)
		return
	}
	st := h.Planner.State()
	if desired == nil {
		desired = inForce(st)
	}
	e := explanationOf(plan, seen, st, desired, address)
	if e == nil {
		fail(w, &wire.Error{Code: CodeNotFound, Message: "there is no " + string(address) + ", neither in the spec nor on a host"})
		return
	}
	reply(w, e)
}

func explanationOf(plan *planner.Plan, seen *planner.Observed, st state.State, desired *spec.Spec, address spec.Address) *wire.Explanation {
	view := newFleetView(st, desired, seen)
	e := &wire.Explanation{FormatVersion: wire.ExplainFormat, Address: string(address), Names: map[string]string{}}
	have, recorded := st.Instances.Get(string(address))
	if !recorded && view.desired.Index.Instances[address] == nil {
		return nil
	}
	for i := range desired.Hosts {
		e.Names[string(desired.Hosts[i].Address)] = desired.Hosts[i].Name
	}
	if recorded {
		e.Host, e.HostName = string(have.Host), view.hostName(have.Host)
		e.Since = lastWord(st, address)
	}
	for i := range plan.Changes {
		if c := &plan.Changes[i]; c.Address == address {
			change := fromChange(c)
			e.Change, e.Placement = &change, change.Placement
		}
	}
	for i := range plan.Unplaced {
		if u := &plan.Unplaced[i]; u.Address == address {
			unplaced := fromUnplaced(u)
			e.Unplaced, e.Placement = &unplaced, unplaced.Placement
		}
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
