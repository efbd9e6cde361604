//go:build lab

package e2e

import (
	"testing"
)

// TestDrift lets guests be stopped, paused and undefined behind novaplan's back: the plan says so, apply mends
// it, and what the guests had written is still there.
func TestDrift(t *testing.T) {
	f := newFleet(t, pair+`
instance "third" {
  flavor           = flavor.tiny
  image            = image.linux
  pool             = pool.shared
  shutdown_timeout = "1s"
  nic { network = network.lan }
}
`)
	const third = "instance.third"
	f.apply()
	counts := f.ticks(onShared, onLocal, third)
	for address, command := range map[string]string{onShared: "destroy", onLocal: "destroy", third: "suspend"} {
		in := f.instance(address)
		f.lab.Virsh(in.HostName, command, in.Domain)
	}
	local := f.instance(onLocal)
	f.lab.Virsh(local.HostName, "undefine", local.Domain)

	found := map[string]string{}
	for _, c := range f.plan().Changes {
		found[c.Address] = c.Action + " " + c.Reason.Code
	}
	for address, want := range map[string]string{
		onShared: "start found-stopped", onLocal: "restore found-missing", third: "resume found-paused",
	} {
		if found[address] != want {
			t.Errorf("the plan for %s is %q, want %q (all: %v)", address, found[address], want, found)
		}
	}

	f.apply()
	f.settled()
	f.whole(isLocal, onShared, onLocal, third)
	after := f.ticks(onShared, onLocal, third)
	for _, a := range []string{onShared, onLocal} {
		if after[a].Boots != counts[a].Boots+1 {
			t.Errorf("%s booted %d times before and %d times now: its disk is another one", a, counts[a].Boots, after[a].Boots)
		}
	}
	if after[third].Boots != counts[third].Boots || after[third].Count <= counts[third].Count {
		t.Errorf("%s was to go on, not to begin again: %+v, then %+v", third, counts[third], after[third])
	}
}
