package main

import (
	"strings"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// words says what operations are about and do, in the words of the plan that they come from.
type words struct {
	hosts   map[string]string // names by address
	renamed map[string]bool   // instances that only get a new address
}

func wordsOf(p *wire.Plan) words {
	w := words{hosts: make(map[string]string, len(p.Hosts)), renamed: map[string]bool{}}
	for _, h := range p.Hosts {
		w.hosts[h.Address] = h.Name
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Action == "rename" {
			w.renamed[c.Address] = true
		}
	}
	return w
}

func (w words) host(address string) string {
	if n := w.hosts[address]; n != "" {
		return n
	}
	return address
}

// subject is what an operation is about: an instance, or a host.
func (w words) subject(o *wire.Operation) string {
	switch {
	case o.Instance != "":
		return o.Instance
	case o.To != "":
		return w.host(o.To)
	}
	return w.host(o.From)
}

// deed says what an operation does: "create on kvm1", "live migrate kvm1 -> kvm2".
func (w words) deed(o *wire.Operation) string {
	text := strings.TrimSpace(o.Kind + " " + o.Action)
	if o.Action == "redefine" && w.renamed[o.Instance] {
		text = "rename"
	}
	switch {
	case o.Instance == "":
		return text
	case o.From != "" && o.To != "":
		return text + " " + w.host(o.From) + " -> " + w.host(o.To)
	case o.To != "":
		return text + " on " + w.host(o.To)
	case o.From != "":
		return text + " on " + w.host(o.From)
	}
	return text
}
