package planner

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/spec"
)

// settings shows what a proposal changes of an instance that exists without anything being done on its
// host: approving it is all (see state.Propose). What its guest reads at its first boot is said as well.
func (c *computation) settings(r *record) {
	was := c.replaced(r)
	if was == nil {
		return
	}
	diffs := settingChanges(was, r.want)
	first := firstBootChanges(was, r.want)
	if c.index.Flavors[r.want.Flavor] != nil && was.Flavor != r.want.Flavor && len(c.sizeChange(r)) == 0 && !r.want.Ignores("flavor") {
		diffs = append(diffs, AttributeChange{"flavor", was.Flavor.Short(), r.want.Flavor.Short()})
	}
	for _, name := range first {
		diffs = append(diffs, AttributeChange{Name: name, Old: "as it was", New: "changed"})
	}
	if len(diffs) == 0 {
		return
	}
	c.changes = append(c.changes, &Change{
		Address: r.address(), Name: r.address().Short(), Action: ActUpdate, Attributes: diffs,
		Reason: state.Reason{Code: ReasonSettings, Message: "recorded, the guest is not touched"},
	})
	if len(first) == 0 {
		return
	}
	c.warn(Message{Code: CodeFirstBoot, Address: r.address(), Source: r.source(),
		Summary: fmt.Sprintf("%s: %s changed, which a guest reads at its first boot only", r.address(), strings.Join(first, ", ")),
		Detail:  []string{"The running guest doesn't see it; its config drive is made anew with a rebuild, which is not supported yet."}})
}

// replaced returns what the revision that a proposal replaces says of an instance; nil when there is no
// proposal, or it says the same.
func (c *computation) replaced(r *record) *spec.Instance {
	if c.desired.Base == nil {
		return nil
	}
	was := c.desired.Base.Index.Instances[r.have.Address]
	if was == r.want {
		return nil
	}
	return was
}

// settingChanges are the differences in what is only recorded.
func settingChanges(was, want *spec.Instance) []AttributeChange {
	var diffs []AttributeChange
	add := func(name, old, now string) {
		if old != now && !want.Ignores(name) {
			diffs = append(diffs, AttributeChange{name, old, now})
		}
	}
	if was.TrashRetention != want.TrashRetention {
		add("trash_retention", shortDuration(was.TrashRetention), shortDuration(want.TrashRetention))
	}
	if was.ShutdownTimeout != want.ShutdownTimeout {
		add("shutdown_timeout", shortDuration(was.ShutdownTimeout), shortDuration(want.ShutdownTimeout))
	}
	add("locked", was.Locked, want.Locked)
	if a, b := was.Update.Interruptions(), want.Update.Interruptions(); a != b {
		add("update.max_parallel", fmt.Sprint(a), fmt.Sprint(b))
	}
	if a, b := was.Lifecycle.PreventDestroy, want.Lifecycle.PreventDestroy; a != b {
		add("lifecycle.prevent_destroy", fmt.Sprint(a), fmt.Sprint(b))
	}
	return diffs
}

// firstBootChanges name what a guest reads when it first boots.
func firstBootChanges(was, want *spec.Instance) []string {
	var names []string
	for _, attr := range []struct {
		name  string
		equal bool
	}{
		{"user_data", slices.Equal(was.UserData.HMAC, want.UserData.HMAC)},
		{"metadata", maps.Equal(was.Metadata, want.Metadata)},
		{"keypair", was.Keypair == want.Keypair},
		{"name", was.Name == want.Name},
	} {
		if !attr.equal && !want.Ignores(attr.name) {
			names = append(names, attr.name)
		}
	}
	return names
}

// shortDuration writes 24h instead of 24h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
