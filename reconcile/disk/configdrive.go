package disk

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"

	"github.com/diskfs/go-diskfs/filesystem/fat12"
)

// MaxUserData is the largest user data that a config drive takes, in bytes: Nova's limit.
const MaxUserData = 64 << 10

// ConfigDrive is what a guest is told at its first boot, by cloud-init's NoCloud data source.
type ConfigDrive struct {
	InstanceID string            // another one makes cloud-init start over
	Hostname   string            // of the guest
	UserData   []byte            // as the user wrote it; empty: the keys alone
	PublicKeys []string          // in authorized_keys form
	Metadata   map[string]string // shown to the guest under "meta"
	NICs       []GuestNIC
}

// GuestNIC is the configuration of one interface, found by its MAC.
type GuestNIC struct {
	Name    string       // shown to the guest; a bad interface name is replaced by nic<n>
	MAC     string       // required
	Address netip.Prefix // zero: DHCP
	Gateway netip.Addr   // zero: no default route
	DNS     []netip.Addr // name servers
	MTU     int          // 0: the default
}

// driveLabel is how cloud-init finds the drive.
const driveLabel = "cidata"

// Bytes returns the drive: a FAT file system labelled cidata without a partition table. The same drive
// gives the same bytes. User data over MaxUserData is ErrTooLarge.
func (c ConfigDrive) Bytes() ([]byte, error) {
	if len(c.UserData) > MaxUserData {
		return nil, fmt.Errorf("%w: user data has %d bytes, the limit is %d (64 KiB)", ErrTooLarge, len(c.UserData), MaxUserData)
	}
	network, err := c.network()
	if err != nil {
		return nil, err
	}
	files := []driveFile{{name: "user-data", content: c.userData()}}
	for _, f := range []struct {
		name  string
		value any
	}{{"meta-data", c.meta()}, {"network-config", network}} {
		content, err := encode(f.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		files = append(files, driveFile{f.name, content})
	}
	return fatDrive(files)
}

// encode writes JSON, which is YAML too, for people to read.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return out.Bytes(), err
}

// metaData is the file meta-data.
type metaData struct {
	InstanceID string            `json:"instance-id"`
	Hostname   string            `json:"local-hostname"`
	PublicKeys []string          `json:"public-keys,omitempty"`
	Meta       map[string]string `json:"meta,omitempty"`
}

func (c ConfigDrive) meta() metaData {
	return metaData{c.InstanceID, c.Hostname, c.PublicKeys, c.Metadata}
}

// userData returns the user's own, or a cloud-config with the keys. cloud-init wants the file, even
// when there is nothing to say.
func (c ConfigDrive) userData() []byte {
	if len(c.UserData) > 0 {
		return c.UserData
	}
	out := []byte("#cloud-config\n")
	if len(c.PublicKeys) == 0 {
		return out
	}
	keys, err := encode(map[string][]string{"ssh_authorized_keys": c.PublicKeys})
	if err != nil {
		return out // strings always encode
	}
	return append(out, keys...)
}

// networkConfig is the file network-config, version 2.
type networkConfig struct {
	Version   int                 `json:"version"`
	Ethernets map[string]ethernet `json:"ethernets"`
}

type ethernet struct {
	Match       match        `json:"match"`
	DHCP4       bool         `json:"dhcp4"`
	Addresses   []string     `json:"addresses,omitempty"`
	Routes      []route      `json:"routes,omitempty"`
	Nameservers *nameservers `json:"nameservers,omitempty"`
	MTU         int          `json:"mtu,omitempty"`
}

type match struct {
	MAC string `json:"macaddress"`
}

type route struct {
	To  string `json:"to"`
	Via string `json:"via"`
}

type nameservers struct {
	Addresses []string `json:"addresses"`
}

// interfaceName is what Linux and netplan take without quoting.
var interfaceName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,14}$`)

func (c ConfigDrive) network() (networkConfig, error) {
	out := networkConfig{Version: 2, Ethernets: map[string]ethernet{}}
	for i, nic := range c.NICs {
		name := nic.Name
		if _, taken := out.Ethernets[name]; taken || !interfaceName.MatchString(name) {
			name = fmt.Sprintf("nic%d", i)
		}
		if _, taken := out.Ethernets[name]; taken {
			return networkConfig{}, fmt.Errorf("nic %d: a second interface is named %s", i, name)
		}
		e, err := nic.ethernet()
		if err != nil {
			return networkConfig{}, fmt.Errorf("nic %s: %w", nic.Name, err)
		}
		out.Ethernets[name] = e
	}
	return out, nil
}

func (n GuestNIC) ethernet() (ethernet, error) {
	mac, err := net.ParseMAC(n.MAC)
	if err != nil {
		return ethernet{}, err
	}
	e := ethernet{Match: match{mac.String()}, MTU: n.MTU, DHCP4: !n.Address.IsValid()}
	if n.Address.IsValid() {
		e.Addresses = []string{n.Address.String()}
	}
	if n.Gateway.IsValid() {
		to := "0.0.0.0/0" // understood by every renderer, unlike "default"
		if n.Gateway.Is6() {
			to = "::/0"
		}
		e.Routes = []route{{to, n.Gateway.String()}}
	}
	if len(n.DNS) > 0 {
		e.Nameservers = &nameservers{}
		for _, server := range n.DNS {
			e.Nameservers.Addresses = append(e.Nameservers.Addresses, server.String())
		}
	}
	return e, nil
}

// driveFile is one file of a drive.
type driveFile struct {
	name    string
	content []byte
}

const (
	driveUnit = 512 << 10 // drives grow by this
	driveMeta = 64 << 10  // more than FATs and directory take
)

// fatDrive returns a file system with the files in its root.
func fatDrive(files []driveFile) ([]byte, error) {
	size := int64(driveMeta)
	for _, f := range files {
		size += int64(len(f.content))
	}
	size = (size + driveUnit - 1) / driveUnit * driveUnit
	if size > fat12.Fat12MaxSize {
		return nil, fmt.Errorf("%w: the config drive would have %d bytes", ErrTooLarge, size)
	}
	disk := &memDisk{bytes: make([]byte, size)}
	fat, err := fat12.Create(disk, size, 0, 0, driveLabel, true)
	if err != nil {
		return nil, fmt.Errorf("config drive: %w", err)
	}
	for _, f := range files {
		out, err := fat.OpenFile("/"+f.name, os.O_CREATE|os.O_RDWR)
		if err != nil {
			return nil, fmt.Errorf("config drive: %s: %w", f.name, err)
		}
		if _, err := io.Copy(out, bytes.NewReader(f.content)); err != nil {
			return nil, fmt.Errorf("config drive: %s: %w", f.name, err)
		}
		if err := out.Close(); err != nil {
			return nil, fmt.Errorf("config drive: %s: %w", f.name, err)
		}
	}
	stopClock(disk.bytes)
	return disk.bytes, nil
}

// stopClock sets the times of the root directory's entries to the FAT epoch. They say when the drive
// was made, which would make every drive different.
func stopClock(fat []byte) {
	u16 := func(at int) int { return int(binary.LittleEndian.Uint16(fat[at:])) }
	sectorSize, reserved, fats, entries, fatSectors := u16(11), u16(14), int(fat[16]), u16(17), u16(22)
	root := (reserved + fats*fatSectors) * sectorSize
	for entry := range entries {
		e := fat[root+entry*32:][:32]
		if e[0] == 0 || e[11] == 0x0f { // unused, or part of a long name
			continue
		}
		clear(e[13:16]) // time of creation
		clear(e[22:24]) // time of change
		for _, date := range []int{16, 18, 24} {
			binary.LittleEndian.PutUint16(e[date:], 1<<5|1) // 1 January 1980
		}
	}
}
