package lang

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/novaplan/novaplan/spec"
)

// checkHosts refuses one libvirt under two names, and simulated hosts among real ones.
func (ev *evaluator) checkHosts(s *spec.Spec) {
	byURI := map[string]*spec.Host{}
	var sim, genuine *spec.Host
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if h.URI == "" {
			continue
		}
		if first := byURI[h.URI]; first != nil {
			ev.errorOnce(ev.attrOf(h.Address, "uri"), "Duplicate host", fmt.Sprintf("%s and %s (%s) have the same uri %q. One libvirt is one host.", h.Address, first.Address, place(ev.attrOf(first.Address, "uri")), h.URI))
		} else {
			byURI[h.URI] = h
		}
		switch {
		case strings.HasPrefix(h.URI, "sim://"):
			sim = firstHost(sim, h)
		case strings.HasPrefix(h.URI, "qemu"): // what is neither was refused where it was read
			genuine = firstHost(genuine, h)
		}
	}
	if sim != nil && genuine != nil {
		ev.errorOnce(ev.attrOf(sim.Address, "uri"), "Simulated and real hosts", fmt.Sprintf("%s is simulated (%s) and %s is real (%s). A spec has one or the other; novaplan plan -simulate tries a real spec on simulated hosts.", sim.Address, sim.URI, genuine.Address, genuine.URI))
	}
}

func firstHost(have, h *spec.Host) *spec.Host {
	if have != nil {
		return have
	}
	return h
}

// checkAddresses refuses the same fixed_ip or mac twice.
func (ev *evaluator) checkAddresses(s *spec.Spec) {
	type key struct {
		network spec.Address
		value   string
	}
	seen := map[key]spec.Address{}
	claim := func(i *spec.Instance, k key, field string) {
		first, ok := seen[k]
		if !ok {
			seen[k] = i.Address
			return
		}
		ev.errorOnce(ev.nicAttr(i.Address, field), "Duplicate "+field, fmt.Sprintf("%s and %s (%s) both have %s %s.", i.Address, first, place(ev.nicAttr(first, field)), field, k.value))
	}
	for n := range s.Instances {
		i := &s.Instances[n]
		for _, nic := range i.NICs {
			if nic.FixedIP != "" {
				claim(i, key{nic.Network, nic.FixedIP}, "fixed_ip")
			}
			if nic.MAC != "" {
				claim(i, key{"", nic.MAC}, "mac")
			}
		}
	}
}

// nicAttr returns where the first such attribute of an instance's NICs is written.
func (ev *evaluator) nicAttr(addr spec.Address, field string) hcl.Range {
	b := ev.kinds["instance"].byLabel[addr.Label()]
	s := b.kind.schema()
	for _, it := range b.content.blocks {
		info := s.blocks[it.nested]
		if item := it.content.attr(info.schema, field); info.name == "nic" && item != nil {
			return item.expr.Range()
		}
	}
	return b.def
}

// checkImages refuses a flavor that is too small for the image.
func (ev *evaluator) checkImages(s *spec.Spec) {
	images := map[spec.Address]*spec.Image{}
	for i := range s.Images {
		if im := &s.Images[i]; im.MinDisk > 0 || im.MinRAM > 0 {
			images[im.Address] = im
		}
	}
	if len(images) == 0 {
		return
	}
	flavors := map[spec.Address]*spec.Flavor{}
	for i := range s.Flavors {
		flavors[s.Flavors[i].Address] = &s.Flavors[i]
	}
	for n := range s.Instances {
		i := &s.Instances[n]
		im, f := images[i.Image], flavors[i.Flavor]
		if im == nil || f == nil {
			continue
		}
		if f.Disk > 0 && f.Disk < im.MinDisk {
			ev.errorOnce(ev.attrOf(i.Address, "flavor"), "Flavor too small", fmt.Sprintf("%s needs a root disk of %d MiB, %s has %d MiB.", im.Address, im.MinDisk, f.Address, f.Disk))
		}
		if f.RAM > 0 && f.RAM < im.MinRAM {
			ev.errorOnce(ev.attrOf(i.Address, "flavor"), "Flavor too small", fmt.Sprintf("%s needs %d MiB of memory, %s has %d MiB.", im.Address, im.MinRAM, f.Address, f.RAM))
		}
	}
}

// checkDependencies refuses cycles of depends_on, block by block.
func (ev *evaluator) checkDependencies(s *spec.Spec) {
	after := map[spec.Address][]spec.Address{}
	for n := range s.Instances {
		i := &s.Instances[n]
		if len(i.DependsOn) > 0 {
			after[i.Address] = i.DependsOn
		}
	}
	state := map[spec.Address]progress{}
	for n := range s.Instances {
		if a := s.Instances[n].Address; after[a] != nil && state[a] == waiting {
			ev.follow(a, after, state)
		}
	}
}

// follow walks depth-first with a stack of its own, because a chain can be as long as the spec.
func (ev *evaluator) follow(start spec.Address, after map[spec.Address][]spec.Address, state map[spec.Address]progress) {
	type step struct {
		at   spec.Address
		next int
	}
	stack := []step{{at: start}}
	state[start] = running
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.next == len(after[top.at]) {
			state[top.at] = finished
			stack = stack[:len(stack)-1]
			continue
		}
		to := after[top.at][top.next]
		top.next++
		switch {
		case state[to] == running:
			var names []string
			for _, s := range stack {
				if len(names) > 0 || s.at == to {
					names = append(names, string(s.at))
				}
			}
			ev.errorOnce(ev.attrOf(to, "depends_on"), "Cycle of depends_on", strings.Join(append(names, string(to)), " -> ")+".")
		case state[to] == waiting && after[to] != nil:
			state[to] = running
			stack = append(stack, step{at: to})
		}
	}
}

// warnDrainByFlag warns of a mode that the next command without the same -var would undo.
func (ev *evaluator) warnDrainByFlag(s *spec.Spec) {
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if name, ok := strings.CutPrefix(h.ModeAt.File, "-var "); ok && h.Mode != spec.ModeActive {
			ev.warnf(ev.attrOf(h.Address, "mode"), "Mode set by -var", "%s gets mode = %q from -var %s. The next apply without it would undo that; write it in a *.auto.npvars file.", h.Address, h.Mode, name)
			return
		}
	}
}
