package libvirt

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// capabilities is what we read of the host's capabilities document.
type capabilities struct {
	Host struct {
		UUID string `xml:"uuid"`
		CPU  struct {
			Arch   string `xml:"arch"`
			Model  string `xml:"model"`
			Vendor string `xml:"vendor"`
		} `xml:"cpu"`
	} `xml:"host"`
	Guests []struct {
		OSType string `xml:"os_type"`
		Arch   struct {
			Name     string    `xml:"name,attr"`
			Machines []machine `xml:"machine"`
			Domains  []struct {
				Type string `xml:"type,attr"`
			} `xml:"domain"`
		} `xml:"arch"`
	} `xml:"guest"`
}

type machine struct {
	Canonical string `xml:"canonical,attr"`
	Name      string `xml:",chardata"`
}

// domainCapabilities is what we read of what a guest of one type can have.
type domainCapabilities struct {
	Machine string `xml:"machine"`
	CPU     struct {
		Modes []cpuMode `xml:"mode"`
	} `xml:"cpu"`
}

type cpuMode struct {
	Name      string `xml:"name,attr"`
	Supported string `xml:"supported,attr"`
	Model     struct {
		Name string `xml:",chardata"`
	} `xml:"model"`
	Inner string `xml:",innerxml"`
}

// defaultMachine is the machine type that new guests of an architecture get.
func defaultMachine(arch string) string {
	switch arch {
	case "x86_64":
		return "q35"
	case "aarch64", "riscv64":
		return "virt"
	}
	return ""
}

// HostInfo implements hypervisor.Facts. CPU is empty on a host that only emulates. LockManager stays empty: libvirt's protocol doesn't tell it.
func (h *host) HostInfo(ctx context.Context) (hypervisor.HostInfo, error) {
	info, err := h.hostInfo(ctx)
	return info, h.fail("read host information", err, false)
}

func (h *host) hostInfo(ctx context.Context) (hypervisor.HostInfo, error) {
	caps, err := h.readCapabilities(ctx)
	if err != nil {
		return hypervisor.HostInfo{}, err
	}
	info := hypervisor.HostInfo{UUID: caps.Host.UUID, Arch: caps.Host.CPU.Arch, CPUModel: caps.Host.CPU.Model}
	if err := h.readNode(ctx, &info); err != nil {
		return info, err
	}
	if err := h.readVersions(ctx, &info); err != nil {
		return info, err
	}
	if err := h.readVirtTypes(ctx, caps, &info); err != nil {
		return info, err
	}
	info.Capabilities = map[string]string{
		"arch":               info.Arch,
		"hypervisor_type":    info.HypervisorType,
		"hypervisor_version": fmt.Sprint(info.HypervisorVersion),
		"cpu_model":          info.CPUModel,
		"cpu_vendor":         caps.Host.CPU.Vendor,
	}
	return info, nil
}

func (h *host) readCapabilities(ctx context.Context) (capabilities, error) {
	var caps capabilities
	text, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) { return rpc.ConnectGetCapabilities() })
	if err != nil {
		return caps, err
	}
	if err := xml.Unmarshal([]byte(text), &caps); err != nil {
		return caps, fmt.Errorf("capabilities: %w", err)
	}
	return caps, nil
}

func (h *host) readNode(ctx context.Context, info *hypervisor.HostInfo) error {
	type node struct {
		memoryKiB uint64
		cpus      int32
	}
	seen, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (node, error) {
		_, memory, cpus, _, _, _, _, _, err := rpc.NodeGetInfo()
		return node{memory, cpus}, err
	})
	if err != nil {
		return err
	}
	info.CPUs, info.MemoryMiB = int(seen.cpus), int64(seen.memoryKiB>>10)
	if total, err := h.totalMemory(ctx); err == nil && total > 0 {
		info.MemoryMiB = total >> 10
	}
	info.Hostname, err = ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) { return rpc.ConnectGetHostname() })
	return err
}

// totalMemory is the kernel's MemTotal in KiB. The node information adds up NUMA cells instead, which leaves out
// memory that was added to a running host, and changes while it is.
func (h *host) totalMemory(ctx context.Context) (int64, error) {
	count, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (int32, error) {
		_, count, err := rpc.NodeGetMemoryStats(0, int32(golibvirt.NodeMemoryStatsAllCells), 0)
		return count, err
	})
	if err != nil {
		return 0, err
	}
	stats, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) ([]golibvirt.NodeGetMemoryStats, error) {
		stats, _, err := rpc.NodeGetMemoryStats(count, int32(golibvirt.NodeMemoryStatsAllCells), 0)
		return stats, err
	})
	for _, stat := range stats {
		if stat.Field == golibvirt.NodeMemoryStatsTotal {
			return int64(stat.Value), err
		}
	}
	return 0, err
}

func (h *host) readVersions(ctx context.Context, info *hypervisor.HostInfo) error {
	lib, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (uint64, error) { return rpc.ConnectGetLibVersion() })
	if err != nil {
		return err
	}
	qemu, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (uint64, error) { return rpc.ConnectGetVersion() })
	if err != nil {
		return err
	}
	kind, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) { return rpc.ConnectGetType() })
	info.LibvirtVersion, info.HypervisorVersion, info.HypervisorType = int(lib), int(qemu), kind
	return err
}

// readVirtTypes finds out which virtualisation types really work. /dev/kvm may be there and fail, so a
// type counts when libvirt can tell what its guests may have. The target's setting narrows them to one.
func (h *host) readVirtTypes(ctx context.Context, caps capabilities, info *hypervisor.HostInfo) error {
	alias := defaultMachine(info.Arch)
	for _, kind := range []string{"kvm", "qemu"} {
		if h.virtType != "" && kind != h.virtType || !caps.offers(info.Arch, kind) {
			continue
		}
		dom, err := h.domainCapabilities(ctx, info.Arch, alias, kind)
		if err != nil {
			if said := new(golibvirt.Error); !errors.As(err, said) {
				return err
			}
			continue
		}
		if len(info.VirtTypes) == 0 {
			info.Machine = dom.Machine
			if kind == "kvm" {
				info.CPU, info.CPUModel = dom.hostModel(), cmp.Or(dom.hostModelName(), info.CPUModel)
			}
		}
		info.VirtTypes = append(info.VirtTypes, kind)
	}
	return nil
}

// offers reports whether guests of that architecture and virtualisation type are announced.
func (c capabilities) offers(arch, kind string) bool {
	for _, guest := range c.Guests {
		if guest.OSType != "hvm" || guest.Arch.Name != arch {
			continue
		}
		for _, dom := range guest.Arch.Domains {
			if dom.Type == kind {
				return true
			}
		}
	}
	return false
}

func (h *host) domainCapabilities(ctx context.Context, arch, machine, kind string) (domainCapabilities, error) {
	var caps domainCapabilities
	text, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) {
		return rpc.ConnectGetDomainCapabilities(nil, optional(arch), optional(machine), optional(kind), 0)
	})
	if err != nil {
		return caps, err
	}
	if err := xml.Unmarshal([]byte(text), &caps); err != nil {
		return caps, fmt.Errorf("domain capabilities: %w", err)
	}
	return caps, nil
}

func optional(text string) golibvirt.OptString {
	if text == "" {
		return nil
	}
	return golibvirt.OptString{text}
}

func (d domainCapabilities) hostModelMode() (cpuMode, bool) {
	i := slices.IndexFunc(d.CPU.Modes, func(m cpuMode) bool { return m.Name == "host-model" && m.Supported == "yes" })
	if i < 0 {
		return cpuMode{}, false
	}
	return d.CPU.Modes[i], true
}

func (d domainCapabilities) hostModelName() string {
	mode, _ := d.hostModelMode()
	return strings.TrimSpace(mode.Model.Name)
}

// hostModel is the host-model CPU as a definition that a guest can be given and that a baseline can be
// computed from; empty when the host has none.
func (d domainCapabilities) hostModel() string {
	mode, ok := d.hostModelMode()
	if !ok {
		return ""
	}
	var lines []string
	for line := range strings.Lines(mode.Inner) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return `<cpu mode="custom" match="exact">` + strings.Join(lines, "") + `</cpu>`
}

// BaselineCPU implements hypervisor.Facts. With a host among them that names no CPU, because it emulates one,
// the answer is empty too: such guests get the most that QEMU emulates, which is the same on every host.
func (h *host) BaselineCPU(ctx context.Context, cpus []string) (string, error) {
	const what = "compute a common CPU"
	if len(cpus) == 0 || slices.Contains(cpus, "") {
		return "", nil
	}
	info, err := h.hostInfo(ctx)
	if err != nil {
		return "", h.fail(what, err, false)
	}
	if len(info.VirtTypes) == 0 {
		return "", h.failAs(what, hypervisor.ErrUnsupported, "the host can run no guests")
	}
	text, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) {
		return rpc.ConnectBaselineHypervisorCPU(nil, optional(info.Arch), optional(info.Machine), optional(info.VirtTypes[0]),
			cpus, uint32(golibvirt.ConnectBaselineCPUMigratable))
	})
	return text, h.fail(what, err, false)
}
