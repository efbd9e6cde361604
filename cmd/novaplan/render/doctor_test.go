package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/novaplan/novaplan/cluster/api/wire"
)

// Twelve hosts have 132 pairs: only what is wrong with one deserves a line.
func TestDoctorOfManyHosts(t *testing.T) {
	var r wire.Report
	for i := range 12 {
		host := fmt.Sprintf("h%d", i)
		r.Checks = append(r.Checks, wire.Check{Host: host, Name: "virtualisation", Status: "warning", Detail: "no kvm", Fix: "virt-host-validate"})
		for j := range 12 {
			c := wire.Check{Host: host, Peer: fmt.Sprintf("h%d", j), Name: "migration", Status: "ok", Detail: "qemu+ssh"}
			if i == 3 && j == 5 {
				c.Status, c.Detail, c.Fix = "failed", "no route", "ssh-copy-id h5"
			}
			if i != j {
				r.Checks = append(r.Checks, c)
			}
		}
	}
	var b strings.Builder
	if err := Doctor(&b, &r, nil, Options{}); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		"h0 -> 11 hosts   migration       ok", "h3 -> 10 hosts   migration       ok", "h3 -> h5         migration       failed   no route",
		"\nh3 -> h5: migration\n  ssh-copy-id h5\n",
		"\nh0, h1, h2, h3, h4, h5, h6, h7, h8, h9, h10, h11: virtualisation\n  virt-host-validate\n",
		"\n131 checks ok, 12 warnings, 1 failed.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "->"); n != 12+2 {
		t.Errorf("%d pairs are written out", n)
	}
}
