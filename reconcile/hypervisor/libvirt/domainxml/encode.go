package domainxml

import (
	"encoding/xml"
	"fmt"
	"path"
	"strings"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// serialLogs is where hosts keep what their guests write to the serial port: libvirt's own folder, so
// that virtlogd may write there and rotates it.
const serialLogs = "/var/log/libvirt/qemu"

// SerialLog returns the path on the host of the log of a domain's serial port.
func SerialLog(name string) string { return path.Join(serialLogs, name+"-serial0.log") }

// Encode returns the domain XML of a definition, or an error that says which part of it can't be
// expressed. Image properties understood: hw_disk_bus, hw_vif_model, hw_video_model, hw_machine_type
// (when def.Machine is empty), hw_firmware_type ("uefi").
//
// The config drive is a read-only virtio disk, not a CD-ROM: cloud kernels often come without SATA.
// libvirt copies no read-only disk in a migration, so its file must be at the destination beforehand.
func Encode(def hypervisor.Definition) (string, error) {
	if err := check(def); err != nil {
		return "", fmt.Errorf("domain %s: %w", def.Name, err)
	}
	stamp, err := qualifiedStampXML(def.Stamp)
	if err != nil {
		return "", fmt.Errorf("domain %s: %w", def.Name, err)
	}
	cpu, err := cpuElement(def)
	if err != nil {
		return "", fmt.Errorf("domain %s: %w", def.Name, err)
	}
	doc := domain{
		Type:       def.VirtType,
		Name:       def.Name,
		UUID:       def.UUID,
		Metadata:   &metadata{XML: stamp},
		Memory:     quantity{Unit: "MiB", Value: def.MemoryMiB},
		VCPU:       vcpu{Placement: "static", Count: def.VCPUs},
		OS:         bootOf(def),
		Features:   featuresOf(def.Arch),
		CPU:        cpu,
		Clock:      clockOf(def),
		OnPoweroff: "destroy",
		OnReboot:   "restart",
		OnCrash:    "destroy",
		Devices:    devicesOf(def),
	}
	text, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return "", fmt.Errorf("domain %s: %w", def.Name, err)
	}
	return string(text) + "\n", nil
}

// check refuses what XML would silently change or libvirt would take for something else.
func check(def hypervisor.Definition) error {
	switch {
	case def.VirtType != "kvm" && def.VirtType != "qemu":
		return fmt.Errorf("virtualisation type %q: want kvm or qemu", def.VirtType)
	case def.VCPUs < 1:
		return fmt.Errorf("%d vCPUs: want at least 1", def.VCPUs)
	case def.MemoryMiB < 1:
		return fmt.Errorf("%d MiB of memory: want at least 1", def.MemoryMiB)
	case def.Name == "" || strings.ContainsAny(def.Name, "/\n"):
		return fmt.Errorf("name %q: must not be empty or contain a slash or line break", def.Name)
	case len(def.Disks) > 26:
		return fmt.Errorf("%d disks: at most 26", len(def.Disks))
	}
	texts := []string{def.Name, def.Machine, def.Arch}
	for _, d := range def.Disks {
		if !path.IsAbs(d.Path) {
			return fmt.Errorf("disk %q: want an absolute path", d.Path)
		}
		if d.Format != "qcow2" && d.Format != "raw" {
			return fmt.Errorf("disk %s: format %q: want qcow2 or raw", d.Path, d.Format)
		}
		texts = append(texts, d.Path)
	}
	for _, n := range def.NICs {
		if n.Kind != hypervisor.NetworkBridge && n.Kind != hypervisor.NetworkLibvirt {
			return fmt.Errorf("nic %s: kind %q: want bridge or libvirt", n.MAC, n.Kind)
		}
		texts = append(texts, n.MAC, n.Source, n.Model)
	}
	for _, text := range texts {
		if err := checkText(text); err != nil {
			return err
		}
	}
	return nil
}

func isX86(arch string) bool { return arch == "" || arch == "x86_64" || arch == "i686" }

func bootOf(def hypervisor.Definition) osBoot {
	boot := osBoot{Type: osType{Arch: def.Arch, Machine: def.Machine, Kind: "hvm"}}
	if boot.Type.Machine == "" {
		boot.Type.Machine = def.Properties["hw_machine_type"]
	}
	if def.Properties["hw_firmware_type"] == "uefi" || def.Arch == "aarch64" {
		boot.Firmware = "efi"
	}
	return boot
}

func featuresOf(arch string) features {
	f := features{ACPI: &empty{}}
	if isX86(arch) {
		f.APIC = &empty{}
	}
	return f
}

// cpuElement is the given definition or the widest that survives a migration: host-model leaves out
// what can't be migrated, and without KVM "maximum" means whatever this QEMU emulates.
func cpuElement(def hypervisor.Definition) (*rawXML, error) {
	if def.CPU == "" {
		mode := "host-model"
		if def.VirtType == "qemu" {
			mode = "maximum"
		}
		attrs := []xml.Attr{{Name: xml.Name{Local: "mode"}, Value: mode}}
		if mode == "host-model" {
			attrs = append(attrs, xml.Attr{Name: xml.Name{Local: "check"}, Value: "partial"})
		}
		return &rawXML{Attrs: attrs}, nil
	}
	var cpu struct {
		XMLName xml.Name
		rawXML
	}
	if err := xml.Unmarshal([]byte(def.CPU), &cpu); err != nil {
		return nil, fmt.Errorf("cpu definition: %w", err)
	}
	if cpu.XMLName.Local != "cpu" {
		return nil, fmt.Errorf("cpu definition: element <%s>, want <cpu>", cpu.XMLName.Local)
	}
	return &cpu.rawXML, nil
}

func clockOf(def hypervisor.Definition) clock {
	if !isX86(def.Arch) {
		return clock{Offset: "utc"}
	}
	c := clock{Offset: "utc", Timers: []timer{
		{Name: "rtc", TickPolicy: "catchup"},
		{Name: "pit", TickPolicy: "delay"},
		{Name: "hpet", Present: "no"},
	}}
	if def.VirtType == "kvm" {
		c.Timers = append(c.Timers, timer{Name: "kvmclock", Present: "yes"})
	}
	return c
}

func devicesOf(def hypervisor.Definition) devices {
	d := devices{
		Serial:   serial{Type: "pty", Log: &serialLog{File: SerialLog(def.Name), Append: "on"}},
		Console:  console{Type: "pty", Target: consoleTarget{Type: "serial"}},
		Channel:  channel{Type: "unix", Target: channelTarget{Type: "virtio", Name: "org.qemu.guest_agent.0"}},
		Input:    &input{Type: "tablet", Bus: "usb"},
		Graphics: graphics{Type: "vnc", AutoPort: "yes", Listen: listenOn{Type: "address", Address: "127.0.0.1"}},
		Video:    video{Model: typed{Type: firstOf(def.Properties["hw_video_model"], videoOf(def.Arch))}},
		Balloon:  balloon{Model: "virtio", Stats: balloonStats{Period: 10}},
		RNG:      rng{Model: "virtio", Backend: rngBackend{Model: "random", File: "/dev/urandom"}},
	}
	d.Controller = &controller{Type: "usb", Model: "qemu-xhci"}
	for i, one := range def.Disks {
		d.Disks = append(d.Disks, diskOf(one, i, def))
	}
	for _, nic := range def.NICs {
		d.Interfaces = append(d.Interfaces, nicOf(nic, def.Properties["hw_vif_model"]))
	}
	return d
}

func videoOf(arch string) string {
	if isX86(arch) {
		return "vga"
	}
	return "virtio"
}

// diskOf names disks by their place in the list and gives each a serial number, by which guests find
// it under /dev/disk/by-id whatever its letter.
func diskOf(d hypervisor.Disk, index int, def hypervisor.Definition) disk {
	bus := firstOf(def.Properties["hw_disk_bus"], "virtio")
	if d.Role == hypervisor.DiskConfig {
		bus = "virtio"
	}
	out := disk{
		Type:   "file",
		Device: "disk",
		Driver: diskDriver{Name: "qemu", Type: d.Format},
		Source: diskSource{File: d.Path},
		Target: diskTarget{Dev: busPrefix(bus) + string(rune('a'+index)), Bus: bus},
		Serial: diskSerial(d.Role, index, def.Disks),
	}
	switch {
	case d.ReadOnly || d.Role == hypervisor.DiskConfig:
		out.ReadOnly = &empty{}
	default:
		out.Driver.Discard = "unmap"
	}
	if d.Shared && out.ReadOnly == nil {
		// Two hosts must not cache the same file: the destination would read stale blocks.
		out.Driver.Cache = "none"
	}
	if d.Role == hypervisor.DiskRoot {
		out.Boot = &bootOrder{Order: 1}
	}
	return out
}

func busPrefix(bus string) string {
	switch bus {
	case "virtio":
		return "vd"
	case "ide":
		return "hd"
	default: // sata, scsi, usb
		return "sd"
	}
}

// diskSerial is the role, numbered from 0 when a role may come more than once.
func diskSerial(role hypervisor.DiskRole, index int, all []hypervisor.Disk) string {
	if role != hypervisor.DiskEphemeral {
		return string(role)
	}
	number := 0
	for _, before := range all[:index] {
		if before.Role == role {
			number++
		}
	}
	return fmt.Sprintf("%s%d", role, number)
}

func nicOf(nic hypervisor.NIC, imageModel string) netIface {
	out := netIface{
		Type:   ifaceType(nic.Kind),
		MAC:    address{Address: nic.MAC},
		Source: sourceOf(nic),
		Model:  typed{Type: firstOf(nic.Model, imageModel, "virtio")},
	}
	if nic.MTU > 0 {
		out.MTU = &mtu{Size: nic.MTU}
	}
	return out
}

// ifaceType is libvirt's word for a kind of network.
func ifaceType(kind hypervisor.NetworkKind) string {
	if kind == hypervisor.NetworkBridge {
		return "bridge"
	}
	return "network"
}

func sourceOf(nic hypervisor.NIC) ifaceSource {
	if nic.Kind == hypervisor.NetworkBridge {
		return ifaceSource{Bridge: nic.Source}
	}
	return ifaceSource{Network: nic.Source}
}

func firstOf(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}
