package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/novaplan/novaplan/reconcile/hypervisor/libvirt"
	"github.com/novaplan/novaplan/spec/lang"
)

// TestLanguageAndDriverAgreeOnURIs: what validate lets through is never a host that "doesn't answer" because of
// how its URI is written, and what the driver takes can be written.
func TestLanguageAndDriverAgreeOnURIs(t *testing.T) {
	for _, uri := range []string{
		"qemu:///system", "qemu:///session", "qemu:///system?socket=/s", "qemu+unix:///system?socket=/s", "qemu://h/system",
		"qemu://h/system?pkipath=/p&no_verify=1", "qemu+tls://h/system?pkipath=/p", "qemu+tcp://h/system", "qemu+tcp://h:1/system",
		"qemu+tcp://[::1]:16509/system", "qemu+ssh://root@h:22/system", "qemu+ssh://h.example.org/system",

		"", "kvm1", "qemu+tcp:///system", "qemu+tcp://:1/system", "qemu+ssh:///system", "qemu+tls:///system", "qemu+unix://h/system",
		"qemu+ssh://h/system?keyfile=/k", "qemu+tcp://h/system?x=1", "qemu+tls://h/system?socket=/s", "qemu:///system?pkipath=/p",
		"qemu://h/system?socket=/s", "qemu+ssh://-x@h/system", "qemu+ssh://-h/system", "qemu+ext://h/system", "xen:///system",
		"qemu+tcp://h/", "qemu+tcp://h", "qemu+tcp://h/system/x",
	} {
		dir := t.TempDir()
		src := fmt.Sprintf("host \"h\" { uri = %q }\n", uri)
		if err := os.WriteFile(filepath.Join(dir, "a.np.hcl"), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		_, diags := lang.Load(context.Background(), dir, lang.Options{})
		_, err := libvirt.ParseURI(uri)
		if (err != nil) != diags.HasErrors() {
			t.Errorf("%q: the language says %v, the driver %v", uri, diags, err)
		}
	}
}
