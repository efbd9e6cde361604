package labtest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

// Guest is a domain that Boot defines and starts: one that novaplan knows nothing of.
type Guest struct {
	Name    string // of the domain and of the guest in it; letters, digits and -
	Memory  int    // MiB, at least 96; 0 means 128
	Disk    int    // MiB of its disk; 0 means 256; what the image (24 MiB) leaves becomes /data
	Number  int    // its address is .NUMBER of the lab's subnet, 100 to 199; 0 means no address
	Shared  bool   // its disk is on the shared storage, not on the host's own
	Command string // a line of shell the guest runs once it is up
}

// Boot defines and starts a guest on a host and returns its serial port. It does not wait for it to boot (about
// five seconds): wait for a Tick.
func (l *Lab) Boot(host string, g Guest) *Serial {
	l.t.Helper()
	g.Memory = orDefault(g.Memory, 128)
	g.Disk = orDefault(g.Disk, 256)
	if err := l.boot(l.t.Context(), l.Host(host), g); err != nil {
		l.t.Fatal(err)
	}
	return l.Serial(host, g.Name)
}

func (l *Lab) boot(ctx context.Context, host Host, g Guest) error {
	storage := host.Local
	if g.Shared {
		storage = l.Shared
	}
	if err := l.makeDisks(ctx, storage, g); err != nil {
		return fmt.Errorf("guest %s: %w", g.Name, err)
	}
	definition := filepath.Join(storage.Outside, g.Name+".xml")
	if err := writeDefinition(definition, storage.Inside, g); err != nil {
		return fmt.Errorf("guest %s: %w", g.Name, err)
	}
	for _, args := range [][]string{{"define", definition}, {"start", g.Name}} {
		if _, err := l.TryVirsh(host.Name, args...); err != nil {
			return fmt.Errorf("guest %s: %w", g.Name, err)
		}
	}
	return nil
}

// makeDisks makes the guest's overlay on the image, and its config drive.
func (l *Lab) makeDisks(ctx context.Context, storage Dir, g Guest) error {
	image := l.GuestImage()
	base := filepath.Base(image)
	if err := copyOnce(ctx, image, filepath.Join(storage.Outside, base)); err != nil {
		return err
	}
	// Unsafe: the backing file's path is the hosts', where this process can't look.
	if err := run(ctx, "qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", filepath.Join(storage.Inside, base),
		filepath.Join(storage.Outside, g.Name+".qcow2"), fmt.Sprintf("%dM", g.Disk)); err != nil {
		return err
	}
	return l.makeConfigDrive(ctx, filepath.Join(storage.Outside, g.Name+"-config.img"), g)
}

func (l *Lab) makeConfigDrive(ctx context.Context, path string, g Guest) error {
	dir, err := os.MkdirTemp("", "labtest-config-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files := map[string]string{
		"meta-data": fmt.Sprintf("instance-id: i-%s\nlocal-hostname: %s\n", g.Name, g.Name),
		"user-data": "#!/bin/sh\n" + g.Command + "\n",
	}
	if g.Number != 0 {
		files["network-config"] = fmt.Sprintf(
			"version: 2\nethernets:\n  eth0:\n    match: {macaddress: %q}\n    addresses: [%s/24]\n    gateway4: %s\n",
			g.MAC(), l.GuestAddress(g), l.Gateway)
	}
	args := []string{"-i", path}
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return err
		}
		args = append(args, file)
	}
	if err := run(ctx, "mkfs.vfat", "-C", "-n", "cidata", path, "1024"); err != nil {
		return err
	}
	return run(ctx, "mcopy", append(args, "::")...)
}

// GuestAddress returns a guest's IPv4 address.
func (l *Lab) GuestAddress(g Guest) string {
	return fmt.Sprintf("%s.%d", strings.TrimSuffix(l.Gateway, ".1"), g.Number)
}

// MAC returns the address of the guest's network interface, made from its name.
func (g Guest) MAC() string {
	sum := sha256.Sum256([]byte(g.Name))
	return fmt.Sprintf("52:54:00:%02x:%02x:%02x", sum[0], sum[1], sum[2])
}

// definition is the smallest domain that the lab's guest feels at home in.
var definition = template.Must(template.New("domain").Parse(`<domain type='qemu'>
  <name>{{.Name}}</name>
  <memory unit='MiB'>{{.Memory}}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='{{.Folder}}/{{.Name}}.qcow2'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{{.Folder}}/{{.Name}}-config.img'/><target dev='vdb' bus='virtio'/><readonly/>
    </disk>
    <interface type='bridge'><mac address='{{.MAC}}'/><source bridge='br0'/><model type='virtio'/></interface>
    <serial type='pty'><log file='/var/log/libvirt/qemu/{{.Name}}-serial0.log' append='on'/></serial>
    <console type='pty'/>
  </devices>
</domain>
`))

func writeDefinition(path, folder string, g Guest) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return definition.Execute(file, struct {
		Guest
		Folder string
	}{g, folder})
}

// copyOnce copies a file that never changes.
func copyOnce(ctx context.Context, from, to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	return run(ctx, "cp", "--reflink=auto", from, to)
}

func run(ctx context.Context, program string, args ...string) error {
	if out, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func orDefault(value, fallback int) int {
	if value == 0 {
		return fallback
	}
	return value
}
