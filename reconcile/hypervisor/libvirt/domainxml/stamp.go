package domainxml

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
)

const (
	// Namespace is the XML namespace of the stamp in a domain's metadata.
	Namespace = "https://novaplan.dev/xmlns/domain/1"
	// Prefix is the namespace prefix that libvirt is told to write.
	Prefix = "np"

	stampElement = "stamp"
	// MaxRecord is the size limit of Stamp.Record in bytes.
	MaxRecord = 16 << 10
)

// StampXML returns the stamp as an element without namespace, as DomainSetMetadata wants it.
//
// Everything is an attribute: libvirt indents the lines of a text node anew each time it writes the
// document, which would change a record of several lines; attributes keep their line breaks.
func StampXML(stamp hypervisor.Stamp) (string, error) {
	return stampWithTag(stamp, stampElement, "")
}

// qualifiedStampXML is the stamp as it stands inside <metadata>.
func qualifiedStampXML(stamp hypervisor.Stamp) (string, error) {
	return stampWithTag(stamp, Prefix+":"+stampElement, ` xmlns:`+Prefix+`="`+Namespace+`"`)
}

func stampWithTag(stamp hypervisor.Stamp, tag, namespace string) (string, error) {
	if len(stamp.Record) > MaxRecord {
		return "", fmt.Errorf("stamp of %s: record of %d bytes exceeds %d", stamp.Address, len(stamp.Record), MaxRecord)
	}
	var out strings.Builder
	out.WriteString("<" + tag + namespace)
	for _, attr := range stampAttributes(&stamp) {
		value := *attr.value
		if value == "" {
			continue
		}
		if err := checkText(value); err != nil {
			return "", fmt.Errorf("stamp of %s: %s: %w", stamp.Address, attr.name, err)
		}
		out.WriteString(" " + attr.name + `="` + escape(value) + `"`)
	}
	out.WriteString(` generation="` + strconv.FormatUint(stamp.Generation, 10) + `"/>`)
	return out.String(), nil
}

type stampAttribute struct {
	name  string
	value *string
}

// stampAttributes is the one list of the stamp's text attributes, for writing and reading.
func stampAttributes(stamp *hypervisor.Stamp) []stampAttribute {
	return []stampAttribute{
		{"cluster", &stamp.Cluster},
		{"fleet", &stamp.Fleet},
		{"stack", &stamp.Stack},
		{"address", &stamp.Address},
		{"instance", &stamp.Instance},
		{"request", &stamp.Request},
		{"record", &stamp.Record},
	}
}

// ParseStamp reads a stamp element, as DomainGetMetadata returns it.
func ParseStamp(text string) (hypervisor.Stamp, error) {
	var element struct {
		Attrs []xml.Attr `xml:",any,attr"`
	}
	if err := xml.Unmarshal([]byte(text), &element); err != nil {
		return hypervisor.Stamp{}, fmt.Errorf("stamp: %w", err)
	}
	return stampFromAttributes(element.Attrs)
}

func stampFromAttributes(attrs []xml.Attr) (hypervisor.Stamp, error) {
	var stamp hypervisor.Stamp
	for _, attr := range attrs {
		if attr.Name.Local == "generation" {
			generation, err := strconv.ParseUint(attr.Value, 10, 64)
			if err != nil {
				return hypervisor.Stamp{}, fmt.Errorf("stamp: generation %q is not a number", attr.Value)
			}
			stamp.Generation = generation
		}
		for _, known := range stampAttributes(&stamp) {
			if attr.Name.Space == "" && attr.Name.Local == known.name {
				*known.value = attr.Value
			}
		}
	}
	return stamp, nil
}

// checkText refuses what XML 1.0 can't hold; it would come back as something else.
func checkText(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%q is not valid UTF-8", text)
	}
	for _, r := range text {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return fmt.Errorf("%q contains the character %U, which XML can't hold", text, r)
		}
	}
	return nil
}

// escape makes text fit for an attribute or a text node.
func escape(text string) string {
	var out strings.Builder
	if err := xml.EscapeText(&out, []byte(text)); err != nil {
		return "" // a Builder never fails
	}
	return out.String()
}
