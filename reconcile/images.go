package reconcile

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/novaplan/novaplan/cluster/state"
	"github.com/novaplan/novaplan/reconcile/disk"
	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/operation"
	"github.com/novaplan/novaplan/spec"
)

// Images brings images and config drives into pools. It is an operation.Images.
type Images struct {
	*disk.Images
	// Open returns the text of a sealed secret. The text goes into config drives and nowhere else.
	Open func(spec.Secret) (string, error)
}

var _ operation.Images = Images{}

// ConfigDrive returns the content of the instance's NoCloud config drive: its identity, addresses, keys and
// user data, as the spec in force has them.
func (i Images) ConfigDrive(_ context.Context, desired *state.Desired, inst *state.Instance) ([]byte, error) {
	want := desired.Index.Instances[inst.Address]
	if want == nil {
		return nil, fmt.Errorf("%s is not in the spec any more", inst.Address)
	}
	userData, err := i.open(want.UserData)
	if err != nil {
		return nil, fmt.Errorf("user data of %s: %w", inst.Address, err)
	}
	drive := disk.ConfigDrive{
		InstanceID: inst.UUID, Hostname: inst.Name, UserData: []byte(userData), Metadata: want.Metadata,
	}
	if key := desired.Index.Keypairs[want.Keypair]; key != nil {
		drive.PublicKeys = []string{key.PublicKey}
	}
	for _, n := range inst.NICs {
		nic, err := guestNIC(n, desired.Index.Networks[n.Network])
		if err != nil {
			return nil, fmt.Errorf("interface %s of %s: %w", n.Name, inst.Address, err)
		}
		drive.NICs = append(drive.NICs, nic)
	}
	return drive.Bytes()
}

func (i Images) open(s spec.Secret) (string, error) {
	if s.IsZero() {
		return "", nil
	}
	if plain, ok := s.Plain(); ok {
		return plain, nil
	}
	if i.Open == nil {
		return "", errors.New("no key is wired")
	}
	return i.Open(s)
}

// guestNIC is what the guest is told of one interface; without an assigned address it asks by DHCP.
func guestNIC(n state.NIC, network *spec.Network) (disk.GuestNIC, error) {
	nic := disk.GuestNIC{Name: n.Name, MAC: n.MAC}
	if network == nil {
		return nic, nil
	}
	nic.MTU = network.MTU
	for _, text := range network.DNS {
		server, err := netip.ParseAddr(text)
		if err != nil {
			return nic, err
		}
		nic.DNS = append(nic.DNS, server)
	}
	if n.IP == "" || network.CIDR == "" {
		return nic, nil
	}
	prefix, err := netip.ParsePrefix(network.CIDR)
	if err != nil {
		return nic, err
	}
	address, err := netip.ParseAddr(n.IP)
	if err != nil {
		return nic, err
	}
	nic.Address = netip.PrefixFrom(address, prefix.Bits())
	if network.Gateway != "" {
		nic.Gateway, err = netip.ParseAddr(network.Gateway)
	}
	return nic, err
}

// noImages is what a controller has when no images are wired: it can look and plan.
type noImages struct{}

var errNoImages = fmt.Errorf("%w: no image source is wired", operation.ErrImage)

// EnsureImage refuses.
func (noImages) EnsureImage(context.Context, hypervisor.Host, hypervisor.Pool, spec.Image, operation.Progress) (operation.Image, error) {
	return operation.Image{}, errNoImages
}

// Find refuses.
func (noImages) Find(context.Context, hypervisor.Host, hypervisor.Pool, string, string) (operation.Image, error) {
	return operation.Image{}, errNoImages
}

// EnsureFile refuses.
func (noImages) EnsureFile(context.Context, hypervisor.Host, hypervisor.Pool, disk.File, operation.Progress) (operation.Image, error) {
	return operation.Image{}, errNoImages
}

// ConfigDrive refuses.
func (noImages) ConfigDrive(context.Context, *state.Desired, *state.Instance) ([]byte, error) {
	return nil, errNoImages
}
