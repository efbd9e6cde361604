package libvirt

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// Networks implements hypervisor.Facts. A host without libvirt's interface driver shows its libvirt networks only.
func (h *host) Networks(ctx context.Context) ([]hypervisor.Network, error) {
	const what = "list networks"
	networks, err := h.bridges(ctx)
	if err != nil {
		return nil, h.fail(what, err, false)
	}
	for _, flag := range []golibvirt.ConnectListAllNetworksFlags{golibvirt.ConnectListNetworksActive, golibvirt.ConnectListNetworksInactive} {
		listed, err := ask(ctx, h, func(rpc *golibvirt.Libvirt) ([]golibvirt.Network, error) {
			listed, _, err := rpc.ConnectListAllNetworks(1, flag)
			return listed, err
		})
		if err != nil {
			return nil, h.fail(what, err, false)
		}
		for _, net := range listed {
			networks = append(networks, hypervisor.Network{
				Kind: hypervisor.NetworkLibvirt, Name: net.Name, Active: flag == golibvirt.ConnectListNetworksActive,
			})
		}
	}
	slices.SortFunc(networks, func(a, b hypervisor.Network) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
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
