package domainxml

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

// Retarget returns a domain's XML with another stamp, with its NICs plugged in elsewhere and with other files for
// its disks; every other byte stays. NICs are found by MAC, disks by path; what isn't named stays as it is, and
// what is named and the domain doesn't have is an error. A renamed disk loses what is said of the files that it
// stands on: those of its new file are read from that.
func Retarget(text string, stamp hypervisor.Stamp, nics []hypervisor.NIC, files []hypervisor.Rename) (string, error) {
	stampText, err := qualifiedStampXML(stamp)
	if err != nil {
		return "", err
	}
	marks, err := scan(text)
	if err != nil {
		return "", fmt.Errorf("domain XML: %w", err)
	}
	edits := []edit{marks.stampEdit(stampText)}
	for _, nic := range nics {
		iface, ok := marks.interfaces[strings.ToLower(nic.MAC)]
		if !ok {
			return "", fmt.Errorf("the domain has no interface with MAC %s", nic.MAC)
		}
		edits = append(edits, iface.edits(nic)...)
	}
	for _, file := range files {
		disk, ok := marks.disks[file.From]
		if !ok {
			return "", fmt.Errorf("the domain has no disk %s", file.From)
		}
		edits = append(edits, disk.edits(file.To)...)
	}
	return apply(text, edits), nil
}

// span is a range of bytes; a zero span means "not there".
type span struct{ start, end int64 }

func (s span) there() bool { return s.end > 0 }

type edit struct {
	span
	text string
}

// marks are the places of a document that Retarget changes.
type marks struct {
	stamp       span  // the whole element
	metadata    span  // its start tag
	metadataEnd int64 // where its end tag starts, or 0 for an empty-element tag
	domainEnd   int64 // where </domain> starts
	interfaces  map[string]*ifaceMarks
	disks       map[string]*diskMarks // by path
}

type ifaceMarks struct {
	tag    span // the start tag
	source span // the whole element
	mac    string
}

type diskMarks struct {
	source  span // the start tag, an empty-element tag perhaps
	empty   bool // it is one
	attrs   []xml.Attr
	path    string
	backing span // the whole element
}

// edits name another file in the source's tag, and leave out the backing chain of the old one.
func (d *diskMarks) edits(to string) []edit {
	var tag strings.Builder
	tag.WriteString("<source")
	for _, attr := range d.attrs {
		if attr.Name.Local == "file" {
			attr.Value = to
		}
		tag.WriteString(" " + attr.Name.Local + `="` + escape(attr.Value) + `"`)
	}
	if d.empty {
		tag.WriteString("/")
	}
	tag.WriteString(">")
	edits := []edit{{d.source, tag.String()}}
	if d.backing.there() {
		edits = append(edits, edit{d.backing, ""})
	}
	return edits
}

func (m *marks) stampEdit(stamp string) edit {
	switch {
	case m.stamp.there():
		return edit{m.stamp, stamp}
	case m.metadataEnd > 0:
		return edit{span{m.metadataEnd, m.metadataEnd}, stamp}
	case m.metadata.there():
		return edit{m.metadata, "<metadata>" + stamp + "</metadata>"}
	default:
		return edit{span{m.domainEnd, m.domainEnd}, "<metadata>" + stamp + "</metadata>"}
	}
}

func (i *ifaceMarks) edits(nic hypervisor.NIC) []edit {
	attr := ifaceType(nic.Kind) // the attribute of <source> has the same name
	tag := edit{i.tag, `<interface type="` + attr + `">`}
	source := `<source ` + attr + `="` + escape(nic.Source) + `"/>`
	if i.source.there() {
		return []edit{tag, {i.source, source}}
	}
	tag.text += source
	return []edit{tag}
}

// scan walks the tokens of a domain document and notes where the interesting ones are.
func scan(text string) (*marks, error) {
	dec := xml.NewDecoder(strings.NewReader(text))
	found := &marks{interfaces: map[string]*ifaceMarks{}, disks: map[string]*diskMarks{}}
	var path []string
	var open []int64 // start offsets of the open elements
	var iface *ifaceMarks
	var disk *diskMarks
	for {
		before := dec.InputOffset()
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		after := dec.InputOffset()
		switch t := token.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Space+" "+t.Name.Local)
			open = append(open, before)
			switch at := strings.Join(path, "/"); at {
			case " domain/ metadata":
				found.metadata = span{before, after}
			case " domain/ devices/ interface":
				iface = &ifaceMarks{tag: span{before, after}}
			case " domain/ devices/ interface/ mac":
				iface.mac = attribute(t, "address")
			case " domain/ devices/ disk":
				disk = &diskMarks{}
			case " domain/ devices/ disk/ source":
				disk.source, disk.empty = span{before, after}, text[after-2] == '/'
				disk.attrs, disk.path = t.Attr, attribute(t, "file")
			}
		case xml.EndElement:
			whole := span{open[len(open)-1], after}
			found.close(strings.Join(path, "/"), whole, before, iface, disk)
			path, open = path[:len(path)-1], open[:len(open)-1]
		}
	}
	if found.domainEnd == 0 {
		return nil, errors.New("no <domain> element")
	}
	return found, nil
}

// close notes an element that ends; endTag is where its end tag starts.
func (m *marks) close(at string, whole span, endTag int64, iface *ifaceMarks, disk *diskMarks) {
	switch at {
	case " domain":
		m.domainEnd = endTag
	case " domain/ metadata":
		if endTag < whole.end { // an empty-element tag has no end tag of its own
			m.metadataEnd = endTag
		}
	case " domain/ metadata/" + Namespace + " " + stampElement:
		m.stamp = whole
	case " domain/ devices/ interface/ source":
		iface.source = whole
	case " domain/ devices/ interface":
		m.interfaces[strings.ToLower(iface.mac)] = iface
	case " domain/ devices/ disk/ backingStore":
		disk.backing = whole
	case " domain/ devices/ disk":
		if disk.path != "" {
			m.disks[disk.path] = disk
		}
	}
}

func attribute(element xml.StartElement, name string) string {
	for _, attr := range element.Attr {
		if attr.Name.Local == name {
			return attr.Value
		}
	}
	return ""
}

// apply makes the edits, which must not overlap.
func apply(text string, edits []edit) string {
	sort.Slice(edits, func(i, j int) bool { return edits[i].start < edits[j].start })
	var out strings.Builder
	at := int64(0)
	for _, e := range edits {
		out.WriteString(text[at:e.start])
		out.WriteString(e.text)
		at = e.end
	}
	out.WriteString(text[at:])
	return out.String()
}
