package sim

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// BenchmarkFleet opens a large world and looks at all of it, as a new leader does.
func BenchmarkFleet(b *testing.B) {
	const hosts, perHost = 10_000, 10
	w := New(Realistic())
	fleet := make([]hypervisor.Host, hosts)
	before, goroutines := heapBytes(), runtime.NumGoroutine()
	for i := range fleet {
		fleet[i] = open(b, w, fmt.Sprintf("h%05d", i))
		for n := range perHost {
			name := fmt.Sprintf("np-%05d-%d", i, n)
			must(b, fleet[i].DefineDomain(b.Context(), hypervisor.Definition{
				UUID: guestID(name), Name: name, VCPUs: 2, MemoryMiB: 2048,
				Stamp: hypervisor.Stamp{Cluster: "c", Address: name, Instance: guestID(name)},
			}))
		}
	}
	bytes, routines := heapBytes()-before, runtime.NumGoroutine()-goroutines
	for b.Loop() {
		for _, h := range fleet {
			list, err := h.ListDomains(b.Context())
			if err != nil || len(list) != perHost {
				b.Fatalf("%d domains, %v", len(list), err)
			}
		}
	}
	b.ReportMetric(float64(bytes)/(hosts*perHost), "B/domain")
	b.ReportMetric(float64(routines), "goroutines")
}

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
