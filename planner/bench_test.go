package planner

import (
	"fmt"
	"testing"

	"github.com/novaplan/novaplan/spec"
)

// benchSpec is a fleet of hosts with separate instance blocks of two flavors, in two zones.
func benchSpec(instances, hosts int) *spec.Spec {
	s := fleetSpec(hosts)
	s.Flavors[1].RAM, s.Flavors[1].VCPUs = 2048, 2
	s.Networks[0].CIDR, s.Networks[0].Gateway = "10.0.0.0/8", "10.0.0.1"
	for i := range s.Hosts {
		s.Hosts[i].Zone = s.Zones[i%2].Address
	}
	for i := range instances {
		in := inst(fmt.Sprintf("web%d", i), []string{"small", "big"}[i%2])
		in.Zone = s.Zones[i/2%2].Address
		s.Instances = append(s.Instances, in)
	}
	s.Scheduler.Ratios.RAM = 1.5
	return s
}

func BenchmarkCompute(b *testing.B) {
	for _, size := range [][2]int{{1_000, 100}, {10_000, 1_000}, {100_000, 10_000}} {
		s := benchSpec(size[0], size[1])
		name := fmt.Sprintf("%don%d", size[0], size[1])
		w := newWorld(b, s)
		b.Run("allnew/"+name, func(b *testing.B) {
			for b.Loop() {
				if p := w.plan(s, Options{}); len(p.Operations) != size[0]+size[1] {
					b.Fatalf("%d operations, %v", len(p.Operations), p.Errors)
				}
			}
		})
		w.settleAll(s)
		b.Run("nochange/"+name, func(b *testing.B) {
			for b.Loop() {
				if p := w.plan(s, Options{}); !p.Empty() {
					b.Fatal("not empty")
				}
			}
		})
		changed := edit(s, func(s *spec.Spec) { s.Instances = append(s.Instances, inst("one", "small")) })
		b.Run("onechange/"+name, func(b *testing.B) {
			for b.Loop() {
				if p := w.plan(changed, Options{}); len(p.Operations) != 1 {
					b.Fatalf("%d operations", len(p.Operations))
				}
			}
		})
		drained := edit(s, func(s *spec.Spec) { // one host in twenty
			for i := 0; i < size[1]; i += 20 {
				s.Hosts[i].Mode = spec.ModeDrain
			}
		})
		b.Run("drain/"+name, func(b *testing.B) {
			for b.Loop() {
				if p := w.plan(drained, Options{}); p.Summary.Live == 0 || len(p.Errors) > 0 {
					b.Fatalf("%d live, %+v", p.Summary.Live, p.Errors)
				}
			}
		})
	}
}
