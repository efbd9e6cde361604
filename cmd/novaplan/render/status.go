package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// Status writes hosts with their use, instances with where they are, and what is pending.
func Status(w io.Writer, s *wire.Status, o Options) error {
	var b strings.Builder
	b.WriteString(statusHead(s, o.Palette))
	b.WriteString(activity(s))
	b.WriteString(folder(s))
	if len(s.Hosts) > 0 {
		b.WriteByte('\n')
		b.WriteString(hostTable(s, o))
	}
	if o.Wide {
		b.WriteString(poolTable(s))
	}
	if len(s.Instances) > 0 {
		b.WriteByte('\n')
		b.WriteString(instanceTable(s, o))
	}
	if len(s.Pending) > 0 {
		b.WriteByte('\n')
		b.WriteString(pendingTable(s, o))
	}
	b.WriteString(keeping(s))
	b.WriteString(trash(s, o))
	_, err := io.WriteString(w, b.String())
	return err
}

// folder says what is wrong with the folder that is watched.
func folder(s *wire.Status) string {
	if s.Folder == nil || s.Folder.Problem == "" {
		return ""
	}
	return fmt.Sprintf("What %s says is refused since %s: %s. The last good spec stays in force.\n",
		s.Folder.Path, s.Folder.Since.Local().Format("2006-01-02 15:04"), s.Folder.Problem)
}

func statusHead(s *wire.Status, p Palette) string {
	head := "Fleet " + p.Bold(either(s.Fleet, "default"))
	if s.Mode == "sim" {
		head += " (simulated)"
	}
	if s.Revision == 0 {
		return head + ": nothing was applied yet.\n"
	}
	head += fmt.Sprintf(", revision %d", s.Revision)
	if !s.AppliedAt.IsZero() {
		head += " of " + s.AppliedAt.Local().Format("2006-01-02 15:04")
	}
	if s.AppliedBy != "" {
		head += " by " + s.AppliedBy
	}
	return head + ".\n"
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func hostTable(s *wire.Status, o Options) string {
	var t Table
	t.Row("HOST", "ZONE", "STATE", "INSTANCES", "VCPUS", "MEMORY", "DISK", only(o.Wide, "URI"), "NOTE")
	for i := range s.Hosts {
		h := &s.Hosts[i]
		state := h.State
		if h.Mode != "active" && h.Mode != "" {
			state += ", " + h.Mode
		}
		t.Cells(
			Cell{Text: h.Name}, Cell{Text: h.Zone}, Cell{state, o.Palette.health(h.State == "up")},
			Cell{Text: fmt.Sprint(h.Instances)},
			Cell{Text: use(h.VCPUs, func(n int64) string { return fmt.Sprint(n) }, o.Wide)},
			Cell{Text: use(h.Memory, MiB, o.Wide)}, Cell{Text: use(h.Disk, MiB, false)},
			Cell{Text: only(o.Wide, h.URI)}, Cell{Text: hostNote(h)},
		)
	}
	return t.String()
}

// hostNote is why a host doesn't answer, that nobody knows what it holds, or that its mode isn't what the spec says.
func hostNote(h *wire.Host) string {
	if h.Error == "" && h.Wanted != "" && h.Wanted != h.Mode {
		return fmt.Sprintf("mode = %q is not applied", h.Wanted)
	}
	if h.Unread {
		return strings.TrimPrefix(h.Error+"; not seen by the takeover", "; ")
	}
	return h.Error
}

// use writes what is taken of what may be promised, and the ratio that makes it more than there is.
func use(u wire.Use, unit func(int64) string, wide bool) string {
	if u.Total == 0 {
		return "-"
	}
	text := fmt.Sprintf("%s of %s", unit(u.Used+u.Foreign), unit(u.Limit))
	if u.Ratio != 1 {
		text += fmt.Sprintf(" (x%s)", ratio(u.Ratio))
	}
	if wide && u.Foreign > 0 {
		text += fmt.Sprintf(", %s not ours", unit(u.Foreign))
	}
	return text
}

// poolTable lists the pools of each host, a shared one once, with what takes their space.
func poolTable(s *wire.Status) string {
	var t Table
	t.Row("POOL", "HOST", "SIZE", "PROMISED", "WRITTEN", "OTHER FILES", "FREE", "MAY BE PROMISED")
	shared, any := map[string]bool{}, false
	for i := range s.Hosts {
		for _, p := range s.Hosts[i].Pools {
			host := s.Hosts[i].Name
			if p.Shared {
				if shared[p.Path] {
					continue
				}
				host, shared[p.Path] = "all", true
			}
			any = true
			t.Row(p.Path, host, MiB(p.Size), MiB(p.Promised), MiB(p.Written), MiB(p.Other), MiB(p.Free), MiB(p.Limit))
		}
	}
	if !any {
		return ""
	}
	return "\n" + t.String()
}

func only(yes bool, s string) string {
	if yes {
		return s
	}
	return ""
}

func (p Palette) health(good bool) func(string) string {
	if good {
		return p.Good
	}
	return p.Warn
}

func instanceTable(s *wire.Status, o Options) string {
	var t Table
	t.Row("INSTANCE", "HOST", "STATE", "ADDRESS", only(o.Wide, "FLAVOR"), only(o.Wide, "SIZE"), only(o.Wide, "MAC"), only(o.Wide, "UUID"), only(o.Wide, "DOMAIN"), "NOTE")
	for i := range s.Instances {
		in := &s.Instances[i]
		size := fmt.Sprintf("%d vcpu, %s, %s", in.VCPUs, MiB(in.MemoryMiB), MiB(in.DiskMiB))
		t.Cells(
			Cell{Text: in.Address}, Cell{Text: either(in.HostName, "-")}, Cell{in.State, o.Palette.health(asWanted(in))},
			Cell{Text: strings.Join(in.Addresses, " ")},
			Cell{Text: only(o.Wide, in.Flavor)}, Cell{Text: only(o.Wide, size)}, Cell{Text: only(o.Wide, macs(in))},
			Cell{Text: only(o.Wide, in.UUID)}, Cell{Text: only(o.Wide, in.Domain)}, Cell{Text: note(in)},
		)
	}
	return t.String()
}

func macs(in *wire.Instance) string {
	var all []string
	for _, n := range in.NICs {
		all = append(all, n.MAC)
	}
	return strings.Join(all, " ")
}

// asWanted compares what an instance does with what the spec wants of it.
func asWanted(in *wire.Instance) bool { return in.State == in.Wanted }

func note(in *wire.Instance) string {
	switch {
	case in.Note != "":
		return in.Note
	case in.Wanted == "absent":
		return "not in the spec any more"
	case !asWanted(in) && in.State != "absent" && !slices.Contains(passing, in.State):
		return "wanted " + in.Wanted
	}
	return ""
}

func pendingTable(s *wire.Status, o Options) string {
	var t Table
	t.Row("PENDING", "WHAT", "INSTANCE", "FROM", "TO", "STATE", "WHY")
	names := map[string]string{}
	for i := range s.Hosts {
		names[s.Hosts[i].Address] = s.Hosts[i].Name
	}
	for i := range s.Pending {
		p := &s.Pending[i]
		t.Row(p.ID, strings.TrimSpace(p.Kind+" "+p.Action), p.Instance, either(names[p.From], p.From), either(names[p.To], p.To), p.Phase, p.Reason.Message)
	}
	return t.String()
}

func trash(s *wire.Status, o Options) string {
	if len(s.Trash) == 0 {
		return ""
	}
	if !o.Wide {
		return fmt.Sprintf("\nTrash: disks of %s, deleted %s or later.\n", Count(len(s.Trash), "terminated instance"), s.Trash[0].Expires.Local().Format("2006-01-02 15:04"))
	}
	var t Table
	t.Row("TRASH", "HOST", "EXPIRES", "DISKS")
	for i := range s.Trash {
		d := &s.Trash[i]
		t.Row(d.Instance, d.Host, d.Expires.Local().Format("2006-01-02 15:04"), strings.Join(d.Disks, " "))
	}
	return "\n" + t.String()
}

// Addresses lists instances with where they are and how they are reached, as apply ends.
func Addresses(w io.Writer, instances []wire.Instance) error {
	var t Table
	t.Row("INSTANCE", "HOST", "STATE", "ADDRESS")
	for i := range instances {
		in := &instances[i]
		t.Row(in.Address, either(in.HostName, "-"), in.State, strings.Join(in.Addresses, " "))
	}
	_, err := io.WriteString(w, t.String())
	return err
}
