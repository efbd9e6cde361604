package state

import (
	"testing"

	"github.com/novaplan/novaplan/spec"
)

// TestSurvey: a host that a takeover could not read stays marked, and on record, until it was read or somebody says
// that it is gone.
func TestSurvey(t *testing.T) {
	unread := func(m *machine) string {
		names := ""
		for _, h := range m.st.Unread() {
			names += h.Name + " "
		}
		return names
	}
	m := served(t, 3, 0)
	m.must(Command{Survey: &Survey{Unread: []spec.Address{h0, h1, "host.left"}, By: "ops"}})
	if got := unread(m); got != "h0 h1 left " {
		t.Errorf("unread: %q", got)
	}
	m.must(Command{Survey: &Survey{Read: []spec.Address{h0}}})
	m.approve(fleet(1, 0)) // h1 leaves the spec
	if got := unread(m); got != "h1 left " {
		t.Errorf("unread after h1 left the spec: %q", got)
	}
	m.must(Command{Survey: &Survey{Gone: []spec.Address{h1, "host.left", "host.never"}, By: "ops"}})
	if got := unread(m); got != "" {
		t.Errorf("unread at the end: %q", got)
	}
	if _, ok := m.st.Hosts.Get("host.left"); ok {
		t.Error("a host that is gone and left the spec is still on record")
	}
	words := 0
	for _, e := range m.st.History.All() {
		if e.By == "ops" && (e.Address == h1 || e.Address == "host.left") {
			words++
		}
	}
	if words != 4 {
		t.Errorf("%d events of what ops said, want 4", words)
	}
}
