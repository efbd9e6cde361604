package sim

import (
	"testing"
	"time"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/conformance"
)

func TestConformance(t *testing.T) {
	for name, open := range map[string]func(*testing.T, Options) *World{
		"memory": func(_ *testing.T, opts Options) *World { return New(opts) },
		"journal": func(t *testing.T, opts Options) *World {
			w, err := Open(t.TempDir(), opts)
			must(t, err)
			t.Cleanup(func() { must(t, w.Close()) })
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			conformance.Run(t, func(t *testing.T) conformance.Fixture {
				opts := Realistic()
				opts.Start, opts.Boot, opts.Shutdown = time.Millisecond, 5*time.Millisecond, time.Millisecond
				opts.KeepContent = 64 << 20
				return fixture(t, open(t, opts))
			})
		})
	}
}

func fixture(t *testing.T, w *World) conformance.Fixture {
	missing := hypervisor.Pool{Path: "/srv/missing", Shared: true}
	must(t, w.Do("down nobody"))
	must(t, w.Do("unmount a1 "+missing.Path))
	must(t, w.Do("unmount b1 "+missing.Path))
	return conformance.Fixture{
		Driver: w, Hosts: [2]hypervisor.Target{target("a1"), target("b1")}, Nobody: target("nobody"),
		SharedPool: sharedPool, LocalPool: localPool, MissingPool: missing,
		Bridge: "br0", VirtType: "kvm", Arch: "x86_64",
	}
}
