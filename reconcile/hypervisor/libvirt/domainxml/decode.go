package domainxml

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// Decoded is what decisions need of an existing domain's XML.
type Decoded struct {
	UUID      string
	Name      string
	VCPUs     int
	MemoryMiB int64
	Disks     []DiskTarget // in document order
	MACs      []string
	Stamp     *hypervisor.Stamp // nil: not ours
	Probe     bool              // see ProbeXML
}

// DiskTarget is a disk's file and the name the guest's controller gives it.
type DiskTarget struct {
	Path string // empty for an empty drive or a disk that isn't a file or block device
	Dev  string
}

type decodedDomain struct {
	Name     string `xml:"name"`
	UUID     string `xml:"uuid"`
	Metadata struct {
		Stamp *struct {
			Attrs []xml.Attr `xml:",any,attr"`
		} `xml:"https://novaplan.dev/xmlns/domain/1 stamp"`
		Probe *empty `xml:"https://novaplan.dev/xmlns/domain/1 probe"`
	} `xml:"metadata"`
	Memory struct {
		Unit  string `xml:"unit,attr"`
		Value int64  `xml:",chardata"`
	} `xml:"memory"`
	VCPU struct {
		Current int `xml:"current,attr"`
		Count   int `xml:",chardata"`
	} `xml:"vcpu"`
	Devices struct {
		Disks []struct {
			Source struct {
				File string `xml:"file,attr"`
				Dev  string `xml:"dev,attr"`
			} `xml:"source"`
			Target diskTarget `xml:"target"`
		} `xml:"disk"`
		Interfaces []struct {
			MAC address `xml:"mac"`
		} `xml:"interface"`
	} `xml:"devices"`
}

// Decode reads a domain's XML. A stamp that can't be read counts as none: what novaplan can't prove to
// be its own, it leaves alone.
func Decode(text string) (Decoded, error) {
	var doc decodedDomain
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		return Decoded{}, fmt.Errorf("domain XML: %w", err)
	}
	out := Decoded{
		UUID:      doc.UUID,
		Name:      doc.Name,
		VCPUs:     doc.VCPU.Count,
		MemoryMiB: inMiB(doc.Memory.Value, doc.Memory.Unit),
		Probe:     doc.Metadata.Probe != nil,
	}
	for _, d := range doc.Devices.Disks {
		out.Disks = append(out.Disks, DiskTarget{Path: firstOf(d.Source.File, d.Source.Dev), Dev: d.Target.Dev})
	}
	for _, iface := range doc.Devices.Interfaces {
		out.MACs = append(out.MACs, strings.ToLower(iface.MAC.Address))
	}
	if doc.Metadata.Stamp != nil {
		if stamp, err := stampFromAttributes(doc.Metadata.Stamp.Attrs); err == nil {
			out.Stamp = &stamp
		}
	}
	return out, nil
}

// Paths returns the disks' files, without empty drives.
func (d Decoded) Paths() []string {
	var paths []string
	for _, one := range d.Disks {
		if one.Path != "" {
			paths = append(paths, one.Path)
		}
	}
	return paths
}

// inMiB converts libvirt's units (default KiB) and rounds up.
func inMiB(value int64, unit string) int64 {
	bytes := int64(1 << 10)
	switch unit {
	case "b", "bytes":
		bytes = 1
	case "KB":
		bytes = 1e3
	case "MB":
		bytes = 1e6
	case "M", "MiB":
		bytes = 1 << 20
	case "GB":
		bytes = 1e9
	case "G", "GiB":
		bytes = 1 << 30
	case "T", "TiB":
		bytes = 1 << 40
	}
	const mib = 1 << 20
	if bytes >= mib && bytes%mib == 0 {
		return value * (bytes / mib)
	}
	return (value*bytes + mib - 1) / mib
}
