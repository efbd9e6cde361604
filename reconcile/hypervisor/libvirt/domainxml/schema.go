package domainxml

import "encoding/xml"

// The structs below are what new domains are written from. Pointers to empty are elements that say
// something by being there.

type empty struct{}

type domain struct {
	XMLName    xml.Name  `xml:"domain"`
	Type       string    `xml:"type,attr"`
	Name       string    `xml:"name"`
	UUID       string    `xml:"uuid"`
	Metadata   *metadata `xml:"metadata"`
	Memory     quantity  `xml:"memory"`
	VCPU       vcpu      `xml:"vcpu"`
	OS         osBoot    `xml:"os"`
	Features   features  `xml:"features"`
	CPU        *rawXML   `xml:"cpu"`
	Clock      clock     `xml:"clock"`
	OnPoweroff string    `xml:"on_poweroff"`
	OnReboot   string    `xml:"on_reboot"`
	OnCrash    string    `xml:"on_crash"`
	Devices    devices   `xml:"devices"`
}

type metadata struct {
	XML string `xml:",innerxml"`
}

// rawXML is an element whose attributes and content are taken over as they are.
type rawXML struct {
	Attrs []xml.Attr `xml:",any,attr"`
	Inner string     `xml:",innerxml"`
}

type quantity struct {
	Unit  string `xml:"unit,attr"`
	Value int64  `xml:",chardata"`
}

type vcpu struct {
	Placement string `xml:"placement,attr"`
	Count     int    `xml:",chardata"`
}

type osBoot struct {
	Firmware string `xml:"firmware,attr,omitempty"`
	Type     osType `xml:"type"`
}

type osType struct {
	Arch    string `xml:"arch,attr,omitempty"`
	Machine string `xml:"machine,attr,omitempty"`
	Kind    string `xml:",chardata"`
}

type features struct {
	ACPI *empty `xml:"acpi"`
	APIC *empty `xml:"apic"`
}

type clock struct {
	Offset string  `xml:"offset,attr"`
	Timers []timer `xml:"timer"`
}

type timer struct {
	Name       string `xml:"name,attr"`
	TickPolicy string `xml:"tickpolicy,attr,omitempty"`
	Present    string `xml:"present,attr,omitempty"`
}

type devices struct {
	Disks      []disk      `xml:"disk"`
	Interfaces []netIface  `xml:"interface"`
	Serial     serial      `xml:"serial"`
	Console    console     `xml:"console"`
	Channel    channel     `xml:"channel"`
	Input      *input      `xml:"input"`
	Graphics   graphics    `xml:"graphics"`
	Video      video       `xml:"video"`
	Balloon    balloon     `xml:"memballoon"`
	RNG        rng         `xml:"rng"`
	Controller *controller `xml:"controller"`
}

type disk struct {
	Type     string     `xml:"type,attr"`
	Device   string     `xml:"device,attr"`
	Driver   diskDriver `xml:"driver"`
	Source   diskSource `xml:"source"`
	Target   diskTarget `xml:"target"`
	ReadOnly *empty     `xml:"readonly"`
	Serial   string     `xml:"serial,omitempty"`
	Boot     *bootOrder `xml:"boot"`
}

type diskDriver struct {
	Name    string `xml:"name,attr"`
	Type    string `xml:"type,attr"`
	Cache   string `xml:"cache,attr,omitempty"`
	Discard string `xml:"discard,attr,omitempty"`
}

type diskSource struct {
	File string `xml:"file,attr"`
}

type diskTarget struct {
	Dev string `xml:"dev,attr"`
	Bus string `xml:"bus,attr"`
}

type bootOrder struct {
	Order int `xml:"order,attr"`
}

type netIface struct {
	Type   string      `xml:"type,attr"`
	MAC    address     `xml:"mac"`
	Source ifaceSource `xml:"source"`
	Model  typed       `xml:"model"`
	MTU    *mtu        `xml:"mtu"`
}

type address struct {
	Address string `xml:"address,attr"`
}

type ifaceSource struct {
	Bridge  string `xml:"bridge,attr,omitempty"`
	Network string `xml:"network,attr,omitempty"`
}

type typed struct {
	Type string `xml:"type,attr"`
}

type mtu struct {
	Size int `xml:"size,attr"`
}

type serial struct {
	Type   string     `xml:"type,attr"`
	Log    *serialLog `xml:"log"`
	Target port       `xml:"target"`
}

type serialLog struct {
	File   string `xml:"file,attr"`
	Append string `xml:"append,attr"`
}

type port struct {
	Port int `xml:"port,attr"`
}

type console struct {
	Type   string        `xml:"type,attr"`
	Target consoleTarget `xml:"target"`
}

type consoleTarget struct {
	Type string `xml:"type,attr"`
	Port int    `xml:"port,attr"`
}

type channel struct {
	Type   string        `xml:"type,attr"`
	Target channelTarget `xml:"target"`
}

type channelTarget struct {
	Type string `xml:"type,attr"`
	Name string `xml:"name,attr"`
}

type input struct {
	Type string `xml:"type,attr"`
	Bus  string `xml:"bus,attr"`
}

type graphics struct {
	Type     string   `xml:"type,attr"`
	AutoPort string   `xml:"autoport,attr"`
	Listen   listenOn `xml:"listen"`
}

type listenOn struct {
	Type    string `xml:"type,attr"`
	Address string `xml:"address,attr"`
}

type video struct {
	Model typed `xml:"model"`
}

type balloon struct {
	Model string       `xml:"model,attr"`
	Stats balloonStats `xml:"stats"`
}

type balloonStats struct {
	Period int `xml:"period,attr"`
}

type rng struct {
	Model   string     `xml:"model,attr"`
	Backend rngBackend `xml:"backend"`
}

type rngBackend struct {
	Model string `xml:"model,attr"`
	File  string `xml:",chardata"`
}

type controller struct {
	Type  string `xml:"type,attr"`
	Model string `xml:"model,attr"`
}
