package spec

import "testing"

func TestParseAddressIsCanonical(t *testing.T) {
	for in, want := range map[string]Address{
		`instance.web`:            `instance.web`,
		`instance.web[2]`:         `instance.web[2]`,
		`instance["web"][02]`:     `instance.web[2]`,
		`flavor["m1.small"]`:      `flavor["m1.small"]`,
		`host.kvm["a\u0031"]`:     `host.kvm["a1"]`,
		`host.kvm["we]ird\"[0]"]`: `host.kvm["we]ird\"[0]"]`,
	} {
		got, err := ParseAddress(in)
		if err != nil || got != want {
			t.Errorf("ParseAddress(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "web", ".web", "instance.", "instance.web[", "instance.web[-1]", "instance.web[1][2]", "a.b.c", `instance["x]`} {
		if got, err := ParseAddress(in); err == nil {
			t.Errorf("ParseAddress(%q) = %q, want an error", in, got)
		}
	}
}

func TestAddressParts(t *testing.T) {
	a := Address(`flavor["m1.small"]["x"]`)
	if a.Kind() != "flavor" || a.Label() != "m1.small" || a.Block() != `flavor["m1.small"]` || a.Short() != `m1.small["x"]` {
		t.Errorf("parts of %s: %q %q %q %q", a, a.Kind(), a.Label(), a.Block(), a.Short())
	}
}
