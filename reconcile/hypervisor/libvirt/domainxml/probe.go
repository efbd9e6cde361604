package domainxml

// ProbeXML is a domain that is defined for a moment and never started: the driver tries to migrate it to
// find out whether one libvirtd can log in to another. Decode marks it, so that lists leave it out.
func ProbeXML(name, uuid string) string {
	return `<domain type="qemu"><name>` + escape(name) + `</name><uuid>` + escape(uuid) + `</uuid>` +
		`<metadata><` + Prefix + `:probe xmlns:` + Prefix + `="` + Namespace + `"/></metadata>` +
		`<memory unit="MiB">1</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>`
}
