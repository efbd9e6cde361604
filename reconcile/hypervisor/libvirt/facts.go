package libvirt

import (
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

// HostInfo implements hypervisor.Facts. LockManager stays empty: libvirt's protocol doesn't tell it.
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
	info.Hostname, err = ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) { return rpc.ConnectGetHostname() })
	return err
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
			info.Machine, info.CPU = dom.Machine, dom.hostModel()
			if model := dom.hostModelName(); kind == "kvm" && model != "" {
				info.CPUModel = model
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

// BaselineCPU implements hypervisor.Facts.
func (h *host) BaselineCPU(ctx context.Context, cpus []string) (string, error) {
	const what = "compute a common CPU"
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

// Networks implements hypervisor.Facts. A host without libvirt's interface driver shows its libvirt networks only.
func (h *host) Networks(ctx context.Context) ([]hypervisor.Network, error) {
	const what = "list networks"
	bridges, err := h.bridges(ctx)
	if err != nil {
		return nil, h.fail(what, err, false)
	}
	type listed struct {
		nets   []golibvirt.Network
		active bool
	}
	networks := bridges
	for _, query := range []listed{{active: true}, {active: false}} {
		flag := golibvirt.ConnectListNetworksInactive
		if query.active {
			flag = golibvirt.ConnectListNetworksActive
		}
		query.nets, err = ask(ctx, h, func(rpc *golibvirt.Libvirt) ([]golibvirt.Network, error) {
			nets, _, err := rpc.ConnectListAllNetworks(1, flag)
			return nets, err
		})
		if err != nil {
			return nil, h.fail(what, err, false)
		}
		for _, net := range query.nets {
			networks = append(networks, hypervisor.Network{Kind: hypervisor.NetworkLibvirt, Name: net.Name, Active: query.active})
		}
	}
	slices.SortFunc(networks, func(a, b hypervisor.Network) int {
		return strings.Compare(string(a.Kind)+" "+a.Name, string(b.Kind)+" "+b.Name)
	})
	return networks, nil
}

// bridges lists the host's interfaces that are bridges.
func (h *host) bridges(ctx context.Context) ([]hypervisor.Network, error) {
	var bridges []hypervisor.Network
	for _, flag := range []golibvirt.ConnectListAllInterfacesFlags{golibvirt.ConnectListInterfacesActive, golibvirt.ConnectListInterfacesInactive} {
		ifaces, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) ([]golibvirt.Interface, error) {
			ifaces, _, err := rpc.ConnectListAllInterfaces(1, flag)
			return ifaces, err
		})
		if saidCode(err, golibvirt.ErrNoSupport) || saidCode(err, golibvirt.ErrNoConnect) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, iface := range ifaces {
			is, err := h.isBridge(ctx, iface)
			if err != nil {
				return nil, err
			}
			if is {
				bridges = append(bridges, hypervisor.Network{
					Kind: hypervisor.NetworkBridge, Name: iface.Name, Active: flag == golibvirt.ConnectListInterfacesActive,
				})
			}
		}
	}
	return bridges, nil
}

func (h *host) isBridge(ctx context.Context, iface golibvirt.Interface) (bool, error) {
	text, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) (string, error) { return rpc.InterfaceGetXMLDesc(iface, 0) })
	if err != nil {
		if said := new(golibvirt.Error); errors.As(err, said) {
			return false, nil // a guest's tap that is gone by now, or a kind that libvirt can't describe
		}
		return false, err
	}
	var doc struct {
		Type string `xml:"type,attr"`
	}
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		return false, fmt.Errorf("interface %s: %w", iface.Name, err)
	}
	return doc.Type == "bridge", nil
}
