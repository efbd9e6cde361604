package labtest

import (
	"io"
	"os"
	"strings"
	"syscall"
)

// Type writes a line to a domain's serial port, as a person at its console would; the lab's guest runs it with a
// shell. What comes back is in the serial log. The port stays open until the test ends, and until then other
// readers of the port (virsh console) miss a part of what is written to it.
func (l *Lab) Type(host, domain, line string) {
	l.t.Helper()
	pty := strings.TrimSpace(l.Virsh(host, "ttyconsole", domain))
	file, err := os.OpenFile(pty, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		l.t.Fatalf("serial port of %s on %s: %v", domain, host, err)
	}
	// QEMU looks once a second whether somebody has opened the port, so closing it now would lose the line; and
	// as long as it is open, somebody has to read, or the guest's output blocks.
	l.t.Cleanup(func() { file.Close() })
	go func() { _, _ = io.Copy(io.Discard, file) }()
	if _, err := file.WriteString(line + "\n"); err != nil {
		l.t.Fatalf("serial port of %s on %s: %v", domain, host, err)
	}
}
