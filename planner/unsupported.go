package planner

import (
	"fmt"
	"strings"
)

// unsupported names every difference that takes a restart, resize or rebuild: there are none of these
// yet, and until then the guest stays as it is and the plan says so each time.
func (c *computation) unsupported(r *record) {
	var diffs []AttributeChange
	diffs = append(diffs, c.sizeChange(r)...)
	diffs = append(diffs, c.imageChange(r)...)
	diffs = append(diffs, c.poolChange(r)...)
	diffs = append(diffs, c.nicChange(r)...)
	if len(diffs) > 0 {
		var parts []string
		for _, d := range diffs {
			parts = append(parts, fmt.Sprintf("%s %s -> %s", d.Name, d.Old, d.New))
		}
		what := strings.Join(parts, ", ")
		if !c.refuseLocked(r, r.want.Locked, what) {
			c.fail(Message{Code: CodeUnsupported, Address: r.address(), Source: r.source(),
				Summary: fmt.Sprintf("%s: %s: changing this is not supported yet", r.address(), what),
				Detail: []string{"The guest stays as it was built. Take the change back, list it in lifecycle.ignore_changes,",
					"or remove the instance and add it under another name."}})
		}
	}
}

func (c *computation) sizeChange(r *record) []AttributeChange {
	flavor := c.index.Flavors[r.want.Flavor]
	if flavor == nil || r.want.Ignores("flavor") {
		return nil
	}
	var diffs []AttributeChange
	have, want := r.have.Size, c.size(r.want)
	add := func(name string, old, now int64, unit string) {
		if old != now {
			diffs = append(diffs, AttributeChange{name, fmt.Sprint(old), fmt.Sprint(now) + unit})
		}
	}
	add("vcpus", int64(have.VCPUs), int64(want.VCPUs), "")
	add("ram", have.MemoryMiB, want.MemoryMiB, " MiB")
	if flavor.Disk > 0 {
		add("disk", have.DiskMiB, want.DiskMiB, " MiB")
	}
	add("ephemeral", have.EphemeralMiB, want.EphemeralMiB, " MiB")
	add("swap", have.SwapMiB, want.SwapMiB, " MiB")
	if was := r.have.Flavor; len(diffs) > 0 && was != r.want.Flavor {
		diffs = append([]AttributeChange{{"flavor", was.Short(), r.want.Flavor.Short()}}, diffs...)
	}
	return diffs
}

func (c *computation) imageChange(r *record) []AttributeChange {
	if r.want.Ignores("image") {
		return nil
	}
	was, image := r.have.Image, c.index.Images[r.want.Image]
	if was != r.want.Image {
		return []AttributeChange{{"image", was.Short(), r.want.Image.Short()}}
	}
	if image == nil {
		return nil
	}
	for _, built := range []string{r.have.ImageDigest, r.have.ImageChecksum} {
		if sameAlgorithm(built, image.Checksum) {
			if built == image.Checksum {
				return nil // wherever it comes from now
			}
			return []AttributeChange{{"image content", shortDigest(built), shortDigest(image.Checksum)}}
		}
	}
	// Without checksums to compare, another source is taken for other content.
	if was := r.have.ImageSource; was != "" && was != image.Location {
		return []AttributeChange{{"image source", was, image.Location}}
	}
	return nil
}

func sameAlgorithm(a, b string) bool {
	x, _, okX := strings.Cut(a, ":")
	y, _, okY := strings.Cut(b, ":")
	return okX && okY && x == y
}

func shortDigest(d string) string {
	if head, sum, ok := strings.Cut(d, ":"); ok && len(sum) > 12 {
		return head + ":" + sum[:12]
	}
	return d
}

func (c *computation) poolChange(r *record) []AttributeChange {
	want := c.pool(r.want)
	if r.want.Ignores("pool") || want.Path == "" || want.Path == r.have.Pool.Path {
		return nil
	}
	return []AttributeChange{{"pool", r.have.Pool.Path, want.Path}}
}

func (c *computation) nicChange(r *record) []AttributeChange {
	have, want := r.have.NICs, r.want.NICs
	if r.want.Ignores("nic") {
		return nil
	}
	if len(have) != len(want) {
		return []AttributeChange{{"nics", fmt.Sprint(len(have)), fmt.Sprint(len(want))}}
	}
	var diffs []AttributeChange
	for i, n := range want {
		was := have[i].Network
		switch {
		case was != n.Network:
			diffs = append(diffs, AttributeChange{nicName(n, i) + " network", was.Short(), n.Network.Short()})
		case n.FixedIP != "" && n.FixedIP != have[i].IP:
			diffs = append(diffs, AttributeChange{nicName(n, i) + " fixed_ip", have[i].IP, n.FixedIP})
		case n.MAC != "" && !strings.EqualFold(n.MAC, have[i].MAC):
			diffs = append(diffs, AttributeChange{nicName(n, i) + " mac", have[i].MAC, n.MAC})
		}
	}
	return diffs
}
