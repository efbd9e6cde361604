//go:build lab

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/internal/labtest"
)

// TestDestroy ends a fleet: no domain of it is left, its disks wait in the trash, and a domain that isn't
// novaplan's runs on.
func TestDestroy(t *testing.T) {
	f := newFleet(t, strings.ReplaceAll(pair, `trash_retention  = "0s"`, `trash_retention  = "1h"`))
	foreign := f.lab.Boot("kvm1", labtest.Guest{Name: "theirs", Shared: true})
	theirs := f.files()
	f.apply()
	shared, local := f.instance(onShared), f.instance(onLocal)
	before, err := foreign.WaitTick(within(t))
	if err != nil {
		t.Fatal(err)
	}

	f.run("plan", "-destroy").ok().says("2 to terminate", "trash for 1h")
	f.run("destroy", "-auto-approve").ok()

	same(f, "domains", f.domains(), []string{"kvm1 running theirs"})
	same(f, "files", f.files(), slices.Concat(theirs, []string{
		"shared np-" + shared.UUID + "-root-0.qcow2",
		local.HostName + " np-" + local.UUID + "-root-0.qcow2",
	}))
	if trash := f.status().Trash; len(trash) != 2 {
		t.Errorf("the trash holds %+v, want the disks of two instances", trash)
	}
	if after, err := foreign.WaitTick(within(t)); err != nil || after.Boots != before.Boots || after.Count <= before.Count {
		t.Errorf("the foreign guest was touched: %+v, then %+v (%v)", before, after, err)
	}
	f.run("plan", "-destroy", "-detailed-exitcode").ok()
	f.run("plan", "-detailed-exitcode").exits(2).says("2 instances to create")

	// What comes again is something new: it doesn't take up what is in the trash.
	f.apply()
	if again := f.instance(onShared); again.UUID == shared.UUID {
		t.Errorf("%s has the UUID of its former life", onShared)
	}
}
