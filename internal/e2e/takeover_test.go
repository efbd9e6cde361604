//go:build lab

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSecondCluster lets another folder with the same spec, which never had a record, want the same hosts: it is
// refused with the way out, and changes nothing.
func TestSecondCluster(t *testing.T) {
	f := newFleet(t, pair)
	f.apply()
	counts := f.ticks(onShared, onLocal)
	second := *f
	second.dir, second.config = t.TempDir(), t.TempDir()
	second.use("e2e", "123", pair)

	second.run("plan").exits(1).says("novaplan takeover", "claimed")
	second.run("apply", "-auto-approve").exits(1).says("novaplan takeover")
	if revision := second.status().Revision; revision != 0 {
		t.Errorf("the second cluster has recorded revision %d", revision)
	}
	f.settled()
	f.ranOn(counts)
	f.whole(isLocal, onShared, onLocal)

	// Another fleet is not even to take over.
	second.use("other", "123", pair)
	second.run("takeover", "-auto-approve").exits(1).says(`fleet "e2e"`)
	f.settled()
}

// TestTakeover loses the record; the stamps on the hosts are enough to go on, and no guest notices.
func TestTakeover(t *testing.T) {
	f := newFleet(t, strings.Replace(pair, "nic {", "user_data = \"#!/bin/sh\\necho hello >/dev/console\\n\"\n  nic {", 1))
	f.apply()
	counts := f.ticks(onShared, onLocal)
	before := f.status().Instances
	if err := os.RemoveAll(filepath.Join(f.dir, ".novaplan")); err != nil {
		t.Fatal(err)
	}

	f.run("plan").exits(1).says("novaplan takeover")
	f.run("takeover", "-auto-approve").ok().says("Taken over")
	f.settled()
	for i, in := range f.status().Instances {
		if b := before[i]; in.UUID != b.UUID || in.Host != b.Host || strings.Join(in.Addresses, " ") != strings.Join(b.Addresses, " ") {
			t.Errorf("%s was %+v and is %+v", in.Address, b, in)
		}
	}
	f.ranOn(counts)
	f.whole(isLocal, onShared, onLocal)

	// And the new record can do what the old one could.
	f.drain(strings.TrimPrefix(before[0].HostName, "kvm"))
	f.apply()
	f.settled()
	f.ranOn(counts)
	f.whole(isLocal, onShared, onLocal)
}
