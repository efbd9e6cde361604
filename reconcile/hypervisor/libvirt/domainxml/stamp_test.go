package domainxml_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/novaplan/novaplan/reconcile/hypervisor"
	"github.com/novaplan/novaplan/reconcile/hypervisor/libvirt/domainxml"
)

// xmlText draws text that XML can hold, with a taste for what goes wrong in it.
func xmlText() *rapid.Generator[string] {
	return rapid.StringOf(rapid.OneOf(
		rapid.RuneFrom([]rune("<>&\"' \t\n\r;]")),
		rapid.RuneFrom([]rune("aé日🙂")),
		rapid.Rune().Filter(func(r rune) bool { return r >= ' ' && r != 0xFFFE && r != 0xFFFF }),
	))
}

func drawStamp(t *rapid.T) hypervisor.Stamp {
	return hypervisor.Stamp{
		Cluster:    xmlText().Draw(t, "cluster"),
		Address:    xmlText().Draw(t, "address"),
		Generation: rapid.Uint64().Draw(t, "generation"),
		Record:     xmlText().Draw(t, "record"),
	}
}

func TestStampRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stamp := drawStamp(t)
		text, err := domainxml.StampXML(stamp)
		if err != nil {
			t.Fatal(err)
		}
		got, err := domainxml.ParseStamp(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(stamp, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestParseStampRefusesNonsense(t *testing.T) {
	for _, text := range []string{"", "<stamp", `<stamp generation="-1"/>`, `<stamp generation="18446744073709551616"/>`} {
		if got, err := domainxml.ParseStamp(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}
