//go:build lab

package e2e

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMovesThereAndBack moves a guest on local storage away and back, running and then off. What it had written is
// still there, though its disk stands on an image of another name in between, and no file on its way has a name that one had before: deletions that were sent to the hosts then and
// arrive only now, which nothing in libvirt keeps out, find nothing.
func TestMovesThereAndBack(t *testing.T) {
	f := newFleet(t, pair)
	f.use("e2e", "12", pair)
	f.drain("2")
	f.burn("kvm2")
	f.apply()
	before := f.ticks(onLocal)
	var had []string
	move := func(from string) {
		t.Helper()
		for _, file := range f.files() {
			if !slices.Contains(had, file) {
				had = append(had, file)
			}
		}
		f.drain(from)
		f.apply()
		f.settled()
	}
	move("1")
	f.whole(isLocal, onShared, onLocal)
	move("2")
	f.whole(isLocal, onShared, onLocal)
	f.ranOn(before)
	f.deleteLate(had)
	f.ranOn(before)

	f.edit("instances.np.hcl", "instance \"local\" {", "instance \"local\" {\n  state            = \"stopped\"")
	f.apply()
	move("1")
	move("2")
	f.deleteLate(had)
	f.edit("instances.np.hcl", "\"stopped\"", "\"running\"")
	f.apply()
	f.whole(isLocal, onShared, onLocal)
	if after := f.ticks(onLocal)[onLocal]; after.Boots != before[onLocal].Boots+1 {
		t.Errorf("it booted %d times before and %d times now: its disk is another one", before[onLocal].Boots, after.Boots)
	}
}

// burn makes the host call the guest's image something else than others do: its first name was given up there.
func (f *fleet) burn(host string) {
	f.t.Helper()
	image, err := os.ReadFile(f.lab.GuestImage())
	if err != nil {
		f.t.Fatal(err)
	}
	name := fmt.Sprintf("np-image-%x", sha256.Sum256(image))[:len("np-image-")+12] + ".ok"
	if err := os.WriteFile(filepath.Join(f.lab.Host(host).Local.Outside, name), make([]byte, 1024), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// deleteLate sends the deletions of all those files on local storage again.
func (f *fleet) deleteLate(files []string) {
	f.t.Helper()
	sent := 0
	for _, file := range files {
		host, name, _ := strings.Cut(file, " ")
		if host == "shared" {
			continue
		}
		sent++
		inside := filepath.Join(f.lab.Host(host).Local.Inside, name)
		if out, err := f.lab.TryVirsh(host, "vol-delete", inside); err == nil {
			f.t.Errorf("%s: %s was there again\n%s", host, inside, out)
		}
	}
	if sent == 0 {
		f.t.Error("there was nothing to delete")
	}
}
