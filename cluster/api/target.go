package api

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/planner"
	"github.com/novaplan/novaplan/spec"
)

// checkChosen refuses -target and -exclude with addresses that neither spec has: choosing nothing and
// excluding nothing would both look as if they had worked.
func checkChosen(opts planner.Options, specs ...*spec.Spec) error {
	if len(opts.Target)+len(opts.Exclude) == 0 {
		return nil
	}
	known := map[spec.Address]bool{}
	for _, s := range specs {
		if s != nil {
			noteAddresses(known, s)
		}
	}
	if err := checkList("-target", opts.Target, known); err != nil {
		return err
	}
	return checkList("-exclude", opts.Exclude, known)
}

func checkList(flag string, list []spec.Address, known map[spec.Address]bool) error {
	for _, a := range list {
		if known[a] {
			continue
		}
		e := &wire.Error{Code: CodeNotFound, Message: fmt.Sprintf("%s %s: there is no %s, neither in the spec nor in the record", flag, a, a)}
		if best := nearest(a, known); best != "" {
			e.Detail = []string{"Did you mean " + string(best) + "?"}
		}
		return e
	}
	return nil
}

// nearest returns the known address that is most like a, "" when none is.
func nearest(a spec.Address, known map[spec.Address]bool) spec.Address {
	if known[a.Block()] {
		return a.Block()
	}
	const far = 4
	best, least := spec.Address(""), far
	for k := range known {
		d := levenshtein.Distance(string(a), string(k), nil)
		if d < least || d == least && strings.Compare(string(k), string(best)) < 0 && best != "" {
			best, least = k, d
		}
	}
	return best
}

// noteAddresses adds every address of s, and of its blocks as a whole.
func noteAddresses(known map[spec.Address]bool, s *spec.Spec) {
	note := func(a spec.Address) { known[a], known[a.Block()] = true, true }
	index := spec.NewIndex(s)
	noteAll(note, index.Zones)
	noteAll(note, index.Hosts)
	noteAll(note, index.Pools)
	noteAll(note, index.Flavors)
	noteAll(note, index.Images)
	noteAll(note, index.Networks)
	noteAll(note, index.Groups)
	noteAll(note, index.Keypairs)
	noteAll(note, index.Instances)
	for i := range s.Aggregates {
		note(s.Aggregates[i].Address)
	}
	for _, m := range s.Moved {
		note(m.From)
		note(m.To)
	}
	for _, r := range s.Removed {
		note(r.From)
	}
}

func noteAll[T any](note func(spec.Address), blocks map[spec.Address]*T) {
	for a := range blocks {
		note(a)
	}
}
