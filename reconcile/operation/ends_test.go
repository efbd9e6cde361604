package operation

import (
	"testing"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// TestSighting reads domains as the libvirt driver describes them.
func TestSighting(t *testing.T) {
	for _, c := range []struct {
		domain hypervisor.Domain
		want   Sighting
	}{
		{hypervisor.Domain{Power: hypervisor.PowerRunning}, On},
		{hypervisor.Domain{Power: hypervisor.PowerRunning, Migrating: true}, Leaving},
		{hypervisor.Domain{Power: hypervisor.PowerIncoming}, Arriving},
		{hypervisor.Domain{Power: hypervisor.PowerPaused, PauseReason: "user"}, On},
		{hypervisor.Domain{Power: hypervisor.PowerPaused, PauseReason: "migration"}, Halted},
		{hypervisor.Domain{Power: hypervisor.PowerPaused, PauseReason: "starting_up"}, Halted},
		{hypervisor.Domain{Power: hypervisor.PowerPaused, PauseReason: "postcopy"}, Strange},
		{hypervisor.Domain{Power: hypervisor.PowerPaused, PauseReason: "postcopy_failed"}, Strange},
		{hypervisor.Domain{Power: hypervisor.PowerSaved}, Strange},
		{hypervisor.Domain{Power: hypervisor.PowerOff}, Off},
		{hypervisor.Domain{Power: hypervisor.PowerCrashed}, Off},
	} {
		if got := sighting(c.domain); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.domain.Power, c.domain.PauseReason, got, c.want)
		}
	}
}
