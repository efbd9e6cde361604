package libvirt

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseURI(t *testing.T) {
	cases := map[string]Endpoint{
		"qemu:///system":                                {Transport: TransportUnix, Remote: "qemu:///system"},
		"qemu+unix:///system?socket=/run/a%20b":         {Transport: TransportUnix, Remote: "qemu:///system", Socket: "/run/a b"},
		"qemu+tcp://kvm1/system":                        {Transport: TransportTCP, Host: "kvm1", Remote: "qemu:///system"},
		"qemu+tcp://[fd00::1]:99/system":                {Transport: TransportTCP, Host: "fd00::1", Port: "99", Remote: "qemu:///system"},
		"qemu://kvm1/system":                            {Transport: TransportTLS, Host: "kvm1", Remote: "qemu:///system"},
		"qemu+tls://kvm1/system?pkipath=/p&no_verify=1": {Transport: TransportTLS, Host: "kvm1", Remote: "qemu:///system", PKIPath: "/p", NoVerify: true},
		"qemu+ssh://root@kvm1:2222/system":              {Transport: TransportSSH, Host: "kvm1", Port: "2222", User: "root", Remote: "qemu:///system"},
		"qemu+ssh://kvm1/session":                       {Transport: TransportSSH, Host: "kvm1", Remote: "qemu:///session"},
	}
	for uri, want := range cases {
		got, err := ParseURI(uri)
		if err != nil {
			t.Errorf("%s: %v", uri, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", uri, diff)
		}
	}
}

func TestParseURIRefuses(t *testing.T) {
	cases := map[string]string{
		"xen:///system":                      `scheme "xen"`,
		"kvm1":                               `scheme ""`,
		"qemu+carrier://h/system":            `transport "carrier"`,
		"qemu+tcp:///system":                 "tcp wants a host",
		"qemu+unix://kvm1/system":            "a unix socket has no host",
		"qemu+tcp://h/sytem":                 `path "/sytem"`,
		"qemu+tcp://h/system?socket=/x":      `parameter "socket" is not known for tcp`,
		"qemu+ssh://h/system?keyfiel=/x":     `parameter "keyfiel"`,
		"qemu+ssh://-oProxyCommand=x/system": "begins with a dash",
		"qemu+ssh://-x@h/system":             "begins with a dash",
		"qemu+tcp://h:port/system":           "invalid port",
	}
	for uri, want := range cases {
		if _, err := ParseURI(uri); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", uri, err, want)
		}
	}
}

func TestAddressHasTheTransportsPort(t *testing.T) {
	for uri, want := range map[string]string{
		"qemu+tcp://kvm1/system":      "kvm1:16509",
		"qemu+tls://kvm1/system":      "kvm1:16514",
		"qemu+tcp://[fd00::1]/system": "[fd00::1]:16509",
		"qemu+tcp://kvm1:7/system":    "kvm1:7",
	} {
		e, err := ParseURI(uri)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.address(); got != want {
			t.Errorf("%s: got %s, want %s", uri, got, want)
		}
	}
}

func TestOpenRefusesWrongTargets(t *testing.T) {
	driver := New(Options{})
	for _, broken := range []string{"", "qemu+tcp:///system"} {
		if _, err := driver.Open(t.Context(), target("kvm1", broken)); err == nil || !strings.Contains(err.Error(), "host kvm1") {
			t.Errorf("%q: got error %v", broken, err)
		}
	}
	wrong := target("kvm1", "qemu:///system")
	wrong.VirtType = "xen"
	if _, err := driver.Open(t.Context(), wrong); err == nil {
		t.Error("a host of virtualisation type xen opens")
	}
	wrong = target("kvm1", "qemu:///system")
	wrong.PeerURI = "nonsense"
	if _, err := driver.Open(t.Context(), wrong); err == nil {
		t.Error("a host with a nonsense peer URI opens")
	}
}
